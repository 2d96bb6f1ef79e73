"""Importing a file for what it defines: a page of a web app, or a script that does more and fails at it."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import os
from types import CodeType, ModuleType
from typing import Any, Optional, Sequence, Set

LIBRARIES = ("streamlit", "gradio")
DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Finder(importlib.abc.MetaPathFinder):
    """Finds, before all others, upstream's own files that are pages, and those that are told."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.told: Set[str] = set()

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Find such a file; nothing for any other module."""
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        loader = spec.loader if spec is not None else None
        if spec is None or not isinstance(loader, importlib.machinery.SourceFileLoader):
            return None
        if not loader.path.startswith(self.folder) or not (
            os.path.realpath(loader.path) in self.told or _is_page(loader)
        ):
            return None
        spec.loader = Definitions(loader.name, loader.path)
        return spec


class Definitions(importlib.machinery.SourceFileLoader):
    """Loads of a file what it imports and defines, and plain values."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile these lines alone."""
        tree = ast.parse(self.get_data(self.path), self.path)
        pages = _pages(tree)
        tree.body = _defining(tree.body, pages)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                node.decorator_list = [d for d in node.decorator_list if not _names(d) & pages]
        return compile(tree, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Run them."""
        exec(self.get_code(module.__name__), module.__dict__)


def _is_page(loader: importlib.machinery.SourceFileLoader) -> bool:
    data = loader.get_data(loader.path)
    if not any(name.encode() in data for name in LIBRARIES):
        return False
    try:
        return bool(_pages(ast.parse(data)))
    except (SyntaxError, ValueError):
        return False


def _pages(tree: ast.Module) -> set[str]:
    """Name what a file calls such a library and its parts."""
    found = set()
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""] * len(node.names)
        for name, alias in zip(names, getattr(node, "names", [])):
            if name.partition(".")[0].split("_")[0] in LIBRARIES:
                found.add((alias.asname or alias.name).partition(".")[0])
    return found


def _defining(body: list[ast.stmt], pages: set[str]) -> list[ast.stmt]:
    """Keep what defines something, rests on nothing that is left out, and is not changed by what is left out."""
    lost = set(pages)
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    imported = {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
    while True:
        kept = [node for node in body if _defines(node, lost)]
        left = [node for node in body if node not in kept]
        now = lost | {name for node in left for name in _changed(node) - imported}
        if now == lost:
            return kept
        lost = now


def _changed(node: ast.stmt) -> set[str]:
    """Name what a line gives a value to, in whole or part, or calls something of."""
    stores = (ast.Store, ast.Del)
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, stores)}
    parts = [n for n in ast.walk(node) if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.ctx, stores)]
    parts += [n.func for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return found | {n.id for part in parts for n in ast.walk(part.value) if isinstance(n, ast.Name)}


def _defines(node: ast.stmt, pages: set[str]) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return not {(alias.asname or alias.name).partition(".")[0] for alias in node.names} & pages
    if isinstance(node, DEFINES) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return True
    plain = isinstance(node, (ast.Assign, ast.AnnAssign)) and not _names(node) & pages
    return plain and not any(isinstance(n, ast.Call) for n in ast.walk(node))


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
