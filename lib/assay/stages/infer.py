"""Stage infer: the model's answers to the inputs, before decoding."""

import msgspec

from assay.records import Infer, RawItem, Runtime, Status
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write raw/*.npz and outputs/infer.json."""
    status = job.blocked() or _without_input(job)
    if status is not None:
        job.write("infer", Infer(status=status, items=[], runtime=None))
        return
    found = job.record("contract").functions["preprocess"] == "drafted" and not job.experiment.inputs.labels
    request = {**job.model_request(), "items": job.items(), "may_skip": found}
    answer = job.ask("infer", **request, threads=1, batch=1, precision="fp32")
    items = [
        msgspec.convert({**item, "sha256": job.digest(job.given(item["file"]))}, RawItem) for item in answer["items"]
    ]
    runtime = msgspec.convert(answer["runtime"], Runtime)
    job.write("infer", Infer(status=Status(), items=items, runtime=runtime, skipped=answer.get("skipped", {})))


def _without_input(job: Job) -> Status | None:
    """Give the reason when there is nothing to run the model on."""
    inputs = job.record("inputs")
    return None if inputs.items else Status(word="blocked", reason=inputs.note, question="how does an input look?")
