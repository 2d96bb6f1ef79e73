"""An HDF5 group's members: by an old group's tree and heap, by messages of their own, or by a heap of such."""

from typing import NamedTuple

from assay.formats.hdf5_dense import FractalHeap, records
from assay.formats.hdf5_heaps import LocalHeap
from assay.formats.hdf5_objects import LINK, LINK_INFO, SYMBOLS, Message
from assay.formats.hdf5_source import Cursor, Source, text_of

LONGEST = 4096  # of a name
HARD, SOFT, EXTERNAL = 0, 1, 64
GROUP = {LINK_INFO, LINK, SYMBOLS}


class Link(NamedTuple):
    """One member of a group: an object of this file, or words that lead elsewhere."""

    name: str
    address: int | None
    leads: str = ""  # where to, when it is no object of this file


def links(source: Source, found: "list[Message]") -> "tuple[list[Link], bool]":
    """Read a group's members by name, and tell whether these are all."""
    members: list[Link] = []
    whole = True
    for message in found:
        cursor = Cursor(source, message.body, message.at)
        if message.kind == SYMBOLS:
            members += _old(cursor)
        elif message.kind == LINK:
            members.append(_link(cursor))
        elif message.kind == LINK_INFO:
            more, all_of_them = _dense(cursor)
            members, whole = members + more, whole and all_of_them
    members.sort(key=lambda link: link.name)
    for i, link in enumerate(members):
        if not link.name or "/" in link.name or len(link.name) > LONGEST or link.name == ".":
            raise source.damaged(f"damaged: a member is called {link.name[:80]!r}")
        if i and members[i - 1].name == link.name:
            raise source.damaged(f"holds {link.name[:80]!r} twice: readers differ on which one counts")
    return members, whole


# ---------------------------------------------------------------- old groups
def _old(cursor: Cursor) -> "list[Link]":
    source, tree, heap = cursor.source, cursor.address(), cursor.address()
    if tree is None or heap is None:
        return []
    names, members = LocalHeap(source, heap), []
    ahead: list[tuple[int, int | None]] = [(tree, None)]
    seen = {tree}
    while ahead:
        address, level = ahead.pop()
        if level == -1:
            members += _symbols(source, address, names)
            continue
        for child, below in _children(source, address, level):
            if child in seen:
                raise source.damaged(f"damaged: the tree at byte {tree} holds byte {child} twice")
            seen.add(child)
            ahead.append((child, below))
    return members


def _children(source: Source, address: int, level: int | None) -> "list[tuple[int, int]]":
    """Read a node of a B-tree: its children, and their level; -1 is that of the members themselves."""
    head = source.cursor(address, 8 + 2 * source.offsets)
    head.expect(b"TREE", 0)
    own, used = head.number(1), head.number(2)
    if level is not None and own != level:
        raise source.damaged(f"damaged: a node of level {own} at byte {address}, where one of level {level} belongs")
    source.visit(used)
    body = source.cursor(address + len(head.data), used * (source.offsets + source.lengths))
    found = []
    for _ in range(used):
        body.take(source.lengths)
        child = body.address()
        if child is not None:
            found.append((child, own - 1))
    return found


def _symbols(source: Source, address: int, names: LocalHeap) -> "list[Link]":
    head = source.cursor(address, 8)
    head.expect(b"SNOD", 1)
    head.take(1)
    number, step = head.number(2), 2 * source.offsets + 24
    source.visit(number)
    body = source.cursor(address + 8, number * step)
    found = []
    for _ in range(number):
        name, place, kind = body.number(source.offsets), body.address(), body.number(4)
        body.take(4)
        scratch = body.take(16)
        if kind == 2:
            leads = names.name(int.from_bytes(scratch[:4], "little"))
            found.append(Link(names.name(name), None, f"{leads[:80]!r} of this file"))
        else:
            found.append(Link(names.name(name), place))
    return found


# ---------------------------------------------------------------- newer groups
def _link(cursor: Cursor) -> Link:
    source = cursor.source
    source.visit()
    cursor.expect(b"", 1)
    flags = cursor.number(1)
    kind = cursor.number(1) if flags & 8 else HARD
    cursor.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = text_of(cursor.take(cursor.number(1 << (flags & 3))))
    if kind == HARD:
        return Link(name, cursor.address())
    leads = cursor.take(cursor.number(2))
    if kind == SOFT:
        return Link(name, None, f"{text_of(leads[:80])!r} of this file")
    if kind == EXTERNAL:
        file, _, inner = leads[1:].partition(b"\0")
        inner = inner.rstrip(b"\0")
        return Link(name, None, f"{text_of(inner[:80])!r} of another file, {text_of(file[:200])!r}")
    return Link(name, None, f"something in a way of its own (kind {kind})")


def _dense(cursor: Cursor) -> "tuple[list[Link], bool]":
    source = cursor.source
    cursor.expect(b"", 0)
    cursor.take(8 if cursor.number(1) & 1 else 0)
    heap, tree = cursor.address(), cursor.address()
    if heap is None or tree is None:
        return [], True
    store, found, whole = FractalHeap(source, heap), [], True
    for record in records(source, tree):
        entry = store.read(record[4:])
        if entry is None:
            whole = False
        else:
            found.append(_link(Cursor(source, entry, heap)))
    return found, whole
