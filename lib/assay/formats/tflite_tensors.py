"""Tensors of a TensorFlow Lite model: where their numbers lie, and how they are quantised."""

from collections import Counter
from dataclasses import dataclass, field

from assay.formats.content import MOST_SIZES, countable, product
from assay.formats.flatbuffer import Flat, Table, Tables
from assay.formats.opening import shown
from assay.formats.places import Beside
from assay.formats.wire import Span, short_float
from assay.records import Tensor, Weight

# the schema's number for a data type: our name and the bits of one number; 0 when it has no fixed size
TYPES = {
    0: ("float32", 32), 1: ("float16", 16), 2: ("int32", 32), 3: ("uint8", 8), 4: ("int64", 64), 5: ("string", 0),
    6: ("bool", 8), 7: ("int16", 16), 8: ("complex64", 64), 9: ("int8", 8), 10: ("float64", 64),
    11: ("complex128", 128), 12: ("uint64", 64), 13: ("resource", 0), 14: ("variant", 0), 15: ("uint32", 32),
    16: ("uint16", 16), 17: ("int4", 4), 18: ("bfloat16", 16), 19: ("int2", 2), 20: ("uint4", 4),
    21: ("float8e4m3fn", 8), 22: ("float8e5m2", 8),
}  # fmt: skip
SHAPE, TYPE, BUFFER, NAME, QUANTISATION, SPARSITY, SIGNATURE, EXTERNAL = 0, 1, 2, 3, 4, 6, 7, 10  # a tensor's fields
SCALE, ZERO_POINT, DETAILS_TYPE, DETAILS, AXIS = 2, 3, 4, 5, 6  # of its quantisation
DATA, OFFSET, SIZE = 0, 1, 2  # of a buffer
MOST_BUFFERS, MOST_OUTSIDE = 200_000, 65_536  # in the model, and beside it
LARGEST_BLOCK = 4096
FEW, MOST_PORTS = 16, 100  # tensors, and inputs and outputs, whose scales are written out
DETAILS_NAMES = {1: "in a form of its own", 2: "in blocks", 3: "along several axes"}


@dataclass(slots=True)
class Quantised:
    """How a tensor's numbers stand for others."""

    kind: str  # int8 per axis
    says: str  # its scales and zero points


@dataclass
class Scales:
    """How the tensors of a model are quantised: inputs and outputs one by one, the others too when they are few."""

    ports: list[str] = field(default_factory=list)
    few: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def take(self, tensor: Table, word: str) -> None:
        """Note a tensor; the word says that it is an input or output."""
        found = quantised(tensor)
        if found is None:
            return
        if word and len(self.ports) < MOST_PORTS:
            self.ports.append(f"{word} {shown(tensor.text(NAME))}: {found.says}")
            return
        self.kinds[found.kind] += 1
        if len(self.few) < FEW:
            self.few.append(f"{shown(tensor.text(NAME))}: {found.says}")

    def lines(self) -> "list[str]":
        """Write them out."""
        if sum(self.kinds.values()) == len(self.few):
            return self.ports + self.few
        kinds = sorted(self.kinds.items())
        return self.ports + [f"{kind}: {count} tensor{'s' * (count != 1)}" for kind, count in kinds]


class Buffers:
    """The numbers that a model brings along, in it or beside it."""

    def __init__(self, flat: Flat, inside: Tables, beside: Beside) -> None:
        self.flat, self.beside = flat, beside
        self.outside: dict[int, tuple[str, int, int, bool]] = {}
        if len(inside) > MOST_BUFFERS:
            raise flat.damaged(f"{len(inside)} buffers")
        self._inside = [self._read(one) for one in inside]

    def read_outside(self, groups: Tables, buffers: Tables) -> None:
        """Note which numbers lie in files beside the model: file, place, length, whether they lie there as they are."""
        if max(len(groups), len(buffers)) > MOST_OUTSIDE:
            raise self.flat.damaged(f"{len(buffers)} buffers in {len(groups)} files beside it")
        names = [group.text(0) for group in groups]
        for one in buffers:
            group = one.number(1, "I")
            if group >= len(names):
                raise self.flat.damaged(f"file {group} of {len(names)} beside it is led to")
            plain = one.text(4) in ("", "unpacked")
            self.outside[one.number(0, "I")] = (names[group], one.number(2, "Q"), one.number(3, "Q"), plain)

    def span(self, index: int) -> Span:
        """Give where a buffer's bytes lie in the file."""
        if index >= len(self._inside):
            raise self.flat.damaged(f"buffer {index} of {len(self._inside)} is led to")
        return self._inside[index]

    def _read(self, one: Table) -> Span:
        at, size = one.number(OFFSET, "Q"), one.number(SIZE, "Q")
        if at <= 1:  # the schema's way of saying that they lie within the table
            return one.span(DATA)
        self.flat.inside(at, size)
        return Span(at, at + size)


