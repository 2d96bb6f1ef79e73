"""The usual ways to bring a picture of one size to another: where each pixel of the tensor lies in the picture."""

from __future__ import annotations

from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

Pair = Tuple[int, int]


class Place(NamedTuple):
    """A box of the picture (it may reach beyond), resized, then moved: output x is the resized one's x + left."""

    mode: str  # squash, letterbox, crop, short-side, none
    how: str
    box: Tuple[int, int, int, int]
    resized: Pair
    left: int
    top: int

    def source(self, out: Pair) -> Tuple[np.ndarray, np.ndarray]:
        """Give for each column and row of the tensor its coordinate in the picture; NaN where nothing was put."""
        x0, y0, x1, y1 = self.box
        return (
            _line(out[0], self.left, self.resized[0], x0, x1),
            _line(out[1], self.top, self.resized[1], y0, y1),
        )

    def shown(self, size: Pair, out: Pair) -> Tuple[float, float]:
        """Give the shares of the picture's width and height that are in the tensor."""
        x, y = self.source(out)
        with np.errstate(invalid="ignore"):
            inside = [((x >= 0) & (x < size[0])).sum(), ((y >= 0) & (y < size[1])).sum()]
        return (
            inside[0] * (self.box[2] - self.box[0]) / self.resized[0] / size[0],
            inside[1] * (self.box[3] - self.box[1]) / self.resized[1] / size[1],
        )

    def keeps_pixels(self) -> bool:
        """Tell whether pixels pass as they are."""
        return self.resized == (self.box[2] - self.box[0], self.box[3] - self.box[1])


def _line(length: int, shift: int, resized: int, low: int, high: int) -> np.ndarray:
    at = np.arange(length) + shift
    found = low + (at + 0.5) * (high - low) / resized - 0.5
    return np.where((at >= 0) & (at < resized), found, np.nan)


def candidates(size: Pair, out: Pair, scale: Optional[Tuple[float, float]], exact_fit: bool) -> List[Place]:
    """Propose places for a picture of a size in a tensor of a size; scale is the measured tensor pixels a pixel.

    With exact_fit a letterbox may come out without a border.
    """
    makers: List[Callable[[Pair, Pair, Optional[Tuple[float, float]]], Iterator[Place]]] = [
        _plain, _letterbox, _padded_first, _native, _short_then_crop, _squash_then_crop, _crop_first,
    ]  # fmt: skip
    found: List[Place] = []
    for maker in makers:
        for place in maker(size, out, scale):
            spare = max(out[0] - place.resized[0], out[1] - place.resized[1])
            bare = place.mode == "letterbox" and spare <= 1 and place.box == _whole(size)
            if min(place.resized) > 0 and place not in found and (exact_fit or not bare):
                found.append(place)
    return found


def _whole(size: Pair) -> Tuple[int, int, int, int]:
    return (0, 0, size[0], size[1])


