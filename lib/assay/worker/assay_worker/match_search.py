"""The search for a candidate's arguments: whole calls first, then value by value, then by what the shapes say."""

from __future__ import annotations

import itertools
from typing import Any, List, Optional

from assay_worker import match_arguments, match_solver
from assay_worker.match_arguments import Assignment, Parameter, Value
from assay_worker.match_lab import Lab, Trial

MOST_TOGETHER = 24  # combinations of values of arguments that have no default
MOST_JOLTED = 8  # numbers
SWEEPS = 3
LADDER = (64, 16, 8, 4, 2, 1, 3, 128)  # for arguments of which nothing is known; the shapes then tell
HOPELESS = 0.2  # of the names
SIZES = (8, 16, 32, 64, 128, 224, 256)  # for a number whose default does not even go with the others


def called(lab: Lab) -> None:
    """Make it as upstream's own calls do, then with nothing but defaults."""
    for call in lab.space.calls:
        if lab.attempt(_completed(lab, call.given)).outcome == "exact":
            return
    if not any(p.required for p in lab.space.parameters.values()):
        lab.attempt({})


def searched(lab: Lab, start: Optional[Trial], *, solving: bool = True) -> Optional[Trial]:
    """Look for better arguments than those of a start."""
    best = start if start and start.fit else _first(lab)
    if best is None or best.outcome == "exact":
        return best
    best = _swept(lab, best)
    if best.outcome == "exact" or not solving or (best.fit and best.fit.named < HOPELESS):
        return best
    solved = match_solver.solve(lab, best)
    if solved.outcome == "exact" or solved.given == best.given:
        return solved
    return match_solver.solve(lab, _swept(lab, solved))


def _completed(lab: Lab, given: Assignment) -> Assignment:
    """Fill what a call passes but could not be read, when it has no default, with the first value known for it."""
    found = dict(given)
    for p in lab.space.parameters.values():
        if p.required and p.name not in found and p.values:
            found[p.name] = p.values[0]
    return found


# ---------------------------------------------------------------- anything to start from
def _first(lab: Lab) -> Optional[Trial]:
    """Find arguments with which it can be made at all."""
    required = [p for p in lab.space.parameters.values() if p.required]
    trials = _varied(lab, required) if not any(not p.values for p in required) else []
    if not any(trial.fit for trial in trials):
        trials += _combined(lab, required)
    return lab.best(trials) or _jolted(lab, trials)


def _varied(lab: Lab, required: List[Parameter]) -> List[Trial]:
    """Start from upstream's calls and from the first known values, and change one argument."""
    bases = [call.given for call in lab.space.calls[:2]] + [{p.name: p.values[0] for p in required}]
    trials = []
    for base in bases:
        complete = _completed(lab, base)
        for p in lab.space.parameters.values():
            trials += [lab.attempt({**complete, p.name: value}) for value in alternatives(p, complete.get(p.name))[:6]]
    return trials


def _combined(lab: Lab, required: List[Parameter]) -> List[Trial]:
    """Try what is known for each argument without a default with what is known for the others."""
    seen, unseen = [p for p in required if p.values], [p for p in required if not p.values]
    trials: List[Trial] = []
    for values in itertools.islice(itertools.product(*(p.values[:4] for p in seen)), MOST_TOGETHER):
        given = {p.name: value for p, value in zip(seen, values)}
        trials += _guessed(lab, given, unseen) if unseen else [lab.attempt(given)]
        if unseen and any(trial.fit for trial in trials):
            break
    return trials


def _jolted(lab: Lab, trials: List[Trial]) -> Optional[Trial]:
    """Change one number after the other, until they go together."""
    for given in [trial.given for trial in trials[:2]]:
        for leaf in match_solver.leaves(lab, Trial(given))[:MOST_JOLTED]:
            for size in SIZES:
                trial = lab.attempt(match_solver.moved(lab, given, leaf, size, "guess"))
                if trial.fit:
                    return trial
    return None


def _guessed(lab: Lab, given: Assignment, unseen: List[Parameter]) -> List[Trial]:
    """Try one number for all that is unknown, then a list of it for one after the other."""
    for number in LADDER:
        trial = lab.attempt({**given, **{p.name: Value(number, "guess") for p in unseen}})
        if trial.fit:
            return [trial]
        if any(word in trial.error for word in ("subscriptable", "iterable", "len()", "attribute")):
            break
    for p in unseen[:4]:
        for value in ([64, 64, 64, 64], [2, 2, 2, 2], None, ""):
            others = {o.name: Value(64, "guess") for o in unseen if o is not p}
            trial = lab.attempt({**given, **others, p.name: Value(value, "guess")})
            if trial.fit:
                return [trial]
    return []


# ---------------------------------------------------------------- value by value
def _swept(lab: Lab, best: Trial) -> Trial:
    """Change one argument at a time to a value that upstream knows for it, as long as that is better."""
    for _ in range(SWEEPS):
        before = best.score
        for parameter in lab.space.parameters.values():
            best = _changed(lab, best, parameter)
            if best.outcome == "exact":
                return best
        if best.score == before:
            return best
    return best


def _changed(lab: Lab, best: Trial, parameter: Parameter) -> Trial:
    for value in alternatives(parameter, best.given.get(parameter.name), wide=True):
        trial = lab.attempt({**best.given, parameter.name: value})
        if trial.score > best.score:
            best = trial
            if best.outcome == "exact":
                break
    return best


def alternatives(parameter: Parameter, current: Optional[Value], *, wide: bool = False) -> List[Value]:
    """List the values that a parameter might have instead; in the wide, any word that its class compares with."""
    now: Any = current or match_arguments.of_default(parameter)
    found = [value for value in parameter.values if now is None or value.key != now.key]
    if now is not None and isinstance(now.value, bool):
        found += [Value(not now.value, "guess")]
    if now is not None and isinstance(now.value, dict):
        flags = [name for name, flag in now.value.items() if isinstance(flag, bool)]
        found += [now._replace(value={**now.value, flag: not now.value[flag]}, by="guess") for flag in flags]
    if wide and now is not None and isinstance(now.value, str):
        found += [word for word in parameter.wide if word.key != now.key]
    return [v for i, v in enumerate(found) if v.key not in [o.key for o in found[:i]]]
