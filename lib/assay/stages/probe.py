"""Stage probe: how the model behaves when it is run on made-up tensors."""

import msgspec

from assay.records import Probe, Status
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/probe.json."""
    checkpoint, match = job.record("checkpoint"), job.record("match")
    status = match.status if match.status.word == "blocked" else Status()
    if not checkpoint.format.runs_here and status.word != "blocked":
        status = Status(
            word="blocked", reason=f"{checkpoint.format.name} cannot run here: needs {checkpoint.format.needs}"
        )
    if status.word == "blocked":
        job.write("probe", _nothing(status))
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


def _nothing(status: Status) -> Probe:
    return Probe(
        status=status,
        runtime="",
        inputs=[],
        outputs=[],
        observed=[],
        dims={},
        batch="not_observed: blocked",
        deterministic=None,
        notes=[],
    )
