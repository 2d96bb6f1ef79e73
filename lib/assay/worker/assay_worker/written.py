"""Which picture or sound a function really writes: written once more without loss, read back, told in numbers."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Any, Callable, Dict, Optional, Tuple

from assay_worker import answers, audio

# where the place to write to stands among the arguments
WRITES = {
    "cv2.imwrite": 0,
    "PIL.Image.save": 1,
    "plt.imsave": 0,
    "skimage.io.imsave": 0,
    "imageio.imwrite": 0,
    "imageio.imsave": 0,
    "torchvision.utils.save_image": 1,
}
SHOWS = {"cv2.imshow": 1, "PIL.Image.show": 0, "plt.imshow": 0, "axes.imshow": 1, "skimage.io.imshow": 0}
SOUNDS = ("soundfile.write", "scipy.io.wavfile.write")  # the place to write to comes first
LOSSY = ("quality", "format", "params", "plugin", "check_contrast")
BLUE_FIRST = ("cv2.imwrite", "cv2.imshow")
LARGEST = 64 << 20  # pixels times channels


def picture(how: str, original: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Dict[str, Any]:
    """Give what is known of the picture that a call writes or shows, as part of its event."""
    with contextlib.suppress(Exception):  # a trace never fails for what it would like to add
        found = _written(how, original, args, kwargs) if how in WRITES else _shown(how, args)
        if found is not None:
            return {"picture": answers.told(found)}
    return {}


def _written(how: str, original: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
    from PIL import Image

    place = WRITES[how]
    handle, path = tempfile.mkstemp(suffix=".png")
    os.close(handle)
    try:
        rest = () if how == "cv2.imwrite" else args[place + 1 :]
        again = (*args[:place], path, *rest) if len(args) > place else args
        kept = {k: v for k, v in kwargs.items() if k not in LOSSY}
        if how == "cv2.imwrite":
            again, kept = (path, args[1] if len(args) > 1 else kwargs["img"]), {}
        original(*again, **kept)
        with Image.open(path) as image:
            return image.convert("RGB") if image.mode not in ("L", "RGB") else image.copy()
    finally:
        os.unlink(path)


def sound(original: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Dict[str, Any]:
    """Give what is known of the sound that a call writes, as part of its event."""
    with contextlib.suppress(Exception):  # see picture
        handle, path = tempfile.mkstemp(suffix=".wav")
        os.close(handle)
        try:
            original(path, *args[1:], **{k: v for k, v in kwargs.items() if k not in ("file", "filename", "format")})
            return sound_in(path)
        finally:
            os.unlink(path)
    return {}


def sound_in(path: str) -> Dict[str, Any]:
    """Give what is known of the sound in a file, as part of an event."""
    with contextlib.suppress(Exception):  # see picture
        samples, rate = audio.samples(path)
        return {"sound": answers.told_sound({"sound": samples, "rate": int(rate)})}
    return {}


def _shown(how: str, args: Tuple[Any, ...]) -> Optional[Any]:
    if how not in SHOWS or len(args) <= SHOWS[how]:
        return None
    import numpy

    value = args[SHOWS[how]]
    array = numpy.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.ndim not in (2, 3) or array.size > LARGEST:
        return None
    array = numpy.clip(array, 0, 255).astype(numpy.uint8)
    return array[..., ::-1] if how in BLUE_FIRST and array.ndim == 3 else array
