"""Does the same input give the same answer: always, at random, or by what came before."""

from __future__ import annotations

import random
import sys
from typing import Any, Callable, Dict, Iterator, Tuple

from assay_worker.probe_difference import ROUNDING, SMALL, largest
from assay_worker.probe_inputs import SEED, Dims
from assay_worker.probe_lab import NO_TIME, Lab

RESETS = ("reset_states", "reset_state", "reset")
SEQUENCE = (0, 0, 1, 0, 0)  # the same input but once; an odd number, for states that only swap
Answer = Dict[str, Any]
UNKNOWN: Answer = {"deterministic": None, "stateful": None, "repeat": f"not_observed: {NO_TIME}", "reset": ""}


def watch(lab: Lab, dims: Dims) -> Answer:
    """Run the same input twice in a row, and again after another one."""
    first, again = lab.attempt(dims), lab.attempt(dims)
    if first is None or again is None:
        return dict(UNKNOWN, repeat=f"not_observed: {lab.last_error}")
    apart = largest(first, again)
    if apart <= SMALL:
        other = lab.attempt(dims, SEED + 1)
        after = lab.attempt(dims) if other is not None else None
        if after is None:
            return _same(apart, None)
        later = largest(first, after)
        if later <= SMALL:
            return _same(max(apart, later), False)
        apart = later
    return _differing(lab, dims, apart)


def _same(apart: float, stateful: bool | None) -> Answer:
    words = "bitwise equal" if apart == 0 else f"equal within {SMALL:g}"
    return {"deterministic": apart == 0, "stateful": stateful, "repeat": words, "reset": ""}


def _differing(lab: Lab, dims: Dims, apart: float) -> Answer:
    """Find out why answers differ: chance repeats with its seed, a state with what makes the model new."""
    by_how_much = f"the same input differs by up to {apart:.2g} of the largest value"
    if type(lab.made.built.model).__module__.startswith("onnxruntime"):  # a session keeps nothing between runs
        return {"deterministic": False, "stateful": False, "repeat": f"random: {by_how_much}", "reset": ""}
    if apart <= ROUNDING:  # a program may be optimised after its first runs
        return {"deterministic": False, "stateful": None, "repeat": f"differs: {by_how_much}", "reset": ""}
    if _repeats(lab, dims, _seeded):
        words = f"random: {by_how_much}, and repeats with the same seeds"
        return {"deterministic": False, "stateful": False, "repeat": words, "reset": ""}
    for name, renew in _ways(lab):
        if not _repeats(lab, dims, renew):
            continue
        lab.reset = renew
        words = f"stateful: {by_how_much}, and repeats after {name}"
        return {"deterministic": True, "stateful": True, "repeat": words, "reset": name}
    words = f"differs: {by_how_much}; neither seeds nor a new model repeat it"
    return {"deterministic": False, "stateful": None, "repeat": words, "reset": ""}


def _ways(lab: Lab) -> Iterator[Tuple[str, Callable[[], Any]]]:
    """Offer what could make a model as new; the last one leaves it new."""
    for name in RESETS:
        if callable(getattr(lab.made.built.model, name, None)):
            yield f"{name}()", _Reset(lab, name)
    yield "building it anew", lab.rebuild


class _Reset:
    """Calls a method of the model that is there now."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name

    def __call__(self) -> None:
        """Reset the model."""
        getattr(self.lab.made.built.model, self.name)()


def _repeats(lab: Lab, dims: Dims, renew: Callable[[], Any]) -> bool:
    """Tell whether runs that differ among themselves come the same after each renewal."""
    rounds = []
    for past in range(2):
        lab.attempt(dims, SEED + past)  # what came before differs between the rounds
        try:
            renew()
        except (Exception, SystemExit):
            return False
        rounds.append([lab.attempt(dims, SEED + other) for other in SEQUENCE])
    one, two = ([outputs for outputs in runs if outputs is not None] for runs in rounds)
    if len(one) != len(SEQUENCE) or len(two) != len(SEQUENCE):
        return False
    moved = any(largest(one[0], one[i]) > SMALL for i, other in enumerate(SEQUENCE) if not other)
    return moved and all(largest(a, b) <= SMALL for a, b in zip(one, two))


def _seeded() -> None:
    """Set every generator that code uses without saying so."""
    random.seed(SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)
