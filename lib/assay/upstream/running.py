"""Runs the statements of a constructor in the abstract; where a condition is not known, both ways."""

import ast
from typing import TYPE_CHECKING, Any

from assay.upstream.abstract import UNKNOWN, Closure, Either, Items, Node, Pattern, Unknown, either, options
from assay.upstream.evaluate import combined, spread, truth

if TYPE_CHECKING:
    from assay.upstream.building import Builder, Frame

MOST_ROUNDS = 300


def block(builder: "Builder", body: "list[ast.stmt]", frame: "Frame") -> str:
    """Run statements; tell how the block is left: by return, break, continue, or at its end ("")."""
    for node in body:
        builder.steps += 1
        run = STATEMENTS.get(type(node))
        left = run(builder, node, frame) if run else ""
        if left:
            return str(left)
    return ""


def assign(builder: "Builder", target: ast.expr, value: Any, frame: "Frame") -> None:
    """Give a value to a name, an attribute, an element or a tuple of these."""
    if isinstance(target, ast.Name):
        frame.env[target.id] = value
    elif isinstance(target, ast.Attribute):
        for owner in options(builder.evaluate(target.value, frame)):
            if isinstance(owner, Node):
                owner.put(target.attr, value, bool(frame.maybe))
    elif isinstance(target, ast.Subscript):
        _set_item(
            builder.evaluate(target.value, frame), builder.evaluate(target.slice, frame), value, bool(frame.maybe)
        )
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(builder, target.elts, value, frame)


def _unpack(builder: "Builder", targets: "list[ast.expr]", value: Any, frame: "Frame") -> None:
    values = spread(value) if not isinstance(value, (Unknown, Either)) else Items(rest=[UNKNOWN])
    if isinstance(value, Either):  # of several tuples, each place is one of several
        lists = [spread(v) for v in value.options if isinstance(v, (list, tuple))]
        if lists and all(len(v) == len(targets) for v in lists):
            values = Items(either([v[i] for v in lists]) for i in range(len(targets)))
    fits = len(values) == len(targets) and not values.rest
    starred = any(isinstance(t, ast.Starred) for t in targets)
    for place, target in enumerate(targets):
        inner = target.value if isinstance(target, ast.Starred) else target
        found = values[place] if fits and not starred else (either(values.rest) if values.rest else UNKNOWN)
        assign(builder, inner, found, frame)


def _set_item(owner: Any, index: Any, value: Any, maybe: bool) -> None:
    for one in options(owner):
        if isinstance(one, Node) and not one.open:
            name = (
                index if isinstance(index, Pattern) else str(index) if isinstance(index, (str, int)) else Pattern(".*")
            )
            one.put(name, value, maybe)
        elif isinstance(one, dict) and isinstance(index, (str, int, tuple)) and not isinstance(index, Pattern):
            one[index] = either([one[index], value]) if maybe and index in one else value
        elif isinstance(one, list) and isinstance(index, int) and -len(one) <= index < len(one):
            one[index] = either([one[index], value]) if maybe else value


def _assigned(builder: "Builder", node: ast.Assign, frame: "Frame") -> str:
    value = builder.evaluate(node.value, frame)
    for target in node.targets:
        assign(builder, target, value, frame)
    return ""


def _annotated(builder: "Builder", node: ast.AnnAssign, frame: "Frame") -> str:
    if node.value is not None:
        assign(builder, node.target, builder.evaluate(node.value, frame), frame)
    return ""


def _augmented(builder: "Builder", node: ast.AugAssign, frame: "Frame") -> str:
    old = builder.evaluate(node.target, frame)
    more = builder.evaluate(node.value, frame)
    if isinstance(node.op, ast.Add) and isinstance(old, Items):
        added = spread(more)
        for value in added:
            old.add(value, bool(frame.maybe))
        for value in added.rest:
            old.add(value, True)
        return ""
    if isinstance(node.op, ast.Add) and isinstance(old, Node):
        for value in spread(more):
            old.grow(value, bool(frame.maybe))
        return ""
    # in a loop of unknown length a number does not stay known
    found = UNKNOWN if frame.maybe and not isinstance(old, str) else combined(node.op, old, more)
    assign(builder, node.target, found, frame)
    return ""


