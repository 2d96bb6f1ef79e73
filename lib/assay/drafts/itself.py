"""A network with steps of its own before and after its answer: in an adapter one without weights takes these."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterable

from assay.drafts import flow, own_steps
from assay.drafts.cut import place
from assay.drafts.flow import Line
from assay.drafts.observed import ident
from assay.drafts.program import Program, own_spans
from assay.drafts.reading import names
from assay.drafts.seen import CHECKPOINT, Event, Span


def asked(
    program: Program, construction: str, events: Iterable[Event], weights: Collection[str] = ()
) -> Program | None:
    """Let lines that ask the network for more than its answer ask one made anew; None where none does, or may not.

    `weights` are words of the names in the checkpoint: a step that rests on one of them needs the loaded network.
    """
    every = [*program.before, *program.after, *program.helpers]
    models = {n for line in every for n in _mentioned(line.node) if program.values.is_model(n)}
    if not construction or not any(names(line.node) & models for line in every):
        return None
    wrapped = {n for line in program.before for n in _wrappers(line.node, models)}
    if any(_elsewhere(line.node, models | wrapped, every) for line in program.before):
        return None  # what is set there would be lost
    models |= wrapped
    loads = _loading(program, events)
    known = _methods(program, construction, loads)
    before_may, after_may = (_may(lines, known, models, weights) for lines in _sides(program))
    if not before_may:  # what the model is given comes first
        return None
    network = ident("network", len(program.pieces))  # of no frame: one may have a variable of that name
    kept = [line for line in program.before if not _binds(line.node, models) and not _loads(line.node, loads)]
    made = ast.parse(construction).body[0]
    assert isinstance(made, ast.Assign)
    made.targets = [ast.Name("model", ast.Store())]
    ready = ast.parse("model.eval()").body[0]
    first = [_renamed(Line(ast.fix_missing_locations(node), ""), {"model"}, network) for node in (made, ready)]
    before = [*first, *(_renamed(line, models, network) for line in kept)]
    after = [_renamed(line, models, network) if after_may else line for line in program.after]
    hole = _renamed(Line(ast.Expr(program.hole), ""), models, network).node
    assert isinstance(hole, ast.Expr) and isinstance(hole.value, ast.Call)
    helpers = [_renamed(line, models, network) if after_may else line for line in program.helpers]
    return program._replace(before=before, hole=hole.value, after=after, helpers=helpers)


def _sides(program: Program) -> tuple[list[Line], list[Line]]:
    return program.before, [*program.after, *program.helpers]


def _methods(program: Program, construction: str, loads: set[Span]) -> own_steps.Class | None:
    """Give the methods of the network's class; None where these are not known, or one that loads does more."""
    made = ast.parse(construction).body[0]
    called = made.value.func if isinstance(made, ast.Assign) and isinstance(made.value, ast.Call) else None
    known = own_steps.methods(ast.unparse(called).split(".")[-1], program.texts) if called is not None else None
    if known is None:
        return None
    dropped = [line.node for line in program.before if _loads(line.node, loads)]
    words = {flow.called(n) for node in dropped for n in ast.walk(node) if isinstance(n, ast.Call)}
    return known if all(own_steps.loads_only(known[word]) for word in words if word in known) else None


def _may(lines: list[Line], known: own_steps.Class | None, models: set[str], weights: Collection[str]) -> bool:
    """Tell whether a network without weights can take the steps that these lines ask of it."""
    steps = [line.node for line in lines if not _sets_up(line.node, models)]
    asked = {n.attr for s in steps for n in ast.walk(s) if isinstance(n, ast.Attribute) and _is_model(n.value, models)}
    return known is not None and own_steps.free(asked, known, weights)


def _sets_up(node: ast.stmt, models: set[str]) -> bool:
    """Tell a statement that only sets or calls something of the network: net.load_anchors(...), net.least = 0.3."""
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Attribute) and _is_model(node.targets[0].value, models)
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and _is_model(call.func.value, models)


def _is_model(node: ast.expr, models: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in models


def _mentioned(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _loading(program: Program, events: Iterable[Event]) -> set[Span]:
    """Give the calls in upstream's own statements under which the checkpoint was read or loaded."""
    found: set[Span] = set()
    for event in events:
        if event.kind == "load" or event.facts.get("path") == CHECKPOINT:
            found |= set(own_spans(program, event))
    return found - {place(p.hole) for p in program.pieces}


def _loads(node: ast.stmt, loads: set[Span]) -> bool:
    """Tell a statement that does nothing else than load the checkpoint."""
    return isinstance(node, ast.Expr) and any(isinstance(n, ast.Call) and place(n) in loads for n in ast.walk(node))


def _binds(node: ast.stmt, models: set[str]) -> bool:
    """Tell a statement that gives the network a name."""
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in models


def _wrappers(node: ast.stmt, models: set[str]) -> set[str]:
    """Name what holds the network as its module, as DataParallel does, where that gets a name of its own."""
    value = node.value if isinstance(node, ast.Assign) and _binds(node, models) else None
    inner = value.value if isinstance(value, ast.Attribute) and value.attr == "module" else None
    return {inner.id} if isinstance(inner, ast.Name) else set()


def _elsewhere(node: ast.stmt, models: set[str], every: Iterable[Line]) -> bool:
    """Tell whether a network is taken out of an object, and that object's is used by other lines as well."""
    value = node.value if isinstance(node, ast.Assign) and _binds(node, models) else None
    if not isinstance(value, ast.Attribute) or _mentioned(value) & models:
        return False
    place = ast.unparse(value)
    return any(ast.unparse(n) == place for line in every for n in ast.walk(line.node) if n is not value)


class _Bare(ast.NodeTransformer):
    """Leaves out the module of what holds the network: that is the network itself."""

    def __init__(self, models: set[str]) -> None:
        self.models = models

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        of_model = isinstance(node.value, ast.Name) and node.value.id in self.models
        return node.value if of_model and node.attr == "module" else node


def _renamed(line: Line, models: set[str], network: str) -> Line:
    made = _Bare(models).visit(copy.deepcopy(line.node))
    for node in ast.walk(made):
        if isinstance(node, ast.Name) and node.id in models:
            node.id = network
        elif isinstance(node, ast.arg) and node.arg in models:
            node.arg = network
    return Line(made, line.where)
