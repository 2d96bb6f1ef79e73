"""The classes' names in config.json: complete, in order, as many as the classifier has; placeholders are no names."""

import re
from collections import Counter
from itertools import islice
from typing import Any

from assay.huggingface import shapes
from assay.huggingface.folder import CONFIG, Folder, claim, conflict, unknown
from assay.records import Claim

PLACEHOLDER = re.compile(r"LABEL_\d+$")
MOST_SHOWN = 5
CLASSIFYING = ("classify", "detect", "segment", "tag")


def claims(folder: Folder, use: str) -> "list[Claim]":
    """State the labels and their number."""
    if use not in CLASSIFYING:
        return []
    table = folder.value(CONFIG, "id2label")
    names = _numbered(table)
    counted = shapes.rows(folder)
    made = _count(folder, names, counted)
    if table is None:
        return [unknown("labels.names", f"{CONFIG} has no id2label"), *made]
    cited = folder.evidence(CONFIG, "id2label")
    if names is None:
        return [unknown("labels.names", "id2label does not map numbers to names", cited), *made]
    if any(PLACEHOLDER.match(name) for name in names.values()):
        held = sum(bool(PLACEHOLDER.match(name)) for name in names.values())
        return [
            unknown("labels.names", f"{held} of {len(names)} names in id2label are placeholders (LABEL_0)", cited),
            *made,
        ]
    return [_names(folder, names, counted[0] if counted else None), *made]


def known(folder: Folder) -> bool:
    """Tell whether id2label holds names."""
    return labelled(folder) is not None


def labelled(folder: Folder) -> "dict[int, str] | None":
    """Give the names by number, unless they are placeholders."""
    names = _numbered(folder.value(CONFIG, "id2label"))
    return names if names and not any(PLACEHOLDER.match(n) for n in names.values()) else None


def _numbered(table: Any) -> "dict[int, str] | None":
    """Read a table of numbers and names; None when it is none."""
    if not isinstance(table, dict) or not table:
        return None
    if not all(key.isascii() and key.isdigit() and isinstance(name, str) for key, name in table.items()):
        return None
    names = {int(key): name for key, name in table.items()}
    return names if len(names) == len(table) else None


def _names(folder: Folder, names: "dict[int, str]", count: "int | None") -> Claim:
    cited = [folder.evidence(CONFIG, "id2label")]
    wrong = _gaps(names, count) or _backwards(folder, names)
    if wrong:
        table = {str(i): names[i] for i in sorted(names)}
        return conflict("labels.names", None, wrong, *cited, alternatives=[table])
    return claim("labels.names", [names[i] for i in range(len(names))], *cited)


def _gaps(names: "dict[int, str]", count: "int | None") -> str:
    """Say which numbers have no name, or names no number."""
    size = len(names) if count is None else count
    lacking = list(islice((i for i in range(size) if i not in names), MOST_SHOWN + 1))
    if lacking:
        shown = ", ".join(map(str, lacking[:MOST_SHOWN])) + (", ..." if len(lacking) > MOST_SHOWN else "")
        return f"id2label has no name for {shown} of {size} classes"
    return f"id2label names class {max(names)}; the classifier has {size}" if len(names) > size else ""


def _backwards(folder: Folder, names: "dict[int, str]") -> str:
    """Compare with label2id, which says the same the other way round."""
    back = folder.value(CONFIG, "label2id")
    if not isinstance(back, dict):
        return ""
    times = Counter(names.values())
    for i, name in names.items():
        if name in back and times[name] == 1 and back[name] not in (i, str(i)):
            return f"id2label says {i} is {name!r}, label2id says {back[name]!r}"
    return ""


def _count(folder: Folder, names: "dict[int, str] | None", counted: Any) -> "list[Claim]":
    if counted is None:
        return [claim("labels.count", len(names), folder.evidence(CONFIG, "id2label"))] if names else []
    size, tensor = counted
    cited = [shapes.of_weights(folder, tensor)]
    if names is None or len(names) == size:
        return [claim("labels.count", size, *cited, *([folder.evidence(CONFIG, "id2label")] if names else []))]
    why = f"id2label names {len(names)} classes, {tensor.name} has {size}"
    return [conflict("labels.count", size, why, *cited, folder.evidence(CONFIG, "id2label"), alternatives=[len(names)])]
