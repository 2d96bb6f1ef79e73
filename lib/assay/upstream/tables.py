"""Lists and tables that a module makes of what stands in it: {i + 1: c for i, c in enumerate(LETTERS)}."""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from assay.upstream.abstract import UNKNOWN, Items, plain
from assay.upstream.evaluate import PURE, evaluate
from assay.upstream.index import statements

DEEPEST, MOST, EFFORT = 6, 2_000, 200_000
Assigned = Mapping[str, Sequence[ast.expr]]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.DictComp)
ORDERLESS = ("set", "frozenset", "sorted", "len", "max", "min", "sum", "bool")  # of a set they say what it is

CHANGES = {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault", "popitem"}


class TooMuch(Exception):
    """More work than a table of names is worth."""


def made(node: ast.expr, assigned: Assigned, hidden: "Collection[str]" = ()) -> Any:
    """Evaluate a list or table of a module's, given what its names are assigned; None where that does not say it.

    Hidden are names that the module defines, imports or changes, so that they are not what they are called.
    """
    try:
        value = _Table(assigned, hidden).value(node, {}, 0)
    except (RecursionError, TooMuch):
        return None
    return value if isinstance(value, (list, tuple, dict)) and plain(value) else None


def changed(tree: ast.Module, text: str) -> "set[str]":
    """Name what a module changes after it was assigned: adds to, sorts, deletes, binds in a loop."""
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.Global)] if "global " in text else []
    outer = [s for s in statements(tree.body) if not isinstance(s, DEFINITIONS)]
    parts = (part for s in outer for part in ast.walk(s))
    below = {name for function in ast.walk(tree) if isinstance(function, FUNCTIONS) for name in _in_place(function)}
    return below | {name for part in (*inner, *parts) for name in _changes(part)}


def _in_place(function: "ast.FunctionDef | ast.AsyncFunctionDef") -> "set[str]":
    """Name what a function changes and does not bind: a list of the module's needs no `global` for that."""
    inner = list(ast.walk(function))
    own = {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in inner if isinstance(n, ast.arg)}
    calls = {n for n in inner if isinstance(n, (ast.Call, ast.Subscript, ast.Delete))}
    return {name for node in calls for name in _changes(node)} - own


def _changes(node: ast.AST) -> "Iterator[str]":
    changed: list[ast.expr | None] = []
    if isinstance(node, ast.Global):
        yield from node.names
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
        changed = [node.func.value]
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        changed = [node.value]
    elif isinstance(node, (ast.AugAssign, ast.For)):
        changed = [node.target]
    elif isinstance(node, ast.Delete):
        changed = [*node.targets]
    elif isinstance(node, ast.withitem):
        changed = [node.optional_vars]
    yield from (n.id for one in changed if one for n in ast.walk(one) if isinstance(n, ast.Name))


class _Table:
    def __init__(self, assigned: Assigned, hidden: "Collection[str]") -> None:
        self.assigned, self.hidden = assigned, hidden
        self.left = EFFORT

    def value(self, node: ast.expr, bound: "Mapping[str, Any]", depth: int) -> Any:
        if any(isinstance(part, ast.Set) for part in ast.walk(node)):
            return UNKNOWN  # its order is nobody's
        return evaluate(node, lambda part: self._look(part, bound, depth + 1))

    def _look(self, node: ast.expr, bound: "Mapping[str, Any]", depth: int) -> Any:
        found = self._found(node, bound, depth) if depth <= DEEPEST else UNKNOWN
        return self._weighed(found)

    def _weighed(self, value: Any) -> Any:
        self._work(1 + (len(value) if isinstance(value, (str, list, tuple, dict)) else 0))
        return value

    def _work(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuch

    def _found(self, node: ast.expr, bound: "Mapping[str, Any]", depth: int) -> Any:
        if isinstance(node, ast.Name):
            return bound[node.id] if node.id in bound else self._named(node.id, depth)
        if isinstance(node, COMPREHENSIONS):
            return self._comprehended(node, bound, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            known = node.func.id in PURE and not self._hides(node.func.id)
            return _called(node.func.id, [self.value(a, bound, depth) for a in node.args]) if known else UNKNOWN
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args + node.keywords:
            owner = self.value(node.func.value, bound, depth)
            return Items(owner.items()) if isinstance(owner, dict) and node.func.attr == "items" else UNKNOWN
        return UNKNOWN

    def _named(self, name: str, depth: int) -> Any:
        given = self.assigned.get(name, ())
        return self.value(given[0], {}, depth) if len(given) == 1 and name not in self.hidden else UNKNOWN

    def _hides(self, name: str) -> bool:
        return name in self.assigned or name in self.hidden

    def _comprehended(self, node: Any, bound: "Mapping[str, Any]", depth: int) -> Any:
        rounds = list(self._rounds(node.generators, bound, depth))
        if UNKNOWN in rounds:
            return UNKNOWN
        made_each = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._work(len(rounds) * sum(1 for each in made_each for _ in ast.walk(each)))
        found = [tuple(self._weighed(self.value(each, held, depth)) for each in made_each) for held in rounds]
        if not isinstance(node, ast.DictComp):
            return Items(value for (value,) in found)
        return dict(found) if all(isinstance(key, (int, str)) for key, _ in found) else UNKNOWN

    def _rounds(self, loops: "Sequence[ast.comprehension]", bound: "Mapping[str, Any]", depth: int) -> "Iterator[Any]":
        """Give what the names of a plain comprehension are bound to, round by round; UNKNOWN for any other."""
        over = self.value(loops[0].iter, bound, depth) if len(loops) == 1 and not loops[0].ifs else UNKNOWN
        if not isinstance(over, (list, tuple, str, dict)) or not plain(over) or len(over) > MOST:
            yield UNKNOWN
            return
        for item in over:
            names = _bound(loops[0].target, item)
            yield UNKNOWN if names is None else {**bound, **names}


def _called(name: str, args: "list[Any]") -> Any:
    if any(not plain(a) for a in args):
        return UNKNOWN
    if name not in ORDERLESS and any(isinstance(a, (set, frozenset)) for a in args):
        return UNKNOWN
    try:
        return PURE[name](*args)
    except Exception:  # whatever upstream asks of a builtin may fail
        return UNKNOWN


def _bound(target: ast.expr, item: Any) -> "dict[str, Any] | None":
    if isinstance(target, ast.Name):
        return {target.id: item}
    parts = target.elts if isinstance(target, ast.Tuple) else []
    if not parts or not isinstance(item, (list, tuple)) or len(item) != len(parts):
        return None
    inner = [_bound(part, value) for part, value in zip(parts, item)]
    return None if None in inner else {name: value for one in inner if one for name, value in one.items()}
