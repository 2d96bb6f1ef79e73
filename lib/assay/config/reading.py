"""A file's tree -> typed values by key path, noting every fault on the way."""

import keyword
from typing import Any, NamedTuple

from assay.config.claims import CLAIM, read_any, read_claim
from assay.config.faults import Faults, shown
from assay.config.keys import BY_PATH, GROUPS, RESERVED, Key, children
from assay.config.scalars import WORD, read_scalar
from assay.config.targets import read_key, read_target
from assay.config.yamlfile import List, Map, Node, Text, is_null
from assay.errors import WrongInput, did_you_mean


class Found(NamedTuple):
    """The value of a key, and its line; a map's entries have lines of their own."""

    value: Any  # None after a fault
    line: int
    lines: dict[str, int] = {}


PLACE_OF = {
    "notes": "notes go into experiments/NAME.notes.md",
    "upstream": "did you mean source.repo or source.path?",
}


def read_keys(top: Map, faults: Faults, *, recipe: str = "") -> dict[str, Found]:
    """Read every key of a file; recipe names the recipe when the file is one."""
    found: dict[str, Found] = {}
    _walk(top, "", faults, found, recipe)
    if all(path in found and found[path].value for path in ("source.repo", "source.path")):
        line = max(found["source.repo"].line, found["source.path"].line)
        faults.add(line, "source.path: source.repo is given as well", "keep the one that the code comes from")
    return found


def _walk(node: Map, group: str, faults: Faults, found: dict[str, Found], recipe: str) -> None:
    for name, value in node.value:
        if faults.full():
            return
        path = f"{group}.{name.value}" if group else name.value
        key = BY_PATH.get(path)
        if "." in name.value and (key or path in GROUPS):  # a path as errors name it: a file has one spelling only
            mend = f"write it as {': {'.join(path.split('.'))}: ...{'}' * path.count('.')}"
            faults.add(name.line, f"{path}: stands as one key", mend)
        elif path in RESERVED:
            faults.add(name.line, f"{path}: not yet ({RESERVED[path]})", "leave the key out for now")
        elif path in GROUPS:
            _group(value, name, path, faults, found, recipe)
        elif key is None:
            mend, meant = _nearest(name.value, group)
            faults.add(name.line, f"{shown(path)[1:-1]}: unknown key", mend)
            found.setdefault(meant, Found(None, name.line))  # so that it is not called missing as well
        elif recipe and not key.recipe:
            faults.add(name.line, f"{path}: not in a recipe", "write it in the experiment's file")
        elif not is_null(value):
            found[path] = _read(key, name, value, faults)


def _group(value: Node, name: Text, path: str, faults: Faults, found: dict[str, Found], recipe: str) -> None:
    if isinstance(value, Map):
        _walk(value, path, faults, found, recipe)
    elif not is_null(value):
        known = children(path)
        first = BY_PATH[known[0]]
        mend = f"write {path}: {{{first.path.removeprefix(path + '.')}: {first.example}}}"
        faults.add(name.line, f"{path}: is a {value.kind}, not a group of keys", mend)
        for child in known:
            found.setdefault(child, Found(None, name.line))


def _nearest(word: str, group: str) -> tuple[str, str]:
    """Say which key was meant, and its path: a neighbour, or the same word elsewhere; else name the neighbours."""
    if not group and word in PLACE_OF:
        return PLACE_OF[word], ""
    siblings = children(group)
    for paths in (siblings, list(BY_PATH)):
        words = {path.rpartition(".")[2]: path for path in reversed(paths)}
        near = did_you_mean(word[:200], list(words))
        if near.startswith("did"):
            meant = words[near.removeprefix("did you mean ").removesuffix("?")]
            return f"did you mean {meant}?", meant
    return "known: " + ", ".join(siblings), ""


def _read(key: Key, name: Text, value: Node, faults: Faults) -> Found:
    if key.shape == "map":
        return _read_map(key, name, value, faults)
    if key.shape == "list":
        return Found(_read_list(key, value, faults), name.line)
    return Found(_read_one(key, value, key.path, faults), name.line)


def _read_one(key: Key, node: Node, path: str, faults: Faults) -> Any:
    if not isinstance(node, Text):
        faults.add(node.line, f"{path}: is a {node.kind}", f"write one value, as {path}: {key.example}")
        return None
    try:
        return read_scalar(node, key)
    except WrongInput as fault:
        faults.add(node.line, f"{path}: {fault.what}", fault.mend)
        return None


def _read_list(key: Key, node: Node, faults: Faults) -> tuple[Any, ...] | None:
    """Read a list; one value alone is a list of one."""
    items = node.value if isinstance(node, List) else (node,)
    if not items:
        faults.add(node.line, f"{key.path}: is an empty list", f"write {key.example}, or leave the key out")
        return None
    values: list[Any] = []
    for item in items:
        if faults.full():
            return None
        if isinstance(item, Text) and is_null(item):
            faults.add(item.line, f"{key.path}: an item is empty", "write the item, or delete it")
            continue
        value = _read_one(key, item, key.path, faults)
        if value is not None and value in values:
            faults.add(item.line, f"{key.path}: {shown(str(value))} stands twice", "keep one")
        values.append(value)
    return None if None in values else tuple(values)


def _read_map(key: Key, name: Text, node: Node, faults: Faults) -> Found:
    if not isinstance(node, Map):
        faults.add(node.line, f"{key.path}: is a {node.kind}", f"write keys and values, as {key.example}")
        return Found(None, name.line)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for entry, value in node.value:
        if faults.full():
            break
        path = f"{key.path}.{shown(entry.value)[1:-1]}"
        wrong = _wrong_name(entry.value, key)
        if wrong:
            faults.add(entry.line, f"{path}: {wrong[0]}", wrong[1])
        elif not is_null(value):
            values[entry.value] = _read_entry(key, entry.value, value, path, faults)
            lines[entry.value] = entry.line
    return Found({k: v for k, v in values.items() if v is not None}, name.line, lines)


def _wrong_name(name: str, key: Key) -> tuple[str, str] | None:
    if key.names == "target":
        try:
            read_key(name)
        except WrongInput as fault:
            return fault.what, fault.mend
    if key.names == "param" and (not name.isidentifier() or keyword.iskeyword(name)):
        return "is no parameter name", "write the keyword of an adapter function: letters, digits and _"
    if key.names == "claim" and not CLAIM.match(name):
        return "is no claim", "write a claim's id as in outputs/contract.json, as pre.color"
    if key.names == "word" and not WORD.match(name):
        return "is no name", "write letters, digits, '.', '_' and '-'"
    return None


def _read_entry(key: Key, name: str, node: Node, path: str, faults: Faults) -> Any:
    if key.kind == "param":
        return read_any(node, path, faults)
    if key.kind == "claim":
        return read_claim(name, node, path, faults)
    if key.kind == "target":
        return _read_target(name, node, path, faults)
    return _read_one(key._replace(example="VALUE"), node, path, faults)


def _read_target(name: str, node: Node, path: str, faults: Faults) -> Any:
    if not isinstance(node, Text):
        faults.add(node.line, f"{path}: is a {node.kind}", 'write one limit, as "<= 20"')
        return None
    try:
        return read_target(name, node.value)
    except WrongInput as fault:
        faults.add(node.line, f"{path}: {fault.what}", fault.mend)
        return None
