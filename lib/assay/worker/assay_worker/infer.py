"""Verb infer: preprocess and run each item; keep the raw outputs and the context for decoding."""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Any, Callable

from assay_worker import load, runner, tensors
from assay_worker.faults import Fault, tagged

RUNTIMES = ("numpy", "onnxruntime", "torch")


def run(job: load.Job) -> dict[str, Any]:
    """Run every item with batch 1; write raw/<id>.npz."""
    found = load.functions(job)
    made = runner.make(job, found)
    prepare = preparer(job, found)
    skipped: dict[str, str] = {}
    items = []
    for item in job.request.get("items", []):
        given = _prepared(job, prepare, item, skipped)
        if given is not None:
            items.append(_one(job, made, given, item))
    if skipped and not items:
        raise Fault("upstream-error", f"no input could be read: {next(iter(skipped.values()))}")
    return {"items": items, "runtime": runtime(job, made.built, 1), "skipped": skipped}


def _prepared(job: load.Job, prepare: Callable[..., Any], item: dict[str, Any], skipped: dict[str, str]) -> Any:
    """Prepare an input; one that was only found, not asked for, may be one that upstream cannot read."""
    try:
        return prepare(item["file"])
    except Exception as error:
        if not job.request.get("may_skip"):
            raise
        said = tagged(error, job.places())
        skipped[item["id"]] = f"{said['where']}: {said['message']}"[:300].lstrip(": ")
        return None


def preparer(job: load.Job, found: dict[str, Callable[..., Any]]) -> Callable[[str], tuple[dict[str, Any], Any]]:
    """Make the function that turns an item's file into (tensors by name, context)."""
    given = load.with_checkpoint(job, found.get("preprocess"))
    preprocess = load.bound(found["preprocess"], given, fixed=1) if "preprocess" in found else None
    names = [i["name"] for i in job.request.get("inputs", [])]

    def prepare(file: str) -> tuple[dict[str, Any], Any]:
        job.trace.note(file)
        if file.endswith(".npz"):
            return tensors.read(file)
        if preprocess is None:
            raise Fault("unsupported", f"{file} is not a file of tensors, and no preprocess is known")
        made = preprocess(file)
        if not isinstance(made, tuple) or len(made) != 2:
            raise Fault("adapter-error", "preprocess must return (tensors by name, context)")
        return tensors.by_name(made[0], names or ["input"]), made[1]

    return prepare


def runtime(job: load.Job, built: runner.Built, batch: int) -> dict[str, Any]:
    """Name what computed."""
    versions = {name: str(sys.modules[name].__version__) for name in RUNTIMES if name in sys.modules}
    return {
        "device": built.device,
        "provider": built.provider,
        "precision": job.request.get("precision", "fp32"),
        "threads": job.threads,
        "batch": batch,
        "versions": dict(versions, python=platform.python_version()),
        "isolation": os.environ.get("ASSAY_ISOLATION", "plain"),
        "lacking": json.loads(os.environ.get("ASSAY_LACKING") or "[]"),
    }


def _one(job: load.Job, made: runner.Runner, prepared: Any, item: dict[str, Any]) -> dict[str, Any]:
    given, ctx = prepared
    who = item["file"] if item["file"].endswith(".npz") else "preprocess"
    outputs = made.run(tensors.checked(given, made.built.inputs, who))
    name = os.path.join("raw", item["id"] + ".npz")
    tensors.save(job.path(name), outputs, tensors.plain(ctx, f"the context of {item['id']}"))
    return {
        "id": item["id"],
        "file": f"raw/{item['id']}.npz",
        "tensors": tensors.all_facts(given),
        "outputs": tensors.all_facts(outputs),
    }
