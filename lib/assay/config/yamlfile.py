"""YAML text -> a tree of texts, lists and maps that know their line; everything clever is refused."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Union

from assay.config.faults import Faults, refuse, shown
from assay.config.syntax import explain

LARGEST = 1 << 20
DEEPEST = 20
TOO_DEEP, FLATTEN = f"is nested deeper than {DEEPEST} levels", "no key needs that; flatten it"
MOST_NODES = 20_000
MOST_CONTROLS = 20
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
UNUSABLE = re.compile("[\0\ud800-\udfff]")


class Text(NamedTuple):
    """A scalar, exactly as it was written."""

    line: int
    column: int
    value: str
    quoted: bool = False

    @property
    def kind(self) -> str:
        """Name the kind of node."""
        return "text"


class List(NamedTuple):
    """A list of nodes."""

    line: int
    column: int
    value: "tuple[Node, ...]"

    @property
    def kind(self) -> str:
        """Name the kind of node."""
        return "list"


class Map(NamedTuple):
    """Keys and their nodes, in the order of the file; no key stands twice."""

    line: int
    column: int
    value: "tuple[tuple[Text, Node], ...]"

    @property
    def kind(self) -> str:
        """Name the kind of node."""
        return "map"


Node = Union[Text, List, Map]


def is_null(node: Node) -> bool:
    """Tell whether nothing was written: empty, ~ or null without quotes."""
    return isinstance(node, Text) and not node.quoted and node.value in NULLS


def parse(text: bytes, file: str) -> Node:
    """Read YAML, or raise every fault of it that can be seen."""
    faults = Faults(file)
    node = read(text, faults)
    refuse(faults)
    assert node is not None  # no fault, so there is a node
    return node


def read(text: bytes, faults: Faults) -> Node | None:
    """Read YAML, noting faults; None when nothing beyond the faults can be said."""
    decoded = _decoded(text, faults)
    if decoded is None:
        return None
    import yaml  # 10 ms that a cached run does not need

    return tree(decoded, faults, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def tree(text: str, faults: Faults, loader: Any) -> Node | None:
    """Build the tree from a loader's events (libyaml's, or the seven times slower Python ones)."""
    import yaml

    builder = _Builder(faults)
    try:
        whole = builder.take_all(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in (error.problem or ""):  # libyaml has a limit of its own since 0.2.6
            faults.add((error.problem_mark.line if error.problem_mark else 0) + 1, TOO_DEEP, FLATTEN)
        else:
            explain(error, text, faults)
        return None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        faults.add(1, f"is not YAML ({shown(str(error))})", "check quotes, brackets and backslashes")
        return None
    if whole and not isinstance(builder.top, Map):
        _not_a_map(builder.top, faults)
        return None
    return builder.top if whole else None


def _decoded(text: bytes, faults: Faults) -> str | None:
    if len(text) > LARGEST:
        faults.add(1, f"is larger than {LARGEST >> 20} MiB", "keep settings here and data in other files")
        return None
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        faults.add(1, "is UTF-16 text", "save it as UTF-8")
        return None
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        faults.add(line, f"is not UTF-8 (byte 0x{text[error.start]:02x})", "save it as UTF-8")
        return None
    bad = list(UNPRINTABLE.finditer(decoded))
    for match in bad:
        line = decoded.count("\n", 0, match.start()) + 1
        faults.add(line, f"holds the control character {shown(match[0])}", "delete it")
        if len(faults.found) > MOST_CONTROLS:
            break
    return None if bad else decoded


def _not_a_map(top: Node | None, faults: Faults) -> None:
    if top is None or is_null(top):
        faults.add(1, "is empty", "write model: and source:, or let doit new write the file")
        return
    what = "a list" if isinstance(top, List) else f"the text {shown(str(top.value))}"
    faults.add(top.line, f"the top level is {what}", "write keys and values, as model: {name: ..., checkpoint: ...}")


class _Open:
    """A list or map whose end has not come yet."""

    def __init__(self, line: int, column: int, keys: "dict[str, int] | None") -> None:
        self.line, self.column = line, column
        self.keys = keys  # a map's keys and their lines; None for a list
        self.pending: Node | None = None  # a map's key that waits for its value
        self.skip = False  # the waiting key was refused
        self.items: list[Node] = []
        self.entries: list[tuple[Text, Node]] = []


class _Builder:
    """Events in, one node out; refuses what makes a file say something else than it shows."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.stack: list[_Open] = []
        self.top: Node | None = None
        self.nodes = 0
        self.documents = 0

    def take_all(self, events: Iterable[Any]) -> bool:
        """Take every event; False when reading on makes no sense."""
        return all(self._take(type(event).__name__, event) for event in events)

    def _take(self, name: str, event: Any) -> bool:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if name == "DocumentStartEvent":
            return self._document(line)
        if name == "AliasEvent":
            self.faults.add(line, f"*{event.anchor}: aliases are refused", "write the value out")
            return self._put(Text(line, column, f"*{event.anchor}"))
        if name == "ScalarEvent":
            self._check_marks(event, line)
            return self._put(self._text(event, line, column))
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            self._check_marks(event, line)
            self.stack.append(_Open(line, column, {} if name == "MappingStartEvent" else None))
            return self._shallow(line)
        if name in ("MappingEndEvent", "SequenceEndEvent"):
            return self._close(self.stack.pop())
        return True

    def _document(self, line: int) -> bool:
        self.documents += 1
        if self.documents > 1:
            self.faults.add(line, "a second document begins here", "keep one experiment per file; delete the line ---")
        return self.documents == 1

    def _shallow(self, line: int) -> bool:
        if len(self.stack) > DEEPEST:
            self.faults.add(line, TOO_DEEP, FLATTEN)
        return len(self.stack) <= DEEPEST

    def _check_marks(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self.faults.add(line, f"&{event.anchor}: anchors are refused", "delete it and write the value out")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.faults.add(line, f"{shown(tag)}: tags are refused", "delete the tag; the key says what the value is")

    def _text(self, event: Any, line: int, column: int) -> Text:
        if UNUSABLE.search(event.value):
            self.faults.add(line, "a backslash escape makes a character that no text can hold", "delete the escape")
        return Text(line, column, UNUSABLE.sub("?", event.value), bool(event.style))  # plain: "" or None

    def _close(self, done: _Open) -> bool:
        if done.keys is None:
            return self._put(List(done.line, done.column, tuple(done.items)))
        return self._put(Map(done.line, done.column, tuple(done.entries)))

    def _put(self, node: Node) -> bool:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self.faults.add(node.line, f"holds more than {MOST_NODES} values", "keep data in files and name them here")
            return False
        if not self.stack:
            self.top = node
        elif self.stack[-1].keys is None:
            self.stack[-1].items.append(node)
        elif self.stack[-1].pending is None:
            self.stack[-1].pending = node
            self._check_key(node, self.stack[-1])
        else:
            self._pair(self.stack[-1], node)
        return True

    def _pair(self, inside: _Open, node: Node) -> None:
        key, inside.pending = inside.pending, None
        if isinstance(key, Text) and not inside.skip:
            inside.entries.append((key, node))
        inside.skip = False

    def _check_key(self, key: Node, inside: _Open) -> None:
        """Note a key that cannot stand; the pair is then left out."""
        assert inside.keys is not None
        inside.skip = True
        if not isinstance(key, Text):
            self.faults.add(key.line, f"a {key.kind} stands where a key belongs", "write a name before the colon")
        elif key.value == "<<":
            self.faults.add(key.line, "<<: merge keys are refused", "write the keys out")
        elif not key.value.strip():
            self.faults.add(key.line, "a key is empty", "write a name before the colon")
        elif key.value in inside.keys:
            first = inside.keys[key.value]
            self.faults.add(key.line, f"{shown(key.value)} stands twice (first in line {first})", "keep one of them")
        else:
            inside.keys[key.value] = key.line
            inside.skip = False
