"""A checkpoint as it was handed over: opened once, read within limits, closed."""

import os
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from assay.errors import WrongInput
from assay.formats import wrong
from assay.formats.opening import opened, read_at, real, shown
from assay.formats.tree import members
from assay.formats.zips import Zip, is_zip

HEAD = 4096
POINTER = 1024  # bytes: what stands in for weights that were not fetched is shorter
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".h5", ".gguf", ".msgpack", ".pb")
FETCH = "fetch it again"


class Given:
    """One file or folder; a format reads it only through here."""

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, shown(path)
        self.is_folder = os.path.isdir(real(path))
        self._file: BinaryIO | None = None if self.is_folder else opened(path)
        self.size = 0 if self._file is None else os.fstat(self._file.fileno()).st_size
        self.head = b"" if self._file is None else self.read(0, min(HEAD, self.size))

    def __enter__(self) -> "Given":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def file(self) -> BinaryIO:
        """Give the open file."""
        assert self._file is not None, "a folder has no bytes of its own"
        return self._file

    @property
    def suffix(self) -> str:
        """Give what the name ends in, in small letters."""
        return self.path.suffix.lower()

    @cached_property
    def zip(self) -> Zip | None:
        """Give the directory of a zip; None when it is none."""
        if self.is_folder or not is_zip(self.head):
            return None
        return Zip(self.file, self.size, self.where)

    @cached_property
    def names(self) -> "dict[str, Path]":
        """Name a folder's files, with where each lies; a clone without its weights is refused."""
        if not self.is_folder:
            return {}
        found = dict(members(self.path))
        for name, place in found.items():
            if name.endswith(WEIGHTS) and place.stat().st_size < POINTER:
                with opened(place) as file:
                    head = file.read(POINTER)
                wrong.refuse(place, head, len(head))
        return found

    def read(self, at: int, count: int) -> bytes:
        """Read so many bytes from a place; fewer there means that the file is cut."""
        data = read_at(self.file, at, count)
        if len(data) != count:
            raise self.damaged(f"truncated: {count} bytes promised at byte {at}, {len(data)} there")
        return data

    def damaged(self, what: str, mend: str = FETCH) -> WrongInput:
        """Say what is wrong with it."""
        return WrongInput(what, where=self.where, mend=mend)
