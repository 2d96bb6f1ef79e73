"""Tensors put into their places: each must lie within numbers that are really there."""

from assay.errors import WrongInput
from assay.formats.content import Content, Stretch, full_name
from assay.formats.opening import shown
from assay.formats.torch_objects import Storage, TensorRef, strides, width
from assay.formats.torch_state import Found
from assay.records import Weight

MOST_NUMBERS = 1 << 62


class Misplaced(Exception):
    """A tensor claims numbers that are not there."""


def lay_out(found: Found, content: Content) -> None:
    """Write down every tensor of a checkpoint: its place, what it shares, where its numbers can be looked at."""
    content.wrapper += found.wrapper
    content.leftovers.update(found.leftovers)
    by_place: dict[tuple[object, ...], list[str]] = {}
    for part, name, tensor in found.weights:
        weight = _weight(part, name, tensor)
        content.tensors.append(weight)
        if tensor.note:
            content.quantised.append(f"{shown(full_name(weight))}: {tensor.note}")
        for one in tensor.parts or [tensor]:
            _check(one, name)
            if one.storage is not None and one.storage.numbers and weight.parameters:
                by_place.setdefault(_place(one), []).append(full_name(weight))
                _look_at(one, weight, content)
    content.shared += [names for names in by_place.values() if len(names) > 1]


def _weight(part: str, name: str, tensor: TensorRef) -> Weight:
    parameters = 1
    for size in tensor.shape:
        parameters *= size
    if any(size < 0 for size in tensor.shape) or parameters > MOST_NUMBERS:
        raise Misplaced(f"tensor {shown(name)} has the shape {list(tensor.shape)}")
    plain = strides(tensor.shape)
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
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride))
    if size and (last + 1) * size > promised:
        raise Misplaced(f"tensor {shown(name)} reaches to byte {(last + 1) * size} of a storage of {promised}")


def _place(tensor: TensorRef) -> "tuple[object, ...]":
    """Name the numbers that a tensor lies on: two tensors with one place are the same numbers."""
    storage = tensor.storage
    assert storage is not None
    own = storage.key or id(storage)
    return own, tensor.offset, tensor.dtype, tensor.shape, tensor.stride


def _look_at(tensor: TensorRef, weight: Weight, content: Content) -> None:
    """Note where the numbers of a tensor can be looked at; tensors that lie scattered are looked at as one stretch."""
    storage, size = tensor.storage, width(tensor.dtype)
    assert storage is not None
    if storage.at is None or not size:
        content.unread(f"of the type {tensor.dtype}" if not size else "packed: they do not lie in the file as they are")
        return
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride))
    start, length = storage.at + tensor.offset * size, (last + 1 - tensor.offset) * size
    for known in content.stretches[-1:]:
        if (known.at, known.bytes, known.dtype) == (start, length, tensor.dtype):
            known.names.append(full_name(weight))
            return
    content.stretches.append(Stretch("", start, length, tensor.dtype, [full_name(weight)], little=storage.little))


def misplaced(where: str, error: Misplaced) -> WrongInput:
    """Say that a tensor claims what is not there."""
    return WrongInput(f"damaged: {error}", where=where, mend="fetch it again, or save it again")


__all__ = ["Misplaced", "Storage", "lay_out", "misplaced"]
