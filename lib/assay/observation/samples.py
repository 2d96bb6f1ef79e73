"""Real inputs for a probe: files of upstream's own tree, of the kind that its entrypoint reads."""

import os
import re
from pathlib import Path

from assay.observation.attempts import IMAGES, SOUNDS, Attempt

MOST = 2
SMALLEST, LARGEST = 3_000, 4 << 20  # icons and films are no samples
SAMPLES = ("demo", "example", "sample", "test", "img", "image", "data", "input", "asset", "audio")
SUFFIX = re.compile(r"""['"](?:\*|[\w./*-]*/\*)?\.(jpg|jpeg|png|bmp)['"]""")
NOT = ("doc", "fig", "logo", "icon", "result", "output", "paper", "readme", "arch", "teaser", "curve", "chart", "badge")


def samples(workspace: Path, way: Attempt, kind: str) -> "list[str]":
    """Choose a few of the tree's files: those that a path calls samples first, in order of name."""
    pattern = {"image": IMAGES, "audio": SOUNDS}.get(kind)
    if pattern is None:
        return []
    tree = workspace / "refs" / way.tree
    found = []
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if pattern.search(name) and not path.is_symlink() and SMALLEST <= path.stat().st_size <= LARGEST:
                found.append(path)
    ranked = sorted(found, key=lambda p: (rank(p.relative_to(tree).as_posix().lower()), _packed(p), p.as_posix()))
    return [p.relative_to(workspace).as_posix() for p in ranked[:MOST] if rank(p.name.lower()) < 2]


def _packed(path: Path) -> bool:
    """Tell sound that takes a codec to read."""
    return bool(SOUNDS.search(path.name)) and path.suffix.lower() not in (".wav", ".flac")


def wanted_suffix(text: str, kind: str) -> str:
    """Say which ending a script looks for, when it speaks of one only: it may leave out files of any other."""
    found = set(SUFFIX.findall(text)) if kind == "image" else set()
    return f".{found.pop()}" if len(found) == 1 else ""


def rank(path: str) -> int:
    """Rank a file by its path: 0 called a sample, 1 nothing speaks against it, 2 it illustrates something."""
    if any(word in path for word in NOT):
        return 2
    return 0 if any(word in path for word in SAMPLES) else 1
