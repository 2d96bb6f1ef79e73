"""Importing once, for all runs of a worker, the packages that an earlier run imported; a run is a fork of it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Dict, List, Sequence, Set, Tuple

from assay_worker import packages, patching
from assay_worker.tree_copy import Tree

OURS = "assay_worker"
CHANCES = ("Random", "RandomState", "Generator")
RUNNING = 2  # threads of a run that has none of its own: the main one, and the one that ends it in time
FUNCTIONS = (FunctionType, BuiltinFunctionType, type)
WITHOUT_CUDA = {"MPLBACKEND": "Agg", "CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}  # see devices


class Warmth:
    """What runs imported, and what of it is here by now."""

    def __init__(self) -> None:
        self.wanted: List[str] = []
        self.theirs: List[str] = []  # names that upstream's own files had
        self.taken: Dict[int, List[Tuple[Dict[str, Any], str]]] = {}  # a function of others -> in whose names it is
        self.brought: Set[str] = set()
        self.chances: List[Any] = []  # generators that packages made when they were imported
        self.variables: Dict[str, str] = {}  # that upstream sets before it imports
        self.ended = False  # a package left a thread, which no fork takes along
        self.before: Dict[str, str] = {}  # the environment of a run when it began

    def want(self, names: Sequence[str]) -> None:
        """Take modules that the next run will import."""
        self.wanted += [name for name in names if name not in self.wanted]

    def hear(self, told: Dict[str, Any]) -> None:
        """Take from a run's record what it imported, and the variables it set for that."""
        self.ended = self.ended or told.get("threads", 0) > 0
        self.want(told.get("installed", ()))
        self.theirs += [name for name in told.get("theirs", ()) if name not in self.theirs]
        self.variables.update(told.get("variables", {}))

    def bring(self) -> None:
        """Import what is wanted; never again after a package that leaves a thread."""
        before, threads = set(sys.modules), threading.active_count()
        wanted, self.wanted = [name for name in self.wanted if name not in sys.modules], []
        if self.ended or not wanted:
            return
        kept = {name: os.environ.get(name) for name in self.variables}
        os.environ.update({**self.variables, **WITHOUT_CUDA})
        broken: Set[str] = set()
        for name in wanted:
            top = name.partition(".")[0]
            if name not in sys.modules and top not in broken and not _imported(name):
                broken.add(top)
            self.ended = (
                threading.active_count() > threads
            )  # of Python's: allocators have some that a fork does without
            if self.ended:
                break
        for name, value in kept.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})
        for name in [name for name in sys.modules if name not in before]:
            self.brought.add(name)
            self._look(name, sys.modules[name])
        packages.imported()  # which reads the metadata, and remembers it

    def _look(self, name: str, module: Any) -> None:
        """Note what a module took from other packages by name: here, once, for a fork has to copy what it looks at."""
        top, names = name.partition(".")[0], getattr(module, "__dict__", {})
        for key, value in list(names.items()):
            if isinstance(value, FUNCTIONS) and str(getattr(value, "__module__", "")).partition(".")[0] != top:
                self.taken.setdefault(id(value), []).append((names, key))
            elif type(value).__name__ in CHANCES:
                self.chances.append(value)

    def settle(self, folders: Sequence[str] = ()) -> None:
        """Leave a fork, once it is patched, as it would be had it imported all that itself.

        `folders` come first in its path: what lies there goes before what was brought.
        """
        for number, replaced in patching.REPLACED.items():
            for names, key in self.taken.get(number, ()):
                if names.get(key) is replaced.original:
                    names[key] = replaced.made
        first = {top for folder in folders for top in _tops(folder)}
        for name in [*self.theirs, *(name for name in self.brought if name.partition(".")[0] in first)]:
            sys.modules.pop(name, None)
        _draw_anew(self.chances)
        self.before = dict(os.environ)

    def told(self, tree: Tree) -> Dict[str, Any]:
        """List the modules here that an installed package or Python brought, in their order, and upstream's own."""
        installed, theirs = [], []
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if not isinstance(file, str) or name.partition(".")[0] in (OURS, "__main__"):
                continue
            if tree.inner(file):
                theirs.append(name)
            elif _is_installed(name, module, file):
                installed.append(name)
        variables = {
            name: value
            for name, value in os.environ.items()
            if self.before.get(name) != value and name not in WITHOUT_CUDA and tree.root not in value
        }
        threads = threading.active_count() - RUNNING
        return {"installed": installed, "theirs": theirs, "variables": variables, "threads": threads}


def _draw_anew(more: Sequence[Any]) -> None:
    """Seed by chance, as a new process does; each fork would draw the same. Python's own module sees to it itself."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    generator = getattr(sys.modules.get("torch"), "default_generator", None)
    for one in [*more, *([generator] if generator is not None else [])]:
        with contextlib.suppress(Exception):
            if hasattr(one, "bit_generator"):
                one.bit_generator.state = type(one.bit_generator)().state
            else:
                one.seed()


def _tops(folder: str) -> List[str]:
    """Name what can be imported from a folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    inner = [n for n in names if os.path.isfile(os.path.join(folder, n, "__init__.py"))]
    return inner + [n[:-3] for n in names if n.endswith(".py")]


def _is_installed(name: str, module: ModuleType, file: str) -> bool:
    """Tell a module that was imported by its own name, from where packages are installed."""
    spec = getattr(module, "__spec__", None)
    return getattr(spec, "name", "") == name and file.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep))


def _imported(name: str) -> bool:
    """Import a module; of one that fails leave nothing behind, but what it imported of others."""
    before, top = set(sys.modules), name.partition(".")[0]
    with contextlib.suppress(BaseException):
        importlib.import_module(name)
        return True
    for one in [one for one in sys.modules if one not in before and one.partition(".")[0] == top]:
        del sys.modules[one]
    return False
