"""Types of numpy arrays, as pickles and array files name them."""

import re
from typing import Any

from assay.formats.pickle_values import Pairs

NUMPY = {"b": "int", "i": "int", "u": "uint", "f": "float", "c": "complex"}
PLAIN = re.compile(r"\?|[biufc]\d{1,2}|[SUV]\d{0,9}|[mM]8(?:\[\w+\])?")


def _plain_kind(field: Any) -> bool:
    """Tell whether a field, or a small array, is known to hold no objects."""
    kind = field[0] if isinstance(field, tuple) and field else field
    return isinstance(kind, NumpyType) and not kind.objects


def _lies_within(field: Any, size: int) -> bool:
    """Tell whether a field, and where it begins, lie within an element."""
    if not isinstance(field, tuple) or len(field) < 2 or not isinstance(field[1], int):
        return False
    return field[1] >= 0 and field[1] + getattr(field[0], "width", size) <= size


class NumpyType:
    """A numpy data type while its state is still to come."""

    def __init__(self, code: str) -> None:
        self.code, self.little, self.fields = code, True, code.startswith("V")
        self.objects = not PLAIN.fullmatch(code)  # "O", and whatever could hide one
        self.odd = False  # whether its state says what no honest one does

    def take(self, state: Any) -> None:
        """Take the byte order, and what its fields are."""
        self.little = not (isinstance(state, tuple) and len(state) > 1 and state[1] == ">")
        if not isinstance(state, tuple) or len(state) < 5:
            return
        self.odd = len(state) > 5 and isinstance(state[5], int) and state[5] not in (-1, self.width) and self.width > 0
        if state[2] is not None:  # an element is a small array of its own
            self.fields, self.objects = True, self.objects or not _plain_kind(state[2])
        if state[4] is not None:
            kinds = [v for _, v in state[4]] if isinstance(state[4], Pairs) else [None]
            self.fields, self.objects = True, self.objects or not all(map(_plain_kind, kinds))
            size = state[5] if len(state) > 5 and isinstance(state[5], int) else 0
            self.odd = self.odd or self.objects or not all(_lies_within(field, size) for field in kinds)

    @property
    def width(self) -> int:
        """Count the bytes of one element."""
        size = self.code[1:].partition("[")[0]
        return (int(size) if size.isdigit() else self.code == "?") * (4 if self.code.startswith("U") else 1)

    @property
    def name(self) -> str:
        """Name it as numpy would."""
        kind, size = self.code[:1], self.code[1:]
        if self.objects:
            return "object"
        if self.code in ("b1", "?"):
            return "bool"
        if kind in NUMPY and size.isdigit() and not self.fields:
            return f"{NUMPY[kind]}{int(size) * 8}"
        return self.code or "unknown"
