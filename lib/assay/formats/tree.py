"""A checkpoint as a list of files: one file, or a folder of them."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from assay.errors import WrongInput
from assay.formats.opening import real, shown

MOST_FILES = 10_000
# Left by tools, not part of a model.
IGNORED = {".git", "__pycache__"}
HUB_CACHE = (".cache", "huggingface")


def members(path: Path, external: Sequence[str] = ()) -> "list[tuple[str, Path]]":
    """List a checkpoint's files: name inside the checkpoint, and where it lies; a model's external data comes along."""
    if not os.path.isdir(real(path)):
        return [(path.name, path), *((name, path.parent / name) for name in sorted(set(external)))]
    found = sorted(_walk(path, os.path.realpath(path)))
    if not found:
        raise WrongInput("the folder holds no file", where=shown(path), mend="name the folder that holds the weights")
    return found


def folder_digest(digests: "Iterable[tuple[str, str]]") -> str:
    """Digest a folder from its files' names and digests."""
    total = hashlib.sha256()
    for name, digest in sorted(digests):
        total.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _walk(folder: Path, root: str) -> "list[tuple[str, Path]]":
    found: list[tuple[str, Path]] = []
    waiting = [folder]
    while waiting:
        for name, path, is_folder in _entries(waiting.pop(), root):
            if is_folder:
                waiting.append(path)
            elif name not in IGNORED:
                found.append((path.relative_to(folder).as_posix(), path))
            if len(found) > MOST_FILES:
                what = f"holds more than {MOST_FILES} files"
                raise WrongInput(what, where=shown(folder), mend="name the folder that holds only the model")
    return found


def _entries(folder: Path, root: str) -> "list[tuple[str, Path, bool]]":
    found = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise WrongInput(f"cannot be listed: {reason}", where=shown(folder)) from None
    for entry in entries:
        path = folder / entry.name
        if entry.is_symlink():
            _refuse_leaving(path, root)
        if entry.is_dir(follow_symlinks=True):
            if entry.is_symlink():
                what = "is a link to a folder, which is not followed"
                raise WrongInput(what, where=shown(path), mend="put the files themselves there")
            if entry.name not in IGNORED and path.parts[-2:] != HUB_CACHE:
                found.append((entry.name, path, True))
        elif entry.is_file(follow_symlinks=True):
            found.append((entry.name, path, False))
        else:
            raise WrongInput("is not a regular file", where=shown(path), mend="remove it from the model's folder")
    return found


def _refuse_leaving(path: Path, root: str) -> None:
    target = os.fspath(real(path))
    if os.path.commonpath([root, target]) != root:
        what = "is a link that leaves the model's folder"
        raise WrongInput(what, where=shown(path), mend="put the file itself there (cp -L)")
