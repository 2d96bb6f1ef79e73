"""Whether an answer is what upstream's own run showed: each number and word of it was drawn, said or kept there."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
DIGEST = re.compile(r"[0-9a-f]{32,}")  # of a picture: its digits are no numbers
CLOSE = 1e-4  # of float32, after another order of adding up
CUT = 2.0  # from here on a pixel's whole number tells something
MOST = 5  # leaves that are named


class Verdict(NamedTuple):
    """How much of an answer upstream's run bears out."""

    outcome: str  # same | different | unseen: nothing was shown to compare with
    seen: int
    leaves: int
    unseen: List[str]


class Shown(NamedTuple):
    """All that upstream's run gave out."""

    numbers: Any  # in full, in order
    texts: Dict[float, int]  # numbers that only stood in a text, with their digits after the point
    words: List[str]


def judge(answer: Any, shown: List[Any]) -> Verdict:
    """Compare an answer's leaves with all that upstream's run gave out."""
    leaves = list(_leaves(answer, ""))
    given = _gathered(shown)
    if not len(given.numbers) and not given.texts and not given.words:
        return Verdict("unseen", 0, len(leaves), [])
    lost = [f"{path}: {value!r}" for path, value in leaves if not _borne_out(value, given)]
    return Verdict("different" if lost else "same", len(leaves) - len(lost), len(leaves), lost[:MOST])


def _leaves(value: Any, path: str) -> Iterator[Tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{key}")
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{i}")
    elif value is not None:
        yield path, value


def _gathered(shown: List[Any]) -> Shown:
    """Sort what was shown, arrays as they are: a mask has as many numbers as a picture has pixels."""
    import numpy

    arrays: List[Any] = []
    numbers: List[float] = []
    words: List[str] = []
    for _, value in _leaves(shown, ""):
        if isinstance(value, numpy.ndarray) and value.dtype.kind in "iuf":
            arrays.append(value.ravel().astype("float64"))
            continue
        for one in value.ravel().tolist() if isinstance(value, numpy.ndarray) else [value]:
            if isinstance(one, (bool, str)):
                words.append(str(one))
            elif isinstance(one, (int, float)):
                numbers.append(float(one))
    found = numpy.concatenate([*arrays, numpy.array(numbers, "float64")])
    full = numpy.unique(found[numpy.isfinite(found)])
    return Shown(full, {n: digits for n, digits in _in_texts(words).items() if not _among(n, full)}, words)


def _in_texts(words: List[str]) -> Dict[float, int]:
    """Give the numbers that stand in texts, each with its digits after the point."""
    found: Dict[float, int] = {}
    for word in words:
        for text in [] if DIGEST.fullmatch(word) else NUMBER.findall(word):
            if math.isfinite(float(text)):
                found.setdefault(float(text), len(text.partition(".")[2]) if "." in text else 0)
    return found


def _among(value: float, full: Any) -> bool:
    at = int(full.searchsorted(value))
    return at < len(full) and bool(full[at] == value)


def _borne_out(value: Any, shown: Shown) -> bool:
    if isinstance(value, bool):
        return str(value) in shown.words
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            return False
        return _stands(value, shown.numbers) or any(_equal(value, n, digits) for n, digits in shown.texts.items())
    whole = re.compile(rf"(?<![\w.]){re.escape(value)}(?![\w]|\.\d)") if isinstance(value, str) and value else None
    return any(value == word or (whole is not None and whole.search(word)) for word in shown.words)


def _stands(value: float, full: Any) -> bool:
    """Tell whether a value was shown in full, or cut; of all numbers the next ones decide."""
    at = int(full.searchsorted(value))
    near = any(abs(value - n) <= CLOSE * max(1.0, abs(n)) for n in full[max(0, at - 1) : at + 1].tolist())
    return near or (abs(value) >= CUT and _among(float(math.trunc(value)), full))


def _equal(value: float, number: float, digits: int) -> bool:
    """Tell whether a value was said as this number: nearly, cut, rounded to its digits, or in per cent."""
    if abs(value - number) <= CLOSE * max(1.0, abs(number)):
        return True
    if abs(value) >= CUT and number == math.trunc(number) and math.trunc(value) == number:
        return True
    if digits == 0 and abs(number) < CUT:  # a nought or a one stands everywhere
        return False
    half = 0.5001 * 10.0**-digits
    return abs(value - number) <= half or abs(value * 100.0 - number) <= half
