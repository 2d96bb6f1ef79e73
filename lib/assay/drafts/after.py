"""The drafted postprocess: from the model's outputs to what a person gets."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from assay.drafts import answers, sounds
from assay.drafts.cut import HOLE, CannotCut, place
from assay.drafts.depends import PATH
from assay.drafts.emit import local
from assay.drafts.flow import Line, backward, called, writes
from assay.drafts.localise import THRESHOLD
from assay.drafts.observed import MARK, ident, plain_name
from assay.drafts.program import Program, own_spans
from assay.drafts.reading import names
from assay.drafts.resolve import making
from assay.drafts.seen import OWN, Span, parse_own, special

HANDED = (
    "rectangle",
    "polylines",
    "polygon",
    "putText",
    "line",
    "circle",
    "ellipse",
    "text",
    "rounded_rectangle",
    "open",
)
MOST = 16  # numbers that are carried over rather than computed again


class Decoding(NamedTuple):
    """What postprocess is made of."""

    lines: list[Line]  # before the answer: what is made again
    rest: list[Line]  # after it
    value: ast.expr
    form: str
    carried: dict[str, ast.expr]  # key in ctx -> what preprocess puts there
    unpacked: list[Line]  # from ctx to upstream's names
    path: bool  # whether the input is looked at again
    params: dict[str, tuple[Any, str]]  # keyword -> default, where
    helpers: list[Line]
    outputs: list[str]


def decoding(
    program: Program,
    sinks: set[Span],
    structure: ast.expr,
    outputs: list[str],
    shown_only: bool = False,
    sounding: Mapping[Span, Mapping[str, Any]] | None = None,
) -> Decoding:
    """Draft the decoding of a run; `structure` is the model's answer made of the outputs."""
    chosen = heard(program, sounding) or answers.answer(
        program.after, program.values, sinks, opaque(program), shown_only, silent(program)
    )
    value = _put(chosen.value, structure)
    rest, wanted = backward(_answered(chosen.lines, structure), names(value))
    helpers = [h for h in program.helpers if _called(h, rest, program.helpers)]
    for helper in helpers:
        wanted |= names(helper.node)
    params: dict[str, tuple[Any, str]] = {}
    rest = _lifted(rest, params)
    rest, sizes = _sizes(program, rest, [n for h in helpers for n in names(h.node)])
    carried, unpacked, again = _live(program, wanted - set(sizes))
    for name, pairs in sizes.items():
        for attr, made in pairs.items():
            key = f"ctx[{plain_name(made)!r}]"
            carried[plain_name(made)] = ast.Attribute(ast.Name(name, ast.Load()), attr, ast.Load())
            unpacked.append(_assign(made, parse_own(key if attr in ("width", "height") else f"tuple({key})")))
    lines = making(program, again).lines
    lines, rest = _without(_lifted(lines, params), params), _without(rest, params)
    for name in sorted(n for line in [*lines, *rest, *helpers] for n in names(line.node) if n.endswith("§p")):
        plain = plain_name(name)
        params.setdefault(plain, (program.params.get(plain), option_place(program, plain)))
    path = any(PATH in names(line.node) for line in [*lines, *rest])
    return Decoding(lines, rest, value, chosen.form, carried, unpacked, path, params, helpers, outputs)


def heard(program: Program, sounding: Mapping[Span, Mapping[str, Any]] | None) -> answers.Answer | None:
    """Give the sound that the run wrote, if it wrote one of the model's."""
    lines = [Line(copy.deepcopy(line.node), line.where) for line in program.after] if sounding else []
    found = sounds.answer(lines, program.values, sounding or {}, answers.rests_on(lines, {HOLE}))
    return answers.Answer(*found, answers.SOUND) if found else None


def opaque(program: Program) -> set[str]:
    """Name the variables that held, at the end, what is no plain value."""
    return {ident(n, 0) for n, v in program.kept.items() if special(v, "opaque") is not None}


def _called(helper: Line, rest: list[Line], helpers: list[Line]) -> bool:
    assert isinstance(helper.node, ast.FunctionDef)
    name = helper.node.name
    return any(name in names(line.node) for line in [*rest, *helpers] if line is not helper)


# ---------------------------------------------------------------- the answer
def rebuilt(outputs: Any, facts: Any, names_out: list[str]) -> tuple[ast.expr, list[str]]:
    """Write the model's answer as it was, out of arrays by name; also give their names."""
    found: list[str] = []
    torch = facts.get("module") != "session"
    if isinstance(outputs, dict) and "tensor" not in outputs and set(outputs) != {"tuple"}:
        known = [] if is_nested(outputs) else list(outputs)
        text = "{" + ", ".join(f"{k!r}: {_rebuilt(v, known, found, torch)}" for k, v in outputs.items()) + "}"
        return parse_own(text), found
    asked = (facts.get("args") or [None])[0] if not torch else None
    known = asked if isinstance(asked, list) else names_out
    text = _rebuilt(outputs, known, found, torch)
    return parse_own(text), found


