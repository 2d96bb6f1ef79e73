"""Lay a commit's files into a folder from git's object store: no checkout, so no filter, link or hook."""

import posixpath
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from assay.errors import StageFailed

FILE_LIMIT, TREE_LIMIT = 50 << 20, 500 << 20
MOST_FILES = 50_000
SECONDS = 600
LINK, SUBMODULE = "120000", "160000"
LFS = b"version https://git-lfs.github.com/spec/"


class Entry(NamedTuple):
    """One entry of a commit's tree."""

    mode: str
    object: str
    bytes: int
    path: str


def export(
    git: "list[str]", env: "dict[str, str]", store: Path, commit: str, into: Path
) -> "tuple[list[str], list[str]]":
    """Write the files of a commit; give their names, and what was left out and why."""
    entries, left_out = _entries(git, env, store, commit)
    by_path = {entry.path: entry for entry in entries}
    files: list[str] = []
    room = TREE_LIMIT
    into.mkdir(parents=True, exist_ok=True)
    with _objects(git, env, store) as objects:
        for entry in entries:
            reason, wanted = "", entry
            if entry.mode == LINK:
                wanted, reason = _linked(objects, entry, by_path)
            reason = reason or too_big(wanted.bytes, room) or _unusable(entry.path)
            if not reason:
                data = objects.read(wanted.object)
                reason = write(into / entry.path, data, wanted.mode == "100755")
            if reason:
                left_out.append(f"{entry.path} ({reason})")
                continue
            room -= wanted.bytes
            files.append(entry.path)
            if data.startswith(LFS):
                left_out.append(f"{entry.path} (only its Git LFS pointer is there)")
    return files, sorted(left_out)


def too_big(size: int, room: int) -> str:
    """Say why a file of this size is left out, if it is."""
    if size > FILE_LIMIT:
        return f"{size >> 20} MiB: more than {FILE_LIMIT >> 20} MiB"
    return f"the tree is larger than {TREE_LIMIT >> 20} MiB" if size > room else ""


def write(path: Path, data: bytes, executable: bool) -> str:
    """Write one file; give the reason when its name cannot be used here."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
        path.chmod(0o755 if executable else 0o644)
    except (FileExistsError, NotADirectoryError):
        return "its name collides with another file's here"
    except OSError as error:
        if error.errno in (28, 122):
            raise StageFailed("the disk is full", mend="free some space and run again") from None
        return (error.strerror or "cannot be written").lower()
    return ""


def _unusable(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(part.lower() == ".git" for part in parts):
        return "its name leads out of the tree"
    return ""


def _linked(objects: "Objects", entry: Entry, by_path: "dict[str, Entry]") -> "tuple[Entry, str]":
    """Follow a link to a file of the same tree; anything else is left out."""
    target = objects.read(entry.object).decode("utf-8", "replace") if entry.bytes < 4096 else ""
    found = by_path.get(posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target)))
    if found is None or found.mode == LINK:
        return entry, f"a link to {target[:120]!r}, which is no file of the tree"
    return found, ""


def _entries(git: "list[str]", env: "dict[str, str]", store: Path, commit: str) -> "tuple[list[Entry], list[str]]":
    words = [*git, "ls-tree", "-r", "-z", "-l", "--full-tree", commit]
    try:
        answer = subprocess.run(
            words, cwd=store, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise StageFailed(f"git had no answer after {SECONDS} s", where="source.repo", mend="try again later") from None
    if answer.returncode:
        raise StageFailed("git cannot list the commit's files", where="source.repo", mend="fetch it again")
    entries: list[Entry] = []
    left_out: list[str] = []
    for line in filter(None, answer.stdout.split(b"\0")):
        about, _, name = line.partition(b"\t")
        mode, _, identity, size = about.decode().split()
        try:
            path = name.decode()
        except UnicodeDecodeError:
            left_out.append(f"{name.decode('utf-8', 'backslashreplace')} (its name is not UTF-8)")
            continue
        if mode == SUBMODULE:
            left_out.append(f"{path} (a submodule at {identity}: not fetched)")
        elif len(entries) >= MOST_FILES:
            left_out.append(f"{path} (more than {MOST_FILES} files)")
        else:
            entries.append(Entry(mode, identity, int(size), path))
    return sorted(entries, key=lambda entry: entry.path), sorted(left_out)


class Objects:
    """A running git that answers with the bytes of objects."""

    def __init__(self, asked: IO[bytes], answered: IO[bytes]) -> None:
        self._asked, self._answered = asked, answered

    def read(self, identity: str) -> bytes:
        """Read one object."""
        try:
            self._asked.write(f"{identity}\n".encode())
            self._asked.flush()
            header = self._answered.readline().split()
            if len(header) == 3:
                size = int(header[2])
                data = self._answered.read(size + 1)
                if len(data) == size + 1:
                    return data[:-1]
        except (BrokenPipeError, ValueError):
            pass
        raise StageFailed("git's object store is damaged", where="source.repo", mend="run again to fetch it again")


@contextmanager
def _objects(git: "list[str]", env: "dict[str, str]", store: Path) -> Iterator[Objects]:
    words = [*git, "cat-file", "--batch"]
    child = subprocess.Popen(
        words, cwd=store, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    guard = threading.Timer(SECONDS, child.kill)
    guard.start()
    try:
        assert child.stdin is not None and child.stdout is not None
        yield Objects(child.stdin, child.stdout)
    finally:
        guard.cancel()
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
