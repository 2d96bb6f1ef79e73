"""Of lines that run one after another: which names they ask for, and which of them a value rests on."""

import ast
from collections.abc import Collection, Sequence

PLAIN = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


def leading_to(body: "Sequence[ast.stmt]", wanted: "Collection[str]", apart: "Collection[str]") -> "list[ast.stmt]":
    """Leave out the lines that can have no part in some names: those that mention none on which these rest.

    `apart` names what no line changes by using it: what comes from outside. A call of its own may change anything.
    """
    mentions = [(stored(node) | loaded(node)) - set(apart) for node in body]
    needed, kept = set(wanted), [isinstance(node, ast.Expr) for node in body]
    count = -1
    while count != len(needed):
        count = len(needed)
        for at in reversed(range(len(body))):
            if kept[at] or mentions[at] & needed:
                kept[at] = True
                needed |= mentions[at]
    return [node for node, stays in zip(body, kept) if stays]


def resting_on(body: "Sequence[ast.stmt]", name: str, apart: "Collection[str]") -> "set[str]":
    """Name what lines make of a name, directly or by way of others."""
    found = {name}
    for node in body:
        if loaded(node) & found:
            found |= stored(node) | (handled(node) - set(apart))
    return found


def free(body: "Sequence[ast.stmt]") -> "list[str]":
    """List the names that lines use and that none before gives a value to, in order."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for node in body:
        known = made | _inside(node) | (set() if isinstance(node, PLAIN) else bound(node) - _tested(node))
        names = [n.id for n in ast.walk(node) if _is_loaded(n) and n.id not in known]  # type: ignore[attr-defined]
        found.update(dict.fromkeys(names))
        made |= bound(node)
    return list(found)


def stored(node: ast.AST) -> "set[str]":
    """Name what a line gives a value to, in part or whole, a function or an import among it."""
    found = bound(node)
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Subscript, ast.Attribute)) and isinstance(inner.ctx, ast.Store):
            found |= loaded(inner.value)
    return found


def handled(node: ast.AST) -> "set[str]":
    """Name what a line may change: what it calls something of, or hands to a call."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            found |= loaded(inner)
    return found


def loaded(node: ast.AST) -> "set[str]":
    """Name what a line uses."""
    return {inner.id for inner in ast.walk(node) if _is_loaded(inner)}  # type: ignore[attr-defined]


def bound(node: ast.AST) -> "set[str]":
    """Name what a line gives a value to as a whole."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            found.add(inner.id)
        elif isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            found.add(inner.name)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in inner.names}
    return found


def _tested(node: ast.AST) -> "set[str]":
    """Name what a block asks for before it may give it a value."""
    return loaded(node.test) if isinstance(node, (ast.If, ast.While)) else set()


def _is_loaded(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _inside(node: ast.AST) -> "set[str]":
    """Name what is known only within an expression or a function of a line."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Lambda, ast.FunctionDef)):
            found |= {one.arg for one in inner.args.args}
        elif isinstance(inner, ast.comprehension):
            found |= {n.id for n in ast.walk(inner.target) if isinstance(n, ast.Name)}
    return found
