"""Texts that lie beside a checkpoint: what its maker says about it, and on what terms."""

import os
import re
from pathlib import Path

from assay.formats.opening import shown

NAMES = re.compile(
    r"(?:readme|model_?card|licen[cs]e|copying|notice|citation|config|args|opts?|hyp|params|labels|classes|names)"
    r"(?:[._-].*)?",
    re.IGNORECASE,
)
TERMS = re.compile(r"readme|licen[cs]e|copying|notice", re.IGNORECASE)
TEXTS = ("", ".md", ".txt", ".rst", ".json", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".names", ".cff")
LARGEST = 4 << 20
MOST = 16


def beside(path: Path, names: "dict[str, Path]") -> "list[tuple[str, Path]]":
    """Name the documents of a folder, or those beside a file: regular, of readable size, no link elsewhere."""
    found = names or {name: path.parent / name for name in _listing(path.parent) if name != path.name}
    kept = [(shown(name), place) for name, place in sorted(found.items()) if _is_document(place, path.stem)]
    return kept[:MOST]


def _listing(folder: Path) -> "list[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_document(place: Path, stem: str) -> bool:
    named = NAMES.fullmatch(place.name) or place.stem == stem
    readable = place.suffix.lower() in TEXTS or TERMS.match(place.name)
    if not named or not readable or place.is_symlink():
        return False
    try:
        return place.is_file() and 0 < place.stat().st_size <= LARGEST
    except OSError:
        return False
