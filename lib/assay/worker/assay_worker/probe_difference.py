"""How far two answers are apart."""

from __future__ import annotations

import math
from typing import Any, Dict, Tuple

SMALL, ROUNDING = 1e-6, 1e-5  # parts of the largest value


def largest(one: Dict[str, Any], other: Dict[str, Any]) -> float:
    """Give the largest difference in parts of the largest value; 0 only for the same bits, inf for other shapes."""
    if set(one) != set(other):
        return math.inf
    return max((relative(one[name], other[name]) for name in one), default=0.0)


def relative(one: Any, other: Any) -> float:
    """Give the largest difference of two tensors in parts of the largest value."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return math.inf
    if one.tobytes() == other.tobytes():
        return 0.0
    if one.dtype.kind not in "biuf":
        return math.inf
    return max(apart(one, other)[1], 1e-12)  # zeros of two signs are other bits, too


def apart(one: Any, other: Any) -> Tuple[float, float]:
    """Give the largest value and the largest difference in parts of it; inf where only one is no number."""
    import numpy

    here, there = one.astype("float64"), other.astype("float64")
    finite = numpy.isfinite(here) & numpy.isfinite(there)
    scale = float(numpy.max(numpy.abs(here[finite]), initial=0.0)) or 1.0
    if not numpy.array_equal(here[~finite], there[~finite], equal_nan=True):
        return scale, math.inf
    return scale, float(numpy.max(numpy.abs(here[finite] - there[finite]), initial=0.0)) / scale
