"""Keeps pickles from reaching code that the checkpoint names and that nobody trusted, whoever loads them."""

from __future__ import annotations

import sys
from typing import Any, Sequence

from assay_worker.faults import Fault


def forbid(names: Sequence[str]) -> None:
    """Refuse these names ("module.name") to every unpickler of this process; it cannot be taken back."""
    forbidden = frozenset(names)
    if not forbidden:
        return

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event == "pickle.find_class" and f"{args[0]}.{args[1]}" in forbidden:
            what = f"loading it would reach {args[0]}.{args[1]}, which it names and which nobody trusted"
            raise Fault("refused", what, name=f"{args[0]}.{args[1]}")

    sys.addaudithook(hear)
