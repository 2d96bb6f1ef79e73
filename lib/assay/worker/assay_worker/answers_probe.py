"""Ask a postprocess function what it does: outputs with one thing changed in, answers out; no code is read."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from assay_worker import answers_boxes
from assay_worker.answers_read import Answer, rows_of
from assay_worker.answers_rows import Bench, TooLong
from assay_worker.answers_scores import IDS, activation, threshold
from assay_worker.fit_fact import fact, unknown

Fact = Dict[str, Any]
Postprocess = Callable[..., Any]
STEPS = 30


def probe(
    postprocess: Postprocess,
    outputs: Dict[str, np.ndarray],
    ctx: Any,
    params: Optional[Dict[str, Any]] = None,
    seconds: float = 5.0,
) -> List[Fact]:
    """Find activation, thresholds, limits and box form of a function, from one picture's real outputs.

    What cannot be told apart, or needs more than the seconds of CPU, comes back unknown with the reason.
    """
    outputs = {name: np.asarray(x) for name, x in outputs.items()}
    bench = Bench(postprocess, ctx, params or {}, time.process_time() + seconds)
    try:
        first = bench.ask(outputs)
    except TooLong:
        return _nothing("one call takes longer than the whole probe may")
    except Exception as error:
        return _nothing("it fails on the real outputs: %s: %s" % (type(error).__name__, error))
    if first is None:
        return _nothing("its result is neither a list of answers nor a ranking")
    if not first:
        return _nothing("the real outputs hold no answer to work with")
    if len(outputs) == 1 and _is_logits(next(iter(outputs.values()))):
        return _finished(_ranking(bench, outputs))
    if rows_of(outputs) is not None:
        return _finished(answers_boxes.probe(bench, outputs))
    if all(x.ndim == 4 and x.dtype.kind == "f" for x in outputs.values()):
        return _finished(_maps(bench, outputs))
    return _nothing(
        "the outputs have a layout that is not known here: %s" % sorted(list(x.shape) for x in outputs.values())
    )


def _nothing(why: str) -> List[Fact]:
    return [unknown(name, why) for name in IDS]


def _finished(told: List[Fact]) -> List[Fact]:
    have = {each["id"] for each in told}
    return told + [unknown(name, "not tried for outputs like these") for name in IDS if name not in have]


def _is_logits(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" and x.ndim in (1, 2) and x.shape[-1] >= 2 and x.size == x.shape[-1]


def _ranking(bench: Bench, outputs: Dict[str, np.ndarray]) -> List[Fact]:
    name, x = next(iter(outputs.items()))
    flat = np.asarray(x, np.float64).reshape(-1)
    tries = [flat, flat[::-1], flat * 0.5, np.roll(flat, 1) * 0.8]
    seen: List[Tuple[np.ndarray, List[Answer]]] = []
    try:
        for each in tries:
            found = bench.ask({name: each.astype(x.dtype).reshape(x.shape)})
            if found is None or any(a.score is None for a in found):
                return _nothing("its answers have no scores")
            seen.append((each, found))
    except TooLong:
        return _nothing("it is too slow to be asked so often")
    except Exception as error:
        return _nothing("it fails on changed outputs: %s: %s" % (type(error).__name__, error))
    told = [activation([(row, [a.score for a in found]) for row, found in seen], joint=False)]
    counts = sorted({len(found) for _, found in seen})
    if len(counts) > 1:
        told.append(unknown("post.topk", "the number of answers changes with the scores: %s" % counts))
    elif counts[0] >= len(flat):
        told.append(unknown("post.topk", "every class is listed"))
    else:
        told.append(fact("post.topk", counts[0], evidence=["logits"], tries=len(seen), residual=0.0))
    return told + [unknown("post.score_threshold", "a ranking was asked, not a choice")]


def _maps(bench: Bench, outputs: Dict[str, np.ndarray]) -> List[Fact]:
    """Lower everything until no answer is left; the last one's score is the threshold, if it is one of scores."""
    found = []
    try:
        for factor in (1.0, 1.25):
            made = {name: x * x.dtype.type(factor) for name, x in outputs.items()}
            found.append(_last_score(bench, made))
    except TooLong:
        return _nothing("it is too slow to be asked so often")
    except Exception as error:
        return _nothing("it fails on changed outputs: %s: %s" % (type(error).__name__, error))
    told = threshold([score for score in found if score is not None], len(found), "maps")
    return [told]


def _last_score(bench: Bench, outputs: Dict[str, np.ndarray]) -> Optional[float]:
    def ask(offset: float) -> List[Answer]:
        return bench.ask({n: (x + np.asarray(offset, x.dtype)) for n, x in outputs.items()}) or []

    low, high = -1.0, 0.0
    while ask(low) and low > -64:
        low *= 2
    if low <= -64 or not ask(high):
        return None
    best: Optional[float] = None
    for _ in range(STEPS):
        middle = (low + high) / 2
        got = ask(middle)
        if got:
            high, best = middle, max((a.score for a in got if a.score is not None), default=None)
        else:
            low = middle
    return best
