"""What refs.json and source.json say: upstream's trees, their licences and requirements."""

from assay.records.base import Part, Record


class License(Part, frozen=True, kw_only=True):
    """The licence text found in a tree."""

    file: str
    name: str  # SPDX id, "none", or "unrecognised"
    non_commercial: bool
    sha256: str


class SourceFile(Part, frozen=True, kw_only=True):
    """One file of an upstream tree."""

    path: str
    bytes: int
    sha256: str


class SourceTree(Part, frozen=True, kw_only=True):
    """One upstream tree as it lies in refs/."""

    name: str
    kind: str  # git | local
    url: str = ""
    rev: str = ""
    commit: str = ""
    tag: str = ""
    dirty: bool | None = None
    tree_sha256: str
    files: list[SourceFile]
    left_out: list[str]  # "path (why)"
    license: License


class Refs(Record, frozen=True, kw_only=True):
    """outputs/refs.json"""

    trees: list[SourceTree]
    note: str = ""  # why there is none


class Requirement(Part, frozen=True, kw_only=True):
    """A requirement that upstream declares, with the line that says so."""

    name: str
    specifier: str
    marker: str
    file: str
    line: int
    kind: str  # runtime | optional | build | option (an index, URL or path: reported, never followed)
    text: str


class Source(Record, frozen=True, kw_only=True):
    """outputs/source.json"""

    files: int
    by_suffix: dict[str, int]
    python_files: list[str]
    documents: list[str]
    requirements: list[Requirement]
    unreadable: list[str]
