"""Stage source: what upstream's tree holds, declares and imports; nothing of it is imported or run."""

from collections import Counter

from assay.records import Source
from assay.stages.job import Job
from assay.upstream import entrypoints, scripts
from assay.upstream.requirements import survey


def run(job: Job) -> None:
    """Write outputs/source.json over all trees in refs/."""
    trees = {tree.name: job.workspace.at(f"refs/{tree.name}") for tree in job.record("refs").trees}
    surveys = {name: survey(tree) for name, tree in trees.items()}
    suffixes: Counter[str] = Counter()
    for found in surveys.values():
        suffixes.update(found.by_suffix)
    python_files = [f"{name}/{p}" for name, f in surveys.items() for p in f.python_files]
    documents = [f"{name}/{p}" for name, f in surveys.items() for p in f.documents]
    read = scripts.read(trees, python_files, documents)
    job.write(
        "source",
        Source(
            files=sum(f.files for f in surveys.values()),
            by_suffix=dict(suffixes),
            python_files=python_files,
            documents=documents,
            requirements=[r for f in surveys.values() for r in f.requirements],
            unreadable=[*(f"{name}/{p}" for name, f in surveys.items() for p in f.unreadable), *read.left_out],
            modules=read.modules,
            entrypoints=entrypoints.rank(read.modules, read.marks, read.documented),
            imports_sha256=scripts.digest(read.modules),
        ),
    )
