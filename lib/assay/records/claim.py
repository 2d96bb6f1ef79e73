"""One fact about a model's use, what supports it, and what only a person can answer."""

from typing import Any

from assay.records.base import Part


class Evidence(Part, frozen=True, kw_only=True):
    """Where a claim was read, or what observed it."""

    kind: str  # source | graph | probe | person | recipe
    where: str
    text: str = ""
    sha256: str = ""
    qualname: str = ""  # the function or class around the cited text
    moved: str = ""  # "" where it was read; moved | elsewhere | ambiguous | stale since upstream changed


class Claim(Part, frozen=True, kw_only=True):
    """One fact about use, with what supports it."""

    id: str
    value: Any
    unit: str = ""
    status: str  # unknown | read | observed | verified | confirmed | corrected | conflict | stale | blocked
    identified: bool | None = None
    by: str
    evidence: list[Evidence]
    alternatives: list[Any] = []
    conflicts: list[str] = []
    reason: str = ""  # why it is unknown, or why it counts as it does
    hash: str = ""  # of value and evidence: what a person's answer names as `against`


class Question(Part, frozen=True, kw_only=True):
    """What only a person can answer."""

    id: str
    ask: str
    options: list[Any] = []
