"""One fitted fact, and the few things that every fit needs."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np


class Sample(NamedTuple):
    """What one stimulus became: the tensor that reached the model."""

    name: str
    tensor: np.ndarray


def fact(
    name: str,
    value: Any,
    *,
    unit: str = "",
    tries: int = 0,
    residual: Optional[float] = None,
    reason: str = "",
    alternatives: Sequence[Any] = (),
    evidence: Sequence[str] = (),
    detail: Optional[Dict[str, Any]] = None,
) -> Dict[str, Any]:
    """Say what was found, or with no value why not; only a value without rivals is identified."""
    return {
        "id": name,
        "value": None if alternatives else value,
        "unit": unit,
        "tries": tries or len(evidence),
        "residual": None if residual is None else float("%.3g" % residual),
        "identified": value is not None and not alternatives,
        "reason": reason,
        "alternatives": list(alternatives),
        "evidence": list(evidence),
        "detail": detail or {},
    }


def unknown(name: str, reason: str, evidence: Sequence[str] = (), alternatives: Sequence[Any] = ()) -> Dict[str, Any]:
    """Say that nothing is known, and why."""
    return fact(name, None, reason=reason, evidence=evidence, alternatives=alternatives)


def tidy(value: float, spread: float) -> float:
    """Round to the digits that an uncertainty leaves, at most six of them."""
    if value == 0 or abs(value) <= spread:
        return 0.0
    digits = int(np.clip(np.floor(np.log10(abs(value) / max(spread, 1e-12)) + 0.5), 1, 6))
    return float("%.*g" % (digits, value))


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two arrays are equal, NaN in one place being equal too; numpy learnt it only in 1.19."""
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def tell_dtype(samples: List[Sample]) -> Dict[str, Any]:
    """Say in which type the tensor comes."""
    found = sorted({str(s.tensor.dtype) for s in samples})
    evidence = [s.name for s in samples]
    if len(found) > 1:
        return unknown("pre.dtype", "it changes from input to input: " + ", ".join(found), evidence)
    return fact("pre.dtype", found[0], evidence=evidence, residual=0.0)
