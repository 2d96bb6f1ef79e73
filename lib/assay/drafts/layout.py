"""Long lines of code broken at their brackets."""

from __future__ import annotations

import io
import itertools
import tokenize

OPEN, CLOSE = "([{", ")]}"
FEW, SHORT = 8, 24  # more parts than these, none longer, share lines


def fitted(line: str, width: int) -> list[str]:
    """Break a line that is too long; one that cannot be broken stays."""
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    for start, end in _pairs(line.strip()):
        broken = _broken(line.strip(), indent, start, end, width)
        if broken:
            return broken
    return [line]


def _broken(code: str, indent: str, start: int, end: int, width: int) -> list[str]:
    head, body, tail = code[: start + 1], code[start + 1 : end], code[end:]
    if len(indent) + len(head) > width or len(indent) + len(tail) > width or not body.strip():
        return []
    inner = indent + "    "
    parts = _parts(body)
    whole = f"{inner}{body}"
    if len(parts) == 1 or len(whole) <= width - 1:
        lines = fitted(
            whole if len(parts) == 1 else whole + ("," if code[start] != "(" or _call(code, start) else ""), width
        )
    elif len(parts) > FEW and max(map(len, parts)) <= SHORT and not _call(code, start):
        lines = _filled(parts, inner, width)
    else:
        lines = [piece for part in parts for piece in fitted(f"{inner}{part},", width)]
    return [f"{indent}{head}", *lines, f"{indent}{tail}"]


def _filled(parts: list[str], indent: str, width: int) -> list[str]:
    """Put many short parts on as few lines as they need."""
    lines = [indent]
    for part in parts:
        if len(lines[-1]) + len(part) + 2 > width:
            lines.append(indent)
        lines[-1] += ("" if lines[-1] == indent else " ") + part + ","
    return lines


def _call(code: str, start: int) -> bool:
    return start > 0 and (code[start - 1].isalnum() or code[start - 1] in "_)]")


def _tokens(code: str) -> list[tuple[int, str]]:
    """Give the signs of a line with their columns; texts are left out."""
    found: list[tuple[int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.OP or token.string in ("for",):
                found.append((token.start[1], token.string))
    except (tokenize.TokenError, IndentationError):
        pass
    return found


def _pairs(code: str) -> list[tuple[int, int]]:
    """Give the outermost pairs of brackets, the last first."""
    found: list[tuple[int, int]] = []
    stack: list[int] = []
    for at, sign in _tokens(code):
        if sign in OPEN:
            stack.append(at)
        elif sign in CLOSE and stack:
            start = stack.pop()
            if not stack:
                found.append((start, at))
    return sorted(found, key=lambda p: p[1], reverse=True)


def _parts(body: str) -> list[str]:
    """Split at the commas that are in no inner bracket; a comprehension is one part."""
    depth, cuts = 0, []
    for at, sign in _tokens(body):
        if sign in OPEN:
            depth += 1
        elif sign in CLOSE:
            depth -= 1
        elif not depth and sign == "for":
            return [body.strip()]
        elif not depth and sign == ",":
            cuts.append(at)
    edges = [-1, *cuts, len(body)]
    return [p for p in (body[a + 1 : b].strip() for a, b in itertools.pairwise(edges)) if p]
