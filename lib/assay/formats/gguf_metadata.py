"""The keys and values at the head of a GGUF file: scalars as they are, long lists by their length alone."""

import json
import struct
from typing import NamedTuple

from assay import files
from assay.errors import WrongInput
from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.opening import read_at, shown
from assay.formats.wire import Span, short_float
from assay.records import Document

# GGUF's number for a kind of value: how struct reads it, and what to call it
SCALARS = {
    0: ("B", "uint8"), 1: ("b", "int8"), 2: ("H", "uint16"), 3: ("h", "int16"), 4: ("I", "uint32"), 5: ("i", "int32"),
    6: ("f", "float32"), 7: ("B", "bool"), 10: ("Q", "uint64"), 11: ("q", "int64"), 12: ("d", "float64"),
}  # fmt: skip
BOOL, TEXT, LIST = 7, 8, 9
WINDOW = 65_536
FEW = 16  # entries of a list that are written out
MOST_ENTRIES = 10_000
MOST_ITEMS = 2_000_000  # of lists that have to be walked: texts and lists of lists; real ones have half of that
DEEPEST = 4  # lists inside lists
MOST_NAME = 1024  # bytes
LONG_TEXT = 4096  # bytes: longer ones are documents
MOST_LISTED = 1024  # bytes of texts in a list that is written out
MOST_TEXT, MOST_DOCUMENTS = 16 << 20, 64  # bytes of a document that is digested, and how many are
MOST_SHORT = 1 << 20  # of all metadata together
TEMPLATE = "tokenizer.chat_template"


class Listed(NamedTuple):
    """A list, as it is written down."""

    text: str


Value = int | float | bool | Span | Listed  # a text is where it lies


class Cursor:
    """The next bytes of a file, and its byte order."""

    def __init__(self, given: Given, at: int, order: str) -> None:
        self.given, self.at, self.order = given, at, order
        self.items = 0  # of lists, walked so far
        self._window, self._base = b"", 0

    def left(self) -> int:
        """Count the bytes that are left."""
        return self.given.size - self.at

    def number(self, code: str) -> int:
        """Read a whole number."""
        size = struct.calcsize(code)
        found: int = struct.unpack(self.order + code, self._next(size))[0]
        return found

    def real(self, code: str) -> float:
        """Read a number with a fraction."""
        found: float = struct.unpack(self.order + code, self._next(struct.calcsize(code)))[0]
        return short_float(found) if code == "f" else found

    def name(self) -> str:
        """Read a name: a short text."""
        span = self.span()
        if span.length > MOST_NAME:
            raise self.damaged(f"a name of {span.length} bytes at byte {span.start}")
        return self.text(span)

    def text(self, span: Span) -> str:
        """Read a text that was passed over; what is no UTF-8 of it is replaced."""
        return self.given.read(span.start, span.length).decode("utf-8", "replace")

    def span(self) -> Span:
        """Pass over a text."""
        length = self.number("Q")
        start = self.at
        self.skip(length)
        return Span(start, self.at)

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        if count > self.left():
            raise self.given.damaged(f"truncated: {count} bytes promised at byte {self.at}, {self.left()} there")
        self.at += count

    def walked(self, count: int) -> None:
        """Count what has to be walked one by one; refuse what would take too long."""
        self.items += count
        if self.items > MOST_ITEMS:
            raise self.damaged(f"lists of more than {MOST_ITEMS} entries")

    def damaged(self, what: str) -> WrongInput:
        """Say what is wrong with the file's head."""
        return self.given.damaged(f"damaged: {what}")

    def _next(self, count: int) -> bytes:
        start = self.at - self._base
        if not 0 <= start <= len(self._window) - count:
            if count > self.left():
                raise self.given.damaged(f"truncated: it ends at byte {self.given.size}, within its head")
            self._window, self._base, start = read_at(self.given.file, self.at, WINDOW), self.at, 0
        self.at += count
        return self._window[start : start + count]


