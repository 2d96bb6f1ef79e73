"""Draws labelled pictures of circles, squares and triangles; the same seed gives the same picture."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("circle", "square", "triangle")
PLAIN_SIZES = ((128, 128), (144, 112), (112, 144), (128, 96))
SCALE_SIZES = ((192, 128), (72, 104), (176, 96), (64, 64))
GRAIN_STEP = 6


def picture(seed, kind="plain", size=None):
    """Draw one picture; return it with its boxes as (label, [x1, y1, x2, y2]) in pixels.

    kind "plain" is what training sees, "noisy" has much stronger grain and specks,
    "scale" has other picture sizes and a wider range of shape sizes.
    size is (width, height); by default one of the kind's own sizes, chosen by the seed.
    """
    # RandomState, not Generator: numpy promises that its stream never changes.
    rng = np.random.RandomState(seed)
    sizes = SCALE_SIZES if kind == "scale" else PLAIN_SIZES
    drawn = sizes[rng.randint(len(sizes))]
    width, height = size or drawn
    background = _background(rng, width, height)
    image = Image.fromarray(background)
    boxes = _shapes(rng, image, background, kind)
    pixels = np.asarray(image, dtype=np.int16)
    levels = 4 if kind == "noisy" else rng.randint(0, 2)
    pixels = pixels + _grain(rng, height, width, levels)
    if kind == "noisy":
        specks = rng.uniform(size=(height, width))
        pixels[specks < 0.015] = 0
        pixels[specks > 0.985] = 255
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), boxes


def _background(rng, width, height):
    """A blotchy texture with a few faint strokes."""
    base = rng.randint(30, 226, size=3)
    blotches = base + rng.randint(-28, 29, size=(rng.randint(3, 8), rng.randint(3, 8), 3))
    image = Image.fromarray(np.clip(blotches, 0, 255).astype(np.uint8)).resize((width, height), Image.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(0, 5)):
        ends = [(rng.randint(width), rng.randint(height)) for _ in range(2)]
        pen.line(ends, fill=tuple(int(c) for c in np.clip(base + rng.randint(-40, 41, size=3), 0, 255)))
    return np.asarray(image)


def _grain(rng, height, width, levels):
    """Noise in blocks of 2 x 2 pixels and in coarse steps, so that a PNG of it stays small."""
    blocks = rng.randint(-levels, levels + 1, size=((height + 1) // 2, (width + 1) // 2, 3))
    return (blocks * GRAIN_STEP).repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


def _shapes(rng, image, background, kind):
    width, height = image.size
    short = min(width, height)
    low, high = (0.14, 0.62) if kind == "scale" else (0.16, 0.46)
    boxes = []
    for _ in range(rng.randint(1, 6)):
        for _attempt in range(20):
            label = CLASSES[rng.randint(len(CLASSES))]
            points = _outline(rng, label, short * rng.uniform(low, high) / 2)
            points += (rng.uniform(0, width), rng.uniform(0, height))
            box = [*points.min(axis=0), *points.max(axis=0)]
            if _inside(box, width, height) and not any(_crowded(box, other) for _, other in boxes):
                break
        else:
            continue
        _paint(image, points, _colour(rng, background, box))
        boxes.append((label, [round(float(v), 1) for v in box]))
    return boxes


def _outline(rng, label, radius):
    """Corner points around the origin; a circle is a polygon of many corners."""
    corners = {"circle": 48, "square": 4, "triangle": 3}[label]
    turn = rng.uniform(0, 2 * math.pi)
    angles = turn + np.arange(corners) * (2 * math.pi / corners)
    # A triangle or square of the same circumradius looks smaller than a circle.
    reach = radius * {"circle": 1.0, "square": 1.2, "triangle": 1.3}[label]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach


def _inside(box, width, height):
    return box[0] >= 1 and box[1] >= 1 and box[2] <= width - 1 and box[3] <= height - 1


def _crowded(a, b):
    """Whether the boxes share more than an eighth of the smaller one."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return wide > 0 and high > 0 and wide * high > smaller / 8


def _colour(rng, background, box):
    """A random colour that stands out from what lies behind it."""
    x1, y1, x2, y2 = (int(v) for v in box)
    behind = background[y1 : y2 + 1, x1 : x2 + 1].reshape(-1, 3).mean(axis=0)
    while True:
        colour = rng.randint(0, 256, size=3)
        if np.linalg.norm(colour - behind) >= 90:
            return tuple(int(c) for c in colour)


def _paint(image, points, colour):
    """Fill a polygon with smooth edges: drawn at four times the size, then averaged."""
    mask = Image.new("L", (image.width * 4, image.height * 4))
    ImageDraw.Draw(mask).polygon([(float(x) * 4, float(y) * 4) for x, y in points], fill=255)
    image.paste(colour, mask=mask.reduce(4))
