"""GGUF: keys and values, a list of tensors, then their numbers, each begun at a multiple of the alignment."""

from collections import Counter
from dataclasses import dataclass

from assay.formats import gguf_metadata
from assay.formats.content import Content, Stretch, countable, product
from assay.formats.ggml_types import ABSURD, NEWEST, TYPES, Type
from assay.formats.gguf_metadata import Cursor, Value, whole
from assay.formats.given import Given
from assay.records import Weight

WHAT = "a GGUF model"
SUFFIXES: tuple[str, ...] = (".gguf",)
NEEDS = "llama.cpp, or another runtime that reads GGUF"
CARRIES = "closed"
MAGIC = b"GGUF"
VERSIONS = (2, 3)
CONVERT = "convert it again with today's llama.cpp"
MOST_TENSORS = 65_536
MOST_SIZES = 8  # of a shape; ggml has four
ALIGNMENT = 32
UNKNOWN = Type("unknown", 1, 0)


@dataclass(slots=True)
class Info:
    """What the list says of one tensor; its shape is turned round, so that it reads as torch would print it."""

    name: str
    shape: list[int]
    number: int  # of its type
    at: int  # behind the list
    bytes: int = 0

    @property
    def type(self) -> Type:
        """Give its type."""
        return TYPES.get(self.number, UNKNOWN)


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    return "magic bytes b'GGUF'" if given.head.startswith(MAGIC) else ""


def look(given: Given) -> Content:
    """Read what it holds; shapes are written row by row, the reverse of how the file lists them."""
    content = Content()
    cursor = Cursor(given, 8, _order(given, content))
    tensors, entries = cursor.number("Q"), cursor.number("Q")
    facts = gguf_metadata.read(cursor, entries)
    gguf_metadata.note(cursor, facts, content)
    content.metadata["gguf.version"] = str(_version(given))
    if tensors > MOST_TENSORS:
        raise given.damaged(f"damaged: {tensors} tensors promised")
    infos = [_info(cursor) for _ in range(tensors)]
    twice = [name for name, count in Counter(info.name for info in infos).items() if count > 1]
    if twice:
        raise given.damaged(f"damaged: tensor {_named(twice[0])} stands twice")
    _place(cursor, infos, _alignment(given, facts), content)
    for info in infos:
        _add(info, content, cursor.order == "<")
    _judge(infos, facts, content)
    return content


def _order(given: Given, content: Content) -> str:
    """Tell the byte order, and refuse a version that nothing here reads."""
    version = _version(given)
    if version == 1:
        raise given.damaged("is GGUF version 1, which nothing reads any more", CONVERT)
    if version not in VERSIONS:
        raise given.damaged(f"is GGUF version {version}: versions 2 and 3 are read", "")
    if given.head[4:6] == b"\0\0":
        content.risks.append("its numbers are written big-endian, which most runtimes refuse")
        return ">"
    return "<"


def _version(given: Given) -> int:
    """Read the version: a small number, and so one that tells the byte order."""
    found = given.read(4, 4)
    return int.from_bytes(found, "big" if found[:2] == b"\0\0" else "little")


def _info(cursor: Cursor) -> Info:
    name, sizes = cursor.name(), cursor.number("I")
    if sizes > MOST_SIZES:
        raise cursor.damaged(f"tensor {_named(name)} has {sizes} dimensions")
    shape = [cursor.number("Q") for _ in range(sizes)][::-1]
    info = Info(name, shape, cursor.number("I"), cursor.number("Q"))
    if not countable(shape):
        raise cursor.damaged(f"tensor {_named(name)} has the shape {shape}")
    if info.number >= ABSURD:
        raise cursor.damaged(f"tensor {_named(name)} has the unknown type {info.number}")
    row = shape[-1] if shape else 1
    if row % info.type.numbers:
        what = f"rows of {row} numbers, and {info.type.name} packs {info.type.numbers} together"
        raise cursor.damaged(f"tensor {_named(name)} has {what}")
    info.bytes = product(shape) // info.type.numbers * info.type.bytes
    return info


def _alignment(given: Given, facts: "dict[str, Value]") -> int:
    found = whole(facts, "general.alignment", 0 if "general.alignment" in facts else ALIGNMENT)
    if found <= 0 or found & (found - 1):
        raise given.damaged(f"damaged: its alignment is {found}, no power of two")
    return found


def _place(cursor: Cursor, infos: "list[Info]", alignment: int, content: Content) -> None:
    """Turn places behind the list into places in the file; no two tensors may lie on one byte."""
    given, start = cursor.given, _up(cursor.at, alignment)
    placed = sorted(infos, key=lambda info: (info.at, info.bytes))
    expected, hole = 0, 0
    for i, info in enumerate(placed):
        if info.at % alignment:
            raise given.damaged(f"damaged: tensor {_named(info.name)} begins at byte {info.at}, not at a {alignment}th")
        if info.at < expected and (info.bytes or info.number not in TYPES):
            raise given.damaged(f"damaged: tensor {_named(info.name)} overlaps the one before it")
        if info.number not in TYPES:  # its size is not known, so it reaches to the next one
            after = placed[i + 1].at if i + 1 < len(placed) else given.size - start
            info.bytes = max(0, after - info.at)
        hole += max(0, info.at - _up(expected, alignment))
        expected = max(expected, info.at + info.bytes)
        info.at += start
    there = max(0, given.size - start)
    if expected > there:
        raise given.damaged(f"truncated: {expected} bytes of tensors promised, {there} there")
    if hole:
        content.risks.append(f"{hole} bytes between its tensors belong to none of them, which llama.cpp refuses")
    if there > _up(expected, alignment):
        content.risks.append(f"{there - _up(expected, alignment)} bytes follow its last tensor")


def _add(info: Info, content: Content, little: bool) -> None:
    kind = info.type
    dtype = kind.name if kind is not UNKNOWN else f"ggml type {info.number}"
    content.tensors.append(
        Weight(
            name=info.name,
            dtype=dtype,
            shape=info.shape,
            parameters=product(info.shape),
            bytes=info.bytes,
            at=info.at,
            big=not little,
        )
    )
    if kind.quantised:
        content.unread(f"quantised as {dtype}")
    elif info.bytes:
        content.stretches.append(Stretch("", info.at, info.bytes, dtype, [info.name], big=not little))


def _judge(infos: "list[Info]", facts: "dict[str, Value]", content: Content) -> None:
    kinds = Counter(t.dtype for t, info in zip(content.tensors, infos) if info.type.quantised)
    content.quantised = [f"{name}: {_counted(count)}" for name, count in sorted(kinds.items())]
    for number in sorted({info.number for info in infos}):
        kind = TYPES.get(number)
        if kind is None:
            content.risks.append(f"ggml type {number} is none up to {NEWEST}: how its tensors are packed is not known")
        elif kind.gone:
            content.risks.append(f"type {kind.name} is one that llama.cpp no longer reads")
    part, parts = whole(facts, "split.no") + 1, whole(facts, "split.count")
    if parts > 1:
        content.risks.append(f"is part {part} of {parts}: the other files hold the rest of the model")
    content.kind = str(facts.get("general.architecture", ""))[:200]
    if part == 1 and "general.architecture" not in facts:
        content.risks.append("names no architecture (general.architecture), so no runtime knows what it is")
    if not infos:
        content.risks.append("it holds no tensor")


def _counted(count: int) -> str:
    return f"{count} tensor" + "s" * (count != 1)


def _up(at: int, alignment: int) -> int:
    """Round up to the alignment."""
    return -(-at // alignment) * alignment


def _named(name: str) -> str:
    return repr(name[:80])
