"""Stage match: which of upstream's classes the weights belong to, proved by making it without their numbers."""

from typing import Any

import msgspec

from assay import trust
from assay.errors import StageFailed
from assay.huggingface import supply
from assay.records import Checkpoint, Match, Matched, Status
from assay.stages.job import Job

LIMITS = {"constructions": 300, "seconds": 20.0}  # of a processor
FOUND = ("exact", "subset", "superset", "twins")


def run(job: Job) -> None:
    """Write outputs/match.json."""
    checkpoint, spec = job.record("checkpoint"), job.experiment
    supplies = job.request["files"]["supplies"]
    takes_file = bool({"checkpoint", "**"} & set(supplies["build"]))
    trusted = trust.given(checkpoint, spec.trust)
    carries, builds = checkpoint.format.carries, "build" in supplies["functions"]
    folder = supply.supplied(job.requests.checkpoint_path, checkpoint, spec.trust)
    if folder.text and not builds:
        status = trust.gate(checkpoint, spec.trust, list(folder.functions), takes_file=True)
        job.write("match", Match(status=status, trusted=trusted, outcome="transformers", why=_why_not(status)))
    elif builds or carries not in trust.WEIGHTS:
        status = trust.gate(checkpoint, spec.trust, supplies["functions"], takes_file)
        outcome = "recipe" if builds else "not needed" if carries in trust.RUNS else "none"
        job.write("match", Match(status=status, trusted=trusted, outcome=outcome, why=_why_not(status)))
    else:
        job.write("match", msgspec.structs.replace(_searched(job, checkpoint), trusted=trusted))


def _why_not(status: Status) -> str:
    return status.reason if status.word == "blocked" else ""


def _searched(job: Job, checkpoint: Checkpoint) -> Match:
    """Look for the class, as far as there is anything to look among."""
    source, trees = job.record("source"), [tree.name for tree in job.record("refs").trees]
    if not trees:
        return _without("no source", "there is no source that could hold its class")
    if not checkpoint.tensors:
        return _without("none", "the file holds no tensors whose class could be looked for")
    if not source.candidates:
        return _without("no candidates", "no class of upstream has attributes that are called as its tensors are")
    missing = [name.lstrip("?") for name in job.record("environment").missing]
    if missing:
        return _blocked(f"{', '.join(missing)} missing in the model's environment", missing[0])
    try:
        answer = job.ask(
            "match",
            tensors=[_tensor(weight) for weight in checkpoint.tensors],
            candidates=msgspec.to_builtins(source.candidates),
            source_roots=[f"refs/{name}" for name in trees],
            limits=LIMITS,
        )
    except StageFailed as fault:  # upstream's code ended the worker: that says nothing about the class
        return _without("none", f"the search was ended: {fault.what}")
    return read(answer, job.experiment.source.meant)


def _tensor(weight: Any) -> "dict[str, Any]":
    return {"name": weight.name, "shape": weight.shape, "dtype": weight.dtype, "part": weight.part}


# ---------------------------------------------------------------- from the worker's answer
def read(answer: "dict[str, Any]", meant: str = "") -> Match:
    """Turn the worker's answer into the record; of several that fit alike a person may have said which is `meant`."""
    found = _chosen(msgspec.convert({**answer, "status": {"word": "done"}, "schema": 1}, Match), meant)
    if found.outcome in FOUND and found.best is not None:
        best = found.best
        return msgspec.structs.replace(
            found,
            status=Status(reason=said(found.outcome, best)),
            strip=best.strip,
            missing=best.missing,
            unexpected=best.unexpected,
        )
    if found.outcome == "blocked":
        return _with(found, _blocked(_lacking(found), found.missing_package))
    return _with(found, _without(found.outcome, _nearest(found)))


def _chosen(found: Match, meant: str) -> Match:
    """Take the one of several that a person named."""
    several = [one for one in (found.best, *found.twins) if one is not None]
    named = [one for one in several if meant in (f"{one.module}:{one.qualname}", one.qualname)]
    if found.outcome != "twins" or len(named) != 1:
        return found
    note = f"{len(several)} classes have exactly these tensors; this one was said to be meant"
    return msgspec.structs.replace(found, outcome="exact", best=named[0], twins=[], notes=[*found.notes, note])


def said(outcome: str, best: Matched) -> str:
    """Say in a sentence what was found."""
    name = f"{best.qualname} of {best.path}"
    if outcome == "subset":
        return f"{name} has all {best.matched} tensors, and {len(best.missing)} more of its own"
    if outcome == "superset":
        return f"{name} has {best.matched} of the tensors; {len(best.unexpected)} are left over"
    if outcome == "twins":
        return f"{name} has exactly these {best.matched} tensors, and so has another"
    return f"{name} has exactly these {best.matched} tensors"


def _lacking(found: Match) -> str:
    who = next((one.qualname for one in found.tried if one.why.endswith(f" {found.missing_package}")), "the class")
    return f"{who} cannot be made: it needs {found.missing_package}, which is not installed"


def _nearest(found: Match) -> str:
    """Say how near the nearest came."""
    best = found.tried[0] if found.tried else None
    if best is None:
        return "no class of upstream was tried"
    if best.why:
        return f"none of {len(found.tried)} classes could be shown to fit; {best.qualname}: {best.why}"
    first = f": {best.differs[0]}" if best.differs else ""
    return f"none of {len(found.tried)} classes fits; nearest is {best.qualname}, {best.score:.0%} alike{first}"


def _with(found: Match, why: Match) -> Match:
    return msgspec.structs.replace(found, status=why.status, outcome=why.outcome, why=why.why)


def _without(outcome: str, why: str) -> Match:
    """Say that no class is known; a recipe or upstream's own run may still make the model."""
    return Match(status=Status(reason=f"the class of the weights is not known: {why}"), outcome=outcome, why=why)


def _blocked(reason: str, package: str) -> Match:
    question = "add the package (doit deps), or name the one that provides it in env.map?"
    status = Status(word="blocked", reason=reason, question=question)
    return Match(status=status, outcome="blocked", why=reason, missing_package=package)
