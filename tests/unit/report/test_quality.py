"""Quality figures against a brute-force reference, and wrong shapes by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import errors, quality
from assay.records import Measured, Metric, Skipped

cell = st.integers(0, 3)
boxes = st.builds(lambda x, y: [10.0 * x, 10.0 * y, 10.0 * x + 12, 10.0 * y + 12], cell, cell)
truths = st.lists(st.fixed_dictionaries({"label": st.sampled_from("ab"), "box": boxes}), max_size=3)
images = st.lists(
    st.tuples(truths, st.lists(st.tuples(st.sampled_from("ab"), boxes), max_size=4)), min_size=1, max_size=4
)


def value(metric: Metric) -> float:
    assert isinstance(metric.quantity, Measured), metric
    return metric.quantity.value


def overlap(a: list[float], b: list[float]) -> float:
    """Count unit squares: the boxes have whole corners."""
    first, second = ({(x, y) for x in range(int(c[0]), int(c[2])) for y in range(int(c[1]), int(c[3]))} for c in (a, b))
    return len(first & second) / len(first | second)


def slow_area(found: dict[str, Any], labels: dict[str, Any], label: str) -> float:
    """Match anew at every score, and add up recall steps times the best precision at or beyond each."""
    total = sum(box["label"] == label for truth in labels.values() for box in truth)
    scores = sorted({d["score"] for entries in found.values() for d in entries if d["label"] == label}, reverse=True)
    points = []
    for score in scores:
        right = seen = 0
        for id, entries in found.items():
            free = [box for box in labels[id] if box["label"] == label]
            kept = [d for d in entries if d["label"] == label and d["score"] >= score]
            for detection in sorted(kept, key=lambda d: -d["score"]):
                seen += 1
                near = [box for box in free if overlap(detection["box"], box["box"]) >= 0.5]
                if near:
                    free.remove(max(near, key=lambda box: overlap(detection["box"], box["box"])))
                    right += 1
        points.append((right / total, right / seen))
    area, reached = 0.0, 0.0
    for i, (recall, _) in enumerate(points):
        area += (recall - reached) * max(p for _, p in points[i:])
        reached = recall
    return area


@settings(max_examples=60, deadline=None)
@given(images)
def test_map_is_the_brute_force_one(drawn: list[Any]) -> None:
    labels = {f"{i}": truth for i, (truth, _) in enumerate(drawn)}
    found: dict[str, Any] = {}
    score = 0.99
    for i, (_, entries) in enumerate(drawn):
        found[f"{i}"] = []
        for label, box in entries:
            found[f"{i}"].append({"label": label, "score": score, "box": box})
            score = round((score * 7919) % 1, 6) or 0.5  # distinct scores, in no order
    metrics = {m.id: m for m in quality.measure("detection", found, labels)}
    classes = sorted({box["label"] for truth in labels.values() for box in truth})
    if not classes:
        assert isinstance(metrics["map50"].quantity, Skipped)
        return
    expected = {label: slow_area(found, labels, label) for label in classes}
    assert metrics["map50"].per_class == pytest.approx(expected, abs=1e-9)
    assert value(metrics["map50"]) == pytest.approx(sum(expected.values()) / len(expected), abs=1e-9)
    quantity = metrics["map50"].quantity
    assert isinstance(quantity, Measured) and quantity.n == len(drawn)
    assert quantity.low is None or quantity.high is None or quantity.low <= quantity.value <= quantity.high


def detection(label: str, score: float, *box: float) -> dict[str, Any]:
    return {"label": label, "score": score, "box": list(box)}


def test_precision_and_recall_at_the_threshold() -> None:
    labels = {"0": [{"label": "a", "box": [0, 0, 10, 10]}], "1": [{"label": "a", "box": [0, 0, 10, 10]}]}
    found = {
        "0": [detection("a", 0.9, 0, 0, 10, 10), detection("a", 0.8, 50, 50, 60, 60)],
        "1": [detection("a", 0.2, 0, 0, 10, 10)],
    }
    _, precision, recall = quality.measure("detection", found, labels, threshold=0.5)
    assert (value(precision), value(recall)) == (0.5, 0.5)
    _, precision, recall = quality.measure("detection", found, labels)
    assert value(precision) == pytest.approx(2 / 3) and value(recall) == 1.0
    _, precision, recall = quality.measure("detection", found, labels, threshold=0.95)
    assert isinstance(precision.quantity, Skipped) and value(recall) == 0.0


def test_accuracy_with_interval_over_the_inputs() -> None:
    labels = {f"{i}": str(i % 2) for i in range(40)}
    found = {id: {"label": "1", "score": 0.5} for id in labels}
    (accuracy,) = quality.measure("classification", found, labels)
    assert value(accuracy) == 0.5 and accuracy.per_class == {"0": 0.0, "1": 1.0}
    assert isinstance(accuracy.quantity, Measured)
    assert accuracy.quantity.low == pytest.approx(0.35, abs=0.03)
    assert quality.measure("classification", found, labels) == [accuracy]


def test_perfect_on_few_inputs_is_not_certain() -> None:
    labels = {f"{i}": "7" for i in range(8)}
    (accuracy,) = quality.measure("classification", {id: {"label": 7} for id in labels}, labels)
    assert isinstance(accuracy.quantity, Measured)
    assert accuracy.quantity.low == pytest.approx(0.025 ** (1 / 8)) and accuracy.quantity.high == 1.0
    assert accuracy.method == "every input gave the same: 95 % binomial bound for so many inputs"


@given(st.sampled_from([0.0, 1.0]), st.floats(0.001, 0.999), st.booleans())
def test_inputs_to_settle_is_the_fewest(value: float, limit: float, strict: bool) -> None:
    def passes(n: int) -> bool:
        bound = 0.025 ** (1 / n) if value else 1 - 0.025 ** (1 / n)
        return (bound > limit if value else bound < limit) or (bound == limit and not strict)

    wanted = quality.inputs_to_settle(value, limit, strict=strict)
    assert wanted is not None and passes(wanted) and (wanted == 1 or not passes(wanted - 1))


def test_no_number_of_inputs_makes_certain() -> None:
    assert quality.inputs_to_settle(1.0, 1.0, strict=False) is None
    assert quality.inputs_to_settle(0.0, 0.0, strict=False) is None
    assert quality.inputs_to_settle(1.0, 1 - 1e-12, strict=False) is None


def test_labels_of_unused_inputs_are_ignored_and_n_says_so() -> None:
    labels = {"0": "a", "9": "b"}
    (accuracy,) = quality.measure("classification", {"0": {"label": "a"}, "1": {"label": "a"}}, labels)
    assert isinstance(accuracy.quantity, Measured) and accuracy.quantity.n == 1
    assert "1 of 2 inputs have labels" in accuracy.method


def test_nothing_to_compare_says_why() -> None:
    for metric in quality.measure("detection", {"0": []}, {}):
        assert metric.quantity == Skipped(reason="no labels: set inputs.labels")
    (accuracy,) = quality.measure("classification", {"0": None}, {"0": "a"})
    assert accuracy.quantity == Skipped(reason="no decoded answers: postprocessing is unknown")
    (unknown,) = quality.measure("segmentation", {}, {})
    assert isinstance(unknown.quantity, Skipped) and "segmentation" in unknown.quantity.reason


@pytest.mark.parametrize(
    ("found", "labels", "says"),
    [
        ({"3": 5}, {"3": []}, "predictions, 3"),
        ({"3": [{"label": "a", "box": [0, 0, 1, 1]}]}, {"3": []}, "score"),
        ({"3": []}, {"3": [{"label": "a", "box": [0, 0, 1]}]}, "labels, 3, box 0"),
        ({"3": []}, {"3": [{"label": "a", "box": [9, 0, 1, 1]}]}, "x2 < x1"),
        ({"3": []}, {"3": "cat"}, "labels, 3"),
    ],
)
def test_wrong_shapes_are_named(found: Any, labels: Any, says: str) -> None:
    with pytest.raises(errors.WrongInput, match=says):
        quality.measure("detection", found, labels)


def test_all_wrong_shapes_at_once() -> None:
    with pytest.raises(errors.WrongInputs) as caught:
        quality.measure("detection", {"1": 5, "2": 5}, {"1": [], "2": "x"})
    assert len(caught.value.faults) == 3


def test_a_bare_class_name_is_an_answer() -> None:
    measured = quality.measure("classification", {"0": "a", "1": "b"}, {"0": "a", "1": "a"})
    assert measured == quality.measure("classification", {"0": {"label": "a"}, "1": {"label": "b"}}, {"0": "a", "1": "a"})


def test_wrong_label_of_a_classification() -> None:
    with pytest.raises(errors.WrongInput, match="labels, 0"):
        quality.measure("classification", {"0": {"label": "a"}}, {"0": ["a"]})
    with pytest.raises(errors.WrongInput, match="predictions, 0"):
        quality.measure("classification", {"0": ["a"]}, {"0": "a"})
