"""What probe.json, contract.json and params.json say: how the model is used, and who says so."""

from typing import Any

from assay.records.base import Part, Record, Status
from assay.records.checkpoint import Tensor
from assay.records.claim import Claim, Question
from assay.records.observing import Observation


class Observed(Part, frozen=True, kw_only=True):
    """What one probing run showed."""

    name: str
    dtype: str
    shape: list[int]
    minimum: float | None
    maximum: float | None
    nonfinite: int


class Axis(Part, frozen=True, kw_only=True):
    """The sizes of one axis that were tried, from a size that ran."""

    size: int
    accepted: list[int]
    refused: list[int]  # no proof: with other sizes beside them they may be taken
    together: list[str] = []  # the axes that had to move with it
    step: int | None = None  # the smallest step that was taken
    multiple_of: int | None = None
    minimum: int | None = None  # in steps; no upper bound is searched


class Range(Part, frozen=True, kw_only=True):
    """What held for an output in every run."""

    runs: int
    minimum: float | None
    maximum: float | None
    within_one: bool  # all values from 0 to 1
    sums_to_one: int | None  # the axis
    one_hot: int | None  # the axis
    constant: bool  # the same for every input


class Probe(Record, frozen=True, kw_only=True):
    """outputs/probe.json"""

    status: Status
    runtime: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    observed: list[Observed]
    dims: dict[str, str]  # "input/0": "dynamic" | "fixed" | "not_observed: tries"
    axes: dict[str, Axis] = {}  # those of dims that no declaration fixes
    worked: dict[str, list[int]] = {}  # input shapes that ran
    scalars: dict[str, Any] = {}  # the numbers that ran beside them
    accepted: list[dict[str, Any]] = []  # shapes and numbers that ran, where a number such as a sample rate goes in
    batch: str  # "works" | "coupled" | "not_observed: ..." | "no batch axis"
    batch_tried: list[int] = []  # sizes that ran; no limit is searched
    batch_difference: float | None = None  # the largest between an item in a batch and alone, or its neighbours
    deterministic: bool | None  # the same bits; of a stateful model: after its reset
    repeat: str = (
        ""  # "bitwise equal" | "equal within 1e-06" | random: .. | stateful: .. | differs: .. | not_observed: ..
    )
    stateful: bool | None = None
    reset: str = ""  # what makes a stateful model as new
    dtypes: dict[str, dict[str, str]] = {}  # input -> type -> "accepted" | "refused: .."
    values: dict[str, str] = {}  # "zeros", "ones", "noise", "another" -> what came
    ranges: dict[str, Range] = {}  # output -> what held in all runs
    nan: dict[str, dict[str, str]] = {}  # input full of NaN -> output -> "NaN everywhere" | "swallowed" | ..
    training: bool | None = None  # whether it was built in training mode
    training_differs: bool | None = None  # whether that mode changes the answer
    training_repeats: bool | None = None  # whether the same input gives the same answer twice in it
    tries: int = 0
    not_tried: list[str] = []  # for lack of time, wholly or in part
    notes: list[str]
    observation: Observation | None = None  # upstream's own entrypoint, watched


class Contract(Record, frozen=True, kw_only=True):
    """outputs/contract.json"""

    task: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    batch_axis: int | None
    max_batch: int | None  # null: no limit known
    labels: list[str]
    # build|preprocess|infer|postprocess|draw -> recipe | drafted | transformers | default | edited | none
    functions: dict[str, str]
    roots: list[str] = []  # folders of refs/ that the adapter imports from
    reads: str = ""  # image | audio | bytes: what upstream's own entrypoint was seen to read
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
