"""Recognise a checkpoint by what its bytes are, never by its name."""

import io
import json
import os
import pickletools
from pathlib import Path
from typing import Any, BinaryIO

from assay.errors import WrongInput
from assay.formats import archive, onnx, tree, wrong
from assay.formats.kinds import KINDS, SUFFIXES
from assay.formats.opening import opened, real, shown
from assay.formats.wire import Wire
from assay.records import Format

HEAD = 4096
LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
SAFETENSORS_LIMIT = 100_000_000  # the format's own limit for its header
HEADER_READ = 4 << 20
MAGIC = (
    (b"GGUF", 0, "gguf"),
    (b"\x89HDF\r\n\x1a\n", 0, "hdf5"),
    (b"TFL3", 4, "tflite"),
    (b"\x93NUMPY", 0, "npy"),
    (b"ftrt", 0, "tensorrt"),
)


def recognise(path: Path) -> Format:
    """Say what a checkpoint is; refuse what is no checkpoint, naming what it is instead."""
    if os.path.isdir(real(path)):
        name, by = tree.recognise_folder(path)
        return _format(name, by, "")
    with opened(path) as file:
        name, by = _recognise(path, file)
    return _format(name, by, path.suffix.lower())


def _format(name: str, by: str, suffix: str) -> Format:
    claimed = SUFFIXES.get(suffix, ())
    needs = KINDS[name].needs
    other = claimed[0] if claimed and name not in claimed else ""
    return Format(name=name, by=by, suffix_says=other, runs_here=not needs, needs=needs)


def _recognise(path: Path, file: BinaryIO) -> "tuple[str, str]":
    head = file.read(HEAD)
    size = os.fstat(file.fileno()).st_size
    wrong.refuse(path, head, size)
    for magic, offset, name in MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name, f"magic bytes {magic!r} at byte {offset}"
    if archive.is_zip(head):
        return archive.recognise(file, shown(path))
    if head[:1] == b"\x80" and LEGACY_MAGIC in head[:40]:
        return "torch-legacy", "torch's magic number as the first pickle"
    for test in (_safetensors, _prefixed_engine, _openvino, _onnx, _pickle):
        by = test(path, file, head, size)
        if by:
            return test.__name__.lstrip("_") if test is not _prefixed_engine else "tensorrt", by
    raise _unknown(path, file, head)


def _safetensors(path: Path, file: BinaryIO, head: bytes, size: int) -> str:
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length <= SAFETENSORS_LIMIT:
        return ""
    if length > size - 8:
        raise _broken(path, f"truncated: a header of {length} bytes promised, {size - 8} there")
    if length > HEADER_READ:
        return f"length prefix and JSON header of {length} bytes (too long to be checked here)"
    file.seek(8)
    header = _json(path, file.read(length))
    ends = [_end(path, name, entry) for name, entry in header.items() if name != "__metadata__"]
    promised, there = max(ends, default=0), size - 8 - length
    if promised > there:
        raise _broken(path, f"truncated: {promised} bytes of tensors promised, {there} there")
    if promised < there:
        raise _broken(path, f"{there - promised} bytes follow the last tensor, which safetensors does not allow")
    return f"length prefix and JSON header of {len(ends)} tensors"


def _json(path: Path, text: bytes) -> "dict[str, Any]":
    def unique(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise ValueError("a name stands twice")
        return keys

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        cause = "nested too deep" if isinstance(error, RecursionError) else str(error).split(":")[0].lower()
        raise _broken(path, f"its safetensors header cannot be read ({shown(cause)})") from None
    if not isinstance(header, dict):
        raise _broken(path, "its safetensors header is not a JSON object")
    return header


def _end(path: Path, name: str, entry: Any) -> int:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(n) is int for n in offsets)):
        raise _broken(path, f"its safetensors header gives tensor {name[:80]!r} no place")
    start, stop = offsets
    if not 0 <= start <= stop:
        raise _broken(path, f"its safetensors header puts tensor {name[:80]!r} at {start} to {stop}")
    return int(stop)


def _prefixed_engine(path: Path, file: BinaryIO, head: bytes, size: int) -> str:
    """Tell an engine behind a JSON prefix, as Ultralytics writes it."""
    length = int.from_bytes(head[:4], "little")
    if head[4:5] != b"{" or not 2 <= length <= 1 << 20 or length + 8 > size:
        return ""
    file.seek(4 + length)
    return f"a JSON prefix of {length} bytes, then magic bytes b'ftrt'" if file.read(4) == b"ftrt" else ""


def _openvino(path: Path, file: BinaryIO, head: bytes, size: int) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "XML with a net element" if text[:1] == b"<" and b"<net " in text and b"<layers" in text else ""


def _onnx(path: Path, file: BinaryIO, head: bytes, size: int) -> str:
    return "protobuf fields of an ONNX model" if onnx.looks_like(Wire(file, shown(path))) else ""


def _pickle(path: Path, file: BinaryIO, head: bytes, size: int) -> str:
    """Tell a pickle by its opcodes; nothing is built from them."""
    count, stopped = _opcodes(head)
    if head[:1] == b"\x80":
        return f"pickle protocol {head[1]}" if head[1:2] <= b"\x05" and count > 1 else ""
    enough = count > 2 if stopped else count > 200 and size > len(head)
    return "pickle opcodes, protocol 0 or 1" if enough else ""


def _opcodes(head: bytes) -> "tuple[int, bool]":
    """Count the pickle opcodes at the start, and say whether they came to an end."""
    count = 0
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
            count += 1
            if opcode.name == "STOP":
                return count, True
    except Exception:  # pickletools raises what it likes on bytes that are no pickle
        pass
    return count, False


def _broken(path: Path, what: str) -> WrongInput:
    return WrongInput(what, where=shown(path), mend="fetch it again")


def _unknown(path: Path, file: BinaryIO, head: bytes) -> WrongInput:
    claimed = SUFFIXES.get(path.suffix.lower())
    starts = f"no model format known here (it begins with {head[:8].hex(' ')})"
    if claimed:
        starts = f"its name says {claimed[0]}, its bytes are {starts}"
    return WrongInput(starts, where=shown(path), mend="name the file that holds the weights, or fetch it again")
