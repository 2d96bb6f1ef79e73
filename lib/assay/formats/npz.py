"""Numpy arrays by name, in a zip."""

from assay.formats.content import Content, unplaced
from assay.formats.given import Given
from assay.formats.npy import LONGEST, BadHeader, add, objects_in, read_header
from assay.formats.opening import read_at, shown
from assay.formats.pickle_content import MOST_INNER, Seen
from assay.formats.zips import Member

WHAT = "a numpy archive"
SUFFIXES = (".npz",)
NEEDS = "the code that knows what its arrays mean"
CARRIES = "pickles"


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    names = given.zip.members if given.zip else {}
    return f"zip of {len(names)} .npy members" if names and all(n.endswith(".npy") for n in names) else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content, seen = Content(), Seen()
    assert given.zip is not None
    for name, member in given.zip.members.items():
        try:
            _add(given, content, seen, member)
        except BadHeader as error:
            raise given.damaged(f"{shown(name)}: {error}") from None
    seen.judge(content)
    return content


def _add(given: Given, content: Content, seen: Seen, member: Member) -> None:
    assert given.zip is not None
    name = member.name.removesuffix(".npy")
    if member.packed:
        add_packed(content, name, given.zip.peek(member.name, LONGEST + 12), member.size)
    else:
        add(content, name, read_at(given.file, member.at, min(LONGEST, member.size)), member.at, member.size)
    if content.tensors[-1].dtype == "object":
        content.tensors[-1] = unplaced(content.tensors[-1])
        objects_in(given.zip.read(member.name, MOST_INNER), shown(member.name), seen, content)


def add_packed(content: Content, name: str, start: bytes, size: int) -> None:
    """Note an array that is compressed: its numbers lie nowhere as they are."""
    read_header(start)
    before = len(content.stretches)
    add(content, name, start, 0, size)
    content.tensors[-1] = unplaced(content.tensors[-1])
    if len(content.stretches) > before:
        content.stretches.pop()
        content.unread("compressed")
