"""Reading and writing files so that a reader never sees half of one."""

import errno
import fcntl
import hashlib
import io
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.errors import StageFailed, WrongInput

StatKey = tuple[int, int, int, int]  # size, mtime_ns, ctime_ns, inode
LOOKED_AT = 1 << 20  # bytes that are hashed and looked at together
RACY_NS = 20_000_000  # a file this young may change again without its times showing it


def key_of(status: os.stat_result) -> StatKey:
    """Name a file's state by what changes when it is rewritten."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def stat_key(path: str) -> StatKey | None:
    """Stat a file; None when it is not there."""
    try:
        return key_of(os.stat(path))
    except OSError:
        return None


Looking = Callable[["memoryview | bytes"], None]


def sha256(path: str, looking: Looking | None = None) -> str:
    """Hash a regular file's bytes, which `looking` sees go by; a FIFO or a device is refused, not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        what = f"cannot be read: {(error.strerror or 'unknown error').lower()}"
        mend = "make it readable (chmod u+r)" if error.errno == errno.EACCES else "mend that and run again"
        raise WrongInput(what, where=path, mend=mend) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise WrongInput("not a regular file", where=path, mend="put a file there")
    with os.fdopen(handle, "rb", buffering=0) as file:
        if looking is not None:
            return _sha256_looking(file, looking)
        if hasattr(hashlib, "file_digest"):
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest, buffer = hashlib.sha256(), memoryview(bytearray(1 << 18))
        while n := file.readinto(buffer):
            digest.update(buffer[:n])
        return digest.hexdigest()


def _sha256_looking(file: io.FileIO, looking: Looking) -> str:
    """Hash and look at each block side by side: both leave the interpreter's lock alone for most of their time."""
    from concurrent.futures import ThreadPoolExecutor

    digest = hashlib.sha256()
    with ThreadPoolExecutor(1) as beside:
        while block := file.read(LOOKED_AT):
            looked = beside.submit(looking, block)
            digest.update(block)
            looked.result()
    return digest.hexdigest()


def text_sha256(text: str) -> str:
    """Hash a text as UTF-8."""
    return bytes_sha256(text.encode("utf-8", "surrogatepass"))


def bytes_sha256(data: bytes) -> str:
    """Hash what is in memory."""
    return hashlib.sha256(data).hexdigest()


def write(path: Path, data: bytes | str, *, durable: bool = True) -> None:
    """Write aside, sync, rename: the name holds the old bytes or the new ones."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(aside, "wb") as file:
            file.write(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def sync(path: Path) -> None:
    """Make a file's bytes durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> StageFailed:
    """Say in one line why a file could not be written."""
    reasons = {
        errno.ENOSPC: ("the disk is full", "free some space and run again"),
        errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
        errno.EROFS: ("the file system is read-only", "set workspace: to a writable folder"),
        errno.EACCES: ("no permission to write here", "set workspace: to a writable folder"),
        errno.EPERM: ("no permission to write here", "set workspace: to a writable folder"),
        errno.ENOTDIR: ("a file stands where a folder belongs", "move it away and run again"),
        errno.EEXIST: ("a file stands where a folder belongs", "move it away and run again"),
    }
    what, mend = reasons.get(error.errno or 0, (f"cannot write: {error.strerror or error}", "mend that and run again"))
    return StageFailed(what, where=str(path), mend=mend)


@contextmanager
def lock(path: Path, *, shared: bool = False, waiting: "object" = None) -> Iterator[None]:
    """Hold a kernel lock; it dies with the process. waiting(holder) is called once if we must wait."""
    handle = _locked(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, waiting)
    try:
        if not shared:
            _sign(handle)
        yield
    finally:
        os.close(handle)


def _locked(path: Path, mode: int, waiting: "object") -> int:
    while True:
        handle = _open_lock(path)
        try:
            try:
                fcntl.flock(handle, mode | fcntl.LOCK_NB)
            except OSError:
                if callable(waiting):
                    waiting(_holder(handle))
                fcntl.flock(handle, mode)
        except BaseException:
            os.close(handle)
            raise
        if key_of(os.fstat(handle))[3] == (stat_key(str(path)) or (0,))[-1]:
            return handle
        os.close(handle)  # its holder removed it: whoever comes now locks another file of that name


def _open_lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError as error:
        if path.exists():
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # another user's lock file still locks
        raise cannot_write(path, error) from error
    except OSError as error:
        raise cannot_write(path, error) from error


def _sign(handle: int) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    except OSError:
        return  # a full disk or another user's file: the lock holds without our name in it


def _holder(handle: int) -> str:
    return os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
