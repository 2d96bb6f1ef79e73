"""What refs.json and source.json say: upstream's trees, their licences and requirements."""

from typing import Any

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


class Value(Part, frozen=True, kw_only=True):
    """A value that a parameter may take, and the line that says so."""

    value: Any
    by: str  # call | config | labels | literal | constant | docs
    where: str  # <tree>/<path>:<line>
    text: str


class CandidateParameter(Part, frozen=True, kw_only=True):
    """One parameter of what builds a model; a default that is no plain value is {"unknown": its text}."""

    name: str
    default: Any = None
    has_default: bool = False
    kind: str = "positional"  # positional | keyword | *args | **kwargs
    values: list[Value] = []


class Call(Part, frozen=True, kw_only=True):
    """One call that builds a candidate; an argument that is not known is {"unknown": its text}."""

    where: str
    text: str
    args: dict[str, Any] = {}
    entry: bool = False  # whether an entrypoint reaches it


class Candidate(Part, frozen=True, kw_only=True):
    """A class or function that may build the checkpoint's model, by the names of its weights."""

    path: str
    module: str  # dotted, as imported from root
    root: str
    qualname: str
    kind: str = "class"  # class | factory
    line: int = 1
    matched: int = 0  # keys of the checkpoint that its attributes explain
    total: int = 0
    parameters: list[CandidateParameter] = []
    calls: list[Call] = []


class Option(Part, frozen=True, kw_only=True):
    """One option or argument of a script's command line; what is no plain value is {"unknown": its text}."""

    flags: list[str]
    dest: str
    default: Any = None
    type: str = ""
    action: str = ""
    required: bool = False
    nargs: Any = None
    choices: list[Any] = []
    help: str = ""
    line: int = 1


class Command(Part, frozen=True, kw_only=True):
    """A command line by which a document runs a script."""

    argv: list[str]
    where: str
    cd: str = ""  # the folder of the tree that it is run in


class Script(Part, frozen=True, kw_only=True):
    """How one of the entrypoints is run."""

    path: str
    options: list[Option] = []
    commands: list[Command] = []
    guarded: bool = False
    call: str = ""  # module:function, of a file whose function an installed command calls


class Snippet(Part, frozen=True, kw_only=True):
    """Python in a document that uses the tree's own code."""

    path: str
    line: int
    text: str


PAGE = "page"  # what the lines of a web page are called


class Use(Part, frozen=True, kw_only=True):
    """A function of upstream's that runs the model for its caller, and a call of it that assay wrote."""

    path: str
    line: int
    head: str  # the text of that line
    function: str  # as it is called in its file
    module: str
    text: str  # Python; sys.argv has the checkpoint and the input
    root: str  # the folder to import from
    kind: str  # image | audio
    given: str  # path | bytes | picture | array: what its caller opens; upload: the text is a web handler's own lines
    builds: bool = False  # its text calls build(), which the match writes
    open: list[str] = []  # what is the caller's choice, and no line of upstream's says
    doubted: bool = False  # whether a file as it is read may be something else than what callers give it
    made_before: str = ""  # the line on which a caller of upstream's hands it something else than a file as it was read

    @property
    def served(self) -> bool:
        """Tell a web handler, whose own lines the text is."""
        return self.given == "upload"

    @property
    def paged(self) -> bool:
        """Tell the lines of a web page, which is no function."""
        return self.served and self.function == PAGE

    @property
    def name(self) -> str:
        """Name it: of a function that is called, itself; of a handler, that its lines are meant."""
        return f"{self.function}()" if self.served else self.function

    @property
    def where(self) -> str:
        """Name the function, wherever in its file it stands."""
        return f"{self.path}:{self.name}"


class Labels(Part, frozen=True, kw_only=True):
    """A list of names that may be the model's labels."""

    where: str
    names: list[str]
    count: int
    first: int = 0  # the number of the first name
    keyed: bool = False  # a table by number, not a list


class Fact(Part, frozen=True, kw_only=True):
    """What the code around the model's call says of its input or output."""

    id: str
    value: Any
    path: str
    line: int
    qualname: str = ""
    text: str = ""
    reason: str = ""  # absence: nothing says otherwise


class Source(Record, frozen=True, kw_only=True):
    """outputs/source.json"""

    files: int
    by_suffix: dict[str, int]
    python_files: list[str]
    documents: list[str]
    notebooks: list[str] = []
    requirements: list[Requirement]
    unreadable: list[str]
    modules: list[Module] = []
    entrypoints: list[Entrypoint] = []  # the likeliest first
    imports_sha256: str = ""  # of what is imported where, without the lines
    candidates: list[Candidate] = []  # the likeliest first
    scripts: list[Script] = []
    snippets: list[Snippet] = []
    uses: list[Use] = []
    labels: list[Labels] = []
    configs: list[str] = []  # files of settings that code or documents name
    facts: list[Fact] = []
    index_notes: list[str] = []  # what of the tree was not looked at, and why
