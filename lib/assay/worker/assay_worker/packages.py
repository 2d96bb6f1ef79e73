"""Which installed distributions a run really imported, by their metadata folders; nothing more is imported for it."""

from __future__ import annotations

import functools
import os
import sys
from typing import Iterator


def imported() -> list[str]:
    """Name them as "numpy-2.4.6", the way their folders are called."""
    modules = {name.partition(".")[0] for name in sys.modules if not name.startswith("_")}
    wanted = (
        {m for m in modules if m not in sys.stdlib_module_names} if hasattr(sys, "stdlib_module_names") else modules
    )
    found = [folder for folder in _folders() if _provided(folder) & wanted]
    return sorted(os.path.basename(f)[: -len(".dist-info")] for f in found)


def _folders() -> Iterator[str]:
    for site in sys.path:
        try:
            names = os.listdir(site)
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                yield os.path.join(site, name)


@functools.lru_cache(maxsize=None)
def _provided(folder: str) -> set[str]:
    """Name the top-level modules of a distribution: as it says, else as its file list shows."""
    named = os.path.basename(folder).partition("-")[0].lower().replace("-", "_")
    lines = _lines(folder, "top_level.txt")
    if lines is not None:
        return {named, *lines}
    record = _lines(folder, "RECORD") or []
    tops = {line.split("/")[0].split(",")[0] for line in record if not line.startswith("..")}
    return {named} | {top[:-3] if top.endswith(".py") else top for top in tops}


def _lines(folder: str, name: str) -> list[str] | None:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except OSError:
        return None
