"""Arguments worked out from shapes: move a number, see which dimensions and how many blocks move, and solve for it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from assay_worker import match_arguments, match_keys
from assay_worker.match_arguments import Assignment, Value
from assay_worker.match_lab import Lab, Trial

ROUNDS = 6
MOST_LEAVES = 40
LARGEST = 1 << 20
STEPS = 14  # of one approach to a number that does not move in proportion
Measure = Tuple[str, int]  # (tensor, dimension); (pattern of names, -1) for how many there are
Path = Tuple[Any, ...]


class Leaf(NamedTuple):
    """One whole number in what is passed: an argument, or one inside a list or dict."""

    name: str
    path: Path


class Effect(NamedTuple):
    """What moved when a leaf was moved by a step."""

    leaf: Leaf
    step: int
    slopes: Dict[Measure, float]


def solve(lab: Lab, start: Trial) -> Trial:
    """Follow the shapes to better arguments; gives the start back when they lead nowhere."""
    best = start
    for _ in range(ROUNDS):
        if best.outcome == "exact":
            return best
        effects = [e for e in (effect(lab, best, leaf) for leaf in leaves(lab, best)) if e]
        better = _stepped(lab, best, effects)
        if better is best:
            better = _approached(lab, best, effects)
        if better is best:
            return best
        best = better
    return best


# ---------------------------------------------------------------- numbers in arguments
def leaves(lab: Lab, trial: Trial) -> List[Leaf]:
    """List every whole number that may be moved."""
    found: List[Leaf] = []
    for p in lab.space.parameters.values():
        value = trial.given.get(p.name) or match_arguments.of_default(p)
        if value is not None and value.form != "code":
            found += [Leaf(p.name, path) for path in _paths(value.value, ())]
    return found[:MOST_LEAVES]


def _paths(value: Any, path: Path) -> List[Path]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [path]
    inner: List[Path] = []
    if len(path) < 3 and isinstance(value, (list, dict)):
        for key, one in enumerate(value) if isinstance(value, list) else value.items():
            inner += _paths(one, (*path, key))
    return inner


def number(lab: Lab, given: Assignment, leaf: Leaf) -> int:
    """Read the number at a leaf."""
    value = _value(lab, given, leaf.name).value
    for key in leaf.path:
        value = value[key]
    return int(value)


def moved(lab: Lab, given: Assignment, leaf: Leaf, to: int, by: str = "solved") -> Assignment:
    """Put another number at a leaf."""
    value = _value(lab, given, leaf.name)
    return {**given, leaf.name: Value(_put(value.value, leaf.path, to), by, form=value.form, made=value.made)}


def _value(lab: Lab, given: Assignment, name: str) -> Value:
    found = given.get(name) or match_arguments.of_default(lab.space.parameters[name])
    assert found is not None
    return found


def _put(value: Any, path: Path, to: int) -> Any:
    if not path:
        return to
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _put(copy[path[0]], path[1:], to)
    return copy


# ---------------------------------------------------------------- what moves
def measures(shapes: match_keys.Shapes) -> Dict[Measure, int]:
    """Write down all dimensions, and how many tensors of each pattern there are."""
    found = {(name, axis): n for name, (_, dims) in shapes.items() for axis, n in enumerate(dims)}
    found.update({(what, -1): n for what, n in Counter(map(match_keys.pattern, shapes)).items()})
    return found


def effect(lab: Lab, trial: Trial, leaf: Leaf) -> Optional[Effect]:
    """Move one number by a little and see what moves with it; None when nothing can be made so, or nothing moves."""
    now = number(lab, trial.given, leaf)
    before = measures(trial.shapes)
    for step in dict.fromkeys((1, max(now, 2), 8)):
        other = lab.attempt(moved(lab, trial.given, leaf, now + step))
        if other.fit:
            after = measures(other.shapes)
            slopes = {m: (after[m] - n) / step for m, n in before.items() if m in after and after[m] != n}
            slopes.update({m: n / step for m, n in after.items() if m not in before and m[1] == -1})
            if slopes:
                return Effect(leaf, step, slopes)
    return None


def _wanted(best: Trial) -> Dict[Measure, int]:
    assert best.fit
    return measures(best.fit.target.shapes)


def wish(lab: Lab, best: Trial, found: Effect) -> Optional[Tuple[int, int]]:
    """Work out which number the checkpoint's shapes ask for, and how many of them do; None when it is this one."""
    before, wanted = measures(best.shapes), _wanted(best)
    now = number(lab, best.given, found.leaf)
    votes: Counter[int] = Counter()
    for measure, slope in found.slopes.items():
        if measure in wanted:
            value = now + (wanted[measure] - before.get(measure, 0)) / slope
            if value == int(value) and 0 < value <= LARGEST:
                votes[int(value)] += 3 if measure[1] == -1 else 1
    if not votes:
        return None
    value, count = max(votes.items(), key=lambda item: (item[1], -abs(item[0] - now)))
    return (value, count) if value != now else None


