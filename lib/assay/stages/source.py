"""Stage source: what upstream's tree holds, declares and imports; nothing of it is imported or run."""

from collections import Counter

from assay.records import Source
from assay.stages.job import Job
from assay.upstream import reading, scripts
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
    notebooks = [f"{name}/{p}" for name, f in surveys.items() for p in f.notebooks]
    parsed = scripts.read(trees, python_files, documents, notebooks)
    checkpoint = job.record("checkpoint")
    read = reading.read(trees, parsed, checkpoint.tensors, checkpoint.name)
    job.write(
        "source",
        Source(
            files=sum(f.files for f in surveys.values()),
            by_suffix=dict(suffixes),
            python_files=python_files,
            documents=documents,
            notebooks=notebooks,
            requirements=[r for f in surveys.values() for r in f.requirements],
            unreadable=[*(f"{name}/{p}" for name, f in surveys.items() for p in f.unreadable), *parsed.left_out],
            modules=parsed.modules,
            entrypoints=read.entrypoints,
            imports_sha256=scripts.digest(parsed.modules),
            candidates=read.candidates,
            scripts=read.scripts,
            snippets=read.snippets,
            uses=read.uses,
            labels=read.labels,
            configs=read.configs,
            facts=read.facts,
            index_notes=read.notes,
        ),
    )
