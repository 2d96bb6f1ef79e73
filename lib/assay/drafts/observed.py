"""Values of upstream's variables when the model was first called, over all runs."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from typing import Any

from assay.drafts.seen import CHECKPOINT, INPUT, SESSIONS, expression, is_json, mentions, parse_own, special

MARK = "§"  # between upstream's name of a variable and the frame that it belongs to: image§1
ABSENT = {"absent": True}
MISSING = object()


def ident(name: str, frame: int | str) -> str:
    """Name a variable of one frame."""
    return f"{name}{MARK}{frame}"


def plain_name(name: str) -> str:
    """Give upstream's own name of a variable."""
    return name.split(MARK)[0]


class Values:
    """What each frame's variables held, one value a run."""

    def __init__(
        self,
        frames: Sequence[Sequence[dict[str, Any]]],
        inputs: Sequence[str],
        models: set[str],
        instead: frozenset[str] = frozenset(),
    ) -> None:
        self.frames = frames  # frame number -> run -> name -> value
        self.inputs = inputs
        self.models = models
        self.instead = instead
        self.places: frozenset[str] = frozenset()  # files and folders of the tree, as seen from its top
        self.given: dict[str, Any] = {}  # attribute of the model -> the plain value that it was made with

    def of(self, name: str) -> list[Any]:
        """Give a variable's values, [] when it was not seen in every run."""
        plain, _, frame = name.partition(MARK)
        if not frame.isdigit() or int(frame) >= len(self.frames):
            return []
        found = [run.get(plain, ABSENT) for run in self.frames[int(frame)]]
        return [] if ABSENT in found else found

    def one(self, name: str) -> Any:
        """Give the value that a variable had in every run; MISSING when they differ."""
        found = self.of(name)
        return found[0] if found and all(v == found[0] for v in found) else MISSING

    def is_input(self, name: str) -> bool:
        """Tell whether a variable holds the path of the input."""
        found = self.of(name)
        return bool(found) and all(special(v, "path") == INPUT for v in found)

    def is_model(self, name: str) -> bool:
        """Tell whether a variable is the model or a session of it."""
        return any(special(v, "module") in self.models or _session(v) for v in self.of(name))

    def is_checkpoint(self, name: str) -> bool:
        """Tell whether a variable holds the path of the checkpoint."""
        return any(special(v, "path") == CHECKPOINT for v in self.of(name))

    def holders(self, name: str) -> list[str]:
        """Name the attributes of an object that hold the model."""
        attrs = [v.get("attrs") or {} for v in self.of(name) if special(v, "opaque") is not None]
        pairs = [pair for held in attrs for pair in held.items()]
        return sorted({n for n, v in pairs if special(v, "module") in self.models or _session(v)})

    def is_bare(self, name: str) -> bool:
        """Tell whether a variable cannot be made again: the model, its file, the command line."""
        parsers = [v for v in self.of(name) if str(special(v, "opaque")).endswith("ArgumentParser")]
        return self.is_checkpoint(name) or self.is_model(name) or bool(parsers)

    def is_json(self, name: str) -> bool:
        """Tell whether a variable is plain in every run."""
        found = self.of(name)
        return bool(found) and all(is_json(v) for v in found)

    def constant(self, name: str) -> ast.expr | None:
        """Write the value that a variable had in every run as an expression."""
        value = self.one(name)
        if value is not MISSING and (special(value, "namespace") is not None or not mentions(value, CHECKPOINT)):
            return self.written(value)
        found = self.of(name)
        if found and all(v == os.path.basename(i) for v, i in zip(found, self.inputs)):
            return parse_own("os.path.basename(path)")
        return None

    def written(self, value: Any) -> ast.expr | None:
        """Write a value; a namespace becomes one again."""
        inner = special(value, "namespace")
        if inner is None:
            return expression(value)
        parts = {k: expression(v) for k, v in inner.items() if not mentions(v, CHECKPOINT)}
        keywords = [ast.keyword(arg=k, value=v) for k, v in parts.items() if v is not None]
        func = parse_own("argparse.Namespace")
        return ast.Call(func=func, args=[], keywords=keywords)

    def attribute(self, name: str, attr: str) -> Any:
        """Give what an attribute of a variable was in every run; MISSING when not known or not the same."""
        if attr in self.given and self.is_model(name):
            return self.given[attr]
        found = []
        for value in self.of(name):
            for word in ("namespace", "attrs"):
                inner = value.get(word) if isinstance(value, dict) else None
                if isinstance(inner, dict) and attr in inner:
                    found.append(inner[attr])
                    break
            else:
                return MISSING
        return found[0] if found and all(v == found[0] for v in found) else MISSING

    def is_namespace(self, name: str) -> bool:
        """Tell whether a variable holds the command line's options."""
        found = self.of(name)
        return bool(found) and all(special(v, "namespace") is not None for v in found)


def _session(value: Any) -> bool:
    return str(special(value, "opaque") or "").endswith(SESSIONS)
