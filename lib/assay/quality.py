"""Quality figures from decoded predictions and labels, each with its definition and its interval over the inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from assay.errors import WrongInput, WrongInputs
from assay.records import Measured, Metric, Quantity, Skipped

Array: TypeAlias = Any  # a numpy array; numpy is imported where it is used
SEED = 20260802
RESAMPLES = 1000
IOU = 0.5
NO_LABELS = "no labels: set inputs.labels"
BINOMIAL = "every input gave the same: 95 % binomial bound for so many inputs"
TAIL = 0.025  # of the binomial bound
MOST_INPUTS = 1_000_000

DEFINITIONS = {
    "map50": (
        "mean over the labelled classes of the area under the precision-recall curve (all points); a detection is "
        "right when it has the class and at least 0.5 IoU of a box not yet taken, highest score first"
    ),
    "precision": "share of the detections at the threshold that are right (same class, IoU at least 0.5)",
    "recall": "share of the labelled boxes that a detection at the threshold found (same class, IoU at least 0.5)",
    "accuracy": "share of the inputs whose predicted label is the true one",
}
TASKS = {"detection": ("map50", "precision", "recall"), "classification": ("accuracy",)}


class Found(NamedTuple):
    """One detection and whether it is right."""

    image: int
    label: str
    score: float
    right: bool


class Matches(NamedTuple):
    """What was found on how many images, and how many boxes each image and class has."""

    found: list[Found]
    boxes: dict[str, list[int]]  # class -> boxes per image
    images: int


def measure(
    task: str, predictions: Mapping[str, Any], labels: Mapping[str, Any], *, threshold: float | None = None
) -> list[Metric]:
    """Measure what the task asks for, over the inputs that have both a prediction and a label."""
    ids = sorted(set(predictions) & set(labels))
    if task not in TASKS:
        return [
            _metric("quality", Skipped(reason=f"no quality figure is defined for {task or 'an unknown task'}"), "", {})
        ]
    reason = _why_not(predictions, labels, ids)
    if reason:
        return [_metric(name, Skipped(reason=reason), "", {}) for name in TASKS[task]]
    extent = f"{len(ids)} of {len(predictions)} inputs have labels; " if len(ids) < len(predictions) else ""
    if task == "classification":
        return _classification(ids, predictions, labels, extent)
    return _detection(ids, predictions, labels, threshold, extent)


def _why_not(predictions: Mapping[str, Any], labels: Mapping[str, Any], ids: Sequence[str]) -> str:
    if not labels:
        return NO_LABELS
    if not ids:
        return "no labels for the inputs that were used" if predictions else "no predictions"
    if any(predictions[id] is None for id in ids):
        return "no decoded answers: postprocessing is unknown"
    return ""


def _metric(name: str, quantity: Quantity, method: str, per_class: dict[str, float]) -> Metric:
    return Metric(
        id=name,
        quantity=quantity,
        definition=DEFINITIONS.get(name, "not defined"),
        method=method,
        better="higher",
        per_class=per_class,
    )


# ---------------------------------------------------------------- classification
def _classification(
    ids: Sequence[str], predictions: Mapping[str, Any], labels: Mapping[str, Any], extent: str
) -> list[Metric]:
    import numpy

    truth = {id: _truth(id, labels[id]) for id in ids}
    right = numpy.array([_answer(id, predictions[id]) == truth[id] for id in ids], dtype=float)
    quantity, how = _bootstrapped(lambda weights: float(weights @ right / weights.sum()), len(ids))
    per_class = {
        label: float(right[[truth[id] == label for id in ids]].mean()) for label in sorted(set(truth.values()))
    }
    return [_metric("accuracy", quantity, extent + how, per_class)]


def _truth(id: str, label: Any) -> str:
    if isinstance(label, bool) or not isinstance(label, (str, int)):
        raise WrongInput(
            f"the label is {_shape(label)}, not one class name",
            where=f"labels, {id}",
            mend="give each file of inputs.labels one class name",
        )
    return str(label)


def _answer(id: str, result: Any) -> str:
    label = result.get("label") if isinstance(result, dict) else result  # a bare class name is one, too
    if isinstance(label, bool) or not isinstance(label, (str, int)):
        raise WrongInput(
            f"the result is {_shape(result)}, not {{label, score}}",
            where=f"predictions, {id}",
            mend="let the adapter's postprocess return that",
        )
    return str(label)


# ---------------------------------------------------------------- detection
def _detection(
    ids: Sequence[str],
    predictions: Mapping[str, Any],
    labels: Mapping[str, Any],
    threshold: float | None,
    extent: str,
) -> list[Metric]:
    everything = match(ids, predictions, labels)
    if not everything.boxes:
        return [_metric(name, Skipped(reason="the labels hold no box"), "", {}) for name in TASKS["detection"]]
    threshold = threshold if _is_number(threshold) else None
    kept = [f for f in everything.found if threshold is None or f.score >= threshold]
    at = "at every returned detection" if threshold is None else f"at score >= {threshold:g}"
    curves = _curves(everything)
    area, how = _bootstrapped(lambda weights: _mean_area(curves, weights), everything.images)
    counted = everything._replace(found=kept)
    precision, recall = _tallies(counted)
    return [
        _metric(
            "map50", area, f"{extent}over the detections that the model returned; {how}", _areas(curves, everything)
        ),
        _share("precision", precision, f"{extent}{at}", everything.images, "no detection at the threshold"),
        _share("recall", recall, f"{extent}{at}", everything.images, "no labelled box"),
    ]


def match(ids: Sequence[str], predictions: Mapping[str, Any], labels: Mapping[str, Any]) -> Matches:
    """Match detections with labelled boxes, image by image, greedily by score."""
    faults: list[WrongInput] = []
    found: list[Found] = []
    boxes: dict[str, list[int]] = {}
    for image, id in enumerate(ids):
        truth = _boxes(labels[id], f"labels, {id}", faults, scored=False)
        for label, _, _ in truth:
            boxes.setdefault(label, [0] * len(ids))[image] += 1
        found += _match_image(image, _boxes(predictions[id], f"predictions, {id}", faults, scored=True), truth)
    if faults:
        raise faults[0] if len(faults) == 1 else WrongInputs(faults)
    return Matches(found, boxes, len(ids))


Box = tuple[str, float, tuple[float, ...]]


def _match_image(image: int, detections: list[Box], truth: list[Box]) -> list[Found]:
    free, found = list(truth), []
    for label, score, box in sorted(detections, key=lambda d: -d[1]):
        near = [(iou(box, other[2]), i) for i, other in enumerate(free) if other[0] == label]
        best, index = max(near, key=lambda pair: (pair[0], -pair[1]), default=(0.0, -1))
        if best >= IOU:
            free.pop(index)
        found.append(Found(image, label, score, best >= IOU))
    return found


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Give intersection over union of two boxes x1, y1, x2, y2."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, wide) * max(0.0, high)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union > 0 else 0.0


def _boxes(entries: Any, where: str, faults: list[WrongInput], *, scored: bool) -> list[Box]:
    if not isinstance(entries, list):
        faults.append(WrongInput(f"{_shape(entries)} where a list of boxes belongs", where=where))
        return []
    boxes = []
    for i, entry in enumerate(entries):
        fault = _box_fault(entry, scored)
        if fault:
            faults.append(WrongInput(fault, where=f"{where}, box {i}"))
            continue
        boxes.append((str(entry["label"]), float(entry.get("score", 1.0)), tuple(float(x) for x in entry["box"])))
    return boxes


def _box_fault(entry: Any, scored: bool) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), (str, int)):
        return f"{_shape(entry)} where {{label, box}} belongs"
    if scored and not _is_number(entry.get("score")):
        return "score is missing or not a number"
    box = entry.get("box")
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(_is_number(x) for x in box):
        return "box is not [x1, y1, x2, y2]"
    return "box has x2 < x1 or y2 < y1" if box[2] < box[0] or box[3] < box[1] else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(map(str, value))) + "}"
    return "null" if value is None else type(value).__name__


# ---------------------------------------------------------------- areas
class Curve(NamedTuple):
    """The detections of one class, highest score first, and its boxes per image."""

    label: str
    images: Array
    right: Array
    last: Array  # the last of each run of equal scores: no threshold can part the others
    boxes: Array


def _curves(matches: Matches) -> list[Curve]:
    import numpy

    curves = []
    for label in sorted(matches.boxes):
        mine = sorted((f for f in matches.found if f.label == label), key=lambda f: (-f.score, f.image))
        images = numpy.array([f.image for f in mine], dtype=int)
        right = numpy.array([f.right for f in mine], dtype=float)
        scores = numpy.array([f.score for f in mine])
        last: Array = numpy.append(numpy.flatnonzero(numpy.diff(scores)), len(mine) - 1)[: len(mine)]
        curves.append(Curve(label, images, right, last, numpy.array(matches.boxes[label], dtype=float)))
    return curves


def _area(curve: Curve, weights: Array) -> float | None:
    """Give the average precision when image i counts weights[i] times; none without a box."""
    import numpy

    boxes = float(weights @ curve.boxes)
    if boxes <= 0:
        return None
    weight = weights[curve.images]
    right = numpy.cumsum(weight * curve.right)[curve.last]
    precision = right / numpy.maximum(numpy.cumsum(weight)[curve.last], 1e-12)
    envelope = numpy.maximum.accumulate(precision[::-1])[::-1]
    return round(float(numpy.sum(numpy.diff(right / boxes, prepend=0.0) * envelope)), 12)


def _mean_area(curves: Sequence[Curve], weights: Array) -> float | None:
    areas = [area for area in (_area(curve, weights) for curve in curves) if area is not None]
    return sum(areas) / len(areas) if areas else None


def _areas(curves: Sequence[Curve], matches: Matches) -> dict[str, float]:
    import numpy

    whole = ((curve.label, _area(curve, numpy.ones(matches.images))) for curve in curves)
    return {label: area for label, area in whole if area is not None}


class Tally(NamedTuple):
    """What is right of how much, image by image, in all and per class."""

    right: Array
    out_of: Array
    per_class: dict[str, float]


def _tallies(matches: Matches) -> tuple[Tally, Tally]:
    """Count what is right out of the detections (precision) and out of the labelled boxes (recall)."""
    import numpy

    labels = sorted({f.label for f in matches.found} | set(matches.boxes))
    right = {label: numpy.zeros(matches.images) for label in labels}
    found = {label: numpy.zeros(matches.images) for label in labels}
    for f in matches.found:
        found[f.label][f.image] += 1
        right[f.label][f.image] += f.right
    none = [0] * matches.images
    boxes = {label: numpy.array(matches.boxes.get(label, none), dtype=float) for label in labels}
    return _tally(right, found), _tally(right, boxes)


def _tally(right: Mapping[str, Array], out_of: Mapping[str, Array]) -> Tally:
    per_class = {k: float(right[k].sum() / out_of[k].sum()) for k in right if out_of[k].sum() > 0}
    return Tally(sum(right.values(), start=_zero(right)), sum(out_of.values(), start=_zero(out_of)), per_class)


def _zero(series: Mapping[str, Array]) -> Array:
    import numpy

    return numpy.zeros(len(next(iter(series.values()))))


def _share(name: str, tally: Tally, how: str, images: int, otherwise: str) -> Metric:
    if tally.out_of.sum() <= 0:
        return _metric(name, Skipped(reason=otherwise), how, {})

    def share(weights: Array) -> float | None:
        out_of = float(weights @ tally.out_of)
        return float(weights @ tally.right) / out_of if out_of > 0 else None

    quantity, interval = _bootstrapped(share, images)
    return _metric(name, quantity, f"{how}; {interval}", tally.per_class)


# ---------------------------------------------------------------- the interval
def _bootstrapped(figure: Callable[[Array], float | None], images: int) -> tuple[Quantity, str]:
    """Resample images with replacement; give the figure with its 95 % interval, and how that was made."""
    import numpy

    value = figure(numpy.ones(images))
    if value is None:
        return Skipped(reason="nothing to count"), ""
    draw = numpy.random.RandomState(SEED)  # the legacy stream is frozen across numpy versions
    draws = [figure(draw.multinomial(images, [1 / images] * images).astype(float)) for _ in range(RESAMPLES)]
    kept = [d for d in draws if d is not None]
    ends: Array = numpy.quantile(kept or [value], [0.025, 0.975])
    low, high, how = _honest(value, min(float(ends[0]), value), max(float(ends[1]), value), images)
    return Measured(value=value, unit="", n=images, low=low, high=high, method=how), how


def _honest(value: float, low: float, high: float, images: int) -> tuple[float | None, float | None, str]:
    """Widen what resampling cannot see: when every input agrees, all resamples do too."""
    if high - low > 1e-9:
        return low, high, "95 % bootstrap interval over the inputs, fixed seed"
    if value in (0.0, 1.0):
        reach = TAIL ** (1 / images)
        ends = (reach, 1.0) if value else (0.0, 1 - reach)
        return *ends, BINOMIAL
    return None, None, "no interval: every resample gave the same"


def inputs_to_settle(value: float, limit: float, *, strict: bool) -> int | None:
    """Count the inputs, all giving the same, from which the binomial bound passes a limit; none when no count does."""
    target = limit if value else 1 - limit
    if not 0 < target < 1:
        return None
    count = max(1, math.floor(math.log(TAIL) / math.log(target)) - 1)
    while count <= MOST_INPUTS:
        reach = TAIL ** (1 / count)
        bound, over = (reach, reach > limit) if value else (1 - reach, 1 - reach < limit)
        if over or (bound == limit and not strict):
            return count
        count += 1
    return None
