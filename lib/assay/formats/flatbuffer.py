"""FlatBuffers, read in small pieces: every offset is checked before it is followed, nothing is followed for ever.

An offset always leads forward, so no table can hold itself; but many may lead to one table, and so the tables that are
visited are counted.
"""

import struct
from collections.abc import Iterator
from typing import Any

from assay.errors import WrongInput
from assay.formats.given import Given
from assay.formats.opening import read_at
from assay.formats.wire import Span

PAGE, MOST_PAGES = 32_768, 64
MOST_TABLES = 500_000  # visited; the largest real models have some ten thousand
MOST_FIELDS = 64  # of a table that are looked at; no format read here has more
MOST_LISTED, MOST_NUMBERS = 500_000, 4_000_000  # of one list, and of all that are read
KINDS = {code: struct.Struct("<" + code) for code in "bBhHiIqQf"}
LENGTHS = struct.Struct("<HH")  # of a table's list of fields, and of the table
MOST_TEXT, MOST_TEXTS = 16_384, 32 << 20  # bytes of one text, and of all


class Flat:
    """A file seen as a FlatBuffer."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.end = 0  # of what was led to so far
        self._pages: dict[int, bytes] = {}
        self._tables = self._numbers = self._texts = 0

    def root(self) -> "Table":
        """Give the table that holds all others."""
        return self.table(self.follow(0))

    def table(self, at: int) -> "Table":
        """Read where a table keeps its fields."""
        self._tables += 1
        if self._tables > MOST_TABLES:
            raise self.damaged(f"holds more than {MOST_TABLES} tables")
        list_at = at - self.number(at, "i")
        length, size = LENGTHS.unpack(self.read(list_at, 4))
        if length < 4 or length % 2 or size < 4:
            raise self.damaged(f"no table at byte {at}")
        self.inside(at, size)
        count = min(length // 2 - 2, MOST_FIELDS)
        return Table(self, at, size, struct.unpack(f"<{count}H", self.read(list_at + 4, 2 * count)))

    def number(self, at: int, code: str) -> int:
        """Read a whole number."""
        kind = KINDS[code]
        found: int = kind.unpack(self.read(at, kind.size))[0]
        return found

    def follow(self, at: int) -> int:
        """Follow an offset; one of zero leads nowhere."""
        offset = self.number(at, "I")
        if offset == 0:
            raise self.damaged(f"the offset at byte {at} leads to itself")
        return at + offset

    def numbers(self, span: Span, code: str) -> "tuple[Any, ...]":
        """Read a list of numbers."""
        count = span.length // KINDS[code].size
        self._numbers += count
        if count > MOST_LISTED or self._numbers > MOST_NUMBERS:
            raise self.damaged(f"a list of {count} numbers at byte {span.start}")
        return struct.unpack(f"<{count}{code}", self.read(span.start, span.length))

    def text(self, span: Span) -> str:
        """Read a text; what is no UTF-8 of it is replaced, what is too long is cut."""
        count = min(span.length, MOST_TEXT)
        self._texts += count
        if self._texts > MOST_TEXTS:
            raise self.damaged(f"holds more than {MOST_TEXTS} bytes of names")
        return self.read(span.start, count).decode("utf-8", "replace")

    def read(self, at: int, count: int) -> bytes:
        """Read bytes; short pieces come from pages that are kept for a while."""
        self.inside(at, count)
        start = at % PAGE
        if start + count > PAGE:
            return self.given.read(at, count)
        page = self._pages.get(at - start)
        if page is None:
            if len(self._pages) >= MOST_PAGES:
                self._pages.clear()
            page = self._pages[at - start] = read_at(self.given.file, at - start, PAGE)
        return page[start : start + count]

    def damaged(self, what: str) -> WrongInput:
        """Say what is wrong with the file."""
        return self.given.damaged(f"damaged: {what}")

    def inside(self, at: int, count: int) -> None:
        """Refuse what leads out of the file."""
        stop = at + count
        if at < 0 or stop > self.given.size:
            word = "truncated" if at >= 0 else "damaged"
            raise self.given.damaged(f"{word}: {count} bytes promised at byte {at}, the file has {self.given.size}")
        if stop > self.end:
            self.end = stop


class Table:
    """One table: fields by their number; a field that is not there has its default."""

    def __init__(self, flat: Flat, at: int, size: int, fields: "tuple[int, ...]") -> None:
        self.flat, self.at, self.size, self.fields = flat, at, size, fields

    def place(self, field: int, size: int) -> int:
        """Give the byte where a field lies; 0 when it is not there."""
        offset = self.fields[field] if field < len(self.fields) else 0
        if offset and not 4 <= offset <= self.size - size:
            raise self.flat.damaged(f"field {field} of the table at byte {self.at} lies outside of it")
        return self.at + offset if offset else 0

    def number(self, field: int, code: str, default: int = 0) -> int:
        """Read a whole number."""
        at = self.place(field, KINDS[code].size)
        return self.flat.number(at, code) if at else default

    def span(self, field: int, size: int = 1) -> Span:
        """Give where a list of things of one size lies; nothing when it is not there."""
        at = self.place(field, 4)
        if not at:
            return Span(0, 0)
        start = self.flat.follow(at)
        length = self.flat.number(start, "I") * size
        self.flat.inside(start + 4, length)
        return Span(start + 4, start + 4 + length)

    def text(self, field: int) -> str:
        """Read a text; "" when it is not there."""
        return self.flat.text(self.span(field))

    def whole(self, field: int, code: str) -> "tuple[int, ...]":
        """Read a list of whole numbers."""
        return self.flat.numbers(self.span(field, KINDS[code].size), code)

    def reals(self, field: int) -> "tuple[float, ...]":
        """Read a list of 32-bit numbers with a fraction."""
        return self.flat.numbers(self.span(field, 4), "f")

    def table(self, field: int) -> "Table | None":
        """Read the table that a field leads to."""
        at = self.place(field, 4)
        return self.flat.table(self.flat.follow(at)) if at else None

    def tables(self, field: int) -> "Tables":
        """Give a list of tables, none of them read yet."""
        return Tables(self.flat, self.span(field, 4))


class Tables:
    """A list of tables, each read when it is asked for."""

    def __init__(self, flat: Flat, span: Span) -> None:
        self.flat, self._span = flat, span

    def __len__(self) -> int:
        return self._span.length // 4

    def __iter__(self) -> Iterator[Table]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Table:
        if not 0 <= index < len(self):
            raise self.flat.damaged(f"entry {index} of {len(self)} is led to")
        return self.flat.table(self.flat.follow(self._span.start + 4 * index))
