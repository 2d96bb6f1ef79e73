"""What a person gets of a run: the value that upstream shows, as the drafted postprocess returns it."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping
from typing import NamedTuple

from assay.drafts import boxes, texts
from assay.drafts.cut import HOLE, CannotCut, place
from assay.drafts.flow import DRAWING, OUTLETS, Line, called, writes
from assay.drafts.observed import MARK, Values, plain_name
from assay.drafts.reading import names
from assay.drafts.seen import Span

LABELS = re.compile(r"names?$|class|label|categor|word|2\w+$|_to_", re.IGNORECASE)
WORKING = ("softmax", "log_softmax", "sigmoid", "argmax", "topk", "multinomial")
CLOCKS = ("time", "perf_counter", "process_time", "monotonic", "tic", "toc", "getTickCount", "Event", "elapsed_time")
PICTURES = {"imwrite": 1, "imsave": 1, "imshow": 1, "save_image": 0, "toimage": 0}
EACH, PICTURE, VALUE, NAMED, RANKED, LISTED = "each box", "picture", "value", "named values", "ranked labels", "list"
SOUND = "sound"


class Answer(NamedTuple):
    """The statements, and the expression that a person gets."""

    lines: list[Line]
    value: ast.expr
    form: str


def answer(
    lines: list[Line],
    values: Values,
    spots: set[Span],
    opaque: set[str],
    shown_only: bool = False,
    silent: frozenset[str] = frozenset(),
) -> Answer:
    """Choose what postprocess returns; `silent` names functions that draw and return nothing."""
    lines = [Line(copy.deepcopy(line.node), line.where) for line in lines]
    tainted = rests_on(lines, {HOLE})
    drawn = [loop for loop in boxes.loops(lines, spots) if names(loop) & tainted]
    if drawn:
        return _each(lines, drawn[0], values, spots, shown_only)
    found = _consumed(lines, tainted, opaque) or _last(lines, tainted)
    if found is not None and found.form in (RANKED, LISTED):
        return found
    handed = _handed(lines, tainted, spots)
    if handed is not None:
        return handed
    picture = _picture(lines, spots)
    if picture is not None:
        return picture
    given = _plotted(found, tainted, silent) if found is not None else None
    if given is not None:
        return given
    if found is None:
        raise CannotCut("nothing that rests on the model's answer is shown or kept")
    return found


def rests_on(lines: list[Line], start: set[str], drawn: set[Span] | None = None) -> set[str]:
    """Name what rests on some names, in order of the lines; what a clock gives does not count.

    With `drawn`, the calls of upstream's that draw, what is drawn upon does not count either.
    """
    tainted = set(start)
    for line in lines:
        if clocked(line.node):
            continue
        for node in _simple(line.node):
            if drawn is not None and isinstance(node, ast.Expr) and _drawing(node.value, drawn):
                continue
            if names(node) & tainted:
                tainted |= writes(node)
    return tainted


def _simple(node: ast.stmt) -> list[ast.stmt]:
    """Give the plain statements and heads of loops in a statement, twice for what a loop carries over."""
    inner = [s for f in ("body", "orelse", "finalbody") for s in getattr(node, f, []) if isinstance(s, ast.stmt)]
    if not inner or isinstance(node, ast.FunctionDef):
        return [node]
    found = [s for statement in inner for s in _simple(statement)]
    if isinstance(node, ast.For):
        head = ast.Assign(targets=[node.target], value=node.iter, lineno=node.lineno)
        return [head, *found, *found]
    return found


def _drawing(node: ast.expr, drawn: set[Span]) -> bool:
    return called(node) in DRAWING or (isinstance(node, ast.Call) and place(node) in drawn)


def clocked(node: ast.stmt) -> bool:
    """Tell whether a plain statement reads a clock."""
    if isinstance(node, (ast.For, ast.If, ast.With, ast.While, ast.Try, ast.FunctionDef)):
        return False
    return any(isinstance(n, ast.Call) and called(n) in CLOCKS for n in ast.walk(node))


# ---------------------------------------------------------------- forms
def _each(lines: list[Line], loop: ast.For, values: Values, spots: set[Span], shown_only: bool) -> Answer:
    boxes.rewritten(loop, lines, values, spots, shown_only)
    start = ast.Assign(targets=[ast.Name(boxes.FOUND, ast.Store())], value=ast.List([], ast.Load()), lineno=1)
    made = [Line(ast.fix_missing_locations(start), ""), *lines]
    return Answer(made, ast.Name(boxes.FOUND, ast.Load()), EACH)


def _handed(lines: list[Line], tainted: set[str], spots: set[Span]) -> Answer | None:
    """Find what is handed to a function of upstream's that draws it or writes it down."""
    for i, line in enumerate(lines):
        for call in [n for n in ast.walk(line.node) if isinstance(n, ast.Call) and place(n) in spots]:
            if called(call) in OUTLETS | DRAWING or not isinstance(line.node, ast.Expr):
                continue
            given = [a for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Name)]
            found = sorted({a.id for a in given if a.id in tainted and a.id != HOLE})
            if found:
                return _named(lines[:i], found) if len(found) > 1 else _structure(lines[:i], found[0])
    return None


