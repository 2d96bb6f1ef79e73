"""An HDF5 object's attributes: texts, numbers and short lists of them, as plain values."""

import struct
from typing import Any

from assay.formats.hdf5_dense import FractalHeap, records
from assay.formats.hdf5_heaps import GlobalHeap
from assay.formats.hdf5_objects import ATTRIBUTE, ATTRIBUTE_INFO, SHARED, SPACE, TYPE, Message, resolved
from assay.formats.hdf5_source import Cursor, Source, text_of
from assay.formats.hdf5_types import Kind, count, kind_of, shape_of

MOST_ELEMENTS = 20_000  # of a list; a longer one is only described
FLOATS = {"float16": "e", "float32": "f", "float64": "d"}


def attributes(source: Source, found: "list[Message]", heap: GlobalHeap) -> "tuple[dict[str, Any], int]":
    """Read an object's attributes by name, and count those that are kept in a way that is not read here."""
    values: dict[str, Any] = {}
    unread = 0
    for message in found:
        if message.kind == ATTRIBUTE:
            _attribute(source, message, heap, values)
        elif message.kind == ATTRIBUTE_INFO:
            unread += _dense(Cursor(source, message.body, message.at), heap, values)
    return dict(sorted(values.items())), unread


def _dense(cursor: Cursor, heap: GlobalHeap, values: "dict[str, Any]") -> int:
    source = cursor.source
    cursor.expect(b"", 0)
    cursor.take(2 if cursor.number(1) & 1 else 0)
    place, tree = cursor.address(), cursor.address()
    if place is None or tree is None:
        return 0
    store, unread = FractalHeap(source, place), 0
    for record in records(source, tree):
        entry = store.read(record[:8])
        if entry is None or record[8] & SHARED:
            unread += 1
        else:
            _attribute(source, Message(ATTRIBUTE, 0, entry, place), heap, values)
    return unread


def _attribute(source: Source, message: Message, heap: GlobalHeap, values: "dict[str, Any]") -> None:
    cursor = Cursor(source, resolved(source, message).body, message.at)
    version, flags = cursor.number(1), cursor.number(1)
    if version not in (1, 2, 3):
        raise source.damaged(f"damaged: an attribute of version {version} at byte {message.at}")
    sizes = [cursor.number(2) for _ in range(3)]
    cursor.take(1 if version == 3 else 0)
    flags = flags if version > 1 else 0
    parts = []
    for what, size, shared in ((0, sizes[0], 0), (TYPE, sizes[1], flags & 1), (SPACE, sizes[2], flags & 2)):
        part = resolved(source, Message(what, SHARED if shared else 0, cursor.take(size), message.at))
        cursor.take(-size % 8 if version == 1 else 0)
        parts.append(Cursor(source, part.body, part.at))
    name = parts[0].name()
    if name in values:
        raise source.damaged(f"holds the attribute {name[:80]!r} twice: readers differ on which one counts")
    values[name] = _value(cursor, heap, kind_of(parts[1]), shape_of(parts[2]))


def _value(cursor: Cursor, heap: GlobalHeap, kind: Kind, shape: "tuple[int, ...]") -> Any:
    """Read a value: one, or a list whatever its shape; None is one that is neither text nor number."""
    elements = count(shape + kind.dims)
    if not (kind.text or kind.plain):
        return None
    if elements > MOST_ELEMENTS:
        return f"{elements} elements"
    cursor.source.visit(elements)
    found = [_element(cursor, heap, kind) for _ in range(elements)]
    return found if shape or kind.dims else found[0]


def _element(cursor: Cursor, heap: GlobalHeap, kind: Kind) -> Any:
    if kind.text and kind.base is not None:
        length, address, number = cursor.number(4), cursor.address(), cursor.number(4)
        return text_of(heap.read(address, number, length).split(b"\0")[0]) if address and length else ""
    data = cursor.take(kind.unit)
    if kind.text:
        return text_of(data.split(b"\0")[0].rstrip(b" "))
    return _number(kind, data)


def _number(kind: Kind, data: bytes) -> Any:
    if kind.name in FLOATS:
        return struct.unpack(("<" if kind.little else ">") + FLOATS[kind.name], data)[0]
    whole = int.from_bytes(data, "little" if kind.little else "big", signed=kind.name.startswith("int"))
    if kind.name == "bool":
        return bool(whole)
    return whole if "int" in kind.name else f"{kind.name} {data.hex()}"
