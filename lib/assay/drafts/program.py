"""Upstream's run as one straight program around the model's call: what led to it, the call, what followed."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from assay.drafts import seen
from assay.drafts.cut import HOLE, CannotCut, Function, Piece, parsed, piece
from assay.drafts.depends import on_input
from assay.drafts.flow import Line, apart, backward
from assay.drafts.localise import Localise, Scopes, own_names, steady
from assay.drafts.observed import MISSING, Values, ident, plain_name
from assay.drafts.paths import paths_read, places
from assay.drafts.reading import exposed_block
from assay.drafts.seen import Event, Run, is_json, special


class Program(NamedTuple):
    """Everything around the model's call, in order."""

    pieces: list[Piece]
    before: list[Line]
    hole: ast.Call  # the call of the model
    after: list[Line]  # HOLE is the model's answer
    helpers: list[Line]  # functions that `after` calls: the rest of frames that end in several ways
    call: Event  # as seen in the first run
    values: Values
    scopes: Scopes
    kept: Mapping[str, Any]  # variables of the outermost frame at the end: name -> plain value
    params: dict[str, Any]
    texts: Mapping[str, str]


def program(runs: Sequence[Run], texts: Mapping[str, str], without: int = 0, files: Collection[str] = ()) -> Program:
    """Join the frames that led to the model into one program; `without` leaves out the innermost ones."""
    first = [_first_call(run) for run in runs]
    steps = first[0].steps[: len(first[0].steps) - without]
    if any([_place(s) for s in c.steps[: len(steps)]] != [_place(s) for s in steps] for c in first):
        raise CannotCut("the runs reached the model on different ways")
    pieces = [piece(step, texts, _callees(i, first[0], runs[0])) for i, step in enumerate(steps)]
    frames = [
        [dict(run.locals.get(call.steps[i].frame, {})) for run, call in zip(runs, first)] for i in range(len(steps))
    ]
    values = Values(frames, [run.input for run in runs], {str(c.facts.get("module")) for c in first}, runs[0].instead)
    values.places = places(files or texts)
    values.given = attributes(runs[0], str(first[0].facts.get("module")), texts)
    return _joined(pieces, values, texts, runs[0], first[0])


def own_spans(program: Program, event: Event) -> list[seen.Span]:
    """Give the calls in upstream's own statements under which an event came about, outermost first."""
    frames = {(p.step.file, p.step.qualname, p.step.first_line) for p in program.pieces}
    return [s.span for s in event.steps if (s.file, s.qualname, s.first_line) in frames]


def _callees(at: int, call: Event, run: Run) -> set[str]:
    """Name all that the next step of a call may be called by in a frame."""
    values = run.locals.get(call.steps[at].frame, {})
    if at + 1 < len(call.steps):
        name = call.steps[at + 1].qualname.split(".")[-1]
        held = {n for n, v in values.items() if str(special(v, "object") or "").endswith((f".{name}", f":{name}"))}
        return {name, *held}
    module = call.facts.get("module")
    held = {n for n, v in values.items() if special(v, "module") == module}
    inner = [v.get("attrs") or {} for v in values.values() if special(v, "opaque") is not None]
    held |= {n for attrs in inner for n, v in attrs.items() if special(v, "module") == module}
    return {str(call.facts.get("method") or ""), *held}


