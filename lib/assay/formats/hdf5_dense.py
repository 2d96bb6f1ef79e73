"""HDF5's way of keeping many links or attributes of one object: entries in a fractal heap, listed by a B-tree."""

from collections.abc import Iterator

from assay.errors import WrongInput
from assay.formats.hdf5_source import CHECKING, Cursor, Source, lookup3

ROWS, WIDTH = 64, 1 << 16  # more than the tables of any fractal heap have
DEEPEST = 32  # levels of a B-tree


class FractalHeap:
    """The messages of a group or an object that has many."""

    def __init__(self, source: Source, address: int) -> None:
        self.source, self._address = source, address
        packing = int.from_bytes(source.read(address + 7, 2), "little")
        length = 26 + 3 * source.offsets + 12 * source.lengths
        length += source.lengths + 4 + packing if packing else 0
        head = Cursor(source, source.checked(address, length), address)
        head.expect(b"FRHP", 0)
        head.take(4)
        self._filtered, self._checks = packing > 0, bool(head.number(1) & 2)
        largest = head.number(4)
        head.take(source.lengths)
        self._apart = head.address()  # the tree that lists what is too long for the heap's own blocks
        head.take(9 * source.lengths + source.offsets)
        self._width, self._start, most = head.number(2), head.length(), head.length()
        bits, _ = head.number(2), head.number(2)
        self._root, self._rows = head.address(), head.number(2)
        self._offset_size = (bits + 7) // 8
        self._length_size = min((most.bit_length() + 6) // 8, (largest.bit_length() + 7) // 8)
        if not (0 < self._width <= WIDTH and 0 < self._start <= most < 1 << 40 and self._rows <= ROWS):
            raise source.damaged(f"damaged: no heap that can be walked at byte {address}")
        self._direct_rows = (most // self._start).bit_length() + 1
        self._tables: dict[tuple[int, int], list[int | None]] = {}
        self._long: dict[int, tuple[int | None, int]] | None = None
        self._right: set[tuple[int, int]] = set()  # blocks whose checksum was compared

    def read(self, name: bytes) -> bytes | None:
        """Read the entry of a name; None when it is kept in a way that is not read here."""
        kind = name[0] >> 4 & 3 if name else 3
        if kind == 2:
            length = (name[0] & 15) + 1
            return name[1 : 1 + length] if length < len(name) and len(name) <= 17 else None
        if kind > 1 or self._filtered:
            return None
        cursor = Cursor(self.source, name, self._address)
        cursor.take(1)
        if kind == 1:
            return self._huge(cursor)
        offset, length = cursor.number(self._offset_size), cursor.number(self._length_size)
        return self._managed(offset, length)

    def _huge(self, name: Cursor) -> bytes:
        """Read an entry that lies by itself: its name says where, or is a number in a tree of such."""
        if name.left >= self.source.offsets + self.source.lengths:
            at, length = name.address(), name.length()
        else:
            if self._long is None:
                self._long = dict(self._places())
            at, length = self._long.get(name.number(min(8, name.left)), (None, 0))
        if at is None:
            raise self._missing()
        return self.source.read(at, length)

    def _places(self) -> "Iterator[tuple[int, tuple[int | None, int]]]":
        for record in records(self.source, self._apart) if self._apart is not None else ():
            cursor = Cursor(self.source, record, self._address)
            at, length = cursor.address(), cursor.length()
            yield cursor.length(), (at, length)

    def _missing(self) -> WrongInput:
        return self.source.damaged(f"damaged: an entry of the heap at byte {self._address} is not there")

    def _managed(self, offset: int, length: int) -> bytes:
        """Find the block that an offset lies in: each row of the table has blocks twice as long as the one before."""
        address, rows, base = self._root, self._rows, 0
        size = self._start
        while rows and address is not None:
            row, column, size, base = self._cell(offset, base)
            children = self._children(address, rows)
            if row * self._width + column >= len(children):
                address = None
                break
            address = children[row * self._width + column]
            inner = row >= self._direct_rows
            rows = (size // (self._start * self._width)).bit_length() if inner else 0
        if address is None or offset - base + length > size:
            raise self._missing()
        return self._direct(address, size, offset - base, length)

    def _cell(self, offset: int, base: int) -> "tuple[int, int, int, int]":
        """Give row and column of an offset in a table that begins at a base, with the block's size and base."""
        within = offset - base
        row = (within // (self._start * self._width)).bit_length()
        size = self._start << max(0, row - 1)
        before = size * self._width if row else 0
        column = (within - before) // size
        return row, column, size, base + before + column * size

    def _children(self, address: int, rows: int) -> "list[int | None]":
        if (address, rows) not in self._tables:
            number = rows * self._width
            self.source.visit(number)
            length = 5 + self.source.offsets * (1 + number) + self._offset_size + 4
            block = Cursor(self.source, self.source.checked(address, length), address)
            block.expect(b"FHIB", 0)
            block.take(self.source.offsets + self._offset_size)
            self._tables[address, rows] = [block.address() for _ in range(number)]
        return self._tables[address, rows]

    def _direct(self, address: int, size: int, offset: int, length: int) -> bytes:
        head = 5 + self.source.offsets + self._offset_size
        if (address, size) not in self._right:
            self._check(address, size, head)
        if offset < head:
            raise self._missing()
        return self.source.read(address + offset, length)

    def _check(self, address: int, size: int, head: int) -> None:
        """Check a block's sign and, where it has one, its checksum, which is taken with zeros in its own place."""
        self.source.spend(size * CHECKING)
        block = self.source.cursor(address, size)
        block.expect(b"FHDB", 0)
        block.take(head - 5)
        if self._checks:
            promised = block.number(4)
            if lookup3(block.data[:head] + bytes(4) + block.data[head + 4 :]) != promised:
                raise self.source.damaged(f"damaged: the block at byte {address} is not what its checksum says")
        self._right.add((address, size))


# ---------------------------------------------------------------- B-trees of version 2
def records(source: Source, address: int) -> "Iterator[bytes]":
    """Give the records of a B-tree in their order."""
    head = Cursor(source, source.checked(address, 22 + source.offsets + source.lengths), address)
    head.expect(b"BTHD", 0)
    head.take(1)
    node, size, depth, _ = head.number(4), head.number(2), head.number(2), head.take(2)
    root, held = head.address(), head.number(2)
    if not size or depth > DEEPEST or node < 10 + size:
        raise source.damaged(f"damaged: no tree that can be walked at byte {address}")
    if root is not None:
        yield from _records(source, size, (root, held), _pointers(source, node, size, depth))


def _pointers(source: Source, node: int, size: int, depth: int) -> "list[tuple[int, int]]":
    """Give per level how many bytes the counts of a child's own and of all its records take up, the lowest first."""
    most = below = (node - 10) // size
    own, all_of_it = (most.bit_length() + 7) // 8, 0
    sizes = []
    for _ in range(depth):
        sizes.append((own, all_of_it))
        pointer = source.offsets + own + all_of_it
        most = (node - 10 - pointer) // (size + pointer)
        below = (most + 1) * below + most
        all_of_it = (below.bit_length() + 7) // 8
    return sizes


def _records(source: Source, size: int, place: "tuple[int, int]", levels: "list[tuple[int, int]]") -> "Iterator[bytes]":
    address, held = place
    source.visit(1 + held)
    pointer = source.offsets + sum(levels[-1]) if levels else 0
    length = 6 + held * size + (held + 1) * pointer + 4
    block = Cursor(source, source.checked(address, length), address)
    block.expect(b"BTIN" if levels else b"BTLF", 0)
    block.take(1)
    found = [block.take(size) for _ in range(held)]
    if not levels:
        yield from found
        return
    for i in range(held + 1):
        child, number, _ = block.address(), block.number(levels[-1][0]), block.take(levels[-1][1])
        if child is not None:
            yield from _records(source, size, (child, number), levels[:-1])
        yield from found[i : i + 1]
