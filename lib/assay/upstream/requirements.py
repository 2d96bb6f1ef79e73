"""What upstream says it needs, with the line that says so; nothing is run or followed out of the tree."""

import codecs
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed

from assay.records import Requirement, Source

READ = 1 << 20
DEEPEST = 3
LONGEST = 300
TEXT_FILE = re.compile(
    r"(.*/)?([^/]*[-_.])?requirements?([-_.][^/]*)?\.(txt|in)|(.*/)?requirements/[^/]*\.(txt|in)", re.IGNORECASE
)
OPTIONAL = re.compile(
    r"(?<![a-z])(dev|develop|test|tests|doc|docs|lint|train|training|optional|extra|extras|demo|ci)(?![a-z])"
)
DOCUMENT = re.compile(r"readme([._-].*)?|.*\.(md|rst)", re.IGNORECASE)
CREDENTIALS = re.compile(r"://[^/@\s]+@")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
SKIPPED = {".git", "__pycache__", "node_modules"}


class Read(NamedTuple):
    """What the files of a tree declared, and which of them could not be read."""

    requirements: list[Requirement]
    unreadable: list[str]


class Unreadable(Exception):
    """A file that cannot be read as what its name says; the reason fits in brackets."""


def survey(tree: Path) -> Source:
    """Count a source tree's files and read what it declares to need."""
    files = sorted(_walk(tree))
    suffixes = Counter(Path(name).suffix.lower() or "(none)" for name in files)
    declared = find(tree, files)
    return Source(
        files=len(files),
        by_suffix=dict(sorted(suffixes.items())),
        python_files=[name for name in files if name.endswith(".py")],
        notebooks=[name for name in files if name.endswith(".ipynb")],
        documents=[name for name in files if DOCUMENT.fullmatch(name.rpartition("/")[2])],
        requirements=declared.requirements,
        unreadable=declared.unreadable,
    )


def find(tree: Path, files: "list[str]") -> Read:
    """Read every file of a tree that declares requirements."""
    from assay.upstream import manifests

    found: list[Requirement] = []
    unreadable: list[str] = []
    for name in files:
        reader = manifests.READERS.get(name.rpartition("/")[2])
        if name.count("/") > DEEPEST or not (reader or TEXT_FILE.fullmatch(name)):
            continue
        try:
            text = content(tree / name)
            read = reader(name, text) if reader else plain(name, text, set(files))
        except Unreadable as reason:
            unreadable.append(f"{name} ({reason})")
            continue
        found += read.requirements
        unreadable += read.unreadable
    return Read(sorted(found, key=lambda r: (r.file, r.line, r.name, r.text)), unreadable)


def plain(name: str, text: str, files: "set[str]") -> Read:
    """Read a requirements.txt."""
    kind = "optional" if OPTIONAL.search(name.lower()) else "runtime"
    read = Read([], [])
    for number, line in _joined(text):
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        line = re.sub(r"\s--(hash|config-settings|global-option)[= ]\S+", "", line).strip()
        included = re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)", line)
        if included and _beside(name, included[1]) in files and TEXT_FILE.fullmatch(_beside(name, included[1])):
            continue  # read on its own
        if line:
            add(read, line, name, number, kind)
    return read


def add(read: Read, line: str, file: str, number: int, kind: str) -> None:
    """Take one requirement line, or tell that it is none."""
    text = CREDENTIALS.sub("://***@", line)[:LONGEST]
    if is_option(line):
        egg = re.search(r"#egg=([\w.-]+)", line)
        read.requirements.append(made(egg[1] if egg else "", "", "", file, number, "option", text))
        return
    try:
        parsed = Parsed(line)
    except InvalidRequirement:
        read.unreadable.append(f"{file}:{number} (not a requirement: {text[:80]})")
        return
    marker = str(parsed.marker or "")
    said = "option" if parsed.url else kind
    read.requirements.append(made(parsed.name, str(parsed.specifier), marker, file, number, said, text))


def is_option(line: str) -> bool:
    """Tell a pip option, URL or path from a requirement."""
    bare = line.split("@")[0].strip() if re.match(r"[\w.\[\],-]+\s*@\s", line) else line
    if bare != line:
        return False
    starts = line.startswith(("-", ".", "/", "~", "file:")) or "://" in line
    return starts or "\\" in line or line.lower().endswith((".whl", ".zip", ".tar.gz"))


def made(name: str, specifier: str, marker: str, file: str, line: int, kind: str, text: str) -> Requirement:
    """Make a requirement's record."""
    return Requirement(
        name=name, specifier=specifier, marker=marker, file=file, line=line, kind=kind, text=text[:LONGEST]
    )


def content(path: Path, most: int = READ) -> str:
    """Read a small text file, in whatever encoding it announces."""
    data = raw(path, most)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("neither UTF-8 nor UTF-16") from None
    if "\0" in text:
        raise Unreadable("holds NUL characters")
    return text


def raw(path: Path, most: int = READ) -> bytes:
    """Read a small file's bytes."""
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise Unreadable((error.strerror or "cannot be read").lower()) from None
    if len(data) > most:
        raise Unreadable(f"longer than {most} bytes")
    return data


def _joined(text: str) -> "list[tuple[int, str]]":
    """Give logical lines with the number of their first line."""
    found: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            pending += line[:-1] + " "
            continue
        found.append((start, pending + line))
        pending, start = "", 0
    return [*found, (start, pending)] if pending else found


def _beside(name: str, other: str) -> str:
    import posixpath

    return posixpath.normpath(posixpath.join(posixpath.dirname(name), other))


def _walk(tree: Path) -> "list[str]":
    import os

    found = []
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if name not in SKIPPED]
        here = Path(folder)
        found += [(here / name).relative_to(tree).as_posix() for name in names if _regular(here / name)]
    return found


def _regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
