"""What can go wrong in the worker, with the tag under which it crosses to the controller."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
from typing import Any

# What loaders say about loading a file without care: their advice, and no cure of ours.
KEPT_OUT = re.compile(r"Weights only load failed.*?GLOBAL (\S+) was not an allowed", re.DOTALL)
ADVICE = re.compile(
    r"can still be loaded|recommended steps|`weights_only` argument|weights_only\W+(set )?(to )?\W*False|safe_globals"
    r"|allow_pickle\W+True|trust_remote_code\W+True|if you (trust|got)", re.IGNORECASE,
)  # fmt: skip
OUT_OF_MEMORY = ("out of memory", "failed to allocate memory", "bad_alloc", "bad allocation", "cannot allocate memory")


class Fault(Exception):
    """A fault that already knows its kind."""

    def __init__(self, kind: str, message: str, *, name: str = "", where: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.name, self.where = kind, message, name, where


class Places:
    """Which files belong to whom, for naming the culprit and shortening paths."""

    def __init__(self, *, root: str, adapter: str, roots: list[str], checkpoint: str, name: str) -> None:
        self.root, self.adapter, self.roots = root, adapter, roots
        self.short = [(checkpoint, name), (root + os.sep, ""), (sys.prefix, "<python>"), (sys.base_prefix, "<python>")]

    def owner(self, path: str) -> str:
        """Name who wrote a file: adapter, upstream or nobody we know."""
        full = os.path.abspath(path)
        if self.adapter and full == self.adapter:
            return "adapter"
        return "upstream" if any(full.startswith(r + os.sep) for r in self.roots) else ""

    def scrub(self, text: str) -> str:
        """Take this machine's paths out of a message."""
        for long, short in self.short:
            if len(long) > 1:
                text = text.replace(long, short)
        return text


def tagged(error: BaseException, places: Places) -> dict[str, str]:
    """Turn whatever was raised into the error part of an answer."""
    owner, where = _culprit(error, places)
    if isinstance(error, Fault):
        return _error(error.kind, error.message, error.where or where, places, name=error.name)
    kept_out = KEPT_OUT.search(str(error)) if os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD") else None
    if kept_out:
        what = f"loading it would reach {kept_out[1]}, which is no weight to torch, and nobody trusted the file"
        return _error("refused", what, where, places, name=kept_out[1])
    message = _without_advice(str(error)) or type(error).__name__
    missing = _missing_package(error)
    if missing:
        return _error("missing-package", f"the package {missing} is not installed", where, places, name=missing)
    if isinstance(error, MemoryError) or any(word in message.lower() for word in OUT_OF_MEMORY):
        return _error("out-of-memory", message, where, places)
    if isinstance(error, SystemExit):
        who = "upstream's code" if owner == "upstream" else "the adapter"
        kind = "upstream-error" if owner == "upstream" else "adapter-error"
        return _error(kind, f"{who} called sys.exit({error.code!r})", where, places)
    kind = {"adapter": "adapter-error", "upstream": "upstream-error"}.get(owner) or _foreign(error)
    return _error(kind, f"{type(error).__name__}: {message}", where, places)


def _error(kind: str, message: str, where: str, places: Places, *, name: str = "") -> dict[str, str]:
    return {"kind": kind, "message": places.scrub(message)[:4000], "name": name, "where": places.scrub(where)}


def _without_advice(message: str) -> str:
    """Leave out the sentences that tell how to load a file unsafely, and say so."""
    said = re.split(r"(?<=[.!?])\s+", message) if ADVICE.search(message) else [message]
    kept = [sentence for sentence in said if not ADVICE.search(sentence)]
    return " ".join([*kept, "(its advice to load the file unsafely is left out)"] if len(kept) < len(said) else kept)


def _culprit(error: BaseException, places: Places) -> tuple[str, str]:
    """Find the innermost frame that is the adapter's or upstream's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        owner = places.owner(frame.filename)
        if owner:
            return owner, f"{os.path.abspath(frame.filename)}:{frame.lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        return places.owner(error.filename), f"{os.path.abspath(error.filename)}:{error.lineno}"
    return "", ""


def _missing_package(error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.split(".")[0]
    try:
        return "" if top in sys.modules or importlib.util.find_spec(top) else top
    except (ImportError, ValueError):
        return top


def _foreign(error: BaseException) -> str:
    """Tell an error of the model's runtime from a fault of our own."""
    modules = [type(error).__module__] + [_module(f) for f, _ in traceback.walk_tb(error.__traceback__)]
    ours = all(m.split(".")[0] in ("assay_worker", "builtins", "importlib", "json", "") for m in modules)
    return "worker-error" if ours else "upstream-error"


def _module(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", ""))
