"""What a model does with unusual input: other types, other values, NaN, training mode."""

from __future__ import annotations

import hashlib
import random
import sys
from typing import Any, Dict, List

from assay_worker.probe_difference import SMALL, largest
from assay_worker.probe_inputs import SEED, Dims, Tensors, is_float
from assay_worker.probe_lab import NO_TIME, Lab

FLOATS, WHOLE = ("float16", "float32", "float64", "uint8", "int64"), ("uint8", "int32", "int64", "float32")
FILLS = ("zeros", "ones", "noise")
LATE = f"not_observed: {NO_TIME}"


def values(lab: Lab, dims: Dims) -> tuple[dict[str, str], list[Tensors]]:
    """Run inputs of zeros, ones and noise, and another made-up one; say what came and keep the outputs."""
    said, seen = {}, []
    fills = FILLS if any(is_float(i["dtype"]) and i["shape"] for i in lab.maker.inputs) else ()
    for fill in (*fills, "another"):
        outputs = lab.attempt(dims, SEED + 1) if fill == "another" else lab.attempt(dims, fill=fill)
        said[fill] = _finite(outputs) if outputs is not None else _refused(lab)
        seen += [outputs] if outputs is not None else []
    return said, seen


def _finite(outputs: Tensors) -> str:
    import numpy

    bad = [n for n, v in sorted(outputs.items()) if v.dtype.kind == "f" and not numpy.isfinite(v).all()]
    return f"ran; not all finite: {', '.join(bad)}" if bad else "ran; all finite"


def _refused(lab: Lab) -> str:
    return LATE if lab.last_error == NO_TIME else f"refused: {lab.last_error}"


def nan(lab: Lab, dims: Dims) -> Dict[str, Dict[str, str]]:
    """Fill one input of floats after the other with NaN; say of each output how much of it is NaN."""
    found = {}
    for spec in lab.maker.inputs:
        if is_float(spec["dtype"]) and spec["shape"]:
            outputs = lab.run(lambda name=spec["name"]: _poisoned(lab, dims, name))
            seen = {"": _refused(lab)} if outputs is None else {n: _nans(v) for n, v in sorted(outputs.items())}
            found[spec["name"]] = seen
    return found


def _poisoned(lab: Lab, dims: Dims, name: str) -> Tensors:
    return dict(lab.maker.make(dims), **{name: lab.maker.make(dims, fill="nan")[name]})


def _nans(value: Any) -> str:
    import numpy

    if value.dtype.kind != "f":
        return f"{value.dtype}: cannot be NaN"
    if not value.size:
        return "empty"
    share = int(numpy.isnan(value).sum())
    return "NaN everywhere" if share == value.size else "swallowed" if not share else f"NaN in {share} of {value.size}"


def dtypes(lab: Lab, dims: Dims) -> Dict[str, Dict[str, str]]:
    """Hand over each input in other types than its own."""
    found = {}
    for spec in lab.maker.inputs:
        if spec["shape"] and spec["dtype"] != "string":
            others = [t for t in (FLOATS if is_float(spec["dtype"]) else WHOLE) if t != spec["dtype"]]
            found[spec["name"]] = {other: _typed(lab, dims, spec["name"], other) for other in others}
    return found


def _typed(lab: Lab, dims: Dims, name: str, dtype: str) -> str:
    def given() -> Tensors:
        made = lab.maker.make(dims)
        return dict(made, **{name: made[name].astype(dtype)})

    return "accepted" if lab.run(given) is not None else _refused(lab)


def training(lab: Lab, *sizes: Dims) -> Dict[str, bool | None]:
    """Tell whether training mode changes the answer, and whether two answers in it are alike; leaves the model changed.

    At the first of the sizes that it takes: statistics of a batch want more than one value. None where there is no such
    mode, no time, or where answers are alike that may be so by chance only.
    """
    model = lab.made.built.model
    unknown: Dict[str, bool | None] = {"training_differs": None, "training_repeats": None}
    if not isinstance(getattr(model, "training", None), bool) or lab.over:
        return unknown
    try:
        for dims in sizes:
            usual = lab.attempt(dims)
            model.train()
            before = _chance()
            trained, again = lab.attempt(dims), lab.attempt(dims)
            drawn = _chance() != before
            model.eval()
            if trained is not None:
                break
    except (Exception, SystemExit):
        return unknown
    renewed = lab.made.built.model is not model  # a state was reset by building anew: in evaluation mode
    if usual is None or renewed or (trained is None and lab.last_error == NO_TIME):
        return unknown
    differs = trained is None or largest(usual, trained) > SMALL
    repeats = largest(trained, again) == 0 if trained is not None and again is not None else None
    return {
        "training_differs": None if drawn and not differs else differs,
        "training_repeats": None if drawn and repeats else repeats,
    }


def _chance() -> str:
    """Digest the state of the generators that code draws from without saying so."""
    states: List[Any] = [random.getstate()]
    if "numpy" in sys.modules:
        _, keys, *rest = sys.modules["numpy"].random.get_state()
        states += [keys.tobytes(), rest]
    torch = sys.modules.get("torch")
    if torch is not None:
        cards = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        states += [state.numpy().tobytes() for state in (torch.get_rng_state(), *cards)]
    return hashlib.sha256(repr(states).encode()).hexdigest()
