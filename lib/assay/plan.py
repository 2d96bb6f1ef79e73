"""The stage graph as data: what each stage is asked with, and what it leaves."""

from collections.abc import Iterable
from typing import NamedTuple

from assay import layout


class Stage(NamedTuple):
    """One step from files to files. Everything named here stands in the stage's request, and nothing else does."""

    name: str
    does: str
    after: tuple[str, ...] = ()  # stages that are settled first
    yaml: tuple[str, ...] = ()  # key paths of the experiment
    records: tuple[str, ...] = ()  # "record:key.path", "*" steps into every entry of a list
    # checkpoint | source | labels | notes | imports | supplies | in_place (an adapter edited there) | beside, modules
    files: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()  # adapter functions, by their code and by the parameters they take
    facts: tuple[str, ...] = ()  # interpreter | accelerator | hardware | variables
    writes: tuple[str, ...] = ()  # promised files; the first one names the stage in doit
    worker: str = ""  # the worker's modules, when the model's interpreter does the work
    alone: bool = False  # no other worker may run beside it
    not_yet: str = ""


CARE = ("trust", "sandbox", "network")  # what code of others may do
PACKAGES = ("environment:packages.*.name", "environment:packages.*.version")
RUN = (
    "checkpoint:sha256",
    "checkpoint:format.name",
    "contract:inputs",
    "contract:outputs",
    "contract:batch_axis",
    "contract:max_batch",
    "contract:roots",
    "environment:python",
    *PACKAGES,
    "probe:status",
)
# all of checkpoint.json but its tensors, of which there may be thousands: the totals say what the reports say
CHECKPOINT = tuple(
    f"checkpoint:{key}"
    for key in (
        *(
            "schema",
            "name",
            "kind",
            "bytes",
            "sha256",
            "files",
            "format",
            "claimed",
            "graph",
            "parameters",
            "totals",
            "parts",
        ),
        *("shared", "quantised", "wrapper", "leftovers", "values", "code", "trust", "to_trust", "cannot"),
        *("metadata", "labels", "documents", "looks_like", "risks"),
    )
)
USED_INPUTS = ("inputs:items.*.id", "inputs:items.*.file", "inputs:items.*.sha256")
EVERY_FUNCTION = ("build", "preprocess", "infer", "postprocess", "draw")


def _out(*names: str) -> tuple[str, ...]:
    return tuple(layout.record(n) for n in names)


