"""Verb probe: see what a model accepts and does, by running it on an example or on made-up tensors.

What worked is a fact. What did not work is only "not_observed", with the tries: dimensions may be tied.
Beyond what every verb is asked: example (an .npz in the workspace, or ""), seconds (on the clock, 20), cpu_seconds (4).
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Tuple

from assay_worker import load, probe_batch, probe_behaviour, probe_dims, probe_ranges, probe_repeat, tensors
from assay_worker.probe_behaviour import LATE
from assay_worker.probe_inputs import Dims, Maker, Start, Tensors, by_example, scalars, starts
from assay_worker.probe_lab import Lab

FACTS = ("name", "dtype", "shape", "minimum", "maximum", "nonfinite")


def run(job: load.Job) -> dict[str, Any]:
    """Build the model and write down what it did."""
    example = _example(job)
    started = by_example(job.request.get("inputs") or [], example) if example else None
    if started is not None and not job.request.get("inputs"):
        job.request["inputs"] = started.inputs  # the caller of a bare torch model asks for names and plain numbers
    lab = Lab(job, load.functions(job))
    ran = _first_working(lab, example)
    answer: dict[str, Any] = {
        "runtime": _runtime(lab),
        "inputs": lab.made.built.inputs,
        "outputs": lab.made.built.outputs,
        "observed": [],
        "dims": {},
        "worked": {},
        "batch": "not_observed: no made-up input ran",
        "deterministic": None,
        "training": lab.training,
    }
    if ran is None:
        lab.notes.append(f"no made-up input ran in {lab.tries} tries; the last error: {lab.last_error}"[:500])
    else:
        answer.update(_observed(job, lab, *ran))
    if lab.training:
        lab.notes.append("the model was in training mode when it was built; eval() was called before all runs")
    return dict(answer, tries=lab.tries, notes=[job.places().scrub(note) for note in lab.notes])


def _example(job: load.Job) -> Tensors:
    """Read the example, with its tensors in the order in which they were saved."""
    path = job.request.get("example") or ""
    if not path:
        return {}
    inside = os.path.join(job.root, path)
    return tensors.read(inside if os.path.exists(inside) else os.path.join(job.out, path))[0]


def _first_working(lab: Lab, example: Tensors) -> Tuple[Dims, Tensors] | None:
    """Start from the example, else climb the ladders until something runs."""
    declared = lab.made.built.inputs
    start = by_example(declared, example) if example else None
    outputs = _runs(lab, start, example) if start is not None else None
    if start is not None and outputs is not None:
        return start.dims, outputs
    if example:
        why = lab.last_error or f"it gives {', '.join(example)}, which do not fit"
        lab.notes.append(f"the example did not run: {why}")
    if not declared:
        return None
    tried = list(starts(declared))
    for scalar in scalars(tried[0].inputs):
        for start in tried:
            outputs = _runs(lab, start, {}, scalar)
            if outputs is not None:
                return start.dims, outputs
    return None


def _runs(lab: Lab, start: Start, example: Tensors, scalar: int = 1) -> Tensors | None:
    lab.maker = Maker(start.inputs, example)
    lab.maker.scalar = scalar
    return lab.attempt(start.dims)


def _observed(job: load.Job, lab: Lab, dims: Dims, outputs: Tensors) -> dict[str, Any]:
    """Go from what ran to what it does, at small sizes where it takes them; what matters most comes first."""
    small = probe_dims.smaller(lab, dims)
    repeat = probe_repeat.watch(lab, small)
    if lab.reset is not None:
        outputs = lab.attempt(dims) or outputs  # as a new model answers
    given = lab.maker.make(dims)
    said, seen = probe_behaviour.values(lab, small)
    lab.keep(small)
    found = probe_dims.explore(lab, small)
    answer = {
        "observed": [{k: f[k] for k in FACTS} for f in tensors.all_facts(outputs)],
        "worked": {name: list(value.shape) for name, value in given.items()},
        "scalars": {name: value.item() for name, value in given.items() if not value.shape},
        "dims": probe_dims.words(lab, found),
        "axes": probe_dims.axes(lab, small, found),
        "values": said,
        "ranges": probe_ranges.of([outputs, *seen]),
        **repeat,
        **_batch(job, lab, small, found, repeat),
        "dtypes": probe_behaviour.dtypes(lab, small),
        "accepted": probe_dims.pairs(lab, small),
        "nan": probe_behaviour.nan(lab, small),
        **probe_behaviour.training(lab, small, dims),
    }
    return dict(answer, not_tried=_late(lab, answer))


def _batch(job: load.Job, lab: Lab, dims: Dims, found: Any, repeat: Dict[str, Any]) -> dict[str, Any]:
    """Compare batches only where answers can be compared at all."""
    if repeat["repeat"].startswith(("random", "differs")):
        words = "not_observed: the same input does not give the same answer twice"
        return {"batch": words, "batch_tried": [], "batch_difference": None}
    return probe_batch.observe(job, lab, dims, found)


def _late(lab: Lab, answer: dict[str, Any]) -> list[str]:
    """Name what was not tried, or not wholly, for lack of time."""
    late = [key for key in ("values", "dtypes", "nan", "dims", "batch", "repeat") if LATE in repr(answer[key])]
    return late + (["training"] if lab.over and answer["training_differs"] is None else [])


def _runtime(lab: Lab) -> str:
    module = sys.modules.get("onnxruntime") if lab.made.built.provider != "adapter" else sys.modules.get("torch")
    return f"{module.__name__} {module.__version__}" if module is not None else lab.made.built.provider
