"""Upstream's classes and factories, imported by the names that its own files use."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from assay_worker import match_meta, match_pages, match_standin
from assay_worker.faults import Places

NO_NAME = re.compile(r"cannot import name '([^']+)' from '([^']+)'")
STANDINS = 12  # retries of one import
SECONDS = 30.0


class Lacking(Exception):
    """A package is missing that the model is made with."""

    def __init__(self, package: str) -> None:
        super().__init__(f"needs {package}")
        self.package = package


class Unimportable(Exception):
    """Upstream's file cannot be imported, and no missing package is to blame."""


class Place(NamedTuple):
    """One way to import a file: what stands first in sys.path, and its name then."""

    paths: Tuple[str, ...]
    name: str


class Importer:
    """Imports candidates, one way of naming upstream's modules at a time."""

    def __init__(self, root: str, places: Places) -> None:
        self.refs, self.places = os.path.join(root, "refs"), places
        self.base = list(sys.path)
        self.finder = match_standin.Finder(self.refs + os.sep)
        self.used: Place = Place((), "")
        self.failed: Dict[str, Exception] = {}
        self.pages = match_pages.Finder(self.refs + os.sep)
        sys.meta_path.insert(0, self.pages)
        sys.meta_path.append(self.finder)  # type: ignore[arg-type]

    def find(self, candidate: Dict[str, Any]) -> Tuple[Callable[..., Any], Place]:
        """Import a candidate's module and look its name up."""
        full = os.path.join(self.refs, candidate["path"])
        if full in self.failed:
            raise self.failed[full]
        try:
            module, place = self._whole_or_not(candidate, full)
        except (Lacking, Unimportable) as error:
            self.failed[full] = error
            raise
        found = module
        for part in candidate["qualname"].split("."):
            found = getattr(found, part, None)
        if not callable(found):
            raise Unimportable(f"{candidate['qualname']} is not there once it is imported")
        return found, place

    def _whole_or_not(self, candidate: Dict[str, Any], full: str) -> Tuple[Any, Place]:
        """Import a file; one that fails at what it does besides is imported for what it defines."""
        try:
            return self._module(candidate, full)
        except (Lacking, Unimportable) as error:
            self.pages.told.add(os.path.realpath(full))
            self._again()
            try:
                return self._module(candidate, full)
            except (Lacking, Unimportable):
                self.pages.told.discard(os.path.realpath(full))
                raise error from None

    def _module(self, candidate: Dict[str, Any], full: str) -> Tuple[Any, Place]:
        first: BaseException = Unimportable("no such file")
        if not os.path.isfile(full):
            raise first
        for place in places_of(self.refs, candidate):
            try:
                return self._imported(place, full), place
            except Lacking:
                raise
            except (Exception, SystemExit, match_meta.TooLong) as error:
                if isinstance(error, ModuleNotFoundError) and not self._local(str(error.name)):
                    raise Lacking(str(error.name)) from error
                if not isinstance(error, ModuleNotFoundError) or isinstance(first, Unimportable):
                    first = error
        traceback.print_exception(type(first), first, first.__traceback__)
        what = f"{type(first).__name__}: {first}"
        raise Unimportable(" ".join(self.places.scrub(what).split())[:300]) from first

    def enter(self, place: Place) -> None:
        """Name upstream's modules in this way from now on; its working directory is its tree."""
        if place.paths != self.used.paths:
            forget(self.refs)
        self.used = place
        sys.path[:] = [*place.paths, *self.base]
        os.chdir(_tree(self.refs, place.paths[0]))
        importlib.invalidate_caches()

    def _imported(self, place: Place, full: str) -> Any:
        self.enter(place)
        top = place.name.partition(".")[0]
        for name in [n for n in sys.modules if n == top or n.startswith(top + ".")]:
            if not _file(sys.modules[name]).startswith(self.refs + os.sep):
                del sys.modules[name]  # another's, by the same name
        for _ in range(STANDINS):
            before = len(match_standin.touched)
            try:
                with match_meta.guarded(SECONDS, 2 * SECONDS):
                    module = importlib.import_module(place.name)
                if os.path.realpath(_file(module)) != os.path.realpath(full):
                    raise Unimportable(f"{place.name} is another module")
                return module
            except ImportError as error:
                if len(match_standin.touched) > before or not self._stood_in(error):
                    raise self._lacking(before) or error from error
                self._again()
            except Exception as error:
                if len(match_standin.touched) > before or not _stepped(error, full):
                    raise self._lacking(before) or error from error
                self._again()
        raise Unimportable("too many packages are missing")

    def _lacking(self, before: int) -> Any:
        used = match_standin.touched[before:]
        return Lacking(used[0].partition(".")[0]) if used else None

    def _stood_in(self, error: ImportError) -> bool:
        """Allow a stand-in for what upstream's own file asks for and is not here; False when that is no help."""
        if not self._theirs(error):
            return False
        name = str(error.name)
        if isinstance(error, ModuleNotFoundError):
            if name in self.finder.allowed or ("." not in name and self._local(name)):
                return False
            self.finder.allowed.add(name)
            return True
        found = NO_NAME.search(str(error))
        module = sys.modules.get(found[2]) if found else None
        if not found or module is None or _file(module).startswith(self.refs + os.sep):
            return False
        setattr(module, found[1], match_standin.thing(f"{found[2]}.{found[1]}"))
        return True

    def _theirs(self, error: BaseException) -> bool:
        frames = [f.filename for f in traceback.extract_tb(error.__traceback__)]
        asking = [f for f in frames if "importlib" not in f]
        return bool(asking) and asking[-1].startswith(self.refs + os.sep)

    def _local(self, name: str) -> bool:
        """Tell whether a module's first name is one of upstream's own files or folders."""
        return name.partition(".")[0] in self._tops()

    def _tops(self) -> List[str]:
        tops = [n for path in self.used.paths if os.path.isdir(path) for n in os.listdir(path)]
        return [n[:-3] if n.endswith(".py") else n for n in tops]

    def _again(self) -> None:
        """Drop what was half imported."""
        forget(self.refs)
        importlib.invalidate_caches()


