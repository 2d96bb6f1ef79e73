"""Which files of the workspace a run read: seen by an audit hook, completed by what we pass to C libraries."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any


class Trace:
    """The files under one root that were opened for reading or imported."""

    def __init__(self, root: str, ignore: list[str]) -> None:
        self.root = root + os.sep
        self.ignore = tuple(p + os.sep for p in ignore)
        self.seen: dict[str, None] = {}
        self.written: dict[str, None] = {}

    def start(self) -> None:
        """Begin to listen; an audit hook cannot be taken back, so this is done once."""
        sys.addaudithook(self._hear)

    def note(self, path: str) -> None:
        """Say that a file is read by code that Python does not see."""
        self.seen[os.path.abspath(path)] = None

    def read(self) -> list[str]:
        """List what was read, relative to the root, in order of name."""
        kept = [p for p in self._kept() if p.startswith(self.root)]
        return sorted(os.path.relpath(p, self.root).replace(os.sep, "/") for p in kept)

    def outside(self) -> list[str]:
        """List what was read elsewhere, by full path, save what belongs to the interpreter."""
        installed = tuple({p + os.sep for p in (sys.prefix, sys.base_prefix)})
        return sorted(p for p in self._kept() if not p.startswith((self.root, *installed)))

    def _kept(self) -> list[str]:
        files = {_source(p) for p in self.seen if p not in self.written}
        return [p for p in files if not (p + os.sep).startswith(self.ignore) and os.path.isfile(p)]

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args[0], args[1], args[2]
        elif event == "import" and args[1]:
            path, mode, flags = args[1], "r", 0
        else:
            return
        if not isinstance(path, (str, bytes)) or not path:
            return
        try:
            full = os.path.abspath(os.fsdecode(path))
        except (OSError, ValueError):
            return  # no working directory, or no such name
        flagged = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        writes = flagged or (mode or "")[:1] in ("w", "a", "x")
        (self.written if writes and full not in self.seen else self.seen)[full] = None


def _source(path: str) -> str:
    """Map a bytecode file to the source it was made from."""
    if not path.endswith(".pyc"):
        return path
    try:
        return importlib.util.source_from_cache(path)
    except (ValueError, NotImplementedError):
        return path
