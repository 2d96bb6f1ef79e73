"""Where in an upstream tree a module lies: what Python's path finder would find, without a file system."""

import posixpath
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assay.envs.names import PROJECTS
from assay.records import Module


class Local(NamedTuple):
    """The files of a tree that an import runs, outermost package first."""

    files: list[str]
    missing: str = ""  # what of the name is not there


class _Hit(NamedTuple):
    """How far a dotted name leads from a folder."""

    files: list[str]
    folder: "str | None"  # of the package that it ends at; None of a plain module
    missing: str  # the part that is not there, dotted from the start


class Tree:
    """One tree of upstream, as a script in it would see it."""

    def __init__(self, name: str, files: Mapping[str, Module], root: str = "") -> None:
        self.name, self.files, self.root = name, files, root
        self._folders = {folder for path in files for folder in _parents(path)}
        own = [posixpath.dirname(self.run()[0])] if root and not self._is_package(root) else []
        own += [posixpath.dirname(self._top(root))] if root and self._is_package(root) else []
        self._path = list(dict.fromkeys([*own, "", "src"]))
        self._further = self._undeclared()

    def run(self) -> "list[str]":
        """Name the files that run when the root does: a script alone, a package's module with its packages."""
        return self._chain(self.root) if self._is_package(self.root) else [self.root]

    def find(self, module: str, names: Sequence[str], importer: str, *, standard: bool) -> "Local | None":
        """Find an import in the tree; None when it is not from here."""
        if module.startswith("."):
            return self._relative(module, names, importer)
        top = module.partition(".")[0]
        if top in sys.builtin_module_names:
            return None
        hit = self._regular(self._path, module) or (None if standard else self._elsewhere(module, importer))
        hit = hit or self._namespace(module, names, standard=standard)
        return self._with_names(hit, module, names) if hit else None

    def expanded(self, prefix: str, importer: str) -> "Local | None":
        """List the modules in a local package that a computed name may mean; None when its package is not from here."""
        package, _, stem = prefix.rpartition(".")
        if prefix.startswith("."):
            folder = self._above(importer, len(prefix) - len(prefix.lstrip(".")))
            inner = package.lstrip(".")
            here = _Hit([], folder, "") if folder is not None else None
            hit = self._walk(folder, inner) if folder is not None and inner else here
        elif package:
            hit = self._regular(self._path, package) or self._namespace(package, [], standard=False, bare=True)
        else:
            return None
        if hit is None or hit.folder is None or hit.missing:
            return None
        inside = self._inside(hit.folder, stem)
        return Local([*hit.files, *inside], "" if inside else f"{prefix}*")

    def _relative(self, module: str, names: Sequence[str], importer: str) -> Local:
        rest = module.lstrip(".")
        folder = self._above(importer, len(module) - len(rest))
        if folder is None:
            return Local([], module)
        around = self._chain(posixpath.join(folder, "__init__.py"))
        hit = self._walk(folder, rest) if rest else _Hit([], folder, "")
        if hit is None:
            return Local(around, module)
        found = self._with_names(hit, module, names)
        if names and not (rest or found.files or posixpath.join(folder, "__init__.py") in self.files):
            return Local(around, f"{module}{names[0]}")  # a plain folder has no names but its modules
        return Local([*around, *found.files], found.missing)

    def _above(self, importer: str, dots: int) -> "str | None":
        folder = posixpath.dirname(importer)
        for _ in range(dots - 1):
            if not folder:
                return None
            folder = posixpath.dirname(folder)
        return folder

    def _regular(self, places: Sequence[str], module: str) -> "_Hit | None":
        """Find a module or a package with __init__.py, as Python does before it looks at plain folders."""
        top = module.partition(".")[0]
        for place in places:
            base = posixpath.join(place, top)
            if f"{base}/__init__.py" in self.files or f"{base}.py" in self.files:
                return self._walk(place, module)
        return None

    def _elsewhere(self, module: str, importer: str) -> "_Hit | None":
        """Look beside the importer and in odd places, which scripts put on their path; not for what is well known."""
        top = module.partition(".")[0]
        if top in PROJECTS:
            return None
        beside = posixpath.dirname(importer)
        if posixpath.join(beside, f"{top}.py") == importer:
            return None
        return self._regular([beside, *self._further], module)

    def _namespace(self, module: str, names: Sequence[str], *, standard: bool, bare: bool = False) -> "_Hit | None":
        """Find a folder without __init__.py; one that leads to no file gives way to what is installed."""
        top, second = module.partition(".")[0], None
        for place in self._path:
            hit = self._walk(place, module) if posixpath.join(place, top) in self._folders else None
            if hit and not hit.missing and (bare or self._with_names(hit, module, names).files):
                return hit
            second = second or hit
        return None if standard or top in PROJECTS else second

    def _walk(self, place: str, module: str) -> "_Hit | None":
        """Go down a dotted name; None when not even its first part is there."""
        files: list[str] = []
        folder, parts = place, module.split(".")
        for depth, part in enumerate(parts):
            base = posixpath.join(folder, part)
            if f"{base}/__init__.py" in self.files:
                files.append(f"{base}/__init__.py")
            elif f"{base}.py" in self.files:
                rest = parts[depth + 1 :]
                return _Hit([*files, f"{base}.py"], None, module if rest else "")
            elif base not in self._folders:
                return _Hit(files, folder, ".".join(parts[: depth + 1])) if depth else None
            folder = base
        return _Hit(files, folder, "")

    def _with_names(self, hit: _Hit, module: str, names: Sequence[str]) -> Local:
        """Add the submodules among the imported names."""
        files = list(hit.files)
        if hit.folder is not None and not hit.missing:
            for name in names:
                inner = self._walk(hit.folder, name) if name != "*" else None
                files += inner.files if inner else []
        return Local(files, hit.missing)

    def _inside(self, folder: str, stem: str) -> "list[str]":
        start = posixpath.join(folder, stem)  # of an empty stem: folder and slash
        depth = folder.count("/") + 1 if folder else 0
        found = [path for path in self.files if path.startswith(start)]
        return sorted(p for p in found if p.count("/") == depth + p.endswith("/__init__.py"))

    def _is_package(self, path: str) -> bool:
        """Tell a package's module from a script: it is an __init__.py, or imports by dots from a package."""
        if path.endswith("__init__.py"):
            return True
        beside = posixpath.join(posixpath.dirname(path), "__init__.py")
        module = self.files.get(path)
        return beside in self.files and module is not None and any(i.module[:1] == "." for i in module.imports)

    def _top(self, path: str) -> str:
        """Give the folder of the outermost package around a file."""
        folder = posixpath.dirname(path)
        while posixpath.dirname(folder) and f"{posixpath.dirname(folder)}/__init__.py" in self.files:
            folder = posixpath.dirname(folder)
        return folder

    def _chain(self, path: str) -> "list[str]":
        """List the packages around a file, from the outermost, and the file."""
        outer = posixpath.dirname(self._top(path))
        around = [f"{folder}/__init__.py" for folder in sorted(_parents(path), key=len) if len(folder) > len(outer)]
        return list(dict.fromkeys(p for p in [*around, path] if p in self.files))

    def _undeclared(self) -> "list[str]":
        """List the folders, themselves no packages, that hold packages."""
        packages = {posixpath.dirname(p) for p in self.files if p.endswith("/__init__.py")}
        holders = {posixpath.dirname(folder) for folder in packages} - packages
        return sorted(holders - set(self._path), key=lambda folder: (folder.count("/"), folder))


def _parents(path: str) -> "list[str]":
    found = []
    while path := posixpath.dirname(path):
        found.append(path)
    return found
