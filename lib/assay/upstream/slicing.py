"""Of lines that run one after another: which names they ask for, and which of them a value rests on."""

import ast
from collections.abc import Collection, Sequence


def leading_to(body: "Sequence[ast.stmt]", wanted: "Collection[str]") -> "list[ast.stmt]":
    """Keep the lines on which names rest; a line of its own counts when it is about one of them."""
    needed, kept = set(wanted), []
    for node in reversed(body):
        about = loaded(node) if isinstance(node, (ast.Expr, ast.AugAssign)) else set()
        if (stored(node) | about) & needed:
            kept.append(node)
            needed |= loaded(node)
    return kept[::-1]


def free(body: "Sequence[ast.stmt]") -> "list[str]":
    """List the names that lines use and do not give a value to before, in order."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for node in body:
        plain = isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr))
        known = made | _inside(node) | (set() if plain else stored(node))
        found.update({n.id: None for n in ast.walk(node) if _is_loaded(n) and n.id not in known})  # type: ignore[attr-defined]
        made |= stored(node)
    return list(found)


def stored(node: ast.AST) -> "set[str]":
    """Name what a line gives a value to, a function or an import among it."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            found.add(inner.id)
        elif isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            found.add(inner.name)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in inner.names}
        elif isinstance(inner, (ast.Subscript, ast.Attribute)) and isinstance(inner.ctx, ast.Store):
            found |= loaded(inner.value)
    return found


def loaded(node: ast.AST) -> "set[str]":
    """Name what a line uses."""
    return {inner.id for inner in ast.walk(node) if _is_loaded(inner)}  # type: ignore[attr-defined]


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
