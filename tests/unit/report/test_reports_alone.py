"""What the reports say of a script that works on data of its own, and of why a claim is made."""

from __future__ import annotations

from typing import Any

import pytest

from assay import canonical, records
from assay.report.experiment import experiment_report
from assay.report.stakeholder import stakeholder_report
from report_cases import CASES, CONTEXT, claim

DRAWS = "upstream draws at random from the answer, and two runs of it showed different things"
TWICE = "the same input gives the same answer twice"
ALONE = "the network alone gives the same answer twice; as upstream uses it, it does not"


def found(*claims: records.Claim, **observed: Any) -> dict[str, Any]:
    case: dict[str, Any] = canonical.loads(canonical.dumps(CASES["drafted"]()))
    case["contract"]["claims"] += [records.to_json(one) for one in claims]  # type: ignore[arg-type]
    case["probe"]["observation"].update(observed)
    return case


def row(report: str, name: str) -> str:
    return next(line for line in report.splitlines() if line.startswith(f"| `{name}` |"))


def test_a_script_that_took_no_input_says_so() -> None:
    text = experiment_report(found(status="alone", reason="tinyyolo/generate.py works on data of its own"), CONTEXT)
    line = next(line for line in text.splitlines() if "works on data of its own" in line)
    assert line.startswith("tinyyolo/generate.py works on data of its own: run and watched [1][")
    assert "run and watched over" not in text and "was not seen to run" not in text


def test_what_was_seen_is_said_as_before() -> None:
    text = experiment_report(found(), CONTEXT)
    assert "`tinyyolo/detect.py`, run and watched over [1][" in text


@pytest.mark.parametrize("name", ["pre.size", "post.activation", "io.stateful", "labels.count"])
def test_a_claim_shows_its_reason(name: str) -> None:
    text = experiment_report(found(claim(name, 3, "observed", reason="as | it *is*")), CONTEXT)
    assert "observed: as &#124; it &#42;is&#42;" in row(text, name)


def test_a_claim_of_the_class_shows_none() -> None:
    text = experiment_report(found(claim("model.class", "model:Net", "observed", reason="it fits")), CONTEXT)
    assert "it fits" not in row(text, "model.class")


def test_a_conflict_is_said_before_a_reason() -> None:
    one = claim("pre.size", [3, 3], "conflict", reason="as it is", conflicts=["[4, 4] by reading"])
    assert "**conflict**" in row(experiment_report(found(one), CONTEXT), "pre.size")
    assert "as it is" not in row(experiment_report(found(one), CONTEXT), "pre.size")


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ([], TWICE),
        ([claim("io.deterministic", True, "observed")], TWICE),
        ([claim("io.deterministic", False, "observed", reason=DRAWS)], ALONE),
    ],
)
def test_what_repeats_is_told_from_what_is_drawn(claims: list[records.Claim], says: str) -> None:
    text = stakeholder_report(found(*claims), CONTEXT)
    assert says in text and ({TWICE, ALONE} - {says}).pop() not in text


def test_a_network_that_does_not_repeat_is_not_said_to() -> None:
    case = found(claim("io.deterministic", False, "observed", reason=DRAWS))
    case["probe"]["deterministic"] = False
    text = stakeholder_report(case, CONTEXT)
    assert TWICE not in text and ALONE not in text
