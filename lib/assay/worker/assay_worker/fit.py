"""Fit what preprocessing does: synthetic inputs on one side, the tensors they became on the other; no code is read."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import numpy as np

from assay_worker import fit_audio, fit_bytes, fit_images
from assay_worker.fit_fact import Sample, equal

FITS: Dict[str, Callable[[List[Sample]], List[Dict[str, Any]]]] = {
    "image": fit_images.fit,
    "audio": fit_audio.fit,
    "bytes": fit_bytes.fit,
}


def fit(kind: str, seen: List[Dict[str, Any]]) -> Dict[str, Any]:
    """Give the facts of each tensor that follows the input, and of each other tensor why it has none.

    `seen` has for each run {"stimulus": its name, "tensors": {name: array}}, where an input that never reached
    the model has no tensors. A fact is {id, value, unit, tries, residual, identified, reason, alternatives,
    evidence, detail, tensor}; its value is None unless it is identified.
    """
    reached = [run for run in seen if run["tensors"]]
    lost = [run["stimulus"] for run in seen if not run["tensors"]]
    facts: List[Dict[str, Any]] = []
    others: List[Dict[str, str]] = []
    for name in sorted({name for run in reached for name in run["tensors"]}):
        samples = [Sample(r["stimulus"], np.asarray(r["tensors"][name])) for r in reached if name in r["tensors"]]
        why = _unfit(samples, len(reached))
        if why:
            others.append({"tensor": name, "why": why})
            continue
        facts += [{**fact, "tensor": name} for fact in FITS[kind](samples)]
    fitted = sorted({fact["tensor"] for fact in facts if fact["id"] != "pre.dtype" and fact["identified"]})
    return {"facts": facts, "tensors": fitted, "others": others, "not_reached": lost}


def _unfit(samples: List[Sample], runs: int) -> str:
    first = samples[0].tensor
    if first.dtype.kind not in "fiub":
        return "it holds no numbers: " + str(first.dtype)
    if len(samples) < runs:
        return "only some of the inputs made it"
    if len(samples) < 2:
        return "only one input reached the model"
    if len({s.tensor.ndim for s in samples}) > 1:
        return "its number of axes changes with the input"
    if all(equal(s.tensor, first) for s in samples):
        return "it is the same for every input"
    return ""
