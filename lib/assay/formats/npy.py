"""A numpy array in a file of its own."""

import ast
import re

from assay.formats.content import Content, Stretch, countable, product, unplaced
from assay.formats.given import Given
from assay.formats.numpy_type import NumpyType
from assay.formats.pickle_content import Seen, read_objects
from assay.formats.pickle_machine import Window
from assay.formats.torch_objects import TorchSense, strides, width
from assay.records import Weight

WHAT = "a numpy array"
SUFFIXES = (".npy",)
NEEDS = "the code that knows what the array means"
CARRIES = "pickles"
MAGIC = b"\x93NUMPY"
LONGEST = 1 << 16  # of a header
LONG = re.compile(r"(\d)L\b")  # whole numbers as Python 2 wrote them


class BadHeader(Exception):
    """The bytes are no whole header of an array."""


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    return "magic bytes '\\x93NUMPY'" if given.head.startswith(MAGIC) else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content, seen = Content(), Seen()
    try:
        add(content, "array", given.head + given.read(len(given.head), min(LONGEST, given.size - len(given.head))),
            0, given.size)  # fmt: skip
    except BadHeader as error:
        raise given.damaged(str(error)) from None
    if content.tensors[0].dtype == "object":
        start = content.tensors[0].at or 0
        content.tensors[0] = unplaced(content.tensors[0])
        read_objects(Window(given.file, start, given.size), TorchSense(given.file), seen, "", content)
    seen.judge(content)
    return content


def add(content: Content, name: str, start: bytes, at: int, size: int) -> None:
    """Note an array whose first bytes are given, and which has so many bytes from a place on."""
    kind, shape, fortran, header = read_header(start)
    parameters, wide, number = product(shape), kind.width, width(kind.name)
    if wide and size - header < parameters * wide:
        raise BadHeader(f"truncated: {parameters * wide} bytes of numbers promised, {max(0, size - header)} there")
    stride = list(strides(shape, True)) if fortran and len(shape) > 1 else []
    content.tensors.append(
        Weight(
            name=name,
            dtype=kind.name,
            shape=list(shape),
            parameters=parameters,
            bytes=parameters * wide,
            at=at + header,
            big=not kind.little,
            stride=stride,
        )
    )
    if number and parameters:
        content.stretches.append(Stretch("", at + header, parameters * wide, kind.name, [name], big=not kind.little))
    elif not number:
        content.unread(f"of the type {kind.name}, which is no number")


def read_header(start: bytes) -> "tuple[NumpyType, tuple[int, ...], bool, int]":
    """Read type, shape, order and where the numbers begin."""
    if start[:6] != MAGIC or len(start) < 12:
        raise BadHeader("truncated: no whole header of a numpy array")
    wide = start[6] >= 2
    length = int.from_bytes(start[8 : 12 if wide else 10], "little")
    at = (12 if wide else 10) + length
    if length > LONGEST or at > len(start):
        raise BadHeader(f"truncated: a header of {length} bytes promised")
    try:
        found = ast.literal_eval(LONG.sub(r"\1", start[at - length : at].decode("latin-1").strip()))
        shape, fortran, descr = found["shape"], found["fortran_order"], found["descr"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise BadHeader("damaged: its header cannot be read") from None
    whole = isinstance(shape, tuple) and all(type(n) is int for n in shape) and countable(shape)
    if not whole or not isinstance(fortran, bool):
        raise BadHeader(f"damaged: its header gives the shape {_told(shape)!r}")
    return _kind(descr), shape, fortran, at


def _told(shape: object) -> str:
    try:
        return str(shape)[:80]
    except ValueError:  # more digits than Python writes
        return "of a number too long to be told"


def _kind(descr: object) -> NumpyType:
    if not isinstance(descr, str):
        return NumpyType("O" if _holds_objects(descr) else "V")
    kind = NumpyType(descr.lstrip("<>|="))
    kind.little = not descr.startswith(">")
    return kind


def _holds_objects(descr: object) -> bool:
    """Tell whether a type made of fields, or of smaller arrays, may hold objects."""
    if isinstance(descr, str):
        return NumpyType(descr.lstrip("<>|=")).objects
    if isinstance(descr, tuple) and descr:
        return _holds_objects(descr[0])
    if isinstance(descr, list):
        return any(not isinstance(f, tuple) or len(f) < 2 or _holds_objects(f[1]) for f in descr)
    return True


def objects_in(data: bytes, where: str, seen: Seen, content: Content) -> None:
    """Read the pickle that an array of objects is."""
    try:
        kind, _, _, at = read_header(data)
    except BadHeader:
        return
    if kind.name == "object":
        read_objects(Window(data, at), TorchSense(), seen, where, content)
