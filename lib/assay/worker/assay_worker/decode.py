"""Verb decode: turn raw outputs into what a person wants to know, and draw it."""

from __future__ import annotations

import os
from typing import Any, Callable

from assay_worker import answers, canonical, load, tensors
from assay_worker.faults import Fault

DONE = {"word": "done", "reason": "", "question": ""}


def run(job: load.Job) -> dict[str, Any]:
    """Write outputs/predictions.json, pictures/<id>.png and sounds/<id>.wav."""
    found = load.functions(job)
    postprocess = load.bound(found["postprocess"], job.params, fixed=2) if "postprocess" in found else None
    draw = load.bound(found["draw"], job.params, fixed=2) if "draw" in found else None
    decoded: list[dict[str, Any]] = []
    pictures: dict[str, str] = {}
    sounds: dict[str, str] = {}
    for item in job.request.get("items", []):
        result, kept = _decoded(job, postprocess, item)
        decoded.append({"id": item["id"], "result": result})
        if kept:
            kind = sounds if kept.endswith(".wav") else pictures
            kind[item["id"]] = kept
        if draw is not None and result is not None and not item["file"].endswith(".npz"):
            pictures[item["id"]] = _drawn(job, draw, item, result)
    text = canonical.dumps({"schema": 1, "status": DONE, "items": decoded})
    with open(job.path("outputs", "predictions.json"), "w", encoding="utf-8") as f:
        f.write(text)
    return {"pictures": pictures, "sounds": sounds}


def _decoded(job: load.Job, postprocess: Callable[..., Any] | None, item: dict[str, Any]) -> tuple[Any, str]:
    """Decode one raw answer; a picture or sound in it is kept as a file, and told in numbers."""
    job.trace.note(item["raw"])
    if postprocess is None:
        return None, ""
    outputs, ctx = tensors.read(item["raw"])
    result, name = postprocess(outputs, ctx), ""
    if isinstance(result, dict) and answers.is_picture(result.get("picture")):
        name = _saved(job, item, result["picture"])
        result = dict(result, picture=answers.told(result["picture"]))
    elif answers.is_sound(result):
        name = f"sounds/{item['id']}.wav"
        answers.save_sound(result, job.path(*os.path.split(name)))
        result = answers.told_sound(result)
    return tensors.plain(result, f"the result of {item['id']}"), name


def _saved(job: load.Job, item: dict[str, Any], picture: Any) -> str:
    name = f"pictures/{item['id']}.png"
    answers.as_image(picture).save(job.path(*os.path.split(name)), format="PNG")
    return name


def _drawn(job: load.Job, draw: Callable[..., Any], item: dict[str, Any], result: Any) -> str:
    job.trace.note(item["file"])
    picture = draw(item["file"], result)
    if hasattr(picture, "__array_interface__") and not hasattr(picture, "save"):
        from PIL import Image

        picture = Image.fromarray(picture)
    if not hasattr(picture, "save"):
        raise Fault("adapter-error", f"draw must return a picture; it returned a {type(picture).__name__}")
    name = f"pictures/{item['id']}.png"
    picture.save(job.path(*os.path.split(name)), format="PNG")
    return name
