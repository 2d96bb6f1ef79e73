"""What a checkpoint is, by its bytes alone: nothing in it is ever run."""

from pathlib import Path
from typing import Protocol

from assay.formats import archive, folder, onnx
from assay.formats.kinds import KINDS
from assay.formats.opening import opened
from assay.formats.sniff import recognise
from assay.formats.tree import folder_digest, members
from assay.records import Format, Graph


class Looks(Protocol):
    """A module that looks into one format."""

    def facts(self, path: Path, format: Format) -> "tuple[Graph | None, list[str]]":
        """Read what a checkpoint says about itself, and what is risky about it."""


# Formats that a module of ours looks into; each has facts(path, format).
FORMATS: dict[str, Looks] = {
    "onnx": onnx,
    "torch-zip": archive,
    "torchscript": archive,
    "pt2": archive,
    "npz": archive,
    "keras": archive,
    "huggingface": folder,
}


def facts(path: Path, format: Format) -> "tuple[Graph | None, list[str]]":
    """Read what a recognised checkpoint says about itself, and what is risky about it."""
    module = FORMATS.get(format.name)
    if module is None:
        return None, list(KINDS[format.name].risks)
    return module.facts(path, format)


__all__ = ["FORMATS", "facts", "folder_digest", "members", "opened", "recognise"]
