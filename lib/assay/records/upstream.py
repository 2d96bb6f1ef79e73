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


class Import(Part, frozen=True, kw_only=True):
    """One import statement of an upstream file."""

    module: str  # dotted, as written; a relative one begins with its dots
    names: list[str]  # of `from module import names`; [] of `import module`
    line: int
    kind: str  # hard | lazy | optional | typing | main | dynamic | computed


class Module(Part, frozen=True, kw_only=True):
    """What one Python file of upstream imports."""

    path: str  # <tree>/<path in it>
    imports: list[Import]
    broken: str = ""  # why it cannot be read, of one that is no Python 3


class Entrypoint(Part, frozen=True, kw_only=True):
    """A file from which upstream runs its model, and why it looks like one."""

    path: str
    score: int
    reasons: list[str]


class Source(Record, frozen=True, kw_only=True):
    """outputs/source.json"""

    files: int
    by_suffix: dict[str, int]
    python_files: list[str]
    documents: list[str]
    requirements: list[Requirement]
    unreadable: list[str]
    modules: list[Module] = []
    entrypoints: list[Entrypoint] = []  # the likeliest first
    imports_sha256: str = ""  # of what is imported where, without the lines
