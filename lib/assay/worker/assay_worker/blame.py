"""Which distribution an error at import comes from, and which one asked for what is not there."""

from __future__ import annotations

import re
import sys
import traceback
from typing import Any, Iterable, List, NamedTuple, Optional

from assay_worker import distributions
from assay_worker.faults import Places
from assay_worker.guard_install import chain

NO_NAME = re.compile(r"cannot import name '([^']+)' from '([^']+)'")
NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute ")
NUMPY = re.compile(
    r"compiled using NumPy 1|_ARRAY_API not found|numpy\._?core\.(_?multiarray|umath) failed to import"
    r"|module compiled against A[PB]I version|numpy\.\w+ size changed|Failed to initialize NumPy"
)
SIZES = re.compile(r"Expected (\d+) from C header, got (\d+) from PyObject")
VERSIONS = re.compile(r"compiled against A[PB]I version (0x\w+) but this version of numpy is (0x\w+)")


class Blame(NamedTuple):
    """Distribution to look at, distribution that asked, module that is missing; each "" when there is none."""

    culprit: str = ""
    asked_by: str = ""
    name: str = ""


def blame(error: BaseException, module: str = "") -> Blame:
    """Name who is to blame for an error; `module` is what was imported, should the traceback not say."""
    found = telling(error)
    owners = owners_of(found or error) or owners_of(error)
    if found is None:
        return _of(owners[-1] if owners else distributions.holder(module), owners)
    if NUMPY.search(str(found)):
        return of_numpy(str(found), owners or [distributions.holder(module)])
    if isinstance(found, ModuleNotFoundError):
        name = str(found.name)
        return _of(distributions.holder(name), owners)._replace(name=name)
    return _of(_lacking(found), owners)


def _of(culprit: str, owners: List[str]) -> Blame:
    return Blame(culprit, next((one for one in reversed(owners) if one != culprit), ""))


def telling(error: BaseException) -> Optional[BaseException]:
    """Find the error, of all it was raised from, that says which module or which name of one is not there."""
    for one in chain(error):
        if isinstance(one, ModuleNotFoundError) and one.name:
            return one
        if NUMPY.search(str(one)) or _lacking(one):
            return one
    return None


def _lacking(error: BaseException) -> str:
    """Name the distribution of a module that lacks a name."""
    found = None
    if isinstance(error, ImportError):
        found = NO_NAME.match(str(error))
        module = found[2] if found else ""
    elif isinstance(error, AttributeError):
        found = NO_ATTRIBUTE.match(str(error))
        module = found[1] if found else ""
    if not found:
        return ""
    file = getattr(sys.modules.get(module), "__file__", None) or getattr(error, "path", None)
    if not file:
        return distributions.holder(module)
    owner = distributions.owner(file)
    return owner.name if owner else ""


def of_numpy(text: str, owners: List[str]) -> Blame:
    """Blame the newer of numpy and what was compiled for another numpy; the older one asked."""
    compiled = next((one for one in reversed(owners) if one and one != "numpy"), "")
    return Blame("numpy", compiled) if _numpy_is_newer(text) else Blame(compiled, "numpy")


def _numpy_is_newer(text: str) -> bool:
    sizes, versions = SIZES.search(text), VERSIONS.search(text)
    if sizes:
        return int(sizes[1]) < int(sizes[2])
    if versions:
        return int(versions[1], 16) < int(versions[2], 16)
    loaded = str(getattr(sys.modules.get("numpy"), "__version__", ""))
    return "NumPy 1" in text or not loaded.startswith(("0.", "1."))


def owners_of(error: BaseException) -> List[str]:
    """Name the distributions through which an error came, the innermost last."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return [one for one in map(owner_of, frames) if one]


def owner_of(frame: Any) -> str:
    """Name the distribution that a frame's code is of, "" for anybody else's."""
    path = frame.f_code.co_filename
    if path.startswith("<"):
        return ""
    if path.endswith((".pyx", ".pxd", ".pxi")):  # a name from where it was compiled
        return distributions.holder(str(frame.f_globals.get("__name__", "")))
    found = distributions.owner(path)
    return found.name if found else ""


def at_import(error: BaseException, places: Places) -> bool:
    """Tell whether an installed module failed while upstream's code imported it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    theirs = [place for place, frame in enumerate(frames) if places.owner(frame.f_code.co_filename)]
    return any(_of_import(frame) and owner_of(frame) for frame in frames[theirs[-1] + 1 if theirs else 0 :])


def _of_import(frame: Any) -> bool:
    return frame.f_code.co_name == "<module>" or frame.f_code.co_name.startswith("init ")


def asked_by_them(error: BaseException, places: Places) -> bool:
    """Tell whether upstream's own line, and no installed module, asked for what is not there."""
    frames: Iterable[Any] = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    last = [places.owner(f.f_code.co_filename) or owner_of(f) for f in frames]
    return bool([who for who in last if who][-1:] and [who for who in last if who][-1] in ("adapter", "upstream"))
