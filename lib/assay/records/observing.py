"""What was seen when upstream's own code ran, and what came of it: parts of probe.json, and agreement.json."""

from typing import Any

from assay.records.base import Part, Record, Status
from assay.records.running import ArrayFacts


class Intervention(Part, frozen=True, kw_only=True):
    """What was answered in upstream's stead, so that its run could go on."""

    what: str
    where: str = ""
    code: str = ""  # the line that an adapter needs for the same


class ModelCall(Part, frozen=True, kw_only=True):
    """The model's first call in a run: what went in, what came out, and on which line."""

    method: str
    where: str
    inputs: list[ArrayFacts]
    outputs: list[ArrayFacts]
    training: bool = False  # upstream called it in training mode


class Watched(Part, frozen=True, kw_only=True):
    """One run of upstream's entrypoint over one input."""

    input: str
    outcome: str  # ok | no-call | failed | missing-package | hung | refused | exited
    message: str = ""
    where: str = ""
    calls: int = 0
    first: ModelCall | None = None


class Attempt(Part, frozen=True, kw_only=True):
    """One way in which upstream's entrypoint was started."""

    entry: str  # tree/path, or tree/README.md:LINE of a documented use
    argv: list[str]
    cwd: str
    kind: str  # image | audio | bytes
    outcome: str
    message: str = ""
    where: str = ""


class Finding(Part, frozen=True, kw_only=True):
    """A value that a probe found out, with how sure that is."""

    id: str
    value: Any
    unit: str = ""
    tries: int = 0
    residual: float | None = None
    identified: bool | None = None
    reason: str = ""
    alternatives: list[Any] = []
    evidence: list[str] = []  # the made-up inputs that told it apart
    detail: dict[str, Any] = {}
    tensor: str = ""


class Argument(Part, frozen=True, kw_only=True):
    """What upstream's own run passed when it built the model."""

    value: Any
    where: str


class Rehearsal(Part, frozen=True, kw_only=True):
    """How a function written by the tool did beside upstream's own run."""

    function: str
    outcome: str  # same | different | failed | unseen | not written
    runs: int = 0
    difference: float | None = None
    message: str = ""


class Draft(Part, frozen=True, kw_only=True):
    """An adapter written from what was seen, and how it stood the rehearsal."""

    text: str
    by: str  # drafted | transformers
    functions: list[str]  # that may be used
    rehearsals: list[Rehearsal]
    names: list[str] = []  # of the model's inputs
    many: bool = False  # upstream calls the model again and again for one input: infer does
    roots: list[str] = []  # folders of refs/ that its imports are found in
    cited: dict[str, str] = {}  # parameter or argument -> tree/path:line


class Observation(Part, frozen=True, kw_only=True):
    """What running upstream's entrypoint showed."""

    status: str  # seen | alone: at work on data of its own | not seen
    reason: str = ""
    attempts: list[Attempt] = []
    runs: list[Watched] = []
    interventions: list[Intervention] = []
    findings: list[Finding] = []
    arguments: dict[str, Argument] = {}
    made: str = ""  # the class that upstream's own run made for the checkpoint: tree/path:name
    draft: Draft | None = None


class Agreed(Part, frozen=True, kw_only=True):
    """One input through the adapter and through upstream's own entrypoint."""

    id: str
    tensors: str  # same | different | not compared
    outputs: str
    answer: str
    difference: float | None = None
    message: str = ""


class Agreement(Record, frozen=True, kw_only=True):
    """outputs/agreement.json"""

    status: Status
    entry: str = ""
    argv: list[str] = []
    items: list[Agreed] = []
    interventions: list[Intervention] = []
