"""From which folder and under which name a file of upstream's trees is imported."""

import posixpath
from collections import Counter

from assay.upstream.index import File, Index


def imported_as(index: Index, file: File) -> "tuple[str, str]":
    """Give the folder to import from, and the dotted module name; as the tree's own files do, where they do."""
    stem = file.inner.removesuffix(".py").removesuffix("/__init__")
    votes: Counter[str] = Counter()
    last = stem.rpartition("/")[2]
    for other in index.files.values():
        if last not in other.text or other.name != file.name:
            continue
        votes.update(_names(index, other, file, stem))
    if votes:
        module = max(sorted(votes), key=lambda m: votes[m])
        folder = stem[: len(stem) - len(module)].rstrip("/")
    else:
        folder, module = _by_packages(index, file, stem)
    return f"{file.name}/{folder}".rstrip("/"), module.replace("/", ".")


def _names(index: Index, other: File, file: File, stem: str) -> "list[str]":
    """List the names, with slashes, under which one file imports another; by dots, as seen from its own packages."""
    found = []
    module = index.modules.get(other.path)
    for one in module.imports if module else ():
        package = one.module if one.module.endswith(".") else f"{one.module}."
        for dotted in (one.module, *(f"{package}{name}" for name in one.names)):
            if dotted.startswith("."):
                if last_of(dotted) == last_of(stem) and index.module(other, dotted) is file:
                    found += _from_inside(index, other, stem)
                continue
            path = dotted.replace(".", "/")
            fits = not dotted.startswith(".") and (stem == path or stem.endswith("/" + path))
            if fits and index.module(other, dotted) is file:
                found.append(path)
    return found


def _from_inside(index: Index, other: File, stem: str) -> "list[str]":
    """Name a file as the packages of one that imports it by dots do."""
    folder, _ = _by_packages(index, other, other.inner.removesuffix(".py").removesuffix("/__init__"))
    return [stem[len(folder) :].strip("/")] if stem.startswith(folder) else []


def last_of(name: str) -> str:
    """Give the last part of a dotted name or path."""
    return name.replace("/", ".").rpartition(".")[2]


def _by_packages(index: Index, file: File, stem: str) -> "tuple[str, str]":
    tree = index.finding.trees[file.name]
    folder = posixpath.dirname(file.inner) if not file.inner.endswith("/__init__.py") else posixpath.dirname(stem)
    while folder and f"{folder}/__init__.py" in tree.files:
        folder = posixpath.dirname(folder)
    dots = max((len(b.module) - len(b.module.lstrip(".")) for b in file.imports.values()), default=0)
    inside = stem[len(folder) :].strip("/").count("/")
    while folder and inside < dots:  # what imports by dots is part of a package, marked or not
        folder, inside = posixpath.dirname(folder), inside + 1
    return folder, stem[len(folder) :].strip("/")
