"""Tensors by name: facts, files, batches, and their way into JSON. numpy is imported when first needed."""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from typing import Any

from assay_worker.faults import Fault

CONTEXT = "__ctx__"
SCALARS = ("int", "float", "bool")  # what a program takes besides tensors
EPOCH = (1980, 1, 1, 0, 0, 0)


def by_name(outputs: Any, names: list[str]) -> dict[str, Any]:
    """Turn what an adapter returned into arrays by name."""
    if isinstance(outputs, dict):
        return {str(name): array(value) for name, value in outputs.items()}
    values = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if len(names) < len(values):
        names = names + [f"output{i}" for i in range(len(names), len(values))]
    return {name: array(value) for name, value in zip(names, values)}


def array(value: Any) -> Any:
    """Turn a framework's tensor into a numpy array."""
    import numpy

    if hasattr(value, "detach"):  # torch, not imported for the question
        value = value.detach().cpu().numpy()
    made = numpy.asarray(value)
    if made.dtype == object:
        raise Fault("adapter-error", f"a value of type {type(value).__name__} is not a tensor")
    return made


def facts(name: str, value: Any) -> dict[str, Any]:
    """Write down a tensor in numbers; only finite ones enter the statistics."""
    import numpy

    known: dict[str, Any] = {"minimum": None, "maximum": None, "mean": None, "nonfinite": 0}
    if value.dtype.kind in "biuf" and value.size:
        finite = value[numpy.isfinite(value)] if value.dtype.kind == "f" else value
        known["nonfinite"] = int(value.size - finite.size)
        if finite.size:
            mean = float(finite.mean(dtype=numpy.float64))
            # Nine digits: the last ones depend on the width of the processor's vectors.
            known.update(minimum=float(finite.min()), maximum=float(finite.max()), mean=float(f"{mean:.9g}"))
            known = {k: v if v is None or math.isfinite(v) else None for k, v in known.items()}
    return dict(known, name=name, dtype=str(value.dtype), shape=list(value.shape))


def all_facts(tensors: dict[str, Any]) -> list[dict[str, Any]]:
    """Write down several tensors in order of name."""
    return [facts(name, tensors[name]) for name in sorted(tensors)]


# ---------------------------------------------------------------- files
def save(path: str, tensors: dict[str, Any], ctx: Any) -> None:
    """Write an .npz whose bytes depend on nothing but its tensors."""
    import numpy

    text = json.dumps(ctx, sort_keys=True, allow_nan=False).encode("utf-8")
    everything = dict(tensors, **{CONTEXT: numpy.frombuffer(text, dtype=numpy.uint8)})
    with zipfile.ZipFile(path + ".tmp", "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(everything):
            entry = zipfile.ZipInfo(name + ".npy", EPOCH)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            buffer = io.BytesIO()
            numpy.lib.format.write_array(
                buffer,
                numpy.ascontiguousarray(everything[name]).reshape(everything[name].shape),
                version=(1, 0),
                allow_pickle=False,
            )
            archive.writestr(entry, buffer.getvalue())
    os.replace(path + ".tmp", path)


def read(path: str) -> tuple[dict[str, Any], Any]:
    """Read an .npz: its tensors and the context saved with them ({} when there is none)."""
    import numpy

    try:
        with numpy.load(path, allow_pickle=False) as archive:
            tensors = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise Fault("refused", f"{os.path.basename(path)} cannot be read as tensors: {error}") from error
    ctx = tensors.pop(CONTEXT, None)
    return tensors, json.loads(ctx.tobytes().decode("utf-8")) if ctx is not None else {}


def checked(tensors: dict[str, Any], inputs: list[dict[str, Any]], who: str) -> dict[str, Any]:
    """Refuse tensors that do not fit the model's declared inputs by name or type; never convert one."""
    names = [i["name"] for i in inputs]
    missing = [n for n in names if n not in tensors]
    extra = [n for n in tensors if names and n not in names]
    if missing or extra:
        has, wants = ", ".join(sorted(tensors)) or "none", ", ".join(names)
        raise Fault("adapter-error", f"{who} gives the tensors {has}; the model takes {wants}")
    for i in inputs:
        dtype = str(tensors[i["name"]].dtype)
        if i.get("dtype") in SCALARS and tensors[i["name"]].ndim == 0:
            continue
        if i.get("dtype") not in ("", None, "unknown", "string", "bfloat16", dtype):
            raise Fault("adapter-error", f"{who} gives {i['name']} as {dtype}; the model takes {i['dtype']}")
    return tensors


# ---------------------------------------------------------------- batches
def stacked(items: list[dict[str, Any]], axis: int) -> dict[str, Any]:
    """Join the tensors of several items along the batch axis; what has no such axis must be equal in all."""
    import numpy

    if len(items) == 1:
        return items[0]
    batch = {}
    for name, first in items[0].items():
        parts = [item[name] for item in items]
        if first.ndim > axis and first.shape[axis] == 1:
            if any(p.shape != first.shape for p in parts):
                raise Fault("adapter-error", f"{name} differs in shape between inputs, so they make no batch")
            batch[name] = numpy.concatenate(parts, axis=axis)
        elif all(numpy.array_equal(first, p) for p in parts):
            batch[name] = first
        else:
            raise Fault("adapter-error", f"{name} has no batch axis {axis} and differs between inputs")
    return batch


def split(outputs: dict[str, Any], axis: int, count: int) -> list[dict[str, Any]]:
    """Take a batch's outputs apart again, one dict for each item."""
    if count == 1:
        return [outputs]
    return [{name: _part(value, axis, i, count) for name, value in outputs.items()} for i in range(count)]


def _part(value: Any, axis: int, i: int, count: int) -> Any:
    if value.ndim <= axis or value.shape[axis] != count:
        return value
    return value[(slice(None),) * axis + (slice(i, i + 1),)]


# ---------------------------------------------------------------- JSON
def plain(value: Any, where: str) -> Any:
    """Turn a value into what JSON can carry; name the place of what it cannot."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # numpy scalars and arrays
        value = value.tolist()
    if isinstance(value, dict):
        return {str(k): plain(v, f"{where}/{k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, f"{where}/{i}") for i, v in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault("adapter-error", f"{where} is {value}, which is no number that a record can carry")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Fault("adapter-error", f"{where} is of type {type(value).__name__}, which JSON cannot carry")
