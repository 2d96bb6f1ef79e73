"""Acting when upstream imports something: patches after an import, stand-ins for what is not installed."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import re
import sys
from types import FrameType, ModuleType
from typing import Any, Callable, Dict, List, Optional, Sequence

from assay_worker import standins
from assay_worker.watching import Watch

Patch = Callable[[Watch, Any], None]
BREAKS = (RuntimeError, OSError, ImportError, AttributeError)
CATCHING = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
DEEPEST = 3
COMPILED = ("torchvision", "torchaudio")  # installed and yet broken where they were built for another torch


class AfterImport:
    """Finds as usual, and patches a module once it is there."""

    def __init__(self, watch: Watch, patches: Dict[str, Patch]) -> None:
        self.watch, self.patches, self.finding = watch, patches, set()  # type: ignore[var-annotated]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a module that is to be patched by those who come after us, and see to it that it is."""
        if name not in self.patches or name in self.finding:
            return None
        self.finding.add(name)
        try:
            spec = importlib.util.find_spec(name) if path is None else _found(self, name, path)
        except (ImportError, ValueError):
            return None
        finally:
            self.finding.discard(name)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            self._follow(spec, name)
        return spec

    def _follow(self, spec: Any, name: str) -> None:
        if isinstance(spec.loader, standins.Loader):
            return
        execute = spec.loader.exec_module

        def executed(module: ModuleType) -> None:
            try:
                execute(module)
            except BREAKS as error:
                if name not in COMPILED:
                    raise
                self._broken(name, error)
                return
            self.patches[name](self.watch, sys.modules.get(name, module))

        spec.loader.exec_module = executed

    def _broken(self, name: str, error: BaseException) -> None:
        """Put a stand-in where a package is installed and does not import."""
        for one in [m for m in sys.modules if m.startswith(name + ".")]:
            del sys.modules[one]
        what = f"{name} is installed and does not import: {error}"
        sys.modules[name] = standins.made(self.watch, name, " ".join(what.split())[:300])

    def those_here(self) -> None:
        """Patch what is imported already."""
        for name, patch in self.patches.items():
            if name in sys.modules:
                patch(self.watch, sys.modules[name])


def _found(self: Any, name: str, path: Any) -> Any:
    for finder in sys.meta_path:
        found = None if finder is self or not hasattr(finder, "find_spec") else finder.find_spec(name, path, None)
        if found is not None:
            return found
    return None


class Missing:
    """Comes last: gives a stand-in for a package that upstream imports without asking whether it is there."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.trees: Dict[str, Optional[ast.Module]] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find nothing, or a stand-in."""
        top = name.partition(".")[0]
        found = self._of_tree(name) if "." not in name and _importing() else None
        if found is not None:
            return found
        if not (standins.stands_in(top) or ("." not in name and self._plainly_wanted())):
            return None
        return importlib.util.spec_from_loader(name, standins.Loader(self.watch), is_package=True)

    def _of_tree(self, name: str) -> Any:
        """Find a package that the tree brings at a place where Python does not look."""
        tree = self.watch.tree
        root = os.path.join(tree.root, "__init__.py")
        with self.watch.inside():
            if os.path.isfile(root) and (_plain(name) == _plain(tree.name) or _is_named(tree.root, name)):
                self.watch.intervene(f"the tree itself is the package {name}")
                return importlib.util.spec_from_file_location(name, root, submodule_search_locations=[tree.root])
            folders = _holding(tree.root, name)
        if len(folders) != 1:
            return None
        inner = tree.inner(folders[0] + os.sep + name).rpartition("/")[0]
        self.watch.intervene(f"{name} lies in {inner or 'the tree'}", f"sys.path.insert(0, {inner!r})")
        sys.path.append(folders[0])
        return importlib.machinery.PathFinder.find_spec(name, [folders[0]])

    def _plainly_wanted(self) -> bool:
        """Tell whether a line of upstream's imports it, and none above would do without."""
        frames = _importing()
        if not frames or not self.watch.tree.inner(frames[0].f_code.co_filename):
            return False
        theirs = [one for one in frames if self.watch.tree.inner(one.f_code.co_filename)]
        return not any(self._caught(one) for one in theirs)

    def _caught(self, frame: FrameType) -> bool:
        file, line = frame.f_code.co_filename, frame.f_lineno or 0
        if file not in self.trees:
            with self.watch.inside():
                self.trees[file] = _parsed(file)
        tree = self.trees[file]
        tries = [n for n in ast.walk(tree) if isinstance(n, ast.Try)] if tree else []
        return any(_spans(node.body, line) and any(_catches(h) for h in node.handlers) for node in tries)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace("python_", "")


def _is_named(root: str, name: str) -> bool:
    """Tell whether the tree's own setup says that it is the package of this name."""
    for file in ("setup.py", "setup.cfg", "pyproject.toml"):
        path = os.path.join(root, file)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as opened:
                if re.search(rf"""['"=\s]{re.escape(name)}['"\s.,]""", opened.read()):
                    return True
    return False


def _holding(root: str, name: str) -> List[str]:
    """List the folders of a tree, not too deep, that hold a module of this name."""
    found = []
    for folder, folders, files in os.walk(root):
        depth = folder[len(root) :].count(os.sep)
        if name + ".py" in files or (name in folders and os.path.isfile(os.path.join(folder, name, "__init__.py"))):
            found.append(folder)
        folders[:] = [f for f in folders if not f.startswith(".")] if depth < DEEPEST else []
    return found


def _importing() -> List[FrameType]:
    """List the frames of a real import, the one with the statement first; none when it is only asked for."""
    frame: Optional[FrameType] = sys._getframe(2)
    imports = False
    while frame is not None and _is_machinery(frame):
        imports = imports or frame.f_code.co_name == "_find_and_load"
        frame = frame.f_back
    found: List[FrameType] = []
    while frame is not None and imports:
        found.append(frame)
        frame = frame.f_back
    return found


def _is_machinery(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith("<frozen importlib") or str(frame.f_globals.get("__name__")) in (__name__, "importlib")


def _parsed(file: str) -> Optional[ast.Module]:
    try:
        with open(file, "rb") as opened:
            return ast.parse(opened.read())
    except (OSError, SyntaxError, ValueError):
        return None


def _spans(body: Sequence[ast.stmt], line: int) -> bool:
    return body[0].lineno <= line <= (body[-1].end_lineno or body[-1].lineno)


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = [getattr(kind, "id", getattr(kind, "attr", "")) for kind in kinds]
    return handler.type is None or any(name in CATCHING for name in names)
