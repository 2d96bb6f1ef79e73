"""Copy a local source tree: what git tracks, as it lies on disk."""

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from assay.errors import Fault, WrongInput
from assay.upstream import git
from assay.upstream.gittree import LFS, MOST_FILES, SUBMODULE, TREE_LIMIT, too_big, write

IGNORED_FOLDERS = {".git", "__pycache__", ".hg", ".svn"}
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
MOST_UNTRACKED = 50


class Copied(NamedTuple):
    """What was copied, and which commit it stands on."""

    files: list[str]
    left_out: list[str]
    commit: str
    dirty: bool | None  # None: not in git


class Listing(NamedTuple):
    """What copy_tree would copy, and which paths tell when that changes."""

    files: list[str]
    watch: list[Path]


class _Tracked(NamedTuple):
    """The files of a work tree that git knows."""

    tracked: dict[str, str]  # path: object, as the index has it
    left_out: list[str]


def copy_tree(path: Path, into: Path) -> Copied:
    """Copy a folder's tracked files, or all of them where git tracks none."""
    root = _folder(path)
    listing = _tracked(root)
    names = sorted(listing.tracked) if listing else _all_files(root, Path(os.path.realpath(into)))[0]
    left_out = listing.left_out + _untracked(root) if listing else []
    commit, head = _head(root) if listing else ("", {})
    files: list[str] = []
    changed, room = head.keys() != (listing.tracked.keys() if listing else head.keys()), TREE_LIMIT
    into.mkdir(parents=True, exist_ok=True)
    for name in names:
        data, executable, reason = _read(root, name, room)
        reason = reason or write(into / name, data, executable)
        if listing:
            changed = changed or not _same(head.get(name, ""), data, reason, root / name)
        if reason:
            left_out.append(f"{name.encode('utf-8', 'backslashreplace').decode()} ({reason})")
            continue
        room -= len(data)
        files.append(name)
        if data.startswith(LFS):
            left_out.append(f"{name} (only its Git LFS pointer is there)")
    if not files:
        raise WrongInput("source.path holds no file that can be copied", where=str(path))
    return Copied(files, sorted(left_out), commit, changed if listing else None)


def listing(path: Path) -> Listing:
    """List what copy_tree would copy, without reading it."""
    root = _folder(path)
    tracked = _tracked(root)
    if tracked is None:
        names, folders = _all_files(root, None)
        return Listing([name for name in names if _place(root, name)[1] == ""], folders)
    answer = git.run(["rev-parse", "--git-path", "index", "--git-path", "HEAD"], root).decode(
        "utf-8", "surrogateescape"
    )
    watch = [root / line for line in answer.splitlines()]
    return Listing([name for name in sorted(tracked.tracked) if _place(root, name)[1] == ""], watch)


def _folder(path: Path) -> Path:
    try:
        root = Path(os.path.realpath(path, strict=True))
    except (OSError, ValueError):
        raise WrongInput("source.path: no such folder", where=str(path), mend="check the path") from None
    if not root.is_dir():
        raise WrongInput("source.path is not a folder", where=str(path), mend="name the folder of upstream's code")
    return root


def _tracked(root: Path) -> "_Tracked | None":
    """Ask git what it tracks here; None where it tracks nothing."""
    try:
        index = git.run(["ls-files", "--cached", "--stage", "-z"], root)
    except Fault:
        return None
    tracked: dict[str, str] = {}
    left_out: list[str] = []
    for entry in filter(None, index.split(b"\0")):
        about, _, raw = entry.partition(b"\t")
        mode, identity, _ = about.decode().split()
        name = _text(raw, left_out)
        if mode == SUBMODULE:
            left_out.append(f"{name} (a submodule: not copied)")
        elif name:
            tracked[name] = identity
    if not tracked:
        return None
    return _Tracked(tracked, sorted(left_out))


def _head(root: Path) -> "tuple[str, dict[str, str]]":
    try:
        commit = git.run(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], root).decode().strip()
        tree = git.run(["ls-tree", "-r", "-z", commit], root)
    except Fault:
        return "", {}
    head: dict[str, str] = {}
    for entry in filter(None, tree.split(b"\0")):
        about, _, raw = entry.partition(b"\t")
        mode, _, identity = about.decode().split()
        name = _text(raw, [])
        if name and mode != SUBMODULE:
            head[name] = identity
    return commit, head


def _untracked(root: Path) -> "list[str]":
    try:
        answer = git.run(["ls-files", "--others", "--exclude-standard", "--directory", "-z"], root)
    except Fault:
        return []
    names = sorted(raw.decode("utf-8", "backslashreplace") for raw in answer.split(b"\0") if raw)
    notes = [f"{name} (not tracked by git)" for name in names[:MOST_UNTRACKED]]
    more = len(names) - MOST_UNTRACKED
    return notes + ([f"{more} more names (not tracked by git)"] if more > 0 else [])


def _text(raw: bytes, left_out: "list[str]") -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        left_out.append(f"{raw.decode('utf-8', 'backslashreplace')} (its name is not UTF-8)")
        return ""


def _all_files(root: Path, into: "Path | None") -> "tuple[list[str], list[Path]]":
    """List all files of a folder that is not in git, and the folders they lie in."""
    found: list[str] = []
    walked: list[Path] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        walked.append(here)
        folders[:] = sorted(f for f in folders if f not in IGNORED_FOLDERS and here / f != into)
        linked = [f for f in folders if (here / f).is_symlink()]
        found += [(here / name).relative_to(root).as_posix() for name in [*names, *linked] if not name.endswith(".pyc")]
        if len(found) > MOST_FILES:
            what = f"source.path holds more than {MOST_FILES} files"
            raise WrongInput(what, where=str(root), mend="name the folder of the model's code")
    return sorted(found), walked


def _place(root: Path, name: str) -> "tuple[str, str, int]":
    """Say where a file of the tree really lies, and why it cannot be copied if it cannot."""
    target = os.path.realpath(root / name)
    if not name.isprintable() and not _is_utf8(name):
        return target, "its name is not UTF-8", 0
    if os.path.commonpath([root, target]) != os.fspath(root):
        return target, "a link that leaves the tree", 0
    try:
        state = os.lstat(target)
    except OSError:
        gone = "a link to something that is not there" if os.path.islink(root / name) else "not there"
        return target, gone, 0
    if not stat.S_ISREG(state.st_mode):
        return target, "a link to a folder" if stat.S_ISDIR(state.st_mode) else "not a regular file", 0
    return target, too_big(state.st_size, TREE_LIMIT), state.st_mode


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(root: Path, name: str, room: int) -> "tuple[bytes, bool, str]":
    """Read a regular file inside the tree; otherwise say why not."""
    target, reason, mode = _place(root, name)
    if reason:
        return b"", False, reason
    try:
        with os.fdopen(os.open(target, FLAGS), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            reason = too_big(size, room)
            return (b"" if reason else file.read(size)), bool(mode & 0o100), reason
    except OSError as error:
        return b"", False, (error.strerror or "cannot be read").lower()


def _same(identity: str, data: bytes, reason: str, path: Path) -> bool:
    """Tell whether a file is as the commit has it, whatever its line ends."""
    if path.is_symlink():
        return _object(os.fsencode(os.readlink(path)), identity) == identity
    if reason:  # not read, so not compared; only its absence is known to be a change
        return reason != "not there"
    return identity in (_object(data, identity), _object(data.replace(b"\r\n", b"\n"), identity))


def _object(data: bytes, like: str) -> str:
    """Name a blob as git does."""
    digest = hashlib.sha256() if len(like) == 64 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()
