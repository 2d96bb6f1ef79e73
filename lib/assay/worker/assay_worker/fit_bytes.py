"""From files and the integers they became: which bytes are taken, what fills up, what is stripped."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from assay_worker import stimuli
from assay_worker.fit_fact import Sample, fact, tell_dtype, unknown

Fact = Dict[str, Any]
SPACE = b" \t\n\r\x0b\x0c"


class Window(NamedTuple):
    """The first bytes of a file, then its last ones."""

    first: int
    last: int


def fit(samples: List[Sample]) -> List[Fact]:
    """Tell which bytes of a file reach the model as this tensor, and as what."""
    told = [tell_dtype(samples)]
    names = [s.name for s in samples]
    rows = {s.name: np.asarray(s.tensor, np.float64).reshape(-1) for s in samples}
    if any(max(s.tensor.shape, default=0) != s.tensor.size for s in samples):
        return told + _all_unknown("the tensor is no single row", names)
    lengths = sorted({len(row) for row in rows.values()})
    if "long" not in rows:
        return told + _all_unknown("the long file did not come through", names)
    gain, offset, window, problem = _solve(rows["long"])
    if window is None:
        return told + _all_unknown(problem, names)
    told.append(fact("pre.affine", True, evidence=["long"], residual=0.0))
    told.append(fact("pre.scale", gain, evidence=["long"], residual=0.0, unit="per byte", detail={"offset": offset}))
    plain = {name: (row - offset) / gain for name, row in rows.items()}
    return told + _window(window, lengths, plain, names) + [_pad(window, plain, offset, gain), _strip(window, plain)]


def _all_unknown(why: str, names: List[str]) -> List[Fact]:
    return [unknown(name, why, names) for name in ("pre.affine", "pre.scale", "pre.window", "pre.pad", "pre.decode")]


def _solve(row: np.ndarray) -> Tuple[float, float, Optional[Window], str]:
    data = _numbers(stimuli.content("long"))
    if not len(row) or not np.isfinite(row).all():
        return 1.0, 0.0, None, "the tensor is empty or not finite"
    for head in (True, False):
        count = min(len(row), len(data), 64)
        x, y = (data[:count], row[:count]) if head else (data[-count:], row[-count:])
        spread = float(((x - x.mean()) ** 2).sum())
        if count < 8 or not spread:
            continue
        gain = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
        offset = float(y.mean() - gain * x.mean())
        gain, offset = _whole(gain), _whole(offset)
        if gain and np.abs(gain * x + offset - y).max() < 1e-4 * abs(gain):
            window = _lengths((row - offset) / gain, data)
            return (
                gain,
                offset,
                window,
                "" if window else "the middle of the tensor is neither head nor tail of the file",
            )
    return 1.0, 0.0, None, "the tensor shows neither the head nor the tail of the file"


def _whole(value: float) -> float:
    if abs(value - round(value)) < 1e-6:
        return float(round(value))
    return float("%.7g" % value)


def _numbers(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8).astype(np.float64)


def _lengths(row: np.ndarray, data: np.ndarray) -> Optional[Window]:
    if len(row) >= len(data):  # all of it, perhaps more
        return Window(len(row), 0) if np.abs(row[: len(data)] - data).max() < 1e-3 else None
    same = np.abs(row - data[: len(row)]) < 1e-3
    first = len(row) if same.all() else int(np.argmin(same))
    last = len(row) - first
    if last and np.abs(row[first:] - data[-last:]).max() > 1e-3:
        return None
    return Window(first, last)


def _window(window: Window, lengths: List[int], plain: Dict[str, np.ndarray], names: List[str]) -> List[Fact]:
    if len(lengths) > 1:
        why = "the length follows the file: %s" % lengths
        return [unknown("pre.window", why, names), unknown("pre.size", why, names)]
    value = {"first": window.first, "last": window.last}
    return [
        fact("pre.window", value, unit="bytes", evidence=names, residual=0.0),
        fact("pre.size", [lengths[0]], unit="bytes", evidence=names, residual=0.0),
    ]


def _pad(window: Window, plain: Dict[str, np.ndarray], offset: float, gain: float) -> Fact:
    row = plain.get("short")
    data = _numbers(stimuli.content("short"))
    if row is None or window.first + window.last <= len(data):
        return unknown("pre.pad", "no file was short enough to be filled up", ["short"])
    fillers = []
    parts = [(row[: window.first], True), (row[window.first :], False)]
    wheres = []
    for part, head in parts:
        free = len(part) - len(data)
        if free <= 0:
            continue
        for where, text, rest in (
            ("after", part[: len(data)], part[len(data) :]),
            ("before", part[free:], part[:free]),
        ):
            if np.abs(text - data).max() < 1e-3 and np.ptp(rest) < 1e-6:
                fillers.append(float(rest[0] * gain + offset))
                wheres.append(("first " if head else "last ") + "filled up " + where)
                break
        else:
            return unknown("pre.pad", "what fills up a short file is not of one value", ["short"])
    if len(set(fillers)) != 1:
        return unknown("pre.pad", "head and tail are filled up with different values", ["short"], sorted(set(fillers)))
    return fact(
        "pre.pad", _whole(fillers[0]), unit="of the tensor", evidence=["short"], residual=0.0, detail={"where": wheres}
    )


def _strip(window: Window, plain: Dict[str, np.ndarray]) -> Fact:
    row = plain.get("spaced")
    if row is None:
        return unknown("pre.decode", "the file with spaces around it did not come through", ["spaced"])
    data = stimuli.content("spaced")
    told = []
    for part, stripped, head in (
        (row[: window.first], data.lstrip(SPACE), True),
        (row[window.first :], data.rstrip(SPACE), False),
    ):
        if not len(part) or len(part) > len(stripped):
            told.append(None if not len(part) else "unclear")
            continue
        texts = {"kept": data, "stripped": stripped}
        same = [word for word, t in texts.items() if _same_end(part, _numbers(t), head)]
        told.append(same[0] if len(same) == 1 else "unclear")
    if "unclear" in told:
        return unknown("pre.decode", "what happens to spaces at an end is not clear", ["spaced"])
    words = ["%s %s" % (where, word) for where, word in zip(("leading spaces", "trailing spaces"), told) if word]
    return fact("pre.decode", "bytes, " + ", ".join(words), evidence=["spaced"], residual=0.0)


def _same_end(part: np.ndarray, data: np.ndarray, head: bool) -> bool:
    expected = data[: len(part)] if head else data[-len(part) :]
    return len(expected) == len(part) and bool(np.abs(part - expected).max() < 1e-3)
