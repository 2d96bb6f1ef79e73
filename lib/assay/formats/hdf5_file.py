"""A walk through an HDF5 file: its tensors with their places, its attributes, and what leads out of it."""

from dataclasses import dataclass, field
from typing import Any

from assay.formats import hdf5_types
from assay.formats.hdf5_attributes import attributes
from assay.formats.hdf5_heaps import GlobalHeap, LocalHeap
from assay.formats.hdf5_links import GROUP, Link, links
from assay.formats.hdf5_objects import FILES, FILTERS, LAYOUT, SPACE, TYPE, Message, messages, resolved, superblock
from assay.formats.hdf5_source import Cursor, Source
from assay.formats.hdf5_types import CHUNKED, VIRTUAL, Kind

DEEPEST = 64  # groups inside groups
LONGEST = 4096  # of a path
OWN_FILTERS = 256  # numbers below are HDF5's own; others need a plug-in


@dataclass
class Dataset:
    """One tensor, or what else has elements."""

    names: list[str]
    kind: Kind
    shape: tuple[int, ...]
    at: int | None = None  # from the beginning of the HDF5 file
    why: str = ""  # why its numbers lie nowhere as they are
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def numbers(self) -> int:
        """Count the elements."""
        return hdf5_types.count(self.shape)

    @property
    def bytes(self) -> int:
        """Count the bytes that the elements take up as they are."""
        return self.numbers * self.kind.unit


@dataclass
class Found:
    """What an HDF5 file holds."""

    datasets: list[Dataset] = field(default_factory=list)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the groups, by path
    risks: list[str] = field(default_factory=list)
    hidden: int = 0  # attributes that are kept in a way that is not read here


class Walk:
    """One walk through one file; every object is looked at once, by whatever names it goes."""

    def __init__(self, source: Source) -> None:
        self.source, self.heap, self.found = source, GlobalHeap(source), Found()
        self._groups: dict[int, str] = {}
        self._datasets: dict[int, Dataset | None] = {}

    def read(self) -> Found:
        """Walk from the root, by name."""
        root, odd = superblock(self.source)
        self.found.risks += odd
        ahead = [("", root)]
        while ahead:
            ahead += reversed(self._object(*ahead.pop()))
        self.found.datasets.sort(key=lambda one: one.names[0])
        self._apart()
        return self.found

    def _apart(self) -> None:
        """Refuse numbers that lie on others'."""
        placed = sorted((one.at, one.bytes, one.names[0]) for one in self.found.datasets if one.at is not None)
        stop, before = 0, ""
        for at, size, name in placed:
            if size and at < stop:
                raise self.source.damaged(f"damaged: {named(name)} lies on the numbers of {named(before)}")
            stop, before = max(stop, at + size), name

    def _object(self, path: str, address: int) -> "list[tuple[str, int]]":
        """Look at one object; give a group's members."""
        self.source.visit()
        self.source.spend(len(path))
        if address in self._groups:
            self.found.risks.append(f"{named(path)} is {named(self._groups[address])} once more: not walked again")
            return []
        if address in self._datasets:
            again = self._datasets[address]
            if again is not None:
                again.names.append(path)
            return []
        found = messages(self.source, address)
        kinds = {message.kind for message in found}
        if kinds & GROUP:
            self._groups[address] = path
            return self._group(path, found)
        if not path or not kinds & {TYPE, SPACE, LAYOUT}:
            raise self.source.damaged(f"damaged: {named(path)} is neither a group nor a tensor")
        self._datasets[address] = None
        if LAYOUT in kinds:
            self._datasets[address] = self._dataset(path, found)
        return []

    def _group(self, path: str, found: "list[Message]") -> "list[tuple[str, int]]":
        self.found.attributes[path] = self._attributes(found)
        members, whole = links(self.source, found)
        if not whole:
            self.found.risks.append(f"{named(path)} keeps some of its members in a way that is not read here")
        inner = []
        for link in members:
            name = f"{path}/{link.name}" if path else link.name
            if len(name) > LONGEST or name.count("/") > DEEPEST:
                raise self.source.damaged("its groups are nested deeper than in any model", "")
            if link.address is not None:
                inner.append((name, link.address))
            else:
                self._elsewhere(name, link)
        return inner

    def _elsewhere(self, name: str, link: Link) -> None:
        where = f"to {link.leads}: not followed" if link.leads else "nowhere"
        self.found.risks.append(f"{named(name)} leads {where}")

    def _attributes(self, found: "list[Message]") -> "dict[str, Any]":
        values, unread = attributes(self.source, found, self.heap)
        self.found.hidden += unread
        return {name: value for name, value in values.items() if value is not None}

    # ------------------------------------------------------------ tensors
    def _dataset(self, path: str, found: "list[Message]") -> Dataset:
        by_kind = {message.kind: message for message in reversed(found)}
        if not {TYPE, SPACE} <= by_kind.keys():
            raise self.source.damaged(f"damaged: {named(path)} has no type or no shape")
        kind = hdf5_types.kind_of(self._inner(by_kind[TYPE]))
        shape = hdf5_types.shape_of(self._inner(by_kind[SPACE])) + kind.dims
        one = Dataset([path], kind, shape, attributes=self._attributes(found))
        self._place(one, by_kind)
        self.found.datasets.append(one)
        return one

    def _inner(self, message: Message) -> Cursor:
        message = resolved(self.source, message)
        return Cursor(self.source, message.body, message.at)

    def _place(self, one: Dataset, by_kind: "dict[int, Message]") -> None:
        """Find where the numbers lie; those that promise more than is there are damage."""
        layout = hdf5_types.layout_of(self.source, by_kind[LAYOUT])
        if FILES in by_kind:
            one.why = "in other files"
            self._outside(one, self._inner(by_kind[FILES]))
        elif layout.how == VIRTUAL:
            one.why = "put together from other tensors"
            self.found.risks.append(f"{named(one.names[0])} is put together from other tensors or files: not followed")
        elif layout.how == CHUNKED:
            one.why = self._packed(one, by_kind.get(FILTERS))
        elif layout.at is None:
            one.why = "never written"
        else:
            self._there(one, layout.at, layout.size)

    def _there(self, one: Dataset, at: int, size: int | None) -> None:
        wanted = one.bytes
        if (size is not None and size < wanted) or at + wanted > self.source.size:
            there = self.source.size - at if size is None or at + size > self.source.size else size
            raise self.source.damaged(f"damaged: {named(one.names[0])} needs {wanted} bytes, {max(0, there)} are there")
        one.at = at

    def _packed(self, one: Dataset, message: Message | None) -> str:
        filters = hdf5_types.filters_of(self.source, message) if message else []
        foreign = [number for number in filters if number >= OWN_FILTERS]
        if foreign:
            self.found.risks.append(
                f"{named(one.names[0])} is packed by filter {foreign[0]}, which needs a plug-in of its own"
            )
        return "compressed" if filters else "in chunks"

    def _outside(self, one: Dataset, cursor: Cursor) -> None:
        cursor.take(6)
        used, heap = cursor.number(2), cursor.address()
        names = LocalHeap(self.source, heap) if heap is not None and used else None
        file = names.name(cursor.length()) if names else "another file"
        self.found.risks.append(f"{named(one.names[0])} keeps its numbers in {file[:200]!r}: not followed")


def named(path: str) -> str:
    """Write a path on one line, and not too long a one."""
    return repr(path[:80] or "/")


def read(source: Source) -> Found:
    """Walk through a file."""
    return Walk(source).read()
