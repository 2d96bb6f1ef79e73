"""Postprocess functions as upstreams write them; asking them finds what they do, or says that it does not know."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assay

sys.path.insert(0, str(Path(assay.__file__).parent / "worker"))

from assay_worker import answers_probe

WIDTH, HEIGHT = 640, 480
IOU, SCORE, TOP = "post.iou_threshold", "post.score_threshold", "post.topk"


def iou(a: np.ndarray, b: np.ndarray, plus: float = 0.0) -> np.ndarray:
    low, high = np.maximum(a[:2], b[:, :2]), np.minimum(a[2:], b[:, 2:])
    inner = np.clip(high - low + plus, 0, None).prod(1)
    return inner / ((a[2:] - a[:2] + plus).prod() + (b[:, 2:] - b[:, :2] + plus).prod(1) - inner)


def nms(boxes: np.ndarray, scores: np.ndarray, most: float, plus: float = 0.0) -> list[int]:
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        order = order[iou(boxes[first], boxes[order], plus) <= most]
    return kept


def listed(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, digits: int = 2) -> list[dict[str, Any]]:
    return [
        {"label": f"c{int(c)}", "score": round(float(s), 6), "box": [round(float(v), digits) for v in b]}
        for b, s, c in zip(boxes, scores, labels, strict=True)
    ]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def corners(cxcywh: np.ndarray) -> np.ndarray:
    return np.concatenate([cxcywh[:, :2] - cxcywh[:, 2:] / 2, cxcywh[:, :2] + cxcywh[:, 2:] / 2], 1)


def faces(outputs: dict[str, np.ndarray], ctx: Any, *, threshold: float = 0.6, overlap: float = 0.3, top: int = 200) -> Any:
    scores, boxes = outputs["scores"][0][:, 1], outputs["boxes"][0]
    chosen = scores > threshold
    scores, boxes = scores[chosen], boxes[chosen]
    kept = nms(boxes, scores, overlap)[:top]
    boxes = boxes[kept] * np.array([ctx["width"], ctx["height"]] * 2)
    return listed(boxes, scores[kept], np.ones(len(kept)))


def ssd(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    chances = softmax(outputs["scores"][0])
    found: list[dict[str, Any]] = []
    for label in range(1, chances.shape[1]):
        chosen = np.flatnonzero(chances[:, label] > 0.4)
        boxes = outputs["boxes"][0][chosen] * np.array([WIDTH, HEIGHT] * 2)
        kept = nms(boxes, chances[chosen, label], 0.45)
        found += listed(boxes[kept], chances[chosen, label][kept], np.full(len(kept), label))
    return sorted(found, key=lambda each: -each["score"])


def yolo5(outputs: dict[str, np.ndarray], ctx: Any, *, conf: float = 0.25, over: float = 0.45, agnostic: bool = False) -> Any:
    x = outputs["out"][0]
    x = x[x[:, 4] > conf]
    scores = x[:, 4:5] * x[:, 5:]
    labels, best = scores.argmax(1), scores.max(1)
    boxes = corners(x[:, :4])[best > conf]
    labels, best = labels[best > conf], best[best > conf]
    kept = nms(boxes + (0 if agnostic else 7680 * labels[:, None]), best, over)[:300]
    return listed(boxes[kept], best[kept], labels[kept])


def yolo8(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    x = outputs["out"][0].T
    labels, best = x[:, 4:].argmax(1), x[:, 4:].max(1)
    chosen = best > 0.25
    boxes, labels, best = corners(x[chosen, :4]), labels[chosen], best[chosen]
    kept = nms(boxes + 7680 * labels[:, None], best, 0.7)
    return [np.array([*boxes[k], best[k], labels[k]], np.float32) for k in kept]


def yolox(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    x = outputs["out"][0]
    chances = sigmoid(x[:, 4:5]) * sigmoid(x[:, 5:])
    labels, best = chances.argmax(1), chances.max(1)
    chosen = best > 0.3
    boxes, labels, best = corners(x[chosen, :4]), labels[chosen], best[chosen]
    kept = nms(boxes, best, 0.5, plus=1.0)
    return listed(boxes[kept], best[kept], labels[kept])


def objectness_only(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    x = outputs["out"][0]
    x = x[x[:, 4] > 0.5]
    boxes, best = corners(x[:, :4]), x[:, 4] * x[:, 5:].max(1)
    kept = nms(boxes, best, 0.45)
    return listed(boxes[kept], best[kept], x[kept, 5:].argmax(1))


def few_candidates(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    scores, boxes = outputs["scores"][0][:, 1], outputs["boxes"][0]
    chosen = np.flatnonzero(scores > 0.6)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")][:60]
    kept = chosen[nms(boxes[chosen], scores[chosen], 0.3)]
    return listed(boxes[kept] * WIDTH, scores[kept], np.ones(len(kept)))


def by_argmax(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    scores, boxes = outputs["scores"][0], outputs["boxes"][0]
    chosen = scores.argmax(1) > 0
    return listed(boxes[chosen] * WIDTH, scores[chosen, 1], np.ones(chosen.sum()))


def by_smaller_area(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    scores, boxes = outputs["scores"][0][:, 1], outputs["boxes"][0]
    left, kept = [int(k) for k in np.argsort(-scores) if scores[k] > 0.6], []
    while left:
        first, left = left[0], left[1:]
        kept.append(first)
        def shared(k: int, first: int = first) -> float:
            a, b = boxes[first], boxes[k]
            inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
            return float(inner / min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()))
        left = [k for k in left if shared(k) <= 0.5]
    return listed(boxes[kept] * WIDTH, scores[kept], np.ones(len(kept)))


def anchored(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    n = len(outputs["boxes"][0])
    centre = np.stack([np.arange(n) % 20 * 30 + 15, np.arange(n) // 20 * 30 + 15], 1)
    boxes = np.concatenate([centre - 40, centre + 40], 1) + outputs["boxes"][0] * 10
    scores = outputs["scores"][0][:, 1]
    chosen = np.flatnonzero(scores > 0.6)
    kept = chosen[nms(boxes[chosen], scores[chosen], 0.3)]
    return listed(boxes[kept], scores[kept], np.ones(len(kept)))


def always_one(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    best = int(outputs["scores"][0][:, 1].argmax())
    return listed(outputs["boxes"][0][[best]], outputs["scores"][0][[best], 1], np.ones(1))


def top_five(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    chances = softmax(outputs["logits"][0].astype(np.float64))
    order = np.argsort(-chances)[:5]
    top = [{"label": str(k), "score": round(float(chances[k]), 6)} for k in order]
    return {**top[0], "top": top}


def plain_class(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    best = int(outputs["logits"][0].argmax())
    return {"label": str(best), "score": float(outputs["logits"][0][best])}


def centres(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    heat, sizes = sigmoid(outputs["heat"][0]), outputs["sizes"][0]
    label, y, x = np.nonzero(heat > 0.35)
    return [
        {"label": int(c), "score": float(heat[c, b, a]), "box": [4 * a, 4 * b, 4 * a + sizes[0, b, a], 4 * b + sizes[1, b, a]]}
        for c, b, a in zip(label, y, x, strict=True)
    ]


def a_word(outputs: dict[str, np.ndarray], ctx: Any) -> Any:
    return "cat"


def pairs(logits: bool = False, n: int = 400) -> dict[str, np.ndarray]:
    r = np.random.default_rng(3)
    low = r.uniform(0.05, 0.55, (n, 2))
    boxes = np.concatenate([low, low + r.uniform(0.2, 0.35, (n, 2))], 1)
    chance = np.where(np.arange(n) % 97 == 5, 0.93, r.uniform(0.001, 0.1, n))
    scores = np.stack([1 - chance, chance], 1)
    if logits:
        scores = np.log(np.concatenate([scores * 0.98, np.full((n, 1), 0.02)], 1)) + 1.5
    return {"boxes": boxes[None].astype(np.float32), "scores": scores[None].astype(np.float32)}


def rows(logits: bool = False, turned: bool = False) -> dict[str, np.ndarray]:
    r = np.random.default_rng(4)
    n = 500
    boxes = np.concatenate([r.uniform(150, 400, (n, 2)), r.uniform(60, 130, (n, 2))], 1)
    objects = np.where(np.arange(n) % 101 == 7, 0.9, r.uniform(0.001, 0.02, n))[:, None]
    classes = softmax(r.normal(0, 1, (n, 5)) * 4)
    classes = np.clip(classes, 0.002, 0.95)
    if turned:
        return {"out": np.concatenate([boxes, objects * classes], 1).T[None].astype(np.float32)}
    scores = np.concatenate([objects, classes], 1)
    scores = np.log(scores / (1 - scores)) if logits else scores
    return {"out": np.concatenate([boxes, scores], 1)[None].astype(np.float32)}


def logits() -> dict[str, np.ndarray]:
    return {"logits": np.random.default_rng(5).normal(0, 2, (1, 20)).astype(np.float32)}


def maps() -> dict[str, np.ndarray]:
    r = np.random.default_rng(6)
    heat = r.normal(-4, 0.5, (1, 3, 24, 32))
    heat[0, 1, 5, 6], heat[0, 2, 15, 20] = 2.0, 1.2
    return {"heat": heat.astype(np.float32), "sizes": r.uniform(20, 60, (1, 2, 24, 32)).astype(np.float32)}


PLAIN = {"post.activation": "none"}
# function, outputs, the identified facts and no others
CASES: list[tuple[Callable[..., Any], dict[str, np.ndarray], dict[str, Any]]] = [
    (faces, pairs(), {**PLAIN, SCORE: 0.6, IOU: 0.3, TOP: 200, "post.decode": "x1 y1 x2 y2"}),
    (ssd, pairs(logits=True), {"post.activation": "softmax", SCORE: 0.4, IOU: 0.45, "post.decode": "x1 y1 x2 y2"}),
    (yolo5, rows(), {**PLAIN, SCORE: 0.25, IOU: 0.45, TOP: 300, "post.decode": "cx cy w h"}),
    (yolo8, rows(turned=True), {**PLAIN, SCORE: 0.25, IOU: 0.7, "post.decode": "cx cy w h"}),
    (yolox, rows(logits=True), {"post.activation": "sigmoid", SCORE: 0.3, IOU: 0.5, "post.decode": "cx cy w h"}),
    (objectness_only, rows(), {**PLAIN, IOU: 0.45, "post.decode": "cx cy w h"}),
    (few_candidates, pairs(), {**PLAIN, SCORE: 0.6, IOU: 0.3, "post.decode": "x1 y1 x2 y2"}),
    (by_argmax, pairs(), PLAIN),
    (by_smaller_area, pairs(n=110), {**PLAIN, SCORE: 0.6}),
    (anchored, pairs(), {**PLAIN, SCORE: 0.6}),
    (always_one, pairs(), {}),
    (top_five, logits(), {"post.activation": "softmax", TOP: 5}),
    (plain_class, logits(), {**PLAIN, TOP: 1}),
    (centres, maps(), {SCORE: 0.35}),
    (a_word, logits(), {}),
]


@pytest.mark.parametrize(("function", "outputs", "expected"), CASES, ids=[c[0].__name__ for c in CASES])
def test_answers(function: Callable[..., Any], outputs: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    told = answers_probe.probe(function, outputs, {"width": WIDTH, "height": HEIGHT})
    assert sorted(each["id"] for each in told) == sorted(answers_probe.IDS)
    assert {each["id"]: each["value"] for each in told if each["identified"]} == expected
    assert all(each["identified"] or (each["value"] is None and each["reason"]) for each in told)


def test_parameters_are_passed_on() -> None:
    told = answers_probe.probe(faces, pairs(), {"width": WIDTH, "height": HEIGHT}, {"threshold": 0.45, "overlap": 0.55})
    found = {each["id"]: each["value"] for each in told}
    assert found[SCORE] == 0.45 and found[IOU] == 0.55


def test_classes_apart() -> None:
    for agnostic in (True, False):
        told = {each["id"]: each for each in answers_probe.probe(yolo5, rows(), {}, {"agnostic": agnostic})}
        assert told[IOU]["detail"]["per_class"] is not agnostic


def test_no_time_left_is_unknown() -> None:
    told = answers_probe.probe(yolo5, rows(), {}, seconds=-1.0)
    assert not any(each["identified"] for each in told)


def test_a_failing_function_is_unknown() -> None:
    told = answers_probe.probe(lambda outputs, ctx: 1 / 0, rows(), {})
    assert all("ZeroDivisionError" in each["reason"] for each in told)
