"""Which statements and variables rest on the input."""

from __future__ import annotations

import ast

from assay.drafts.cut import HOLE
from assay.drafts.flow import Line, writes
from assay.drafts.observed import MARK, Values
from assay.drafts.reading import names
from assay.drafts.seen import OWN

PATH = "path" + OWN
WEIGHTS = "checkpoint" + OWN
GIVEN = (PATH, "outputs" + OWN, "ctx" + OWN, HOLE)


def on_input(lines: list[Line], values: Values) -> set[str]:
    """Name what is made of the input, its path itself not among it."""
    found = {PATH}
    for line in lines:
        read, made = names(line.node), writes(line.node)
        if read & found or any(values.is_input(n) for n in read | made):
            found |= {n for n in made if not values.is_input(n)}
    return found


def dependent(lines: list[Line]) -> set[int]:
    """Number the lines that rest on what a call is given, or change what such a line changes."""
    found = {i for i, line in enumerate(lines) if any(_is_given(n) for n in names(line.node) | writes(line.node))}
    settings = {i for i in found if is_setting(lines[i].node)}  # what comes before one may stay as it is
    while True:
        tainted = set().union(*(writes(lines[i].node) for i in found - settings))
        more = {i for i, line in enumerate(lines) if (names(line.node) | writes(line.node)) & tainted}
        for at in settings:
            set_there = writes(lines[at].node)
            more |= {i for i in range(at + 1, len(lines)) if (names(lines[i].node) | writes(lines[i].node)) & set_there}
        if more <= found:
            return found
        found |= more


def is_setting(node: ast.stmt) -> bool:
    """Tell a line that sets an attribute to a parameter, anew at each call."""
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    value = node.value if isinstance(node, ast.Assign) else None
    plain = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
    return plain and isinstance(value, ast.Name) and value.id.endswith(MARK + "p")


def _is_given(name: str) -> bool:
    return name in GIVEN or name.endswith((MARK + "p", MARK + "h"))
