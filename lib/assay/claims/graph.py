"""What the graph of a checkpoint says, what running it showed, and who supplies the functions: as claims."""

from collections.abc import Iterator
from typing import Any

from assay.records import Checkpoint, Claim, Evidence, Probe, Question

PEOPLES = ("recipe", "edited")  # functions that a person stands for
TASKS = {"detect": "detection", "classify": "classification", "segment": "segmentation", "pose": "pose"}


def graph_claims(checkpoint: Checkpoint, probe: Probe) -> list[Claim]:
    """State what goes in and out: read from the graph, raised to observed where a run agreed; else as it ran."""
    graph = checkpoint.graph
    from_graph = [Evidence(kind="graph", where=checkpoint.name)] if graph else []
    from_probe = [Evidence(kind="probe", where="outputs/probe.json", text=probe.runtime)] if probe.observed else []
    if not from_graph and not from_probe:
        return []
    evidence, by = [*from_graph, *from_probe], "graph" if graph else "probe"
    seen = "observed" if from_probe else "read"
    sides = {"io.inputs": (graph or probe).inputs, "io.outputs": (graph or probe).outputs}
    claims = [
        Claim(id=name, value=_signature(tensors), status=seen, by=by, evidence=evidence)
        for name, tensors in sides.items()
        if tensors
    ]
    steps = {name: found for name, found in graph.input_steps.items() if found} if graph else {}
    if steps:
        claims.append(Claim(id="pre.in_graph", value=steps, status="read", by="graph", evidence=from_graph))
    return claims + _probe_claims(checkpoint, probe)


def _signature(tensors: list[Any]) -> list[str]:
    return [f"{t.name} {t.dtype} {_dims(t.shape)}" for t in tensors]


def _dims(shape: "list[int | str | None] | None") -> str:
    return "of unknown shape" if shape is None else f"[{', '.join('?' if d is None else str(d) for d in shape)}]"


def _dtypes(checkpoint: Checkpoint, probe: Probe) -> dict[str, list[str]]:
    """Name the types that each input was seen to take: its own, and those tried beside it."""
    own = {t.name: t.dtype for t in (checkpoint.graph or probe).inputs if t.dtype != "unknown"}
    taken = {name: {t for t, word in tried.items() if word == "accepted"} for name, tried in probe.dtypes.items()}
    return {name: sorted({own[name], *found}) for name, found in taken.items() if name in own}


def _probe_claims(checkpoint: Checkpoint, probe: Probe) -> list[Claim]:
    evidence = [Evidence(kind="probe", where="outputs/probe.json", text=probe.runtime)]
    found = []
    if probe.dims:
        found.append(Claim(id="io.dims", value=probe.dims, status="observed", by="probe", evidence=evidence))
    if probe.observed:
        known = "observed" if probe.batch in ("works", "coupled", "no batch axis") else "unknown"
        found.append(Claim(id="io.batch", value=probe.batch, status=known, by="probe", evidence=evidence))
    for name, value in (
        ("io.multiple_of", {k: a.multiple_of for k, a in probe.axes.items() if a.multiple_of and a.multiple_of > 1}),
        ("io.minimum", {k: a.minimum for k, a in probe.axes.items() if a.minimum and a.minimum > 1}),
        ("io.dtypes", _dtypes(checkpoint, probe)),
        ("io.stateful", None if _says(probe, "io.stateful") else probe.stateful),
        ("io.nan", probe.nan),
    ):
        if value not in (None, {}):
            found.append(Claim(id=name, value=value, status="observed", by="probe", evidence=evidence))
    return [*found, *_deterministic(probe, evidence)]


def _deterministic(probe: Probe, evidence: list[Evidence]) -> "Iterator[Claim]":
    """Say whether the same input gives the same answer, as upstream calls the model: perhaps in training mode."""
    if probe.deterministic is None or _says(probe, "io.deterministic"):
        return
    runs = probe.observation.runs if probe.observation else []
    trained = any(run.first.training for run in runs if run.first) and probe.training_differs is not False
    value, reason = (probe.training_repeats if trained else probe.deterministic), ""
    if trained:
        why = {
            True: "where it answers otherwise, and the same each time",
            False: "where no two answers are alike",
            None: "where it was not seen whether answers repeat",
        }[value]
        reason = f"upstream calls it in training mode, {why}; here it runs in evaluation mode: " + (
            "the same bits each time" if probe.deterministic else "not the same bits each time"
        )
    yield Claim(
        id="io.deterministic",
        value=value,
        status="observed" if value is not None else "unknown",
        by="probe",
        evidence=evidence,
        reason=reason,
    )


