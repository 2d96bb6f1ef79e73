"""Find the licence text of a tree and recognise it by its words."""

import hashlib
import re
from pathlib import Path

from assay.records import License

READ = 200_000
NAMES = re.compile(r"(licen[cs]e|copying|unlicense)([-_.].*)?", re.IGNORECASE)
README = re.compile(r"readme([._-].*)?", re.IGNORECASE)
SECTION = re.compile(r"^\s{0,3}(?:#+\s*|)licen[cs]e\b.*?$(.{0,2000})", re.IGNORECASE | re.MULTILINE | re.DOTALL)
NON_COMMERCIAL = re.compile(
    r"non-?\s?commercial|not\W+(?:be\s+used\s+)?for\s+commercial|research\s+purposes?\s+only|academic\s+use\s+only",
    re.IGNORECASE,
)
CREATIVE = (
    r"(?:attribution-?\s?|cc[\s-]+by-?)(?P<nc>non-?commercial|nc)?(?:[\s-]*)(?P<rest>share-?\s?alike|sa|no-?\s?deriv\w*|nd)?"
    r"\s*-?\s*(?P<version>[1-4]\.0)"
)
BSD = "redistributions of source code must retain"
# Words that the text must hold, in order of telling power: the longer licence before the one it contains.
TEXTS = (
    ("AGPL-3.0", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3")),
    ("LGPL-2.1", ("gnu lesser general public license", "version 2.1")),
    ("GPL-3.0", ("gnu general public license", "version 3")),
    ("GPL-2.0", ("gnu general public license", "version 2")),
    ("MPL-2.0", ("mozilla public license", "2.0")),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("BSD-3-Clause", (BSD, "neither the name")),
    ("BSD-2-Clause", (BSD,)),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("MIT", ("permission is hereby granted, free of charge",)),
)
# What a README says instead of quoting a text.
MENTIONS = (
    ("AGPL-3.0", r"\bAGPL"),
    ("LGPL-3.0", r"\bLGPL"),
    ("GPL-3.0", r"\bGPL(?:v|[ -]?version |-)?\s?3"),
    ("GPL-2.0", r"\bGPL(?:v|[ -]?version |-)?\s?2"),
    ("MPL-2.0", r"mozilla public license|\bMPL\b"),
    ("Apache-2.0", r"apache[ -](?:license[ ,]*)?(?:version )?2|apache licen[cs]e"),
    ("BSD-3-Clause", r"BSD[ -]3|3-clause"),
    ("BSD-2-Clause", r"BSD[ -]2|2-clause"),
    ("Unlicense", r"unlicense"),
    ("MIT", r"\bMIT\b"),
)


def find(tree: Path) -> License:
    """Find a tree's licence: a licence file first, else what its README says."""
    top = sorted((p for p in tree.iterdir() if p.is_file() and not p.is_symlink()), key=lambda p: (len(p.name), p.name))
    for path in (p for p in top if NAMES.fullmatch(p.name) and p.suffix.lower() not in (".py", ".sh")):
        data = _read(path)
        name, closed = recognise(data.decode("utf-8", "replace"))
        return License(file=path.name, name=name, non_commercial=closed, sha256=hashlib.sha256(data).hexdigest())
    for path in (p for p in top if README.fullmatch(p.name)):
        data = _read(path)
        section = SECTION.search(data.decode("utf-8", "replace"))
        if section:
            name, closed = _mentioned(section.group(0))
            return License(file=path.name, name=name, non_commercial=closed, sha256=hashlib.sha256(data).hexdigest())
    return License(file="", name="none", non_commercial=False, sha256="")


def recognise(text: str) -> "tuple[str, bool]":
    """Name a licence text, and say whether it forbids commercial use."""
    words = " ".join(text.lower().split())
    creative = re.search(CREATIVE, words)
    if "creative commons" in words[:4000] and creative:
        return _creative(creative)
    # A quoted licence names its kin (GPL 3 names AGPL): what stands first is what it is.
    found = [
        (words.find(markers[0]), order, name)
        for order, (name, markers) in enumerate(TEXTS)
        if all(m in words for m in markers)
    ]
    closed = bool(NON_COMMERCIAL.search(words)) and not any("GPL" in name for _, _, name in found)
    if not found:
        return "unrecognised", closed
    return ("unrecognised", True) if closed else (min(found)[2], False)


def _creative(match: "re.Match[str]") -> "tuple[str, bool]":
    rest = match["rest"] or ""
    ending = "-SA" if rest.startswith(("share", "sa")) else "-ND" if rest else ""
    return f"CC-BY{'-NC' if match['nc'] else ''}{ending}-{match['version']}", bool(match["nc"])


def _mentioned(section: str) -> "tuple[str, bool]":
    words = " ".join(section.split())
    creative = re.search(CREATIVE, words.lower())
    if creative:
        return _creative(creative)
    name = next((name for name, pattern in MENTIONS if re.search(pattern, words, re.IGNORECASE)), "unrecognised")
    closed = bool(NON_COMMERCIAL.search(words))
    return ("unrecognised" if closed else name), closed


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(READ)