def _plain(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    if out == size:
        yield Place("none", "", _whole(size), size, 0, 0)
    else:
        yield Place("squash", "", _whole(size), out, 0, 0)


def _letterbox(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    ratio = min(out[0] / size[0], out[1] / size[1])
    for to_integer in (round, int):
        resized = (max(to_integer(size[0] * ratio), 1), max(to_integer(size[1] * ratio), 1))
        free = (out[0] - resized[0], out[1] - resized[1])
        if resized == size:
            continue
        for left, top in sorted({(free[0] // 2, free[1] // 2), (-(-free[0] // 2), -(-free[1] // 2))}):
            yield Place("letterbox", "centre", _whole(size), resized, -left, -top)
        yield Place("letterbox", "top left", _whole(size), resized, 0, 0)


def _padded_first(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    if size[0] == size[1] or out[0] != out[1]:
        return
    side = max(size)
    free = (side - size[0], side - size[1])
    for left, top in sorted({(free[0] // 2, free[1] // 2), (-(-free[0] // 2), -(-free[1] // 2))}):
        yield Place("letterbox", "centre", (-left, -top, side - left, side - top), out, 0, 0)
    yield Place("letterbox", "top left", (0, 0, side, side), out, 0, 0)


def _native(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    if out == size:
        return
    spare = (size[0] - out[0], size[1] - out[1])
    inside, around = min(spare) >= 0, max(spare) <= 0
    if not inside and not around:
        return
    corners = sorted({(spare[0] // 2, spare[1] // 2), (-(-spare[0] // 2), -(-spare[1] // 2))})
    for mode, how in (("crop", "not resized"),) if inside else (("none", "padded"), ("letterbox", "never enlarged")):
        for left, top in corners:
            yield Place(mode, "centre, " + how, _whole(size), size, left, top)
        yield Place(mode, "top left, " + how, _whole(size), size, 0, 0)


def _short_then_crop(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    short = min(size)
    if scale is not None and abs(scale[0] / scale[1] - 1) > 0.03:
        return
    if scale is None:
        sides = {max(out), 256, round(max(out) / 0.875), round(max(out) / 0.95), round(max(out) / 0.9)}
    else:
        measured = short * (scale[0] + scale[1]) / 2
        sides = {int(measured) + k for k in (-1, 0, 1, 2)}
    for side in sorted(sides):
        for to_integer in (int, round):
            resized = (to_integer(size[0] * side / short), to_integer(size[1] * side / short))
            if resized[0] < out[0] or resized[1] < out[1] or resized in (size, out):
                continue
            for left, top in _centres(resized, out):
                yield Place("crop", "short side %d, centre" % side, _whole(size), resized, left, top)


def _squash_then_crop(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    if scale is None:
        wide = [(s, s) for s in (256, round(max(out) / 0.875))]
    else:
        around = [[int(size[k] * scale[k]) + d for d in (0, 1)] for k in (0, 1)]
        wide = [(a, b) for a in around[0] for b in around[1] if a == b or out[0] != out[1]]
    for resized in wide:
        if resized[0] >= out[0] and resized[1] >= out[1] and resized != out and resized != size:
            for left, top in _centres(resized, out):
                how = "squash to %d x %d, centre" % resized
                yield Place("crop", how, _whole(size), resized, left, top)


def _crop_first(size: Pair, out: Pair, scale: Optional[Tuple[float, float]]) -> Iterator[Place]:
    ratio = min(size[0] / out[0], size[1] / out[1])
    shares = [1.0] if scale is None else [1.0, round(1 / (scale[0] * ratio), 3)]
    for share in shares:
        for to_integer in (int, round):
            box = (to_integer(out[0] * ratio * share), to_integer(out[1] * ratio * share))
            if box in (size, out) or box[0] > size[0] or box[1] > size[1]:
                continue
            for left, top in _centres(size, box):
                how = "centre, then resized" if share == 1.0 else "centre part of about %.2f, then resized" % share
                yield Place("crop", how, (left, top, left + box[0], top + box[1]), out, 0, 0)


def _centres(inner: Pair, out: Pair) -> List[Pair]:
    spare = (inner[0] - out[0], inner[1] - out[1])
    return sorted({(spare[0] // 2, spare[1] // 2), (round(spare[0] / 2), round(spare[1] / 2)),
                   (-(-spare[0] // 2), -(-spare[1] // 2))})  # fmt: skip


def size_rules(seen: List[Tuple[Pair, Pair]]) -> List[str]:
    """List the rules that give every tensor's size from its picture's; more than one may."""
    if all(size == out for size, out in seen):
        return ["native"]
    if len({size for size, _ in seen}) < 3:
        return []
    found = _limited(seen)
    for multiple in (1, 2, 4, 8, 16, 32, 64, 128):
        for side, pick in (("", min), ("short side", min), ("long side", max)):
            lengths = sorted({pick(out) for _, out in seen} if side else {0})
            for length in lengths if len(lengths) == 1 else []:
                found += _matching(seen, side, length, pick, multiple)
    return found


def _limited(seen: List[Tuple[Pair, Pair]]) -> List[str]:
    """Find a short side that a greatest long side overrules: the one needs two pictures, the other one."""
    shorts = [min(out) for _, out in seen]
    short = max(set(shorts), key=shorts.count)
    over = {max(out) for _, out in seen if min(out) != short}
    if shorts.count(short) < 2 or len(over) != 1:
        return []
    most = over.pop()
    for _, rounding in ROUNDINGS:
        ratios = [min(short / min(size), most / max(size)) for size, _ in seen]
        made = [(int(rounding(s[0] * r)), int(rounding(s[1] * r))) for (s, _), r in zip(seen, ratios)]
        if made == [out for _, out in seen]:
            # whether rounding took off a pixel is not to be seen
            return ["short side %d, long side at most %d" % (short, limit) for limit in (most, most + 1)]
    return []


ROUNDINGS: List[Tuple[str, Callable[[float], float]]] = [
    ("down", lambda v: float(np.floor(v + 1e-9))),
    ("up", lambda v: float(np.ceil(v - 1e-9))),
    ("to the nearest", lambda v: float(np.floor(v + 0.5))),
]


def _matching(
    seen: List[Tuple[Pair, Pair]], side: str, length: int, pick: Callable[[Pair], int], multiple: int
) -> List[str]:
    whole = {}
    for word, rounding in ROUNDINGS:

        def made(size: Pair, rounding: Callable[[float], float] = rounding) -> Pair:
            ratio = length / pick(size) if side else 1.0
            return (int(rounding(size[0] * ratio / multiple)) * multiple,
                    int(rounding(size[1] * ratio / multiple)) * multiple)  # fmt: skip

        if all(made(size) == out for size, out in seen):
            whole[word] = made
    if not whole:
        return []
    head = "%s %d" % (side, length) if side else "native"
    if multiple == 1:
        return [head]
    return ["%s, multiple of %d, rounded %s" % (head, multiple, word) for word in whole]
