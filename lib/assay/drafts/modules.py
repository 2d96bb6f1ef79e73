"""What a file of the tree binds at its top, and whether importing it does no more than that."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

HARMLESS = ("append", "insert", "extend", "filterwarnings", "simplefilter", "set_grad_enabled", "setNumThreads", "use",
            "set_printoptions", "manual_seed", "basicConfig", "setLevel", "setdefault", "ocl.setUseOpenCL")  # fmt: skip

PAGES = ("streamlit", "gradio")
OPENS = re.compile(r"(load|open|read)(_.*)?|imread|listdir|InferenceSession|Flask|FastAPI|APIRouter|Blueprint")


def acts(tree: ast.Module) -> bool:
    """Tell whether importing a file opens others, sets up a service, trains, or shows a page: better copy from it."""
    loops = any(isinstance(node, (ast.For, ast.While)) for node in tree.body)
    return (
        loops
        or _is_page(tree)
        or any(
            isinstance(inner, ast.Call) and OPENS.fullmatch(_last_word(inner))
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr, ast.With, ast.Try))
            for inner in ast.walk(node)
        )
    )


def _is_page(tree: ast.Module) -> bool:
    imported = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    return any(name.partition(".")[0] in PAGES for name in imported)


def changes(tree: ast.Module, name: str) -> bool:
    """Tell whether a file gives a name its value in more than one statement, or fills it later."""
    inside = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    about = [n for node in tree.body if not isinstance(node, inside) for n in ast.walk(node)]
    stores = sum(isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load) for n in about)
    declared = any(isinstance(n, ast.Global) and name in n.names for n in ast.walk(tree))
    filled = [n.func.value for n in about if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    filled += [n.value for n in about if isinstance(n, (ast.Subscript, ast.Attribute)) and isinstance(n.ctx, ast.Store)]
    return stores > 1 or declared or any(isinstance(n, ast.Name) and n.id == name for n in filled)


def importable(file: str, tree: ast.Module) -> bool:
    """Tell whether a script can be imported by its name without running what it is for."""
    stem = PurePosixPath(file).stem
    if not stem.isidentifier() or stem in sys.stdlib_module_names or not file.endswith(".py"):
        return False
    return all(_quiet(s) for s in tree.body)


def _quiet(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Pass)):
        return True
    if isinstance(node, ast.If):
        return is_guard(node) or all(_quiet(s) for s in [*node.body, *node.orelse])
    if isinstance(node, ast.Try):
        return all(_quiet(s) for s in [*node.body, *node.orelse, *(s for h in node.handlers for s in h.body)])
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _last_word(node.value) in HARMLESS
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
        return not any(_last_word(c) in ("parse_args", "load", "ArgumentParser", "imread", "listdir") for c in calls)
    return False


def _last_word(node: ast.expr) -> str:
    return ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""


def is_guard(node: ast.stmt) -> bool:
    """Tell whether a statement is `if __name__ == "__main__"`."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def top_names(tree: ast.Module) -> set[str]:
    """Name the variables that importing a file binds."""
    found: set[str] = set()
    for node in top(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if target is not None:
                found |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return found


def top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Give the statements that importing a file runs, those in `if` and `try` among them."""
    ahead = list(tree.body)
    while ahead:
        node = ahead.pop(0)
        if is_guard(node):
            continue
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            inner = [*node.body, *node.orelse]
            ahead = inner + [s for h in getattr(node, "handlers", []) for s in h.body] + ahead


def binding(tree: ast.Module, name: str) -> ast.stmt | None:
    """Find what binds a global: a definition, an assignment or an import, also one inside a function."""
    for node in [*reversed(list(top(tree)))]:
        if _binds(node, name):
            return node
    imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return next((n for n in imports if _binds(n, name)), None)


def _binds(node: ast.stmt, name: str) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name == name
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return any((a.asname or a.name.split(".")[0]) == name for a in node.names)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(n, ast.Name) and n.id == name for t in targets for n in ast.walk(t))
    return False


def stars(tree: ast.Module) -> list[ast.ImportFrom]:
    """Give the imports of everything, the last first."""
    found = [n for n in top(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]
    return found[::-1]


def absolute(node: ast.ImportFrom, module: str, package: bool) -> str:
    """Name the module of an import in full."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + (1 if package else 0)]
    return ".".join([*parts, *([node.module] if node.module else [])])