def _says(probe: Probe, name: str) -> bool:
    """Tell whether upstream's own run showed it: of more than the network alone."""
    return any(one.id == name for one in (probe.observation.findings if probe.observation else ()))


def layout(probe: Probe) -> list[Claim]:
    """Name the axes of the one input by which of them may vary: the first counts samples, one that may not channels."""
    if len(probe.inputs) != 1 or probe.batch != "works":
        return []
    shape, name = probe.worked.get(probe.inputs[0].name) or [], probe.inputs[0].name
    free = "".join("?" if probe.dims.get(f"{name}/{i}") == "dynamic" else "x" for i in range(len(shape)))
    axes = {"?x": "NC", "?x?": "NCW", "??x": "NWC", "?x??": "NCHW", "???x": "NHWC"}.get(free)
    evidence = [Evidence(kind="probe", where="outputs/probe.json", text="which dimensions may vary")]
    return [Claim(id="pre.layout", value=axes, status="observed", by="probe", evidence=evidence)] if axes else []


def labels(checkpoint: Checkpoint) -> tuple[list[str], list[Claim]]:
    """State the labels that an exporter embedded."""
    names = [] if checkpoint.format.name == "huggingface" else checkpoint.labels  # there the folder's configs say more
    if not names:
        return [], []
    where = f"{checkpoint.name} metadata_props.names" if checkpoint.format.name == "onnx" else checkpoint.name
    evidence = [Evidence(kind="graph", where=where, text=checkpoint.metadata.get("names", ", ".join(names))[:200])]
    return names, [Claim(id="labels.names", value=names, status="read", by="graph", evidence=evidence)]


def task(asked: str, checkpoint: Checkpoint) -> tuple[str, list[Claim]]:
    """Settle what the model is for: the experiment says, else the exporter did."""
    if asked:
        return asked, [
            Claim(
                id="model.task",
                value=asked,
                status="confirmed",
                by="experiment",
                evidence=[Evidence(kind="person", where="model.task")],
            )
        ]
    said = checkpoint.metadata.get("task", "")
    if not said:
        return "", []
    evidence = [Evidence(kind="graph", where=f"{checkpoint.name} metadata_props.task", text=said[:200])]
    return TASKS.get(said, said), [
        Claim(id="model.task", value=TASKS.get(said, said), status="read", by="graph", evidence=evidence)
    ]


def function_claims(functions: dict[str, str], where: dict[str, tuple[str, str]]) -> tuple[list[Claim], list[Question]]:
    """State who supplies preprocessing and decoding; what nobody supplies becomes a question."""
    asked = {
        "preprocess": ("pre.function", "how does an input become the model's tensors? give preprocess() in a recipe"),
        "postprocess": ("post.function", "what do the model's outputs mean? give postprocess() in a recipe"),
    }
    claims, questions = [], []
    for name, (claim, ask) in asked.items():
        by = functions[name]
        if by == "none":
            claims.append(Claim(id=claim, value=None, status="unknown", by="tool", evidence=[]))
            questions.append(Question(id=claim, ask=ask))
            continue
        place, digest = where[name]
        claims.append(
            Claim(
                id=claim,
                value=name,
                status="confirmed" if by in PEOPLES else "verified",
                by=by,
                evidence=[Evidence(kind="recipe" if by in PEOPLES else "probe", where=place, sha256=digest)],
            )
        )
    return claims, questions


def batching(checkpoint: Checkpoint, probe: Probe) -> tuple[int | None, int | None]:
    """Give the batch axis and the largest batch known to be allowed (None: no limit known)."""
    if checkpoint.graph is None and probe.worked:  # built by an adapter: only its behaviour tells
        return (None, None) if probe.batch == "no batch axis" else (0, None if probe.batch == "works" else 1)
    shapes = [t.shape for t in (checkpoint.graph.inputs if checkpoint.graph else []) if t.shape]
    if not shapes:
        return None, None
    first = shapes[0][0]
    if isinstance(first, int):
        return 0, first
    return 0, None if probe.batch == "works" else 1
