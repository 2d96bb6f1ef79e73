"""Open a YAML file with care: a real file, small, readable."""

import os
import pathlib
import stat

from assay.config.faults import Faults
from assay.config.yamlfile import LARGEST, Map, Node, read


def load(path: pathlib.Path, faults: Faults, *, empty_is_fine: bool = False) -> Node | None:
    """Read a file's tree, noting faults; never waits on a pipe, never reads a device."""
    try:
        text = _regular(path)
    except OSError as error:
        faults.add(1, f"cannot be read ({error.strerror})", "make it a readable text file")
        return None
    if text is None:
        faults.add(1, "is not a file", "make it a readable text file")
        return None
    if empty_is_fine and all(not line.strip() or line.lstrip().startswith(b"#") for line in text.splitlines()):
        return Map(1, 1, ())
    return read(text, faults)


def _regular(path: pathlib.Path) -> bytes | None:
    """Read a regular file, one byte more than allowed at most; None for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
