"""Tensors as an ONNX file stores them: shape, type and size; values only when there are few."""

import math
import struct
from dataclasses import dataclass, field

from assay.formats.content import MOST_SIZES, countable
from assay.formats.wire import BYTES, Field, Span, Wire, short_float, signed

# ONNX's number for a data type: our name and its bits
TYPES = {
    1: ("float32", 32),
    2: ("uint8", 8),
    3: ("int8", 8),
    4: ("uint16", 16),
    5: ("int16", 16),
    6: ("int32", 32),
    7: ("int64", 64),
    8: ("string", 0),
    9: ("bool", 8),
    10: ("float16", 16),
    11: ("float64", 64),
    12: ("uint32", 32),
    13: ("uint64", 64),
    14: ("complex64", 64),
    15: ("complex128", 128),
    16: ("bfloat16", 16),
    17: ("float8e4m3fn", 8),
    18: ("float8e4m3fnuz", 8),
    19: ("float8e5m2", 8),
    20: ("float8e5m2fnuz", 8),
    21: ("uint4", 4),
    22: ("int4", 4),
    23: ("float4e2m1", 4),
    24: ("float8e8m0", 8),
    25: ("uint2", 2),
    26: ("int2", 2),
    27: ("float6e2m3", 0),  # 0: its packing is not known here, so what is held is what counts
    28: ("float6e3m2", 0),
}
CODES = {
    "float32": "f",
    "float64": "d",
    "float16": "e",
    "uint8": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint32": "I",
    "uint64": "Q",
    "bool": "?",
}
FEW = 16
FLOATS, INT32S, STRINGS, INT64S, RAW, DOUBLES, UINT64S = 4, 5, 6, 7, 9, 10, 11
PAYLOADS = (FLOATS, INT32S, STRINGS, INT64S, RAW, DOUBLES, UINT64S)

Values = tuple[float | int | bool, ...]


@dataclass
class Stored:
    """One tensor of the file."""

    name: str = ""
    type: int = 0
    dims: list[int] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)
    outside: bool = False
    held: int = 0  # payload bytes in the file
    payloads: list[Field] = field(default_factory=list)

    @property
    def dtype(self) -> str:
        """Name the data type as numpy would."""
        return dtype(self.type)

    @property
    def elements(self) -> int:
        """Count the numbers."""
        return math.prod(self.dims)

    @property
    def bytes(self) -> int:
        """Count the bytes that the numbers need; a text tensor needs what it holds."""
        bits = TYPES.get(self.type, ("", 0))[1]
        return (self.elements * bits + 7) // 8 if bits else self.held


def dtype(number: int) -> str:
    """Name an ONNX data type as numpy would."""
    return TYPES[number][0] if number in TYPES else f"type {number}"


def read(wire: Wire, span: Span) -> Stored:
    """Read a tensor's description, skip its data, and check that enough data is there."""
    stored = Stored()
    for part in wire.fields(span):
        _take(wire, stored, part)
    _check(wire, stored)
    return stored


def _take(wire: Wire, stored: Stored, part: Field) -> None:
    if part.number == 1:
        stored.dims.extend(wire.numbers(part))
    elif part.number == 2:
        stored.type = signed(part.value)
    elif part.number == 8:
        stored.name = wire.text(part.span)
    elif part.number == 13:
        key, value = entry(wire, part.span)
        stored.external[key] = value
        stored.outside = True
    elif part.number == 14:
        stored.outside = stored.outside or part.value == 1
    elif part.number in PAYLOADS:
        stored.held += part.span.length
        if len(stored.payloads) <= FEW:
            stored.payloads.append(part)


def entry(wire: Wire, span: Span, limit: int = 65_536) -> "tuple[str, str]":
    """Read one key and value of a text dictionary; a value that is too long is left out, and says so."""
    key = value = ""
    for part in wire.fields(span):
        if part.number == 1:
            key = wire.text(part.span, 1024)
        elif part.number == 2:
            length = part.span.length
            value = wire.text(part.span, limit) if length <= limit else f"(left out: {length} bytes)"
    return key, value


def _check(wire: Wire, stored: Stored) -> None:
    name = stored.name or "without a name"
    if any(d < 0 for d in stored.dims):
        raise wire.damaged(f"tensor {name!r} has a negative dimension: {stored.dims[:MOST_SIZES]}")
    if not countable(stored.dims):
        raise wire.damaged(f"tensor {name!r} claims more numbers, or sizes, than a tensor can have")
    if stored.outside or stored.dtype == "string":
        return
    kinds = {part.number for part in stored.payloads}
    least = exact = stored.bytes
    if kinds & {INT32S, INT64S, UINT64S}:  # varints: from one byte an element, and small types share one
        least, exact = min(1, stored.elements), 0
    if stored.held < least or (exact and stored.held != exact):
        raise wire.damaged(f"tensor {name!r} promises {least} bytes and holds {stored.held}")


def place(stored: Stored) -> "tuple[str, int] | None":
    """Give the file and the byte where the numbers lie as they are; None when they are coded otherwise."""
    if stored.outside:
        return stored.external.get("location", ""), int(stored.external.get("offset", "0"))
    if len(stored.payloads) != 1 or stored.dtype == "string":
        return None
    part = stored.payloads[0]
    as_is = part.number == RAW or (part.number, stored.dtype) in ((FLOATS, "float32"), (DOUBLES, "float64"))
    return ("", part.span.start) if as_is and part.kind == BYTES else None


def values(wire: Wire, stored: Stored) -> "Values | None":
    """Give the numbers of a small tensor, or None when there are many or they lie elsewhere."""
    if stored.outside or stored.elements > FEW or len(stored.payloads) > FEW or stored.dtype not in CODES:
        return None
    found: list[float | int | bool] = []
    for part in stored.payloads:
        if part.number == RAW:
            found.extend(_unpacked(wire, part.span, CODES[stored.dtype]))
        elif part.number in (FLOATS, DOUBLES):
            found.extend(_unpacked(wire, part.span, "f" if part.number == FLOATS else "d"))
        elif part.number in (INT32S, INT64S) and stored.dtype != "float16":
            found.extend(wire.numbers(part) if part.kind == BYTES else [signed(part.value)])
        else:
            return None
    return tuple(found) if len(found) == stored.elements else None


def _unpacked(wire: Wire, span: Span, code: str) -> "list[float | int | bool]":
    count = span.length // struct.calcsize("<" + code)
    numbers = struct.unpack(f"<{count}{code}", wire.read(span)[: count * struct.calcsize("<" + code)])
    return [short_float(n) for n in numbers] if code == "f" else list(numbers)


def written(numbers: Values) -> str:
    """Write a constant: one number bare, several in brackets."""
    return str(numbers[0]) if len(numbers) == 1 else "[" + ", ".join(map(str, numbers)) + "]"