def _picture(lines: list[Line], spots: set[Span]) -> Answer | None:
    """Find a picture that is written or shown and that is the model's own, not the input drawn upon."""
    for i, line in enumerate(lines):
        for call in [n for n in ast.walk(line.node) if isinstance(n, ast.Call)]:
            shown = _shown_picture(call)
            if shown is None:
                continue
            made = rests_on(lines[: i + 1], {HOLE}, spots)
            if names(shown) & made:
                return Answer(lines[: i + 1], _as_picture(shown, call), PICTURE)
    return None


def _shown_picture(call: ast.Call) -> ast.expr | None:
    word = called(call)
    if word in PICTURES:
        place = 0 if word == "imshow" and "cv2" not in ast.unparse(call.func) else PICTURES[word]
        return call.args[place] if len(call.args) > place else None
    if word == "save" and isinstance(call.func, ast.Attribute) and call.args:
        owner = ast.unparse(call.func.value)
        return call.func.value if owner.split(MARK)[0] not in ("torch", "np", "numpy", "plt") else None
    return None


def _as_picture(shown: ast.expr, call: ast.Call) -> ast.expr:
    """Write the picture that a call writes or shows."""
    text = f"as_picture(x, bgr={'cv2' in ast.unparse(call.func)})"
    if called(call) == "save_image":
        unusual = [k.arg or "**" for k in call.keywords if k.arg not in ("format", "nrow", "padding", "fp")]
        if unusual or len(call.args) > 4:
            raise CannotCut(f"save_image changes the picture ({', '.join(unusual) or 'it is given more than a path'})")
        text = "saved_picture(x)"
    made = ast.parse(f"{{'picture': {text}}}", mode="eval").body
    assert isinstance(made, ast.Dict)
    inner = made.values[0]
    assert isinstance(inner, ast.Call)
    inner.args = [copy.deepcopy(shown)]
    return made


def _consumed(lines: list[Line], tainted: set[str], opaque: set[str]) -> Answer | None:
    """Find the value that printing, drawing or writing takes first, and that everything shown comes from."""
    for i, line in enumerate(lines):
        displayed = _displayed(line)
        if displayed in tainted and _kept(lines[:i], displayed) and not _worked_on(lines[i + 1 :], tainted):
            return _structure(lines[:i], displayed)
        if clocked(line.node) or not _outlets(line.node):
            continue
        worked = _direct(line.node, tainted) if _worked_on([line], tainted) else None
        if worked is not None:
            return Answer(lines[:i], worked, VALUE)
        free = {n for n in _free(line.node) if n in tainted and n != HOLE and _kept(lines[:i], n)}
        if free & opaque:
            return _attributes(lines[:i], line.node, tainted)
        looked_up = _looked_up(line.node, tainted) if free else {}
        if looked_up and not set(looked_up) & {plain_name(n) for n in free}:
            return _named(lines[:i], sorted(free), looked_up)
        if len(free) == 1:
            return _structure(lines[:i], free.pop())
        if free:
            return _named(lines[:i], sorted(free))
        direct = _direct(line.node, tainted)
        if direct is not None:
            return Answer(lines[:i], direct, VALUE)
    return None


