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


def judge(answer: Any, shown: List[Any]) -> Verdict:
    """Compare an answer's leaves with all that upstream's run gave out."""
    leaves = list(_leaves(answer, ""))
    numbers, words = _shown(shown)
    if not numbers and not words:
        return Verdict("unseen", 0, len(leaves), [])
    lost = [f"{path}: {value!r}" for path, value in leaves if not _borne_out(value, numbers, words)]
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


def _shown(shown: List[Any]) -> Tuple[Dict[float, int], List[str]]:
    """Give the numbers that were shown, each with its digits after the point (-1: in full), and the words."""
    numbers: Dict[float, int] = {}
    words: List[str] = []
    for _, value in _leaves(shown, ""):
        if isinstance(value, bool):
            words.append(str(value))
        elif isinstance(value, (int, float)):
            if math.isfinite(value):
                numbers[float(value)] = -1
        elif isinstance(value, str):
            words.append(value)
            found = [] if DIGEST.fullmatch(value) else NUMBER.findall(value)
            for text in (one for one in found if math.isfinite(float(one))):
                numbers.setdefault(float(text), len(text.partition(".")[2]) if "." in text else 0)
    return numbers, words


def _borne_out(value: Any, numbers: Dict[float, int], words: List[str]) -> bool:
    if isinstance(value, bool):
        return str(value) in words
    if isinstance(value, (int, float)):
        return any(_equal(float(value), number, digits) for number, digits in numbers.items())
    whole = re.compile(rf"(?<![\w.]){re.escape(value)}(?![\w]|\.\d)") if isinstance(value, str) and value else None
    return any(value == word or (whole is not None and whole.search(word)) for word in words)


def _equal(value: float, number: float, digits: int) -> bool:
    """Tell whether a value was shown as this number: in full, rounded to its digits, cut, or in per cent."""
    if abs(value - number) <= CLOSE * max(1.0, abs(number)):
        return True
    if abs(value) >= CUT and number == math.trunc(number) and math.trunc(value) == number:
        return True
    if digits == 0 and abs(number) < CUT:  # a nought or a one stands everywhere
        return False
    half = 0.5001 * 10.0**-digits if digits >= 0 else 0.0
    return bool(half) and (abs(value - number) <= half or abs(value * 100.0 - number) <= half)
