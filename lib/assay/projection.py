"""Taking only the keys that a stage reads out of a document, and telling two documents apart."""

from collections.abc import Iterable
from typing import Any


def project(document: Any, paths: Iterable[str]) -> Any:
    """Keep the given key paths of a document; "*" steps into every entry of a list, or keeps all at the end."""
    steps = [path.split(".") for path in paths]
    return _project(document, steps)


def _project(document: Any, paths: list[list[str]]) -> Any:
    if any(not p or p == ["*"] for p in paths):
        return document
    if isinstance(document, list):
        inner = [p[1:] for p in paths if p[0] == "*"]
        return [_project(entry, inner) for entry in document]
    if not isinstance(document, dict):
        return document
    heads = dict.fromkeys(p[0] for p in paths)
    return {head: _project(document.get(head), [p[1:] for p in paths if p[0] == head]) for head in heads}


def differences(old: Any, new: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """List (key path, old, new) for every leaf that differs."""
    if old is new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [d for k in keys for d in differences(old.get(k), new.get(k), f"{where}.{k}" if where else k)]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [d for i, (a, b) in enumerate(zip(old, new)) for d in differences(a, b, f"{where}.{i}")]
    same = old == new and type(old) is type(new)  # 1, 1.0 and true are equal, and are not the same answer
    return [] if same else [(where, old, new)]


def change(old: Any, new: Any) -> str:
    """Show old -> new where they part, in a few characters."""
    if isinstance(old, list) and isinstance(new, list):
        if all(isinstance(v, str) for v in (*old, *new)) and len(old) + len(new) > 4:
            moved = [f"+{v}" for v in new if v not in old] + [f"-{v}" for v in old if v not in new]
            return ", ".join(moved[:3]) + (f" and {len(moved) - 3} more" if len(moved) > 3 else "")
        if len(old) != len(new):
            return f"{len(old)} -> {len(new)} entries"
    before, after = shown(old), shown(new)
    if before == after:
        return "changed"
    return f"{before} -> {after}"


def shown(value: Any) -> str:
    """Show a value in a few characters."""
    if value is None:
        return "nothing"
    if isinstance(value, str) and len(value) == 64 and all(c in "0123456789abcdef" for c in value):
        return value[:8]
    text = value if isinstance(value, str) else _plain(value)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 40 else text[:37] + "..."


def _plain(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
