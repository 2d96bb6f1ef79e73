"""Read protobuf's wire format in constant memory: positions are handed out, payloads are skipped."""

import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from assay.errors import WrongInput

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 4_000_000  # a few seconds of reading; the largest real graphs have some hundred thousand
MAX_TEXT = 65_536
WINDOW = 16_384


class Span(NamedTuple):
    """Where a payload lies in the file."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Count the bytes."""
        return self.stop - self.start


class Field(NamedTuple):
    """One field of a message: a number for a varint, else where its bytes lie."""

    number: int
    kind: int
    value: int
    span: Span


class Wire:
    """A file seen as protobuf messages."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.file, self.where = file, where
        self.size = os.fstat(file.fileno()).st_size if not isinstance(file, io.BytesIO) else len(file.getbuffer())
        self._window, self._base, self._seen = b"", 0, 0

    def whole(self) -> Span:
        """Span the file."""
        return Span(0, self.size)

    def damaged(self, what: str, mend: str = "fetch or export it again") -> WrongInput:
        """Say what is wrong with this file."""
        return WrongInput(what, where=self.where, mend=mend)

    def fields(self, span: Span) -> Iterator[Field]:
        """Walk the fields of one message without reading their payloads."""
        position = span.start
        while position < span.stop:
            self._seen += 1
            if self._seen > MAX_FIELDS:
                raise self.damaged(f"holds more than {MAX_FIELDS} fields, which no real model does", "")
            key, after = self._varint(position, span.stop)
            number, kind = key >> 3, key & 7
            if not 0 < number < 1 << 29:
                raise self.damaged(f"damaged: no valid field at byte {position}")
            field = self._field(number, kind, after, span.stop)
            yield field
            position = field.span.stop

    def _field(self, number: int, kind: int, position: int, stop: int) -> Field:
        if kind == VARINT:
            value, after = self._varint(position, stop)
            return Field(number, kind, value, Span(position, after))
        if kind == BYTES:
            length, position = self._varint(position, stop)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise self.damaged(f"damaged: unknown field kind {kind} at byte {position}")
        if length > stop - position:
            word = "truncated" if position + length > self.size else "damaged"
            raise self.damaged(f"{word}: {length} bytes promised, {stop - position} there")
        return Field(number, kind, 0, Span(position, position + length))

    def _varint(self, position: int, stop: int) -> "tuple[int, int]":
        if not self._base <= position <= self._base + len(self._window) - 10:
            self._fill(position)
        index = position - self._base
        if position < stop and index < len(self._window) and self._window[index] < 128:
            return self._window[index], position + 1
        value = shift = 0
        for byte in self._window[index : index + min(10, stop - position)]:
            value |= (byte & 127) << shift
            index += 1
            if byte < 128:
                return value & (1 << 64) - 1, index + self._base
            shift += 7
        word = "truncated" if stop == self.size and stop - position < 10 else "damaged"
        raise self.damaged(f"{word}: a number does not end at byte {position}")

    def _fill(self, position: int) -> None:
        self.file.seek(position)
        self._window, self._base = self.file.read(WINDOW), position

    def read(self, span: Span, limit: int = MAX_TEXT) -> bytes:
        """Read a payload; refuse one longer than its limit."""
        if span.length > limit:
            raise self.damaged(f"damaged: a name or number list of {span.length} bytes", "")
        offset = span.start - self._base
        if offset >= 0 and offset + span.length <= len(self._window):
            return self._window[offset : offset + span.length]
        self.file.seek(span.start)
        data = self.file.read(span.length)
        if len(data) != span.length:
            raise self.damaged(f"truncated: {span.length} bytes promised, {len(data)} there")
        return data

    def text(self, span: Span, limit: int = MAX_TEXT) -> str:
        """Read a payload as UTF-8."""
        try:
            return self.read(span, limit).decode()
        except UnicodeDecodeError:
            raise self.damaged(f"damaged: the name at byte {span.start} is not UTF-8") from None

    def numbers(self, field: Field) -> "list[int]":
        """Read a repeated signed integer, packed or not."""
        if field.kind == VARINT:
            return [signed(field.value)]
        values, position = [], field.span.start
        if field.span.length > MAX_TEXT:
            raise self.damaged(f"damaged: a number list of {field.span.length} bytes", "")
        while position < field.span.stop:
            value, position = self._varint(position, field.span.stop)
            values.append(signed(value))
        return values


def signed(value: int) -> int:
    """Read a varint as int64."""
    return value - (1 << 64) if value >> 63 else value


def short_float(value: float) -> float:
    """Give the shortest decimal that is the same float32."""
    for digits in range(6, 10):
        near = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", near) == struct.pack("<f", value):
                return near
        except OverflowError:
            break
    return value
