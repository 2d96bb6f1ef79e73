"""Every key of an experiment file: what it takes, what it means, what stands there when it is left out."""

from typing import Any, NamedTuple


class Key(NamedTuple):
    """One key: shape says how many values, kind says what each is."""

    path: str
    kind: str  # see scalars.SCALARS; "param", "target" and "claim" are read by their own modules
    doc: str
    example: str  # YAML, as it would stand behind the colon
    shape: str = "one"  # one | list | map
    default: Any = None  # None: nothing
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    names: str = "word"  # of a map: word | param | target | claim
    recipe: bool = True  # whether a recipe may set it


PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8")
TASKS = "detection, classification, segmentation, super-resolution, speech"

GROUPS = {
    "model": "What is examined. model.checkpoint is required, and one of model.name, source.repo, source.path.",
    "source": "Where the model's own code is: a repository, or a local folder.",
    "env": "Which interpreter runs the model, and what happens when a package is missing.",
    "env.index": "Where packages come from. The same can be said once, on the command line: see docs/environment.md.",
    "inputs": "What the model is run on.",
    "measure": "Which configurations are timed; the first value of each list is the plain one.",
}

KEYS = (
    Key(
        path="model.checkpoint",
        kind="checkpoint",
        example="checkpoints/yolo.onnx",
        recipe=False,
        doc="The local file or folder: from the repository, absolute, or from ~. Never downloaded: a URL is refused.",
    ),
    Key(path="model.name", kind="line", example="tinyyolo", doc="What the model is called, in reports."),
    Key(
        path="model.task",
        kind="word",
        example="detection",
        doc=f"What the model does: {TASKS}, or a word of your own.",
    ),
    Key(
        path="model.claimed",
        kind="text",
        shape="map",
        example="{url: https://example.org/yolo, version: 1.10, license: Apache-2.0}",
        doc="Provenance as its maker claims it; shown as claimed. Size and SHA-256 are measured.",
    ),
    Key(
        path="source.repo",
        kind="url",
        example="https://example.org/team/yolo.git",
        doc="The https URL of the repository that the model's code is in. Not together with source.path.",
    ),
    Key(
        path="source.rev",
        kind="rev",
        example="v1.2",
        doc="Branch, tag or commit of source.repo; a branch is pinned to its commit when first built.",
    ),
    Key(
        path="source.path",
        kind="inside",
        example="examples/tinyyolo",
        doc="A folder below the repository that holds the model's code. Not together with source.repo.",
    ),
    Key(
        path="source.entry",
        kind="inside",
        shape="list",
        default=(),
        example="[detect.py]",
        doc="The files of the source that run the model, from its top; without it the likeliest one is taken.",
    ),
    Key(
        path="source.options",
        kind="param",
        shape="map",
        names="param",
        default={},
        example="{input_size: 320}",
        doc="Options of the entrypoint's command line, by name, where upstream's default is not what is meant.",
    ),
    Key(
        path="recipe",
        kind="recipe",
        example="yolo",
        recipe=False,
        doc="The folder recipes/<name>/: defaults for these keys, and functions that the source does not give.",
    ),
    Key(
        path="env.manager",
        kind="enum",
        choices=("auto", "pixi", "venv"),
        default="auto",
        example="auto",
        doc="What makes the model's environment; auto takes what is there.",
    ),
    Key(
        path="env.python",
        kind="interpreter",
        example=".venv/bin/python",
        doc="An interpreter of your own that has what the model needs; it may lie outside the repository.",
    ),
    Key(
        path="env.on_missing",
        kind="enum",
        choices=("ask", "fail", "add", "new"),
        default="ask",
        example="ask",
        doc="When packages are missing: ask on the terminal (without one: fail), fail with exit code 3 and the plan, "
        "add them to the environment in use, or make a new one for this model.",
    ),
    Key(
        path="env.optional",
        kind="bool",
        default=False,
        example="false",
        doc="Whether packages that the model can do without (acceleration, extras) are installed as well.",
    ),
    Key(
        path="env.map",
        kind="project",
        shape="map",
        default={},
        example="{cv2: opencv-python-headless}",
        doc="Import name -> the package that provides it, where nothing else tells. A name is never tried out.",
    ),
    Key(
        path="env.index.url",
        kind="index",
        example="https://packages.example.org/simple",
        doc="The index that packages come from, in place of the public one.",
    ),
    Key(
        path="env.index.extra",
        kind="index",
        shape="list",
        default=(),
        example="[https://packages.example.org/cpu]",
        doc="Further indexes. The first one that has a package wins: see env.index.strategy.",
    ),
    Key(
        path="env.index.find_links",
        kind="links",
        shape="list",
        default=(),
        example="[wheels/]",
        doc="Folders, or pages, that hold wheels besides.",
    ),
    Key(
        path="env.index.strategy",
        kind="enum",
        choices=("first-index", "unsafe-first-match", "unsafe-best-match"),
        default="first-index",
        example="first-index",
        doc="Of a package that several indexes have: take it from the first index only, or from any; the latter lets "
        "an outsider's package stand in for one of your own.",
    ),
    Key(
        path="env.index.constraints",
        kind="inside",
        example="constraints.txt",
        doc="A file of version limits that hold for whatever is installed.",
    ),
    Key(
        path="env.index.excludes",
        kind="project",
        shape="list",
        default=(),
        example="[opencv-python]",
        doc="Packages that are never installed, whatever asks for them.",
    ),
    Key(
        path="env.index.torch_backend",
        kind="word",
        example="cpu",
        doc="Which build of torch, torchvision and torchaudio is taken: cpu, cu126, ..., or auto.",
    ),
    Key(
        path="env.index.build",
        kind="project",
        shape="list",
        default=(),
        example="[basicsr]",
        doc="Packages that may be built from source, which runs their code; all others are taken as wheels only.",
    ),
    Key(
        path="env.index.cooldown_days",
        kind="int",
        minimum=0,
        maximum=3_650,
        default=7,
        example="7",
        doc="How old a release has to be before it counts as the latest.",
    ),
    Key(
        path="env.index.pip",
        kind="bool",
        default=False,
        example="true",
        doc="Whether pip's own configuration (indexes, find-links) holds here too; uv does not read it by itself.",
    ),
    Key(
        path="device",
        kind="device",
        default="auto",
        example="auto",
        doc="Where the model runs: auto (a GPU when there is one), cpu, cuda, or cuda:N.",
    ),
    Key(
        path="trust",
        kind="sha256",
        recipe=False,
        example="3b1f6d0e5d4c2f6c0f6d7f0c9a2b8e1d4c3b2a1f0e9d8c7b6a5f4e3d2c1b0a9f",
        doc="The SHA-256 of a checkpoint that you trust: loading it may run code that it carries or names, in the "
        "sandbox. Needed for programs (TorchScript, .pt2, engines) and for pickles that name code which is not known "
        "to be harmless, never for data. `doit inspect` shows it; another file is refused.",
    ),
    Key(
        path="sandbox",
        kind="enum",
        choices=("bubblewrap", "landlock", "plain"),
        default="landlock",
        example="landlock",
        doc="The weakest isolation in which upstream's code, or code of the checkpoint, may run. The strongest that "
        "works on the machine is taken; plain is none: such code could read your files.",
    ),
    Key(
        path="network",
        kind="bool",
        default=False,
        example="false",
        doc="Whether code in the sandbox may open connections.",
    ),
    Key(
        path="inputs.find",
        kind="enum",
        shape="list",
        choices=("refs", "datasets", "downloads", "synthetic"),
        default=("refs", "datasets", "downloads"),
        example="[refs, datasets, downloads]",
        doc="Where inputs are looked for, in order: refs is upstream's tree, datasets and downloads are folders of "
        "that name in the repository. With labels, the labelled files are taken whatever they are called; else what "
        "the task suggests: pictures, or sounds for speech. Made up from the contract when nothing is found.",
    ),
    Key(
        path="inputs.count",
        kind="int",
        minimum=1,
        maximum=100_000,
        default=8,
        example="8",
        doc="How many inputs are taken at most.",
    ),
    Key(
        path="inputs.labels",
        kind="inside",
        example="examples/tinyyolo/data/labels.json",
        doc="The JSON file with the truth, by file: {images: {a.png: 7}}; a key may be a path as far as it tells files "
        "apart. Without it no quality is measured.",
    ),
    Key(
        path="contract",
        kind="claim",
        shape="map",
        names="claim",
        default={},
        example='{pre.color: {is: BGR, by: ada, date: 2026-11-20, why: "trained with cv2"}}',
        doc="What a person says about a claim: is (a correction), confirm (the value that was looked at) or "
        "unknown: true (stop asking); by says who, and date, why, against may follow.",
    ),
    Key(
        path="params",
        kind="param",
        shape="map",
        names="param",
        default={},
        example="{score_threshold: 0.25}",
        doc="Parameters of the adapter's functions, by keyword: numbers, true, false, text, or lists of these. "
        "Quotes make text of what looks like a number.",
    ),
    Key(
        path="measure.batch",
        kind="int",
        shape="list",
        minimum=1,
        maximum=65_536,
        default=(1,),
        example="[1, 8]",
        doc="Batch sizes.",
    ),
    Key(
        path="measure.threads",
        kind="threads",
        shape="list",
        minimum=1,
        maximum=4_096,
        default=(1,),
        example="[1, all]",
        doc="Thread counts; all means every core.",
    ),
    Key(
        path="measure.precision",
        kind="enum",
        shape="list",
        choices=PRECISIONS,
        default=("fp32",),
        example="[fp32]",
        doc="Number formats.",
    ),
    Key(
        path="measure.seconds",
        kind="number",
        minimum=0.01,
        maximum=3_600,
        default=5.0,
        example="5",
        doc="How long one configuration is timed, after warm-up.",
    ),
    Key(
        path="train",
        kind="bool",
        default=False,
        example="false",
        doc="Whether one batch is also trained forward and backward, as a sanity check.",
    ),
    Key(
        path="targets",
        kind="target",
        shape="map",
        names="target",
        default={},
        example='{latency_ms.p50: "<= 20", "latency_ms.p50[batch=8,scope=model]": "<= 90", map50: ">= 0.6"}',
        doc="Limits: a metric, in brackets its configuration unless the plain one; then <=, >=, < or > and a number.",
    ),
    Key(
        path="workspace",
        kind="workspace",
        recipe=False,
        example="tmp/yolo",
        doc="The folder that is built into; by default a new tmp/<name>-<time>.",
    ),
)

BY_PATH = {key.path: key for key in KEYS}

RESERVED = {
    "limits": "limits of memory and time",
    "compare": "comparing experiments",
    "stakeholder": "settings of the stakeholder report",
    "model.endpoint": "a model behind a network address",
}


def children(group: str) -> list[str]:
    """Name the keys directly below a group; "" is the top level."""
    if group:
        depth = group.count(".") + 2
        paths = (key.path for key in KEYS if key.path.startswith(group + "."))
        return list(dict.fromkeys(".".join(path.split(".")[:depth]) for path in paths))
    return sorted({key.path.split(".")[0] for key in KEYS})