def _rebuilt(value: Any, known: list[str], found: list[str], torch: bool) -> str:
    if isinstance(value, dict) and "tensor" in value:
        number = len(found)
        name = known[number] if number < len(known) else "output" if not number else f"output{number}"
        return _array(value, name, found, torch)
    inner = value.get("tuple") if isinstance(value, dict) else value
    if not isinstance(inner, list):
        raise CannotCut("the model's answer holds more than tensors")
    parts = [_rebuilt(v, known, found, torch) for v in inner]
    if isinstance(value, list):
        return "[" + ", ".join(parts) + "]"
    return "(" + ", ".join(parts) + (",)" if len(parts) == 1 else ")")


def _array(value: Any, name: str, found: list[str], torch: bool) -> str:
    if not isinstance(value, dict) or "tensor" not in value:
        raise CannotCut("the model's answer holds more than tensors")
    found.append(name)
    text = f"outputs[{name!r}]"
    return f"torch.from_numpy({text})" if torch and value.get("lib") != "numpy" else text


def is_nested(outputs: Any) -> bool:
    """Tell whether the model's answer is more than one flat list or dict of tensors."""
    if isinstance(outputs, dict) and "tensor" in outputs:
        return False
    inner = outputs.get("tuple", list(outputs.values())) if isinstance(outputs, dict) else outputs
    return not (isinstance(inner, list) and all(isinstance(v, dict) and "tensor" in v for v in inner))


def _answered(rest: list[Line], structure: ast.expr) -> list[Line]:
    """Put the answer in its place, once."""
    count = sum(1 for line in rest for n in ast.walk(line.node) if isinstance(n, ast.Name) and n.id == HOLE)
    if count > 1:
        first = ast.Assign(targets=[ast.Name(HOLE, ast.Store())], value=structure, lineno=1)
        return [Line(ast.fix_missing_locations(first), ""), *rest]
    return [Line(_put_in(line.node, structure), line.where) for line in rest]


