"""From a file of numbers, variants of it and the tensors they became: what fills up a file that is too short."""

from __future__ import annotations

import os
from typing import Any, Dict, List

import numpy

from assay_worker.fit_fact import fact

HALF, ENDED = "half", "ended"  # half of the file left out; its end set to nought


def pad(tensors: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Tell that noughts fill up the end, where an end of noughts in the file comes out as what fills it up."""
    files = {_stem(file): file for file in tensors}
    named = {_stem(file): numpy.asarray(tensor) for file, tensor in tensors.items()}
    whole = next((name for name in named if name not in (HALF, ENDED)), "")
    if not {HALF, ENDED} <= set(named) or not whole or len({t.shape for t in named.values()}) != 1:
        return []
    if not named[whole].ndim or not named[whole].size:
        return []
    arrays = {name: numpy.load(files[name], allow_pickle=False) for name in (whole, HALF, ENDED)}
    axis = int(numpy.argmax(arrays[whole].shape))
    left_out = arrays[whole].shape[axis] - arrays[HALF].shape[axis]
    nought = _run(numpy.moveaxis(arrays[ENDED], axis, -1))
    filled = {name: _run(named[name]) for name in arrays}
    more = {name: filled[name] - filled[whole] for name in (HALF, ENDED)}
    if filled[whole] < 2 or more != {HALF: left_out, ENDED: nought}:
        return []
    return [fact("pre.pad", 0, unit="of the file", evidence=[whole, HALF, ENDED], detail={"where": "end"})]


def _stem(file: str) -> str:
    return os.path.splitext(os.path.basename(file))[0]


def _run(array: numpy.ndarray) -> int:
    """Count the steps at the end of the last axis that are all like the last one."""
    rows = array.reshape(-1, array.shape[-1])
    apart = numpy.flatnonzero((rows != rows[:, -1:]).any(0))
    return int(array.shape[-1] - (apart[-1] + 1 if len(apart) else 0))
