"""Which file a read is given: the one it asks for, or the run's input in the place of a sample of upstream's."""

from __future__ import annotations

import io
import os
import re
from typing import Any

from assay_worker.tree_copy import full
from assay_worker.watching import Watch

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".gif", ".jfif")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".opus")
ARRAYS, TABLES = (".npy",), (".csv", ".tsv")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/opt/")  # what libraries read of the machine
NO_INPUT = re.compile(r"icon|logo|font|favicon|watermark|cursor", re.IGNORECASE)
WEIGHTS = re.compile(
    r"\.(pth|pt|tar|ckpt|onnx|safetensors|h5|hdf5|caffemodel|weights|jit|pkl|pickle|t7|bin|npz|tflite|pb|torchscript"
    r"|model|params|pdparams|keras)$", re.IGNORECASE,
)  # fmt: skip


def kind(path: str) -> str:
    """Tell by its name what a file holds: image, sound, video, array, table or ""."""
    suffix = os.path.splitext(path)[1].lower()
    pairs = ((IMAGES, "image"), (SOUNDS, "sound"), (VIDEOS, "video"), (ARRAYS, "array"), (TABLES, "table"))
    for known, name in pairs:
        if suffix in known:
            return name
    return ""


def chosen(watch: Watch, how: str, value: Any, wanted: str) -> Any:
    """Give what is to be read in the place of `value`, and record the read; `wanted` is what the reader reads."""
    if not isinstance(value, (str, os.PathLike)):
        return _opened(watch, how, value)
    path, shown = full(value) or "", str(value)
    name = watch.tree.named(path)
    if name != "@input" and path and _is_sample(watch, path, wanted):
        name = "@input"
        watch.reading(name, shown, how)
        watch.intervene(f"read {_short(watch, shown)} -> the given input")
        value = watch.tree.given if isinstance(value, str) else type(value)(watch.tree.given)
    else:
        watch.reading(name, shown, how)
    watch.note(watch.tree.given if name == "@input" else path)
    if name:
        watch.event({"is": "read", "how": how, "path": name})
    return value


def _opened(watch: Watch, how: str, value: Any) -> Any:
    """Record a read from something open, or from bytes."""
    named = getattr(value, "name", None)
    name = watch.tree.named(full(named) or "") if isinstance(named, str) else ""
    name = "@input" if not name and _is_given(watch, value) else name
    if isinstance(named, str) and name:
        watch.reading(name, str(named), how)
    watch.event({"is": "read", "how": how, "path": name})
    return value


def _is_given(watch: Watch, value: Any) -> bool:
    """Tell the input's own bytes, from wherever they were read."""
    if not watch.tree.given:
        return False
    held = value.getvalue() if isinstance(value, io.BytesIO) else b""
    if not held and str(getattr(value, "dtype", "")) == "uint8" and getattr(value, "ndim", 0) == 1:
        held = value.tobytes()
    if not held or len(held) != os.path.getsize(watch.tree.given):
        return False
    with watch.inside(), open(watch.tree.given, "rb") as file:
        return file.read() == held


def _is_sample(watch: Watch, path: str, wanted: str) -> bool:
    """Tell whether a path is a sample of upstream's, or what is not there, where the run's input can be."""
    given = watch.tree.given
    if path.startswith(SYSTEM):
        return False
    if not given or (wanted and kind(given) != wanted) or NO_INPUT.search(os.path.basename(path)):
        return False
    there = watch.exists(path)
    if in_snippet(watch, path) and not _is_other(watch, path, there):
        return True
    if not there:
        return not WEIGHTS.search(path)
    return of_upstream(watch, path) and not watch.told_input


def of_upstream(watch: Watch, path: str) -> bool:
    """Tell a file that upstream brings from one that its code just wrote."""
    original = watch.tree.original(path)
    return original != path and watch.exists(original)


def in_snippet(watch: Watch, path: str) -> bool:
    """Tell whether a documented use in Python names this file as its example."""
    snippet = (watch.request.get("entry") or {}).get("snippet") or {}
    name = os.path.basename(path)
    return bool(name) and name in str(snippet.get("text", "")) and not WEIGHTS.search(path)


def _is_other(watch: Watch, path: str, there: bool) -> bool:
    """Tell a data file that is there and of another kind than the input: anchors, a table of names."""
    return there and bool(kind(path)) and kind(path) != kind(watch.tree.given)


def may_be(watch: Watch, path: str) -> bool:
    """Tell whether a file opened by its name alone can be a sample: of the same kind as the input, or not there."""
    if in_snippet(watch, path) and not _is_other(watch, path, watch.exists(path)):
        return bool(watch.tree.given)
    if kind(path):
        return kind(path) == kind(watch.tree.given)
    theirs = bool(watch.tree.inner(path)) and watch.by_tree("pathlib")
    return not kind(watch.tree.given) and bool(watch.tree.given) and theirs and not watch.exists(path)


def _short(watch: Watch, shown: str) -> str:
    return repr(shown.replace(watch.tree.root + os.sep, "")[:200])
