"""Stage checkpoint: say what the file is before anything of it runs."""

from assay.errors import StageFailed
from assay.formats import facts, folder_digest, members, recognise
from assay.records import Checkpoint, CheckpointFile
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/checkpoint.json."""
    path = job.requests.checkpoint_path
    form = recognise(path)
    graph, risks = facts(path, form)
    found = members(path, graph.external_data if graph else ())
    job.discovered |= {f"checkpoint:{name}" for name, place in found if place != path and not path.is_dir()}
    parts = [CheckpointFile(path=name, bytes=place.stat().st_size, sha256=job.digest(place)) for name, place in found]
    if [job.digest(place) for _, place in found] != [p.sha256 for p in parts]:
        raise StageFailed(
            "changed while it was being read", where=job.experiment.model.checkpoint, mend="run again when it is whole"
        )
    folder = path.is_dir()
    job.write(
        "checkpoint",
        Checkpoint(
            name=path.name,
            kind="folder" if folder else "file",
            bytes=sum(p.bytes for p in parts),
            sha256=parts[0].sha256
            if len(parts) == 1 and not folder
            else folder_digest((p.path, p.sha256) for p in parts),
            files=parts,
            format=form,
            claimed=job.experiment.model.claimed,
            graph=graph,
            risks=risks,
        ),
    )