def _looked_up(node: ast.stmt, tainted: set[str]) -> dict[str, ast.expr]:
    """Give what a print looks up by the answer in a table, whatever the answer is: {"label": NAMES[best]}."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or called(call) not in OUTLETS:
        return {}
    shown = [one for given in call.args for one in _plainly_shown(given)]
    found = {ast.unparse(n): n for n in shown if isinstance(n, ast.Subscript) and _is_lookup(n, tainted)}
    tables = {plain_name(ast.unparse(n.value).rpartition(".")[2]): copy.deepcopy(n) for n in found.values()}
    if len(tables) == 1 and LABELS.search(next(iter(tables))):
        return {"label": next(iter(tables.values()))} if len(found) == 1 else {}
    return dict(tables) if len(tables) == len(found) else {}


def _plainly_shown(node: ast.expr) -> list[ast.expr]:
    """Give the values of which a text is put together, or the one that is shown."""
    if isinstance(node, ast.JoinedStr):
        return [one for v in node.values if isinstance(v, ast.FormattedValue) for one in _plainly_shown(v.value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_plainly_shown(node.left), *_plainly_shown(node.right)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and len(node.args) == 1:
        return _plainly_shown(node.args[0])
    return [node]


def _is_lookup(node: ast.Subscript, tainted: set[str]) -> bool:
    plain = isinstance(node.value, (ast.Name, ast.Attribute)) and not names(node.value) & tainted
    return plain and bool(names(node.slice) & tainted)


def _displayed(line: Line) -> str:
    """Name the variable that stands by itself in a notebook, which shows it; "" for any other line."""
    alone = isinstance(line.node, ast.Expr) and isinstance(line.node.value, ast.Name) and ".ipynb#" in line.where
    return line.node.value.id if alone else ""  # type: ignore[attr-defined]


def _worked_on(lines: list[Line], tainted: set[str]) -> bool:
    """Tell whether lines turn the answer into likelihoods or choices: what came before is not what is shown."""
    calls = [n for line in lines for n in ast.walk(line.node) if isinstance(n, ast.Call)]
    return any(called(call) in WORKING and names(call) & tainted for call in calls)


def _attributes(lines: list[Line], node: ast.stmt, tainted: set[str]) -> Answer | None:
    """Return what a print takes out of an object: {"label": result.output.label}."""
    found: dict[str, ast.expr] = {}
    for call in [n for n in ast.walk(node) if isinstance(n, ast.Call) and called(n) in OUTLETS]:
        for given in call.args:
            for value in [p.value for p in texts.parts(given)] or [given]:
                if isinstance(value, (ast.Attribute, ast.Subscript)) and names(value) & tainted:
                    found.setdefault(_last_name(value), copy.deepcopy(value))
    if not found:
        return None
    if "label" in found:
        found["label"] = ast.Call(func=ast.Name("str", ast.Load()), args=[found["label"]], keywords=[])
    keys: list[ast.expr | None] = [ast.Constant(k) for k in found]
    return Answer(lines, ast.Dict(keys=keys, values=list(found.values())), NAMED)


def _last_name(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return value.attr
    index = value.slice if isinstance(value, ast.Subscript) else None
    if isinstance(index, ast.Constant) and isinstance(index.value, str):
        return index.value
    return plain_name(next(iter(sorted(names(value))), "value"))


def _free(node: ast.stmt) -> set[str]:
    from assay.drafts.reading import exposed

    return exposed(node)


def _kept(lines: list[Line], name: str) -> bool:
    """Tell whether a variable got its value from the answer, not only a count or a time."""
    return any(name in writes(line.node) and not clocked(line.node) for line in lines)


def _outlets(node: ast.stmt) -> bool:
    return any(isinstance(n, ast.Call) and called(n) in OUTLETS | DRAWING for n in ast.walk(node))


def _direct(node: ast.stmt, tainted: set[str]) -> ast.expr | None:
    """Give the value that a print computes from the answer itself."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return None
    for given in node.value.args:
        shown = [p.value for p in texts.parts(given)] or [given]
        for value in shown:
            if names(value) & tainted:
                return copy.deepcopy(value)
    return None


