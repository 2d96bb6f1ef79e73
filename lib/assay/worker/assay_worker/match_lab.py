"""One candidate on the bench: made with arguments, laid beside the checkpoint, each trial counted and made once."""

from __future__ import annotations

import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from assay_worker import match_arguments, match_keys, match_meta, match_standin
from assay_worker.match_arguments import Assignment, Space
from assay_worker.match_imports import Lacking

MOST = 120  # models of one candidate


class Spent(Exception):
    """What asking for more trials than are granted is answered with."""


class Budget:
    """How many models may still be made, and for how long."""

    def __init__(self, constructions: int, seconds: float) -> None:
        self.constructions, self.used = constructions, 0
        self.deadline = time.process_time() + seconds
        self.held = 0  # kept back for later

    def spend(self) -> None:
        """Count one."""
        if self.used >= self.constructions - self.held or time.process_time() > self.deadline:
            raise Spent
        self.used += 1


class Trial(NamedTuple):
    """One set of arguments, and how what was made with it fits; without a fit nothing could be made."""

    given: Assignment
    fit: Optional[match_keys.Fit] = None
    shapes: match_keys.Shapes = {}
    take: str = ""  # how the model is taken out of what was made
    print: str = ""  # equal for equal models
    error: str = ""

    @property
    def score(self) -> Tuple[int, float]:
        """Order trials; one that made nothing comes last."""
        return self.fit.rank if self.fit else (-1, 0.0)

    @property
    def outcome(self) -> str:
        """Say what it explains."""
        return self.fit.outcome if self.fit else ""


class Lab:
    """Makes one candidate again and again."""

    def __init__(self, target: Any, space: Space, ways: Sequence[match_keys.Target], budget: Budget) -> None:
        self.space, self.ways, self.budget = space, ways, budget
        self.maker = match_meta.Maker(target)
        self.made: Dict[str, Trial] = {}
        self.count, self.hangs, self.most = 0, 0, MOST

    def attempt(self, given: Assignment) -> Trial:
        """Make it with these arguments, unless that was done."""
        key = ";".join(f"{name}={given[name].key}" for name in sorted(given))
        if key not in self.made:
            if self.hangs > 1 or self.count >= self.most:
                raise Spent
            self.budget.spend()
            self.count += 1
            self.made[key] = self._attempt(given)
        return self.made[key]._replace(given=given)

    def _attempt(self, given: Assignment) -> Trial:
        before = len(match_standin.touched)
        try:
            args, named = match_arguments.bound(given, self.space.parameters)
            made = self.maker.make(args, named)
            found = [self._laid(given, take, model) for take, model in match_meta.modules(made)]
        except match_meta.TooLong as error:
            self.hangs += 1
            return Trial(given, error=str(error))
        except MemoryError:
            return Trial(given, error="MemoryError")
        except (Exception, SystemExit) as error:
            found = []
            failure = f"{type(error).__name__}: {error}"
        else:
            failure = "no model of torch came of it"
        if len(match_standin.touched) > before:  # even where upstream went on without it
            raise Lacking(match_standin.touched[before].partition(".")[0])
        return max(found, key=lambda trial: trial.score) if found else Trial(given, error=failure[:300])

    def _laid(self, given: Assignment, take: str, model: Any) -> Trial:
        match_meta.materialize(model, [way.shapes for way in self.ways])
        shapes = match_meta.shapes(model)
        found = match_keys.best_fit(shapes, self.ways, match_meta.computed(model))
        known = match_meta.print_of(model) if found.outcome else ""
        return Trial(given, found, shapes, take, known)

    def best(self, trials: List[Trial]) -> Optional[Trial]:
        """Give the best of these that made something; of equal ones the first."""
        kept = [trial for trial in trials if trial.fit]
        return max(kept, key=lambda trial: trial.score) if kept else None
