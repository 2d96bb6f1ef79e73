"""What speaks against a GO although nothing is missing: corrections that the drafted functions do not follow."""

import pytest

import report_cases
from assay.records import Agreement, Claim, Contract, Match, Param, Status
from assay.report.doubts import doubts

DONE = Status()


def contract(claim: str, value: object, status: str, **functions: str) -> Contract:
    by = {"build": "default", "preprocess": "drafted", "infer": "default", "postprocess": "drafted", "draw": "none"}
    said = Claim(id=claim, value=value, status=status, by="ada", evidence=[])
    return report_cases.contract("detection", {**by, **functions}, [said])


def found(one: Contract, **params: object) -> "list[str]":
    given = {name: Param(value=value, origin="yaml", used_by=["postprocess"]) for name, value in params.items()}
    return doubts(Match(status=DONE, outcome="exact"), Agreement(status=DONE), one, given)


def test_a_correction_of_what_a_drafted_function_does_is_not_followed_by_itself() -> None:
    assert found(contract("pre.color", "BGR", "corrected")) == [
        "pre.color was corrected to 'BGR', and the drafted preprocess does otherwise: give preprocess in a recipe"
    ]


@pytest.mark.parametrize("status", ["confirmed", "verified", "unknown"])
def test_what_agrees_with_what_was_seen_is_no_doubt(status: str) -> None:
    assert found(contract("pre.color", "RGB", status)) == []


def test_a_persons_own_function_is_taken_at_its_word() -> None:
    assert found(contract("pre.color", "BGR", "corrected", preprocess="recipe")) == []
    assert found(contract("labels.names", ["a"], "corrected")) == []


def test_a_parameter_follows_when_it_is_set() -> None:
    corrected = contract("post.iou_threshold", 0.5, "corrected")
    assert found(corrected, iou_threshold=0.5) == []
    [doubt] = found(corrected, iou_threshold=0.45)
    assert doubt.endswith("the drafted postprocess does otherwise: set params.iou_threshold")
