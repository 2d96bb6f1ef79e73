"""Pictures and sounds among a model's answers: kept as files, and told in a few numbers."""

from __future__ import annotations

import hashlib
import numbers
import wave
from typing import Any, Dict

from assay_worker import tensors

FASTEST, CHANNELS = 1 << 20, 1 << 10  # more samples a second or channels than any sound has


def is_picture(value: Any) -> bool:
    """Tell a picture from other values: one of PIL's, or an array of whole bytes with height and width."""
    if hasattr(value, "save") and hasattr(value, "convert"):
        return True
    return str(getattr(value, "dtype", "")) == "uint8" and value.ndim in (2, 3)


def pixels(picture: Any) -> Any:
    """Give a picture's pixels as an array."""
    import numpy

    return numpy.ascontiguousarray(tensors.array(numpy.asarray(picture) if hasattr(picture, "convert") else picture))


def told(picture: Any) -> Dict[str, Any]:
    """Describe a picture so that another can be compared with it."""
    array = pixels(picture)
    facts = tensors.facts("picture", array)
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return dict({key: facts[key] for key in ("shape", "minimum", "maximum", "mean")}, sha256=digest)


def is_sound(value: Any) -> bool:
    """Tell a sound from other values: {"sound": samples by channels in -1..1, "rate": samples a second}."""
    samples, rate = (value.get("sound"), value.get("rate")) if isinstance(value, dict) else (None, None)
    whole = isinstance(rate, numbers.Integral) and 0 < int(rate) < FASTEST
    return whole and getattr(samples, "ndim", 0) == 2 and 0 < samples.shape[1] <= CHANNELS


def told_sound(value: Dict[str, Any]) -> Dict[str, Any]:
    """Describe a sound so that another can be compared with it."""
    import numpy

    samples = numpy.ascontiguousarray(tensors.array(value["sound"]), dtype=numpy.float32)
    facts = tensors.facts("sound", samples)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    told = dict({key: facts[key] for key in ("shape", "minimum", "maximum", "mean")}, sha256=digest)
    return dict(value, sound=told, rate=int(value["rate"]))


def save_sound(value: Dict[str, Any], path: str) -> None:
    """Write a sound as a WAV file of 16 bits, to listen to."""
    import numpy

    samples = numpy.nan_to_num(tensors.array(value["sound"]).astype("float64"), posinf=1.0, neginf=-1.0)
    levels = numpy.clip(numpy.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    with wave.open(path, "wb") as file:
        file.setnchannels(levels.shape[1])
        file.setsampwidth(2)
        file.setframerate(int(value["rate"]))
        file.writeframes(levels.tobytes())


def as_image(picture: Any) -> Any:
    """Give a picture as one of PIL's."""
    from PIL import Image

    return picture if hasattr(picture, "convert") else Image.fromarray(pixels(picture))
