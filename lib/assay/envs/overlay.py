"""Add exactly what a lock says: first into a folder, to be tried; then into the environment, all of it or nothing."""

import csv
import filecmp
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from assay import files
from assay.envs import interpreter, pylock, uv
from assay.envs import options as opts
from assay.envs import place as places
from assay.envs.interpreter import normal
from assay.envs.place import Place, Waiting
from assay.envs.pylock import canonical
from assay.envs.resolving import Resolution
from assay.errors import StageFailed, WrongInput

MARK = ".assay-overlay"
JOURNAL = ".assay-adding"  # in the environment while something is being added: what to take away again


class Adding(NamedTuple):
    """What an addition brings that was not there, to be taken away if it fails."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    before: dict[str, str]  # place.state


def overlay(
    resolution: Resolution,
    python: Path,
    folder: Path,
    *,
    options: Sequence[str] = (),
    build: Sequence[str] = (),
    scratch: Path,
    log: Path,
) -> Path:
    """Put the locked files, hashes checked, into a folder that can stand in front of sys.path."""
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise WrongInput("is a folder of somebody else", where=str(folder), mend="name another")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        (folder / MARK).touch()
        words: list[str | Path] = ["pip", "install", "--no-deps", "--python", python, "--target", folder]
        install(resolution.lock, words, options=options, build=build, scratch=scratch, log=log)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise files.cannot_write(folder, error) from error
        raise
    return folder


def install(
    lock: str,
    words: Sequence[str | Path],
    *,
    options: Sequence[str],
    build: Sequence[str] = (),
    scratch: Path,
    log: Path,
    sync: bool = False,
) -> None:
    """Run uv over a stored lock, bound to this machine; only what is named may be built."""
    scratch.mkdir(parents=True, exist_ok=True)
    for name in pylock.sources(lock):
        if normal(name) not in {normal(one) for one in build}:
            raise StageFailed(
                f"{name} is there as source only, and building it runs its code",
                where="env.index.build",
                mend=f"add {name} there if it may",
            )
    links = os.environ.get("UV_FIND_LINKS", "")
    bound = scratch / "pylock.bound.toml"
    bound.write_text(pylock.bind(lock, lambda file, project: opts.find(options, links, file, project)), "utf-8")
    named = [word for name in pylock.sources(lock) for word in ("--no-binary", normal(name))]
    source: list[str | Path] = [bound, "--allow-empty-requirements"] if sync else ["-r", bound]
    given = [*opts.sources(options), "--only-binary", ":all:", *named]
    try:
        uv.call([*words, *source], scratch=scratch, log=log, options=given)
    finally:
        bound.unlink(missing_ok=True)


def apply(
    resolution: Resolution,
    python: Path,
    folder: Path,
    *,
    options: Sequence[str] = (),
    build: Sequence[str] = (),
    scratch: Path,
    log: Path,
    waiting: Waiting | None = None,
) -> tuple[str, ...]:
    """Add what overlay() fetched to the environment, offline; whatever happens it ends complete or as it was."""
    place = places.checked(python)
    if not (folder / MARK).exists():
        raise StageFailed("was not fetched", where=str(folder), mend="run overlay() first")
    with places.lock(place.prefix, waiting):
        recover(place)
        new = _not_there(resolution, place)
        adding = _planned(place, folder, new)
        if not new:
            return ()
        lock = pylock.only(resolution.lock, {name for name, _ in new})
        try:
            files.write(place.prefix / JOURNAL, json.dumps(adding._asdict()))
            words: list[str | Path] = ["pip", "install", "--no-deps", "--offline", "--python", python]
            install(lock, words, options=options, build=build, scratch=scratch, log=log)
            _verify(place, adding, new)
        except BaseException as error:
            left = undo(place, adding)
            if left:
                raise StageFailed(
                    f"could not be undone: {left}", where=str(place.prefix), mend="make the environment again"
                ) from error
            raise
        (place.prefix / JOURNAL).unlink(missing_ok=True)
    return tuple(f"{name}=={version}" for name, version in new)


def mend(python: Path, waiting: Waiting | None = None) -> bool:
    """Take away what a killed run left half added to an environment; true when something was."""
    if not (interpreter.prefix_of(python) / JOURNAL).exists():
        return False
    place = places.checked(python)
    with places.lock(place.prefix, waiting):  # while somebody is still adding, it is his
        recover(place)
    return True


def recover(place: Place) -> None:
    """Take away what a run left that was killed while it was adding."""
    path = place.prefix / JOURNAL
    if not path.exists():
        return
    with files.lock(place.prefix / ".lock", shared=True):  # uv's own: it may have outlived who started it
        pass
    try:
        said = json.loads(path.read_text("utf-8"))
        adding = Adding(tuple(said["files"]), tuple(said["folders"]), dict(said["before"]))
        if any(name.startswith(("/", "..")) or "/../" in name for name in (*adding.files, *adding.folders)):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StageFailed("cannot be read", where=str(path), mend="make the environment again") from None
    if left := undo(place, adding):
        raise StageFailed(f"was left half changed: {left}", where=str(place.prefix), mend="make the environment again")


def undo(place: Place, adding: Adding) -> str:
    """Take away what was added; say what is not as it was, or ""."""
    for name in adding.files:
        path = place.prefix / name
        for one in (path, *path.parent.glob(f"__pycache__/{path.stem}.*.pyc")):
            _remove(one)
    for name in sorted(adding.folders, key=len, reverse=True):
        shutil.rmtree(place.prefix / name, ignore_errors=True)
    for path in place.site.glob(".tmp*"):  # what uv had not yet renamed
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else _remove(path)
    left = [name for name in (*adding.files, *adding.folders) if os.path.lexists(place.prefix / name)]
    after = places.state(place)
    left += [name for name in adding.before if after.get(name) != adding.before[name]]
    if not left:
        _remove(place.prefix / JOURNAL)
    return ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # what is left is said


def _not_there(resolution: Resolution, place: Place) -> list[tuple[str, str]]:
    """Leave out what somebody else has added since; another version of it is refused."""
    have = held(place.site)
    new = []
    for item in resolution.items:
        if have.get(item.name) not in (None, canonical(item.version)):
            raise StageFailed(
                f"{item.name} {have[item.name]} is there by now, {item.version} was planned",
                where=str(place.prefix),
                mend="plan again",
            )
        if item.name not in have:
            new.append((item.name, item.version))
    return new


def held(folder: Path) -> dict[str, str]:
    """Name what a folder of modules holds: version by project."""
    names = (entry.removesuffix(".dist-info") for entry in os.listdir(folder) if entry.endswith(".dist-info"))
    return {normal(name): canonical(version) for name, _, version in (entry.partition("-") for entry in names)}


def _planned(place: Place, folder: Path, new: Sequence[tuple[str, str]]) -> Adding:
    """List what will be written; what would overwrite another package's file is refused."""
    absent: list[Path] = []
    for path, source in _targets(place, folder, {name for name, _ in new}):
        if not os.path.lexists(path):
            absent.append(path)
        elif path.parent == place.programs or not filecmp.cmp(source, path, shallow=False):
            raise StageFailed(
                f"{source.relative_to(folder)} is there already and would be overwritten",
                where=str(path.parent),
                mend="take a new environment",
            )
    names = tuple(os.path.relpath(path, place.prefix) for path in absent)
    return Adding(names, tuple(_new_folders(place, absent)), places.state(place))


