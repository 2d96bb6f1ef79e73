"""Stage probe: how upstream's own entrypoint runs the model, and how the model behaves on tensors."""

from typing import Any

import msgspec

from assay import trust
from assay.observation import watching
from assay.records import Observation, Probe, Status
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/probe.json."""
    checkpoint, match = job.record("checkpoint"), job.record("match")
    if match.status.word == "blocked":
        job.write("probe", _nothing(match.status, "not_observed: blocked"))
        return
    if match.outcome == "transformers" and not _supplied(job, "build"):
        reason = "transformers runs it, by the folder's own configuration"
        unseen = Observation(status="not seen", reason=reason)
        job.write("probe", _nothing(match.status, f"not_observed: {reason}", unseen))
        return
    seen = _seen(job)
    carries, trusted = checkpoint.format.carries, trust.given(checkpoint, job.experiment.trust)
    by_itself = carries in trust.RUNS and (carries != "program" or trusted)
    draft = seen.observation.draft
    if by_itself or (draft and "build" in draft.functions and not _supplied(job, "build")):
        _write(job, _behaviour(job, seen, by_itself), seen.observation)
    elif _supplied(job, "build"):
        job.write("probe", _nothing(match.status, "not_observed: the recipe builds the model", seen.observation))
    else:
        job.write("probe", _nothing(_unbuilt(job, seen), "not_observed: blocked", seen.observation))


def _supplied(job: Job, name: str) -> bool:
    return name in job.request["files"]["supplies"]["functions"]


def _seen(job: Job) -> watching.Seen:
    """Watch upstream's run, unless a recipe supplies all that it could tell."""
    functions = ("preprocess", "postprocess")
    if all(_supplied(job, name) for name in functions):
        reason = "the recipe supplies preprocess and postprocess"
        return watching.Seen(Observation(status="not seen", reason=reason), {})
    if not job.record("refs").trees:
        return watching.Seen(Observation(status="not seen", reason="there is no source"), {})
    return watching.watch(job)


def _unbuilt(job: Job, seen: watching.Seen) -> Status:
    """Say why there is no model to run."""
    match, form = job.record("match"), job.record("checkpoint").format
    why = match.why or seen.observation.reason or "the class that its weights belong to was not found"
    question = "is there a recipe whose build makes the model, or an ONNX export of it?"
    return Status(word="blocked", reason=f"{form.name}: weights without a graph: {why}", question=question)


def _behaviour(job: Job, seen: watching.Seen, by_itself: bool) -> "dict[str, Any]":
    """Run the model on tensors: on those that upstream's run showed, else on made-up ones."""
    graph, draft = job.record("checkpoint").graph, seen.observation.draft
    once = draft is not None and not draft.many  # else its infer is upstream's whole loop over an input
    functions = [f for f in ("build", "infer") if draft and once and f in draft.functions]
    roots = [*(draft.roots if draft else []), *(tree.name for tree in job.record("refs").trees)]
    answer: dict[str, Any] = job.ask(
        "probe",
        checkpoint=job.named_checkpoint(),
        adapter=seen.adapter if functions else "",
        functions=functions,
        source_roots=[f"refs/{root}" for root in dict.fromkeys(roots)] if functions else [],
        reachable=trust.reachable(job.record("checkpoint"), job.experiment.trust) if functions else None,
        device=job.experiment.device,
        threads=1,
        precision="fp32",
        batch=1,
        batch_axis=None,
        max_batch=None,
        params={},
        inputs=msgspec.to_builtins(graph.inputs) if graph else [],
        outputs=msgspec.to_builtins(graph.outputs) if graph else [],
        items=[],
        example=seen.example if once else "",
    )
    return answer


def _write(job: Job, answer: "dict[str, Any]", observation: Observation) -> None:
    known = {**answer, "status": {"word": "done"}, "schema": 1}
    job.write("probe", msgspec.structs.replace(msgspec.convert(known, Probe), observation=observation))


def _nothing(status: Status, batch: str, observation: "Observation | None" = None) -> Probe:
    return Probe(
        status=status,
        runtime="",
        inputs=[],
        outputs=[],
        observed=[],
        dims={},
        batch=batch,
        deterministic=None,
        notes=[],
        observation=observation,
    )
