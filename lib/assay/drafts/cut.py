"""One frame of a run, cut at the call that led on: what ran before it, the statement itself, what follows."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from assay.drafts.flow import Line
from assay.drafts.observed import MARK
from assay.drafts.seen import Span, Step

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
HOLE = f"answer{MARK}h"  # no variable of upstream's has such a name


class CannotCut(Exception):
    """Why a run cannot be cut; it ends up in the draft's `why`."""


class Piece(NamedTuple):
    """A frame's code in three parts; names are still upstream's own."""

    step: Step
    function: Function | None  # None for the body of a script
    owner: str  # the class of a method, or ""
    before: list[Line]
    hole: ast.Call  # the call expression itself
    after: list[Line]  # begins with the statement that holds the call, where HOLE stands for it


def piece(step: Step, texts: Mapping[str, str], callees: set[str]) -> Piece:
    """Cut a frame at the call that it was in; `callees` are the names that what was called goes by there."""
    tree = parsed(step.file, texts)
    function, owner = (None, "") if step.qualname == "<module>" else find(tree, step)
    if function is not None and _yields(function):
        raise CannotCut(f"{step.qualname} is a generator ({step.file}:{step.first_line})")
    hole = _expression(function or tree, step, callees)
    if isinstance(function, ast.Lambda):
        body: list[ast.stmt] = [ast.copy_location(ast.Return(value=function.body), function.body)]
    else:
        body = (function or tree).body
    cutter = _Cutter(step, hole)
    cutter.block(body)
    return Piece(step, function, owner, cutter.before, hole, cutter.after)


def parsed(file: str, texts: Mapping[str, str]) -> ast.Module:
    """Parse a file of the tree."""
    if file not in texts:
        raise CannotCut(f"the text of {file} is not at hand")
    try:
        return ast.parse(texts[file])
    except (SyntaxError, ValueError) as error:
        raise CannotCut(f"{file} is no valid Python: {error}") from error


def find(tree: ast.Module, step: Step) -> tuple[Function, str]:
    """Find the function of a frame by its name and first line; also the class that it belongs to."""
    name = step.qualname.split(".")[-1]
    for node, owner in _functions(tree, ""):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        if first == step.first_line and getattr(node, "name", "<lambda>") == name:
            return node, owner
    raise CannotCut(f"{step.qualname} is not where it ran ({step.file}:{step.first_line})")


def _functions(node: ast.AST, owner: str) -> list[tuple[Function, str]]:
    found: list[tuple[Function, str]] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            found.append((child, owner))
            found += _functions(child, "")
        else:
            found += _functions(child, child.name if isinstance(child, ast.ClassDef) else owner)
    return found


def _yields(function: Function) -> bool:
    ahead: list[ast.AST] = list(ast.iter_child_nodes(function))
    while ahead:
        node = ahead.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            ahead += ast.iter_child_nodes(node)
    return False


def _expression(scope: ast.AST, step: Step, callees: set[str]) -> ast.Call:
    """Find the call expression by its exact place, or by its line and what it called."""
    span, where = step.span, f"{step.file}:{step.span.line}"
    every = [n for n in ast.walk(scope) if isinstance(n, ast.Call)]
    found = [n for n in every if place(n) == span]
    if span.col is None:
        found = [n for n in every if n.lineno <= span.line <= (n.end_lineno or n.lineno)]
        named = [n for n in found if ast.unparse(n.func).split(".")[-1] in callees]
        found = named or found
    if len(found) != 1:
        raise CannotCut(f"the call at {where} is no plain call expression")
    return found[0]


def place(node: ast.expr) -> Span:
    """Give the span of an expression."""
    return Span(node.lineno, node.end_lineno or node.lineno, node.col_offset, node.end_col_offset)


