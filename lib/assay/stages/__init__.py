"""The stages: one module each, one run() each."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.stages.job import Job


def run_stage(job: "Job") -> None:
    """Run the stage that a job is for; its module is loaded only now."""
    import_module(f"assay.stages.{job.stage.name}").run(job)
