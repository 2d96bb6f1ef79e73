"""Where the picture lies in the tensor and how it was resized: proposed, drawn, and compared with what came out."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from assay_worker import resampling, stimuli
from assay_worker.fit_colour import LUMA, Colour
from assay_worker.placing import Pair, Place, candidates

ROWS, COLUMNS = 32, 160  # of the tensor that are compared
TIES = 0.9
ALL_BUT = 0.985
OVERSHOOT = 0.12
LOOSE = 0.6  # how much of the noise an unfitting resizer still explains, where the place is right
TELLING = 3.0  # levels the noise must still swing by
CLOSE = 1.3  # levels: two roundings of bytes
APART = 2.6  # levels by which every other resizer must miss


class Match(NamedTuple):
    """One way of placing and resizing, and how many levels it misses by at most."""

    place: Place
    method: int
    off: float
    swing: float


def measured(plane: np.ndarray, colour: Colour) -> Tuple[Optional[Tuple[float, float]], str, str]:
    """Measure on the chart [C, H, W] the tensor pixels a picture's pixel, how it is turned, and what contradicts it."""
    levels = colour.levels(plane)
    if not np.isfinite(levels).all():
        return None, "", "the chart becomes NaN or infinite"
    inner = _middle(plane, colour)
    slopes = [_slopes(channel) for channel in levels[inner]]
    across, down = _ramps(colour)
    along_x = float(np.mean([slopes[c][0] for c in across[0]])) / across[1]
    along_y = float(np.mean([slopes[c][1] for c in down[0]])) / down[1]
    share = across[1] / down[1] if colour.mix else 9.0
    if not along_x or not along_y or _is_turned(slopes[across[0][0]], inner, share):
        return None, "turned, or its ramps are lost", ""
    size = stimuli.size("chart")
    span = stimuli.RAMP_HIGH - stimuli.RAMP_LOW
    step_x, step_y = span / (size[0] - 1) / along_x, span / (size[1] - 1) / along_y
    turn = " and ".join(word for word, step in (("mirrored", step_x), ("upside down", step_y)) if step < 0)
    return (abs(step_x), abs(step_y)), turn, ""


def _ramps(colour: Colour) -> Tuple[Tuple[List[int], float], Tuple[List[int], float]]:
    # which channels carry the ramp across and the one down, and what share of each
    if colour.mix:
        every = list(range(len(colour.letters)))
        return (every, LUMA[colour.mix][0]), (every, LUMA[colour.mix][1])
    red = [c for c, letter in enumerate(colour.letters) if letter == "R"]
    green = [c for c, letter in enumerate(colour.letters) if letter == "G"]
    return (red, 1.0), (green, 1.0)


def _is_turned(slopes: Tuple[float, float], inner: Tuple[slice, ...], share: float) -> bool:
    # share: how much steeper the ramp across shows in this channel than the one down
    across = abs(slopes[0]) * (inner[2].stop - inner[2].start)
    down = abs(slopes[1]) * (inner[1].stop - inner[1].start)
    return share != 1 and (across > down) == (share < 1)


def _middle(plane: np.ndarray, colour: Colour) -> Tuple[slice, ...]:
    """Give the middle of what is not padding."""
    inside = np.ones(plane.shape[1:], bool)
    if colour.pad is not None:
        scale = max(float(np.abs(plane).max()), 1e-12)
        inside = np.abs(plane - colour.pad[:, None, None]).max(0) > 1e-4 * scale
    spans = []
    for seen in (inside.mean(1) > 0.02, inside.mean(0) > 0.02):
        at = np.flatnonzero(seen) if seen.any() else np.arange(len(seen))
        quarter = (at[-1] - at[0] + 1) // 4
        spans.append(slice(int(at[0] + quarter), int(at[-1] - quarter) + 1))
    return (slice(None), *spans)


def _slopes(patch: np.ndarray) -> Tuple[float, float]:
    height, width = patch.shape
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
    return float((patch * x).sum() / max((x * x).sum() * height, 1e-9)), float(
        (patch.T * y).sum() / max((y * y).sum() * width, 1e-9)
    )


def bent(plane: np.ndarray, colour: Colour, scale: Tuple[float, float]) -> str:
    """Say how the middle of the chart is not what one factor and offset make of ramps; nothing when it is."""
    levels = colour.levels(plane)
    patch = levels[_middle(plane, colour)]
    size = stimuli.size("chart")
    slack = (stimuli.RAMP_HIGH - stimuli.RAMP_LOW) * max(1 / size[0] / scale[0], 1 / size[1] / scale[1])
    for channel, letter in zip(patch, colour.letters):
        across, down = _slopes(channel)
        x, y = np.arange(channel.shape[1]), np.arange(channel.shape[0])
        flat = channel - across * (x - x.mean()) - down * (y - y.mean())[:, None]
        if np.abs(flat - flat.mean()).max() > 1.6 + 1.2 * slack:
            return "the chart's ramps do not come out straight"
        if letter == "B" and abs(flat.mean() - stimuli.CHART_BLUE) > 1.6:
            return "what fits the pictures of one colour does not fit the chart"
    return ""


