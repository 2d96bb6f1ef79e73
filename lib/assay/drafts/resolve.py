"""The statements that a value before the model's call rests on, with what cannot be made again put in as a constant."""

from __future__ import annotations

import ast
import copy
from typing import NamedTuple

from assay.drafts.cut import CannotCut
from assay.drafts.depends import PATH, WEIGHTS, on_input
from assay.drafts.emit import local
from assay.drafts.flow import Line, backward, called, writes
from assay.drafts.observed import MARK, MISSING, Values, plain_name
from assay.drafts.program import Program
from assay.drafts.reading import exposed, names
from assay.drafts.seen import INPUT, OWN, mentions

STAND_IN = "torch.nn.Identity()"


class Slice(NamedTuple):
    """Lines that make some values, and whether they look at the input."""

    lines: list[Line]
    reads_input: bool


def making(program: Program, wanted: set[str], *, given: bool = False) -> Slice:
    """Give the lines before the call that make the wanted variables; the checkpoint's path may be `given` to them."""
    needed = {n for n in wanted if MARK in n and n.split(MARK)[1].isdigit()}
    lost: set[str] = set()
    why = ""
    while True:
        try:
            return _made(program, needed, lost, given)
        except _Lost as error:
            why = why or str(error)
            if not error.names - lost or error.names & needed:
                raise CannotCut(why) from error
            lost |= error.names  # then what rests on it has to be a constant


class _Lost(Exception):
    """What cannot be made again."""

    def __init__(self, lost: set[str], why: str) -> None:
        super().__init__(why)
        self.names = lost


def _made(program: Program, needed: set[str], lost: set[str], given: bool) -> Slice:
    values = program.values
    varying = on_input(program.before, values) if len(values.inputs) < 2 else set()
    lines, left = backward(program.before, needed, lambda line, want: _stop(line, want, values, lost, varying, given))
    heads: list[Line] = []
    for name in sorted(local(left)):
        made = values.constant(name) if not values.is_model(name) and name not in varying else None
        if made is None:
            raise _Lost({name}, f"{plain_name(name)} cannot be had before the call")
        heads.append(_assign([name], [made], ""))
    everything = heads + lines
    return Slice(everything, any(PATH in names(line.node) for line in everything))


def _stop(line: Line, wanted: set[str], values: Values, lost: set[str], varying: set[str], given: bool) -> Line | None:
    """Put a constant, or a stand-in for the model, where a line rests on what is not there."""
    entered = _entering(line, wanted, values)
    if entered is not None:
        return entered
    bad = {n for n in local(exposed(line.node)) if values.is_bare(n) or n in lost or _asks(line.node, n, values)}
    if not bad:
        return None
    stood_in = _with_stand_in(line.node, {n for n in bad if values.is_model(n)})
    if stood_in is not None and not {n for n in local(exposed(stood_in)) if values.is_bare(n) or n in lost}:
        return Line(stood_in, line.where)
    targets = sorted(writes(line.node) & wanted)
    constants = [None if n in varying else values.constant(n) for n in targets]
    if any(c is None for c in constants):
        if given and all(values.is_checkpoint(n) for n in bad):
            return Line(_renamed(line.node, bad), line.where)
        culprit = ", ".join(sorted(plain_name(n) for n in bad)) or "the checkpoint"
        raise _Lost(set(targets), f"{', '.join(map(plain_name, targets))} rests on {culprit} ({line.where})")
    return _assign(targets, [c for c in constants if c is not None], line.where)


def _renamed(node: ast.stmt, checkpoints: set[str]) -> ast.stmt:
    """Give a line the path of the checkpoint at hand."""
    made = copy.deepcopy(node)
    for inner in ast.walk(made):
        if isinstance(inner, ast.Name) and inner.id in checkpoints:
            inner.id = WEIGHTS
    return made


def _asks(node: ast.stmt, name: str, values: Values) -> bool:
    """Tell whether a statement asks the command line's options for what is not there: the checkpoint, a folder."""
    if not values.is_namespace(name):
        return False
    asked = [
        n
        for n in ast.walk(node)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name
    ]
    found = [values.attribute(name, n.attr) for n in asked]
    return any(v is not MISSING and values.written(v) is None for v in found)


def _entering(line: Line, wanted: set[str], values: Values) -> Line | None:
    """Let a variable be the given path where upstream got its path from elsewhere: a literal, a list of a folder."""
    if not isinstance(line.node, ast.Assign):
        return None
    targets = sorted(writes(line.node) & wanted)
    found = [n for n in targets if values.is_input(n)]
    read = names(line.node)
    if found and called(line.node.value) == "next":  # one of a list of inputs, or of a folder
        read = set()
    if not found or PATH in read or any(mentions(v, INPUT) for n in local(read) for v in values.of(n)):
        return None
    constants = [values.constant(n) for n in targets]
    return (
        None
        if any(c is None for c in constants)
        else _assign(targets, [c for c in constants if c is not None], line.where)
    )


def _assign(targets: list[str], values: list[ast.expr], where: str) -> Line:
    left = [ast.Name(n, ast.Store()) for n in targets]
    target: ast.expr = left[0] if len(left) == 1 else ast.Tuple(list(left), ast.Store())
    value = values[0] if len(values) == 1 else ast.Tuple(values, ast.Load())
    return Line(ast.fix_missing_locations(ast.Assign(targets=[target], value=value, lineno=1)), where)


def _with_stand_in(node: ast.stmt, models: set[str]) -> ast.stmt | None:
    """Give a stand-in to a call that is only handed the model."""
    if not models:
        return None
    made = copy.deepcopy(node)
    for inner in ast.walk(made):
        if isinstance(inner, ast.Call):
            inner.args = [_replaced(a, models) for a in inner.args]
            for keyword in inner.keywords:
                keyword.value = _replaced(keyword.value, models)
    return ast.fix_missing_locations(made)


def _replaced(node: ast.expr, models: set[str]) -> ast.expr:
    if isinstance(node, ast.Name) and node.id in models:
        made = ast.parse(STAND_IN, mode="eval").body
        for inner in ast.walk(made):
            if isinstance(inner, ast.Name):
                inner.id += OWN
        return made
    return node
