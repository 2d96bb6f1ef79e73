"""Finding the processes that outlived a test."""

import os
import time
from pathlib import Path


def at_home(folder: Path) -> list[int]:
    """List the processes that work in a folder."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                where = os.readlink(f"/proc/{name}/cwd")
            except OSError:
                continue
            found += [int(name)] if where.removesuffix(" (deleted)").startswith(str(folder)) else []
    return found


def left_after(folder: Path, *, seconds: float, extra: list[int] | None = None) -> list[int]:
    """Wait so long for a folder's processes to go; list those that did not."""
    until = time.monotonic() + seconds
    while True:
        left = at_home(folder) + [pid for pid in extra or [] if alive(pid)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.02)


def holding(file: Path) -> list[int]:
    """List the processes that have a file open, by whatever name and number they know it and themselves."""
    found, wanted = [], file.stat() if file.exists() else None
    for name in os.listdir("/proc") if wanted else ():
        if name.isdigit() and int(name) != os.getpid():
            try:
                open_files = [os.stat(f"/proc/{name}/fd/{fd}") for fd in os.listdir(f"/proc/{name}/fd")]
            except OSError:
                continue
            found += [int(name)] if any(os.path.samestat(one, wanted) for one in open_files) else []
    return found


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
