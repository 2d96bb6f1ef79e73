"""An environment that packages are to be added to: whether they may, what is in it, whose turn it is."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from assay import files
from assay.envs import interpreter
from assay.errors import StageFailed, WrongInput

Waiting = Callable[[str], object]


class Place(NamedTuple):
    """An environment's folders."""

    python: Path
    prefix: Path
    site: Path  # its site-packages

    @property
    def programs(self) -> Path:
        """Give the folder of its programs."""
        return self.prefix / "bin"


def checked(python: Path) -> Place:
    """Refuse an environment that is not ours to change, is broken, or cannot be written to."""
    place = found(python)
    _refuse_managed(place)
    for folder in (place.prefix, place.site, place.programs):
        if not os.access(folder, os.W_OK):
            raise StageFailed(
                "the environment is read-only", where=str(folder), mend="make it writable, or take a new environment"
            )
    return place


def found(python: Path) -> Place:
    """Find an environment's folders; a broken one is refused."""
    prefix = interpreter.prefix_of(python)
    _refuse_managed(Place(python, prefix, prefix))
    sites = interpreter.facts(python).site_packages
    home = interpreter.config_of(prefix / "pyvenv.cfg").get("home", "")
    if home and not os.path.isdir(home):
        raise WrongInput(
            f"names a Python that is gone ({home})", where=str(prefix / "pyvenv.cfg"), mend="make the environment again"
        )
    own = [site for site in sites if Path(site).is_relative_to(prefix)]
    if not own:
        raise WrongInput("has no site-packages folder", where=str(prefix), mend="take a virtual environment")
    return Place(python, prefix, Path(own[0]))


def state(place: Place) -> dict[str, str]:
    """Name the distributions in an environment and hash the list of files of each."""
    held = {}
    for entry in sorted(os.listdir(place.site)):
        if entry.endswith((".dist-info", ".egg-info")):
            record = place.site / entry / "RECORD"
            held[entry] = files.sha256(str(record)) if record.is_file() else ""
    return held


@contextlib.contextmanager
def lock(prefix: Path, waiting: Waiting | None = None) -> Iterator[None]:
    """Hold an environment: two experiments at once wait for one another. The file goes when nobody waits for it."""
    path = prefix.parent / f".{prefix.name.removeprefix('.')}.assay-lock"
    with files.lock(path, waiting=waiting):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _refuse_managed(place: Place) -> None:
    kind = interpreter.manager_of(place.python)
    if kind in ("pixi", "conda"):
        command = interpreter.COMMANDS[kind]
        raise WrongInput(
            f"belongs to {kind}, which alone may change it", where=str(place.prefix), mend=f"use `{command}`"
        )
    marks = [*place.prefix.glob("lib/python3*/EXTERNALLY-MANAGED")]
    if kind == "none" and marks:
        raise WrongInput("belongs to the system", where=str(marks[0]), mend="make a virtual environment and use that")
