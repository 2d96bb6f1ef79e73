"""A look at every number of a checkpoint while its bytes go by: what is not finite, what is all zero, what is damaged.

Blocks come in the order of the file, from whoever reads it anyway (its digest is taken by the same pass), so memory
stays at one block whatever the file's size.
"""

import zlib
from collections.abc import Iterable

from assay.formats.content import Stretch
from assay.formats.torch_objects import width
from assay.records import Values

# data type: bytes of one number (of a complex one: of its half), its bits without the sign, and from which value of
# them on it is not finite
FLOATS = {
    "float64": (8, 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000),
    "float32": (4, 0x7FFFFFFF, 0x7F800000),
    "float16": (2, 0x7FFF, 0x7C00),
    "bfloat16": (2, 0x7FFF, 0x7F80),
    "complex128": (8, 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000),
    "complex64": (4, 0x7FFFFFFF, 0x7F800000),
    "complex32": (2, 0x7FFF, 0x7C00),
    "float8e5m2": (1, 0x7F, 0x7C),
    "float8e4m3fn": (1, 0x7F, 0x7F),
    "float8e4m3fnuz": (1, 0xFF, 0x100),
    "float8e5m2fnuz": (1, 0xFF, 0x100),
    "float8e8m0": (1, 0xFF, 0x100),
}
NO_INFINITY = "float8e4m3fn"  # there the value is NaN itself
NO_ZERO = "float8e8m0"
ODD_NAN = {"float8e4m3fnuz": 0x80, "float8e5m2fnuz": 0x80, NO_ZERO: 0xFF}  # the only bit pattern that is no number
SCATTERED = "scattered among numbers that are not all finite"
BLOCK = 1 << 20


class Scan:
    """The numbers of one file, looked at block by block."""

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._stretches = [s for s in stretches if s.bytes]
        self._waiting = sorted((_Open(s) for s in self._stretches), key=lambda o: -o.stretch.at)
        self._open: list[_Open] = []
        self.done: list[_Open] = []
        self._at = 0

    @property
    def begun(self) -> bool:
        """Tell whether any bytes went by."""
        return self._at > 0

    def whole(self, size: int) -> bool:
        """Tell whether a file of this size went by as a whole, or nothing of it matters."""
        return self._at == size or not self._stretches

    def again(self) -> "Scan":
        """Begin anew."""
        return Scan(self._stretches)

    def take(self, block: "memoryview | bytes") -> None:
        """Take the next bytes of the file."""
        view, start = memoryview(block), self._at
        self._at = stop = start + len(view)
        while self._waiting and self._waiting[-1].stretch.at < stop:
            self._open.append(self._waiting.pop())
        for one in self._open:
            one.take(view, start)
        still: list[_Open] = []
        for one in self._open:
            (still if one.stretch.at + one.stretch.bytes > stop else self.done).append(one)
        self._open = still


class _Open:
    """One stretch of numbers, and what was seen of it so far."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.bits, self.mask, self.infinite = FLOATS.get(stretch.dtype, (1, 0xFF, 0x100))
        self.halves = 2 if stretch.dtype.startswith("complex") else 1  # that make a number
        self.size = self.bits * self.halves
        self.floats = stretch.dtype in FLOATS
        self.nonfinite, self.infinities, self.largest, self.crc = 0, 0, 0, 0
        self._rest = b""

    def take(self, view: memoryview, start: int) -> None:
        """Take the part of a block that lies in this stretch."""
        first = max(self.stretch.at - start, 0)
        last = min(self.stretch.at + self.stretch.bytes - start, len(view))
        if first >= last:
            return
        part = view[first:last]
        if self.stretch.crc is not None:
            self.crc = zlib.crc32(part, self.crc)
        if self.stretch.dtype:
            self._look(part)

    def _look(self, part: memoryview) -> None:
        if self._rest or len(part) % self.size:
            whole = self._rest + part.tobytes()
            cut = len(whole) - len(whole) % self.size
            part, self._rest = memoryview(whole[:cut]), whole[cut:]
        if not len(part):
            return
        import numpy

        numbers = numpy.frombuffer(part, dtype=f"{'>' if self.stretch.big else '<'}u{self.bits}")
        if not self.floats:
            self.largest |= bool(numbers.any())
            return
        if self.stretch.dtype in ODD_NAN:
            self.nonfinite += int(numpy.count_nonzero(numbers == ODD_NAN[self.stretch.dtype]))
            self.largest = max(self.largest, int(numbers.max()), self.stretch.dtype == NO_ZERO)
            return
        magnitudes = numbers & numbers.dtype.type(self.mask)
        largest = int(magnitudes.max())
        self.largest = max(self.largest, largest)
        if largest >= self.infinite:
            whole = magnitudes.reshape(-1, self.halves).max(axis=1)
            self.nonfinite += int(numpy.count_nonzero(whole >= self.infinite))
            if self.stretch.dtype != NO_INFINITY:
                self.infinities += int(numpy.count_nonzero(whole == self.infinite))

    @property
    def damaged(self) -> bool:
        """Tell whether the numbers are not those that the file's checksum was taken of."""
        return self.stretch.crc is not None and self.crc != self.stretch.crc


def values(
    scans: "Iterable[Scan]", sizes: "dict[str, int]", unchecked: "dict[str, int]", scattered: "set[str]"
) -> Values:
    """Put together what was seen in all files; `sizes` says how many numbers each tensor has."""
    unsure = 0
    nonfinite: dict[str, int] = {}
    infinite: dict[str, int] = {}
    zero: list[str] = []
    checked = 0
    for one in (one for scan in scans for one in scan.done):
        if not one.stretch.dtype:
            continue
        names = [name for name in one.stretch.names if name in sizes]
        checked += one.stretch.bytes // (width(one.stretch.dtype) or 1)
        for name in names:
            if name in scattered and one.nonfinite:  # they may be those in between
                unsure += 1
                continue
            if one.nonfinite:
                nonfinite[name] = one.nonfinite
            if one.infinities:
                infinite[name] = one.infinities
            if not one.largest and sizes[name] > 1:
                zero.append(name)
    return Values(
        checked=checked,
        nonfinite=dict(sorted(nonfinite.items())),
        infinite=dict(sorted(infinite.items())),
        zero=sorted(zero),
        unchecked={**unchecked, **({SCATTERED: unsure} if unsure else {})},
    )


def damage(scans: "Iterable[Scan]") -> "list[str]":
    """Name the tensors whose numbers are not what the file's checksums say."""
    return [one.stretch.names[0] for scan in scans for one in scan.done if one.damaged]
