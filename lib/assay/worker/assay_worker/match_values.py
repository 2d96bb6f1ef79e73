"""One value for one parameter of a class or factory, and who says so."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Tuple


class Value(NamedTuple):
    """One value for one parameter, and who says so."""

    value: Any  # as JSON; of form "code" the expression
    by: str  # call | config | labels | literal | constant | docs | default | solved | guess
    where: str = ""
    text: str = ""
    form: str = ""  # how it is handed over when not as it stands: tuple | code | object:<class>
    made: Any = None  # what "code" evaluates to, or the class of an object

    @property
    def key(self) -> str:
        """Tell equal values by equal texts."""
        return f"{self.form}:{json.dumps(self.value, sort_keys=True, default=str)}"


class Parameter(NamedTuple):
    """A parameter as the class itself has it, with the values that upstream's files know for it."""

    name: str
    kind: str  # named | *args | **kwargs
    required: bool
    default: Any
    values: Tuple[Value, ...]
    wide: Tuple[Value, ...] = ()  # words that its class compares with, whatever they are compared to
