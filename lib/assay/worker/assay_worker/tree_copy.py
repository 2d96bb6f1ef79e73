"""A scratch copy of upstream's tree to run in, and the names by which a trace speaks of its files."""

from __future__ import annotations

import os
import shutil
from typing import Iterable, List, Optional, Set

COPIED = 1 << 20  # bytes; what is larger is linked to
LEFT_OUT = (".git", ".hg", ".svn", "__pycache__", ".github", "node_modules")
MOST_FILES = 50_000


class Tree:
    """One run's copy of a tree, beside what else the run was given."""

    def __init__(self, refs: str, scratch: str, given: str, checkpoint: str, bound: Iterable[str] = ()) -> None:
        self.refs, self.name = os.path.abspath(refs), os.path.basename(os.path.abspath(refs))
        self.root = os.path.join(os.path.realpath(scratch), self.name)
        self.out = os.path.join(os.path.realpath(scratch), "out")
        self.folder = os.path.join(os.path.realpath(scratch), "inputs")
        self.given, self.checkpoint = given, checkpoint
        self.duplicates = tuple(bound)
        self.aliases: Set[str] = set()  # what upstream's code wrote that is the input

    def make(self) -> None:
        """Copy the tree, make the empty folder for outputs and the folder that holds the input alone."""
        for made in (self.root, self.out, self.folder):
            os.makedirs(made, exist_ok=True)
        _copy(self.refs, self.root, set(self.duplicates))
        if self.given:
            os.symlink(self.given, os.path.join(self.folder, os.path.basename(self.given)))

    # ------------------------------------------------------------ names
    def where(self, file: str, line: int) -> str:
        """Say where a line is, as "tree/path:line"; "" for a file that is not of the tree."""
        inner = self.inner(file)
        return f"{self.name}/{inner}:{line}" if inner else ""

    def inner(self, file: str) -> str:
        """Give the path within the tree; "" for anything else."""
        if file.startswith(self.root + os.sep):
            return file[len(self.root) + 1 :].replace(os.sep, "/")
        return ""

    def named(self, path: str) -> str:
        """Name a full path as the trace does; "" when it is none of ours."""
        if path and (path in (self.given, self.checkpoint) or path in self.aliases):
            return "@checkpoint" if path == self.checkpoint else "@input"
        for folder, word in ((self.root, "@tree"), (self.out, "@out"), (self.folder, "@inputdir")):
            if path == folder:
                return word
            if path.startswith(folder + os.sep):
                return "@input" if word == "@inputdir" else _joined(word, path[len(folder) :])
        if self.checkpoint and path.startswith(self.checkpoint + os.sep):
            return _joined("@checkpoint", path[len(self.checkpoint) :])
        return ""

    def scrub(self, text: str) -> Optional[str]:
        """Put our names in the place of full paths within a text; None when there are none."""
        long = {self.root: "@tree", self.out: "@out", self.folder: "@inputdir", self.given: "@input"}
        found = text
        for path, name in {**long, self.checkpoint: "@checkpoint"}.items():
            found = found.replace(path, name) if path else found
        return found if found != text else None

    def original(self, path: str) -> str:
        """Give the file in refs that one in the copy stands for; the path itself for anything else."""
        inner = self.inner(path)
        return os.path.join(self.refs, inner) if inner else path


def _joined(word: str, rest: str) -> str:
    return word + rest.replace(os.sep, "/")


def full(path: object) -> Optional[str]:
    """Give the full path that a value names in the current folder; None when it names none."""
    try:
        return os.path.abspath(os.fsdecode(os.fspath(path)))  # type: ignore[call-overload]
    except (TypeError, ValueError, OSError):
        return None


def duplicates(refs: str, checkpoint: str) -> List[str]:
    """List the files of a tree that are the checkpoint: its size, and then its bytes."""
    if not os.path.isfile(checkpoint):
        return []
    size = os.stat(checkpoint).st_size
    found = [path for path in _files(refs) if _size(path) == size]
    return [path for path in found if same(path, checkpoint)]


def _files(folder: str) -> Iterable[str]:
    seen = 0
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            seen += 1
            if seen > MOST_FILES:
                return
            yield os.path.join(base, name)


def _copy(source: str, target: str, bound: Set[str]) -> None:
    for path in _files(source):
        to = os.path.join(target, os.path.relpath(path, source))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        if os.path.islink(path) and _inside(path, source):
            os.symlink(os.readlink(path), to)
        elif path in bound or _size(path) > COPIED:
            os.symlink(path, to)
        elif os.path.isfile(path):
            shutil.copyfile(path, to)


def _inside(link: str, folder: str) -> bool:
    """Tell a relative link that stays within the tree."""
    if os.path.isabs(os.readlink(link)):
        return False
    return os.path.realpath(link).startswith(os.path.realpath(folder) + os.sep)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def same(one: str, other: str) -> bool:
    """Tell whether two files hold the same bytes."""
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            left, right = a.read(1 << 20), b.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True