class _Cutter:
    """Walks from a body down to the statement with the call, and gathers what lies on both sides."""

    def __init__(self, step: Step, hole: ast.Call) -> None:
        self.step, self.hole = step, hole
        self.before: list[Line] = []
        self.after: list[Line] = []

    def block(self, body: list[ast.stmt]) -> None:
        """Cut a block; the parts of blocks around it are gathered by the caller."""
        index = next((i for i, s in enumerate(body) if _holds(s, self.hole)), None)
        if index is None:
            raise CannotCut(f"the call is not in the body of {self.step.qualname}")
        self.before += [self.line(s) for s in body[:index]]
        rest = [self.line(s) for s in body[index + 1 :]]
        statement = body[index]
        inner = next((b for b in _blocks(statement) if any(_holds(s, self.hole) for s in b)), None)
        if inner is None:
            self.after.append(self.line(self.filled(statement)))
        else:
            self.head(statement)
            self.block(inner)
            self.tail(statement, inner)
        self.after += rest

    def line(self, node: ast.stmt) -> Line:
        """Give a statement its place."""
        return Line(node, f"{self.step.file}:{node.lineno}")

    def filled(self, statement: ast.stmt) -> ast.stmt:
        """Put HOLE in place of the call."""
        if isinstance(statement, ast.While) or _in_comprehension(statement, self.hole):
            raise CannotCut(
                f"the call at {self.step.file}:{self.hole.lineno} is made again and again in one expression"
            )
        target = place(self.hole)

        class Fill(ast.NodeTransformer):
            def visit_Call(self, node: ast.Call) -> ast.expr:
                if place(node) == target:
                    return ast.copy_location(ast.Name(HOLE, ast.Load()), node)
                self.generic_visit(node)
                return node

        filled: ast.stmt = Fill().visit(copy.deepcopy(statement))
        return ast.fix_missing_locations(filled)

    def head(self, statement: ast.stmt) -> None:
        """Keep what the head of a block around the call binds."""
        if isinstance(statement, ast.For):
            text = f"next(iter({ast.unparse(statement.iter)}))"
            self._bind(statement.target, ast.parse(text, mode="eval").body, statement)
            self._keep_places(statement)
        elif isinstance(statement, ast.With):
            for item in statement.items:
                if item.optional_vars is not None:
                    self._bind(item.optional_vars, item.context_expr, statement)
        elif isinstance(statement, (ast.While, ast.FunctionDef, ast.ClassDef)):
            raise CannotCut(f"the model is called in a loop without end ({self.step.file}:{statement.lineno})")

    def _keep_places(self, statement: ast.For) -> None:
        """Let the loop's own iterable stand in its line, with its places, for what was observed there."""
        bound = self.before[-1].node
        assert isinstance(bound, ast.Assign) and isinstance(bound.value, ast.Call)
        iterator = bound.value.args[0]
        assert isinstance(iterator, ast.Call)
        iterator.args = [statement.iter]

    def _bind(self, target: ast.expr, value: ast.expr, at: ast.stmt) -> None:
        made = ast.copy_location(ast.Assign(targets=[target], value=value, lineno=at.lineno), at)
        self.before.append(Line(made, f"{self.step.file}:{at.lineno}"))

    def tail(self, statement: ast.stmt, inner: list[ast.stmt]) -> None:
        """Keep what ends a block around the call; a loop's `continue` then skips the rest of this one round."""
        if isinstance(statement, ast.Try):
            self.after += [self.line(s) for s in [*statement.orelse, *statement.finalbody] if statement.body is inner]
        if isinstance(statement, ast.For):
            self.after = _once(self.after, self.step)


def _once(lines: list[Line], step: Step) -> list[Line]:
    """Write the rest of a loop's round without its `continue`."""
    for i, line in enumerate(lines):
        if not any(isinstance(n, (ast.Continue, ast.Break)) for n in _same_loop(line.node)):
            continue
        rest = _once(lines[i + 1 :], step)
        node = line.node
        guard = isinstance(node, ast.If) and isinstance(node.body[-1], (ast.Continue, ast.Break)) and not node.orelse
        if guard and rest and isinstance(node, ast.If):
            made = ast.If(test=node.test, body=node.body[:-1] or [ast.Pass()], orelse=[r.node for r in rest])
            return [*lines[:i], Line(ast.copy_location(made, node), line.where)]
        if isinstance(node, (ast.Continue, ast.Break)):
            return lines[:i]
        body = [node, *(r.node for r in rest)]
        text = ast.parse("for _ in range(1): pass").body[0]
        assert isinstance(text, ast.For)
        text.body = body
        return [*lines[:i], Line(ast.fix_missing_locations(ast.copy_location(text, node)), line.where)]
    return lines


def _same_loop(node: ast.AST) -> list[ast.AST]:
    """Give the nodes of a statement that belong to the loop around it, not to one inside."""
    found, ahead = [], [node]
    while ahead:
        current = ahead.pop()
        found.append(current)
        if not isinstance(current, (ast.For, ast.While, ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            ahead += ast.iter_child_nodes(current)
    return found


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    found = [
        getattr(statement, f) for f in ("body", "orelse", "finalbody") if isinstance(getattr(statement, f, 0), list)
    ]
    return found + [h.body for h in getattr(statement, "handlers", [])]


def _holds(node: ast.AST, hole: ast.expr) -> bool:
    return any(n is hole for n in ast.walk(node))


def _in_comprehension(statement: ast.stmt, hole: ast.expr) -> bool:
    for node in ast.walk(statement):
        generators: list[Any] = getattr(node, "generators", [])
        inside = [getattr(node, f, None) for f in ("elt", "key", "value")] if generators else []
        if any(part is not None and _holds(part, hole) for part in inside):
            return True
    return False
