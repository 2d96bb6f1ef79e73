"""From raw and reported scores: the activation between them, and the least that is reported."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from assay_worker.fit_fact import fact, unknown

Fact = Dict[str, Any]
IDS = ("post.activation", "post.score_threshold", "post.iou_threshold", "post.topk", "post.decode")


def _softmax(x: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(x - x.max())
    return powers / powers.sum()


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


ACTIVATIONS: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}
PRODUCTS = ("none", "sigmoid")  # objectness first, then classes


def activation(seen: List[Tuple[np.ndarray, List[Any]]], joint: bool) -> Fact:
    """Say what makes the reported scores of the raw ones; with joint, the first column may weigh the others."""
    fits: List[Tuple[str, str]] = []
    for name, function in ACTIVATIONS.items():
        if all(_contains(function(row), scores) for row, scores in seen):
            fits.append((name, "score"))
        if joint and name in PRODUCTS:
            pairs = [(function(row), scores) for row, scores in seen if len(row) > 1]
            if pairs and all(_contains(made[0] * made[1:], scores) for made, scores in pairs):
                fits.append((name, "first x class"))
    names = sorted({name for name, _ in fits})
    if not names:
        return unknown("post.activation", "the scores are no activation tried here of the raw values")
    if len(names) > 1:
        return fact("post.activation", None, alternatives=names, reason="these scores do not tell them apart")
    forms = sorted({form for _, form in fits})
    detail = {"score": forms[0]} if len(forms) == 1 else {}
    return fact("post.activation", names[0], tries=len(seen), evidence=["scores"], residual=0.0, detail=detail)


def _contains(made: np.ndarray, scores: List[Any]) -> bool:
    # reported scores are often rounded to four or six digits
    return all(float(np.abs(made - score).min()) < 6e-5 for score in scores)


def threshold(scores: List[float], wanted: int, evidence: str) -> Fact:
    """Say the threshold that different ways of lowering the score agree on."""
    if len(scores) < wanted:
        return unknown("post.score_threshold", "not every way of lowering the scores ends the answers")
    plain = [short(score) for score in scores]
    spread = max(scores) - min(scores)
    if None in plain or len(set(plain)) > 1:
        why = "the lowest scores that pass are %s" % ", ".join("%.4g" % s for s in scores)
        return unknown("post.score_threshold", why + "; no one threshold on the score gives them")
    return fact(
        "post.score_threshold", plain[0], unit="reported score", tries=len(scores), evidence=[evidence], residual=spread
    )


def short(value: float, most: int = 3, slack: float = 2e-5) -> Optional[float]:
    """Give the decimal of few digits that a value is, or None."""
    for digits in range(1, most + 1):
        near = round(value, digits)
        if near and abs(near - value) <= slack:
            return near
    return None
