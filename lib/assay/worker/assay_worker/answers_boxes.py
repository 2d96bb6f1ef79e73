"""Detections: at which score they start, how much they may overlap, how many there may be, and how a box is written."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from assay_worker.answers_read import Answer, rows_of
from assay_worker.answers_rows import Bench, Quiet, TooLong, quieten
from assay_worker.answers_scores import IDS, activation, threshold
from assay_worker.fit_fact import fact, unknown

Fact = Dict[str, Any]
STEPS = 26
FORMS = {
    "x1 y1 x2 y2": ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
    "y1 x1 y2 x2": ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)),
    "x y w h": ((1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 0), (0, 0, 0, 1)),
    "cx cy w h": ((1, 0, 1, 0), (0, 1, 0, 1), (-0.5, 0, 0.5, 0), (0, -0.5, 0, 0.5)),
}
COUNTS, MOST = (4, 16, 64, 256, 1024), 1500
NUDGE = 0.08  # of the decoded box, when its columns are tried


class Hold(NamedTuple):
    """How to move and narrow the loud box: the form of its columns, and decoded pixels a raw unit across and down."""

    form: str
    per_x: float
    per_y: float
    box: Tuple[float, ...]
    unit: float  # what the decoded coordinates are rounded to

    @property
    def width(self) -> float:
        """Give the decoded width."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Give the decoded height."""
        return self.box[3] - self.box[1]

    def moved(self, raw: np.ndarray, dx: float, dy: float) -> np.ndarray:
        """Give the box columns moved by decoded pixels."""
        made = raw.copy()
        x, y = dx / self.per_x, dy / self.per_y
        if self.form == "y1 x1 y2 x2":
            return made + np.array([y, x, y, x])
        both = 1.0 if self.form == "x1 y1 x2 y2" else 0.0
        return made + np.array([x, y, x * both, y * both])

    def narrowed(self, raw: np.ndarray, share: float) -> np.ndarray:
        """Give the box columns with the width cut to a share."""
        made = raw.copy()
        made[3 if self.form == "y1 x1 y2 x2" else 2] -= (1 - share) * self.width / self.per_x
        return made


def probe(bench: Bench, outputs: Dict[str, np.ndarray]) -> List[Fact]:
    """Give the facts of outputs with a box and scores in each row."""
    told: List[Fact] = []
    try:
        rows = rows_of(outputs)
        quiet = quieten(bench, rows) if rows is not None else None
        if quiet is None:
            why = "no row could be silenced, or none speaks alone"
            return [unknown(name, why) for name in IDS]
        told += _scores(quiet)
        hold, why = _held(quiet)
        if hold is None:
            return told + [unknown(n, why) for n in ("post.decode", "post.iou_threshold", "post.topk")]
        overlap = _overlap(quiet, hold)
        told += [overlap, _decode(hold, overlap)]
        told.append(_limit(quiet, hold))
    except TooLong:
        pass
    except Exception as error:
        told.append(unknown("post.decode", "it fails on changed outputs: %s: %s" % (type(error).__name__, error)))
    done = {each["id"] for each in told}
    late = "there was no time left, or an earlier step failed"
    return told + [unknown(name, late) for name in IDS if name not in done]


def _scores(quiet: Quiet) -> List[Fact]:
    loud, silent = quiet.scores(), quiet.silent
    seen = []
    for share in (1.0, 0.97, 0.93, 0.88):
        row = silent + share * (loud - silent)
        found = quiet.ask(quiet.box()[None], row[None])
        if len(found) == 1 and found[0].score is not None:
            seen.append((row.astype(np.float32).astype(np.float64), [found[0].score]))
    if not seen:
        why = "its answers have no scores"
        return [unknown("post.activation", why), unknown("post.score_threshold", why)]
    lowest = [_lowest(quiet, end, powers) for end, powers in _ways(quiet)]
    told = threshold([s for s in lowest if s is not None], len(lowest), "rows")
    return [activation(seen, joint=True), told]


