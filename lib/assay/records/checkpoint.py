"""What checkpoint.json says: the file, its format, its graph."""

from assay.records.base import Part, Record


class Tensor(Part, frozen=True, kw_only=True):
    """A graph's input or output: a dimension is a number, a symbol, or null when unknown."""

    name: str
    dtype: str
    shape: list[int | str | None] | None


class Graph(Part, frozen=True, kw_only=True):
    """What a graph file says about itself."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    opset: dict[str, int]
    ir_version: int
    producer: str
    nodes: int
    ops: dict[str, int]
    parameters: int
    initializer_bytes: int
    initializer_dtypes: dict[str, int]
    metadata: dict[str, str]
    input_steps: dict[str, list[str]]  # per input: the arithmetic right behind it, as "Sub 127.0", "Div 128.0"
    external_data: list[str]


class Format(Part, frozen=True, kw_only=True):
    """What the bytes are, and how that was recognised."""

    name: str
    by: str
    suffix_says: str = ""  # set when the file name claims another format
    runs_here: bool = False
    needs: str = ""  # what running it would take, when it does not run here


class CheckpointFile(Part, frozen=True, kw_only=True):
    """One file of the checkpoint."""

    path: str
    bytes: int
    sha256: str


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
    risks: list[str] = []
