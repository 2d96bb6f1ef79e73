"""Which versions are tried, in which order: the latest first, then what upstream and its time say. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assay.envs.interpreter import normal

MOST = 6  # rungs that are tried, the installed state included
OK, UNSOLVABLE, BROKEN = "ok", "unsolvable", "broken"


class Attempt(NamedTuple):
    """One rung: under which conditions versions are chosen."""

    rung: int
    what: str
    constraints: tuple[str, ...] = ()
    cutoff: str = ""  # a date: nothing newer is taken
    cutoffs: tuple[tuple[str, str], ...] = ()  # the same for single packages
    python: str = ""  # another interpreter's version; "" for the one that was chosen


class Tried(NamedTuple):
    """How an attempt ended."""

    attempt: Attempt
    outcome: str  # ok | unsolvable | broken
    message: str = ""
    culprit: str = ""  # the package that does not do what is asked of it
    asked_by: str = ""  # the package that asks
    packages: tuple[str, ...] = ()  # name==version, of what was added
    dates: Mapping[str, str] = {}  # when each was uploaded, by normal name


AS_INSTALLED = Attempt(1, "as installed")


def following(tried: Sequence[Tried], *, alone: bool, pins: Sequence[str], older: Sequence[str]) -> "Attempt | None":
    """Choose the next rung; None when there is no more to try. `alone`: for an environment of its own."""
    done = {one.attempt for one in tried}
    if len(tried) >= MOST:
        return None
    return next((attempt for attempt in _ladder(tried, alone, tuple(pins), older) if attempt not in done), None)


def _ladder(tried: Sequence[Tried], alone: bool, pins: tuple[str, ...], older: Sequence[str]) -> list[Attempt]:
    latest = Attempt(3, "the latest of everything") if alone else Attempt(2, "the latest of what is missing")
    steps = [latest]
    if pins:
        steps.append(Attempt(4, "upstream's own pins", constraints=pins))
    steps += _back_in_time(tried)
    if alone and pins:
        steps += [Attempt(7, f"upstream's pins on Python {v}", constraints=pins, python=v) for v in older]
    return steps


def _back_in_time(tried: Sequence[Tried]) -> list[Attempt]:
    """Go back to when the package that asks was made: first with the one that fails it, then with all."""
    for one in tried:
        date = one.dates.get(normal(one.asked_by), "") if one.outcome == BROKEN and one.culprit else ""
        if date:
            what = f"{one.culprit} of the time of {one.asked_by}, {date}"
            return [
                Attempt(5, what, cutoffs=((one.culprit, date),)),
                Attempt(6, f"everything of the time of {one.asked_by}, {date}", cutoff=date),
            ]
    return []


def table(tried: Sequence[Tried]) -> str:
    """Say in one line what was tried and how each ended."""
    return "; ".join(f"{one.attempt.what}: {one.message or one.outcome}" for one in tried)
