"""What a network's own steps rest on: a network made anew may take them only where its weights have no part in them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping

from assay.drafts.flow import MUTATORS

PLACED = ("device", "dtype", "shape")  # the same without weights
Class = Mapping[str, ast.FunctionDef]  # methods by name


def methods(name: str, texts: Mapping[str, str]) -> Class | None:
    """Give the methods of the one class of that name, those of its bases in the tree among them; None when unclear."""
    found = [n for t in texts.values() if f"class {name}" in t for n in ast.walk(_parsed(t)) if _is_class(n, name)]
    if len(found) != 1:
        return None
    bases = [ast.unparse(base).split(".")[-1] for base in found[0].bases]  # type: ignore[attr-defined]
    inherited = [methods(base, texts) or {} for base in bases if base != name]
    own = {f.name: f for f in found[0].body if isinstance(f, ast.FunctionDef)}  # type: ignore[attr-defined]
    return {**{k: f for one in reversed(inherited) for k, f in one.items()}, **own}


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _is_class(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == name


def free(asked: Iterable[str], known: Class, weights: Collection[str]) -> bool:
    """Tell whether what is asked of a network reads nothing that the weights hold, and changes nothing."""
    waiting, seen = list(asked), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in known:
            if name in weights:
                return False
            continue
        if any(_changes(known[name])):
            return False
        waiting += _reads(known[name])
    return True


def loads_only(function: ast.FunctionDef) -> bool:
    """Tell a function that sets nothing of its own beside the weights that it loads."""
    stores = (n for n in ast.walk(function) if isinstance(n, (ast.Attribute, ast.Subscript)))
    return not any(isinstance(n.ctx, ast.Store) for n in stores)


def _reads(function: ast.FunctionDef) -> list[str]:
    """Name the attributes of self that a method reads, but for where they lie and what type they have."""
    placed = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Attribute) and n.attr in PLACED}
    left = _below(function, placed)
    read = [n for n in ast.walk(function) if _of_self(n) and id(n) not in left]
    return [n.attr for n in read]  # type: ignore[attr-defined]


def _below(function: ast.FunctionDef, placed: set[int]) -> set[int]:
    """Give what stands below an attribute of which only the place or type is asked: self.layer.weight.device."""
    inner = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and id(n) in placed]
    return {id(part) for one in inner for part in ast.walk(one)}


def _changes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    for node in ast.walk(function):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            yield from (n for n in ast.walk(node.value) if isinstance(n, ast.Name) and n.id == "self")
        elif isinstance(node, ast.Call) and _of_self(getattr(node.func, "value", node)):
            yield from [node] if node.func.attr in MUTATORS else []  # type: ignore[attr-defined]


def _of_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