def _ways(quiet: Quiet) -> List[Tuple[np.ndarray, np.ndarray]]:
    """List ways from the loud scores to silence: where each column goes, and how much slower than the others.

    A threshold on the reported score ends them all at one score; a choice of the best class or another
    threshold does not.
    """
    loud, silent = quiet.scores(), quiet.silent
    even, best = np.ones(len(loud)), int(np.argmax(np.abs(loud - silent)))
    mine = np.arange(len(loud)) == best
    ways = [(silent, even), (silent, np.where(mine, 1.0, 2.5)), (silent, np.where(mine, 2.5, 1.0))]
    return ways + [(np.where(np.arange(len(loud)) == k, silent, loud), even) for k in _deciding(quiet)]


def _deciding(quiet: Quiet) -> List[int]:
    """Name the score columns that alone can silence the row, those that change most first."""
    loud, silent = quiet.scores(), quiet.silent
    order = np.argsort(-np.abs(loud - silent))[:6]
    found = []
    for column in order:
        row = np.where(np.arange(len(loud)) == column, silent, loud)
        if not quiet.ask(quiet.box()[None], row[None]):
            found.append(int(column))
    return found[:2]


def _lowest(quiet: Quiet, end: np.ndarray, powers: np.ndarray) -> Optional[float]:
    low, high, best = 0.0, 1.0, None
    for _ in range(STEPS):
        middle = (low + high) / 2
        found = quiet.ask(quiet.box()[None], (end + middle**powers * (quiet.scores() - end))[None])
        if found:
            high, best = middle, found[0].score
        else:
            low = middle
    return best


def _alone(quiet: Quiet, box: np.ndarray, place: int) -> Optional[Answer]:
    found = quiet.ask(box[None], quiet.scores()[None], np.array([place]))
    return found[0] if len(found) == 1 and found[0].box is not None else None


def _held(quiet: Quiet) -> Tuple[Optional[Hold], str]:
    """Find out how the box's columns decode, by moving them one by one."""
    raw = quiet.box()
    here = _alone(quiet, raw, quiet.loud)
    there = _alone(quiet, raw, int(quiet.places(2)[1]))
    if here is None or here.box is None:
        return None, "its answers have no boxes"
    if there is None or there.box != here.box:
        return None, "a box depends on its row (anchors or a grid)"
    jacobian = []
    for column in range(4):
        change = _gradient(quiet, raw, column, here.box)
        if change is None:
            return None, "a box does not follow its columns evenly"
        jacobian.append(change)
    found = np.array(jacobian)
    for form, pattern in FORMS.items():
        scale = _scaled(found, np.array(pattern, float))
        if scale is not None:
            return Hold(form, scale[0], scale[1], here.box, _unit(quiet, raw, here.box)), ""
    return None, "the box's columns decode in no form known here"


def _gradient(quiet: Quiet, raw: np.ndarray, column: int, box: Tuple[float, ...]) -> Optional[np.ndarray]:
    size = min(box[2] - box[0], box[3] - box[1])
    if size <= 0:
        return None
    step = 1e-3 * max(float(np.abs(raw).max()), 1e-6)
    for _ in range(20):  # until the decoded box changes by enough to be read through its rounding
        made = raw.copy()
        made[column] -= step if column >= 2 else -step  # smaller, so that nothing is cut off
        found = _alone(quiet, made, quiet.loud)
        if found is None or found.box is None:
            return None
        change = np.array(found.box) - np.array(box)
        if np.abs(change).max() >= NUDGE * size:
            return change / (-step if column >= 2 else step)
        step *= 1.6
    return None


def _scaled(found: np.ndarray, pattern: np.ndarray) -> Optional[Tuple[float, float]]:
    # decoded columns 0 and 2 lie across, 1 and 3 down; each way has its own factor
    scales = []
    for axis in (0, 1):
        seen, wanted = found[:, axis::2], pattern[:, axis::2]
        scale = float((seen * wanted).sum() / (wanted * wanted).sum())
        if scale <= 0 or np.abs(seen - scale * wanted).max() > 0.08 * scale:
            return None
        scales.append(scale)
    return scales[0], scales[1]


def _unit(quiet: Quiet, raw: np.ndarray, box: Tuple[float, ...]) -> float:
    """Say to what the decoded coordinates are rounded."""
    for digits in range(5):
        if all(abs(v - round(v, digits)) < 1e-9 for v in box):
            return 10.0**-digits
    return 1e-5 * max(abs(v) for v in box)


