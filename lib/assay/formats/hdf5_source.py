"""The bytes that an HDF5 file is: a stretch of an open file, or memory; whatever is read of them is counted."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from assay.errors import WrongInput
from assay.formats.opening import read_at

MOST_THINGS = 500_000  # headers, messages, links, entries: more than any model has
MOST_BYTES = 64 << 20  # of all that is not weights
CHECKING = 4  # a byte that a checksum is taken of costs as much as so many that are only read
MASK = 0xFFFFFFFF
FETCH = "fetch it again, or save it again"


@dataclass
class Budget:
    """How much may still be looked at: of one file, or of all files of one archive together."""

    things: int = MOST_THINGS
    bytes: int = MOST_BYTES


class Source:
    """Bytes to read an HDF5 file from; addresses count from its own beginning."""

    def __init__(self, file: BinaryIO, where: str, start: int, size: int, budget: Budget) -> None:
        self.file, self.where, self.start, self.size, self._budget = file, where, start, size, budget
        self.offsets = self.lengths = 8  # bytes of an address, and of a length; the file says

    def read(self, at: int, count: int) -> bytes:
        """Read so many bytes from an address."""
        if at < 0 or count < 0 or at + count > self.size:
            raise self.damaged(f"damaged: it points at {count} bytes from byte {at}, of {self.size}")
        self.spend(count)
        data = read_at(self.file, self.start + at, count)
        if len(data) != count:
            raise self.damaged(f"truncated: {count} bytes promised at byte {at}, {len(data)} there")
        return data

    def checked(self, at: int, count: int) -> bytes:
        """Read a block that ends in a checksum of four bytes; give it without them."""
        if count < 4:
            raise self.damaged(f"damaged: a block of {count} bytes at byte {at}")
        self.spend(count * CHECKING)
        data = self.read(at, count)
        if lookup3(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise self.damaged(f"damaged: the block at byte {at} is not what its checksum says")
        return data[:-4]

    def cursor(self, at: int, count: int) -> "Cursor":
        """Read so many bytes, to be taken apart."""
        return Cursor(self, self.read(at, count), at)

    def spend(self, count: int) -> None:
        """Count bytes that are held in memory; a file made to fill it is refused."""
        self._budget.bytes -= count
        if self._budget.bytes < 0:
            raise self.damaged("holds more names, headers and attributes than any model", "")

    def visit(self, count: int = 1) -> None:
        """Count things that are looked at; a file made to be walked for ever is refused."""
        self._budget.things -= count
        if self._budget.things < 0:
            raise self.damaged(f"holds more than {MOST_THINGS} objects, links and attributes, or a circle of them", "")

    def damaged(self, what: str, mend: str = FETCH) -> WrongInput:
        """Say what is wrong with it."""
        return WrongInput(what, where=self.where, mend=mend)


class Cursor:
    """A place in bytes that were read; what stands there is taken from it, one thing after another."""

    def __init__(self, source: Source, data: bytes, base: int) -> None:
        self.source, self.data, self.base, self.at = source, data, base, 0

    @property
    def left(self) -> int:
        """Count the bytes that are left."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """Take so many bytes."""
        if count < 0 or count > self.left:
            raise self.source.damaged(f"damaged: what stands at byte {self.base + self.at} ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """Take an unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int | None:
        """Take an address; None is one that leads nowhere."""
        found = self.number(self.source.offsets)
        return None if found == (1 << 8 * self.source.offsets) - 1 else found

    def length(self) -> int:
        """Take a length."""
        return self.number(self.source.lengths)

    def name(self, padded: bool = False) -> str:
        """Take a text that ends in a zero byte, and what fills it up to eight."""
        stop = self.data.find(b"\0", self.at)
        length = (stop if stop >= 0 else len(self.data)) - self.at
        text = self.take(length + 1)[:-1]
        if padded:
            self.take(-(length + 1) % 8)
        return text_of(text)

    def expect(self, sign: bytes, version: int | None = None) -> None:
        """Take a block's sign, and its version where it has one; raise when they are others."""
        at, wanted = self.base + self.at, sign if version is None else sign + bytes([version])
        if self.take(len(wanted)) != wanted:
            raise self.source.damaged(f"damaged: no {sign.decode() or 'message'} of a version known here at byte {at}")


def text_of(data: bytes) -> str:
    """Read a text that says it is UTF-8."""
    return data.decode("utf-8", "backslashreplace")


def lookup3(data: bytes) -> int:
    """Take the checksum that stands behind a block (Jenkins' lookup3)."""
    a = b = c = (0xDEADBEEF + len(data)) & MASK
    whole = max(0, len(data) - 1) // 12 * 12
    for x, y, z in struct.iter_unpack("<3I", data[:whole]):
        a, b, c = _mixed(a + x & MASK, b + y & MASK, c + z & MASK)
    if not data:
        return c
    x, y, z = struct.unpack("<3I", data[whole:].ljust(12, b"\0"))
    first, second, third = c + z & MASK, b + y & MASK, a + x & MASK
    for turn in (14, 11, 25, 16, 4, 14, 24):
        first = ((first ^ second) - (second << turn | second >> 32 - turn)) & MASK
        first, second, third = third, first, second
    return int(second)


def _mixed(a: int, b: int, c: int) -> "tuple[int, int, int]":
    first, second, third = a, c, b
    for turn in (4, 6, 8, 16, 19, 4):
        first = (first - second & MASK) ^ (second << turn & MASK | second >> 32 - turn)
        first, second, third = third, first, second + third & MASK
    return first, third, second
