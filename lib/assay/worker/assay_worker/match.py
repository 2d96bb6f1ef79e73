"""Verb match: which of upstream's classes, made with which arguments, has exactly the checkpoint's tensors.

Every candidate is made without numbers, nothing is loaded or fetched, and only equal names and shapes count. What a
missing package would change is never guessed around: the candidate is blocked then.
"""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from assay_worker import (
    load,
    match_answer,
    match_arguments,
    match_identify,
    match_imports,
    match_keys,
    match_lab,
    match_meta,
    match_search,
    match_source,
)

CONSTRUCTIONS, SECONDS = 300, 20.0
KEPT_BACK = 60  # constructions that are for telling what was identified
BLOCKED = 0.2  # of the tensors that a candidate must explain on paper to be worth a package


class Tried(NamedTuple):
    """How far the search for one candidate came."""

    candidate: Dict[str, Any]
    lab: Optional[match_lab.Lab] = None
    best: Optional[match_lab.Trial] = None
    place: Optional[match_imports.Place] = None
    why: str = ""  # it was not made
    lacking: str = ""

    @property
    def score(self) -> Tuple[int, float]:
        """Order candidates."""
        return self.best.score if self.best else (-2, 0.0)


def run(job: load.Job) -> Dict[str, Any]:
    """Search all candidates; say what explains the checkpoint, and what came near."""
    candidates = job.request.get("candidates", [])
    ways = match_keys.targets(job.request["tensors"])
    if not candidates or not ways:
        return match_answer.nothing("no candidates")
    limits = job.request.get("limits", {})
    try:
        match_meta.prepare()
    except ModuleNotFoundError as error:
        return dict(match_answer.nothing("blocked"), missing_package=str(error.name))
    budget = match_lab.Budget(limits.get("constructions", CONSTRUCTIONS), limits.get("seconds", SECONDS))
    budget.held = min(KEPT_BACK, budget.constructions // 4)
    here = os.getcwd()
    try:
        search = Search(job, ways, budget)
        return search.answer([search.first(candidate) for candidate in candidates])
    finally:
        os.chdir(here)


class Search:
    """All candidates, one budget."""

    def __init__(self, job: load.Job, ways: List[match_keys.Target], budget: match_lab.Budget) -> None:
        self.ways, self.budget = ways, budget
        self.importer = match_imports.Importer(job.root, job.places())
        self.spent = False

    def first(self, candidate: Dict[str, Any]) -> Tried:
        """Import a candidate and make it as upstream does."""
        try:
            target, place = self.importer.find(candidate)
            full = os.path.join(self.importer.refs, candidate["path"])
            words = match_source.words(full, candidate["path"], candidate["qualname"])
            space = match_arguments.space(target, candidate, words)
            lab = match_lab.Lab(target, space, self.ways, self.budget)
            return self._tried(Tried(candidate, lab, None, place), lambda: match_search.called(lab))
        except match_imports.Lacking as error:
            return Tried(candidate, why=str(error), lacking=error.package)
        except match_imports.Unimportable as error:
            return Tried(candidate, why=str(error))

    def more(self, tried: Tried, *, solving: bool) -> Tried:
        """Look for its arguments."""
        lab = tried.lab
        if lab is None or tried.place is None:
            return tried
        self.importer.enter(tried.place)
        return self._tried(tried, lambda: match_search.searched(lab, tried.best, solving=solving))

    def _tried(self, tried: Tried, search: Any) -> Tried:
        lab = tried.lab
        assert lab is not None
        try:
            search()
        except match_lab.Spent:
            self.spent = True
        except match_imports.Lacking as error:
            return tried._replace(best=None, why=str(error), lacking=error.package)
        best = lab.best(list(lab.made.values()))
        errors = [trial.error for trial in lab.made.values() if trial.error]
        return tried._replace(best=best, why="" if best else (errors[0] if errors else "nothing to call it with"))

    # ------------------------------------------------------------ the answer
    def answer(self, tried: List[Tried]) -> Dict[str, Any]:
        """Go on until something is exact, then say so."""
        if not any(_exact(one) for one in tried):
            for place in sorted(range(len(tried)), key=lambda i: (*_hope(tried[i]), i)):
                tried[place] = self.more(tried[place], solving=True)
                if _exact(tried[place]):
                    break
        self.budget.held = 0
        best = max((one.score for one in tried if one.best and one.best.outcome), default=None)
        if best is None:
            return match_answer.without(tried, self.budget, self.spent, BLOCKED)
        exact = [one for one in tried if one.score == best]
        described = [self._described(one) for one in _grouped(exact)]
        return match_answer.found(described, tried, self.budget, self.spent)

    def _described(self, one: Tried) -> Dict[str, Any]:
        assert one.lab and one.best and one.place
        one.lab.most += KEPT_BACK
        self.importer.enter(one.place)
        seen = match_identify.identify(one.lab, one.best)
        return match_answer.described(one, seen, self.importer.refs)


def _hope(one: Tried) -> Tuple[Any, ...]:
    """Order candidates by what is found, then by how much is explained on paper, then by how near they came."""
    return (-max(one.score[0], 0), -match_answer.on_paper(one.candidate), -one.score[1])


def _exact(one: Tried) -> bool:
    return one.best is not None and one.best.outcome == "exact"


def _preference(one: Tried) -> Tuple[Any, ...]:
    """Order what makes the same model: what loads nothing itself, was guessed least, and is called most plainly."""
    assert one.best
    guessed = sum(value.by in ("solved", "guess") for value in one.best.given.values())
    code = sum(value.form == "code" for value in one.best.given.values())
    return (_loads(one), guessed, code, -_called(one))


def _loads(one: Tried) -> bool:
    """Tell a factory that opens the weights itself: an adapter would open them from where there are none."""
    if one.lab is None or one.candidate.get("kind") != "factory":
        return False
    try:
        text = inspect.getsource(one.lab.maker.target)
    except (OSError, TypeError):
        return False
    return "torch.load(" in text or ".load_state_dict(" in text


def _called(one: Tried) -> int:
    """Tell how surely an entrypoint makes it: by a call in its own file, which may be a mere helper's, less so."""
    places = [call["where"].rpartition(":")[0] for call in one.candidate.get("calls", []) if call.get("entry")]
    return max((1 if place == one.candidate["path"] else 2 for place in places), default=0)


def _grouped(found: List[Tried]) -> List[Tried]:
    """Keep one of those that make the same model; first what an entrypoint makes."""
    groups: Dict[str, List[Tried]] = {}
    for one in found:
        groups.setdefault(one.best.print if one.best else "", []).append(one)
    ordered = sorted(groups.values(), key=lambda group: -max(_called(one) for one in group))
    return [min(group, key=_preference) for group in ordered]
