"""Lists and tables that a module makes of what stands in it: {i + 1: c for i, c in enumerate(LETTERS)}."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.upstream.abstract import UNKNOWN, Items, plain
from assay.upstream.evaluate import PURE, evaluate

DEEPEST, MOST = 6, 2_000
Assigned = Mapping[str, Sequence[ast.expr]]
COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.DictComp)


def made(node: ast.expr, assigned: Assigned) -> Any:
    """Evaluate a list or table of a module's, given what its names are assigned; None where that does not say it."""
    try:
        value = _value(node, assigned, {}, 0)
    except RecursionError:
        return None
    return value if isinstance(value, (list, tuple, dict)) and not getattr(value, "rest", ()) and plain(value) else None


def _value(node: ast.expr, assigned: Assigned, bound: "Mapping[str, Any]", depth: int) -> Any:
    return evaluate(node, lambda part: _look(part, assigned, bound, depth + 1))


def _look(node: ast.expr, assigned: Assigned, bound: "Mapping[str, Any]", depth: int) -> Any:
    if depth > DEEPEST:
        return UNKNOWN
    if isinstance(node, ast.Name):
        given = assigned.get(node.id, ())
        known = _value(given[0], assigned, {}, depth) if len(given) == 1 else UNKNOWN
        return bound.get(node.id, known)
    if isinstance(node, COMPREHENSIONS):
        return _comprehended(node, assigned, bound, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PURE and not node.keywords:
        return _called(node.func.id, [_value(a, assigned, bound, depth) for a in node.args])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        owner = _value(node.func.value, assigned, bound, depth)
        return Items(owner.items()) if isinstance(owner, dict) and node.func.attr == "items" else UNKNOWN
    return UNKNOWN


def _called(name: str, args: "list[Any]") -> Any:
    if any(a is UNKNOWN or not plain(a) or getattr(a, "rest", ()) for a in args):
        return UNKNOWN
    try:
        return PURE[name](*args)
    except Exception:  # whatever upstream asks of a builtin may fail
        return UNKNOWN


def _comprehended(
    node: "ast.ListComp | ast.GeneratorExp | ast.DictComp", assigned: Assigned, bound: "Mapping[str, Any]", depth: int
) -> Any:
    rounds = list(_rounds(node, assigned, bound, depth))
    if UNKNOWN in rounds:
        return UNKNOWN
    if not isinstance(node, ast.DictComp):
        return Items(_value(node.elt, assigned, held, depth) for held in rounds)
    pairs = [(_value(node.key, assigned, h, depth), _value(node.value, assigned, h, depth)) for h in rounds]
    return dict(pairs) if all(isinstance(key, (int, str)) for key, _ in pairs) else UNKNOWN


def _rounds(node: Any, assigned: Assigned, bound: "Mapping[str, Any]", depth: int) -> "Iterator[Any]":
    """Give what the names of a plain comprehension are bound to, round by round; UNKNOWN for any other."""
    loop = node.generators[0]
    over = _value(loop.iter, assigned, bound, depth)
    many = isinstance(over, (list, tuple, str, dict)) and not getattr(over, "rest", ()) and len(over) <= MOST
    if len(node.generators) > 1 or loop.ifs or not many:
        yield UNKNOWN
        return
    for item in over:
        names = _bound(loop.target, item)
        yield UNKNOWN if names is None else {**bound, **names}


def _bound(target: ast.expr, item: Any) -> "dict[str, Any] | None":
    if isinstance(target, ast.Name):
        return {target.id: item}
    parts = target.elts if isinstance(target, ast.Tuple) else []
    if not parts or not isinstance(item, (list, tuple)) or len(item) != len(parts):
        return None
    inner = [_bound(part, value) for part, value in zip(parts, item)]
    return None if None in inner else {name: value for one in inner if one for name, value in one.items()}
