"""Where in a JSON text each value stands: its lines, by JSON pointer."""

import json
import re
from typing import NamedTuple

from assay.canonical import escape

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Span(NamedTuple):
    """The lines of a value and of the key before it, counted from one."""

    first: int
    last: int


def spans(text: str) -> "dict[str, Span]":
    """Give the lines of every value of a text that is known to be JSON."""
    found: dict[str, Span] = {}
    open_ones: list[list[object]] = []  # per container: its pointer, "{" or "[", its first line, the next key or index
    line, at, key_line = 1, 0, 0
    for token in TOKEN.finditer(text):
        line += text.count("\n", at, token.start())
        at, sign = token.start(), token[0]
        inside = open_ones[-1] if open_ones else None
        if inside and inside[1] == "{" and inside[3] is None and sign.startswith('"'):
            inside[3], key_line = json.loads(sign), line
            continue
        if sign in ":,":
            continue
        if sign in "}]":
            pointer, _, first, _ = open_ones.pop()
            found[str(pointer)] = Span(int(str(first)), line)
            continue
        first_line = key_line if inside and inside[1] == "{" else line
        pointer = _next(inside)
        if sign in "{[":
            open_ones.append([pointer, sign, first_line, None if sign == "{" else 0])
        else:
            found[pointer] = Span(first_line, line)
    return found


def _next(inside: "list[object] | None") -> str:
    """Name the value that comes now, and be ready for the one after it."""
    if inside is None:
        return ""
    key = inside[3]
    inside[3] = key + 1 if isinstance(key, int) else None
    return f"{inside[0]}/{escape(key)}"
