"""Pictures among a model's answers: kept as files, and told in a few numbers."""

from __future__ import annotations

import hashlib
from typing import Any, Dict

from assay_worker import tensors


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


def as_image(picture: Any) -> Any:
    """Give a picture as one of PIL's."""
    from PIL import Image

    return picture if hasattr(picture, "convert") else Image.fromarray(pixels(picture))
