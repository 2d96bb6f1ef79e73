"""What a formatted text tells: which of its parts is a score, which a name."""

from __future__ import annotations

import ast
import re
import string
from typing import NamedTuple

PERCENT = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]")
SCORE, LABEL = "score", "label"


class Part(NamedTuple):
    """One value that a text shows."""

    role: str
    value: ast.expr


def parts(node: ast.expr) -> list[Part]:
    """Give the values that an expression puts into a text, in order; [] when it is no text."""
    if isinstance(node, ast.JoinedStr):
        return [_formatted(v) for v in node.values if isinstance(v, ast.FormattedValue)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and _text(node.left):
        return _percent(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        both = [*parts(node.left), *parts(node.right)]
        sides = [s for s in (node.left, node.right) if not parts(s) and not _text(s)]
        return both + [Part(LABEL, s) for s in sides] if both or _text(node.left) or _text(node.right) else []
    if isinstance(node, ast.Call):
        return _called(node)
    return []


def _text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _formatted(node: ast.FormattedValue) -> Part:
    spec = ast.unparse(node.format_spec) if node.format_spec is not None else ""
    return _part(node.value, bool(re.search(r"[fge%]['\"]?$", spec)))


def _part(value: ast.expr, number: bool) -> Part:
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("round", "float") and value.args:
        return _part(value.args[0], True)
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "str" and len(value.args) == 1:
        return _part(value.args[0], number)
    if number and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        hundred = isinstance(value.right, ast.Constant) and value.right.value == 100
        value = value.left if hundred else value
    return Part(SCORE if number else LABEL, value)


def _percent(node: ast.BinOp) -> list[Part]:
    assert isinstance(node.left, ast.Constant)
    signs = PERCENT.findall(str(node.left.value).replace("%%", ""))
    given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
    return [_part(v, s[-1] in "fFgGeE") for s, v in zip(signs, given)]


def _called(node: ast.Call) -> list[Part]:
    if isinstance(node.func, ast.Attribute) and node.func.attr == "format" and _text(node.func.value):
        assert isinstance(node.func.value, ast.Constant)
        try:
            fields = [f for f in string.Formatter().parse(str(node.func.value.value)) if f[1] is not None]
        except ValueError:
            return []
        return [_part(v, bool(re.search(r"[fge%]$", f[2] or ""))) for f, v in zip(fields, node.args)]
    if ast.unparse(node.func) == "str" and len(node.args) == 1:
        return [_part(node, False)]
    return []
