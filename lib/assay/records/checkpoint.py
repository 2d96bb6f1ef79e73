"""What checkpoint.json says: the file, its format, what it holds, and what it could do."""

from typing import Any

from assay.records.base import Part, Record


class Tensor(Part, frozen=True, kw_only=True):
    """A graph's input or output: a dimension is a number, a symbol, or null when unknown."""

    name: str
    dtype: str
    shape: list[int | str | None] | None


class Graph(Part, frozen=True, kw_only=True):
    """What a file that holds a graph says about it."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    opset: dict[str, int] = {}
    ir_version: int = 0
    producer: str = ""
    nodes: int = 0
    ops: dict[str, int] = {}
    custom_ops: list[str] = []  # operators that need a library of their own
    ranges: dict[str, str] = {}  # of a symbolic dimension, where the file gives one: {"batch": "1..16"}
    input_steps: dict[str, list[str]] = {}  # per input: the arithmetic right behind it, as "Sub 127.0", "Div 128.0"


class Format(Part, frozen=True, kw_only=True):
    """What the bytes are, and how that was recognised."""

    name: str
    by: str
    what: str = ""
    runs_here: bool = False
    needs: str = ""  # what running it would take, when it does not run here
    carries: str = ""  # graph | program | weights | pickles (weights in them) | closed


class CheckpointFile(Part, frozen=True, kw_only=True):
    """One file of the checkpoint."""

    path: str
    bytes: int
    sha256: str


class Weight(Part, frozen=True, kw_only=True, omit_defaults=True):
    """One tensor that the file holds."""

    name: str
    dtype: str
    shape: list[int]
    parameters: int
    bytes: int
    at: int | None = None  # the byte of the file where its numbers begin; null when they do not lie there plainly
    stride: list[int] = []  # in numbers, when they do not lie row by row
    file: str = ""  # which file of several
    big: bool = False  # whether each number is written with its high byte first
    part: str = ""  # which part of several: model, ema


class Total(Part, frozen=True, kw_only=True):
    """What tensors of one kind add up to; numbers that several tensors share count once."""

    tensors: int
    parameters: int
    bytes: int


class Values(Part, frozen=True, kw_only=True):
    """What a look at every number showed."""

    checked: int  # numbers looked at
    nonfinite: dict[str, int] = {}  # per tensor: how many are NaN or infinite
    infinite: dict[str, int] = {}  # per tensor: how many of these are infinite, as those of a mask may be
    zero: list[str] = []  # tensors of more than one number in which all are zero
    unchecked: dict[str, int] = {}  # per reason: how many tensors were not looked at


class Named(Part, frozen=True, kw_only=True):
    """Code that a pickle names: what loading it would import and may call."""

    name: str  # module.name
    verdict: str  # tensors (needed by them) | harmless | unknown | dangerous
    why: str = ""
    times: int = 1
    where: str = ""  # the member or file that names it first


class Document(Part, frozen=True, kw_only=True):
    """A text that came with the weights: in the file, or beside it."""

    path: str
    bytes: int
    sha256: str
    embedded: bool = False


class Hint(Part, frozen=True, kw_only=True):
    """A guess, marked as one."""

    family: str
    because: str


class Checkpoint(Record, frozen=True, kw_only=True):
    """outputs/checkpoint.json"""

    name: str
    kind: str  # file | folder
    bytes: int
    sha256: str
    files: list[CheckpointFile]
    format: Format
    claimed: dict[str, str]
    graph: Graph | None = None
    tensors: list[Weight] = []
    parameters: int = 0  # of all tensors together; numbers that several share count once
    totals: dict[str, Total] = {}  # by data type
    parts: dict[str, Total] = {}  # when the file holds several sets of weights: model, ema
    shared: list[list[str]] = []  # tensors that lie on the same numbers
    quantised: list[str] = []
    wrapper: list[str] = []  # what stands around the weights: keys, module., a whole pickled module
    leftovers: dict[str, Any] = {}  # what else a training run left: epoch, args, optimizer
    values: Values | None = None
    code: list[Named] = []
    trust: list[str] = []  # why loading it as its maker meant runs code of the file; empty: it is data
    to_trust: str = ""  # what the experiment's trust has to be when there is such a reason: the digest
    cannot: list[str] = []  # why nothing loads it as it is
    metadata: dict[str, str] = {}
    labels: list[str] = []  # as its exporter embedded them
    documents: list[Document] = []
    looks_like: Hint | None = None
    risks: list[str] = []