def _put_in(node: ast.stmt, structure: ast.expr) -> ast.stmt:
    class Put(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            loads = name.id == HOLE and isinstance(name.ctx, ast.Load)
            return copy.deepcopy(structure) if loads else name

    return ast.fix_missing_locations(Simpler().visit(Put().visit(copy.deepcopy(node))))  # type: ignore[no-any-return]


class Simpler(ast.NodeTransformer):
    """Leaves out what only turns an array into itself."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "numpy" and not node.args:
            inner: ast.expr = node.func.value
            while True:
                if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and not inner.args:
                    if inner.func.attr not in ("cpu", "detach"):
                        return node
                    inner = inner.func.value
                elif isinstance(inner, ast.Attribute) and inner.attr == "data":
                    inner = inner.value
                else:
                    break
            if isinstance(inner, ast.Call) and ast.unparse(inner.func) == f"torch{OWN}.from_numpy":
                return inner.args[0]
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        parts = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else []
        return parts[index] if isinstance(index, int) and 0 <= index < len(parts) else node


def _put(value: ast.expr, structure: ast.expr) -> ast.expr:
    made = _put_in(ast.Expr(copy.deepcopy(value)), structure)
    assert isinstance(made, ast.Expr)
    return made.value


# ---------------------------------------------------------------- parameters
def _lifted(lines: list[Line], params: dict[str, tuple[Any, str]]) -> list[Line]:
    """Make keyword parameters of literal thresholds: arguments of calls, and variables that are set to a number."""
    made = []
    for line in lines:
        node = copy.deepcopy(line.node)
        for call in [n for n in ast.walk(node) if isinstance(n, ast.Call)] if line.where else ():  # else it is ours
            for keyword in call.keywords:
                if _is_threshold(keyword.arg or "", keyword.value):
                    keyword.value = _param(str(keyword.arg), keyword.value, line.where, params)
        made.append(Line(ast.fix_missing_locations(node), line.where))
    return made


def _is_threshold(name: str, value: ast.expr) -> bool:
    number = (
        isinstance(value, ast.Constant) and isinstance(value.value, (int, float)) and value.value not in (True, False)
    )
    return bool(number and THRESHOLD.search(name))


def _param(name: str, value: ast.expr, where: str, params: dict[str, tuple[Any, str]]) -> ast.expr:
    assert isinstance(value, ast.Constant)
    known = params.setdefault(name, (value.value, where))
    return ast.Name(ident(name, "p"), ast.Load()) if known[0] == value.value else value


def _without(lines: list[Line], params: dict[str, tuple[Any, str]]) -> list[Line]:
    """Let a parameter stand in lines that set a threshold to a number."""
    made = []
    for line in lines:
        node = copy.deepcopy(line.node)
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, (ast.Name, ast.Attribute)):
            name = plain_name(target.id) if isinstance(target, ast.Name) else target.attr
            if _is_threshold(name, node.value):
                node.value = _param(name, node.value, line.where, params)
        made.append(Line(ast.fix_missing_locations(node), line.where))
    return made


def option_place(program: Program, name: str) -> str:
    """Find the line that declares an option of the command line."""
    words = (f"--{name}'", f'--{name}"', f"--{name.replace('_', '-')}'", f'--{name.replace("_", "-")}"')
    for piece in program.pieces:
        for number, line in enumerate(program.texts[piece.step.file].splitlines(), 1):
            if "add_argument" in line and any(w in line for w in words):
                return f"{piece.step.file}:{number}"
    return ""


# ---------------------------------------------------------------- what came before
def _live(program: Program, wanted: set[str]) -> tuple[dict[str, ast.expr], list[Line], set[str]]:
    """Sort what the decoding needs from before the call: carried in ctx, or made again."""
    carried: dict[str, ast.expr] = {}
    unpacked: list[Line] = []
    again: set[str] = set()
    for name in sorted(local(wanted)):
        made = making(program, {name})
        if not made.reads_input or not all(_small(v) for v in program.values.of(name) or [None]):
            again.add(name)
            continue
        key = (
            plain_name(name)
            if plain_name(name) not in carried and plain_name(name) != "path"
            else name.replace(MARK, "_")
        )
        carried[key] = ast.Name(name, ast.Load())
        value = program.values.of(name)[0]
        text = f"ctx[{key!r}]" if not isinstance(value, dict) or set(value) != {"tuple"} else f"tuple(ctx[{key!r}])"
        unpacked.append(_assign(name, parse_own(text)))
    return carried, unpacked, again


SIZES = ("shape", "size", "width", "height")


def _sizes(program: Program, rest: list[Line], elsewhere: list[str]) -> tuple[list[Line], dict[str, dict[str, str]]]:
    """Let the size of a picture be carried over, where nothing else of it is needed."""
    found: dict[str, dict[str, str]] = {}
    bound = {n for line in rest for n in writes(line.node)}
    for name in sorted(local({n for line in rest for n in names(line.node)})):
        if name in bound or name in elsewhere or program.values.is_json(name) or program.values.is_bare(name):
            continue
        uses = [u for line in rest for u in _uses(line.node, name)]
        if uses and all(u in SIZES for u in uses) and making(program, {name}).reads_input:
            plain, _, frame = name.partition(MARK)
            found[name] = {u: ident(f"{plain}_{u}", frame) for u in sorted(set(uses))}
    made = [Line(ast.fix_missing_locations(_Sized(found).visit(copy.deepcopy(x.node))), x.where) for x in rest]
    return (made if found else rest), found


def _uses(node: ast.AST, name: str) -> list[str]:
    """Name the attributes that are read of a variable; "" where it is used otherwise."""
    inside = {id(n.value): n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    called = {id(n.func.value) for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    every = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == name]
    return ["" if id(n) in called else inside.get(id(n), "") for n in every]


class _Sized(ast.NodeTransformer):
    """Puts the carried size in place of the picture's."""

    def __init__(self, found: dict[str, dict[str, str]]) -> None:
        self.found = found

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.attr in self.found.get(node.value.id, {}):
            return ast.copy_location(ast.Name(self.found[node.value.id][node.attr], ast.Load()), node)
        self.generic_visit(node)
        return node


def _small(value: Any) -> bool:
    """Tell whether a value is a number, a text, or a few numbers: what a context carries well."""
    inner = value.get("tuple") if isinstance(value, dict) and set(value) == {"tuple"} else value
    if isinstance(inner, list):
        return 0 < len(inner) <= MOST and all(isinstance(v, (int, float)) for v in inner)
    return isinstance(inner, (bool, int, float, str))


def _assign(name: str, value: ast.expr) -> Line:
    node = ast.Assign(targets=[ast.Name(name, ast.Store())], value=value, lineno=1)
    return Line(ast.fix_missing_locations(node), "")


def sinks(program: Program, events: list[Any]) -> set[Span]:
    """Give the calls of upstream's own statements under which a box was drawn."""
    found: set[Span] = set()
    for event in events:
        if event.kind == "sink" and str(event.facts.get("how", "")).split(".")[-1].split("(")[0] in HANDED:
            found |= set(own_spans(program, event))
    drawers = _drawers(program)
    calls = [n for x in program.after for n in ast.walk(x.node) if isinstance(n, ast.Call)]
    found |= {place(c) for c in calls if called(c) in drawers}
    return found - {place(p.hole) for p in program.pieces}


def _drawers(program: Program) -> set[str]:
    """Name the functions of the tree that draw boxes."""
    found = set()
    for text in program.texts.values():
        if "rectangle(" in text:
            try:
                functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
            except (SyntaxError, ValueError):
                continue
            found |= {f.name for f in functions if any(_draws(n) for n in ast.walk(f))}
    return found


def silent(program: Program) -> frozenset[str]:
    """Name the functions of the tree that plot and return nothing."""
    found: set[str] = set()
    for text in program.texts.values():
        if "plt." in text:
            try:
                functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
            except (SyntaxError, ValueError):
                continue
            found |= {f.name for f in functions if "plt" in names(f) and not any(_gives(n) for n in ast.walk(f))}
    return frozenset(found)


def _gives(node: ast.AST) -> bool:
    return isinstance(node, (ast.Yield, ast.YieldFrom)) or (isinstance(node, ast.Return) and node.value is not None)


def _draws(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and called(node) == "rectangle"
