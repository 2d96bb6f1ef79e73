"""Stage report: both reports, from outputs/ alone."""

import json

from assay import VERSION, layout
from assay.records import RECORDS
from assay.report.experiment import experiment_report
from assay.report.stakeholder import stakeholder_report
from assay.report.view import Context, StageFiles
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write reports/experiment-report.md and reports/stakeholder-report.md."""
    found = {name: json.loads(job.workspace.at(layout.record(name)).read_bytes()) for name in RECORDS}
    notes = job.root / job.experiment.notes if job.experiment.notes else None
    logs = {
        p.stem.split("_", 1)[1].split("-")[0]: f"logs/{p.name}"
        for p in sorted(job.workspace.at("logs").glob("*_*.log"))
    }
    context = Context(
        experiment=job.experiment.name,
        version=VERSION,
        notes=notes.read_text("utf-8", "replace") if notes else "",
        notes_by=job.experiment.notes,
        edited=(layout.ADAPTER,) if "edited" in found["contract"]["functions"].values() else (),
        stages=tuple(StageFiles(name=name, log=log) for name, log in logs.items()),
    )
    job.out(layout.EXPERIMENT_REPORT).write_text(experiment_report(found, context), "utf-8")
    job.out(layout.STAKEHOLDER_REPORT).write_text(stakeholder_report(found, context), "utf-8")
