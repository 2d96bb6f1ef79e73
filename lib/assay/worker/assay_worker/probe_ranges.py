"""What outputs have in common over several runs: bounds, sums, one-hot rows."""

from __future__ import annotations

from typing import Any, Callable

from assay_worker.probe_inputs import Tensors

SUM = 1e-3


def of(seen: list[Tensors]) -> dict[str, dict[str, Any]]:
    """Write down what held for every output in every run."""
    names = sorted(set.intersection(*(set(outputs) for outputs in seen))) if seen else []
    return {name: _one([outputs[name] for outputs in seen]) for name in names}


def _one(runs: list[Any]) -> dict[str, Any]:
    import numpy

    numbers = [v for v in runs if v.dtype.kind in "biuf" and v.size]
    finite = [v[numpy.isfinite(v)] for v in numbers]
    finite = [v for v in finite if v.size]
    low = min((float(v.min()) for v in finite), default=None)
    high = max((float(v.max()) for v in finite), default=None)
    whole = len(numbers) == len(runs) and all(f.size == v.size for f, v in zip(finite, numbers))
    return {
        "runs": len(runs),
        "minimum": low,
        "maximum": high,
        "within_one": low is not None and high is not None and whole and low >= 0 and high <= 1,
        "sums_to_one": _axis(numbers, _sums) if whole else None,
        "one_hot": _axis(numbers, _one_hot) if whole else None,
        "constant": len(runs) > 1 and len({v.tobytes() for v in runs}) == 1,
    }


def _axis(runs: list[Any], holds: Callable[[Any, int], bool]) -> int | None:
    """Find the last axis along which something holds in every run."""
    if not runs or len({v.ndim for v in runs}) != 1:
        return None
    fits = (a for a in reversed(range(runs[0].ndim)) if all(v.shape[a] > 1 and holds(v, a) for v in runs))
    return next(fits, None)


def _sums(value: Any, axis: int) -> bool:
    """Tell whether values are shares of one."""
    if value.dtype.kind != "f" or value.min() < 0:
        return False
    sums = value.sum(axis=axis, dtype="float64")
    return bool((abs(sums - 1) < SUM).all())


def _one_hot(value: Any, axis: int) -> bool:
    """Tell whether there is a single one among zeros."""
    return bool(((value == 0) | (value == 1)).all() and ((value == 1).sum(axis=axis) == 1).all())