def read(cursor: Cursor, count: int) -> "dict[str, Value]":
    """Read so many keys and values."""
    if count > MOST_ENTRIES:
        raise cursor.damaged(f"{count} metadata entries promised")
    found: dict[str, Value] = {}
    for _ in range(count):
        key = cursor.name()
        if key in found:
            raise cursor.damaged(f"metadata key {key[:80]!r} stands twice")
        found[key] = _value(cursor, cursor.number("I"), 0)
    return found


def note(cursor: Cursor, found: "dict[str, Value]", content: Content) -> None:
    """Write down what was read; a long text becomes a document."""
    room = MOST_SHORT
    for key, value in found.items():
        if isinstance(value, Span) and (value.length > LONG_TEXT or key.startswith(TEMPLATE)):
            written = _document(cursor, key, value, content)
        else:
            written = _written(cursor, value)
        room -= len(key) + len(written)
        content.metadata[key] = written if room >= 0 else f"(left out: {len(written)} characters)"
    templates = sorted(key for key in found if key.startswith(TEMPLATE))
    if templates:
        content.risks.append(
            f"holds a chat template ({shown(templates[0])}): a Jinja program that a runtime carries out"
        )


def whole(found: "dict[str, Value]", key: str, default: int = 0) -> int:
    """Give the whole number of a key."""
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _value(cursor: Cursor, kind: int, depth: int) -> Value:
    if kind == TEXT:
        return cursor.span()
    if kind == LIST:
        return _list(cursor, depth)
    if kind not in SCALARS:
        raise cursor.damaged(f"a metadata value of the unknown kind {kind} before byte {cursor.at}")
    code = SCALARS[kind][0]
    if code in "fd":
        return cursor.real(code)
    return bool(cursor.number(code)) if kind == BOOL else cursor.number(code)


def _list(cursor: Cursor, depth: int) -> Listed:
    kind, count = cursor.number("I"), cursor.number("Q")
    if kind in SCALARS:
        return _scalars(cursor, kind, count)
    if kind not in (TEXT, LIST) or depth >= DEEPEST:
        raise cursor.damaged(f"a metadata list of the unknown kind {kind} before byte {cursor.at}")
    if count * 8 > cursor.left():
        raise cursor.given.damaged(f"truncated: a list of {count} entries promised, {cursor.left()} bytes left")
    cursor.walked(count)
    if kind == LIST:
        for _ in range(count):
            _list(cursor, depth + 1)
        return Listed(f"[{count} lists]")
    spans = [cursor.span() for _ in range(min(count, FEW))]
    for _ in range(count - len(spans)):
        cursor.skip(cursor.number("Q"))
    if count > FEW or sum(span.length for span in spans) > MOST_LISTED:
        return Listed(f"[{count} strings]")
    return Listed(json.dumps([cursor.text(span) for span in spans], ensure_ascii=False))


def _scalars(cursor: Cursor, kind: int, count: int) -> Listed:
    code, name = SCALARS[kind]
    if count > FEW:
        cursor.skip(count * struct.calcsize(code))
        return Listed(f"[{count} {name}]")
    return Listed("[" + ", ".join(_written(cursor, _value(cursor, kind, 0)) for _ in range(count)) + "]")


def _written(cursor: Cursor, value: Value) -> str:
    if isinstance(value, Span):
        return cursor.text(value)
    if isinstance(value, Listed):
        return value.text
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(cursor: Cursor, key: str, span: Span, content: Content) -> str:
    if span.length > MOST_TEXT or len(content.embedded) >= MOST_DOCUMENTS:
        return f"(left out: {span.length} bytes)"
    digest = files.bytes_sha256(cursor.given.read(span.start, span.length))
    content.embedded.append(Document(path=shown(key), bytes=span.length, sha256=digest, embedded=True))
    return f"(a document of {span.length} bytes)"
