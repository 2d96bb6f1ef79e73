"""Make a new environment that holds exactly what a lock says; it counts when it is complete."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay import files
from assay.envs import overlay, pylock, uv
from assay.envs import place as places
from assay.envs.place import Waiting
from assay.envs.resolving import Resolution
from assay.errors import StageFailed, WrongInput

COMPLETE, MAKING = ".assay-complete", ".assay-making"


def complete(folder: Path) -> str:
    """Give the hash of the lock that an environment was made from; "" if it is not complete."""
    try:
        return (folder / COMPLETE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def create(python: Path | str, folder: Path, *, scratch: Path, log: Path) -> Path:
    """Make a bare environment, without pip, that does not yet count; give its interpreter."""
    _clear(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MAKING).touch()
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    scratch.mkdir(parents=True, exist_ok=True)
    uv.call(["venv", "--no-project", "--allow-existing", "--python", python, folder], scratch=scratch, log=log)
    return folder / "bin" / "python"


def sync(
    lock: Resolution | str,
    folder: Path,
    *,
    python: Path | str,
    options: Sequence[str] = (),
    build: Sequence[str] = (),
    scratch: Path,
    log: Path,
    waiting: Waiting | None = None,
) -> Path:
    """Have an environment with exactly what is locked; on failure what was there before stays."""
    text = lock if isinstance(lock, str) else lock.lock
    digest = files.text_sha256(text)
    own = folder / "bin" / "python"
    if Path(python).is_relative_to(folder):
        python = Path(os.path.realpath(python))  # the one it was made from: its own goes with what is replaced
    pylock.checked(text)
    with places.lock(folder, waiting):
        _restore(folder)
        if complete(folder) == digest and _is_exact(text, own):
            return own
        if complete(folder):  # fetch and check it all before the old one is touched
            fetched = Resolution(pylock.items(text), text)
            overlay.overlay(fetched, own, scratch / "fetched", options=options, build=build, scratch=scratch, log=log)
            shutil.rmtree(scratch / "fetched", ignore_errors=True)
        with _replacing(folder):
            create(python, folder, scratch=scratch, log=log)
            words: list[str | Path] = ["pip", "sync", "--python", own]
            overlay.install(text, words, options=options, build=build, scratch=scratch, log=log, sync=True)
            if not _is_exact(text, own):
                raise StageFailed("is not what was locked", where=str(folder), mend="look at the log")
            (folder / MAKING).unlink(missing_ok=True)
            files.write(folder / COMPLETE, digest + "\n")
    return own


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[None]:
    """Set the old environment aside while a new one is made in its place, and back if that fails."""
    old = aside(folder)
    if complete(folder):
        os.rename(folder, old)
    try:
        yield
    except BaseException:
        if _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if old.exists():
            os.rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _restore(folder: Path) -> None:
    """Finish what a run left that was killed while it replaced an environment."""
    old = aside(folder)
    if complete(old) and complete(folder):
        shutil.rmtree(old, ignore_errors=True)
    elif complete(old):
        _clear(folder)
        os.rename(old, folder)


def aside(folder: Path) -> Path:
    """Say where an environment waits while another one is made in its place."""
    return folder.with_name(f".{folder.name.removeprefix('.')}.assay-before")


def _clear(folder: Path) -> None:
    """Remove an environment that was never finished; anything else is not ours to remove."""
    if not os.path.lexists(folder):
        return
    if complete(folder) or not _is_ours(folder):
        if folder.is_dir() and not any(folder.iterdir()):
            return
        raise WrongInput("something is there already", where=str(folder), mend="move it away, or name another folder")
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return not folder.is_symlink() and ((folder / MAKING).exists() or (folder / COMPLETE).exists())


def _is_exact(lock: str, python: Path) -> bool:
    place = places.found(python)
    return overlay.held(place.site) == {item.name: pylock.canonical(item.version) for item in pylock.items(lock)}
