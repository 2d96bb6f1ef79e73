"""Which installed distribution holds which module or file: read from metadata folders, nothing is imported."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import re
import sys
from typing import Dict, Iterable, Iterator, List, Optional, Set, Tuple

SUFFIXES = tuple(importlib.machinery.all_suffixes())
KINDS = (".dist-info", ".egg-info")
NO_MODULES = ("__pycache__", "..", "")


class Distribution:
    """One metadata folder, read as far as it is asked."""

    def __init__(self, site: str, entry: str) -> None:
        self.site, self.folder = site, os.path.join(site, entry)
        self.stem = entry.rpartition(".")[0].partition("-")[0]
        self.project = re.sub(r"[-_.]+", "-", self.stem).lower()

    @property
    def name(self) -> str:
        """Its name as its author writes it."""
        return self._facts.get("name") or self.stem

    @property
    def version(self) -> str:
        """Its version, "" when it says none."""
        return self._facts.get("version", "")

    @functools.cached_property
    def _facts(self) -> Dict[str, str]:
        inner = os.path.isdir(self.folder)
        text = _text(self.folder, "METADATA") or _text(self.folder, "PKG-INFO") if inner else _text(self.folder)
        head = (text or "").partition("\n\n")[0].splitlines()
        return {
            key.strip().lower(): value.strip() for key, _, value in reversed([line.partition(":") for line in head])
        }

    @functools.cached_property
    def record(self) -> str:
        """Its list of files, each line behind a newline; "" when there is none."""
        text = _text(self.folder, "RECORD")
        return "\n" + text.replace('"', "").replace("\r", "") if text else ""

    @functools.cached_property
    def tops(self) -> Set[str]:
        """Names that can be imported from it: as it says, else as its list of files shows, else its own."""
        said = set((_text(self.folder, "top_level.txt") or "").split())
        if said or self.record:
            return said or {top for top in map(_top, self.record.splitlines()) if top}
        return {self.stem.lower().replace("-", "_")}

    def holds(self, module: str) -> bool:
        """Tell whether a module, by its dotted name, is of this distribution."""
        if module.partition(".")[0] not in self.tops:
            return False
        place = "\n" + module.replace(".", "/")
        if "." not in module or not self.record or place + "/" in self.record:
            return True
        return any(place + suffix + "," in self.record for suffix in SUFFIXES)


def _text(*parts: str) -> Optional[str]:
    try:
        with open(os.path.join(*parts), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _top(line: str) -> str:
    """Name what one line of a list of files lets be imported, "" for nothing."""
    first, inner, _ = line.partition(",")[0].partition("/")
    if not inner:
        suffix = next((s for s in SUFFIXES if first.endswith(s)), "")
        first = first[: -len(suffix)] if suffix else ""
    return "" if first in NO_MODULES or "." in first else first


@functools.lru_cache(maxsize=None)
def at(site: str) -> Tuple[Distribution, ...]:
    """List the distributions of one folder of sys.path."""
    try:
        return tuple(Distribution(site, name) for name in sorted(os.listdir(site)) if name.endswith(KINDS))
    except OSError:
        return ()


def installed() -> Iterator[Distribution]:
    """List every distribution; of two by one name only the one that is found first."""
    seen: Set[str] = set()
    for site in sys.path:
        for one in at(site):
            if one.project not in seen:
                seen.add(one.project)
                yield one


# ---------------------------------------------------------------- by module
def holding(modules: Iterable[str]) -> Dict[str, List[str]]:
    """Name the distributions that list each module."""
    found: Dict[str, List[str]] = {module: [] for module in modules}
    for one in installed():
        for module, names in found.items():
            if one.holds(module):
                names.append(one.name)
    return found


def holder(module: str) -> str:
    """Name a distribution that holds a module, or the package it would be in; "" when there is none."""
    top = module.partition(".")[0]
    found = holding([module, top])
    return next(iter(found[module] or found[top]), "")


def findable(module: str) -> bool:
    """Tell whether a finder sees a module that can be loaded; a folder left behind without one does not count."""
    if module in sys.builtin_module_names:
        return True
    spec, path = None, None
    for depth, part in enumerate(module.split(".")):
        if depth and path is None:
            return False
        spec = _spec(part, path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return spec is not None and spec.loader is not None and spec.origin is not None


def _spec(part: str, path: Optional[Iterable[str]]) -> Optional[importlib.machinery.ModuleSpec]:
    """Find one part of a name; without the parts before it, so that nothing asks for them in sys.modules."""
    editable = [f for f in sys.meta_path if getattr(f, "__module__", "").startswith("__editable__")]
    for finder in [importlib.machinery.PathFinder, *(editable if path is None else [])]:
        try:
            spec = finder.find_spec(part, None if path is None else list(path))
        except (ImportError, ValueError, AttributeError, TypeError):
            continue
        if spec is not None:
            return spec
    return None


# ---------------------------------------------------------------- by file
def owner(path: str) -> Optional[Distribution]:
    """Find the distribution that a file was installed by."""
    full = os.path.abspath(path)
    sites = [site for site in sys.path if site and full.startswith(os.path.abspath(site) + os.sep)]
    if not sites:
        return None
    site = max(sites, key=len)
    return _owner(site, os.path.relpath(full, site).replace(os.sep, "/"))


def _owner(site: str, inner: str) -> Optional[Distribution]:
    top = _top(inner + ",")
    found = [one for one in at(site) if top in one.tops]
    exact = [one for one in found if f"\n{inner}," in one.record] if len(found) > 1 else []
    return next(iter(exact or found), None)


def imported(before: Iterable[str] = ()) -> Dict[str, str]:
    """Name the version of each distribution of which something was imported that was not there before."""
    modules = [sys.modules.get(name) for name in set(sys.modules).difference(before)]
    files = {str(getattr(module, "__file__", None) or "") for module in modules}
    found = {one.name: one.version for one in map(owner, sorted(files - {""})) if one}
    return dict(sorted(found.items()))
