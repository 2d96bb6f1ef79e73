"""Which names a piece of code takes from outside: those it reads before it has bound them itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def names(node: ast.AST | None) -> set[str]:
    """Name what an expression reads; variables of its comprehensions and lambdas are its own."""
    if node is None:
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, COMPREHENSIONS):
        return _comprehension(node)
    if isinstance(node, FUNCTIONS):
        return _function(node)
    own = {node.target.id} if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) else set()
    return own.union(*(names(child) for child in ast.iter_child_nodes(node)))


def _comprehension(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> set[str]:
    found: set[str] = set()
    own: set[str] = set()
    for generator in node.generators:
        found |= names(generator.iter) - own
        own |= stored(generator.target)
        found |= set().union(*(names(i) for i in generator.ifs), set()) - own
    parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    return found | (set().union(*map(names, parts)) - own)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    outside = set().union(*(names(d) for d in [*node.args.defaults, *node.args.kw_defaults]), set())
    own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    if isinstance(node, ast.Lambda):
        return outside | (names(node.body) - own)
    outside |= set().union(*(names(d) for d in node.decorator_list), set())
    own |= {n for s in node.body for n in stored(s)}
    return outside | (exposed_block(node.body, own)[0] - own)


def stored(node: ast.AST) -> set[str]:
    """Name every plain variable that a piece of code binds."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}


def exposed(node: ast.stmt) -> set[str]:
    """Name what a statement reads before it has bound it itself."""
    return exposed_block([node], set())[0]


def exposed_block(body: Iterable[ast.stmt], bound: set[str]) -> tuple[set[str], set[str]]:
    """Name what a block takes from outside, and what is bound for certain after it."""
    found: set[str] = set()
    for statement in body:
        more, bound = _statement(statement, bound)
        found |= more
    return found, bound


def _statement(node: ast.stmt, bound: set[str]) -> tuple[set[str], set[str]]:
    if isinstance(node, ast.If):
        return _branches(node, bound)
    if isinstance(node, (ast.For, ast.While)):
        return _loop(node, bound)
    if isinstance(node, ast.With):
        heads = set().union(*(names(i.context_expr) for i in node.items)) - bound
        targets = {n for i in node.items if i.optional_vars is not None for n in stored(i.optional_vars)}
        found, after = exposed_block(node.body, bound | targets)
        return heads | found, after
    if isinstance(node, ast.Try):
        return _attempt(node, bound)
    found = names(node)
    own = {node.name} if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else stored(node)
    return found - bound, bound | own


def _branches(node: ast.If, bound: set[str]) -> tuple[set[str], set[str]]:
    found, first = exposed_block(node.body, bound)
    more, second = exposed_block(node.orelse, bound)
    if ends(node.body):
        first = second
    elif ends(node.orelse):
        second = first
    return (names(node.test) - bound) | found | more, first & second


def _loop(node: ast.For | ast.While, bound: set[str]) -> tuple[set[str], set[str]]:
    head, target = (node.iter, stored(node.target)) if isinstance(node, ast.For) else (node.test, set())
    found, _ = exposed_block(node.body, bound | target)
    more, _ = exposed_block(node.orelse, bound)
    return (names(head) - bound) | found | more, bound


def _attempt(node: ast.Try, bound: set[str]) -> tuple[set[str], set[str]]:
    found, after = exposed_block([*node.body, *node.orelse], bound)
    for handler in node.handlers:
        own = {handler.name} if handler.name else set()
        more, caught = exposed_block(handler.body, bound | own)
        found |= more
        after = after if ends(handler.body) else after & caught
    more, after = exposed_block(node.finalbody, after)
    return found | more, after


def ends(body: list[ast.stmt]) -> bool:
    """Tell whether nothing comes after a block."""
    return bool(body) and isinstance(body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))
