"""Which versions are tried, in which order."""

from assay.envs import ladder
from assay.envs.ladder import Attempt, Tried

PINS = ("torchvision<0.17",)


def climb(*ends: Tried, alone: bool = True, pins: tuple[str, ...] = PINS, older: tuple[str, ...] = ()) -> Attempt | None:
    return ladder.following(ends, alone=alone, pins=pins, older=older)


def test_the_latest_comes_first_and_upstreams_pins_next() -> None:
    first = climb()
    assert first == Attempt(3, "the latest of everything")
    assert climb(alone=False) == Attempt(2, "the latest of what is missing")
    assert climb(Tried(first, ladder.BROKEN, "x")) == Attempt(4, "upstream's own pins", constraints=PINS)
    assert climb(Tried(first, ladder.UNSOLVABLE, "x"), pins=()) is None


def test_then_back_to_the_time_of_the_package_that_asks() -> None:
    latest = Attempt(3, "the latest of everything")
    broken = Tried(
        latest, ladder.BROKEN, "no functional_tensor", culprit="torchvision", asked_by="basicsr",
        dates={"basicsr": "2022-08-30", "torchvision": "2026-10-01"},
    )  # fmt: skip
    fifth = climb(broken, pins=())
    assert fifth is not None and (fifth.rung, fifth.cutoffs) == (5, (("torchvision", "2022-08-30"),))
    sixth = climb(broken, Tried(fifth, ladder.UNSOLVABLE, "x"), pins=())
    assert sixth is not None and (sixth.rung, sixth.cutoff) == (6, "2022-08-30")
    assert climb(broken, Tried(fifth, ladder.UNSOLVABLE), Tried(sixth, ladder.UNSOLVABLE), pins=()) is None


def test_an_index_without_dates_leaves_those_rungs_out() -> None:
    broken = Tried(Attempt(3, "the latest of everything"), ladder.BROKEN, "x", culprit="a", asked_by="b")
    assert climb(broken, pins=()) is None


def test_an_older_python_is_the_last_resort_and_only_for_an_environment_of_its_own() -> None:
    ends = [Tried(Attempt(3, "the latest of everything"), ladder.UNSOLVABLE)]
    ends.append(Tried(Attempt(4, "upstream's own pins", constraints=PINS), ladder.UNSOLVABLE))
    older = climb(*ends, older=("3.10", "3.8"))
    assert older is not None and (older.rung, older.python, older.constraints) == (7, "3.10", PINS)
    assert climb(*ends, alone=False, older=("3.10",)) == Attempt(2, "the latest of what is missing")


def test_six_rungs_are_enough() -> None:
    ends = [Tried(Attempt(n, str(n)), ladder.UNSOLVABLE) for n in range(ladder.MOST)]
    assert climb(*ends, older=("3.10",)) is None


def test_the_table_says_how_each_ended() -> None:
    ends = [Tried(Attempt(3, "the latest"), ladder.BROKEN, "x.py:1: no y"), Tried(Attempt(4, "pins"), ladder.UNSOLVABLE)]
    assert ladder.table(ends) == "the latest: x.py:1: no y; pins: unsolvable"
