"""What verb match answers: the class and its arguments with where each stands, or how near each candidate came."""

from __future__ import annotations

import linecache
import os
from typing import TYPE_CHECKING, Any, Dict, List

from assay_worker import match_arguments, match_keys, match_source
from assay_worker.match_arguments import Value

if TYPE_CHECKING:
    from assay_worker.match import Tried
    from assay_worker.match_identify import Seen
    from assay_worker.match_lab import Budget

SPENT = "the search was ended at its limit"
OLD = "the checkpoint has no num_batches_tracked: it was written by an older torch, and loads without"
TAKEN = "what was made holds the model: {}"


def nothing(outcome: str) -> Dict[str, Any]:
    """Answer when there is nothing to search."""
    return {
        "outcome": outcome,
        "best": None,
        "twins": [],
        "missing_package": "",
        "tried": [],
        "constructions": 0,
        "notes": [],
    }


def found(described: List[Dict[str, Any]], tried: List[Tried], budget: Budget, spent: bool) -> Dict[str, Any]:
    """Answer when something explains the checkpoint."""
    outcome = described[0].pop("outcome")
    for other in described[1:]:
        other.pop("outcome")
    several = outcome == "exact" and len(described) > 1
    answer = nothing("twins" if several else outcome)
    answer.update(best=described[0], twins=described[1:] if several else [])
    return _closed(answer, tried, budget, spent and outcome != "exact")


def without(tried: List[Tried], budget: Budget, spent: bool, worth: float) -> Dict[str, Any]:
    """Answer when nothing explains it: a package is missing, or no candidate is it."""
    lacking = [one for i, one in enumerate(tried) if one.lacking and (not i or on_paper(one.candidate) >= worth)]
    answer = nothing("blocked" if lacking else "none")
    answer["missing_package"] = lacking[0].lacking if lacking else ""
    return _closed(answer, tried, budget, spent)


def on_paper(candidate: Dict[str, Any]) -> float:
    """Give the share of the checkpoint's tensors that reading alone found in a candidate."""
    return float(candidate.get("matched", 0)) / max(candidate.get("total", 0), 1)


def _closed(answer: Dict[str, Any], tried: List[Tried], budget: Budget, spent: bool) -> Dict[str, Any]:
    answer["tried"] = [_row(one) for one in sorted(tried, key=lambda one: (-one.score[0], -one.score[1]))]
    answer["constructions"] = budget.used
    answer["notes"] += [SPENT] if spent else []
    return answer


def _row(one: Tried) -> Dict[str, Any]:
    fit = one.best.fit if one.best else None
    return {
        "path": one.candidate["path"],
        "qualname": one.candidate["qualname"],
        "score": round(fit.score, 4) if fit else 0.0,
        "constructions": one.lab.count if one.lab else 0,
        "outcome": one.best.outcome if one.best else "",
        "why": one.why,
        "differs": match_keys.told(fit, one.best.shapes) if fit and one.best else [],
    }


# ---------------------------------------------------------------- one match
def described(one: Tried, seen: Seen, refs: str) -> Dict[str, Any]:
    """Describe a match: what to import and call, with what, and who says so."""
    assert one.best and one.best.fit and one.lab and one.place
    fit, candidate = one.best.fit, one.candidate
    missing = [name for name in fit.missing if not name.endswith(match_keys.COUNTER)]
    notes = [OLD] if len(missing) < len(fit.missing) else []
    notes += [TAKEN.format(one.best.take)] if one.best.take else []
    line = candidate.get("line", 0)
    where = f"{candidate['path']}:{line}"
    return {
        "outcome": fit.outcome,
        "module": one.place.name,
        "root": os.path.relpath(one.place.paths[0], refs).replace(os.sep, "/"),
        "path": candidate["path"],
        "qualname": candidate["qualname"],
        "kind": candidate.get("kind", "class"),
        "args": [_argument(name, one, seen, refs) for name in one.lab.space.parameters],
        "take": one.best.take,
        "part": fit.target.part,
        "strip": fit.target.strip,
        "matched": fit.same,
        "missing": missing,
        "unexpected": list(fit.unexpected),
        "where": where,
        "text": linecache.getline(os.path.join(refs, candidate["path"]), line).strip(),
        "prelude": [],
        "notes": notes,
    }


def _argument(name: str, one: Tried, seen: Seen, refs: str) -> Dict[str, Any]:
    assert one.best and one.lab
    parameter, value = one.lab.space.parameters[name], one.best.given.get(name)
    identified = seen.identified.get(name)
    if value is None:
        value = _default(one, parameter, refs)
        # of no call of upstream's is it known that it leaves just this one to its default
        if identified is not True and (seen.refused.get(name) or not seen.left(name)):
            value = value._replace(by="assumed", where="", text="")
    elif not value.where:
        value = value._replace(by="solved" if identified else value.by)
    return {
        "name": name,
        "value": value.value,
        "by": value.by,
        "form": value.form,
        "passed": name in one.best.given,
        "where": value.where,
        "text": value.text,
        "identified": identified,
        "solved": value.by == "solved",
        "loose": seen.loose.get(name, []),
        "others": _listed(seen.same.get(name, [])),
        "refused": _listed(seen.refused.get(name, [])),
    }


def _listed(values: List[Value]) -> List[Dict[str, Any]]:
    return [{"value": v.value, "by": v.by, "where": v.where, "text": v.text} for v in values]


def _default(one: Tried, parameter: match_arguments.Parameter, refs: str) -> Value:
    given = match_arguments.of_default(parameter)
    if given is None:
        given = Value(
            getattr(parameter.default, "__name__", str(type(parameter.default).__name__)), "default", form="code"
        )
    path = one.candidate["path"]
    where, text = match_source.cited(os.path.join(refs, path), path, one.candidate["qualname"], parameter.name)
    return given._replace(where=where, text=text)
