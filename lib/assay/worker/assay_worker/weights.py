"""A checkpoint's tensors by name, taken from where outputs/checkpoint.json says they lie: nothing is unpickled."""

from __future__ import annotations

import json
import mmap
import os
from typing import Any, Dict, List

from assay_worker.faults import Fault

# What numpy has no name for is read as whole numbers of the same width and seen as torch's type afterwards.
AS_INTEGERS = {"bfloat16": "int16", "float8e4m3fn": "uint8", "float8e5m2": "uint8", "float8e4m3fnuz": "uint8"}
AS_INTEGERS["float8e5m2fnuz"] = "uint8"
TORCH_NAMES = {"float8e4m3fn": "float8_e4m3fn", "float8e5m2": "float8_e5m2", "float8e4m3fnuz": "float8_e4m3fnuz"}
TORCH_NAMES["float8e5m2fnuz"] = "float8_e5m2fnuz"
Tensors = Dict[str, Any]


def read(root: str, checkpoint: str, part: str = "") -> Tensors:
    """Give every tensor by its name: torch's where torch is installed, else numpy's; of several parts the one named."""
    with open(os.path.join(root, "outputs", "checkpoint.json"), encoding="utf-8") as file:
        described = json.load(file)["tensors"]
    wanted = _of_part(described, part)
    lost = [t["name"] for t in wanted if t.get("at") is None and t["parameters"]]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise Fault("unsupported", f"the numbers of {lost[0]}{more} do not lie in the file as they are")
    torch = _torch()
    files = {name: _mapped(_place(checkpoint, name)) for name in {t.get("file", "") for t in wanted}}
    return {t["name"]: _tensor(t, files[t.get("file", "")], torch) for t in wanted}


def _of_part(described: List[Dict[str, Any]], part: str) -> List[Dict[str, Any]]:
    parts = sorted({t.get("part", "") for t in described})
    if part not in parts and len(parts) > 1:
        raise Fault("adapter-error", f"the checkpoint holds several sets of weights: set params.part to one of {parts}")
    return [t for t in described if t.get("part", "") == (part if len(parts) > 1 else parts[0])] if parts else []


def _place(checkpoint: str, name: str) -> str:
    """Find the file that a tensor lies in: the checkpoint itself, one of its folder, or one beside it."""
    if not name:
        return checkpoint
    return os.path.join(checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint), name)


def _mapped(path: str) -> Any:
    # Private: what a model writes into its weights stays in its memory.
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)


def _tensor(described: Dict[str, Any], mapped: Any, torch: Any) -> Any:
    import numpy

    dtype, shape = described["dtype"], described["shape"]
    try:
        kind = numpy.dtype(AS_INTEGERS.get(dtype, dtype))
    except TypeError:
        what = f"{described['name']} is of type {dtype}, which numpy does not know"
        raise Fault("unsupported", what) from None
    if dtype in AS_INTEGERS and torch is None:
        raise Fault("unsupported", f"{described['name']} is of type {dtype}, which numpy does not know: install torch")
    if not described["parameters"]:
        array = numpy.empty(shape, kind)
    else:
        steps = described.get("stride") or None
        strides = [step * kind.itemsize for step in steps] if steps else None
        stored = kind.newbyteorder(">" if described.get("big") else "<")
        array = numpy.ndarray(shape, stored, mapped, described["at"], strides).astype(kind, copy=False)
    if torch is None:
        return array
    made = torch.from_numpy(array)
    return made.view(getattr(torch, TORCH_NAMES.get(dtype, dtype))) if dtype in AS_INTEGERS else made


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        return None
    return torch
