"""An answer is borne out by numbers that upstream showed, not by the digits of anything else."""

import sys
from pathlib import Path

import pytest

from assay import bridge

sys.path.insert(0, str(Path(bridge.__file__).parent / "worker"))
from assay_worker import witness


@pytest.mark.parametrize(
    "shown",
    [
        ["0.25", "took 1e999 s"],  # what is not finite is near to everything
        ["0.25", "88" + "e4f0" * 15 + "ab"],  # a digest
        ["0.25", "1e999" + "0" * 59],
        [0.25, float("inf"), float("nan")],
    ],
)
def test_a_number_that_was_not_shown_is_not_borne_out(shown: list[object]) -> None:
    assert witness.judge({"score": 0.877}, shown).outcome == "different"
    assert witness.judge({"score": 0.25}, shown).outcome == "same"


def test_a_digest_is_still_a_word() -> None:
    digest = "9f" * 32
    assert witness.judge({"sha256": digest}, [{"sha256": digest}]).outcome == "same"
    assert witness.judge({"sha256": digest}, [{"sha256": "8e" * 32}]).outcome == "different"


@pytest.mark.parametrize("shown", ["cat 88%", "cat 0.88", "cat: 0.877", "0.877123 at 3"])
def test_a_number_is_borne_out_as_it_was_rounded(shown: str) -> None:
    assert witness.judge(0.8771, [shown]).outcome == "same"
