"""Spells an argument of a call out: the names of its place are replaced by what they stand for."""

import ast
from typing import Any

from assay.upstream.abstract import UNKNOWN, plain
from assay.upstream.callers import Place
from assay.upstream.index import Constant, Define, Outside, unparsed
from assay.upstream.origins import Origins

DEEPEST, LONGEST = 3, 600


def spelled(origins: Origins, node: ast.expr, place: Place) -> str:
    """Spell an expression out as far as it can be, as text."""
    try:
        text = ast.unparse(_spelled(origins, node, place, 0))
    except RecursionError:
        return "..."
    return text if len(text) <= LONGEST else unparsed(node)[:LONGEST]


def _spelled(origins: Origins, node: Any, place: Place, depth: int) -> Any:
    if isinstance(node, list):
        return [_spelled(origins, inner, place, depth) for inner in node]
    if not isinstance(node, ast.AST) or isinstance(node, (ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp)):
        return node
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return _named(origins, node, place, depth)
    if isinstance(node, ast.Call):
        args = _spelled(origins, node.args, place, depth)
        return ast.Call(node.func, args, _spelled(origins, node.keywords, place, depth))
    fields = {name: _spelled(origins, value, place, depth) for name, value in ast.iter_fields(node)}
    return type(node)(**fields)


def _named(origins: Origins, node: ast.expr, place: Place, depth: int) -> ast.expr:
    local = _local(origins, node, place)
    meaning = origins.index.dotted(place.file, node) if local is UNKNOWN else None
    if isinstance(meaning, (Define, Outside)):
        return node
    found = origins.of(node, place)
    owned = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"
    if found and (len(found) == 1 or owned or isinstance(meaning, Constant)) and plain(found[0].value):
        return ast.parse(repr(found[0].value), mode="eval").body
    if isinstance(local, ast.Call) and depth < DEEPEST and not _names(local) & _names(node):
        spelled_out: ast.expr = _spelled(origins, local, place, depth + 1)
        return spelled_out
    return node


def _local(origins: Origins, node: ast.expr, place: Place) -> Any:
    """Give the one expression that a function gives to a name of its own."""
    if not isinstance(node, ast.Name):
        return UNKNOWN
    for function in reversed(place.functions):
        given = origins.locals(function).get(node.id)
        if given:
            return given[0].value if len(given) == 1 else None
    return UNKNOWN


def _names(node: ast.AST) -> "set[str]":
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
