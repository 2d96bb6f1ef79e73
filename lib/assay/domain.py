"""What an experiment is, once its YAML has been read: frozen values, no I/O."""

from typing import Any

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an experiment."""


class Model(Value, frozen=True, kw_only=True):
    """What is examined."""

    checkpoint: str  # as written: relative to the repository, or absolute
    name: str = ""
    task: str = ""  # detection | classification | ... | ""
    claimed: dict[str, str] = {}


class SourceSpec(Value, frozen=True, kw_only=True):
    """Where upstream's code is."""

    repo: str = ""
    rev: str = ""
    path: str = ""


class EnvSpec(Value, frozen=True, kw_only=True):
    """Which interpreter runs the model, and what to do when something is missing."""

    manager: str = "auto"
    python: str = ""
    on_missing: str = "ask"
    index: dict[str, str] = {}


class InputSpec(Value, frozen=True, kw_only=True):
    """Which inputs the model is run on."""

    find: tuple[str, ...] = ("refs", "datasets", "downloads")
    count: int = 8
    labels: str = ""


class MeasureSpec(Value, frozen=True, kw_only=True):
    """Which configurations are timed; the first of each list is the plain one."""

    batch: tuple[int, ...] = (1,)
    threads: tuple[int | str, ...] = (1,)  # a count or "all"
    precision: tuple[str, ...] = ("fp32",)
    seconds: float = 5.0


class Target(Value, frozen=True, kw_only=True):
    """A limit that the user set for a metric."""

    key: str  # as written: latency_ms.p50[batch=8,scope=model]
    metric: str  # latency_ms.p50
    where: dict[str, str]  # {"batch": "8", "scope": "model"}
    op: str  # <= >= < >
    limit: float


class Confirmation(Value, frozen=True, kw_only=True):
    """What a person said about one claim."""

    id: str
    kind: str  # is | confirm | unknown
    value: Any = None
    by: str = ""
    date: str = ""
    why: str = ""
    against: str = ""


class Experiment(Value, frozen=True, kw_only=True):
    """One experiments/<name>.yaml together with its recipe's defaults."""

    name: str
    file: str
    model: Model
    source: SourceSpec = SourceSpec()
    recipe: str = ""  # recipes/<name>, or ""
    adapter: str = ""  # recipes/<name>/adapter.py, or ""
    env: EnvSpec = EnvSpec()
    device: str = "auto"
    inputs: InputSpec = InputSpec()
    contract: tuple[Confirmation, ...] = ()
    params: dict[str, Any] = {}  # typed: int, float, bool, text, list of these
    measure: MeasureSpec = MeasureSpec()
    train: bool = False
    targets: tuple[Target, ...] = ()
    workspace: str = ""
    notes: str = ""  # experiments/<name>.notes.md, or ""
    defaults: dict[str, Any] = {}  # parameters that the recipe set, for the record of origins


def values(experiment: Experiment) -> Any:
    """Turn an experiment into plain values, for projection by key path."""
    return _listed(msgspec.to_builtins(experiment))


def _listed(value: Any) -> Any:
    """Turn tuples into lists, as JSON gives them back."""
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, (list, tuple)) else value
