"""What the stage match says when there is nothing to search, and what it makes of an answer."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay import records
from assay.stages import match
from assay.trust import RUNS


class Desk:
    """A job's papers: the records that the stage reads, and what it writes."""

    def __init__(self, carries: str, functions: "list[str] | None" = None, **made: Any) -> None:
        tensors = [records.Weight(name="fc.weight", dtype="float32", shape=[2], parameters=2, bytes=8)]
        form = SimpleNamespace(name="a format", carries=carries, needs="")
        checkpoint = SimpleNamespace(
            format=form, tensors=tensors, trust=[], to_trust="", cannot=[], code=[], sha256="0"
        )
        self.papers: dict[str, Any] = {
            "checkpoint": checkpoint,
            "refs": SimpleNamespace(trees=[SimpleNamespace(name="tree")]),
            "source": SimpleNamespace(candidates=[]),
            "environment": SimpleNamespace(missing=[]),
            **made,
        }
        self.request = {"files": {"supplies": {"functions": functions or [], "build": []}}}
        self.experiment, self.requests = SimpleNamespace(trust=""), SimpleNamespace(checkpoint_path=Path("a.pth"))
        self.written: Any = None

    def record(self, name: str) -> Any:
        return self.papers[name]

    def write(self, name: str, record: records.Match) -> None:
        self.written = records.from_json(name, json.loads(json.dumps(records.to_json(record))))


def ran(carries: str, functions: "list[str] | None" = None, **made: Any) -> records.Match:
    desk: Any = Desk(carries, functions, **made)
    match.run(desk)
    found: records.Match = desk.written
    return found


def test_what_needs_no_class_is_not_searched() -> None:
    assert {ran(carries).outcome for carries in RUNS} == {"not needed"}
    assert ran("pickles", ["build"]).outcome == "recipe"
    closed = ran("closed")
    assert (closed.outcome, closed.status.word) == ("none", "blocked")


def test_no_source_or_candidate_is_told_and_blocks_nothing() -> None:
    nothing = ran("weights", refs=SimpleNamespace(trees=[]))
    assert (nothing.outcome, nothing.status.word, nothing.best) == ("no source", "done", None)
    assert ran("pickles").outcome == "no candidates"


def test_a_package_that_is_missing_blocks_the_search() -> None:
    candidate = records.Candidate(path="tree/a.py", module="a", root="tree", qualname="A")
    source, environment = SimpleNamespace(candidates=[candidate]), SimpleNamespace(missing=["?torch"])
    found = ran("weights", source=source, environment=environment)
    assert (found.status.word, found.missing_package) == ("blocked", "torch")
    assert "torch missing" in found.status.reason


BEST = {"module": "net", "root": "tree", "path": "tree/net.py", "qualname": "Net", "matched": 4}
TRIED = [{"path": "tree/net.py", "qualname": "Net", "score": 0.5, "differs": ["fc.weight: [2] in the model"]}]


def answer(outcome: str, **more: Any) -> "dict[str, Any]":
    return {"outcome": outcome, "best": None, "twins": [], "tried": TRIED, "constructions": 3, "notes": [], **more}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("exact", "exactly these 4"),
        ("subset", "1 more of its own"),
        ("superset", "2 are left over"),
        ("twins", "another"),
    ],
)
def test_a_match_is_said_in_a_sentence(outcome: str, said: str) -> None:
    best = {**BEST, "strip": "module.", "missing": ["a"], "unexpected": ["b", "c"]}
    found = match.read(answer(outcome, best=best))
    assert said in found.status.reason and found.status.word == "done"
    assert (found.strip, found.missing, found.unexpected) == ("module.", ["a"], ["b", "c"])


@pytest.mark.parametrize("meant", ["net:Other", "Other"])
def test_of_several_that_fit_a_person_says_which(meant: str) -> None:
    both = answer("twins", best=BEST, twins=[{**BEST, "qualname": "Other"}])
    found = match.read(both, meant)
    assert found.best is not None and found.best.qualname == "Other"
    assert (found.outcome, found.twins) == ("exact", []) and "2 classes" in found.notes[0]


def test_what_a_person_names_and_does_not_fit_changes_nothing() -> None:
    both = answer("twins", best=BEST, twins=[{**BEST, "qualname": "Other"}])
    assert match.read(both, "net:Third") == match.read(both)
    assert match.read(answer("exact", best=BEST), "net:Other") == match.read(answer("exact", best=BEST))


def test_no_match_says_how_near_the_nearest_came() -> None:
    found = match.read(answer("none"))
    assert found.status.word == "done" and "nearest is Net, 50% alike: fc.weight" in found.why
    tried = [{**TRIED[0], "why": "KeyError: 'name'"}]
    assert "Net: KeyError: 'name'" in match.read(answer("none", tried=tried)).why


def test_a_class_that_needs_a_missing_package_is_blocked_and_named() -> None:
    tried = [{**TRIED[0], "why": "needs apex"}]
    found = match.read(answer("blocked", missing_package="apex", tried=tried))
    assert found.status.word == "blocked" and found.why == "Net cannot be made: it needs apex, which is not installed"