def _plotted(found: Answer, tainted: set[str], silent: frozenset[str]) -> Answer | None:
    """Give what a function at the end that draws and returns nothing is given of the model's answer."""
    call = found.value
    if not isinstance(call, ast.Call) or called(call) not in silent:
        return None
    pairs: list[tuple[str, ast.expr]] = [(plain_name(a.id), a) for a in call.args if isinstance(a, ast.Name)]
    pairs += [(str(k.arg), k.value) for k in call.keywords if k.arg]
    kept = {name: value for name, value in pairs if names(value) & tainted}
    keys: list[ast.expr | None] = [ast.Constant(n) for n in kept]
    return Answer(found.lines, ast.Dict(keys=keys, values=list(kept.values())), NAMED) if kept else None


def _structure(lines: list[Line], name: str) -> Answer:
    """Return a value as upstream has it, or in the form that metrics read when that is certain."""
    value = next(
        (x.node.value for x in reversed(lines) if isinstance(x.node, ast.Assign) and name in writes(x.node)), None
    )
    if value is not None and _is_ranking(value):
        return Answer(lines, ast.Name(name, ast.Load()), RANKED)
    if isinstance(value, ast.Dict) or (
        isinstance(value, ast.ListComp) and isinstance(value.elt, (ast.Dict, ast.Tuple))
    ):
        return Answer(lines, ast.Name(name, ast.Load()), LISTED)
    return Answer(lines, ast.Name(name, ast.Load()), VALUE)


def _is_ranking(value: ast.expr) -> bool:
    """Tell whether a list is one of (label, score), best first."""
    if not isinstance(value, ast.ListComp) or not isinstance(value.elt, ast.Tuple) or len(value.elt.elts) != 2:
        return False
    label, score = value.elt.elts
    text = ast.unparse(value.generators[0].iter)
    falling = "argsort(-" in text or "[::-1]" in text or "reverse=True" in text or "topk" in text
    return falling and isinstance(label, ast.Subscript) and ast.unparse(score).startswith(("float(", "round("))


def _named(lines: list[Line], found: list[str], more: Mapping[str, ast.expr] = {}) -> Answer:
    keys: list[ast.expr | None] = [ast.Constant(name) for name in (*more, *(plain_name(n) for n in found))]
    values = [*more.values(), *(ast.Name(n, ast.Load()) for n in found)]
    return Answer(lines, ast.Dict(keys=keys, values=values), NAMED)


def _last(lines: list[Line], tainted: set[str]) -> Answer | None:
    """Return the last value that was made of the answer."""
    for i in range(len(lines) - 1, -1, -1):
        node = lines[i].node
        if isinstance(node, ast.Expr) and names(node.value) & tainted and not isinstance(node.value, ast.Call):
            return Answer(lines[:i], node.value, VALUE)
        if isinstance(node, (ast.Return, ast.Expr)) and node.value is not None and names(node.value) & tainted:
            return Answer(lines[:i], node.value, VALUE)
        made = [n for n in writes(node) if n in tainted]
        if made and not clocked(node):
            return _structure(lines[: i + 1], made[0]) if len(made) == 1 else _named(lines[: i + 1], sorted(made))
    return None
