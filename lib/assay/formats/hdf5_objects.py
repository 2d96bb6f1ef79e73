"""An HDF5 file's superblock, and the headers of its objects: lists of messages, wherever they were continued."""

from typing import NamedTuple

from assay.formats.hdf5_source import Cursor, Source

MAGIC = b"\x89HDF\r\n\x1a\n"
NEW = b"OHDR"  # what a header of version 2 begins with; older ones have no sign
SUPERBLOCK = 128  # bytes; the longest is shorter
SPACE, LINK_INFO, TYPE, LINK, FILES, LAYOUT, FILTERS, ATTRIBUTE = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08, 0x0B, 0x0C
CONTINUATION, SYMBOLS, ATTRIBUTE_INFO, LAST_KNOWN = 0x10, 0x11, 0x15, 0x18
SHARED, MUST_BE_KNOWN = 0x02, 0x80  # flags of a message
UNSAVED = "it was not closed by the program that wrote it: some of it may be missing"


class Message(NamedTuple):
    """One message of an object's header."""

    kind: int
    flags: int
    body: bytes
    at: int  # where its body lies


def superblock(source: Source) -> "tuple[int, list[str]]":
    """Read the superblock: where the root group lies, and what is odd."""
    head = source.cursor(0, min(SUPERBLOCK, source.size))
    if not head.data.startswith(MAGIC):
        raise source.damaged("is no HDF5 file")
    head.take(8)
    version = head.number(1)
    if version > 3:
        raise source.damaged(f"is HDF5 of version {version}, which is newer than any known here (3)", "")
    head.take(4 if version < 2 else 0)
    source.offsets, source.lengths = head.number(1), head.number(1)
    if not {source.offsets, source.lengths} <= {2, 4, 8}:
        raise source.damaged(f"damaged: addresses of {source.offsets} bytes, lengths of {source.lengths}")
    return _old(head, version) if version < 2 else _new(head)


def _old(head: Cursor, version: int) -> "tuple[int, list[str]]":
    head.take(9 if version == 0 else 13)
    base, _, end, _ = (head.address() for _ in range(4))
    head.take(head.source.offsets)
    return _root(head, base, end), []


def _new(head: Cursor) -> "tuple[int, list[str]]":
    source, flags = head.source, head.number(1)
    base, _, end = (head.address() for _ in range(3))
    root = _root(head, base, end)
    source.checked(0, head.at + 4)
    return root, [UNSAVED] if flags & 5 else []


def _root(head: Cursor, base: int | None, end: int | None) -> int:
    """Take the root's address, after a look at where the file says that it ends."""
    source = head.source
    if base != 0:
        raise source.damaged(f"damaged: its addresses count from byte {base}")
    if end is None or end > source.size:
        raise source.damaged(f"truncated: {end} bytes promised, {source.size} there")
    source.size = end
    root = head.address()
    if root is None:
        raise source.damaged("damaged: it has no root group")
    return root


# ---------------------------------------------------------------- object headers
def messages(source: Source, address: int) -> "list[Message]":
    """Read the messages of an object, in the order in which they stand."""
    new = source.read(address, 4) == NEW
    block, extra = _new_block(source, address) if new else (_old_block(source, address), 3)
    found: list[Message] = []
    ahead, seen = _take(block, new, extra, found), {address}
    for at, length in ahead:  # which grows while it is walked
        if at in seen:
            raise source.damaged(f"damaged: the header at byte {address} goes on in a circle")
        seen.add(at)
        if new:
            block = Cursor(source, source.checked(at, length), at)
            block.expect(b"OCHK")
        else:
            block = source.cursor(at, length)
        ahead += _take(block, new, extra, found)
    return found


def _old_block(source: Source, address: int) -> Cursor:
    head = source.cursor(address, 12)
    if head.number(1) != 1:
        raise source.damaged(f"damaged: no object header at byte {address}")
    head.take(7)
    return source.cursor(address + 16, head.number(4))


def _new_block(source: Source, address: int) -> "tuple[Cursor, int]":
    """Read a header of version 2, and how many bytes each message has before its body that say nothing here."""
    head = source.cursor(address, min(34, source.size - address))
    head.expect(NEW, 2)
    flags = head.number(1)
    head.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = head.number(1 << (flags & 3))
    block = Cursor(source, source.checked(address, head.at + size + 4), address)
    block.take(head.at)
    return block, 2 if flags & 4 else 0


def _take(block: Cursor, new: bool, extra: int, found: "list[Message]") -> "list[tuple[int, int]]":
    """Take the messages of one block, and where the header goes on."""
    ahead = []
    narrow = 1 if new else 2
    while block.left >= narrow + 3 + extra:
        kind, size, flags = block.number(narrow), block.number(2), block.number(1)
        block.take(extra)
        at = block.base + block.at
        block.source.visit()
        body = block.take(size)
        if kind == CONTINUATION:
            ahead.append(_place(Cursor(block.source, body, at)))
        elif kind > LAST_KNOWN and flags & MUST_BE_KNOWN:
            raise block.source.damaged(f"needs a reader that knows messages of kind {kind}", "")
        elif kind:
            found.append(Message(kind, flags, body, at))
    return ahead


def _place(inner: Cursor) -> "tuple[int, int]":
    place = inner.address()
    if place is None:
        raise inner.source.damaged(f"damaged: the header at byte {inner.base} goes on nowhere")
    return place, inner.length()


def resolved(source: Source, message: Message) -> Message:
    """Give the message itself where one only says which other object it is kept in."""
    if not message.flags & SHARED:
        return message
    link = Cursor(source, message.body, message.at)
    version, kind = link.number(1), link.number(1)
    if version not in (1, 2, 3) or (version == 3 and kind != 2):
        raise source.damaged(
            f"keeps what describes a tensor (at byte {message.at}) in a heap, which is not read here", ""
        )
    link.take(6 if version == 1 else 0)
    place = link.address()
    found = [m for m in messages(source, place) if m.kind == message.kind] if place is not None else []
    if not found or found[0].flags & SHARED:
        raise source.damaged(f"damaged: what byte {message.at} shares is not there")
    return found[0]
