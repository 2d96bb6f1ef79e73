"""What a checkpoint is and holds, by its bytes alone: nothing in it is ever run.

A format is one module: WHAT it is, the SUFFIXES that claim it, what it NEEDS to run ("" when it runs here), what it
CARRIES (a graph or a program that runs by itself, weights, weights in pickles, or something closed to us),
recognise(given) -> by what it is known, or "", and look(given) -> Content. Adding one is that file and a line below.
"""

from typing import Protocol

from assay.errors import WrongInput
from assay.formats import (
    gguf,
    hdf5,
    huggingface,
    keras,
    npy,
    npz,
    onnx,
    openvino,
    pickle,
    safetensors,
    savedmodel,
    tensorrt,
    tflite,
    torch_export,
    torch_legacy,
    torch_zip,
    torchscript,
    wrong,
)
from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.opening import shown
from assay.formats.tree import folder_digest, members
from assay.records import Format


class Kind(Protocol):
    """What a format's module gives."""

    @property
    def WHAT(self) -> str: ...

    @property
    def SUFFIXES(self) -> tuple[str, ...]: ...

    @property
    def NEEDS(self) -> str: ...

    @property
    def CARRIES(self) -> str: ...

    def recognise(self, given: Given) -> str:
        """Say by what it is known; "" when it is none."""

    def look(self, given: Given) -> Content:
        """Read what it holds, running nothing of it."""


# In the order in which they are tried: what has a sign of its own first, what is known by its structure last.
FORMATS: dict[str, Kind] = {
    "huggingface": huggingface,
    "savedmodel": savedmodel,
    "gguf": gguf,
    "hdf5": hdf5,
    "tflite": tflite,
    "npy": npy,
    "tensorrt": tensorrt,
    "pt2": torch_export,
    "torchscript": torchscript,
    "torch-zip": torch_zip,
    "keras": keras,
    "npz": npz,
    "torch-legacy": torch_legacy,
    "safetensors": safetensors,
    "openvino": openvino,
    "onnx": onnx,
    "pickle": pickle,
}


def recognise(given: Given) -> Format:
    """Say what a checkpoint is; refuse what is no checkpoint, naming what it is instead."""
    if not given.is_folder:
        wrong.refuse(given.path, given.head, given.size)
        wrong.refuse_part(given.path, given.head)
    for name, kind in FORMATS.items():
        by = kind.recognise(given)
        if by:
            here = not kind.NEEDS
            return Format(name=name, by=by, what=kind.WHAT, runs_here=here, needs=kind.NEEDS, carries=kind.CARRIES)
    raise _unknown(given)


def misnamed(given: Given, form: Format) -> str:
    """Say that the name claims another format than the bytes have; "" when it does not."""
    kind, suffix = FORMATS[form.name], given.suffix
    if given.is_folder or suffix in kind.SUFFIXES:
        return ""
    claimed = claims(suffix)
    if claimed:
        return f"its name says {claimed[0]}, its bytes are {kind.WHAT}"
    if form.name == "pickle" and suffix not in pickle.ALSO_NAMED:
        return f"its bytes are {kind.WHAT}, which its name does not say"
    return ""


def claims(suffix: str) -> "list[str]":
    """Name the formats that a suffix claims, the usual one first."""
    found = [name for name, kind in FORMATS.items() if suffix and suffix in kind.SUFFIXES]
    return sorted(found, key=lambda name: FORMATS[name].SUFFIXES.index(suffix))


def look(given: Given, form: Format) -> Content:
    """Read what a recognised checkpoint holds, and what is risky about it."""
    try:
        return FORMATS[form.name].look(given)
    except (MemoryError, RecursionError):
        raise given.damaged("is made so that reading it takes more than there is", "do not load it") from None


def _unknown(given: Given) -> WrongInput:
    if given.is_folder:
        what = "is a folder, and of no model kind known here"
        return WrongInput(what, where=given.where, mend="name the file in it that holds the weights")
    if given.zip is not None:
        what = f"is a zip archive of {len(given.zip.members)} members, and none of the model kinds known here"
        return WrongInput(what, where=given.where, mend="unpack it and name the file inside")
    starts = f"no model format known here (it begins with {given.head[:8].hex(' ')})"
    claimed = claims(given.suffix)
    if claimed:
        starts = f"its name says {claimed[0]}, its bytes are {starts}"
    return WrongInput(starts, where=given.where, mend="name the file that holds the weights, or fetch it again")


__all__ = ["FORMATS", "Given", "claims", "folder_digest", "look", "members", "misnamed", "recognise", "shown"]