def attributes(run: Run, module: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Give the attributes that a model keeps of its arguments as they are: self.n_classes = n_classes."""
    made = next((e for e in run.events if e.kind == "construct" and e.facts.get("id") == module), None)
    facts = made.facts["class"] if made is not None else {}
    if made is None or facts.get("file") not in texts:
        return {}
    name = str(facts["qualname"]).split(".")[-1]
    found: dict[str, Any] = {}
    for node in ast.walk(parsed(str(facts["file"]), texts)):
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        for inner in ast.walk(node):
            target = inner.targets[0] if isinstance(inner, ast.Assign) else None
            if (
                isinstance(inner, ast.Assign)
                and isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
            ):
                kept = inner.value.id if isinstance(inner.value, ast.Name) else None
                value = made.facts["args"].get(kept) if kept in made.facts["args"] else None
                found[target.attr] = MISSING if target.attr in found or not is_json(value) else value
    return {k: v for k, v in found.items() if v is not MISSING and v is not None}


def passed(node: ast.stmt) -> list[ast.stmt]:
    """Leave out the branches of a statement before the call that would have ended the function: none was taken."""

    class Pass(ast.NodeTransformer):
        def visit_If(self, found: ast.If) -> ast.stmt | list[ast.stmt]:
            self.generic_visit(found)
            found.body = found.body or [ast.Pass()]
            if isinstance(found.body[-1], ast.Return):
                return found.orelse
            if found.orelse and isinstance(found.orelse[-1], ast.Return):
                return found.body
            return found

        def visit_FunctionDef(self, found: ast.FunctionDef) -> ast.stmt:
            return found

        def visit_Lambda(self, found: ast.Lambda) -> ast.expr:
            return found

    made = Pass().visit(copy.deepcopy(node))
    return made if isinstance(made, list) else [made]


def _first_call(run: Run) -> Event:
    calls = seen.calls_of_input(run)
    if not calls:
        raise CannotCut("the model was not called")
    if not calls[0].steps:
        raise CannotCut("the model was called by nothing of the tree")
    return calls[0]


def _place(step: seen.Step) -> tuple[Any, ...]:
    return step.file, step.qualname, step.first_line, step.span


def _joined(pieces: list[Piece], values: Values, texts: Mapping[str, str], run: Run, call: Event) -> Program:
    scopes = Scopes(pieces, texts, values)
    own = [own_names(p, values, i) for i, p in enumerate(pieces)]
    fixed = steady(pieces, own, texts)
    params: dict[str, Any] = {}

    def joined(known: set[str]) -> tuple[list[Line], list[Localise]]:
        workers = [Localise(i, p, scopes, values, paths_read(p, list(run.events))) for i, p in enumerate(pieces)]
        before: list[Line] = []
        for i, worker in enumerate(workers):
            worker.steady, worker.params = known, params
            if i:
                before += _bindings(pieces[i - 1], pieces[i], workers[i - 1], worker, i)
            nodes = [n for x in pieces[i].before for n in passed(x.node)]
            before += [line for n in nodes for s in worker.statements(n) for line in _line(s, pieces[i])]
        return before, workers

    # no branch is decided by what the input made it: another input may decide otherwise
    before, workers = joined(fixed - on_input(joined(set())[0], values))
    after, helpers = _after(pieces, workers)
    hole = workers[-1].expression(pieces[-1].hole)
    if not isinstance(hole, ast.Call):
        raise CannotCut("the call of the model cannot be read")
    return Program(pieces, before, hole, after, helpers, call, values, scopes, run.after, params, texts)


def _line(node: ast.stmt, part: Piece) -> list[Line]:
    return apart(Line(node, f"{part.step.file}:{node.lineno}"))


# ---------------------------------------------------------------- parameters
def _bindings(caller: Piece, callee: Piece, outside: Localise, inside: Localise, frame: int) -> list[Line]:
    """Bind a function's parameters to what its caller gives."""
    function = callee.function
    if function is None:
        return []
    where = f"{caller.step.file}:{caller.hole.lineno}"
    given = _given(function, callee, caller.hole)
    made = []
    for name, value in given.items():
        made.append(_assign(ident(name, frame), outside.expression(value), where, caller.hole))
    at = f"{callee.step.file}:{function.lineno}"
    for name, default in _defaults(function).items():
        if name not in given:
            made.append(_assign(ident(name, frame), inside.expression(default), at, default))
    return made  # names of caller and callee differ: none is overwritten before it is read


def _assign(name: str, value: ast.expr, where: str, at: ast.expr) -> Line:
    node = ast.Assign(targets=[ast.Name(name, ast.Store())], value=value, lineno=at.lineno)
    return Line(ast.fix_missing_locations(ast.copy_location(node, at)), where)


def _given(function: Function, callee: Piece, call: ast.Call) -> dict[str, ast.expr]:
    """Match the arguments of a call with a function's parameters, as far as they can be told."""
    args = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
    given: dict[str, ast.expr] = {}
    kinds = [ast.unparse(d).split(".")[-1] for d in getattr(function, "decorator_list", [])]
    if callee.owner and "staticmethod" not in kinds and args:
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        direct = isinstance(call.func, ast.Attribute) and call.func.attr == getattr(function, "name", "")
        given[args[0]] = receiver if direct else call.func
        args = args[1:]
    if any(isinstance(a, ast.Starred) for a in call.args):
        return given
    for name, value in zip(args, call.args):
        given[name] = value
    known = {*args, *(a.arg for a in function.args.kwonlyargs)}
    given.update({k.arg: k.value for k in call.keywords if k.arg in known})
    return given


def _defaults(function: Function) -> dict[str, ast.expr]:
    args = [*function.args.posonlyargs, *function.args.args]
    found = {a.arg: d for a, d in zip(reversed(args), reversed(function.args.defaults))}
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults)
    return {**found, **{a.arg: d for a, d in pairs if d is not None}}


