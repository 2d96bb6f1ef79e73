"""Whether a checkpoint could tell an argument's value from another: move each, and see whether any shape moves."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from assay_worker import match_search, match_solver
from assay_worker.match_arguments import Call, Parameter, Value, of_default
from assay_worker.match_imports import Lacking
from assay_worker.match_lab import Lab, Spent, Trial

MOST_INSIDE = 24  # numbers moved within one list or dict


class Seen:
    """What moving the arguments of one match showed."""

    def __init__(self, best: Trial, calls: Sequence[Call]) -> None:
        self.calls = [call for call in calls if supports(call, best)]
        self.loose: Dict[str, List[str]] = {}  # what within a list or dict no shape depends on
        self.refused: Dict[str, List[Value]] = {}  # what upstream's calls pass, and could not be made with here
        self.identified: Dict[str, Optional[bool]] = {}  # None: it could not be moved
        self.same: Dict[str, List[Value]] = {}  # other values of upstream's that the checkpoint fits as well

    def left(self, name: str) -> bool:
        """Tell whether one of upstream's own calls leaves an argument to its default."""
        return any(name not in call.unknown for call in self.calls)


def supports(call: Call, best: Trial) -> bool:
    """Tell whether one of upstream's calls is this very one, save what is not known of it."""
    passed = {name: value for name, value in best.given.items() if name not in call.unknown}
    return {n: v.key for n, v in passed.items()} == {n: v.key for n, v in call.given.items()}


def identify(lab: Lab, best: Trial) -> Seen:
    """Move every argument, as far as the budget goes."""
    seen = Seen(best, lab.space.calls)
    for name, parameter in lab.space.parameters.items():
        try:
            _one(lab, best, parameter, seen)
        except (Spent, Lacking):
            seen.identified.setdefault(name, None)
    return seen


def _one(lab: Lab, best: Trial, parameter: Parameter, seen: Seen) -> None:
    moved: List[bool] = []
    name = parameter.name
    now = best.given.get(name) or of_default(parameter)
    others = match_search.alternatives(parameter, now)
    for value in others:
        trial = lab.attempt({**best.given, name: value})
        if trial.fit:
            moved.append(trial.shapes != best.shapes)
            if not moved[-1] and value.by != "guess":
                seen.same.setdefault(name, []).append(value)
        elif value.by == "call":
            seen.refused.setdefault(name, []).append(value)
    if now is not None and isinstance(now.value, (dict, list)) and now.value:
        moved += _inside(lab, best, name, seen)
    elif True not in moved and now is not None and now.form != "code":
        moved += _numbers(lab, best, name) or ([] if others else _other(lab, best, parameter, now))
    seen.identified[name] = True if True in moved else (False if moved else None)
    if seen.loose.get(name) and (now is None or not now.where):  # what is loose in it nobody said
        seen.identified[name] = False


def _numbers(lab: Lab, best: Trial, name: str) -> List[bool]:
    """Move a whole number by the least that can be made."""
    moved = [_least(lab, best, leaf) for leaf in match_solver.leaves(lab, best) if leaf.name == name]
    return [one for one in moved if one is not None]


def _inside(lab: Lab, best: Trial, name: str, seen: Seen) -> List[bool]:
    """Move each whole number within a list or dict; all the rest of it is loose."""
    found: List[bool] = []
    sure = set()
    for leaf in [leaf for leaf in match_solver.leaves(lab, best) if leaf.name == name][:MOST_INSIDE]:
        moved = _least(lab, best, leaf)
        found += [] if moved is None else [moved]
        sure |= {leaf.path[0]} if moved else set()
    value = (best.given.get(name) or of_default(lab.space.parameters[name]) or Value(None, "")).value
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in [key for key in keys if isinstance(value[key], bool)]:
        flipped = lab.attempt(match_solver.moved(lab, best.given, match_solver.Leaf(name, (key,)), not value[key]))
        found += [flipped.shapes != best.shapes] if flipped.fit else []
        sure |= {key} if flipped.fit and found[-1] else set()
    seen.loose[name] = [str(key) for key in keys if key not in sure]
    return found


def _least(lab: Lab, best: Trial, leaf: match_solver.Leaf) -> Optional[bool]:
    now = match_solver.number(lab, best.given, leaf)
    for to in dict.fromkeys((now + 1, now - 1, now * 2 or 2)):
        trial = lab.attempt(match_solver.moved(lab, best.given, leaf, to))
        if trial.fit:
            return trial.shapes != best.shapes
    return None


def _other(lab: Lab, best: Trial, parameter: Parameter, now: Value) -> List[bool]:
    """Move what is no whole number."""
    tries: List[Any] = []
    if isinstance(now.value, float):
        tries = [now.value / 2 if now.value else 0.1]
    elif isinstance(now.value, str):
        tries = [now.value + "_"]
    elif now.value is None:
        tries = [True, 1]
    trials = [lab.attempt({**best.given, parameter.name: Value(value, "guess")}) for value in tries]
    # None may stand for anything: that two tries changed nothing says little, that one did says all.
    moved = [trial.shapes != best.shapes for trial in trials if trial.fit]
    return moved if now.value is not None or True in moved else []
