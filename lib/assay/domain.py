"""What an experiment is, once its YAML has been read: frozen values, no I/O."""

from typing import Any, NamedTuple


class Model(NamedTuple):
    """What is examined."""

    checkpoint: str  # as written: relative to the repository, or absolute
    name: str = ""
    task: str = ""  # detection | classification | ... | ""
    claimed: dict[str, str] = {}


class SourceSpec(NamedTuple):
    """Where upstream's code is."""

    repo: str = ""
    rev: str = ""
    path: str = ""
    entry: tuple[str, ...] = ()  # the files that run the model
    options: dict[str, Any] = {}  # of the entrypoint's command line, where its default is not meant
    meant: str = ""  # the class, where a person said which of several that fit


class IndexSpec(NamedTuple):
    """Where packages come from, and which of them may."""

    url: str = ""  # in place of the public index
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()  # folders or pages of wheels
    strategy: str = "first-index"
    constraints: str = ""  # a file of the repository
    excludes: tuple[str, ...] = ()  # packages that are never installed, whatever asks for them
    torch_backend: str = ""  # cpu, cu126, ...
    build: tuple[str, ...] = ()  # packages that may be built from source, which runs their code
    cooldown_days: int = 7  # how old a release has to be before it is the latest
    pip: bool = False  # whether pip's own configuration holds too


class EnvSpec(NamedTuple):
    """Which interpreter runs the model, and what to do when something is missing."""

    manager: str = "auto"
    python: str = ""
    on_missing: str = "ask"
    optional: bool = False  # whether what a model can do without is installed too
    map: dict[str, str] = {}  # import name -> package, where nothing else tells
    index: IndexSpec = IndexSpec()  # type: ignore[assignment]  # hides tuple.index, which nobody needs here


class InputSpec(NamedTuple):
    """Which inputs the model is run on."""

    find: tuple[str, ...] = ("refs", "datasets", "downloads")
    count: int = 8  # type: ignore[assignment]  # hides tuple.count, likewise
    labels: str = ""


class MeasureSpec(NamedTuple):
    """Which configurations are timed; the first of each list is the plain one."""

    batch: tuple[int, ...] = (1,)
    threads: tuple[int | str, ...] = (1,)  # a count or "all"
    precision: tuple[str, ...] = ("fp32",)
    seconds: float = 5.0


class Target(NamedTuple):
    """A limit that the user set for a metric."""

    key: str  # as written: latency_ms.p50[batch=8,scope=model]
    metric: str  # latency_ms.p50
    where: dict[str, str]  # {"batch": "8", "scope": "model"}
    op: str  # <= >= < >
    limit: float


class Confirmation(NamedTuple):
    """What a person said about one claim."""

    id: str
    kind: str  # is | confirm | unknown
    value: Any = None
    by: str = ""
    date: str = ""
    why: str = ""
    against: str = ""


class Experiment(NamedTuple):
    """One experiments/<name>.yaml together with its recipe's defaults."""

    name: str
    file: str
    model: Model
    source: SourceSpec = SourceSpec()
    recipe: str = ""  # recipes/<name>, or ""
    adapter: str = ""  # recipes/<name>/adapter.py, or ""
    env: EnvSpec = EnvSpec()
    device: str = "auto"
    trust: str = ""  # the SHA-256 of a checkpoint whose code may run
    sandbox: str = "landlock"  # the weakest isolation that upstream's code may run in
    network: bool = False
    inputs: InputSpec = InputSpec()
    contract: tuple[Confirmation, ...] = ()
    params: dict[str, Any] = {}  # typed: int, float, bool, text, list of these
    measure: MeasureSpec = MeasureSpec()
    train: bool = False
    targets: tuple[Target, ...] = ()
    workspace: str = ""
    notes: str = ""  # experiments/<name>.notes.md, or ""
    defaults: dict[str, Any] = {}  # parameters that the recipe set, for the record of origins


def values(part: Any) -> Any:
    """Turn an experiment into the plain values of JSON, for projection by key path."""
    if isinstance(part, tuple):
        return values(part._asdict()) if hasattr(part, "_asdict") else [values(v) for v in part]
    if isinstance(part, dict):
        return {k: values(v) for k, v in part.items()}
    return [values(v) for v in part] if isinstance(part, list) else part
