"""Stage decode: the raw answers in a person's terms, and pictures or sounds of them."""

from assay import layout
from assay.records import Artifact, Artifacts, Predictions
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/predictions.json, outputs/artifacts.json, pictures/ and sounds/."""
    infer = job.record("infer")
    if infer.status.word == "blocked":
        job.write("predictions", Predictions(status=infer.status, items=[]))
        job.write("artifacts", Artifacts(items=[], runtime=None, command=""))
        return
    inputs = {item.id: item for item in job.record("inputs").items}
    items = [{"id": raw.id, "file": inputs[raw.id].file, "raw": raw.file} for raw in infer.items]
    asked = job.model_request()
    asked.pop("checkpoint")
    kept = job.ask("decode", **asked, items=items)
    pictures, sounds = kept["pictures"], kept["sounds"]
    followed = [
        Artifact(
            id=raw.id,
            input=inputs[raw.id].file,
            input_sha256=inputs[raw.id].sha256,
            tensors=raw.tensors,
            raw=raw.file,
            raw_sha256=raw.sha256,
            picture=pictures.get(raw.id, ""),
            picture_sha256=job.digest(job.given(pictures[raw.id])) if raw.id in pictures else "",
            sound=sounds.get(raw.id, ""),
            sound_sha256=job.digest(job.given(sounds[raw.id])) if raw.id in sounds else "",
        )
        for raw in infer.items
    ]
    request = next(job.workspace.at("scripts").glob("*_infer.json")).name
    command = f"python -I {layout.WORKER}/boot.py scripts/{request} ANSWER.json --out DIR --checkpoint CHECKPOINT"
    job.write("artifacts", Artifacts(items=followed, runtime=infer.runtime, command=command))
