"""What a person said about a claim: `pre.color: {is: BGR, by: ada, why: ...}` -> a Confirmation."""

import datetime
import re
from typing import Any

from assay.config.faults import Faults, shown
from assay.config.places import CREDENTIALS
from assay.config.scalars import by_looks, choose
from assay.config.yamlfile import List, Map, Node, Text, is_null
from assay.domain import Confirmation
from assay.errors import WrongInput

SAID = ("is", "confirm", "unknown")
ABOUT = ("by", "date", "why", "against")
CLAIM = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)*\Z")
FORM = "write {is: VALUE, by: WHO, why: REASON}, {confirm: VALUE, by: WHO} or {unknown: true, by: WHO}"


def read_any(node: Node, path: str, faults: Faults) -> Any:
    """Read a value by its looks: a scalar, or lists of these; None after a fault."""
    if isinstance(node, List):
        return [read_any(item, path, faults) for item in node.value]
    if isinstance(node, Map):
        faults.add(node.line, f"{path}: is a map", "write one value or a list")
        return None
    if is_null(node):
        faults.add(node.line, f"{path}: an item is empty", "write the item, or delete it")
        return None
    try:
        return by_looks(node)
    except WrongInput as fault:
        faults.add(node.line, f"{path}: {fault.what}", fault.mend)
        return None


def read_claim(name: str, node: Node, path: str, faults: Faults) -> Confirmation | None:
    """Read what was said about one claim, noting faults."""
    if not isinstance(node, Map):
        faults.add(node.line, f"{path}: does not say who says so", FORM)
        return None
    said: dict[str, Any] = {}
    about: dict[str, str] = {}
    before = len(faults.found)
    for key, value in node.value:
        inner = f"{path}.{key.value}"
        if faults.full():
            return None
        if key.value not in SAID + ABOUT:
            faults.add(key.line, f"{path}.{shown(key.value)[1:-1]}: unknown key", choose(key.value, SAID + ABOUT))
        elif is_null(value):
            continue
        elif key.value in SAID:
            said[key.value] = read_any(value, inner, faults)
        else:
            about[key.value] = _about(key.value, value, inner, faults)
    if len(said) != 1 or said.get("unknown", True) is not True:
        faults.add(node.line, f"{path}: needs one of is, confirm, unknown: true", FORM)
    elif "by" not in about:
        faults.add(node.line, f"{path}: does not say who says so", "add by: WHO")
    if len(faults.found) > before:
        return None
    kind, value = next(iter(said.items()))
    return Confirmation(id=name, kind=kind, value=None if kind == "unknown" else value, **about)


def _about(name: str, node: Node, path: str, faults: Faults) -> str:
    if not isinstance(node, Text):
        faults.add(node.line, f"{path}: is a {node.kind}", "write one text")
        return ""
    if CREDENTIALS.search(node.value):
        faults.add(node.line, f"{path}: holds credentials in a URL", "delete the part before @")
    if name == "date" and not _is_date(node.value):
        faults.add(node.line, f"{path}: {shown(node.value)} is no date", "write year-month-day, as 2026-11-20")
    return node.value


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
