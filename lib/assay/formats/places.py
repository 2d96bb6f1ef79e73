"""Where tensors lie: which of them share their numbers, and which bytes can be looked at, none of them twice."""

from collections.abc import Iterable

from assay.formats.content import Content, Stretch, full_name
from assay.formats.given import Given
from assay.formats.onnx_external import Outside
from assay.formats.onnx_tensor import Stored
from assay.formats.torch_objects import width
from assay.formats.wire import Wire
from assay.records import Weight

TWIN = "on the bytes of a tensor of another type"
OVERLAP = "on some of the bytes that other tensors lie on"
BYTES = 2  # ONNX's number for plain bytes


class Beside:
    """Files beside a checkpoint that hold its numbers, under the rules that ONNX's external data have."""

    def __init__(self, given: Given) -> None:
        self._outside = Outside(Wire(given.file, given.where), given.path)

    def names(self) -> "list[str]":
        """List the files."""
        return self._outside.names()

    def check(self, tensor: str, location: str, offset: int, length: int) -> None:
        """Refuse numbers that cannot be where the checkpoint says."""
        place = {"location": location, "offset": str(offset), "length": str(length)}
        self._outside.check(Stored(name=tensor[:80], type=BYTES, dims=[length], external=place, outside=True))


def lay_out(content: Content, weights: Iterable[Weight]) -> None:
    """Write tensors down: what they share, and where their numbers can be looked at."""
    places: dict[tuple[str, int, int, str], list[str]] = {}
    for weight in weights:
        content.tensors.append(weight)
        if weight.at is not None and weight.bytes:
            places.setdefault((weight.file, weight.at, weight.bytes, weight.dtype), []).append(full_name(weight))
    content.shared += [names for names in places.values() if len(names) > 1]
    look(content, places)


def look(
    content: Content, places: "dict[tuple[str, int, int, str], list[str]]", *, big: bool = False, views: bool = False
) -> None:
    """Note which bytes can be looked at: by file, place, length and type, and the tensors that lie there."""
    again = 0  # bytes looked at once more, where tensors may be views of one another: no more than there are
    ends: dict[str, int] = {}
    taken: set[tuple[str, int, int]] = set()
    overlapping = 0
    for (file, at, size, dtype), names in sorted(places.items(), key=_look_first):
        if (file, at, size) in taken:
            content.unread(TWIN, len(names))
        elif at < ends.get(file, 0) and not (views and again + size <= ends[file]):
            overlapping += len(names)
        elif width(dtype):
            again += size * (at < ends.get(file, 0))
            content.stretches.append(Stretch(file, at, size, dtype, names, big=big))
        else:
            content.unread(f"{dtype} does not fill whole bytes", len(names))
        taken.add((file, at, size))
        ends[file] = max(ends.get(file, 0), at + size)
    if overlapping:
        content.unread(OVERLAP, overlapping)
        content.risks.append(f"{overlapping} of its tensors lie {OVERLAP}")


def _look_first(placed: "tuple[tuple[str, int, int, str], list[str]]") -> "tuple[str, int, int, bool, str]":
    """Sort by place; of several types on one place, take one whose numbers can be looked at."""
    file, at, size, dtype = placed[0]
    return file, at, size, not width(dtype), dtype