def _stepped(lab: Lab, best: Trial, effects: List[Effect]) -> Trial:
    """Take the steps that the shapes ask for: all at once, then one by one."""
    wishes = [(w[1], w[0], e.leaf) for e in effects for w in [wish(lab, best, e)] if w]
    wishes.sort(key=lambda one: -one[0])
    given = best.given
    for _, value, leaf in wishes:
        given = moved(lab, given, leaf, value)
    trials = [lab.attempt(given)] if len(wishes) > 1 else []
    if not (trials and trials[0].score > best.score):
        for _, value, leaf in wishes:
            trial = lab.attempt(moved(lab, best.given, leaf, value))
            trials.append(trial)
            best = trial if trial.score > best.score else best
    return max([best, *trials], key=lambda trial: trial.score)


# ---------------------------------------------------------------- out of proportion
def _approached(lab: Lab, best: Trial, effects: List[Effect]) -> Trial:
    """Approach a number whose dimensions grow with it in some other way than in proportion."""
    wanted = _wanted(best)
    for found in effects:
        before = measures(best.shapes)
        off = [m for m in found.slopes if m in wanted and m in before and before[m] != wanted[m]]
        for grain in dict.fromkeys((1, found.step)) if off else ():
            trial = _bisected(lab, best, found, off[0], grain)
            if trial is not None and trial.score > best.score:
                return _rounded(lab, trial, found.leaf)
    return best


def _rounded(lab: Lab, found: Trial, leaf: Leaf) -> Trial:
    """Prefer a round number among those that fit as well."""
    now = number(lab, found.given, leaf)
    for grain in (64, 32, 16, 8, 4):
        for near in (now // grain * grain, -(-now // grain) * grain):
            trial = lab.attempt(moved(lab, found.given, leaf, near)) if near > 0 else found
            if trial.fit and trial.score == found.score:
                return trial
    return found


def _bisected(lab: Lab, best: Trial, found: Effect, measure: Measure, grain: int) -> Optional[Trial]:
    """Halve the way to the number at which one dimension is as wanted."""
    wanted, now = _wanted(best)[measure], number(lab, best.given, found.leaf)
    rising = found.slopes[measure] > 0
    low, high = (now, LARGEST) if (measures(best.shapes)[measure] < wanted) == rising else (0, now)
    for _ in range(STEPS):
        guess = low * 2 if high == LARGEST and low else (low + high) // 2
        guess = max(grain, round(guess / grain) * grain)
        trial = lab.attempt(moved(lab, best.given, found.leaf, guess))
        seen = measures(trial.shapes).get(measure) if trial.fit else None
        if seen is None:
            return None
        if seen == wanted:
            return trial
        low, high = (guess, high) if (seen < wanted) == rising else (low, guess)
        if high - low <= grain:
            return None
    return None
