"""Stage probe: how the model behaves when it is run on made-up tensors."""

import msgspec

from assay import trust
from assay.records import Probe, Status
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/probe.json."""
    checkpoint, match = job.record("checkpoint"), job.record("match")
    if match.status.word == "blocked":
        job.write("probe", _nothing(match.status, "not_observed: blocked"))
        return
    carries, trusted = checkpoint.format.carries, trust.given(checkpoint, job.experiment.trust)
    if carries not in trust.RUNS or (carries == "program" and not trusted):
        job.write("probe", _nothing(match.status, "not_observed: the recipe builds the model"))
        return
    graph = checkpoint.graph
    answer = job.ask(
        "probe",
        checkpoint=job.named_checkpoint(),
        adapter="",
        functions=[],
        source_roots=[],
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
    )
    job.write("probe", msgspec.convert({**answer, "status": {"word": "done"}, "schema": 1}, Probe))


def _nothing(status: Status, batch: str) -> Probe:
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
    )
