"""The synthetic pictures, sounds and files that tell what preprocessing does; the same bytes everywhere."""

from __future__ import annotations

import functools
import os
import struct
import wave
import zlib
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

ODD, LANDSCAPE, PORTRAIT = (401, 307), (642, 322), (510, 692)  # width, height: multiples of nothing usual
RAMP_LOW, RAMP_HIGH, CHART_BLUE = 16, 240, 64
# of the noise: fine, middle, coarse; together far from 0 and 255, so that no resizer's overshoot is clipped
GRAINS = ((1, 20, 3), (4, 20, 3), (17, 28, 1))  # pixels, swing, channels (one: the same in all, so that grey keeps it)

# name, size, colour; in order of usefulness
PICTURES: List[Tuple[str, Tuple[int, int]]] = [
    ("chart", ODD),
    ("noise", PORTRAIT),
    ("red", LANDSCAPE),
    ("blue", ODD),
    ("green", PORTRAIT),
    ("black", LANDSCAPE),
    ("mixed", PORTRAIT),
]
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0), "mixed": (200, 120, 40)}

# name, rate, channels, samples
SOUNDS: List[Tuple[str, int, int, int]] = [
    ("noise16", 16000, 1, 20011),
    ("ramp44", 44100, 2, 110250),
    ("ramp8", 8000, 1, 12000),
    ("silence16", 16000, 1, 24000),
]
RAMP_ENDS = {"ramp44": (-0.75, 0.45), "ramp8": (-0.3, 0.66)}
RIGHT = -0.5  # the right channel of a stereo ramp is this many times the left one

FILES = ["long", "short", "spaced", "values", "empty"]


ONLY: List[Tuple[int, int]] = []  # the one size that every picture has, where others are refused


class Stimulus(NamedTuple):
    """One input file: what it is called, where it lies, and what kind of thing it holds."""

    name: str
    file: str
    kind: str


def make(kind: str, folder: str, suffix: str = "") -> List[Stimulus]:
    """Write the inputs of a kind (image, audio, bytes) into a folder, the most useful first.

    A script that looks for another ending gets it by suffix; the content stays PNG, WAV or bytes.
    """
    ending = suffix or {"image": ".png", "audio": ".wav", "bytes": ".bin"}[kind]
    os.makedirs(folder, exist_ok=True)
    made = []
    for name in names(kind):
        file = os.path.join(folder, name + ending)
        with open(file, "wb") as f:
            f.write(_content(kind, name))
        made.append(Stimulus(name, file, kind))
    return made


def names(kind: str) -> List[str]:
    """Name the inputs of a kind, the most useful first."""
    if kind == "image":
        return [name for name, _ in PICTURES]
    return [name for name, *_ in SOUNDS] if kind == "audio" else list(FILES)


def size(name: str) -> Tuple[int, int]:
    """Give a picture's width and height."""
    return ONLY[0] if ONLY else dict(PICTURES)[name]


def of_size(wanted: Optional[Tuple[int, int]]) -> None:
    """Give every picture one size from now on, or each its own again."""
    ONLY[:] = [wanted] if wanted else []
    pixels.cache_clear()


def rate(name: str) -> int:
    """Give a sound's samples a second."""
    return {sound: hertz for sound, hertz, _, _ in SOUNDS}[name]


@functools.lru_cache(maxsize=None)
def pixels(name: str) -> np.ndarray:
    """Give a picture as rows of RGB bytes, made once and read only."""
    picture = _drawn(name)
    picture.setflags(write=False)
    return picture


def _drawn(name: str) -> np.ndarray:
    width, height = size(name)
    if name in COLOURS:
        return np.full((height, width, 3), COLOURS[name], np.uint8)
    if name == "noise":
        return _layers(width, height)
    picture = np.full((height, width, 3), CHART_BLUE, np.uint8)
    picture[:, :, 0] = np.rint(np.linspace(RAMP_LOW, RAMP_HIGH, width))[None, :]
    picture[:, :, 1] = np.rint(np.linspace(RAMP_LOW, RAMP_HIGH, height))[:, None]
    return picture


def samples(name: str) -> np.ndarray:
    """Give a sound as 16-bit samples, one row a channel."""
    _, _, channels, count = next(s for s in SOUNDS if s[0] == name)
    if name == "silence16":
        return np.zeros((channels, count), np.int16)
    if name == "noise16":
        return (_numbers(count, 16).astype(np.int64) % 16001 - 8000).astype(np.int16)[None]
    low, high = RAMP_ENDS[name]
    line = np.linspace(low, high, count)
    rows = [line, RIGHT * line][:channels]
    return np.rint(np.stack(rows) * 32768).astype(np.int16)


def content(name: str) -> bytes:
    """Give the bytes of a plain file."""
    words = b"".join(b"%d%s" % (i * 7919 % 100003, bytes([97 + i % 26])) for i in range(2200))
    everything = bytes(range(1, 256)) + b"\0" + b"A"  # neither end is a space
    return {
        "long": words[:9973],
        "short": words[3000:3300],
        "spaced": b" \n\t " + words[4000:9001] + b" \n\t\t\n ",
        "values": b"%PDF" + everything + words[:700],
        "empty": b"",
    }[name]


def _content(kind: str, name: str) -> bytes:
    if kind == "image":
        return _png(pixels(name))
    return _wav(samples(name), rate(name)) if kind == "audio" else content(name)


def _numbers(count: int, seed: int) -> np.ndarray:
    # not numpy's generators: their streams are not promised to stay
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 7919)
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    return (state ^ (state >> np.uint64(31))) >> np.uint64(33)


def _layers(width: int, height: int) -> np.ndarray:
    # fine, middle and coarse grain, so that something is left to compare however much a picture is shrunk
    total = np.full((height, width, 3), 128, np.int64)
    for grain, swing, channels in GRAINS:
        rows, columns = -(-height // grain), -(-width // grain)
        part = _numbers(rows * columns * channels, grain).astype(np.int64) % (2 * swing + 1) - swing
        block = part.reshape(rows, columns, channels).repeat(grain, 0).repeat(grain, 1)
        total += block[:height, :width]
    return total.astype(np.uint8)


def _png(picture: np.ndarray) -> bytes:
    height, width = picture.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # stored, not compressed: another zlib would pack it into other bytes
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 0)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data)) for tag, data in parts
    )


def _wav(rows: np.ndarray, hertz: int) -> bytes:
    import io

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as f:
        f.setnchannels(rows.shape[0])
        f.setsampwidth(2)
        f.setframerate(hertz)
        f.writeframes(np.ascontiguousarray(rows.T).astype("<i2").tobytes())
    return buffer.getvalue()