# ---------------------------------------------------------------- what follows
def _after(pieces: list[Piece], workers: list[Localise]) -> tuple[list[Line], list[Line]]:
    """Put together what follows the call, from the inside out."""
    lines: list[Line] = []
    helpers: list[Line] = []
    value: ast.expr = ast.Name(HOLE, ast.Load())
    for i in range(len(pieces) - 1, -1, -1):
        part = [y for x in pieces[i].after for s in workers[i].statements(x.node) for y in _line(s, pieces[i])]
        part = [Line(_filled(line.node, value), line.where) for line in part]
        if not i:
            return lines + part, helpers
        if _unused(pieces[i - 1]):
            part = without_returns(part)
        body, value = _ended(part)
        if body is None:
            helper, value = _helper(pieces[i], lines + part)
            helpers.append(helper)
            lines = []
        else:
            lines += body
    return lines, helpers


def _filled(node: ast.stmt, value: ast.expr) -> ast.stmt:
    class Fill(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            return copy.deepcopy(value) if name.id == HOLE else name

    if isinstance(value, ast.Name) and value.id == HOLE:
        return node
    return ast.fix_missing_locations(Fill().visit(node))  # type: ignore[no-any-return]


def _ended(lines: list[Line]) -> tuple[list[Line] | None, ast.expr]:
    """Split a function's rest into statements and the value that it returns at its end; None when it has several."""
    for i, line in enumerate(lines):
        returns = [n for n in ast.walk(line.node) if isinstance(n, ast.Return)]
        if isinstance(line.node, ast.Return):
            return lines[:i], line.node.value or ast.Constant(None)
        if returns and not isinstance(line.node, ast.FunctionDef):
            return None, ast.Constant(None)
    return lines, ast.Constant(None)


def _unused(caller: Piece) -> bool:
    """Tell whether a caller does nothing with what its call gives."""
    node = caller.after[0].node
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Name) and node.value.id == HOLE


def without_returns(lines: list[Line]) -> list[Line]:
    """Write statements whose result nobody takes without `return`, where that is a plain matter of `if` and `else`."""
    for i, line in enumerate(lines):
        node = line.node
        if isinstance(node, ast.Return):
            return lines[:i]
        if not any(isinstance(n, ast.Return) for n in ast.walk(node)) or isinstance(node, ast.FunctionDef):
            continue
        rest = [r.node for r in without_returns(lines[i + 1 :])]
        if not isinstance(node, ast.If):
            return lines
        made = copy.deepcopy(node)
        if not rest:
            return [*lines[:i], Line(_idle(made), line.where)]
        if not node.orelse and isinstance(node.body[-1], ast.Return):
            made.body, made.orelse = made.body[:-1] or [ast.Pass()], rest
            return [*lines[:i], Line(ast.fix_missing_locations(made), line.where)]
        return lines
    return lines


def _idle(node: ast.stmt) -> ast.stmt:
    class Idle(ast.NodeTransformer):
        def visit_Return(self, found: ast.Return) -> ast.stmt:
            return ast.copy_location(ast.Pass(), found)

    return ast.fix_missing_locations(Idle().visit(node))  # type: ignore[no-any-return]


def _helper(part: Piece, lines: list[Line]) -> tuple[Line, ast.expr]:
    """Make the rest of a function that ends in several ways a function of its own."""
    kept, _ = backward(lines, set())
    body = [line.node for line in kept]
    needed = sorted(n for n in exposed_block(body, set())[0] if "§" in n and "§g" not in n and n != HOLE)
    name = ident(f"after_{part.step.qualname.split('.')[-1]}", "h")
    arguments = [HOLE, *needed] if HOLE in exposed_block(body, set())[0] else needed
    made = ast.parse(f"def {plain_name(name)}(): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.name = name
    made.args.args = [ast.arg(a) for a in arguments]
    made.body = body
    call = ast.Call(func=ast.Name(name, ast.Load()), args=[ast.Name(a, ast.Load()) for a in arguments], keywords=[])
    where = kept[0].where if kept else ""
    return Line(ast.fix_missing_locations(made), where), call


SEVERAL = "the model is called at several places for one input"


def leads_on(runs: Sequence[Run]) -> bool:
    """Tell whether the model that is called first is called once, and other networks follow it for one input."""
    found = False
    for run in runs:
        modules = [c.facts.get("module") for c in seen.calls_of_input(run)]
        if modules.count(modules[0] if modules else None) > 1:
            return False
        found = found or len(modules) > 1
    return found


def again(runs: Sequence[Run]) -> bool:
    """Tell whether the model is called again and again for one input, always at the same place."""
    several = False
    for run in runs:
        places = [tuple(_place(s) for s in c.steps) for c in seen.calls_of_input(run)]
        if len(set(places)) > 1:
            raise CannotCut(SEVERAL)
        several = several or len(places) > 1
    return several