def weight(tensor: Table, buffers: Buffers, part: str) -> "Weight | None":
    """Describe a tensor that brings its numbers along; None when it is computed."""
    index, outer = tensor.number(BUFFER, "I"), tensor.number(EXTERNAL, "I")
    file, plain = "", True
    if outer:
        if outer not in buffers.outside:
            raise tensor.flat.damaged(f"buffer {outer} beside it is led to, and not described")
        file, at, size, plain = buffers.outside[outer]
        buffers.beside.check(tensor.text(NAME), file, at, size)
    else:
        span = buffers.span(index) if index else Span(0, 0)  # the first buffer is none, whatever it holds
        at, size = span.start, span.length
    if not size:
        return None
    sparse = bool(tensor.place(SPARSITY, 4))
    dtype, shape = _dtype(tensor), _shape(tensor)
    if plain and not sparse:
        _check(tensor, shape, size)
    place = at if plain and not sparse else None
    name, count = tensor.text(NAME), product(shape)
    return Weight(name=name, dtype=dtype, shape=shape, parameters=count, bytes=size, at=place, file=file, part=part)


def described(tensor: Table) -> Tensor:
    """Describe an input or output; a dimension that may differ from run to run is null."""
    shape = tensor.whole(SHAPE, "i")
    signature = tensor.whole(SIGNATURE, "i")
    sizes = signature if len(signature) == len(shape) else shape
    return Tensor(name=tensor.text(NAME), dtype=_dtype(tensor), shape=[None if n < 0 else n for n in sizes])


def quantised(tensor: Table) -> "Quantised | None":
    """Say how a tensor is quantised; None when it is not."""
    found, dtype = tensor.table(QUANTISATION), _dtype(tensor)
    if found is None or dtype.startswith(("float", "bfloat", "complex")):
        return None
    details = found.number(DETAILS_TYPE, "B")
    if details:
        return Quantised(f"{dtype} {_details(found, details)}", f"{dtype} {_details(found, details)}")
    scales, zeros = found.reals(SCALE), found.whole(ZERO_POINT, "q")
    if not scales:
        return None
    if len(scales) == 1:
        return Quantised(f"{dtype} per tensor", f"{dtype}, scale {short_float(scales[0])}, {_zeros(zeros)}")
    low, high = short_float(min(scales)), short_float(max(scales))
    along = f"{len(scales)} scales along axis {found.number(AXIS, 'i')} ({low} to {high})"
    return Quantised(f"{dtype} per axis", f"{dtype}, {along}, {_zeros(zeros)}")


def _details(found: Table, kind: int) -> str:
    details = found.table(DETAILS) if kind == 2 else None
    size = details.number(2, "i") if details is not None else 0
    return f"in blocks of {size}" if 0 < size <= LARGEST_BLOCK else DETAILS_NAMES.get(kind, f"in form {kind}")


def _zeros(zeros: "tuple[int, ...]") -> str:
    low, high = (min(zeros), max(zeros)) if zeros else (0, 0)
    return f"zero point {low}" if low == high else f"zero points {low} to {high}"


def _dtype(tensor: Table) -> str:
    number = tensor.number(TYPE, "b")
    return TYPES[number][0] if number in TYPES else f"type {number}"


def _shape(tensor: Table) -> "list[int]":
    shape = list(tensor.whole(SHAPE, "i"))
    if not countable(shape):
        raise tensor.flat.damaged(f"tensor {tensor.text(NAME)[:80]!r} has the shape {str(shape[:MOST_SIZES])[:80]}")
    return shape


def _check(tensor: Table, shape: "list[int]", size: int) -> None:
    """Refuse a tensor whose shape needs other bytes than it has, as the runtime does."""
    bits = TYPES.get(tensor.number(TYPE, "b"), ("", 0))[1]
    wanted = -(-product(shape) * bits // 8)
    if bits and wanted != size:
        name = tensor.text(NAME)[:80]
        raise tensor.flat.damaged(f"tensor {name!r} needs {wanted} bytes, its buffer has {size}")
