"""What a watched run showed, read with types: the steps that led to the model, and values as they were then."""

from __future__ import annotations

import ast
import builtins
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

INPUT, CHECKPOINT, TREE = "@input", "@checkpoint", "@tree/"
CUDA = re.compile(r"cuda(:\d+)?")
REDIRECTED = (
    re.compile(r"^read '(.+)' -> the given input"),
    re.compile(r"^there is no '(.+)': the given input is put there"),
)
SESSIONS = ("InferenceSession",)


class Span(NamedTuple):
    """The place of a call expression, in lines and UTF-8 bytes as in `ast`; col is None when only the line is known."""

    line: int
    end_line: int
    col: int | None
    end_col: int | None


class Step(NamedTuple):
    """A frame of the tree that was running, and the call that it was in."""

    frame: str
    file: str
    qualname: str
    first_line: int
    module: str
    span: Span


class Event(NamedTuple):
    """One thing that happened, and the steps that led to it, outermost first."""

    kind: str
    facts: Mapping[str, Any]
    steps: tuple[Step, ...]


class Run(NamedTuple):
    """One run over one input."""

    input: str
    locals: Mapping[str, Mapping[str, Any]]  # frame -> name -> plain value when the model was first called
    after: Mapping[str, Any]  # name -> plain value of the outermost frame at the end
    instead: frozenset[str]  # paths of upstream's that the input was read in place of
    events: tuple[Event, ...]


def run_of(answer: Mapping[str, Any]) -> Run:
    """Read one run of an observe answer."""
    frames = answer["frames"]
    events = tuple(
        Event(e["is"], e, tuple(_step(s, frames) for s in e.get("stack", []))) for e in answer.get("events", [])
    )
    given = _redirected(answer.get("interventions", []))
    values = {name: _pointed(f.get("locals", {}), given) for name, f in frames.items()}
    after = next((f["after"] for f in frames.values() if f.get("after")), answer.get("after") or {})
    return Run(answer.get("input", ""), values, after, frozenset(given), events)


def _redirected(interventions: list[Any]) -> set[str]:
    """Name the paths of upstream's that the given input was read in place of."""
    found = set()
    for one in interventions:
        for pattern in REDIRECTED:
            match = pattern.search(str(one.get("what", "")) if isinstance(one, dict) else "")
            if match:
                found.add(posixpath.normpath(match.group(1)))
    return found


def _pointed(value: Any, given: set[str]) -> Any:
    """Say of values that name such a path that they name the input."""
    if isinstance(value, str) and given and posixpath.normpath(value) in given:
        return {"path": INPUT}
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and path.startswith(TREE) and path[len(TREE) :] in given:
            return {"path": INPUT}
        return {k: _pointed(v, given) for k, v in value.items()}
    return [_pointed(v, given) for v in value] if isinstance(value, list) else value


def _step(entry: Mapping[str, Any], frames: Mapping[str, Any]) -> Step:
    frame = frames[entry["frame"]]
    span = Span(entry["line"], entry.get("end_line") or entry["line"], entry.get("col"), entry.get("end_col"))
    return Step(entry["frame"], frame["file"], frame["qualname"], frame["first_line"], frame.get("module") or "", span)


def loaded(run: Run) -> set[str]:
    """Name the modules that the checkpoint was loaded into."""
    return {str(e.facts.get("into")) for e in run.events if e.kind == "load" and e.facts.get("into")}


def calls(run: Run) -> list[Event]:
    """Give the calls of the model that the checkpoint is for, in order; of every model when none was told apart."""
    everything = [e for e in run.events if e.kind == "call"]
    main = [e for e in everything if e.facts.get("main")]
    if main:
        return main
    wanted = loaded(run)
    return [e for e in everything if e.facts.get("module") in wanted] or everything


def calls_of_input(run: Run) -> list[Event]:
    """Give the model's calls that came after the input was read; all of them when its reading was not seen."""
    start = next((i for i, e in enumerate(run.events) if e.kind == "read" and e.facts.get("path") == INPUT), 0)
    found = [e for e in calls(run) if "within" not in e.facts]
    return [e for e in found if run.events.index(e) >= start] or found


def special(value: Any, word: str) -> Any:
    """Give what a plain value holds under its one word, as {"path": ...}; None when it is of another kind."""
    return value.get(word) if isinstance(value, dict) and word in value and len(value) <= 5 else None


def is_json(value: Any) -> bool:
    """Tell whether a plain value is written in full: numbers, texts, and lists, tuples and dicts of such."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return True
    if isinstance(value, list):
        return all(map(is_json, value))
    if not isinstance(value, dict):
        return False
    if set(value) == {"tuple"}:
        return is_json(value["tuple"])
    if set(value) & MARKS:
        return False
    return all(map(is_json, value.values()))


MARKS = {"tensor", "path", "module", "import", "object", "opaque", "device", "namespace", "dict", "scalar"}


def mentions(value: Any, word: str) -> bool:
    """Tell whether a plain value holds the word anywhere, as a kind or as a path."""
    if isinstance(value, dict):
        return any(k == word or mentions(v, word) for k, v in value.items())
    if isinstance(value, list):
        return any(mentions(v, word) for v in value)
    return bool(value == word)


OWN = "§own"  # marks a name that is the adapter's, not upstream's


def expression(value: Any) -> ast.expr | None:
    """Write a plain value as an expression; None when it cannot be written."""
    text = _written(value)
    return parse_own(text) if text is not None else None


def parse_own(text: str) -> ast.expr:
    """Parse an expression whose names are the adapter's own."""
    made = ast.parse(text, mode="eval").body
    for node in ast.walk(made):
        if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
            node.id += OWN
    return made


def _written(value: Any) -> str | None:
    if isinstance(value, str) and CUDA.fullmatch(value):
        return "'cpu'"
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, list):
        return _joined(value, "[", "]")
    if not isinstance(value, dict):
        return None
    if set(value) == {"tuple"}:
        return _joined(value["tuple"], "(", ",)" if len(value["tuple"]) == 1 else ")")
    return _marked(value) if set(value) & MARKS or "dtype" in value else _dict(value)


def _marked(value: dict[str, Any]) -> str | None:
    """Write a value of a library's."""
    if "scalar" in value:
        return f"np.{value['dtype']}({value['scalar']!r})"
    if len(value) != 1:
        return None
    word, inner = next(iter(value.items()))
    if word == "path":
        return _path(str(inner))
    return "torch.device('cpu')" if word == "device" else f"torch.{inner}" if word == "dtype" else None


def _dict(value: dict[str, Any]) -> str | None:
    pairs = {k: _written(v) for k, v in value.items()}
    return None if None in pairs.values() else "{" + ", ".join(f"{k!r}: {v}" for k, v in pairs.items()) + "}"


def _joined(values: list[Any], start: str, end: str) -> str | None:
    texts = [_written(v) for v in values]
    return None if None in texts else start + ", ".join(map(str, texts)) + end


def _path(place: str) -> str | None:
    if place == INPUT:
        return "path"
    if place == TREE[:-1]:
        return "str(SOURCE)"
    return f"str(SOURCE / {place[len(TREE) :]!r})" if place.startswith(TREE) else None


def leaves(value: Any) -> Iterator[Any]:
    """Give the tensors of a plain value in order, through lists, tuples and dicts."""
    if isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, dict):
        if "tensor" in value:
            yield value
        elif set(value) == {"tuple"}:
            yield from leaves(value["tuple"])
        elif not set(value) & MARKS:
            for inner in value.values():
                yield from leaves(inner)