def _targets(place: Place, folder: Path, new: "set[str]") -> list[tuple[Path, Path]]:
    """Pair where each file goes with where it lies in the overlay, where programs and data lie beside the modules."""
    found = []
    for info in sorted(folder.glob("*.dist-info")):
        if normal(info.name.removesuffix(".dist-info").partition("-")[0]) not in new:
            continue
        with open(info / "RECORD", encoding="utf-8", newline="") as file:
            rows = [row[0] for row in csv.reader(file) if row]
        for row in rows:
            name = os.path.normpath(row)
            source = folder / name
            if name.startswith("..") or os.path.isabs(name):
                raise WrongInput(f"{info.name} would write to {name}", where=str(folder), mend="do not install it")
            if source.is_file():
                roots = (place.site, place.prefix)
                found += [(root / name, source) for root in roots if root == place.site or _is_data(name)]
    return found


def _is_data(name: str) -> bool:
    return name.partition("/")[0] in ("bin", "share", "etc", "include", "man", "lib")


def _new_folders(place: Place, absent: Sequence[Path]) -> list[str]:
    found: dict[str, None] = {}
    for path in absent:
        for parent in (path.parent / "__pycache__", *path.parents):
            if parent == place.prefix or parent.exists():
                continue
            found[os.path.relpath(parent, place.prefix)] = None
    return [name for name in found if not name.startswith("..")]


def _verify(place: Place, adding: Adding, new: Sequence[tuple[str, str]]) -> None:
    after, have = places.state(place), held(place.site)
    changed = [name for name, digest in adding.before.items() if after.get(name) != digest]
    missing = [name for name, version in new if have.get(name) != canonical(version)]
    if changed or missing or len(after) != len(adding.before) + len(new):
        raise StageFailed(
            "the environment is not what was planned: " + ", ".join(changed or missing or ["more was added"]),
            where=str(place.prefix),
            mend="plan again",
        )
