"""Files that somebody appended to a TensorFlow Lite model, as a zip behind it: labels, vocabularies."""

import io
import struct

from assay import files
from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.opening import shown
from assay.formats.zips import END, Zip
from assay.records import Document

TAIL = 65_557  # bytes in which the end of a zip lies
ENTRY, MEMBER = b"PK\x01\x02", b"PK\x03\x04"
GAP = 64  # bytes between the model and the files, and the first of the files' own
MOST_DIRECTORY = 1 << 20
MOST_ZIP = 16 << 20
MOST_FILE = 8 << 20
MOST_FILES = 64
MOST_LABELS = 100_000


def read(given: Given, end: int, content: Content) -> None:
    """Note the files behind a model that ends there, and the labels when one of them holds some."""
    found = _directory(given)
    if found is None:
        if given.read(end, min(GAP, given.size - end)).lstrip(b"\0").startswith(MEMBER):
            raise given.damaged("truncated: the files appended to it end too early")
        return
    start = _first(given, *found)
    if given.size - start > MOST_ZIP or found[1] > MOST_DIRECTORY:
        content.risks.append(f"the files appended to it ({given.size - start} bytes) are more than is looked at")
        return
    archive = Zip(io.BytesIO(given.read(start, given.size - start)), given.size - start, given.where, start)
    members = {name: member for name, member in sorted(archive.members.items()) if not name.endswith("/")}
    labels = min((n for n in members if _labelled(n)), key=lambda name: (len(name), name), default="")
    room = MOST_ZIP
    for i, (name, member) in enumerate(members.items()):
        room -= member.size
        if i >= MOST_FILES or member.size > MOST_FILE or room < 0:
            content.risks.append(f"the appended file {shown(name)} ({member.size} bytes) is not looked at")
            break
        data = archive.read(name, MOST_FILE)
        content.embedded.append(Document(path=name, bytes=member.size, sha256=files.bytes_sha256(data), embedded=True))
        if name == labels:
            content.labels = _lines(data)


def _directory(given: Given) -> "tuple[int, int, int] | None":
    """Give where the zip's directory lies, its length, and where the zip itself says that it lies."""
    tail = given.read(max(0, given.size - TAIL), min(TAIL, given.size))
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < 22:
        return None
    length, says, comment = struct.unpack("<IIH", tail[at + 12 : at + 22])
    place = given.size - (len(tail) - at) - length
    if comment != len(tail) - at - 22 or place < 0 or given.read(place, min(4, given.size - place)) != ENTRY:
        return None  # numbers that look like it
    return place, length, says


def _first(given: Given, place: int, length: int, says: int) -> int:
    """Find where the first member begins: places count from the zip's start, or from the file's."""
    if length > MOST_DIRECTORY:
        return 0
    entries, at, first = given.read(place, length), 0, place
    while at < length:
        if entries[at : at + 4] != ENTRY or length - at < 46:
            raise given.damaged("damaged: the files appended to it cannot be listed")
        first = min(first, int.from_bytes(entries[at + 42 : at + 46], "little") + place - says)
        at += 46 + sum(struct.unpack("<HHH", entries[at + 28 : at + 34]))
    if first < 0:
        raise given.damaged("damaged: the files appended to it begin before it")
    return first


def _labelled(name: str) -> bool:
    return name.lower().endswith(".txt") and "label" in name.lower()


def _lines(data: bytes) -> "list[str]":
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines[:MOST_LABELS]
