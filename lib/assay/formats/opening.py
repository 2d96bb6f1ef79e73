"""Open a file that somebody else made: a regular file, or one clear refusal."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from assay.errors import WrongInput

FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
KINDS = (
    (stat.S_ISFIFO, "a FIFO (named pipe)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def shown(path: "Path | str") -> str:
    """Write a path on one line, whatever characters its name holds."""
    text = os.fspath(path).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def whole(text: str) -> str:
    """Spell out half characters, which no UTF-8 can carry; JSON and pickles can hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


def real(path: Path) -> Path:
    """Follow links to what is really there; refuse what is not there."""
    try:
        return Path(os.path.realpath(path, strict=True))
    except (OSError, ValueError) as error:
        raise _unreachable(path, error) from None


def opened(path: Path) -> BinaryIO:
    """Open a regular, readable, non-empty file for reading in binary."""
    target = real(path)
    try:
        _refuse_kind(path, os.lstat(target).st_mode)
        descriptor = os.open(target, FLAGS)
    except OSError as error:
        raise _unreachable(path, error) from None
    file = os.fdopen(descriptor, "rb")
    try:
        # The name may have been given to something else since it was looked at.
        state = os.fstat(descriptor)
        _refuse_kind(path, state.st_mode)
        if state.st_size == 0:
            raise WrongInput("the file is empty", where=shown(path), mend="fetch it again")
    except BaseException:
        file.close()
        raise
    return file


def read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Read from a place without moving; the kernel may give less at a time than was asked for."""
    if at < 0 or count < 0:
        return b""  # as damaged files have it
    if isinstance(file, io.BytesIO):
        return bytes(file.getbuffer()[at : at + count])
    found = b""
    while len(found) < count:
        more = os.pread(file.fileno(), count - len(found), at + len(found))
        if not more:
            break
        found = found + more if found else more
    return found


def _refuse_kind(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise WrongInput("is a folder, a file is expected here", where=shown(path))
    kind = next((name for test, name in KINDS if test(mode)), "neither a file nor a folder")
    raise WrongInput(f"is {kind}, not a regular file", where=shown(path), mend="name the file that holds the weights")


def _unreachable(path: Path, error: "OSError | ValueError") -> WrongInput:
    where = shown(path)
    if isinstance(error, ValueError):
        return WrongInput("is not a usable file name", where=where)
    if error.errno == errno.ELOOP:
        return WrongInput("is a symbolic link that leads back to itself", where=where)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.path.islink(path):
            return WrongInput("is a symbolic link to something that is not there", where=where)
        return WrongInput("no such file", where=where, mend="check the path")
    if error.errno in (errno.EACCES, errno.EPERM):
        return WrongInput("cannot be read: permission denied", where=where, mend="make it readable (chmod u+r)")
    return WrongInput(f"cannot be opened: {(error.strerror or 'unknown error').lower()}", where=where)
