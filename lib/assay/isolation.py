"""How far the worker can be shut in on this machine: tried once, by the very means that will serve it."""

import functools
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from assay import proc
from assay.errors import WrongInput, did_you_mean

CONFINE = Path(__file__).parent / "worker" / "confine.py"
LEVELS = ("bubblewrap", "landlock", "plain")
VARIABLE = "ASSAY_SANDBOX"  # the best level that is tried, for tests and for set-ups that are broken
SECONDS = 20.0


@dataclass(frozen=True)
class Isolation:
    """A level that works here, and in a few words why none better does."""

    level: str
    why: str = ""
    program: str = ""  # the full path of bwrap


def best(most: str = "bubblewrap") -> Isolation:
    """Find the best level that works here, none better than `most`."""
    asked = os.environ.get(VARIABLE) or LEVELS[0]
    for word, where in ((most, "sandbox"), (asked, VARIABLE)):
        if word not in LEVELS:
            raise WrongInput(f"no isolation level {word!r}", where=where, mend=did_you_mean(word, LEVELS))
    first = max(LEVELS.index(most), LEVELS.index(asked))
    reasons = [f"no more than {LEVELS[first]} was asked for"] if first else []
    for level in LEVELS[first:-1]:
        program, reason = _tried(level)
        if not reason:
            return Isolation(level, "; ".join(reasons), program)
        reasons.append(reason)
    return Isolation(LEVELS[-1], "; ".join(reasons))


@functools.cache
def _tried(level: str) -> tuple[str, str]:
    """Try a level; return its program and why it does not work, or ""."""
    if not sys.platform.startswith("linux"):
        return "", f"{level} needs Linux"
    program = _bwrap() if level == "bubblewrap" else ""
    if program is None:
        return "", "bwrap is not installed"
    with tempfile.TemporaryDirectory(prefix="assay-") as name:
        folder = Path(name).resolve()
        command: list[str | Path] = [sys.executable, "-I", CONFINE, level, folder, program]
        environment = proc.clean_environment(os.environ, home=folder)
        ended = proc.run(command, cwd=folder, log=folder / "log", environment=environment, seconds=SECONDS)
        said = (folder / "log").read_text("utf-8", "replace").strip().rpartition("\n")[2]
    return program, "" if ended.code == 0 else said or f"{level} does not work here"


def _bwrap() -> str | None:
    """Find bwrap on PATH, but not below the folder we work in: what lies there comes with a repository."""
    here = Path.cwd().resolve()
    for folder in filter(os.path.isabs, os.get_exec_path()):
        found = shutil.which("bwrap", path=folder)
        if found and here not in Path(found).resolve().parents:
            return str(Path(found).resolve())
    return None
