"""Which drafted functions may be used, given how they did beside upstream's own run."""

from typing import Any

import pytest

from assay.drafts.draft import FUNCTIONS
from assay.drafts.draft import Draft as Written
from assay.observation.judging import judged, made
from assay.records import Draft

GOOD: dict[str, Any] = {"outcome": "same", "message": "", "where": "", "difference": 0.0}
OTHER: dict[str, Any] = {"outcome": "different", "message": "the largest difference is 0.5", "where": ""}
BROKEN: dict[str, Any] = {"outcome": "failed", "message": "KeyError: 'x'", "where": "refs/net/a.py:3"}
UNSEEN: dict[str, Any] = {"outcome": "unseen", "message": "in training mode", "where": ""}
SHOWN: dict[str, Any] = {"outcome": "same", "seen": 4, "leaves": 4, "unseen": []}
LOST: dict[str, Any] = {"outcome": "different", "seen": 1, "leaves": 2, "unseen": ["/score: 0.5"]}
ROW: dict[str, Any] = {"preprocess": GOOD, "infer": GOOD, "postprocess": SHOWN}


def written(*names: str, many: bool = False, why: dict[str, str] | None = None) -> Written:
    there = names or FUNCTIONS
    functions = {name: name in there for name in FUNCTIONS}
    return Written("the text", functions, {}, {"params.top": "net/a.py:3"}, why or {}, ["x"], ["y"], ["net"], many)


def judge(draft: Written, *rows: dict[str, Any], build: dict[str, Any] = GOOD, match: str = "exact") -> Draft:
    return judged(draft, {"build": build, "runs": list(rows), "findings": []}, match)


def outcomes(draft: Draft) -> dict[str, str]:
    return {one.function: one.outcome for one in draft.rehearsals}


def test_what_did_as_upstream_in_every_run_is_used() -> None:
    found = judge(written("build", "preprocess", "infer", "postprocess"), ROW, ROW)
    assert found.functions == ["build", "preprocess", "infer", "postprocess"]
    assert (found.text, found.names, found.roots, found.cited) == ("the text", ["x"], ["net"], {"params.top": "net/a.py:3"})
    assert [one.runs for one in found.rehearsals] == [2, 2, 2, 2, 0]


@pytest.mark.parametrize("bad", [OTHER, BROKEN])
def test_one_run_of_many_that_differs_is_enough_against_a_function(bad: dict[str, Any]) -> None:
    found = judge(written("build", "preprocess", "postprocess"), ROW, ROW, {**ROW, "preprocess": bad}, ROW)
    assert found.functions == ["build", "postprocess"]
    one = next(r for r in found.rehearsals if r.function == "preprocess")
    assert (one.outcome, one.runs) == (bad["outcome"], 4) and bad["message"] in one.message


def test_an_answer_that_upstream_did_not_show_is_not_used_and_named() -> None:
    found = judge(written("preprocess", "postprocess"), ROW, {**ROW, "postprocess": LOST})
    assert found.functions == ["preprocess"]
    assert next(r for r in found.rehearsals if r.function == "postprocess").message == "not in upstream's run: /score: 0.5"


@pytest.mark.parametrize("empty", [{**SHOWN, "seen": 0, "leaves": 0}, {"outcome": "unseen", "seen": 0, "leaves": 2, "unseen": []}])
def test_an_answer_that_nothing_was_compared_with_proves_nothing(empty: dict[str, Any]) -> None:
    assert outcomes(judge(written("postprocess"), {**ROW, "postprocess": empty}))["postprocess"] == "unseen"
    found = judge(written("postprocess"), {**ROW, "postprocess": empty}, ROW)
    assert found.functions == ["postprocess"] and next(r for r in found.rehearsals if r.outcome == "same").runs == 1


def test_what_was_not_written_says_why_and_what_no_run_reached_says_so() -> None:
    found = judge(written("preprocess", why={"postprocess": "nothing is shown"}))
    assert found.functions == []
    said = {one.function: (one.outcome, one.message) for one in found.rehearsals}
    assert said["postprocess"] == ("not written", "nothing is shown")
    assert said["preprocess"] == ("unseen", "no run reached the model")


def test_a_model_whose_answers_told_nothing_is_used_only_when_its_weights_fit_one_by_one() -> None:
    row = {**ROW, "infer": UNSEEN}
    assert "build" in judge(written(), row, match="exact").functions
    for match in ("none", "subset", "superset", "twins", "not needed"):
        found = judge(written("build", "preprocess", "infer"), row, match=match)
        assert found.functions == ["preprocess"], match
        assert outcomes(found)["infer"] == "unseen"


@pytest.mark.parametrize("bad", [OTHER, BROKEN])
def test_weights_that_fit_do_not_excuse_other_answers(bad: dict[str, Any]) -> None:
    found = judge(written("build", "infer", "preprocess"), {**ROW, "infer": bad}, ROW, match="exact")
    assert found.functions == ["preprocess"]


def test_a_model_that_cannot_be_made_takes_its_infer_along() -> None:
    found = judge(written("build", "infer", "preprocess"), {"preprocess": GOOD}, build=BROKEN)
    assert found.functions == ["preprocess"]
    assert outcomes(found)["build"] == outcomes(found)["infer"] == "failed"
    assert found.rehearsals[0].message == "refs/net/a.py:3: KeyError: 'x'"


def test_where_upstream_calls_the_model_again_and_again_only_the_answer_bears_the_rest_out() -> None:
    row = {"preprocess": GOOD, "infer": GOOD, "postprocess": SHOWN}
    assert "preprocess" in judge(written(many=True), row).functions
    for bad in (LOST, {"outcome": "unseen", "seen": 0, "leaves": 1, "unseen": []}):
        found = judge(written(many=True), {**row, "postprocess": bad})
        assert not {"preprocess", "infer", "postprocess", "draw"} & set(found.functions)


def test_a_picture_is_drawn_only_of_an_answer_that_is_right() -> None:
    row = {**ROW, "draw": GOOD}
    assert "draw" in judge(written("postprocess", "draw"), row).functions
    assert judge(written("postprocess", "draw"), {**row, "postprocess": LOST}).functions == []


def test_a_model_that_no_run_was_seen_of_counts_when_it_can_be_made() -> None:
    assert made(written("build"), GOOD, "exact").functions == ["build"]
    broken = made(written("build"), BROKEN, "exact")
    assert broken.functions == [] and broken.rehearsals[0].message == "refs/net/a.py:3: KeyError: 'x'"
