"""What the text of a candidate's file says: where a parameter stands, which words its class compares with."""

from __future__ import annotations

import ast
import functools
import linecache
from typing import Any, List, Optional, Tuple

from assay_worker.match_values import Value

MOST_WORDS = 12


@functools.lru_cache(maxsize=None)
def _parsed(full: str) -> Tuple[Any, ...]:
    try:
        return tuple(ast.parse("".join(linecache.getlines(full))).body)
    except (SyntaxError, ValueError):
        return ()


def cited(full: str, path: str, qualname: str, name: str) -> Tuple[str, str]:
    """Find the line on which a parameter stands."""
    node = _definition(list(_parsed(full)), qualname.split("."))
    if isinstance(node, ast.ClassDef):
        node = next((n for n in node.body if getattr(n, "name", "") == "__init__"), None)
    line = next((a.lineno for a in _arguments(node) if a.arg == name), 0)
    return (f"{path}:{line}", linecache.getline(full, line).strip()) if line else ("", "")


def words(full: str, path: str, qualname: str) -> Tuple[Value, ...]:
    """List the words that a class or factory compares something with."""
    node = _definition(list(_parsed(full)), qualname.split("."))
    found: List[Value] = []
    for one in ast.walk(node) if node is not None else ():
        if isinstance(one, ast.Compare):
            for word in [w for side in (one.left, *one.comparators) for w in _strings(side)]:
                where = f"{path}:{one.lineno}"
                if word not in [v.value for v in found]:
                    found.append(Value(word, "literal", where, linecache.getline(full, one.lineno).strip()))
    return tuple(found[:MOST_WORDS])


def _strings(node: Any) -> List[str]:
    inner = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    return [n.value for n in inner if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _definition(body: List[Any], names: List[str]) -> Optional[Any]:
    for node in body:
        if getattr(node, "name", "") == names[0]:
            return node if len(names) == 1 else _definition(node.body, names[1:])
    return None


def _arguments(node: Optional[Any]) -> List[Any]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    return [*getattr(node.args, "posonlyargs", []), *node.args.args, *node.args.kwonlyargs]
