"""Records as rows of text: every number is read here, and is a link to the line it stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from assay import canonical, layout, units
from assay.report import escape
from assay.report.escape import Safe

NOT_MEASURED = Safe("not measured")
_MARK = "\0"  # around a link's number until the text is whole: escaped text holds no control character
_MARKED = re.compile(f"{_MARK}(\\d+){_MARK}")


class StageFiles(msgspec.Struct, frozen=True):
    """What a stage left besides its record."""

    name: str
    log: str = ""  # logs/<stage>.log


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the reports say beyond the records."""

    experiment: str
    version: str
    notes: str = ""  # the text of experiments/<experiment>.notes.md
    notes_by: str = ""
    stages: tuple[StageFiles, ...] = ()
    edited: tuple[str, ...] = ()  # generated files that were edited in place


class View:
    """All records of one experiment, and the links made so far."""

    def __init__(self, records: Mapping[str, Any]) -> None:
        self.records = dict(records)
        self._lines: dict[str, dict[str, int]] = {}
        self._ids: dict[tuple[str, str, str], int] = {}

    def record(self, name: str) -> Node:
        """Enter a record; without one, a node that is empty."""
        return Node(self, name, "", self.records.get(name))

    def at(self, address: str) -> Node:
        """Follow an address such as outputs/stats.json#/configurations/0/throughput; empty when it leads nowhere."""
        file, _, pointer = address.partition("#")
        node = self.record(file.removeprefix("outputs/").removesuffix(".json"))
        for key in pointer.split("/")[1:]:
            node = node[key.replace("~1", "/").replace("~0", "~")]
        return node

    def link(self, record: str, pointer: str, shown: str, formula: str = "") -> Safe:
        """Link a text to the line of a pointer; a pointer that does not exist is our bug."""
        if record not in self._lines:
            self._lines[record] = canonical.pointer_lines(self.records[record])
        if pointer not in self._lines[record]:
            raise LookupError(f"{record} has no {pointer}")
        index = self._ids.setdefault((record, pointer, formula), len(self._ids))
        return Safe(f"[{escape.inline(shown)}][{_MARK}{index}{_MARK}]")

    def finish(self, body: str) -> str:
        """Number the links of a text in reading order, and write below where each leads."""
        places = list(self._ids)
        order = list(dict.fromkeys(int(index) for index in _MARKED.findall(body)))
        names = {index: f"n{i}" for i, index in enumerate(order, 1)}
        numbered = _MARKED.sub(lambda found: names[int(found[1])], body)
        references = [f"[{names[index]}]: {self._reference(*places[index])}" for index in order]
        return numbered.rstrip("\n") + "\n" + "".join(f"{line}\n" for line in ["", *references] if references)

    def _reference(self, record: str, pointer: str, formula: str) -> str:
        return f'{self._address(record, pointer)} "{escape.title(formula or pointer)}"'

    def _address(self, record: str, pointer: str) -> str:
        return f"../{layout.record(record)}#L{self._lines[record][pointer]}"


