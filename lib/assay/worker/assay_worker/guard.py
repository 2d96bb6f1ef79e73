"""Keeps pickles from reaching any code but what makes tensors and plain values, whoever loads them."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Sequence

from assay_worker.faults import Fault


def watch(reachable: Sequence[Sequence[str]]) -> None:
    """Refuse to every unpickler of this process what no pattern of module and name covers; it cannot be taken back."""
    patterns = [(re.compile(module), re.compile(name)) for module, name in reachable]

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event != "pickle.find_class":
            return
        module, name = str(args[0]), str(args[1])
        if not any(m.fullmatch(module) and n.fullmatch(name) for m, n in patterns) and not _is_of_numba():
            found = f"{module}.{name}"
            what = f"loading it would reach {found}, which is more than makes tensors, and nobody trusted the file"
            raise Fault("refused", what, name=found)

    # The hook hears which names are reached, not how they are called; torch's own unpickler looks at both.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    sys.addaudithook(hear)


def _is_of_numba() -> bool:
    """Tell numba reading back what it compiled itself: no checkpoint is read there."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") == "pickle":
        frame = frame.f_back
    numba = getattr(sys.modules.get("numba"), "__file__", None) or ""
    return bool(numba) and frame.f_code.co_filename.startswith(os.path.dirname(numba) + os.sep)
