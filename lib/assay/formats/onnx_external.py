"""Check that weights kept outside an ONNX file are there, are files, and stay in its folder."""

import os
import stat
from pathlib import Path, PurePosixPath

from assay.formats.onnx_tensor import Stored
from assay.formats.opening import shown
from assay.formats.wire import Wire

KEYS = {"location", "offset", "length", "checksum"}


class Outside:
    """The external data files of one model."""

    def __init__(self, wire: Wire, model: Path) -> None:
        self.wire, self.model = wire, model
        self._sizes: dict[str, int] = {}

    def names(self) -> "list[str]":
        """List the files, as the model names them."""
        return sorted(self._sizes)

    def check(self, stored: Stored) -> None:
        """Refuse a tensor whose data cannot be where the model says."""
        unknown = sorted(set(stored.external) - KEYS)
        if unknown:
            raise self.wire.damaged(f"tensor {stored.name!r}: unknown external data key {unknown[0]!r}")
        location = stored.external.get("location", "")
        if location not in self._sizes:
            self._sizes[location] = self._size(location, stored.name)
        offset, length = self._number(stored, "offset", 0), self._number(stored, "length", stored.bytes)
        if length != stored.bytes and stored.dtype != "string":
            raise self.wire.damaged(f"tensor {stored.name!r} needs {stored.bytes} bytes, its external data is {length}")
        size = self._sizes[location]
        if offset + length > size:
            what = f"truncated: tensor {stored.name!r} ends at byte {offset + length} of {shown(location)}"
            raise self.wire.damaged(f"{what}, which has {size}")

    def _number(self, stored: Stored, key: str, default: int) -> int:
        text = stored.external.get(key, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise self.wire.damaged(f"tensor {stored.name!r}: external data {key} is {text[:40]!r}, not a number")
        return int(text)

    def _size(self, location: str, tensor: str) -> int:
        pure = PurePosixPath(location)
        if not location or not location.isprintable() or "\\" in location or ":" in location.split("/")[0]:
            raise self.wire.damaged(f"tensor {tensor!r}: unusable external data location {location[:80]!r}")
        if pure.is_absolute() or ".." in pure.parts:
            raise self._escapes(location)
        folder = os.path.realpath(self.model.parent)
        target = os.path.realpath(os.path.join(folder, location))
        if os.path.commonpath([folder, target]) != folder:
            raise self._escapes(location)
        try:
            state = os.lstat(target)
        except OSError:
            mend = "put it beside the model"
            raise self.wire.damaged(f"its external data file {location} is missing", mend) from None
        if not stat.S_ISREG(state.st_mode):
            raise self.wire.damaged(f"its external data {location} is not a regular file", "")
        if os.path.samestat(state, os.fstat(self.wire.file.fileno())):
            raise self.wire.damaged("names itself as its external data", "export it again")
        return state.st_size

    def _escapes(self, location: str) -> Exception:
        what = f"its external data {shown(location[:200])} lies outside the model's folder"
        return self.wire.damaged(what, "copy the model and its data files into one folder, without links")