class Node:
    """A place in a record: the value and the pointer to it."""

    def __init__(self, view: View, record: str, pointer: str, value: Any) -> None:
        self.view, self.name, self.pointer, self.value = view, record, pointer, value

    def __bool__(self) -> bool:
        return self.value is not None and self.value != [] and self.value != {} and self.value != ""

    def __getitem__(self, key: str | int) -> Node:
        """Go one step down; a step that leads nowhere gives an empty node."""
        value = None
        if isinstance(self.value, dict):
            value = self.value.get(str(key))
        elif isinstance(self.value, list) and str(key).isdigit() and int(key) < len(self.value):
            value = self.value[int(key)]
        step = str(key).replace("~", "~0").replace("/", "~1")
        return Node(self.view, self.name, f"{self.pointer}/{step}", value)

    def __iter__(self) -> Iterator[Node]:
        """Walk a list's entries, or a mapping's in the order they are written."""
        if isinstance(self.value, list):
            return iter([self[i] for i in range(len(self.value))])
        return iter([self[key] for key in sorted(self.value)] if isinstance(self.value, dict) else [])

    @property
    def key(self) -> str:
        """Name the last step."""
        return self.pointer.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")

    def text(self) -> Safe:
        """Escape a text."""
        return escape.text("" if self.value is None else self.value)

    def code(self) -> Safe:
        """Set a text in code type where it is harmless."""
        return escape.code("" if self.value is None else self.value)

    def linked(self) -> Safe:
        """Write a text whose numbers are its own, linked to its line."""
        return self._link(str(self.value))

    def num(self, unit: str = "", places: int | None = None) -> Safe:
        """Write the number that stands here, linked."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise TypeError(f"{self.name}{self.pointer} is no number")
        return self._link(units.with_unit(units.number(self.value, places), unit))

    def show(self) -> Safe:
        """Write whatever stands here: texts as text, everything else linked."""
        if self.value is None:
            return Safe("unknown")
        if isinstance(self.value, str):
            return self.text()
        if isinstance(self.value, bool):
            return Safe("yes" if self.value else "no")
        if isinstance(self.value, (int, float)):
            return self._link(units.exact(self.value))
        return self._link(flat(self.value))

    def measured(self) -> bool:
        """Tell whether a quantity has a number."""
        return isinstance(self.value, dict) and self.value.get("is") == "measured"

    def reason(self) -> Safe:
        """Say why a quantity has no number."""
        return self["reason"].linked() if self["reason"] else Safe("not recorded")

    def quantity(self, *, n: bool = True, unit: str | None = None) -> Safe:
        """Write a quantity with interval and sample count, linked to its value; "not measured" without one."""
        if not self.measured():
            return NOT_MEASURED
        value, low, high = units.interval(self.value["value"], self.value["low"], self.value["high"])
        shown = units.with_unit(value, self.value["unit"] if unit is None else unit)
        beside = [f"{low} to {high}"] if low else []
        beside += [f"n {self.value['n']}"] if n else []
        return self["value"]._link(f"{shown} ({', '.join(beside)})" if beside else shown)

    def alone(self) -> Safe:
        """Write a quantity's value without interval and count: for a table that has a column for them."""
        if not self.measured():
            return NOT_MEASURED
        value, _, _ = units.interval(self.value["value"], self.value["low"], self.value["high"])
        return self["value"]._link(units.with_unit(value, self.value["unit"]))

    def sureness(self) -> Safe:
        """Write how sure a quantity is: its interval and its sample count."""
        if not self.measured():
            return self.reason()
        _, low, high = units.interval(self.value["value"], self.value["low"], self.value["high"])
        count = self["n"]._link(f"n {self.value['n']}")
        return Safe(f"{self._interval(low, high)}, {count}")

    def _interval(self, low: str, high: str) -> Safe:
        return self["low"]._link(f"{low} to {high}") if low else Safe("no interval")

    def count(self) -> Safe:
        """Write how many entries stand here."""
        return self._link(str(len(self.value or ())), f"= length of {self.pointer}")

    def _link(self, shown: str, formula: str = "") -> Safe:
        return self.view.link(self.name, self.pointer, shown, formula)


def share(part: Node, parts: Sequence[Node]) -> Safe:
    """Write the share of one measured quantity in a sum; the link's title is the formula.

    The quantities stand at the same place in the entries of one list, so the formula names the entries only.
    """
    whole = sum(node.value["value"] for node in parts)
    base, key, rest = _split(part.pointer)
    keys = " + ".join(_split(node.pointer)[1] for node in parts)
    formula = f"= {key} / ({keys}), each {base}/*/{rest}/value"
    shown = f"{100 * part.value['value'] / whole:.0f} %" if whole > 0 else "none"
    return part["value"]._link(shown, formula)


def _split(pointer: str) -> tuple[str, str, str]:
    """Part a pointer such as /configurations/0/latency/2/experienced/p50 at the last list."""
    base, _, rest = pointer.partition("/latency/")
    key, _, rest = rest.partition("/")
    return f"{base}/latency", key, rest


def times(part: Node, base: Node) -> Safe:
    """Write how many times a measured quantity is of another; the link's title is the formula."""
    ratio = part.value["value"] / base.value["value"]
    shown = units.number(float(ratio), max(0, units.decimals(float(ratio)) - 1))
    return part["value"]._link(f"{shown} times", f"= {part.pointer}/value / {base.pointer}/value")


def flat(value: Any) -> str:
    """Write a JSON value on one line, without the quotes around texts."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flat(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flat(entry) for entry in value) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    return value if isinstance(value, str) else units.exact(value)
