"""What a walk through a script meets: images, models, objects of the tree, and the steps that it notes."""

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple

from assay.upstream.callers import Place
from assay.upstream.index import Define

IMAGE, OUTPUT, MODEL = "image", "output", "model"
UNKNOWN = "unknown"  # names a step of which nothing is known
IMAGES = (
    "cv2.imread", "PIL.Image.open", "skimage.io.imread", "imageio.imread", "imageio.v2.imread",
    "matplotlib.image.imread",
)  # fmt: skip
SOUNDS = ("librosa.load", "librosa.core.load", "soundfile.read", "torchaudio.load", "scipy.io.wavfile.read")
READERS = (*IMAGES, *SOUNDS)
LOADERS = ("torch.load", "torch.jit.load", "onnxruntime.InferenceSession")
FACTS_OF = {"shape", "size", "dtype", "ndim", "device", "width", "height", "mode"}
CALLS = {"forward", "run", "__call__", "predict", "generate"}
STAYS = {"eval", "to", "cuda", "cpu", "half", "float", "train", "module", "fuse", "autoshape"}
PLAIN = {  # what is called without a module's name, and leaves an image as it is
    "append", "extend", "print", "len", "str", "isinstance", "list", "enumerate", "zip", "tuple", "range", "format",
    "join", "basename", "write", "int", "type", "id", "put", "iter", "next",
}  # fmt: skip


class Step(NamedTuple):
    """One thing that is done to an image before the model, or to the model's output after it."""

    node: ast.expr
    place: Place
    what: str  # image | output
    name: str  # of what is called, dotted as far as known; the kind of expression otherwise
    unsure: bool  # whether it stands under a condition
    made: "Made | None" = None


class Made(NamedTuple):
    """An object that a call from outside the tree made."""

    node: ast.Call
    place: Place
    name: str


class Inline(NamedTuple):
    """A lambda, and where it stands."""

    node: ast.Lambda
    scope: "Scope"


class Several(NamedTuple):
    """A list of objects."""

    items: list[Any]


class Thing:
    """An object of a class of the tree, with what its attributes hold."""

    def __init__(self, define: Define) -> None:
        self.define = define
        self.attrs: dict[str, Any] = {}


class Scope:
    """A running function: where it stands, and what its names hold."""

    def __init__(self, place: Place, env: "dict[str, Any]") -> None:
        self.place, self.env = place, env
        self.returned: list[Any] = []
        self.unsure = 0


def strongest(values: "Iterable[Any]") -> Any:
    """Of several things keep the one that matters most: output, image, object, model."""
    found = [v for v in values if v is not None]
    for wanted in (OUTPUT, IMAGE):
        if wanted in found:
            return wanted
    things = [v for v in found if isinstance(v, (Thing, Made, Several, Inline))]
    if len(things) > 1:
        return None  # one of several objects, and it is not known which
    return things[0] if things else (MODEL if MODEL in found else None)