def _expression(builder: "Builder", node: ast.Expr, frame: "Frame") -> str:
    builder.evaluate(node.value, frame)
    return ""


def _returned(builder: "Builder", node: ast.Return, frame: "Frame") -> str:
    frame.returned.append(builder.evaluate(node.value, frame) if node.value is not None else None)
    return "return"


def _branched(builder: "Builder", node: ast.If, frame: "Frame") -> str:
    known = truth(builder.evaluate(node.test, frame))
    if known is not None:
        return block(builder, node.body if known else node.orelse, frame)
    before = dict(frame.env)
    frame.maybe += 1
    left = block(builder, node.body, frame)
    after, frame.env = frame.env, dict(before)
    others_left = block(builder, node.orelse, frame)
    frame.maybe -= 1
    if left and others_left:
        return left
    if others_left:
        frame.env = after
    elif not left:
        frame.env = _merged(after, frame.env)
    return ""


def _merged(one: "dict[str, Any]", other: "dict[str, Any]") -> "dict[str, Any]":
    found = dict(one)
    for name, value in other.items():
        if name not in one:
            found[name] = value
        elif one[name] is not value:
            found[name] = either([one[name], value])
    return found


def _looped(builder: "Builder", node: ast.For, frame: "Frame") -> str:
    values = spread(builder.evaluate(node.iter, frame))
    for value in list(values)[:MOST_ROUNDS]:
        assign(builder, node.target, value, frame)
        left = block(builder, node.body, frame)
        if left == "return":
            return left
        if left == "break":
            break
    if values.rest:
        frame.maybe += 1
        for value in list(values.rest)[:8]:
            assign(builder, node.target, value, frame)
            block(builder, node.body, frame)
        frame.maybe -= 1
    return block(builder, node.orelse, frame)


def _repeated(builder: "Builder", node: ast.While, frame: "Frame") -> str:
    frame.maybe += 1
    block(builder, node.body, frame)
    frame.maybe -= 1
    return ""


def _within(builder: "Builder", node: ast.With, frame: "Frame") -> str:
    for part in node.items:
        value = builder.evaluate(part.context_expr, frame)
        if part.optional_vars is not None:
            assign(builder, part.optional_vars, value, frame)
    return block(builder, node.body, frame)


def _tried(builder: "Builder", node: ast.Try, frame: "Frame") -> str:
    left = block(builder, node.body, frame) or block(builder, node.orelse, frame)
    return block(builder, node.finalbody, frame) or left


def _defined(builder: "Builder", node: "ast.FunctionDef | ast.AsyncFunctionDef", frame: "Frame") -> str:
    frame.env[node.name] = Closure(frame.file, node, frame.env)
    return ""


def _imported(builder: "Builder", node: "ast.Import | ast.ImportFrom", frame: "Frame") -> str:
    from assay.upstream.index import Bound

    names: dict[str, Bound] = {}
    frame.file.bind(node, names)
    for name, bound in names.items():
        frame.env[name] = builder.value(builder.index.imported(frame.file, bound))
    return ""


def _deleted(builder: "Builder", node: ast.Delete, frame: "Frame") -> str:
    for target in node.targets:
        if isinstance(target, ast.Attribute) and not frame.maybe:
            owner = builder.evaluate(target.value, frame)
            if isinstance(owner, Node):
                owner.put(target.attr, None, maybe=False)
    return ""


STATEMENTS: dict[type[ast.stmt], Any] = {
    ast.Assign: _assigned, ast.AnnAssign: _annotated, ast.AugAssign: _augmented, ast.Expr: _expression,
    ast.Return: _returned, ast.If: _branched, ast.For: _looped, ast.While: _repeated, ast.With: _within,
    ast.Try: _tried, ast.FunctionDef: _defined, ast.AsyncFunctionDef: _defined, ast.Import: _imported,
    ast.ImportFrom: _imported, ast.Delete: _deleted, ast.Raise: lambda *_: "return",
    ast.Continue: lambda *_: "continue", ast.Break: lambda *_: "break",
}  # fmt: skip
