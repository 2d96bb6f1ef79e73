"""What probe.json, contract.json and params.json say: how the model is used, and who says so."""

from typing import Any

from assay.records.base import Part, Record, Status
from assay.records.checkpoint import Tensor


class Observed(Part, frozen=True, kw_only=True):
    """What one probing run showed."""

    name: str
    dtype: str
    shape: list[int]
    minimum: float | None
    maximum: float | None
    nonfinite: int


class Probe(Record, frozen=True, kw_only=True):
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


class Evidence(Part, frozen=True, kw_only=True):
    """Where a claim was read, or what observed it."""

    kind: str  # source | graph | probe | person | recipe
    where: str
    text: str = ""
    sha256: str = ""


class Claim(Part, frozen=True, kw_only=True):
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


class Question(Part, frozen=True, kw_only=True):
    """What only a person can answer."""

    id: str
    ask: str
    options: list[str] = []


class Contract(Record, frozen=True, kw_only=True):
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


class Param(Part, frozen=True, kw_only=True):
    """A parameter of the adapter's functions."""

    value: Any
    origin: str  # yaml | recipe | signature
    used_by: list[str]


class Params(Record, frozen=True, kw_only=True):
    """outputs/params.json"""

    params: dict[str, Param]
