"""HDF5's heaps, where names, long texts are kept apart from the headers that speak of them."""

from assay.formats.hdf5_source import Source, text_of


class LocalHeap:
    """The names of an old group's members."""

    def __init__(self, source: Source, address: int) -> None:
        head = source.cursor(address, 8 + 2 * source.lengths + source.offsets)
        head.expect(b"HEAP", 0)
        head.take(3)
        size, _ = head.length(), head.length()
        at = head.address()
        if at is None:
            raise source.damaged(f"damaged: the heap at byte {address} is nowhere")
        self._source, self._data = source, source.read(at, size)

    def name(self, offset: int) -> str:
        """Read the name that begins at an offset."""
        stop = self._data.find(b"\0", offset)
        if stop < 0 or offset >= len(self._data):
            raise self._source.damaged("damaged: a name lies outside its heap")
        self._source.spend(stop - offset)
        return text_of(self._data[offset:stop])


class GlobalHeap:
    """Texts and lists of any length, each by its collection and number."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def read(self, address: int, number: int, size: int) -> bytes:
        """Read the first bytes of an entry."""
        if address not in self._collections:
            self._collections[address] = self._collection(address)
        at, there = self._collections[address].get(number, (0, -1))
        if size > there:
            raise self._source.damaged(f"damaged: entry {number} of the heap at byte {address} is not there")
        return self._source.read(at, size)

    def _collection(self, address: int) -> "dict[int, tuple[int, int]]":
        """Say where each entry of a collection lies, and how long it is."""
        source, step = self._source, 8 + self._source.lengths
        head = source.cursor(address, step)
        head.expect(b"GCOL", 1)
        head.take(3)
        stop, at = address + head.length(), address + step
        found: dict[int, tuple[int, int]] = {}
        while at + step <= stop:
            source.visit()
            entry = source.cursor(at, step)
            number, _ = entry.number(2), entry.take(6)
            size = entry.length()
            if not number:
                break
            found[number] = (at + step, size)
            at += step + size + -size % 8
        return found
