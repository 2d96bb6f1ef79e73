"""What an HDF5 object's messages say of its numbers: their type, their shape, and where they lie."""

import struct
from collections.abc import Callable
from typing import NamedTuple

from assay.formats.hdf5_objects import Message
from assay.formats.hdf5_source import Cursor, Source

DEEPEST = 16  # types inside types
MOST_NUMBERS = 1 << 62
# bytes of a number; where its sign, exponent and fraction begin and how many bits they have; the exponent's bias
FLOATS = {
    (2, 15, 10, 5, 0, 10, 15): "float16",
    (2, 15, 7, 8, 0, 7, 127): "bfloat16",
    (4, 31, 23, 8, 0, 23, 127): "float32",
    (8, 63, 52, 11, 0, 52, 1023): "float64",
    (1, 7, 2, 5, 0, 2, 15): "float8e5m2",
    (1, 7, 3, 4, 0, 3, 7): "float8e4m3",
}
COMPLEX = {"float16": "complex32", "float32": "complex64", "float64": "complex128"}
COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = range(4)


class Kind(NamedTuple):
    """The type of one element."""

    name: str
    size: int  # bytes
    plain: bool = False  # a number that lies there as any reader would take it
    little: bool = True
    dims: tuple[int, ...] = ()  # of a type that is itself an array
    base: "Kind | None" = None  # what a sequence of any length is made of
    text: bool = False

    @property
    def unit(self) -> int:
        """Count the bytes of one number."""
        return self.size // (count(self.dims) or 1)


class Layout(NamedTuple):
    """Where numbers lie: contiguous ones begin at an address, which is None when they were never written."""

    how: int
    at: int | None
    size: int | None  # bytes there, where the file says


# ---------------------------------------------------------------- types
def kind_of(cursor: Cursor, depth: int = 0) -> Kind:
    """Read a type."""
    source = cursor.source
    source.visit()
    first, flags, size = cursor.number(1), cursor.number(3), cursor.number(4)
    read = CLASSES.get(first & 15)
    if read is None or depth > DEEPEST:
        what = f"a type of class {first & 15}" if read is None else "types nested too deep"
        raise source.damaged(f"damaged: {what} at byte {cursor.base + cursor.at - 8}")
    return read(cursor, first >> 4, flags, size, depth)


def _integer(cursor: Cursor, _version: int, flags: int, size: int, _depth: int) -> Kind:
    offset, precision = cursor.number(2), cursor.number(2)
    if offset or precision != 8 * size or size not in (1, 2, 4, 8):
        return Kind("integer", size)
    return Kind(f"{'int' if flags & 8 else 'uint'}{precision}", size, True, not flags & 1)


def _float(cursor: Cursor, _version: int, flags: int, size: int, _depth: int) -> Kind:
    offset, precision, *parts, bias = struct.unpack("<HH4BI", cursor.take(12))
    name = FLOATS.get((size, flags >> 8 & 255, *parts, bias))
    whole = offset == 0 and precision == 8 * size and not flags & 0x40 and flags >> 4 & 3 == 2
    return Kind(name, size, True, not flags & 1) if name and whole else Kind("float", size)


def _text(_cursor: Cursor, _version: int, _flags: int, size: int, _depth: int) -> Kind:
    return Kind("string", size, text=True)


def _opaque(cursor: Cursor, _version: int, flags: int, size: int, _depth: int) -> Kind:
    cursor.take(flags & 255)
    return Kind("opaque", size)


def _simple(name: str, properties: int) -> "Callable[[Cursor, int, int, int, int], Kind]":
    def read(cursor: Cursor, _version: int, _flags: int, size: int, _depth: int) -> Kind:
        cursor.take(properties)
        return Kind(name, size)

    return read


