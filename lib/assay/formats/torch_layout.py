"""Tensors put into their places: each must lie within numbers that are really there."""

from assay.errors import WrongInput
from assay.formats.content import Content, countable, full_name, product
from assay.formats.opening import shown
from assay.formats.places import look
from assay.formats.torch_objects import QUANTISED, TensorRef, strides, width
from assay.formats.torch_state import Found
from assay.records import Weight

Spans = dict[bool, dict[tuple[str, int, int, str], list[str]]]  # by byte order, then by file, place, length and type


class Misplaced(Exception):
    """A tensor claims numbers that are not there."""


def lay_out(found: Found, content: Content) -> None:
    """Write down every tensor of a checkpoint: its place, what it shares, where its numbers can be looked at."""
    content.wrapper += found.wrapper
    content.leftovers.update(found.leftovers)
    by_place: dict[tuple[object, ...], list[str]] = {}
    spans: Spans = {}
    for part, name, tensor in found.weights:
        weight = _weight(part, name, tensor)
        content.tensors.append(weight)
        _note(tensor, full_name(weight), content)
        for one in tensor.parts or [tensor]:
            _check(one, name)
            if one.storage is not None and one.storage.numbers and weight.parameters:
                by_place.setdefault(_place(one), []).append(full_name(weight))
                _spanned(one, weight, spans, content)
    content.shared += [names for names in by_place.values() if len(names) > 1]
    for big, places in spans.items():
        look(content, places, big=big, views=True)


def _note(tensor: TensorRef, name: str, content: Content) -> None:
    """Say what is special about how a tensor is kept."""
    if tensor.note.startswith(QUANTISED):
        content.quantised.append(f"{shown(name)}: {tensor.note}")
    elif tensor.parts:
        content.risks.append(f"{shown(name)} is kept as a {tensor.note} tensor")
    elif tensor.note:
        content.unread(tensor.note)


def _weight(part: str, name: str, tensor: TensorRef) -> Weight:
    if not countable(tensor.shape):
        raise Misplaced(f"tensor {shown(name)} has the shape {list(tensor.shape)}")
    plain, parameters = strides(tensor.shape), product(tensor.shape)
    rows = parameters <= 1 or not tensor.stride or _same_order(tensor.shape, tensor.stride, plain)
    at = None
    if tensor.storage is not None and tensor.storage.at is not None and width(tensor.dtype):
        at = tensor.storage.at + tensor.offset * width(tensor.dtype)
    return Weight(
        name=name,
        dtype=tensor.dtype,
        shape=list(tensor.shape),
        parameters=parameters,
        bytes=parameters * width(tensor.dtype),
        at=at,
        stride=[] if rows else list(tensor.stride),
        big=tensor.storage is not None and not tensor.storage.little,
        part=part,
    )


def _same_order(shape: "tuple[int, ...]", stride: "tuple[int, ...]", plain: "tuple[int, ...]") -> bool:
    """Tell whether numbers lie row by row; how far apart one entry lies from no other says nothing."""
    return all(size == 1 or have == want for size, have, want in zip(shape, stride, plain))


def _check(tensor: TensorRef, name: str) -> None:
    storage, size = tensor.storage, width(tensor.dtype)
    if storage is None:
        return
    promised = storage.numbers * width(storage.dtype)
    if promised and storage.bytes != promised:
        what = (
            f"tensor {shown(name)}: storage {shown(storage.key)} promises {promised} bytes, {storage.bytes} are there"
        )
        raise Misplaced(what)
    if tensor.offset < 0 or any(step < 0 for step in tensor.stride):
        raise Misplaced(f"tensor {shown(name)} begins at {tensor.offset} with the strides {list(tensor.stride)}")
    if 0 in tensor.shape:
        return
    end = (tensor.offset + _reach(tensor)) * size
    if end > promised:
        raise Misplaced(f"tensor {shown(name)} reaches to byte {end} of a storage of {promised}")


def _place(tensor: TensorRef) -> "tuple[object, ...]":
    """Name the numbers that a tensor lies on: two tensors with one place are the same numbers."""
    storage = tensor.storage
    assert storage is not None
    own = storage.key or id(storage)
    if _reach(tensor) == product(tensor.shape):  # whatever its shape, it has all numbers of this stretch
        return own, tensor.offset, tensor.dtype, product(tensor.shape)
    return own, tensor.offset, tensor.dtype, tensor.shape, tensor.stride


def _reach(tensor: TensorRef) -> int:
    """Count the numbers from a tensor's first to its last."""
    return 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride))


def _spanned(tensor: TensorRef, weight: Weight, spans: Spans, content: Content) -> None:
    """Note the bytes that a tensor lies on; one that lies scattered is looked at from its first number to its last."""
    storage, size = tensor.storage, width(tensor.dtype)
    assert storage is not None
    if storage.at is None or not size:
        content.unread(f"of the type {tensor.dtype}" if not size else "packed: they do not lie in the file as they are")
        return
    start, length = storage.at + tensor.offset * size, _reach(tensor) * size
    if _reach(tensor) != weight.parameters:
        content.scattered.add(full_name(weight))
    by_place = spans.setdefault(not storage.little, {})
    by_place.setdefault(("", start, length, tensor.dtype), []).append(full_name(weight))


def misplaced(where: str, error: Misplaced) -> WrongInput:
    """Say that a tensor claims what is not there."""
    return WrongInput(f"damaged: {error}", where=where, mend="fetch it again, or save it again")
