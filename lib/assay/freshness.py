"""The states a stage can be in."""

from typing import NamedTuple

FRESH, STALE, NEVER, AFTER, OFF, FAILED, ELSEWHERE, EDITED = (
    "fresh", "stale", "never", "after", "off", "failed", "elsewhere", "edited",
)  # fmt: skip
SETTLED = (FRESH, OFF, ELSEWHERE, EDITED)  # nothing runs


class Verdict(NamedTuple):
    """Whether a stage has to run, and every reason."""

    status: str
    reasons: tuple[str, ...] = ()