STAGES = (
    Stage(
        "checkpoint",
        "what the file is, holds and could do: format by content, SHA-256, tensors, graph, code it names",
        yaml=("model.checkpoint", "model.claimed"),
        files=("checkpoint",),
        writes=_out("checkpoint"),
    ),
    Stage(
        "refs",
        "upstream's code, pinned, with its licence",
        yaml=("source.repo", "source.rev", "source.path"),
        files=("source",),
        writes=_out("refs"),
    ),
    Stage(
        "source",
        "what upstream's tree holds and declares",
        after=("checkpoint", "refs"),
        yaml=("source.entry",),
        records=("checkpoint:name", "checkpoint:sha256", "refs:trees.*.name", "refs:trees.*.tree_sha256"),
        writes=_out("source"),
    ),
    Stage(
        "deps",
        "what the model needs, and what its interpreter has",
        after=("checkpoint", "source"),
        yaml=("env.manager", "env.python", "env.map", "env.optional", "source.entry", "trust", "sandbox"),
        records=(
            *(f"checkpoint:{key}" for key in ("format.name", "code", "trust", "to_trust", "cannot")),
            *(f"source:requirements.*.{key}" for key in ("name", "specifier", "kind")),
            *("source:imports_sha256", "source:entrypoints.*.path", "source:entrypoints.*.reasons"),
        ),
        files=("imports", "modules", "supplies"),
        facts=("interpreter",),
        writes=(*_out("environment"), layout.DEPS_LOCK),
        worker="check attempt",
    ),
    Stage(
        "match",
        "the class and the arguments that the weights belong to, proved by building it without memory",
        after=("checkpoint", "refs", "source", "deps"),
        yaml=("source.meant", *CARE),
        records=(
            *(f"checkpoint:{key}" for key in ("sha256", "format.name", "code", "trust", "to_trust", "cannot")),
            "checkpoint:format.carries",
            "refs:trees.*.name",
            *(f"source:candidates.*.{key}" for key in ("path", "module", "root", "qualname", "kind")),
            "source:candidates.*.parameters.*.name",
            "source:candidates.*.parameters.*.values.*.value",
            "source:candidates.*.calls.*.args",
            "environment:python",
            *PACKAGES,
            "environment:missing",
        ),
        files=("supplies",),
        writes=_out("match"),
        worker="match",
    ),
    Stage(
        "probe",
        "how upstream runs the model, and how the model behaves",
        after=("checkpoint", "source", "deps", "match"),
        yaml=("device", "source.entry", "source.options", *CARE),
        records=(
            "checkpoint:name",
            "checkpoint:sha256",
            "checkpoint:format",
            "checkpoint:wrapper",
            "checkpoint:graph.inputs",
            "checkpoint:graph.outputs",
            "environment:python",
            *PACKAGES,
            "environment:missing",
            *(f"match:{key}" for key in ("status", "outcome", "why", "strip", "missing", "unexpected")),
            *(f"match:best.{key}" for key in ("module", "root", "qualname", "kind")),
            *(f"match:best.args.*.{key}" for key in ("name", "value")),
            *(f"source:scripts.*.{key}" for key in ("path", "call", "guarded", "commands.*.argv", "commands.*.cd")),
            *(f"source:scripts.*.options.*.{key}" for key in ("flags", "default", "required", "choices", "action")),
            "source:snippets.*.text",
            *(f"source:uses.*.{key}" for key in ("path", "function", "text", "builds", "doubted")),
            "source:entrypoints.*.path",
        ),
        files=("supplies",),
        facts=("accelerator", "variables"),
        writes=_out("probe"),
        worker="probe behave rehearse",
    ),
    Stage(
        "contract",
        "what goes in, what comes out, and who says so",
        after=("checkpoint", "refs", "source", "deps", "match", "probe"),
        yaml=("model.task", "source.options", "contract", "params", "defaults", "recipe"),
        records=(
            "source:scripts",
            "source:snippets",
            "source:uses",
            "checkpoint:name",
            "checkpoint:kind",
            "checkpoint:sha256",
            "checkpoint:graph",
            "checkpoint:labels",
            "checkpoint:metadata",
            "checkpoint:documents",
            "checkpoint:format.name",
            "checkpoint:format.runs_here",
            "refs:trees.*.tree_sha256",
            "source:facts",
            "source:labels",
            "probe:*",
            "match:*",
        ),
        files=("in_place", "beside"),
        functions=EVERY_FUNCTION,
        writes=(*_out("contract", "params"), layout.ADAPTER),
    ),
    Stage(
        "inputs",
        "what the model is run on: real ones first",
        after=("refs", "contract"),
        yaml=("inputs", "model.task"),
        records=(
            "contract:inputs",
            "contract:functions.preprocess",
            "contract:reads",
            "contract:task",
            "contract:batch_axis",
            "probe:status",
            "probe:worked",
            "probe:scalars",
            "probe:observation.status",
            "probe:observation.runs.*.input",
            "probe:observation.runs.*.outcome",
            "probe:inputs.*.name",
            "probe:inputs.*.dtype",
            "refs:trees.*.name",
        ),
        files=("labels",),
        writes=_out("inputs"),
    ),
    Stage(
        "infer",
        "the model's answers, before decoding",
        after=("contract", "inputs"),
        yaml=("device", *CARE),
        records=(*RUN, *USED_INPUTS, "inputs:note", "inputs:labels_file", "contract:functions.preprocess"),
        functions=("build", "preprocess", "infer"),
        facts=("accelerator", "variables"),
        writes=_out("infer"),
        worker="infer",
    ),
    Stage(
        "decode",
        "the answers in a person's terms, and pictures of them",
        after=("infer",),
        yaml=CARE,
        records=(
            "infer:status",
            "infer:items.*.id",
            "infer:items.*.sha256",
            "infer:items.*.file",
            "infer:items.*.tensors",
            "infer:runtime",
            "environment:python",
            *PACKAGES,
            *USED_INPUTS,
        ),
        functions=("postprocess", "draw"),
        facts=("variables",),
        writes=_out("predictions", "artifacts"),
        worker="decode",
    ),
    Stage(
        "agree",
        "the same tensors and answers as upstream's own entrypoint",
        after=("source", "decode"),
        yaml=("device", "source.entry", "source.options", *CARE),
        records=(
            "probe:status",
            "probe:observation.status",
            "probe:observation.attempts",
            "infer:skipped",
            "contract:roots",
            "checkpoint:sha256",
            "checkpoint:format.name",
            "environment:python",
            *PACKAGES,
            *USED_INPUTS,
            "source:snippets.*.text",
            "source:uses.*.text",
        ),
        functions=("build", "preprocess", "infer", "postprocess"),
        facts=("accelerator", "variables"),
        writes=_out("agreement"),
        worker="behave rehearse",
    ),
    Stage(
        "measure",
        "latency, throughput and memory, alone on the machine",
        after=("infer",),
        yaml=("measure", "device", *CARE),
        records=("infer:status", "infer:skipped", *RUN, *USED_INPUTS),
        functions=("build", "preprocess", "infer", "postprocess"),
        facts=("accelerator", "hardware", "variables"),
        writes=(*_out("stats"), "outputs/samples.json"),
        worker="measure",
        alone=True,
    ),
    Stage(
        "profile",
        "where the time goes, operator by operator",
        after=("measure",),
        not_yet="profiling has no pass of its own yet",
    ),
    Stage(
        "train",
        "one batch forward and backward",
        after=("infer",),
        not_yet="the one-batch training check is not built yet",
    ),
    Stage(
        "metrics",
        "quality, targets and the verdict",
        after=("decode", "agree", "measure"),
        yaml=("targets", "model.task"),
        records=(
            "predictions:status",
            "predictions:items",
            "inputs:labels",
            "inputs:items.*.id",
            "inputs:items.*.origin",
            "inputs:note",
            "stats:*",
            "match:status",
            "match:trusted",
            *(f"match:{key}" for key in ("outcome", "missing", "unexpected")),
            "params:params.*.value",
            "contract:claims",
            "contract:questions",
            "contract:functions",
            "contract:task",
            "agreement:*",
            "checkpoint:format",
            "checkpoint:risks",
        ),
        writes=_out("metrics"),
    ),
    Stage(
        "report",
        "both reports, from outputs/ alone",
        after=("source", "metrics"),
        yaml=("name", "notes"),
        records=(
            *CHECKPOINT,
            "refs:*",
            "source:*",
            "environment:*",
            "match:*",
            "probe:*",
            "contract:*",
            "params:*",
            "inputs:*",
            "infer:*",
            "predictions:*",
            "artifacts:*",
            "agreement:*",
            "stats:*",
            "metrics:*",
        ),
        files=("notes",),
        writes=(layout.EXPERIMENT_REPORT, layout.STAKEHOLDER_REPORT),
    ),
)

BY_NAME = {stage.name: stage for stage in STAGES}
NAMES = tuple(BY_NAME)
REPORT = "report"


def needed(names: Iterable[str]) -> tuple[Stage, ...]:
    """Give the stages asked for and all they rest on, in building order."""
    wanted: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in wanted:
            wanted.add(name)
            ahead += BY_NAME[name].after
    return tuple(s for s in STAGES if s.name in wanted)


def number(stage: Stage) -> str:
    """Number a stage by its place, for file names that sort."""
    return f"{NAMES.index(stage.name) + 1:02d}"
