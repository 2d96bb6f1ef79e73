"""Stage checkpoint: what the file is, what it holds, what it could do; nothing of it is run."""

from assay.examination import Examination
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/checkpoint.json."""
    examined: Examination = job.requests.examination()
    examined.refuse()
    if not examined.folder:
        beside = {name for name, _ in [*examined.files[1:], *examined.documents]}
        job.discovered |= {f"checkpoint:{name}" for name in beside}
    job.write("checkpoint", examined.record(job.requests.digests, job.experiment.model.claimed))
