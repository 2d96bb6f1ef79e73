"""A network with steps of its own before and after its answer: in an adapter one without weights takes these."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable

from assay.drafts.cut import place
from assay.drafts.flow import Line
from assay.drafts.observed import ident
from assay.drafts.program import Program
from assay.drafts.reading import names
from assay.drafts.seen import CHECKPOINT, Event, Span


def asked(program: Program, construction: str, events: Iterable[Event]) -> Program | None:
    """Let lines that ask the network for more than its answer ask one made anew; None where none does."""
    every = [*program.before, *program.after, *program.helpers]
    models = {n for line in every for n in _mentioned(line.node) if program.values.is_model(n)}
    if not construction or not any(names(line.node) & models for line in every):
        return None
    loads = _loading(program, events)
    network = ident("network", len(program.pieces))  # of no frame: one may have a variable of that name
    kept = [line for line in program.before if not _binds(line.node, models) and not _loads(line.node, loads)]
    made = ast.parse(construction).body[0]
    assert isinstance(made, ast.Assign)
    made.targets = [ast.Name("model", ast.Store())]
    ready = ast.parse("model.eval()").body[0]
    first = [_renamed(Line(ast.fix_missing_locations(node), ""), {"model"}, network) for node in (made, ready)]
    before = [*first, *(_renamed(line, models, network) for line in kept)]
    after = [_renamed(line, models, network) for line in program.after]
    return program._replace(
        before=before, after=after, helpers=[_renamed(line, models, network) for line in program.helpers]
    )


def _mentioned(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _loading(program: Program, events: Iterable[Event]) -> set[Span]:
    """Give the calls in upstream's own statements under which the checkpoint was read or loaded."""
    frames = {(p.step.file, p.step.qualname, p.step.first_line) for p in program.pieces}
    found: set[Span] = set()
    for event in events:
        if event.kind == "load" or event.facts.get("path") == CHECKPOINT:
            found |= {s.span for s in event.steps if (s.file, s.qualname, s.first_line) in frames}
    return found - {place(p.hole) for p in program.pieces}


def _loads(node: ast.stmt, loads: set[Span]) -> bool:
    """Tell a statement that does nothing else than load the checkpoint."""
    return isinstance(node, ast.Expr) and any(isinstance(n, ast.Call) and place(n) in loads for n in ast.walk(node))


def _binds(node: ast.stmt, models: set[str]) -> bool:
    """Tell a statement that gives the network a name."""
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in models


def _renamed(line: Line, models: set[str], network: str) -> Line:
    made = copy.deepcopy(line.node)
    for node in ast.walk(made):
        if isinstance(node, ast.Name) and node.id in models:
            node.id = network
        elif isinstance(node, ast.arg) and node.arg in models:
            node.arg = network
    return Line(made, line.where)
