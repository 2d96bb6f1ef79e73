"""Verb behave: run upstream's entrypoint, watched, over made-up and real inputs, and fit what reaches the model."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from assay_worker import fit_data, load, observe, stimuli, tensors
from assay_worker.fit import fit

LAYOUTS = {"NCHW": slice(2, 4), "NHWC": slice(1, 3), "CHW": slice(1, 3), "HWC": slice(0, 2)}
ONE_SIZE = "a picture of another size is refused"
SOME_SIZES = "pictures of some sizes are refused, and of more than one are taken"
SHAPE = re.compile(r"[(\[]\d+(?:, ?\d+)+[)\]]")
SIDES, MOST_ASKED = (8, 1024), 3  # of a picture that a failure speaks of; how many are tried


def run(job: load.Job) -> Dict[str, Any]:
    """Watch each run; say what reached the model first in each, and what rule follows from that."""
    kind = job.request.get("stimuli", "")
    made = stimuli.make(kind, job.path("stimuli", ""), job.request.get("ending", "")) if kind else []
    files = [os.path.relpath(one.file, job.root) for one in made]
    inputs = [*files, *job.request.get("inputs", []), *job.request.get("samples", [])]
    runs = observe.watch(job, inputs[:1], 0)
    taken = _size_taken(job, runs, inputs[0]) if kind == "image" else None
    if taken is not None:
        job.request["one_size"] = not _takes_others(job, inputs[0], taken)
        stimuli.of_size(taken)
        made = stimuli.make(kind, job.path("stimuli", ""), job.request.get("ending", ""))
        runs = observe.watch(job, inputs[:1], 0)
    if _called(runs) and (not kind or _heeded(job, runs)):  # else the others would end as this one did
        job.request["stop"] = "enter"  # of made-up inputs, what reaches the model is enough
        runs += observe.watch(job, files[1:], 1)
        job.request["stop"] = "call"
        runs += observe.watch(job, inputs[len(runs) :], len(runs))
    first = [_first(job, run, i) for i, run in enumerate(runs)]
    return {
        "runs": runs,
        "interventions": list({repr(sorted(i.items())): i for run in runs for i in run["interventions"]}.values()),
        "first": first,
        "findings": _fitted(job, kind, made, first) if kind else _of_variants(job, inputs, first),
    }


def _called(runs: List[Dict[str, Any]]) -> bool:
    return any(e["is"] == "call" for run in runs for e in run["events"])


def _heeded(job: load.Job, runs: List[Dict[str, Any]]) -> bool:
    """Tell whether upstream reads what it is given: a made-up input, or else its own sample."""
    samples = job.request.get("samples", [])[:1]
    return _read(runs) or (bool(samples) and _read(observe.watch(job, samples, 1)))


def _read(runs: List[Dict[str, Any]]) -> bool:
    return any(e["is"] == "read" and e["path"] == "@input" for run in runs for e in run["events"])


def _size_taken(job: load.Job, runs: List[Dict[str, Any]], file: str) -> Optional[Tuple[int, int]]:
    """Give the one size of a picture that comes through: that of upstream's own sample, or one that it asks for."""
    if _answered(runs) or runs[0]["outcome"] != "failed":
        return None
    samples = job.request.get("samples", [])[:1]
    if samples:
        from PIL import Image

        with Image.open(os.path.join(job.root, samples[0])) as picture:
            size = (picture.width, picture.height)
        return size if _answered(observe.watch(job, samples, 0)) else None
    for size in _asked_for(runs[0]["message"]):
        stimuli.of_size(size)
        stimuli.make("image", job.path("stimuli", ""), job.request.get("ending", ""))
        if _answered(observe.watch(job, [file], 0)):
            return size
    stimuli.of_size(None)
    stimuli.make("image", job.path("stimuli", ""), job.request.get("ending", ""))
    return None


def _takes_others(job: load.Job, file: str, taken: Tuple[int, int]) -> bool:
    """Tell whether pictures of other sizes come through, too: one more, as where sizes are rounded, or twice it."""
    for size in ((taken[0] + 1, taken[1] + 1), (2 * taken[0], 2 * taken[1])):
        stimuli.of_size(size)
        stimuli.make("image", job.path("stimuli", ""), job.request.get("ending", ""))
        if _answered(observe.watch(job, [file], 0)):
            return True
    return False


def _answered(runs: List[Dict[str, Any]]) -> bool:
    return any(e["is"] == "call" and e.get("outputs") is not None for run in runs for e in run["events"])


def _asked_for(message: str) -> List[Tuple[int, int]]:
    """List the square pictures, grey or of three colours, that have as many numbers as a failure speaks of."""
    found: List[Tuple[int, int]] = []
    shapes = [math.prod(map(int, re.findall(r"\d+", shape))) for shape in SHAPE.findall(message)]
    for number in [*shapes, *map(int, reversed(re.findall(r"\d+", message)))]:
        for pixels in (number, number / 3):
            side = math.isqrt(int(pixels))
            if side * side == pixels and SIDES[0] <= side <= SIDES[1] and (side, side) not in found:
                found.append((side, side))
    return found[:MOST_ASKED]


