"""A bare pickle: one or several, of whatever was put into it; a joblib file is one with arrays in between."""

import io
import pickletools

from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.pickle_content import Seen, find_weights, raise_if_bare, read_objects
from assay.formats.pickle_machine import Window
from assay.formats.torch_objects import TorchSense

WHAT = "a bare pickle"
SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
NEEDS = "whatever its classes need"
CARRIES = "pickles"
# Many a file's first bytes pass for a pickle's, so its name must say so too: by one of the above, or one of these.
ALSO_NAMED = (".p", ".bin", ".th", ".tar", ".sav", ".model", ".pdparams", ".pdopt")
SAY_SO = (".pkl", ".pickle", ".joblib")  # of these a few opcodes are enough
MOST_STREAMS = 64


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    head = given.head
    count, stopped = _opcodes(head)
    if head[:1] == b"\x80":
        return f"pickle protocol {head[1]}" if head[1:2] <= b"\x05" and count > 1 else ""
    named = given.suffix in SAY_SO and count > 3
    enough = count > 2 if stopped else (named or count > 200) and given.size > len(head)
    return "pickle opcodes, protocol 0 or 1" if enough else ""


def look(given: Given) -> Content:
    """Read every pickle of the file."""
    content, seen = Content(), Seen()
    window, found, sense = Window(given.file, 0, given.size), [], TorchSense(given.file)
    for turn in range(MOST_STREAMS):
        before = window.at
        further = Content() if turn else content
        found.append(read_objects(window, TorchSense(given.file) if turn else sense, seen, "", further))
        if further.damaged and turn:
            content.trust.append(f"{given.size - before} bytes follow its last pickle, which cannot be read as one")
        if further.damaged or not window.left:
            break
    else:
        content.trust.append(f"more than {MOST_STREAMS} pickles follow one another: the rest were not looked into")
    seen.judge(content)
    raise_if_bare(given, content)
    if not content.damaged:
        if any(storage.at is None and not storage.bytes for storage in sense.storages.values()):
            raise given.damaged("its numbers lie in the torch archive that it was taken from", "name that archive")
        find_weights(given, found[0], content)
    if len(found) > 1 and not content.damaged:
        content.risks.append(f"{len(found)} pickles follow one another: a loader may read only the first")
    return content


def _opcodes(head: bytes) -> "tuple[int, bool]":
    """Count the pickle opcodes at the start, and say whether they came to an end."""
    count = 0
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
            count += 1
            if opcode.name == "STOP":
                return count, True
    except Exception:  # pickletools raises what it likes on bytes that are no pickle
        pass
    return count, False
