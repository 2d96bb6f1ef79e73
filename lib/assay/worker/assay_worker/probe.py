"""Verb probe: see what a model accepts by running it on made-up tensors.

What worked is a fact. What did not work is only "not_observed", with the tries: dimensions may be tied.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Dict, List

from assay_worker import load, runner, tensors

LADDER = (64, 32, 224, 1, 256, 512, 576, 640, 320, 128, 2048, 1024, 16, 8, 4, 2, 3)
RATES = (16000, 8000)
SECONDS = 60.0
SEED = 20240101
Dims = Dict[str, int]
Spec = List[Dict[str, Any]]


def run(job: load.Job) -> dict[str, Any]:
    """Build the model and write down what it did."""
    made = runner.make(job, load.functions(job))
    inputs = [dict(i, shape=_symbols(i)) for i in made.built.inputs]
    lab = Lab(made, inputs)
    dims = lab.first_working() if all(i["shape"] is not None for i in inputs) and inputs else None
    answer: dict[str, Any] = {
        "runtime": _runtime(made),
        "inputs": made.built.inputs,
        "outputs": made.built.outputs,
        "observed": [],
        "dims": {},
        "worked": {},
        "batch": "not_observed: no made-up input ran",
        "deterministic": None,
    }
    if dims is None:
        lab.notes.append(f"no made-up input ran in {lab.tries} tries; the last error: {lab.last_error}"[:500])
    else:
        answer.update(_observed(job, lab, dims))
    answer["notes"] = [job.places().scrub(note) for note in lab.notes]
    return answer


def _observed(job: load.Job, lab: Lab, dims: Dims) -> dict[str, Any]:
    outputs = lab.attempt(dims)
    again = lab.attempt(dims)
    if outputs is None or again is None:
        return {"deterministic": None}
    ties = {symbol: lab.vary(dims, symbol) for symbol in dims}
    kept = ("name", "dtype", "shape", "minimum", "maximum", "nonfinite")
    return {
        "observed": [{k: f[k] for k in kept} for f in tensors.all_facts(outputs)],
        "dims": _dims(lab, ties),
        "worked": {name: list(value.shape) for name, value in lab.make(dims).items()},
        "batch": _batch(job, lab, dims, ties),
        "deterministic": all(again[n].tobytes() == v.tobytes() for n, v in outputs.items()),
    }


class Lab:
    """Made-up inputs for one model, and a count of what was tried."""

    def __init__(self, made: runner.Runner, inputs: Spec) -> None:
        self.made, self.inputs = made, inputs
        self.notes: list[str] = []
        self.tries, self.last_error, self.scalar = 0, "", 1
        self.deadline = time.monotonic() + SECONDS

    def attempt(self, dims: Dims, *, seed: int = SEED) -> dict[str, Any] | None:
        """Run once; None when the model refuses."""
        return self.run(self.make(dims, seed))

    def run(self, given: dict[str, Any]) -> dict[str, Any] | None:
        """Run made tensors; None when the model refuses or the time is over."""
        if time.monotonic() > self.deadline:
            self.last_error = "the time for probing was over"
            return None
        self.tries += 1
        try:
            return self.made.run(given)
        except MemoryError:
            raise
        except Exception as error:
            self.last_error = str(error)
            return None

    def make(self, dims: Dims, seed: int = SEED) -> dict[str, Any]:
        """Make tensors of the given dimensions: floats in [0, 1), whole numbers 0 or 1."""
        import numpy

        random = numpy.random.Generator(numpy.random.PCG64(seed))
        given = {}
        for spec in self.inputs:
            shape = [dims[d] if isinstance(d, str) else d for d in spec["shape"]]
            if not shape and "int" in spec["dtype"]:
                given[spec["name"]] = numpy.array(self.scalar, dtype=spec["dtype"])
            elif spec["dtype"].startswith(("float", "bfloat")):
                given[spec["name"]] = random.random(shape, dtype=numpy.float32).astype(spec["dtype"])
            elif spec["dtype"] == "string":
                given[spec["name"]] = numpy.full(shape, "a", dtype=object)
            else:
                given[spec["name"]] = random.integers(0, 2, size=shape).astype(spec["dtype"])
        return given

    def first_working(self) -> Dims | None:
        """Climb the ladders until something runs."""
        symbols = sorted({d for i in self.inputs for d in i["shape"] if isinstance(d, str)})
        leading = {i["shape"][0] for i in self.inputs if i["shape"] and isinstance(i["shape"][0], str)}
        scalars = (1, *RATES) if any(not i["shape"] and "int" in i["dtype"] for i in self.inputs) else (1,)
        for self.scalar in scalars:
            for dims in _candidates(symbols, leading):
                if self.attempt(dims) is not None:
                    return dims
        return None

    def vary(self, dims: Dims, symbol: str) -> tuple[str, ...]:
        """Find which symbols must move together for this one to move; () when no way was found."""
        for other in [""] + [s for s in dims if s != symbol]:
            moved = (symbol,) + ((other,) if other else ())
            for step in (2, 3):
                if self.attempt(dict(dims, **{s: dims[s] * step for s in moved})) is not None:
                    return moved
        return ()


def _candidates(symbols: list[str], leading: set[str]) -> list[Dims]:
    """List assignments: batch 1 and all others alike first, then one large at a time."""
    inner = [s for s in symbols if s not in leading]
    tried: list[Dims] = []
    for size in LADDER if inner else (1, 2, 4, 8, 16, 32, 64):
        tried.append({s: 1 if s in leading and inner else size for s in symbols})
    for one in inner if len(inner) > 1 else ():
        tried += [{s: size if s == one else 1 for s in symbols} for size in LADDER]
    return [d for i, d in enumerate(tried) if d not in tried[:i]] or [{}]


def _symbols(spec: dict[str, Any]) -> list[Any] | None:
    """Give every dimension that has no name one of its own."""
    if spec.get("shape") is None:
        return None
    return [f"{spec['name']}/{axis}" if d is None else d for axis, d in enumerate(spec["shape"])]


def _dims(lab: Lab, ties: dict[str, tuple[str, ...]]) -> dict[str, str]:
    found = {}
    for spec in lab.inputs:
        for axis, d in enumerate(spec["shape"]):
            key = f"{spec['name']}/{axis}"
            if not isinstance(d, str):
                found[key] = "fixed"
            elif ties[d]:
                found[key] = "dynamic"
                if len(ties[d]) > 1:
                    lab.notes.append(f"{key} was only seen to move together with {ties[d][1]}")
            else:
                found[key] = "not_observed: 2 and 3 times its size, alone and with each other dimension"
    return found


# ---------------------------------------------------------------- batch
def _batch(job: load.Job, lab: Lab, dims: Dims, ties: dict[str, tuple[str, ...]]) -> str:
    axis = job.request.get("batch_axis")
    axis = 0 if axis is None else int(axis)
    symbol = next((i["shape"][axis] for i in lab.inputs if len(i["shape"]) > axis and i["shape"][axis] != 1), None)
    if not isinstance(symbol, str) or dims[symbol] != 1:
        return "no batch axis"
    moving = ties[symbol]
    if not moving or any(dims[s] != 1 for s in moving):
        return f"not_observed: 2 and 3 along {symbol}; {lab.last_error}"[:300]
    return _neighbours(lab, dims, symbol, moving)


def _neighbours(lab: Lab, dims: Dims, symbol: str, moving: tuple[str, ...]) -> str:
    """Run one input alone and beside two different neighbours: only a coupled model minds the neighbour."""
    mine, one, other = (lab.make(dims, SEED + i) for i in range(3))
    alone, beside = lab.run(mine), lab.run(_joined(lab, mine, one, moving))
    elsewhere = lab.run(_joined(lab, mine, other, moving))
    if alone is None or beside is None or elsewhere is None:
        return f"not_observed: 2 along {symbol}; {lab.last_error}"[:300]
    words = [_minds(name, alone[name], beside[name], elsewhere[name], lab.notes) for name in alone]
    return "coupled" if "coupled" in words else "works" if "works" in words else "not_observed: no output grew with it"


def _joined(lab: Lab, first: dict[str, Any], second: dict[str, Any], moving: tuple[str, ...]) -> dict[str, Any]:
    import numpy

    batch = dict(first)
    for spec in lab.inputs:
        axes = [i for i, d in enumerate(spec["shape"]) if d in moving]
        if axes:
            batch[spec["name"]] = numpy.concatenate([first[spec["name"]], second[spec["name"]]], axis=axes[0])
    return batch


def _minds(name: str, alone: Any, beside: Any, elsewhere: Any, notes: list[str]) -> str:
    """Compare one output of one input, alone and beside two neighbours, along the axis that grew."""
    import numpy

    grown = [i for i, n in enumerate(beside.shape) if alone.ndim == beside.ndim and n == 2 * alone.shape[i]]
    if not grown or beside.shape != elsewhere.shape or alone.dtype.kind not in "biuf":
        return "not_observed"
    mine = (slice(None),) * grown[0] + (slice(0, alone.shape[grown[0]]),)
    if beside[mine].tobytes() != elsewhere[mine].tobytes():
        notes.append(f"{name} of one input depends on what else is in the batch")
        return "coupled"
    finite = numpy.isfinite(alone) & numpy.isfinite(beside[mine])
    here, there = alone[finite].astype("float64"), beside[mine][finite].astype("float64")
    scale = float(numpy.max(numpy.abs(here), initial=0.0))
    largest = float(numpy.max(numpy.abs(there - here), initial=0.0))
    # Another batch size may choose another kernel, which rounds otherwise.
    if largest > 1e-5 * scale:
        notes.append(f"{name} differs by up to {largest:.2g} between a batch of two and alone (largest {scale:.2g})")
    return "works" if largest <= 1e-2 * scale else "coupled"


def _runtime(made: runner.Runner) -> str:
    module = sys.modules.get("onnxruntime") if made.built.provider != "adapter" else sys.modules.get("torch")
    return f"{module.__name__} {module.__version__}" if module is not None else made.built.provider
