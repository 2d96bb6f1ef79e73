"""What need not be run for each input, and small rewrites on the way into a function."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Any

from assay.drafts.depends import dependent
from assay.drafts.flow import Line, called, writes
from assay.drafts.observed import MARK, plain_name
from assay.drafts.reading import names

CHEAP = ("array", "float32", "device", "tensor", "Tensor", "len", "tuple", "list", "int", "float", "str", "dict")


def worth_keeping(lines: list[Line]) -> list[Line]:
    """Pick the lines that need not be run for each input: those that cost something, and what these rest on."""
    rests = dependent(lines)
    free = [line for i, line in enumerate(lines) if i not in rests]
    kept = [line for line in free if not plain(line)]
    while True:
        read = set().union(*(names(line.node) | writes(line.node) for line in kept))
        more = [line for line in free if line in kept or writes(line.node) & read]
        if len(more) == len(kept):
            return kept
        kept = more


def split(lines: list[Line], ends: list[ast.AST]) -> tuple[list[Line], list[Line]]:
    """Split lines into those that are run once and the others; a plain value that both need stays in both."""
    free = worth_keeping(lines)
    read_later = set().union(*(names(line.node) for line in lines if line not in free), *(names(e) for e in ends))
    times = [n for line in free for n in writes(line.node)]
    once = {n for n in times if times.count(n) == 1}
    twice = [x for x in free if plain(x) and writes(x.node) & read_later and writes(x.node) <= once]
    return free, [line for line in lines if line not in free or line in twice]


def plain(line: Line) -> bool:
    """Tell whether a statement only writes down a value."""
    if isinstance(line.node, (ast.For, ast.With, ast.If, ast.While, ast.Try)):
        return False
    return all(called(n) in CHEAP for n in ast.walk(line.node) if isinstance(n, ast.Call))


def as_tuple(given: list[str], ctx: ast.Load | ast.Store) -> ast.expr:
    """Write names as one, or as several with commas."""
    parts: list[ast.expr] = [ast.Name(n, ctx) for n in given]
    return parts[0] if len(parts) == 1 else ast.Tuple(parts, ctx)


def literal_params(line: Line, params: Mapping[str, Any]) -> Line:
    """Write the value of a parameter that only postprocess takes."""

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.Constant(params[plain_name(node.id)]) if node.id.endswith(MARK + "p") else node

    return Line(ast.fix_missing_locations(Put().visit(copy.deepcopy(line.node))), line.where)
