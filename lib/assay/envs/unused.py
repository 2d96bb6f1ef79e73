"""Environments that were made for models which nobody keeps any more."""

import fcntl
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from assay import layout
from assay.envs import fresh, lock
from assay.envs import place as places
from assay.envs.place import Waiting


def remove(root: Path, workspaces: Collection[Path], waiting: Waiting | None = None) -> list[str]:
    """Remove the environments that no workspace's deps.lock names; give their folders."""
    removed = []
    for name in _made(root / lock.CACHE):
        folder = root / lock.CACHE / name
        if not _is_free(name, workspaces):
            continue
        with places.lock(folder, waiting):
            if _is_free(name, workspaces):  # whoever held it may have come to name it
                shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(fresh.aside(folder), ignore_errors=True)
                removed.append(f"{lock.CACHE}/{name}")
    return removed


def _made(cache: Path) -> list[str]:
    """Name the environments, those too of which a killed run left only what it had set aside."""
    if not cache.is_dir():
        return []
    left = {entry.removeprefix(".").partition(".assay-")[0] for entry in os.listdir(cache)}
    return sorted(left - {""})


def _is_free(name: str, workspaces: Collection[Path]) -> bool:
    """Tell whether no workspace names an environment, and none is at work on what it will name."""
    if any(_at_work(workspace) for workspace in workspaces):
        return False
    named = (lock.read(workspace / layout.DEPS_LOCK, strict=True) for workspace in workspaces)
    return all(kept is None or kept.environment != name for kept in named)


def _at_work(workspace: Path) -> bool:
    try:
        handle = os.open(workspace / ".lock", os.O_RDONLY)
    except OSError:
        return False  # nothing was ever built there
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
