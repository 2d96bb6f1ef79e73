"""Lists of names in upstream's trees that may be a model's labels; read as text."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.formats.labels import in_order
from assay.records import Labels
from assay.upstream import tables
from assay.upstream.abstract import plain
from assay.upstream.index import Index
from assay.upstream.requirements import Unreadable, content
from assay.upstream.settings import Settings

FILE = re.compile(
    r".*\.names|.*(label|classes|synset|categories|imagenet_classes|class_names)[^/]*\.(txt|names|json)"
    r"|(.*_)?(int|id|idx|index|ix)(2|_to_)[a-z]+\.json",
    re.IGNORECASE,
)
CALLED = re.compile(
    r".*(names|classes|labels?|categories|class_?list|chars|charset|alphabet|vocab)"
    r"|(.*_)?(i|int|id|idx|index|ix|num)(2|_to_)[a-z]+",
    re.IGNORECASE,
)
LOOKS = ("len", "enumerate", "range", "zip", "list", "tuple", "dict", "set", "sorted")  # leave a list as it is
FILLS = "append|extend|insert|remove|pop|sort|reverse|clear|update|setdefault"
KEYS = ("names", "id2label", "class_names", "label_names", "labels", "classes")
MADE = (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.DictComp, ast.Call)
MOST, MOST_NAMES, LONGEST, FEWEST, LARGEST = 30, 1_000, 60, 2, 200_000


class Names:
    """The lists of names of all trees."""

    def __init__(self, trees: Mapping[str, Path], files: "Sequence[str]", index: Index, settings: Settings) -> None:
        self.trees, self.index, self.settings = trees, index, settings
        self.files = [f for f in files if FILE.fullmatch(f.rpartition("/")[2])]
        self._texts = [f for f in files if f.lower().endswith((".txt", ".names"))]
        self._read: dict[str, Labels | None] = {}

    def all(self) -> "list[Labels]":
        """List what may be labels, files of their own first."""
        found = [self._of_file(f) for f in sorted(self.files, key=lambda f: (f.count("/"), f))[:MOST]]
        found += self._in_settings()
        found += self._in_code()
        seen: dict[tuple[int, tuple[str, ...]], Labels] = {}
        for labels in found:
            if labels:
                seen.setdefault((labels.first, tuple(labels.names)), labels)
        return list(seen.values())[:MOST]

    def file(self, name: str) -> "Labels | None":
        """Read the file that code names; None when there is none."""
        name = name.replace("\\", "/").removeprefix("./")
        hits = [f for f in self._texts if f.partition("/")[2] == name] or [
            f for f in self._texts if f.endswith("/" + name)
        ]
        return self._of_file(hits[0]) if hits and name else None

    def _of_file(self, path: str) -> "Labels | None":
        if path not in self._read:
            name, _, inner = path.partition("/")
            self._read[path] = _listed(path, self.trees[name] / inner)
        return self._read[path]

    def _in_settings(self) -> "list[Labels | None]":
        found = []
        for path in self.settings.used:
            text = self.settings.text(path)
            if path in self.files or not any(key in text for key in KEYS):
                continue
            values = self.settings.values(path)
            key = next((k for k in KEYS if isinstance(values, dict) and values.get(k)), "")
            line = next((n for n, t in enumerate(text.splitlines(), 1) if t.strip().lstrip("\"'").startswith(key)), 1)
            found.append(_labels(f"{path}:{line}", values.get(key) if isinstance(values, dict) else None))
        return found

    def _in_code(self) -> "list[Labels | None]":
        found, files = [], list(self.index.files.values())
        for file in files:
            once = [(n, values[0]) for n, values in file.assigned.items() if CALLED.fullmatch(n) and len(values) == 1]
            made = [(name, node) for name, node in once if isinstance(node, MADE)]
            hidden = {*file.defs, *file.imports, *tables.changed(file.tree, file.text)} if made else set()
            # one line or many: a list of one or two names in small letters is more often something else
            found += [
                _labels(f"{file.path}:{node.lineno}", _made(node, file.assigned, hidden))
                for name, node in made
                if name not in hidden
            ]
            held = [(n, v) for n, v in _in_classes(file.tree) if not any(_sets(n, f.text) for f in files)]
            found += [_labels(f"{file.path}:{node.lineno}", _made(node, {}, set())) for _, node in held]
        return found


def _in_classes(tree: ast.Module) -> "list[tuple[str, ast.expr]]":
    """Give the lists of names that classes are written with, as a configuration has them."""
    found: list[tuple[str, ast.expr]] = []
    for owner in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        lines = [n for n in owner.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
        counted = [n.args for n in ast.walk(owner) if isinstance(n, ast.Call) and getattr(n.func, "id", "") in LOOKS]
        looks = [id(one) for args in counted for one in args]
        used = [n.id for n in ast.walk(owner) if isinstance(n, ast.Name) and id(n) not in looks]
        named = [(n.targets[0].id, n.value) for n in lines]  # type: ignore[attr-defined]
        found += [(n, v) for n, v in named if CALLED.fullmatch(n) and isinstance(v, MADE) and used.count(n) == 1]
    return found


def _sets(name: str, text: str) -> bool:
    """Tell whether a file gives what a class holds another value, or fills it."""
    changed = (
        rf"\.{name}(\[[^\]]*\])?\s*([-+*|]?=[^=]|\.({FILLS})\()|shuffle\([^)]*\.{name}\b|setattr\([^)]*['\"]{name}['\"]"
    )
    return bool(re.search(changed, text))


def _made(node: ast.expr, assigned: tables.Assigned, hidden: "set[str]") -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        value = tables.made(node, assigned, hidden)
    return list(value) if isinstance(value, tuple) else value


def _listed(path: str, place: Path) -> "Labels | None":
    try:
        text = content(place) if place.stat().st_size <= LARGEST else ""
    except (Unreadable, OSError):
        return None
    if path.endswith(".json"):
        try:
            return _labels(f"{path}:1", json.loads(text))
        except (ValueError, RecursionError):
            return None
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return _labels(f"{path}:1", lines) if all(lines) else None


def _labels(where: str, value: Any) -> "Labels | None":
    if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()):
        return None
    try:
        names = in_order(value)
    except (ValueError, TypeError):
        return None
    fits = len(names) >= FEWEST and all(0 < len(n) <= LONGEST and plain(n) for n in names)
    if not fits or all(re.fullmatch(r"[\d.\-]+", n) for n in names) or any("/" in n and "." in n for n in names):
        return None
    numbers = sorted(map(int, value)) if isinstance(value, dict) else [0]
    first = numbers[0]
    if abs(first) > MOST_NAMES or (isinstance(value, dict) and numbers != list(range(first, first + len(names)))):
        return None
    return Labels(where=where, names=names[:MOST_NAMES], count=len(names), first=first, keyed=isinstance(value, dict))