def _compound(cursor: Cursor, version: int, flags: int, size: int, depth: int) -> Kind:
    """Read the members; two floats called r and i are how h5py writes a complex number."""
    members = []
    for _ in range(flags & 0xFFFF):
        name = cursor.name(padded=version < 3)
        offset = cursor.number(4 if version < 3 else (size.bit_length() + 7) // 8)
        cursor.take(28 if version == 1 else 0)
        members.append((name, offset, kind_of(cursor, depth + 1)))
    if len(members) == 2:
        (first, start, real), (second, middle, imaginary) = members
        named = (first, start, second, middle) == ("r", 0, "i", real.size)
        if named and real == imaginary and real.name in COMPLEX and size == 2 * real.size:
            return Kind(COMPLEX[real.name], size, True, real.little)
    return Kind("compound", size)


def _enumeration(cursor: Cursor, version: int, flags: int, size: int, depth: int) -> Kind:
    """Read the names and their numbers; FALSE and TRUE are how h5py writes truth."""
    base, count = kind_of(cursor, depth + 1), flags & 0xFFFF
    cursor.source.visit(count)
    names = [cursor.name(padded=version < 3) for _ in range(count)]
    numbers = [cursor.number(base.size) for _ in range(count)]
    if base.size == size == 1 and dict(zip(names, numbers)) == {"FALSE": 0, "TRUE": 1}:
        return Kind("bool", 1, True)
    return base._replace(size=size)


def _sequence(cursor: Cursor, _version: int, flags: int, size: int, depth: int) -> Kind:
    base = kind_of(cursor, depth + 1)
    if flags & 15 == 1:
        return Kind("string", size, base=base, text=True)
    return Kind("sequence", size, base=base)


def _array(cursor: Cursor, version: int, _flags: int, size: int, depth: int) -> Kind:
    rank = cursor.number(1)
    cursor.take(3 if version < 3 else 0)
    dims = tuple(cursor.number(4) for _ in range(rank))
    cursor.take(4 * rank if version < 3 else 0)
    base = kind_of(cursor, depth + 1)
    if count(dims) * base.size != size:
        raise cursor.source.damaged(f"damaged: an array type of {size} bytes at byte {cursor.base}")
    return base._replace(size=size, dims=dims + base.dims)


def _complex(cursor: Cursor, _version: int, _flags: int, size: int, depth: int) -> Kind:
    base = kind_of(cursor, depth + 1)
    plain = base.name in COMPLEX and size == 2 * base.size
    return Kind(COMPLEX[base.name], size, True, base.little) if plain else Kind("complex", size)


CLASSES: "dict[int, Callable[[Cursor, int, int, int, int], Kind]]" = {
    0: _integer, 1: _float, 2: _simple("time", 2), 3: _text, 4: _simple("bitfield", 4), 5: _opaque, 6: _compound,
    7: _simple("reference", 0), 8: _enumeration, 9: _sequence, 10: _array, 11: _complex,
}  # fmt: skip


# ---------------------------------------------------------------- shapes and places
def shape_of(cursor: Cursor) -> "tuple[int, ...]":
    """Read a shape; what holds no element at all has the shape of none."""
    version, rank, _, kind = (cursor.number(1) for _ in range(4))
    if version not in (1, 2) or rank > 32:
        raise cursor.source.damaged(f"damaged: no shape at byte {cursor.base}")
    cursor.take(4 if version == 1 else 0)
    shape = tuple(cursor.length() for _ in range(rank))
    if count(shape) > MOST_NUMBERS:
        raise cursor.source.damaged(f"damaged: the shape {str(list(shape))[:80]} at byte {cursor.base}")
    return (0,) if version == 2 and kind == 2 else shape


def count(shape: "tuple[int, ...]") -> int:
    """Count the elements of a shape."""
    number = 1
    for size in shape:
        number *= size
    return number


def layout_of(source: Source, message: Message) -> Layout:
    """Read where numbers lie."""
    cursor = Cursor(source, message.body, message.at)
    version = cursor.number(1)
    if version in (1, 2):
        return _old_layout(cursor)
    how = cursor.number(1)
    if version not in (3, 4, 5) or how > VIRTUAL:
        raise source.damaged(f"damaged: numbers laid out in a way not known here, at byte {message.at}")
    if how == COMPACT:
        size = cursor.number(2)
        return Layout(how, cursor.base + cursor.at, min(size, cursor.left))
    if how == CONTIGUOUS:
        return Layout(how, cursor.address(), cursor.length())
    return Layout(how, None, None)


def _old_layout(cursor: Cursor) -> Layout:
    rank, how = cursor.number(1), cursor.number(1)
    cursor.take(5)
    if how == COMPACT:
        cursor.take(4 * rank)
        size = cursor.number(4)
        return Layout(how, cursor.base + cursor.at, min(size, cursor.left))
    return Layout(how, cursor.address(), None) if how == CONTIGUOUS else Layout(how, None, None)


def filters_of(source: Source, message: Message) -> "list[int]":
    """Read the numbers of the filters that chunks went through."""
    cursor = Cursor(source, message.body, message.at)
    version, number = cursor.number(1), cursor.number(1)
    cursor.take(6 if version == 1 else 0)
    found = []
    for _ in range(number):
        found.append(cursor.number(2))
        named = version == 1 or found[-1] >= 256
        name = cursor.number(2) if named else 0
        cursor.take(2)
        values = cursor.number(2)
        cursor.take(name + 4 * values + (4 * (values % 2) if version == 1 else 0))
    return found
