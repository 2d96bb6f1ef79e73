"""How many pixels are cut off a picture's sides before it is resized: read off the chart's ramps."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Tuple

import numpy as np

from assay_worker import stimuli
from assay_worker.fit_colour import LUMA, Colour
from assay_worker.placing import Pair, Place

SPAN = stimuli.RAMP_HIGH - stimuli.RAMP_LOW
MOST = 0.35  # share of a side that may be cut off
NEAR, GREY = 0.6, 1.2  # pixels by which a ramp's place may be misread; a grey one's is flat and rounded the more
KEPT = 60
REST = "the rest, after "


class Margins(NamedTuple):
    """Pixels that are cut off at each side."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, size: Pair, out: Pair) -> Place:
        """Give the place of a picture of that size whose rest is resized as a whole."""
        box = (self.left, self.top, size[0] - self.right, size[1] - self.bottom)
        return Place("squash", self.told(), box, out, 0, 0)

    def told(self) -> str:
        """Say what is cut off."""
        sides = zip(self, ("left", "top", "right", "bottom"))
        return REST + "%s are cut off" % ", ".join("%d px %s" % (n, side) for n, side in sides if n)


def places(chart: np.ndarray, colour: Colour) -> List[Place]:
    """Propose for the noise what the chart's ramps say of pixels that are cut off."""
    out = (chart.shape[2], chart.shape[1])
    return [m.of(stimuli.size("noise"), out) for m in margins(chart, colour)]


def margins(plane: np.ndarray, colour: Colour) -> List[Margins]:
    """Propose what is cut off the chart [C, H, W], the likeliest first; nothing where its ramps do not say so."""
    levels = colour.levels(plane)
    if not np.isfinite(levels).all():
        return []
    size, out = stimuli.size("chart"), (plane.shape[2], plane.shape[1])
    fits = [_flat(channel) for channel in levels]
    found = _of_grey(fits[0], LUMA[colour.mix], size, out) if colour.mix else _of_colours(fits, colour, size, out)
    ranked = sorted((off, m) for off, m in found if min(m) >= 0 and any(m) and _modest(m, size))
    return [m for _, m in ranked[:KEPT]]


def _modest(m: Margins, size: Pair) -> bool:
    return (m.left + m.right) <= MOST * size[0] and (m.top + m.bottom) <= MOST * size[1]


Flat = Tuple[float, float, float]


def _flat(channel: np.ndarray) -> Flat:
    """Fit level = start + across * x + down * y, with x and y counted from the outer edge of the first pixel."""
    height, width = channel.shape
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    terms = np.stack([np.ones(channel.size), x.ravel(), y.ravel()], 1)
    start, across, down = np.linalg.lstsq(terms, channel.ravel(), rcond=None)[0]
    return float(start), float(across), float(down)


def _of_colours(fits: List[Flat], colour: Colour, size: Pair, out: Pair) -> Iterator[Tuple[float, Margins]]:
    """Read left and right off red, top and bottom off green."""
    if not {"R", "G"} <= set(colour.letters):
        return
    red, green = fits[colour.letters.index("R")], fits[colour.letters.index("G")]
    across = _ends(red[0], red[1], size[0], out[0])
    down = _ends(green[0], green[2], size[1], out[1])
    for left, right, off_x in across:
        for top, bottom, off_y in down:
            yield off_x + off_y, Margins(left, top, right, bottom)


def _ends(start: float, slope: float, length: int, out: int) -> List[Tuple[int, int, float]]:
    """Give what is cut off at both ends of an axis, and how far beside whole pixels that was measured."""
    step = SPAN / (length - 1)
    first = (start - stimuli.RAMP_LOW) / step + 0.5
    last = first + slope * out / step
    near = [(a, b) for a in _around(first) for b in _around(length - last)]
    return [(a, b, abs(first - a) + abs(length - last - b)) for a, b in near]


def _around(measured: float, near: float = NEAR) -> List[int]:
    whole = round(measured)
    return [n for n in (whole - 1, whole, whole + 1) if abs(n - measured) <= near]


def _of_grey(fit: Flat, shares: Tuple[float, float, float], size: Pair, out: Pair) -> Iterator[Tuple[float, Margins]]:
    """Read it off a mix of all three: how much is cut off, and for both axes at once where the rest begins."""
    steps = [share * SPAN / (length - 1) for share, length in zip(shares, size)]
    constant = (shares[0] + shares[1]) * stimuli.RAMP_LOW + shares[2] * stimuli.CHART_BLUE
    cut = [size[k] - fit[k + 1] * out[k] / steps[k] for k in (0, 1)]
    for wide in _around(cut[0], GREY):
        for high in _around(cut[1], GREY):
            for left in range(max(wide, 0) + 1):
                # start = constant + steps[0] * (left - 0.5) + steps[1] * (top - 0.5)
                top = (fit[0] - constant - steps[0] * (left - 0.5)) / steps[1] + 0.5
                off = abs(top - round(top)) + abs(cut[0] - wide) + abs(cut[1] - high)
                yield off, Margins(left, round(top), wide - left, high - round(top))
