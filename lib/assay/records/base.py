"""What every record is made of: versioned files, their parts, numbers that carry unit and count."""

from typing import Union

import msgspec

SCHEMA = 1


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A versioned file in outputs/."""

    schema: int = SCHEMA


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """A piece of a record."""


class Measured(Part, frozen=True, kw_only=True, tag="measured", tag_field="is"):
    """A number with its unit, its sample count and, where there is one, its interval."""

    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    method: str = ""


class Skipped(Part, frozen=True, kw_only=True, tag="skipped", tag_field="is"):
    """A number that was not measured, and why."""

    reason: str


Quantity = Union[Measured, Skipped]


class Status(Part, frozen=True, kw_only=True):
    """Whether a stage could do its work; blocked carries the reason and the question."""

    word: str = "done"  # done | blocked
    reason: str = ""
    question: str = ""
