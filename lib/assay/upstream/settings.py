"""The files of settings in upstream's trees, and what they say to a key; read as data, never run."""

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from assay.upstream.abstract import UNKNOWN, Items
from assay.upstream.requirements import Unreadable, content

SUFFIXES = (".yaml", ".yml", ".json", ".cfg", ".data", ".ini", ".conf")
LARGEST, MOST = 200_000, 80
LINE = re.compile(r"^\s*[\"']?([A-Za-z_][\w.-]*)[\"']?\s*[:=]\s*(.+?)\s*,?\s*$")
NUMBERS = re.compile(r"-?\d+(\s*,\s*-?\d+)+")


class Setting(NamedTuple):
    """One line of a file of settings."""

    value: Any
    where: str
    text: str


class Settings:
    """The files of settings of all trees."""

    def __init__(self, trees: Mapping[str, Path], files: "Sequence[str]") -> None:
        self.trees, self.everything = trees, files
        self.files = [f for f in files if f.lower().endswith(SUFFIXES) and "/." not in f]
        self.used: list[str] = []  # those that code or documents name
        self._texts: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._lines: dict[str, dict[str, list[Setting]]] = {}

    def text(self, path: str) -> str:
        """Read a file; "" when it is too long or no text."""
        if path not in self._texts:
            name, _, inner = path.partition("/")
            place = self.trees[name] / inner
            try:
                self._texts[path] = content(place) if place.stat().st_size <= LARGEST else ""
            except (Unreadable, OSError):
                self._texts[path] = ""
        return self._texts[path]

    def find(self, name: str) -> str:
        """Find the file that code names, by its whole path or by its last part when that is the only one."""
        name = posixpath.normpath(name.replace("\\", "/")).lstrip("./")
        if not name or not name.lower().endswith(SUFFIXES):
            return ""
        hits = [f for f in self.files if f.endswith("/" + name)]
        if not hits and "/" in name:
            hits = [f for f in self.files if f.endswith("/" + name.rpartition("/")[2])]
        exact = [f for f in hits if f.partition("/")[2] == name]
        return exact[0] if exact else min(hits, key=len) if hits else ""

    def values(self, name: str) -> Any:
        """Read a YAML or JSON file as data."""
        path = self.find(name)
        if path not in self._values:
            self._values[path] = _parsed(path, self.text(path)) if path else UNKNOWN
        try:
            return _listed(self._values[path])  # a copy: upstream may change it
        except RecursionError:
            return UNKNOWN

    def lines(self, path: str) -> "dict[str, list[Setting]]":
        """Read what each line of a file gives to which key."""
        if path not in self._lines:
            found: dict[str, list[Setting]] = {}
            for number, line in enumerate(self.text(path).splitlines(), 1):
                match = LINE.match(line) if len(line) < 500 else None
                if match and not line.lstrip().startswith(("#", ";", "//")):
                    value = scalar(match[2])
                    if value is not UNKNOWN:
                        found.setdefault(match[1], []).append(Setting(value, f"{path}:{number}", line.strip()[:300]))
            self._lines[path] = found
        return self._lines[path]

    def use(self, texts: "Sequence[str]") -> None:
        """Find the files that code or documents name."""
        found = [f for f in self.files if any(f.rpartition("/")[2] in text for text in texts)]
        self.used = sorted(found, key=lambda f: (f.count("/"), f))[:MOST]


def scalar(text: str) -> Any:
    """Read a number, a text, a truth or a flat list; UNKNOWN of anything else."""
    text = re.sub(r"\s+#.*$", "", text).strip().rstrip(",").strip()
    if not text or text[0] in "{&*!|>":
        return UNKNOWN
    if text[0] == "[":
        try:
            found = json.loads(text.replace("'", '"'))
        except ValueError:
            return UNKNOWN
        return found if all(isinstance(v, (int, float, str)) for v in found) else UNKNOWN
    if NUMBERS.fullmatch(text):
        return [int(n) for n in text.split(",")]
    lowered = text.lower()
    if lowered in ("true", "false", "null", "~", "none"):
        return {"true": True, "false": False}.get(lowered)
    for kind in (int, float):
        try:
            found = kind(text)
            return found if found == found and abs(found) != float("inf") else UNKNOWN
        except ValueError:
            continue
    return text.strip("\"'")[:200]


def _parsed(path: str, text: str) -> Any:
    try:
        if path.lower().endswith(".json"):
            return json.loads(text)
        if path.lower().endswith((".yaml", ".yml")):
            import yaml

            if "&" in text and "*" in text:
                return UNKNOWN  # aliases within aliases may mean more than fits anywhere
            return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except Exception:  # whatever a parser finds wrong with a file of upstream's
        return UNKNOWN
    return UNKNOWN


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return Items(_listed(v) for v in value) if isinstance(value, list) else value
