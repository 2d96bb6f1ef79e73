"""Stage source: what upstream's tree holds and declares; nothing of it is imported or run."""

from collections import Counter

from assay.records import Source
from assay.stages.job import Job
from assay.upstream.requirements import survey


def run(job: Job) -> None:
    """Write outputs/source.json over all trees in refs/."""
    surveys = [(tree.name, survey(job.workspace.at(f"refs/{tree.name}"))) for tree in job.record("refs").trees]
    suffixes: Counter[str] = Counter()
    for _, found in surveys:
        suffixes.update(found.by_suffix)
    job.write(
        "source",
        Source(
            files=sum(f.files for _, f in surveys),
            by_suffix=dict(suffixes),
            python_files=[f"{name}/{p}" for name, f in surveys for p in f.python_files],
            documents=[f"{name}/{p}" for name, f in surveys for p in f.documents],
            requirements=[r for _, f in surveys for r in f.requirements],
            unreadable=[f"{name}/{p}" for name, f in surveys for p in f.unreadable],
        ),
    )
