"""A loop that draws boxes, rewritten to list them."""

from __future__ import annotations

import ast
import copy
import re

from assay.drafts import texts
from assay.drafts.cut import place
from assay.drafts.flow import DRAWING, Line, called, writes
from assay.drafts.observed import Values, ident, plain_name
from assay.drafts.reading import names
from assay.drafts.seen import Span

FOUND = ident("found", "h")
BOX = re.compile(r"box|xyxy|rect|coord|^det$|^b$|^d$", re.I)
LABELS = re.compile(r"label|class|cls|categor", re.I)
NAMES = re.compile(r"name|class|label|categor", re.I)


def loops(lines: list[Line], spots: set[Span]) -> list[ast.For]:
    """Find the innermost loops that draw a box."""
    found = []
    for line in lines:
        for node in ast.walk(line.node):
            if isinstance(node, ast.For) and any(_box(c, spots) is not None for c in _calls(node)):
                inner = [n for s in node.body for n in ast.walk(s) if isinstance(n, ast.For)]
                if not any(_box(c, spots) is not None for n in inner for c in _calls(n)):
                    found.append(node)
    return found


def _calls(node: ast.AST) -> list[ast.Call]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Call)]


def _box(call: ast.Call, spots: set[Span]) -> list[ast.expr] | None:
    """Give the corners that a call draws a box at."""
    if called(call) == "rectangle" and len(call.args) >= 3 and "cv2" in ast.unparse(call.func):
        return [*_corner(call.args[1]), *_corner(call.args[2])]
    if called(call) in ("rectangle", "rounded_rectangle") and call.args:
        corners = call.args[0]
        if isinstance(corners, (ast.List, ast.Tuple)) and len(corners.elts) == 2:
            return [*_corner(corners.elts[0]), *_corner(corners.elts[1])]
        return _corner(corners)
    if place(call) in spots and called(call) not in DRAWING:
        named = [a for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Name)]
        found = [a for a in named if BOX.search(plain_name(a.id))]
        return [_starred(found[0])] if found else None
    return None


def _corner(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, (ast.Tuple, ast.List)):
        return list(node.elts)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("tuple", "list") and node.args:
        return [_starred(node.args[0])]
    return [_starred(node)]


def _starred(node: ast.expr) -> ast.expr:
    return ast.Starred(node, ast.Load())


def rewritten(loop: ast.For, lines: list[Line], values: Values, spots: set[Span], shown_only: bool) -> None:
    """Let a loop append what it draws to a list, in place; also what it makes to be drawn, unless told otherwise."""
    call = next(c for c in _calls(loop) if _box(c, spots) is not None)
    shown = _shown(loop, shown_only)
    label = _kept(loop, shown, texts.LABEL) or (None if shown_only else _sibling(loop, lines, values))
    score = _kept(loop, shown, texts.SCORE)
    block, index = _spot(loop, call)
    entry: dict[str, ast.expr] = {}
    if label is not None:
        entry["label"] = _call("str", label)
    if score is not None:
        entry["score"] = _call("float", score)
    entry["box"] = _floats(_box(call, spots) or [])
    made = ast.parse("found.append(0)").body[0]
    assert isinstance(made, ast.Expr) and isinstance(made.value, ast.Call)
    made.value.func = ast.Attribute(ast.Name(FOUND, ast.Load()), "append", ast.Load())
    keys: list[ast.expr | None] = [ast.Constant(k) for k in entry]
    made.value.args = [ast.Dict(keys=keys, values=list(entry.values()))]
    last = max([i for i, s in enumerate(block) if _defines(s, entry)], default=index)
    block.insert(max(index, last) + 1, ast.fix_missing_locations(ast.copy_location(made, call)))
    _undrawn(loop, spots)


def _undrawn(loop: ast.For, spots: set[Span]) -> None:
    """Leave the drawing out."""
    for node in ast.walk(loop):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                kept = [s for s in block if not (isinstance(s, ast.Expr) and _draws(s.value, spots))]
                block[:] = kept or ([ast.Pass()] if field == "body" else [])


def _draws(node: ast.expr, spots: set[Span]) -> bool:
    return isinstance(node, ast.Call) and _box(node, spots) is not None


def _defines(statement: ast.stmt, entry: dict[str, ast.expr]) -> bool:
    """Tell whether a statement gives a value to what is listed."""
    wanted = set().union(*(names(v) for v in entry.values()))
    return isinstance(statement, ast.Assign) and any(
        isinstance(t, ast.Name) and t.id in wanted for t in statement.targets
    )


def _call(function: str, value: ast.expr) -> ast.expr:
    return ast.Call(func=ast.Name(function, ast.Load()), args=[copy.deepcopy(value)], keywords=[])