def _overlap(quiet: Quiet, hold: Hold) -> Fact:
    """Find the overlap at which the lower of two boxes goes, by narrowing it and by moving it."""
    if not _both(quiet, hold.moved(quiet.box(), 0, 0), equal=True):
        return unknown("post.iou_threshold", "of two equal boxes both stay: nothing is suppressed")
    ways: List[Tuple[str, Callable[[float], np.ndarray]]] = [
        ("narrowed", lambda t: hold.narrowed(quiet.box(), 1 - 0.97 * t)),
        ("moved across", lambda t: hold.moved(quiet.box(), _inward(hold, t), 0)),
    ]
    brackets = []
    for name, way in ways:
        found = _bracket(quiet, hold, way, name == "narrowed")
        if found is None:
            return unknown("post.iou_threshold", "the lower of two boxes is never kept, or fades, when it is " + name)
        brackets.append(found)
    return _agreed(quiet, brackets)


def _inward(hold: Hold, t: float) -> float:
    # to the side with more room, so that no edge of the picture cuts it
    return t * hold.width * (-1 if hold.box[0] >= hold.width else 1)


def _both(quiet: Quiet, other: np.ndarray, equal: bool = False) -> bool:
    """Tell whether of the loud box and a slightly less sure one only the first stays."""
    loud = quiet.scores()
    lower = quiet.silent + 0.98 * (loud - quiet.silent)
    found = quiet.ask(np.stack([quiet.box(), other]), np.stack([loud, lower]))
    return len(found) == 1 if equal else len(found) == 2


def _fades(quiet: Quiet, other: np.ndarray) -> bool:
    """Tell whether the lower of two boxes that both stay loses some of its score to the other."""
    loud = quiet.scores()
    lower = quiet.silent + 0.98 * (loud - quiet.silent)
    alone = quiet.ask(other[None], lower[None], quiet.places(2)[1:])
    both = quiet.ask(np.stack([quiet.box(), other]), np.stack([loud, lower]))
    if any(each.score is None for each in alone + both):
        return False
    return abs(min(float(each.score or 0) for each in both) - float(alone[0].score or 0)) > 1e-4


Bracket = Tuple[Tuple[float, float], Tuple[float, float]]  # lowest that goes and highest that stays: plain, and with +1


def _bracket(quiet: Quiet, hold: Hold, way: Callable[[float], np.ndarray], narrowed: bool) -> Optional[Bracket]:
    if not _both(quiet, way(1.0)):
        return None
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _both(quiet, way(middle)):
            high = middle
        else:
            low = middle
    kept = _alone(quiet, way(high), int(quiet.places(2)[1]))
    if kept is None or kept.box is None:
        return None
    if _fades(quiet, way(high)):
        return None
    width = kept.box[2] - kept.box[0]
    if not narrowed and abs(width - hold.width) > 2 * hold.unit:
        return None  # cut off at an edge
    slack = 2 * hold.unit / hold.width
    values = [_iou(hold.box, kept.box, plus) for plus in (0.0, 1.0)]
    return (values[0] - slack, values[0] + slack), (values[1] - slack, values[1] + slack)


def _iou(a: Tuple[float, ...], b: Tuple[float, ...], plus: float) -> float:
    across = max(min(a[2], b[2]) - max(a[0], b[0]) + plus, 0)
    down = max(min(a[3], b[3]) - max(a[1], b[1]) + plus, 0)
    areas = [(c[2] - c[0] + plus) * (c[3] - c[1] + plus) for c in (a, b)]
    return across * down / (sum(areas) - across * down)


def _agreed(quiet: Quiet, brackets: List[Bracket]) -> Fact:
    """Give the one number of two digits that lies in every bracket."""
    per_kind = []
    for kind in (0, 1):
        low, high = max(b[kind][0] for b in brackets), min(b[kind][1] for b in brackets)
        per_kind.append([k / 100 for k in range(1, 100) if low - 2e-4 <= k / 100 <= high + 2e-4])
    told = sorted(set(per_kind[0]) | set(per_kind[1]))
    measured = "%.4f narrowed, %.4f moved" % tuple(sum(b[0]) / 2 for b in brackets)
    if not told:
        return unknown("post.iou_threshold", "the overlaps at which a box stays agree on no plain number: " + measured)
    if len(told) > 1:
        return fact("post.iou_threshold", None, alternatives=told, reason="boxes are too coarse to tell: " + measured)
    detail = {"plus_one": not per_kind[0], "per_class": _per_class(quiet)}
    return fact("post.iou_threshold", told[0], unit="IoU", tries=2, evidence=["two boxes"], residual=0.0, detail=detail)


