"""The shape of every outputs/*.json; a record is read and written only through here."""

from typing import Any, Union

import msgspec

SCHEMA = 1


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A versioned file in outputs/."""

    schema: int = SCHEMA


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """A piece of a record."""


# ---------------------------------------------------------------- numbers
class Measured(Part, kw_only=True, tag="measured", tag_field="is"):
    """A number with its unit, its sample count and, where there is one, its interval."""

    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    method: str = ""


class Skipped(Part, kw_only=True, tag="skipped", tag_field="is"):
    """A number that was not measured, and why."""

    reason: str


Quantity = Union[Measured, Skipped]


class Status(Part, kw_only=True):
    """Whether a stage could do its work; blocked carries the reason and the question."""

    word: str = "done"  # done | blocked
    reason: str = ""
    question: str = ""


# ---------------------------------------------------------------- checkpoint
class Tensor(Part, kw_only=True):
    """A graph's input or output: a dimension is a number, a symbol, or null when unknown."""

    name: str
    dtype: str
    shape: list[int | str | None] | None


class Graph(Part, kw_only=True):
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


class Format(Part, kw_only=True):
    """What the bytes are, and how that was recognised."""

    name: str
    by: str
    suffix_says: str = ""  # set when the file name claims another format
    runs_here: bool = False
    needs: str = ""  # what running it would take, when it does not run here


class CheckpointFile(Part, kw_only=True):
    """One file of the checkpoint."""

    path: str
    bytes: int
    sha256: str


class Checkpoint(Record, kw_only=True):
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


# ---------------------------------------------------------------- refs and source
class License(Part, kw_only=True):
    """The licence text found in a tree."""

    file: str
    name: str  # SPDX id, "none", or "unrecognised"
    non_commercial: bool
    sha256: str


class SourceFile(Part, kw_only=True):
    """One file of an upstream tree."""

    path: str
    bytes: int
    sha256: str


class SourceTree(Part, kw_only=True):
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


class Refs(Record, kw_only=True):
    """outputs/refs.json"""

    trees: list[SourceTree]
    note: str = ""  # why there is none


class Requirement(Part, kw_only=True):
    """A requirement that upstream declares, with the line that says so."""

    name: str
    specifier: str
    marker: str
    file: str
    line: int
    kind: str  # runtime | optional | build | option (an index, URL or path: reported, never followed)
    text: str


class Source(Record, kw_only=True):
    """outputs/source.json"""

    files: int
    by_suffix: dict[str, int]
    python_files: list[str]
    documents: list[str]
    requirements: list[Requirement]
    unreadable: list[str]


# ---------------------------------------------------------------- environment
class Package(Part, kw_only=True):
    """A package that the model needs, and what is there."""

    name: str
    version: str  # "" when missing
    why: str
    group: str  # runtime | model | utility | acceleration


class Environment(Record, kw_only=True):
    """outputs/environment.json"""

    manager: str  # venv | pixi | conda | none
    chosen_because: str
    python: str
    implementation: str
    platform: str
    packages: list[Package]
    missing: list[str]


class Match(Record, kw_only=True):
    """outputs/match.json"""

    status: Status


# ---------------------------------------------------------------- probe and contract
class Observed(Part, kw_only=True):
    """What one probing run showed."""

    name: str
    dtype: str
    shape: list[int]
    minimum: float | None
    maximum: float | None
    nonfinite: int


class Probe(Record, kw_only=True):
    """outputs/probe.json"""

    status: Status
    runtime: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    observed: list[Observed]
    dims: dict[str, str]  # "input/0": "dynamic" | "fixed" | "not_observed: tries"
    worked: dict[str, list[int]] = {}  # input shapes that ran
    batch: str  # "works" | "coupled" | "not_observed: ..." | "no batch axis"
    deterministic: bool | None
    notes: list[str]


class Evidence(Part, kw_only=True):
    """Where a claim was read, or what observed it."""

    kind: str  # source | graph | probe | person | recipe
    where: str
    text: str = ""
    sha256: str = ""


class Claim(Part, kw_only=True):
    """One fact about use, with what supports it."""

    id: str
    value: Any
    unit: str = ""
    status: str  # unknown | read | observed | verified | confirmed | corrected | conflict | stale | blocked
    identified: bool | None = None
    by: str
    evidence: list[Evidence]
    alternatives: list[Any] = []
    conflicts: list[str] = []


class Question(Part, kw_only=True):
    """What only a person can answer."""

    id: str
    ask: str
    options: list[str] = []


class Contract(Record, kw_only=True):
    """outputs/contract.json"""

    task: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    batch_axis: int | None
    max_batch: int | None  # null: no limit known
    labels: list[str]
    functions: dict[str, str]  # build|preprocess|infer|postprocess|draw -> recipe | default | edited | none
    claims: list[Claim]
    questions: list[Question]


class Param(Part, kw_only=True):
    """A parameter of the adapter's functions."""

    value: Any
    origin: str  # yaml | recipe | signature
    used_by: list[str]


class Params(Record, kw_only=True):
    """outputs/params.json"""

    params: dict[str, Param]


# ---------------------------------------------------------------- running
class InputItem(Part, kw_only=True):
    """One input the model is run on."""

    id: str
    file: str  # inputs/<id>.<suffix>
    bytes: int
    sha256: str
    origin: str  # upstream | workspace | synthesised
    source: str


