"""One way to write JSON: sorted keys, one key a line, short lists on one line.

Standard library and Python 3.8 syntax only: the worker carries a copy of this file.
"""

import json
import math

WIDTH = 100


def dumps(value):
    """Write a value as canonical JSON text; equal values give equal bytes."""
    return "".join(_lines(_checked(value, ""), "")) + "\n"


def pointer_lines(value):
    """Map each JSON pointer of a value to its line in the canonical text."""
    lines = {}
    _walk(_checked(value, ""), "", 1, lines)
    return lines


def loads(text):
    """Read strict JSON: no duplicate keys, no NaN."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key stands twice")
    return keys


def _refuse(name):
    raise ValueError(name + " is not JSON")


def _checked(value, where):
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where or '/'} is {value}, which JSON cannot carry")
    if isinstance(value, dict):
        return {str(k): _checked(v, f"{where}/{k}") for k, v in sorted(value.items(), key=lambda kv: str(kv[0]))}
    if isinstance(value, (list, tuple)):
        return [_checked(v, f"{where}/{i}") for i, v in enumerate(value)]
    return value


def _flat(value):
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _is_short(value):
    if not isinstance(value, list) or any(isinstance(v, dict) for v in value):
        return not isinstance(value, (dict, list)) or not value
    return all(_is_short(v) for v in value) and len(_flat(value)) <= WIDTH


def _lines(value, indent):
    if _is_short(value):
        yield _flat(value)
        return
    inner = indent + " "
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    entries = list(value.items()) if isinstance(value, dict) else [(None, v) for v in value]
    yield opening + "\n"
    for i, (key, entry) in enumerate(entries):
        yield inner + ("" if key is None else _flat(key) + ": ")
        yield from _lines(entry, inner)
        yield "\n" if i == len(entries) - 1 else ",\n"
    yield indent + closing


def _walk(value, pointer, line, lines):
    """Record the line of every pointer below; return the last line used."""
    lines[pointer] = line
    if not isinstance(value, (dict, list)) or not value:
        return line
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    if _is_short(value):
        for key, entry in entries:
            _walk_flat(entry, f"{pointer}/{escape(key)}", line, lines)
        return line
    for key, entry in entries:
        line = _walk(entry, f"{pointer}/{escape(key)}", line + 1, lines)
    return line + 1


def _walk_flat(value, pointer, line, lines):
    lines[pointer] = line
    if isinstance(value, list):
        for i, entry in enumerate(value):
            _walk_flat(entry, f"{pointer}/{i}", line, lines)


def escape(key):
    """Write a key or index as one part of a JSON pointer."""
    return str(key).replace("~", "~0").replace("/", "~1")
