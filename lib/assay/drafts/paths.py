"""Paths in upstream's lines: what they are put together of, what a frame read, what lies in the tree."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Iterable
from typing import Any

from assay.drafts.cut import Piece
from assay.drafts.seen import INPUT, TREE


def text(node: ast.expr, held: Callable[[str], list[Any]]) -> str | None:
    """Put a text together of what its parts were in the first run; None where one is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        found = held(node.id)
        return found[0] if found and isinstance(found[0], str) else None
    if isinstance(node, ast.FormattedValue):
        return text(node.value, held) if node.format_spec is None else None
    known = [part for part in (text(part, held) for part in _parts(node)) if part is not None]
    if not known or len(known) != len(_parts(node)):
        return None
    return posixpath.join(*known) if isinstance(node, ast.Call) else "".join(known)


def _parts(node: ast.expr) -> list[ast.expr]:
    """Give what is joined, added or put into a text."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [node.left, node.right]
    if isinstance(node, ast.JoinedStr):
        return node.values
    joins = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("path.join") and not node.keywords
    return node.args if joins else []  # type: ignore[attr-defined]


def paths_read(piece: Piece, events: list[Any]) -> dict[Any, str]:
    """Give what the frame's own calls read: the span of the call, or its line and name, and the path."""
    found: dict[Any, str] = {}
    for event in events:
        path = str(event.facts.get("path", ""))
        if event.kind == "read" and event.steps and (path == INPUT or path.startswith(TREE)):
            last = event.steps[-1]
            same = last.frame == piece.step.frame or (last.file, last.qualname) == (piece.step.file, "<module>")
            if same:
                by_line = (last.span.line, str(event.facts.get("how", "")).split(".")[-1])
                found[last.span if last.span.col is not None else by_line] = path
    return found


def places(files: Iterable[str]) -> frozenset[str]:
    """Name the files and folders of a tree, as seen from its top."""
    parts = [f.split("/")[1:] for f in files]
    return frozenset("/".join(p[:i]) for p in parts for i in range(1, len(p) + 1))