def _floats(corners: list[ast.expr]) -> ast.expr:
    if len(corners) == 4 and not any(isinstance(c, ast.Starred) for c in corners):
        return ast.List([_call("float", c) for c in corners], ast.Load())
    every = corners[0].value if len(corners) == 1 and isinstance(corners[0], ast.Starred) else None
    source = every or ast.Tuple([copy.deepcopy(c) for c in corners], ast.Load())
    made = ast.parse("[float(v) for v in x]", mode="eval").body
    assert isinstance(made, ast.ListComp)
    made.generators[0].iter = copy.deepcopy(source)
    return made


def _spot(loop: ast.For, call: ast.Call) -> tuple[list[ast.stmt], int]:
    """Find the block and the statement in which a call stands."""
    ahead: list[list[ast.stmt]] = [loop.body]
    found = (loop.body, len(loop.body) - 1)
    while ahead:
        block = ahead.pop()
        for i, statement in enumerate(block):
            if any(n is call for n in ast.walk(statement)):
                found = (block, i)
                inner = [getattr(statement, f, []) for f in ("body", "orelse")]
                ahead += [b for b in inner if isinstance(b, list) and b]
    return found


def _kept(loop: ast.For, shown: list[tuple[texts.Part, ast.stmt]], role: str) -> ast.expr | None:
    """Give what a text shows; it gets a name of its own where the loop binds anew what it is made of."""
    part, at = next(((p, s) for p, s in shown if p.role == role), (None, None))
    if part is None or at is None:
        return None
    read = names(part.value)
    later = [s for s in ast.walk(loop) if isinstance(s, ast.Assign) and s.lineno > at.lineno]
    if not any(read & writes(s) for s in later):
        return part.value
    block, index = _block_of(loop, at)
    target = ident(f"shown_{role}", "h")
    made = ast.Assign(targets=[ast.Name(target, ast.Store())], value=copy.deepcopy(part.value), lineno=at.lineno)
    block.insert(index, ast.fix_missing_locations(ast.copy_location(made, at)))
    return ast.Name(target, ast.Load())


def _block_of(loop: ast.For, statement: ast.stmt) -> tuple[list[ast.stmt], int]:
    for node in ast.walk(loop):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list) and any(s is statement for s in block):
                return block, next(i for i, s in enumerate(block) if s is statement)
    return loop.body, 0


def _shown(loop: ast.For, shown_only: bool) -> list[tuple[texts.Part, ast.stmt]]:
    """Give what the texts in a loop show: those that are drawn, and those that are made to be."""
    bound = {
        t.id: s.value for s in ast.walk(loop) if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)
    }
    found: list[tuple[texts.Part, ast.stmt]] = []
    read = names(loop)
    for statement in (s for s in ast.walk(loop) if isinstance(s, (ast.Assign, ast.Expr))):
        if isinstance(statement, ast.Assign):
            if not shown_only or {t.id for t in statement.targets if isinstance(t, ast.Name)} & read:
                found += [(p, statement) for p in texts.parts(statement.value)]
            continue
        for call in _calls(statement):
            if called(call) == "print":
                continue
            for given in [*call.args, *(k.value for k in call.keywords)]:
                found += [(p, statement) for p in _of_argument(call, given, bound)]
    return found


def _of_argument(call: ast.Call, given: ast.expr, bound: dict[str, ast.expr]) -> list[texts.Part]:
    inner = texts.parts(given)
    if inner:
        return inner
    drawn = called(call) in ("putText", "text", "annotate")
    if drawn and isinstance(given, ast.Name) and given is (call.args[1] if len(call.args) > 1 else None):
        return [] if texts.parts(bound.get(given.id, given)) else [texts.Part(texts.LABEL, given)]
    if drawn and isinstance(given, ast.Subscript) and given is (call.args[1] if len(call.args) > 1 else None):
        return [texts.Part(texts.LABEL, given)]
    return []


def _sibling(loop: ast.For, lines: list[Line], values: Values) -> ast.expr | None:
    """Find the label of a box that is drawn without it: a list that was made together with the boxes."""
    indices = [n for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
    read = {n for s in loop.body for n in names(s)}
    for line in lines:
        targets = line.node.targets[0] if isinstance(line.node, ast.Assign) else None
        if not isinstance(targets, ast.Tuple) or len(indices) != 1:
            continue
        each = [t.id for t in targets.elts if isinstance(t, ast.Name)]
        labels = [n for n in each if LABELS.search(plain_name(n)) and n not in read]
        if labels and any(n in read for n in each):
            return _named(labels[0], indices[0].id, values)
    return None


def _named(labels: str, index: str, values: Values) -> ast.expr:
    entry = ast.Subscript(ast.Name(labels, ast.Load()), ast.Name(index, ast.Load()), ast.Load())
    for name in _lists_of_names(values):
        return ast.Subscript(ast.Name(name, ast.Load()), _call("int", entry), ast.Load())
    return entry


def _lists_of_names(values: Values) -> list[str]:
    found = []
    for number, runs in enumerate(values.frames):
        for name, value in (runs[0] if runs else {}).items():
            texts_only = isinstance(value, list) and len(value) > 1 and all(isinstance(v, str) for v in value)
            if texts_only and NAMES.search(name):
                found.append(ident(name, number))
    return found