def _stepped(error: Exception, full: str) -> bool:
    """Go where the file lies that a module opens when it is imported, beside the module or above; False if nowhere."""
    name = getattr(error, "filename", None)
    if not isinstance(error, FileNotFoundError) or not isinstance(name, str) or os.path.isabs(name):
        return False
    folder = os.path.dirname(full)
    while os.path.basename(folder) != "refs" and folder != os.path.dirname(folder):
        if os.path.isfile(os.path.join(folder, name)) and os.getcwd() != folder:
            os.chdir(folder)
            return True
        folder = os.path.dirname(folder)
    return False


def places_of(refs: str, candidate: Dict[str, Any]) -> List[Place]:
    """List the ways to import a candidate's file, the one that its record names first."""
    full = os.path.join(refs, candidate["path"])
    root, folder = os.path.join(refs, candidate["root"]), os.path.dirname(full)
    tree = _tree(refs, full)

    def named(base: str) -> str:
        inner = os.path.relpath(full, base)[: -len(".py")].replace(os.sep, ".")
        return inner[: -len(".__init__")] if inner.endswith(".__init__") else inner

    found = [
        Place((root,), candidate["module"]),
        Place((root, folder), candidate["module"]),
        Place((tree,), named(tree)),
        Place((tree, folder), named(tree)),
        Place((folder, root), named(folder)),
        Place((os.path.dirname(folder), root), named(os.path.dirname(folder))),
    ]
    inside = os.path.realpath(os.path.dirname(folder)).startswith(os.path.realpath(tree))
    return [p for i, p in enumerate(found) if p not in found[:i] and (inside or i < 5)] + [Place((refs,), named(refs))]


def _tree(refs: str, path: str) -> str:
    inner = os.path.relpath(path, refs)
    return refs if inner == "." else os.path.join(refs, inner.split(os.sep)[0])


def _file(module: Any) -> str:
    file = getattr(module, "__file__", None)
    if file:
        return str(file)
    try:
        paths = list(getattr(module, "__path__", None) or [])
    except (KeyError, TypeError):
        return ""
    return str(paths[0]) + os.sep if paths else ""


def forget(refs: str) -> None:
    """Drop upstream's own modules, so that the next file finds its own by the same names."""
    theirs = [n for n, m in list(sys.modules.items()) if _file(m).startswith(refs + os.sep) or match_standin.is_one(m)]
    for name in theirs:  # only now: the path of a folder without __init__ is looked up through its parent
        del sys.modules[name]
