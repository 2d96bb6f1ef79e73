"""Watching ONNX Runtime: which file a session is of, and what it is given and gives."""

from __future__ import annotations

import os
from typing import Any

from assay_worker import calls, loaders
from assay_worker.patching import Function, replace
from assay_worker.watching import Watch


def patch(watch: Watch, onnxruntime: Any) -> None:
    """Watch every session."""
    names: dict[int, str] = {}
    kept: list[Any] = []  # so that no two sessions get one id
    kind = onnxruntime.InferenceSession

    def opening(original: Function) -> Function:
        def __init__(self: Any, path_or_bytes: Any, *args: Any, **kwargs: Any) -> None:
            path = loaders._chosen(watch, path_or_bytes)
            with watch.inside():
                original(self, path, *args, **kwargs)
            known = "" if not isinstance(path, (str, os.PathLike)) else os.fspath(path)
            named = watch.tree.named(os.path.abspath(known)) if known else ""
            main = named == "@checkpoint" and "session" not in names.values()
            names[id(self)] = "session" if main else f"session{len(names) + 2}"
            kept.append(self)
            watch.note(known)
            watch.event({"is": "load", "into": names[id(self)], "how": "InferenceSession", "path": named})

        return __init__

    def running(original: Function) -> Function:
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            if watch.busy or id(self) not in names:
                return original(self, *args, **kwargs)
            name = names[id(self)]
            main = name == "session" or not watch.tree.checkpoint
            return calls.called(watch, name, "run", main, lambda: original(self, *args, **kwargs), args, kwargs)

        return run

    replace(kind, "__init__", opening)
    replace(kind, "run", running)
