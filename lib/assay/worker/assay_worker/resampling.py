"""What the usual resizers do along one axis, as weights of source pixels; no two libraries mean the same by a name."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Tuple

import numpy as np


class Method(NamedTuple):
    """One way of resizing: the word for it, whether shrinking averages, and who does it so."""

    value: str
    antialias: bool
    whose: str
    weights: Callable[[int, int, np.ndarray], np.ndarray]


def _nearest(shift: float) -> Callable[[int, int, np.ndarray], np.ndarray]:
    def weights(n_in: int, n_out: int, index: np.ndarray) -> np.ndarray:
        at = np.clip(np.floor((index + shift) * (n_in / n_out) + 1e-9), 0, n_in - 1).astype(int)
        return np.eye(n_in)[at]

    return weights


def _smooth(kernel: Callable[[np.ndarray], np.ndarray], radius: float) -> Callable[[int, int, np.ndarray], np.ndarray]:
    def weights(n_in: int, n_out: int, index: np.ndarray) -> np.ndarray:
        # as Pillow does it: the kernel widens with the scale, and what is cut at an edge is made up for
        scale = n_in / n_out
        wide = max(scale, 1.0)
        centre = (index + 0.5) * scale
        low = np.maximum(np.trunc(centre - radius * wide + 0.5), 0)
        high = np.minimum(np.trunc(centre + radius * wide + 0.5), n_in)
        at = np.arange(n_in)[None, :]
        found = kernel((at - centre[:, None] + 0.5) / wide)
        found = np.where((at >= low[:, None]) & (at < high[:, None]), found, 0.0)
        return found / found.sum(1, keepdims=True)

    return weights


def _taps(
    kernel: Callable[[np.ndarray], np.ndarray], reach: int, corners: bool = False
) -> Callable[[int, int, np.ndarray], np.ndarray]:
    def weights(n_in: int, n_out: int, index: np.ndarray) -> np.ndarray:
        # as OpenCV and torch do it: the same few neighbours at any scale, the edge repeated
        if corners:
            centre = index * ((n_in - 1) / max(n_out - 1, 1))
        else:
            centre = (index + 0.5) * (n_in / n_out) - 0.5
        base = np.floor(centre).astype(int)
        found = np.zeros((len(index), n_in))
        offsets = range(1 - reach, reach + 1)
        parts = np.stack([kernel(centre - (base + k)) for k in offsets])
        parts = parts / parts.sum(0)
        for part, k in zip(parts, offsets):
            np.add.at(found, (np.arange(len(index)), np.clip(base + k, 0, n_in - 1)), part)
        return found

    return weights


def _area(n_in: int, n_out: int, index: np.ndarray) -> np.ndarray:
    scale = n_in / n_out
    if scale < 1:  # OpenCV then does something else
        return np.full((len(index), n_in), np.nan)
    low, high = (index * scale)[:, None], ((index + 1) * scale)[:, None]
    at = np.arange(n_in)[None, :]
    return np.clip(np.minimum(high, at + 1) - np.maximum(low, at), 0, None) / scale


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.clip(1 - np.abs(x), 0, None)


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    def kernel(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * (x**3 - 5 * x**2 + 8 * x - 4)
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    return kernel


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    def kernel(x: np.ndarray) -> np.ndarray:
        return np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0.0)

    return kernel


def _box(x: np.ndarray) -> np.ndarray:
    return ((x > -0.5) & (x <= 0.5)).astype(float)


def _hamming(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0.0)


METHODS: List[Method] = [
    Method("nearest", False, "cv2, torch", _nearest(0.0)),
    Method("nearest", False, "PIL", _nearest(0.5)),
    Method("bilinear", False, "cv2, torch", _taps(_triangle, 1)),
    Method("bilinear", False, "torch, align_corners", _taps(_triangle, 1, corners=True)),
    Method("bilinear", True, "PIL", _smooth(_triangle, 1.0)),
    Method("bicubic", False, "cv2, torch", _taps(_cubic(-0.75), 2)),
    Method("bicubic", True, "PIL", _smooth(_cubic(-0.5), 2.0)),
    Method("area", True, "cv2", _area),
    Method("box", True, "PIL", _smooth(_box, 0.5)),
    Method("hamming", True, "PIL", _smooth(_hamming, 1.0)),
    Method("lanczos", True, "PIL", _smooth(_lanczos(3), 3.0)),
    Method("lanczos4", False, "cv2", _taps(_lanczos(4), 4)),
]
SMOOTH = 4  # in METHODS
ROUGHLY = (0, 1, 2, SMOOTH)  # one of these is near enough to any other to tell where a picture was put


class Bands(NamedTuple):
    """For each output pixel a run of source pixels and their weights."""

    at: np.ndarray
    weights: np.ndarray

    def along(self, x: np.ndarray) -> np.ndarray:
        """Mix the first axis of an array."""
        mixed: np.ndarray = np.einsum("nk,nk...->n...", self.weights, x[self.at])
        return mixed


def bands(dense: np.ndarray) -> Bands:
    """Leave out of weights the zeros around each row's run."""
    used = dense != 0
    first = used.argmax(1)
    taps = int((dense.shape[1] - used[:, ::-1].argmax(1) - first).max()) if len(dense) else 1
    start = np.minimum(first, dense.shape[1] - taps)
    at = start[:, None] + np.arange(taps)[None, :]
    return Bands(at, np.take_along_axis(dense, at, 1).astype(np.float32))


class Cache:
    """Weights made once; the same axis is asked for again and again."""

    def __init__(self) -> None:
        self.made: Dict[Tuple[int, int, int, bytes], Bands] = {}

    def bands(self, number: int, n_in: int, n_out: int, index: np.ndarray) -> Bands:
        """Give the weights of one of METHODS, with only the source pixels that count."""
        key = (number, n_in, n_out, index.tobytes())
        if key not in self.made:
            self.made[key] = bands(METHODS[number].weights(n_in, n_out, index))
        return self.made[key]