def _per_class(quiet: Quiet) -> Optional[bool]:
    """Tell whether boxes of different classes leave one another alone; None when no other class can be made."""
    loud = quiet.scores()
    box = quiet.box()[None]
    mine = quiet.ask(box, loud[None])[0].label
    best = int(np.argmax(np.abs(loud - quiet.silent)))
    for column in range(len(loud)):
        for first in {best, int(np.argmax(loud[1:])) + 1} if len(loud) > 1 else set():
            row = loud.copy()
            row[[first, column]] = row[[column, first]]
            found = quiet.ask(box, row[None])
            if column != first and len(found) == 1 and found[0].label not in (mine, None):
                both = quiet.ask(np.repeat(box, 2, 0), np.stack([loud, row]))
                return len(both) == 2
    return None


def _decode(hold: Hold, overlap: Fact) -> Fact:
    if overlap["value"] is None:
        return unknown("post.decode", "looks like %s, which no overlap confirms" % hold.form)
    detail = {"per_x": float("%.5g" % hold.per_x), "per_y": float("%.5g" % hold.per_y)}
    return fact("post.decode", hold.form, evidence=["one box"], tries=4, residual=0.0, detail=detail)


def _limit(quiet: Quiet, hold: Hold) -> Fact:
    """Put in more and more boxes that do not touch; two spacings must come to the same limit."""
    found = [_most(quiet, hold, gap) for gap in (1.3, 2.1)]
    rows = len(quiet.rows.boxes())
    if found[0] is None or found[0] != found[1]:
        why = "no limit was seen; up to %d boxes were put in" % min(rows, MOST)
        return unknown("post.topk", why)
    if _is_before_overlap(quiet, hold, found[0]):
        return unknown("post.topk", "only the best %d are looked at, before overlaps are cleared" % found[0])
    return fact("post.topk", found[0], evidence=["many boxes"], tries=2 * len(COUNTS), residual=0.0)


def _is_before_overlap(quiet: Quiet, hold: Hold, limit: int) -> bool:
    """Tell whether as many equal boxes as the limit leave no room for less sure ones that stand apart."""
    rows = len(quiet.rows.boxes())
    others = min(rows - limit, 3)
    loud = quiet.scores()
    lower = quiet.silent + 0.97 * (loud - quiet.silent)
    apart = [hold.moved(quiet.box(), 1.5 * hold.width * (k + 1), 0) for k in range(others)]
    boxes = np.concatenate([np.repeat(quiet.box()[None], limit, 0), np.stack(apart)])
    scores = np.concatenate([np.repeat(loud[None], limit, 0), np.repeat(lower[None], others, 0)])
    return len(quiet.ask(boxes, scores)) != min(1 + others, limit)


def _most(quiet: Quiet, hold: Hold, gap: float) -> Optional[int]:
    rows = len(quiet.rows.boxes())
    small = hold.narrowed(quiet.box(), 0.1)
    wide = 0.1 * hold.width * gap
    counts = []
    for count in sorted({min(c, rows, MOST) for c in (*COUNTS, rows * 4 // 5, rows)}):
        columns = max(int(np.sqrt(count)), 1)
        boxes = np.stack(
            [hold.moved(small, (i % columns) * wide, (i // columns) * gap * hold.height) for i in range(count)]
        )
        counts.append((count, len(quiet.ask(boxes, np.repeat(quiet.scores()[None], count, 0)))))
        quiet.bench.expect(4 * 4)  # four times the boxes, and most suppressions compare each with each
    short = [got for count, got in counts if got < count]
    even = all(got == count for count, got in counts if count < (short[0] if short else 0))
    return short[0] if len(short) >= 2 and len(set(short)) == 1 and even else None
