"""Statements written out: variables get readable names again, and each line says where it comes from."""

from __future__ import annotations

import ast
import copy
import io
import re
import tokenize
from collections.abc import Callable, Iterable

from assay.drafts import layout
from assay.drafts.cut import HOLE
from assay.drafts.flow import Line, apart, writes
from assay.drafts.observed import MARK, plain_name
from assay.drafts.reading import names, stored
from assay.drafts.seen import OWN

WIDE = 116
CALLED = re.compile(r"#([A-Za-z_][\w.]*)(\(\))?:\d+$")  # a place in a call that assay wrote, or in a handler's lines


def used(lines: Iterable[ast.AST]) -> list[str]:
    """Give every name in order of appearance."""
    found: dict[str, None] = {}
    for line in lines:
        for node in ast.walk(line):
            if isinstance(node, ast.Name):
                found.setdefault(node.id)
            elif isinstance(node, ast.arg):
                found.setdefault(node.arg)
            elif isinstance(node, ast.FunctionDef):
                found.setdefault(node.name)
    return list(found)


def renamed(node: ast.AST, mapping: dict[str, str]) -> ast.AST:
    """Copy code with other names."""
    made = copy.deepcopy(node)
    for inner in ast.walk(made):
        if isinstance(inner, ast.Name):
            inner.id = mapping.get(inner.id, inner.id)
        elif isinstance(inner, ast.arg):
            inner.arg = mapping.get(inner.arg, inner.arg)
        elif isinstance(inner, ast.FunctionDef):
            inner.name = mapping.get(inner.name, inner.name)
    return made


def pretty(found: list[str], given: dict[str, str], reserved: Iterable[str]) -> dict[str, str]:
    """Choose a readable name for each variable; globals and the adapter's own names come first."""
    mapping = dict(given)
    taken = {*given.values(), *reserved}
    for name in found:
        if MARK not in name or name in mapping:
            continue
        base, number = plain_name(name), 1
        chosen = base
        while chosen in taken:
            number += 1
            chosen = f"{base}_{number}"
        mapping[name] = chosen
        taken.add(chosen)
    return mapping


def local(found: Iterable[str]) -> list[str]:
    """Pick the names that are variables of upstream's frames."""
    return [n for n in found if MARK in n and n.split(MARK)[1].isdigit()]


# ---------------------------------------------------------------- copies
def coalesced(lines: list[Line], ends: list[ast.AST]) -> tuple[list[Line], list[ast.AST]]:
    """Drop lines that only give a value another name, where one name can stand for both."""
    lines = [part for line in lines for part in apart(line)]
    i = 0
    while i < len(lines):
        pair = _copy_of(lines[i].node)
        rest: list[ast.AST] = [*(line.node for line in lines[i + 1 :]), *ends]
        if pair is None or not _may_join(pair, lines[:i], rest):
            i += 1
            continue
        new, old = pair
        head = lines[:i]
        if new != old:
            lines = head + [Line(_as_statement(renamed(x.node, {new: old})), x.where) for x in lines[i + 1 :]]
            ends = [renamed(e, {new: old}) for e in ends]
        else:
            lines = head + lines[i + 1 :]
    return lines, ends


def _as_statement(node: ast.AST) -> ast.stmt:
    assert isinstance(node, ast.stmt)
    return node


def _copy_of(node: ast.stmt) -> tuple[str, str] | None:
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name) and isinstance(value, ast.Name) and (MARK in value.id or value.id == HOLE):
        return target.id, value.id
    return None


def _may_join(pair: tuple[str, str], head: list[Line], rest: list[ast.AST]) -> bool:
    new, old = pair
    if new == old:
        return True
    kind = old.split(MARK)[1] if MARK in old else ""
    if any(new in writes(line.node) | names(line.node) for line in head):
        return False
    later = {n for node in rest for n in writes(node) | stored(node)}
    if not kind.isdigit():
        return new not in later  # the adapter's own names and parameters are not bound anew
    read = {n for node in rest for n in names(node)}
    return (new not in later and old not in later) or old not in read | later


# ---------------------------------------------------------------- text
def text(lines: Iterable[Line], mapping: dict[str, str], indent: str = "    ") -> list[str]:
    """Write statements, each with the place that it comes from."""
    found: list[str] = []
    for line in lines:
        node = renamed(line.node, mapping)
        written = _doubled(_unparsed(ast.fix_missing_locations(node))).split("\n")
        note = f"  # {place(line.where)}" if line.where else ""
        written = [w for one in written for w in layout.fitted(one, WIDE - len(indent))]
        first = indent + written[0]
        if note and (len(first) + len(note) > WIDE or written[0].endswith(("(", "[", "{"))):
            found.append(f"{indent}{note.strip()}")
            note = ""
        found.append(first + note)
        found += [indent + w for w in written[1:]]
    return found


def place(where: str) -> str:
    """Name a place of upstream's within its tree; of a call that assay wrote, the function that it calls."""
    called = CALLED.search(where)
    if called and called[2]:
        return f"{where.partition('/')[2][: -len(called[0])]}: {called[1]}"
    return f"to call {called[1]}" if called else where.partition("/")[2]


def _unparsed(node: ast.AST) -> str:
    """Write code; a returned tuple goes without brackets."""
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        return "return " + ", ".join(ast.unparse(e) for e in node.value.elts)
    return ast.unparse(node)


def _doubled(written: str) -> str:
    """Put texts into double quotes where nothing in them is in the way."""
    made = list(written)
    lines = [0]
    for line in written.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(written).readline))
    except (tokenize.TokenError, IndentationError):
        return written
    for token in tokens:
        text = token.string
        if token.type == tokenize.STRING and text[-1] == "'" and not text.endswith("'''"):
            if '"' in text or "\\" in text:
                continue
            start, end = lines[token.start[0] - 1] + token.start[1], lines[token.end[0] - 1] + token.end[1]
            made[start + text.index("'")] = made[end - 1] = '"'
    return "".join(made)


def own_names(found: Iterable[str], own: Callable[[str], str]) -> dict[str, str]:
    """Map the adapter's own names."""
    return {n: own(plain_name(n)) for n in found if n.endswith(OWN)}