class Inputs(Record, kw_only=True):
    """outputs/inputs.json"""

    items: list[InputItem]
    labels: dict[str, Any]  # input id -> the truth, as the label file has it
    labels_file: str
    labels_sha256: str
    note: str


class ArrayFacts(Part, kw_only=True):
    """A tensor in numbers."""

    name: str
    dtype: str
    shape: list[int]
    minimum: float | None
    maximum: float | None
    mean: float | None
    nonfinite: int


class RawItem(Part, kw_only=True):
    """One input's raw answer."""

    id: str
    file: str  # raw/<id>.npz
    sha256: str
    tensors: list[ArrayFacts]  # what went in
    outputs: list[ArrayFacts]


class Runtime(Part, kw_only=True):
    """What computed: named, so that a number names its maker."""

    device: str
    provider: str
    precision: str
    threads: int
    batch: int
    versions: dict[str, str]
    isolation: str


class Infer(Record, kw_only=True):
    """outputs/infer.json"""

    status: Status
    items: list[RawItem]
    runtime: Runtime | None


class Prediction(Part, kw_only=True):
    """One decoded answer."""

    id: str
    result: Any


class Predictions(Record, kw_only=True):
    """outputs/predictions.json"""

    status: Status
    items: list[Prediction]


class Artifact(Part, kw_only=True):
    """One input followed through: file, tensors, raw answer, decoded answer, picture."""

    id: str
    input: str
    input_sha256: str
    tensors: list[ArrayFacts]
    raw: str
    raw_sha256: str
    picture: str
    picture_sha256: str


class Artifacts(Record, kw_only=True):
    """outputs/artifacts.json"""

    items: list[Artifact]
    runtime: Runtime | None
    command: str


# ---------------------------------------------------------------- measuring
class Latency(Part, kw_only=True):
    """One scope of one configuration."""

    scope: str  # end_to_end | preprocess | model | postprocess
    uncontended: Quantity  # CPU median on one thread, or median of clean iterations
    experienced: dict[str, Quantity]  # p50, p90, p95, p99, min, max: wall
    normalised: Quantity  # ratio to the reference kernel
    wall_over_cpu: Quantity
    contended: bool


class Cold(Part, kw_only=True):
    """The first answer, taken apart."""

    start: Quantity  # interpreter and imports
    read: Quantity  # file read (page-cache state in note)
    build: Quantity
    first: Quantity
    note: str


class Memory(Part, kw_only=True):
    """Peaks by phase."""

    ram_idle: Quantity
    ram_build: Quantity
    ram_first: Quantity
    ram_steady: Quantity
    vram_allocated: Quantity
    vram_reserved: Quantity
    vram_process: Quantity


class Configuration(Part, kw_only=True):
    """What was measured in one fresh process."""

    id: str  # b1-t1-fp32
    batch: int
    threads: int
    precision: str
    status: Status
    runtime: Runtime | None
    warmup: int
    warmup_settled: bool
    latency: list[Latency]
    throughput: Quantity
    cold: Cold | None
    memory: Memory | None


class Noise(Part, kw_only=True):
    """The machine while measuring."""

    load_before: float
    load_after: float
    involuntary_switches: int
    steal_ticks: int | None
    pressure: str
    governor: str


class Hardware(Part, kw_only=True):
    """The machine that gave the numbers."""

    host: str
    cpu: str
    cores: int
    memory_mib: int
    gpus: list[str]


class Stats(Record, kw_only=True):
    """outputs/stats.json"""

    status: Status
    hardware: Hardware | None
    configurations: list[Configuration]
    noise: Noise | None
    method: str
    samples: str  # outputs/samples.json: wall, cpu and switches of every iteration


class Judged(Part, kw_only=True):
    """One target and what became of it."""

    key: str
    op: str
    limit: float
    unit: str
    measured: Quantity
    status: str  # met | missed | undecided
    why: str
    pointer: str


class Metric(Part, kw_only=True):
    """One quality figure, with what it means."""

    id: str
    quantity: Quantity
    definition: str
    method: str
    better: str  # higher | lower
    per_class: dict[str, float] = {}


class Metrics(Record, kw_only=True):
    """outputs/metrics.json"""

    metrics: list[Metric]
    targets: list[Judged]
    verdict: str  # GO | NO-GO | NOT DECIDED
    because: list[str]


RECORDS = {
    "checkpoint": Checkpoint,
    "refs": Refs,
    "source": Source,
    "environment": Environment,
    "match": Match,
    "probe": Probe,
    "contract": Contract,
    "params": Params,
    "inputs": Inputs,
    "infer": Infer,
    "predictions": Predictions,
    "artifacts": Artifacts,
    "stats": Stats,
    "metrics": Metrics,
}


def to_json(record: Record) -> Any:
    """Turn a record into plain JSON values."""
    return msgspec.to_builtins(record)


def from_json(name: str, value: Any) -> Any:
    """Read a record; refuse another schema version by name."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"schema {schema}, this version reads schema {SCHEMA}")
    return msgspec.convert(value, RECORDS[name])


def json_schema() -> dict[str, Any]:
    """Write down the shape of every record as one JSON Schema."""
    _, components = msgspec.json.schema_components(RECORDS.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "assay records",
        "$defs": components,
        "properties": {name: {"$ref": f"#/$defs/{kind.__name__}"} for name, kind in RECORDS.items()},
    }
