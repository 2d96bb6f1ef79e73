"""What a batch does to its items: nothing, or something that depends on the neighbours."""

from __future__ import annotations

import math
from typing import Any, Dict, Tuple

from assay_worker import load
from assay_worker.probe_difference import ROUNDING, SMALL, apart
from assay_worker.probe_dims import Found
from assay_worker.probe_inputs import SEED, Dims, Tensors
from assay_worker.probe_lab import NO_TIME, Lab

COUPLED = 1e-2  # parts of the largest value
BATCHES = (2, 3, 4)
Said = Dict[str, Any]


def observe(job: load.Job, lab: Lab, dims: Dims, found: dict[str, Found]) -> Said:
    """Run one input alone and beside two different neighbours: only a coupled model minds the neighbour."""
    axis = int(job.request.get("batch_axis") or 0)
    along = (i["shape"][axis] for i in lab.maker.inputs if len(i["shape"]) > axis)
    symbol = next((d for d in along if d != 1), None)
    if not isinstance(symbol, str) or dims[symbol] != 1:
        return _said("no batch axis")
    one = found[symbol]
    if not one.moves or any(dims[s] != 1 for s in one.together):
        return _said(f"not_observed: {NO_TIME if one.untried else '2 and 3'} along {symbol}; {lab.last_error}"[:300])
    moving = (symbol, *one.together)
    sizes = [n for n in BATCHES if lab.accepts(dict(dims, **{s: n for s in moving}))]
    return dict(_neighbours(lab, dims, symbol, moving), batch_tried=sizes)


def _said(batch: str, largest: float | None = None) -> Said:
    finite = largest is not None and math.isfinite(largest)
    return {"batch": batch, "batch_tried": [], "batch_difference": largest if finite else None}


def _neighbours(lab: Lab, dims: Dims, symbol: str, moving: Tuple[str, ...]) -> Said:
    mine, one, other = (lab.maker.make(dims, SEED + i) for i in range(3))
    runs = [mine, _joined(lab, mine, one, moving), _joined(lab, mine, other, moving), _joined(lab, one, mine, moving)]
    alone, beside, elsewhere, second = (lab.run(given) for given in runs)
    if alone is None or beside is None or elsewhere is None or second is None:
        return _said(f"not_observed: 2 along {symbol}; {lab.last_error}"[:300])
    names = [n for n in alone if n in beside and n in elsewhere and n in second]
    seen = [_minds(name, alone[name], (beside[name], elsewhere[name], second[name]), lab.notes) for name in names]
    known = [pair for pair in seen if pair[0]]
    words = [word for word, _ in known]
    batch = "coupled" if "coupled" in words else "works" if words else "not_observed: no output grew with it"
    return _said(batch, max((most for _, most in known), default=None))


def _joined(lab: Lab, first: Tensors, second: Tensors, moving: Tuple[str, ...]) -> Tensors:
    import numpy

    batch = {name: value.copy() for name, value in first.items()}  # some models write into their input
    for spec in lab.maker.inputs:
        axes = [i for i, d in enumerate(spec["shape"]) if d in moving]
        if axes:
            batch[spec["name"]] = numpy.concatenate([first[spec["name"]], second[spec["name"]]], axis=axes[0])
    return batch


def _minds(name: str, alone: Any, batches: Tuple[Any, Any, Any], notes: list[str]) -> Tuple[str, float]:
    """Compare one output of one input, alone, first beside two neighbours, and second, along the axis that grew."""
    beside, elsewhere, second = batches
    grown = [i for i, n in enumerate(beside.shape) if alone.ndim == beside.ndim and n == 2 * alone.shape[i]]
    if not grown or beside.shape != elsewhere.shape or alone.dtype.kind not in "biuf" or not alone.size:
        return "", 0.0
    if second.shape != beside.shape:
        notes.append(f"{name} of one input has another shape in another place of the batch")
        return "coupled", 0.0
    before = (slice(None),) * grown[0]
    count = alone.shape[grown[0]]
    here, there, last = (
        v[before + (slice(a, a + count),)] for v, a in ((beside, 0), (elsewhere, 0), (second, count))
    )  # fmt: skip
    if here.shape != alone.shape:
        return "", 0.0
    scale, neighbour = apart(here, there)
    if neighbour > SMALL:
        notes.append(f"{name} of one input depends on what else is in the batch: by up to {neighbour * scale:.2g}")
        return "coupled", neighbour * scale
    scale, most = max(apart(alone, here), apart(alone, last), key=lambda pair: pair[1])
    # Another batch size may choose another kernel, which rounds otherwise.
    if most > ROUNDING:
        notes.append(
            f"{name} differs by up to {most * scale:.2g} between a batch of two and alone (largest {scale:.2g})"
        )
    return ("works" if most <= COUPLED else "coupled"), most * scale
