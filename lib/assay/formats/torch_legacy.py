"""torch.save of before 1.6: five pickles in a row, then each storage's count and numbers."""

import struct
from typing import Any

from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.opening import shown
from assay.formats.pickle_content import Seen, find_weights, raise_if_bare, read_objects
from assay.formats.pickle_machine import Machine, Window
from assay.formats.pickle_values import Blob, Located, Malformed, Pairs
from assay.formats.torch_layout import Misplaced, misplaced
from assay.formats.torch_objects import Storage, TorchSense, width

WHAT = "a torch file of before 1.6"
SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")
NEEDS = "torch, and the class from its source"
CARRIES = "pickles"
MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
NUMBER = int.from_bytes(MAGIC[2:], "little")
SYSTEM, OBJECTS, KEYS = 2, 3, 4  # which pickle of the five says what


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    starts = given.head[:1] == b"\x80" and MAGIC in given.head[:40]
    return "torch's magic number as the first pickle" if starts else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content, seen = Content(), Seen()
    window, sense = Window(given.file, 0, given.size), TorchSense(given.file)
    read: list[Any] = []
    while len(read) <= KEYS and not content.damaged:
        read.append(read_objects(window, sense, seen, "", content))
    seen.judge(content)
    raise_if_bare(given, content)
    if content.damaged:
        return content
    if isinstance(read[SYSTEM], Pairs) and read[SYSTEM].get("little_endian") is False:
        raise given.damaged("was saved on a big-endian machine", "save it again in today's format")
    try:
        place(sense, read[KEYS], window)
    except Misplaced as error:
        raise misplaced(given.where, error) from None
    except Malformed as fault:
        raise given.damaged(fault.what) from None
    if window.left:
        content.trust.append(f"{window.left} bytes follow its last number, which were not looked into")
    find_weights(given, read[OBJECTS], content)
    return content


def place(sense: TorchSense, keys: Any, window: Window) -> None:
    """Give every storage its place: they follow in the order of the last pickle, each behind its count."""
    roots = [key for key, storage in sense.storages.items() if not storage.view_of[0]]
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(roots):
        raise Misplaced("the storages listed are not those that its tensors lie on")
    for key in map(str, keys):
        storage = sense.storages[key]
        (count,) = struct.unpack("<q", window.take(8))
        if count != storage.numbers:
            raise Misplaced(f"storage {shown(key)} promises {storage.numbers} numbers, {count} are there")
        storage.at, storage.bytes = (None if window.in_memory else window.at), count * width(storage.dtype)
        window.skip(storage.bytes)
    for storage in sense.storages.values():
        root = sense.storages.get(storage.view_of[0])
        if root is not None:
            _place_view(storage, root)


def _place_view(view: Storage, root: Storage) -> None:
    start, size = view.view_of[1], width(view.dtype)
    if start < 0 or view.numbers < 0 or start + view.numbers > root.numbers:
        raise Misplaced(f"storage {shown(view.key)} reaches beyond the one it is a part of")
    view.at, view.bytes = None if root.at is None else root.at + start * size, view.numbers * size


def read_inside(sense: TorchSense, data: Any) -> Any:
    """Read a file of this kind that lies as bytes inside a pickle; None when it cannot be read."""
    if isinstance(data, (Blob, Located)) and data.at is not None and sense.file is not None:
        length = data.length if isinstance(data, Blob) else len(data)
        window = Window(sense.file, data.at, data.at + length)
    elif isinstance(data, bytes):
        window = Window(data)
    else:
        return None
    inner = TorchSense(sense.file, depth=sense.depth + 1, budget=sense.budget)
    machine = Machine(window, inner)
    sense.inside.append(machine)
    try:
        read = [machine.read() for _ in range(KEYS + 1)]
        place(inner, read[KEYS], window)
    except (Malformed, Misplaced):
        return None
    # torch takes what begins in any other way for a zip, or a tar: another file than the one that was read.
    whole = read[0] == NUMBER and isinstance(read[SYSTEM], Pairs) and not window.left
    return read[OBJECTS] if whole else None
