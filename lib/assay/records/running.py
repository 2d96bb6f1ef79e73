"""What inputs.json, infer.json, predictions.json and artifacts.json say: inputs followed to answers."""

from typing import Any

from assay.records.base import Part, Record, Status


class InputItem(Part, frozen=True, kw_only=True):
    """One input the model is run on."""

    id: str
    file: str  # inputs/<id>.<suffix>
    bytes: int
    sha256: str
    origin: str  # upstream | workspace | synthesised
    source: str


class Inputs(Record, frozen=True, kw_only=True):
    """outputs/inputs.json"""

    items: list[InputItem]
    labels: dict[str, Any]  # input id -> the truth, as the label file has it
    labels_file: str
    labels_sha256: str
    note: str


class ArrayFacts(Part, frozen=True, kw_only=True):
    """A tensor in numbers."""

    name: str
    dtype: str
    shape: list[int]
    minimum: float | None
    maximum: float | None
    mean: float | None
    nonfinite: int


class RawItem(Part, frozen=True, kw_only=True):
    """One input's raw answer."""

    id: str
    file: str  # raw/<id>.npz
    sha256: str
    tensors: list[ArrayFacts]  # what went in
    outputs: list[ArrayFacts]


class Runtime(Part, frozen=True, kw_only=True):
    """What computed: named, so that a number names its maker."""

    device: str
    provider: str
    precision: str
    threads: int
    batch: int
    versions: dict[str, str]
    isolation: str
    lacking: list[str]  # what that isolation left open, on this machine


class Infer(Record, frozen=True, kw_only=True):
    """outputs/infer.json"""

    status: Status
    items: list[RawItem]
    runtime: Runtime | None
    skipped: dict[str, str] = {}  # inputs found by the tool that upstream's own code cannot read, and why


class Prediction(Part, frozen=True, kw_only=True):
    """One decoded answer."""

    id: str
    result: Any


class Predictions(Record, frozen=True, kw_only=True):
    """outputs/predictions.json"""

    status: Status
    items: list[Prediction]


class Artifact(Part, frozen=True, kw_only=True):
    """One input followed through: file, tensors, raw answer, decoded answer, picture or sound."""

    id: str
    input: str
    input_sha256: str
    tensors: list[ArrayFacts]
    raw: str
    raw_sha256: str
    picture: str
    picture_sha256: str
    sound: str = ""
    sound_sha256: str = ""


class Artifacts(Record, frozen=True, kw_only=True):
    """outputs/artifacts.json"""

    items: list[Artifact]
    runtime: Runtime | None
    command: str
