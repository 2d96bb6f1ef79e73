"""File digests, each taken once a run and remembered by the file's stat key."""

import json
import os
import threading
import time
from pathlib import Path

from assay import files
from assay.files import RACY_NS, StatKey, stat_key

BIG = 1 << 20  # from here on a digest is worth sharing between experiments
KEEP = 2000  # lines of the shared memory before it is dropped and begun again


class Digests:
    """The memory of one run, fed from what earlier runs remembered."""

    def __init__(self, shared: Path | None = None, *, reads_only: bool = False) -> None:
        self._known: dict[str, tuple[StatKey, str]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.reads_only = reads_only
        self._shared = None if reads_only else shared
        self.hashed_bytes = 0
        if shared:
            self._known.update(_read_shared(shared))

    def remember(self, rows: "dict[str, tuple[StatKey, str]]") -> None:
        """Take over what an earlier run knew."""
        self._known.update(rows)

    def forget(self, folder: str) -> None:
        """Let go of what is known of the files of a folder."""
        inside = folder.rstrip("/") + "/"
        for path in [p for p in self._known if p.startswith(inside)]:
            del self._known[path]
            self._locks.pop(path, None)

    def known(self, path: str) -> tuple[StatKey, str] | None:
        """Give the remembered state of a path, unchecked."""
        return self._known.get(path)

    def current(self, path: str) -> bool:
        """Tell whether a file's digest is known without reading it."""
        known = self._known.get(path)
        return known is not None and known[0] == stat_key(path)

    def of(self, path: str, looking: "files.Looking | None" = None) -> str | None:
        """Digest a file; None when it is not there. When it has to be read, `looking` sees its bytes go by."""
        key = stat_key(path)
        if key is None:
            return None
        known = self._known.get(path)
        if known and known[0] == key:
            return known[1]
        with self._lock_of(path):
            known = self._known.get(path)
            if known and known[0] == key:
                return known[1]
            return self._hash(path, looking)

    def _lock_of(self, path: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(path, threading.Lock())

    def _hash(self, path: str, looking: "files.Looking | None") -> str | None:
        started = time.time_ns()
        before = stat_key(path)
        try:
            digest = files.sha256(path, looking)
        except FileNotFoundError:
            return None
        key = stat_key(path)
        if key is None or key != before:
            return digest  # it changed under our hands: good for nothing but this comparison
        self.hashed_bytes += key[0]
        if started - max(key[1], key[2]) > RACY_NS:
            self._known[path] = (key, digest)
            self._share(path, key, digest)
        return digest

    def _share(self, path: str, key: StatKey, digest: str) -> None:
        if self._shared is None or key[0] < BIG:
            return
        line = json.dumps([path, *key, digest]) + "\n"
        try:
            self._shared.parent.mkdir(parents=True, exist_ok=True)
            if self._shared.exists() and self._shared.stat().st_size > KEEP * 400:
                self._shared.unlink(missing_ok=True)
            handle = os.open(self._shared, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            os.write(handle, line.encode("utf-8", "surrogateescape"))
            os.close(handle)
        except OSError:
            return  # a cache that cannot be written costs time, never truth


def _read_shared(path: Path) -> dict[str, tuple[StatKey, str]]:
    known: dict[str, tuple[StatKey, str]] = {}
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return known
    for line in lines[-KEEP:]:
        try:
            name, size, mtime, ctime, inode, digest = json.loads(line)
            if isinstance(digest, str):
                known[name] = ((size, mtime, ctime, inode), digest)
        except (ValueError, TypeError, RecursionError):
            continue
    return known
