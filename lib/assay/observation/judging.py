"""Which of the drafted functions may be used: those that did, in every watched run, what upstream's own run did."""

from collections.abc import Sequence
from typing import Any

from assay.drafts.draft import Draft as Written
from assay.records import Draft, Rehearsal

Rows = Sequence[dict[str, Any]]
SAME, FAILED, UNSEEN, NOT_WRITTEN = "same", "failed", "unseen", "not written"
PROVED = ("exact",)
DOUBTED = "no line of upstream's shows that a file as it is read is what this function is given"
NOTHING = "no run showed an answer that it could be compared with"


def judged(draft: Written, said: "dict[str, Any]", match: str, *, doubted: bool = False) -> Draft:
    """Judge a draft by its rehearsal: a function that differs once is not used.

    `match` is how the class was proved; `doubted`, that upstream may hand over something else than a file as it is.
    """
    rows = [dict(row, build=said["build"]) for row in said["runs"]]
    found = {name: _function(name, draft, rows) for name in draft.functions}
    if found["build"].outcome == UNSEEN and match in PROVED:  # its weights fit one by one, its answers told nothing
        found["build"] = Rehearsal(function="build", outcome=SAME, message=f"{match} match; {found['build'].message}")
    if doubted and found["preprocess"].outcome == SAME:
        found["preprocess"] = Rehearsal(function="preprocess", outcome=UNSEEN, message=DOUBTED)
    built = found["build"].outcome in (SAME, NOT_WRITTEN)
    if not built:
        found["infer"] = _with(found["infer"], found["build"])
    if draft.many and found["postprocess"].outcome != SAME:  # nothing but the answer bears the others out
        for name in ("preprocess", "infer"):
            found[name] = _with(found[name], found["postprocess"])
    usable = [name for name, one in found.items() if one.outcome == SAME]
    if "postprocess" not in usable and "draw" in usable:
        usable.remove("draw")
    return Draft(
        text=draft.text,
        by="drafted",
        functions=usable,
        rehearsals=[found[name] for name in found],
        names=list(draft.inputs),
        many=draft.many,
        roots=list(draft.roots),
        cited=dict(draft.citations),
    )


def made(draft: Written, build: "dict[str, Any]", match: str) -> Draft:
    """Judge a draft that only makes the model, of which no run was seen: its weights have to fit one by one."""
    good = build["outcome"] == SAME
    message = f"{match} match; no run of upstream's shows what it gives" if good else _place(build)
    rehearsal = Rehearsal(function="build", outcome=build["outcome"], message=message)
    return Draft(text=draft.text, by="drafted", functions=["build"] if good else [], rehearsals=[rehearsal],
                 roots=list(draft.roots), cited=dict(draft.citations))  # fmt: skip


def ended(message: str) -> "dict[str, Any]":
    """Say of a rehearsal that could not be made that each of its functions failed."""
    failed = {"outcome": FAILED, "message": message, "where": ""}
    row = {name: failed for name in ("preprocess", "infer", "postprocess", "draw")}
    return {"build": failed, "runs": [row], "findings": []}


def _with(one: Rehearsal, build: Rehearsal) -> Rehearsal:
    return Rehearsal(function=one.function, outcome=build.outcome, message=build.message)


def _function(name: str, draft: Written, rows: Rows) -> Rehearsal:
    if not draft.functions[name]:
        return Rehearsal(function=name, outcome=NOT_WRITTEN, message=draft.why.get(name, ""))
    if not rows:
        return Rehearsal(function=name, outcome=UNSEEN, message="no run reached the model")
    if name == "build":
        return _build(rows)
    said = [row[name] for row in rows if name in row]
    bad = next((one for one in said if one["outcome"] not in (SAME, UNSEEN)), None)
    if bad is not None:
        message = bad.get("message") or f"not in upstream's run: {', '.join(bad.get('unseen', ()))}"
        return Rehearsal(function=name, outcome=bad["outcome"], runs=len(said), message=message[:400])
    borne_out = [one for one in said if one["outcome"] == SAME and one.get("seen", 1)]
    if not borne_out:
        return Rehearsal(function=name, outcome=UNSEEN, runs=len(said), message=NOTHING)
    gaps = [one["difference"] for one in said if one.get("difference") is not None]
    return Rehearsal(function=name, outcome=SAME, runs=len(borne_out), difference=max(gaps, default=None))


def _build(rows: Rows) -> Rehearsal:
    """A model counts as built when it was, and gave upstream's own outputs from upstream's own tensors."""
    made = rows[0]["build"]
    if made["outcome"] != SAME:
        return Rehearsal(function="build", outcome=made["outcome"], message=_place(made))
    said = [row["infer"] for row in rows if "infer" in row]
    bad = next((one for one in said if one["outcome"] not in (SAME, UNSEEN)), None)
    bad = bad or next((one for one in said if one["outcome"] == UNSEEN), None)
    if bad is not None or not said:
        why = _place(bad) if bad else "no run showed what it gives"
        return Rehearsal(function="build", outcome=bad["outcome"] if bad else UNSEEN, runs=len(said), message=why)
    gaps = [one["difference"] for one in said if one.get("difference") is not None]
    return Rehearsal(function="build", outcome=SAME, runs=len(said), difference=max(gaps, default=None))


def _place(said: "dict[str, Any]") -> str:
    where = f"{said['where']}: " if said.get("where") else ""
    return f"{where}{said['message']}"[:400]
