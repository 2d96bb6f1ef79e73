"""What a look into a checkpoint gathers, before it is hashed and written down."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from assay.records import Document, Graph, Named, Total, Weight

MOST_SIZES, MOST_NUMBERS = 64, 1 << 62  # of a tensor


@dataclass
class Stretch:
    """Bytes of a file that hold numbers of one type, and the tensors that lie on them."""

    file: str  # "" is the checkpoint itself
    at: int
    bytes: int
    dtype: str
    names: list[str]
    crc: int | None = None  # of the whole stretch, where the file gives one
    big: bool = False  # whether each number is written with its high byte first


@dataclass
class Content:
    """What one file or folder holds."""

    tensors: list[Weight] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    unchecked: dict[str, int] = field(default_factory=dict)  # why numbers cannot be looked at, and of how many tensors
    scattered: set[str] = field(default_factory=set)  # tensors with numbers of others in between
    graph: Graph | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    kind: str = ""  # of model, where the file names it
    quantised: list[str] = field(default_factory=list)
    wrapper: list[str] = field(default_factory=list)
    leftovers: dict[str, Any] = field(default_factory=dict)
    shared: list[list[str]] = field(default_factory=list)
    code: list[Named] = field(default_factory=list)
    trust: list[str] = field(default_factory=list)
    cannot: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)  # it is no whole file, yet something of it could be read
    embedded: list[Document] = field(default_factory=list)
    external: list[str] = field(default_factory=list)  # files beside it that belong to it
    risks: list[str] = field(default_factory=list)

    def unread(self, why: str, tensors: int = 1) -> None:
        """Say that the numbers of a tensor are not looked at, and why."""
        self.unchecked[why] = self.unchecked.get(why, 0) + tensors


def totals(tensors: Iterable[Weight], shared: "list[list[str]]") -> "tuple[dict[str, Total], dict[str, Total]]":
    """Add up by data type and, where there are several, by part; shared numbers count once."""
    again = {name for group in shared for name in group[1:]}
    kinds: dict[str, list[int]] = {}
    parts: dict[str, list[int]] = {}
    for tensor in tensors:
        once = full_name(tensor) not in again
        for into, key in ((kinds, tensor.dtype), (parts, tensor.part)):
            row = into.setdefault(key, [0, 0, 0])
            row[0] += 1
            row[1] += tensor.parameters * once
            row[2] += tensor.bytes * once
    return _rows(kinds), _rows(parts) if set(parts) != {""} else {}


def full_name(tensor: Weight) -> str:
    """Name a tensor so that no other of the checkpoint is called the same."""
    return f"{tensor.part}: {tensor.name}" if tensor.part else tensor.name


def _rows(found: "dict[str, list[int]]") -> "dict[str, Total]":
    return {k: Total(tensors=n, parameters=p, bytes=b) for k, (n, p, b) in sorted(found.items())}


def unplaced(tensor: Weight) -> Weight:
    """Say of a tensor that its numbers lie nowhere as they are."""
    return msgspec.structs.replace(tensor, at=None)


def countable(shape: "Sequence[int]") -> bool:
    """Tell whether a tensor can have this shape: not too many sizes, and no more numbers than there can be."""
    return len(shape) <= MOST_SIZES and all(0 <= n < MOST_NUMBERS for n in shape) and product(shape) < MOST_NUMBERS


def product(shape: Iterable[int]) -> int:
    """Multiply the sizes of a shape."""
    return math.prod(shape)
