"""Merging what the graph says, what was observed, what a recipe supplies and what a person said into claims."""

from typing import Any

from assay.domain import Confirmation
from assay.records import Checkpoint, Claim, Evidence, Probe, Question

SURE = ("observed", "verified", "confirmed", "corrected")
TASKS = {"detect": "detection", "classify": "classification", "segment": "segmentation", "pose": "pose"}


def graph_claims(checkpoint: Checkpoint, probe: Probe) -> list[Claim]:
    """State what goes in and out: read from the graph, raised to observed where a run agreed."""
    graph = checkpoint.graph
    if graph is None:
        return []
    seen = "observed" if probe.observed else "read"
    from_graph = Evidence(kind="graph", where=checkpoint.name)
    from_probe = [Evidence(kind="probe", where="outputs/probe.json", text=probe.runtime)] if probe.observed else []
    claims = [
        Claim(
            id="io.inputs", value=_signature(graph.inputs), status=seen, by="graph", evidence=[from_graph, *from_probe]
        ),
        Claim(
            id="io.outputs",
            value=_signature(graph.outputs),
            status=seen,
            by="graph",
            evidence=[from_graph, *from_probe],
        ),
    ]
    steps = {name: found for name, found in graph.input_steps.items() if found}
    if steps:
        claims.append(Claim(id="pre.in_graph", value=steps, status="read", by="graph", evidence=[from_graph]))
    return claims + _probe_claims(probe)


def _signature(tensors: list[Any]) -> list[str]:
    return [f"{t.name} {t.dtype} {_dims(t.shape)}" for t in tensors]


def _dims(shape: "list[int | str | None] | None") -> str:
    return "of unknown shape" if shape is None else f"[{', '.join('?' if d is None else str(d) for d in shape)}]"


def _probe_claims(probe: Probe) -> list[Claim]:
    evidence = [Evidence(kind="probe", where="outputs/probe.json", text=probe.runtime)]
    found = []
    if probe.dims:
        found.append(Claim(id="io.dims", value=probe.dims, status="observed", by="probe", evidence=evidence))
    if probe.observed:
        known = "observed" if probe.batch in ("works", "coupled", "no batch axis") else "unknown"
        found.append(Claim(id="io.batch", value=probe.batch, status=known, by="probe", evidence=evidence))
    if probe.deterministic is not None:
        found.append(
            Claim(id="io.deterministic", value=probe.deterministic, status="observed", by="probe", evidence=evidence)
        )
    return found


def labels(checkpoint: Checkpoint) -> tuple[list[str], list[Claim]]:
    """State the labels that an exporter embedded."""
    names = checkpoint.labels
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
                status="confirmed",
                by=by,
                evidence=[Evidence(kind="recipe", where=place, sha256=digest)],
            )
        )
    return claims, questions


def said(
    claims: list[Claim], questions: list[Question], people: "tuple[Confirmation, ...]"
) -> tuple[list[Claim], list[Question]]:
    """Let what people said take effect: the tool's own value stays beside it, a contradiction is shown."""
    kept = {c.id: c for c in claims}
    for person in people:
        old = kept.get(person.id)
        kept[person.id] = _merged(old, person)
    settled = {p.id for p in people}
    return [kept[k] for k in sorted(kept)], [q for q in questions if q.id not in settled]


def _merged(old: Claim | None, person: Confirmation) -> Claim:
    who = person.by or "experiment"
    evidence = [
        Evidence(kind="person", where=f"contract: {person.id}", text=" ".join(filter(None, (person.date, person.why))))
    ]
    before = list(old.evidence) if old else []
    if person.kind == "unknown":
        return Claim(
            id=person.id,
            value=None,
            status="unknown",
            by=who,
            evidence=evidence + before,
            alternatives=[old.value] if old else [],
        )
    if person.kind == "confirm" and old is not None and old.value not in (None, person.value):
        conflict = f"{who} confirmed {person.value!r}, but {old.by} says {old.value!r}"
        return Claim(id=person.id, value=old.value, status="conflict", by=old.by, evidence=evidence + before,
                     alternatives=[person.value], conflicts=[conflict])  # fmt: skip
    status = "confirmed" if old is None or person.kind == "confirm" or old.value == person.value else "corrected"
    others = [old.value] if old is not None and old.value not in (None, person.value) else []
    return Claim(
        id=person.id, value=person.value, status=status, by=who, evidence=evidence + before, alternatives=others
    )


def batching(checkpoint: Checkpoint, probe: Probe) -> tuple[int | None, int | None]:
    """Give the batch axis and the largest batch known to be allowed (None: no limit known)."""
    shapes = [t.shape for t in (checkpoint.graph.inputs if checkpoint.graph else []) if t.shape]
    if not shapes:
        return None, None
    first = shapes[0][0]
    if isinstance(first, int):
        return 0, first
    return 0, None if probe.batch == "works" else 1
