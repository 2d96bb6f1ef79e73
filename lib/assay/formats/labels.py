"""Labels as exporters embed them: a list, or a table by number, in JSON or as Python writes it; never evaluated."""

import ast
import json
from typing import Any

LIMIT = 200_000  # bytes


def label_names(text: str) -> "list[str]":
    """Read labels in the order of their numbers; none when the text is something else."""
    if not text or len(text) > LIMIT:
        return []
    for read in (json.loads, ast.literal_eval):
        try:
            return in_order(read(text))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return []


def in_order(found: Any) -> "list[str]":
    """Put labels in the order of their numbers; raise when they are none."""
    if isinstance(found, dict):
        return [_label(found[key]) for key in sorted(found, key=_number)]
    if isinstance(found, list):
        return [_label(value) for value in found]
    raise ValueError


def _number(key: Any) -> int:
    return int(key) if isinstance(key, (int, str)) else _refuse()


def _label(value: Any) -> str:
    return str(value) if isinstance(value, (str, int, float)) else _refuse()


def _refuse() -> Any:
    raise ValueError