def stretched(planes: Dict[str, np.ndarray], colour: Colour) -> str:
    """Say which picture comes out with levels far beyond its own; nothing when none does."""
    for name in ("chart", "noise"):
        if name not in planes:
            continue
        step = max(min(planes[name].shape[1:]) // 300, 1)
        seen, made = colour.levels(planes[name][:, ::step, ::step]), colour.expected(stimuli.pixels(name)[::3, ::3])
        for channel, own in zip(seen, made):
            corners = channel[::-1, ::-1][:: channel.shape[0] - 1, :: channel.shape[1] - 1].reshape(-1)
            inside = channel[np.abs(channel[None] - corners[:, None, None]).min(0) > 1e-3]  # padding lies in a corner
            low, high = np.quantile(inside, (0.002, 0.998)) if inside.size else (own.min(), own.max())
            slack = OVERSHOOT * float(np.ptp(own)) if name == "noise" else 4.0
            if low < own.min() - slack or high > own.max() + slack:
                return "what fits the pictures of one colour does not fit the " + name
    return ""


def carried_over(scale: Tuple[float, float], chart_out: Pair, out: Pair) -> List[Tuple[float, float]]:
    """Say which scales the noise would have, if the chart's came from one side, from both, or from a crop."""
    chart, noise = stimuli.size("chart"), stimuli.size("noise")
    short = min(chart) * (scale[0] + scale[1]) / 2 / min(noise)
    crop = scale[0] * min(chart[0] / chart_out[0], chart[1] / chart_out[1])
    cropped = crop / min(noise[0] / out[0], noise[1] / out[1])
    return [(short, short), (scale[0] * chart[0] / noise[0], scale[1] * chart[1] / noise[1]), (cropped, cropped)]


def on_chart(plane: np.ndarray, colour: Colour, places: Sequence[Place]) -> List[Place]:
    """Keep the places under which the chart's ramps lie where they were seen."""
    levels = colour.levels(plane)
    size, out = stimuli.size("chart"), (plane.shape[2], plane.shape[1])
    kept = [place for place in places if _ramps_fit(levels, colour, place, size, out)]
    whole = any(place.mode != "crop" for place in kept)
    # what leaves out a pixel or two is told from the whole by nothing on the chart
    return [p for p in kept if not whole or p.mode != "crop" or min(p.shown(size, out)) < ALL_BUT]


def _ramps_fit(levels: np.ndarray, colour: Colour, place: Place, size: Pair, out: Pair) -> bool:
    x, y = place.source(out)
    low, span = stimuli.RAMP_LOW, stimuli.RAMP_HIGH - stimuli.RAMP_LOW
    with np.errstate(invalid="ignore"):
        inside_x, inside_y = (x > 1) & (x < size[0] - 2), (y > 1) & (y < size[1] - 2)
    if inside_x.sum() < 3 or inside_y.sum() < 3:
        return False
    inside_x, inside_y = _thinned(inside_x), _thinned(inside_y)
    red = np.broadcast_to(low + span * x[inside_x] / (size[0] - 1), (len(inside_y), len(inside_x)))
    green = np.broadcast_to((low + span * y[inside_y] / (size[1] - 1))[:, None], red.shape)
    picture = np.stack([red, green, np.full(red.shape, float(stimuli.CHART_BLUE))], 2)
    expected = colour.expected(picture)
    seen = levels[:, inside_y][:, :, inside_x]
    # a nearest neighbour is off by up to half a tensor's pixel
    slack = max((place.box[2] - place.box[0]) / place.resized[0] / size[0],
                (place.box[3] - place.box[1]) / place.resized[1] / size[1]) * span  # fmt: skip
    return bool(np.abs(seen - expected).max() <= 1.6 + 1.2 * slack)


def _thinned(inside: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(inside)
    kept: np.ndarray = at[:: max(len(at) // COLUMNS, 1)]
    return kept


def proposals(name: str, out: Pair, scale: Optional[Tuple[float, float]]) -> List[Place]:
    """Propose places for a stimulus."""
    # the noise may happen to need no padding; the chart's size is such that it shows it
    return candidates(stimuli.size(name), out, scale, exact_fit=name == "noise")


class Comparison:
    """The noise in the tensor, against the noise as any resizer would leave it."""

    def __init__(self, plane: np.ndarray, colour: Colour, cache: resampling.Cache) -> None:
        self.colour, self.cache = colour, cache
        self.free = not colour.affine or not len(colour.gain)
        self.plane = plane if self.free else colour.levels(plane)
        self.out = (plane.shape[2], plane.shape[1])
        self.picture = stimuli.pixels("noise").astype(np.float32)

    def try_one(self, place: Place, method: int) -> Optional[Match]:
        """Draw the noise in this way and compare; nothing when the way does not exist."""
        drawn, rows, columns = self._drawn(place, method)
        if drawn is None or not len(rows) or not len(columns) or np.isnan(drawn).any():
            return None
        seen = self.plane[:, rows][:, :, columns]
        expected = self.colour.expected(drawn)
        if self.free:
            expected, seen = _levelled(expected, seen)
        missed = np.abs(seen - expected)
        # where a nearest pixel is a tie, libraries take either
        rows_may_tie = resampling.METHODS[method].value == "nearest"
        off = float(np.quantile(missed, TIES) if rows_may_tie else missed.max())
        return Match(place, method, off, float(expected.std(axis=(1, 2)).min()))

    def explained(self, place: Place) -> float:
        """Give the best correlation with the noise as some resizers would leave it, worst channel first."""
        return max(self._alike(place, method) for method in resampling.ROUGHLY)

    def _alike(self, place: Place, method: int) -> float:
        drawn, rows, columns = self._drawn(place, method)
        if drawn is None or len(rows) < 2 or len(columns) < 2:
            return 0.0
        seen, expected = self.plane[:, rows][:, :, columns], self.colour.expected(drawn)
        both = zip(seen.reshape(len(seen), -1), expected.reshape(len(expected), -1))
        with np.errstate(all="ignore"):
            return float(min(np.nan_to_num(np.corrcoef(a, b)[0, 1]) for a, b in both))

    def _drawn(self, place: Place, method: int) -> Tuple[Any, np.ndarray, np.ndarray]:
        x, y = place.source(self.out)
        size = stimuli.size("noise")
        x0, y0, x1, y1 = place.box
        wide = 4.0 * max((x1 - x0) / place.resized[0], (y1 - y0) / place.resized[1], 1.0)
        edge = wide if x0 < 0 or y0 < 0 or x1 > size[0] or y1 > size[1] else 0.0  # no padding may shine in
        with np.errstate(invalid="ignore"):
            columns = np.flatnonzero((x > edge) & (x < size[0] - 1 - edge))
            rows = np.flatnonzero((y > edge) & (y < size[1] - 1 - edge))
        if not len(rows) or not len(columns):
            return None, rows, columns
        rows, columns = rows[:: max(len(rows) // ROWS, 1)], columns[:: max(len(columns) // COLUMNS, 1)]
        down = self._axis(method, y0, y1, size[1], place.resized[1], rows + place.top)
        across = self._axis(method, x0, x1, size[0], place.resized[0], columns + place.left)
        half = down.along(self.picture)
        return across.along(half.swapaxes(0, 1)).swapaxes(0, 1), rows, columns

    def _axis(self, method: int, low: int, high: int, length: int, resized: int, index: np.ndarray) -> resampling.Bands:
        if high - low == resized:
            made = resampling.Bands(index[:, None], np.ones((len(index), 1), np.float32))
        else:
            made = self.cache.bands(method, high - low, resized, index)
        # what a box reaches beyond the picture counts for nothing; only pixels well inside are compared
        return resampling.Bands(np.clip(made.at + low, 0, length - 1), made.weights)


def _levelled(expected: np.ndarray, seen: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    # each channel may have its own unknown factor and offset: bring what was seen to the drawn one's scale
    back = np.empty_like(expected)
    for c in range(len(seen)):
        a, b = seen[c] - seen[c].mean(), expected[c] - expected[c].mean()
        gain = float((a * b).sum() / max(float((b * b).sum()), 1e-12))
        back[c] = a / gain + expected[c].mean() if abs(gain) > 1e-12 else 0
    return expected, back


def exact(found: Sequence[Match]) -> List[Match]:
    """Keep the ways that reproduce the noise to rounding."""
    return [m for m in found if m.swing >= TELLING and m.off <= CLOSE]


def words(found: Sequence[Match]) -> Dict[str, List[str]]:
    """List for each word for a resizer the conventions that were tried with success."""
    told: Dict[str, List[str]] = {}
    for match in found:
        method = resampling.METHODS[match.method]
        told.setdefault(method.value, [])
        if method.whose not in told[method.value]:
            told[method.value].append(method.whose)
    return told