def _fitted(job: load.Job, kind: str, made: List[Any], first: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Fit what reached the model; of several tensors, what is known of the first is told."""
    seen = []
    for stimulus, one in zip(made, first):
        arrays = tensors.read(os.path.join(job.out, one["npz"]))[0] if one["npz"] else {}
        given = {f"arg{i}": arrays[name] for i, name in enumerate(one["inputs"])}
        seen.append({"stimulus": stimulus.name, "tensors": given})
    found = fit(kind, seen) if any(one["tensors"] for one in seen) else {"facts": []}
    facts = [dict(fact) for fact in found["facts"]]
    main = next((fact["tensor"] for fact in facts), "")
    if stimuli.ONLY:
        sure = bool(job.request.get("one_size"))
        _tell_size(facts, [one["tensors"][main].shape for one in seen if main in one["tensors"]], sure)
    typed = not any(one.get("listed") for one in first)  # a list of numbers has no type of its own
    return [fact for fact in facts if fact["tensor"] == main and (typed or fact["id"] != "pre.dtype")]


def _of_variants(job: load.Job, files: List[str], first: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Tell what a data file of upstream's own and variants of it show together."""
    if not job.request.get("varied") or not all(one["npz"] and len(one["inputs"]) == 1 for one in first):
        return []
    arrays = [tensors.read(os.path.join(job.out, one["npz"]))[0][one["inputs"][0]] for one in first]
    return fit_data.pad({os.path.join(job.root, file): array for file, array in zip(files, arrays)})


def _tell_size(facts: List[Dict[str, Any]], shapes: List[Any], sure: bool) -> None:
    """Say of pictures that all had to have one size that it is the tensor's, where it is and no other is taken."""
    width, height = stimuli.ONLY[0]
    layout = next((fact["value"] for fact in facts if fact["id"] == "pre.layout"), None)
    whole = layout in LAYOUTS and all(tuple(shape[LAYOUTS[layout]]) == (height, width) for shape in shapes)
    said = {"pre.size": [height, width], "pre.resize": "none"}
    for fact in facts:
        if fact["id"] in said and sure and whole:
            fact.update(value=said[fact["id"]], identified=True, alternatives=[], reason=ONE_SIZE)
        elif fact["id"] in said and not sure:
            fact.update(value=None, identified=False, alternatives=[], reason=SOME_SIZES)


def _first(job: load.Job, run: Dict[str, Any], index: int) -> Dict[str, Any]:
    """Describe the model's first call in a run: which tensors went in and out, and what was given out afterwards."""
    npz = f"raw/observe-{index}.npz"
    found: Dict[str, Any] = {"npz": "", "inputs": [], "outputs": [], "calls": 0, "shown": []}
    if not os.path.isfile(os.path.join(job.out, npz)):
        return found
    arrays, _ = tensors.read(os.path.join(job.out, npz))
    call = _call(run["events"], arrays)
    if call is None:
        return found
    inputs, outputs = _named([call["args"], call.get("kwargs", {})], arrays), _named(call["outputs"], arrays)
    return {
        "npz": npz,
        "inputs": inputs,
        "outputs": outputs,
        "calls": run["counts"].get("call", 0),
        "input_facts": [tensors.facts(name, arrays[name]) for name in inputs],
        "output_facts": [tensors.facts(name, arrays[name]) for name in outputs],
        "shown": [
            [e["args"], e.get("kwargs", {}), e.get("picture"), e.get("sound")]
            for e in run["events"]
            if e["is"] == "sink"
        ]
        + [run.get("after") or {}, *run.get("ends", ())],
        "reads": _read([run]),
        "method": call["method"],
        "listed": '"lib": "list"' in json.dumps(call["args"]),
        "training": bool(call.get("training")),
        "stack": call["stack"],
    }


def _call(events: List[Dict[str, Any]], arrays: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Give the first call of the checkpoint's model that was handed tensors, once the input was read."""
    read = next((i for i, e in enumerate(events) if e["is"] == "read" and e["path"] == "@input"), 0)
    calls = [e for e in events[read:] if e["is"] == "call" and e.get("main")]
    return next((c for c in calls if _named([c["args"], c.get("kwargs", {})], arrays)), None)


def _named(value: Any, arrays: Dict[str, Any]) -> List[str]:
    return [name for name in _tensors(value) if name in arrays]


def _tensors(value: Any) -> Iterator[str]:
    """Name the tensors in a value as it was written down, in order."""
    if isinstance(value, dict):
        if isinstance(value.get("tensor"), str) and "lib" in value:
            yield value["tensor"]
        else:
            for inner in value.values():
                yield from _tensors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tensors(inner)
