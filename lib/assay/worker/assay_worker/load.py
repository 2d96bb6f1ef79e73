"""The request at hand: the checkpoint checked, upstream's code reachable, the adapter's functions."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import os
import sys
from typing import Any, Callable

from assay_worker.faults import Fault, Places
from assay_worker.trace import Trace
from assay_worker.warming import Warmth

FUNCTIONS = ("build", "preprocess", "infer", "postprocess", "draw")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Job:
    """One request, with the places it may use."""

    def __init__(self, request: dict[str, Any], out: str, checkpoint: str, trace: Trace) -> None:
        self.request, self.out, self.checkpoint, self.trace = request, out, checkpoint, trace
        self.root = os.getcwd()
        self.warmth = Warmth()
        self.hashed = False  # whether the checkpoint's digest was taken in this process

    @property
    def threads(self) -> int:
        """Number of threads the model may use."""
        asked = self.request.get("threads", 1)
        return available_cores() if asked in (0, "all") else int(asked)

    @property
    def params(self) -> dict[str, Any]:
        """What the adapter's functions are given by name."""
        return dict(self.request.get("params") or {})

    @property
    def adapter(self) -> str:
        """Full path of the adapter, or ""."""
        return os.path.join(self.root, self.request["adapter"]) if self.request.get("adapter") else ""

    @property
    def roots(self) -> list[str]:
        """Full paths of upstream's importable folders."""
        return [os.path.join(self.root, r) for r in self.request.get("source_roots", [])]

    def places(self) -> Places:
        """Say which files belong to whom."""
        checkpoint = self.request.get("checkpoint") or {}
        return Places(
            root=self.root,
            adapter=self.adapter,
            roots=[*self.roots, os.path.join(self.root, "refs")],
            checkpoint=self.checkpoint,
            name=checkpoint.get("name", ""),
        )

    def path(self, *parts: str) -> str:
        """Make the folder of an output and name the file in it."""
        full = os.path.join(self.out, *parts)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        return full


def available_cores() -> int:
    """Count the cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def fix_threads_in_environment(threads: int) -> None:
    """Set the thread count of every numeric library before any is imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)


def verify(job: Job) -> None:
    """Refuse a checkpoint that is not the one the request speaks of; one that is trusted is hashed every time."""
    claimed, examined = job.request["checkpoint"], os.environ.get("ASSAY_EXAMINED", "")
    if not job.checkpoint:
        return
    if examined:
        _verify_states(job, claimed, examined)
    if not job.hashed and (claimed.get("trusted") or not examined):
        job.hashed = True
        _verify_digests(job, claimed)


def _verify_states(job: Job, claimed: dict[str, Any], examined: str) -> None:
    """Compare every file's stat key with the one it had when it was hashed."""
    with open(examined, encoding="utf-8") as file:
        states = json.load(file)
    for name, state in sorted(states.items()):
        place = _place(job.checkpoint, claimed, name)
        try:
            with open(place, "rb") as opened:
                s = os.fstat(opened.fileno())
        except PermissionError:  # Landlock opens no other file than the one that lay there
            s = os.stat(place)
        except OSError as error:
            raise Fault("refused", f"{name} cannot be opened: {error.strerror}") from error
        if [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino] != state:
            raise Fault("refused", f"{name} was changed after it was examined")


def _verify_digests(job: Job, claimed: dict[str, Any]) -> None:
    """Hash every file of the checkpoint again."""
    files = claimed.get("files") or {claimed.get("name", ""): claimed.get("sha256", "")}
    for name, digest in sorted(files.items()):
        if digest and _sha256(_place(job.checkpoint, claimed, name)) != digest:
            raise Fault("refused", f"{name} has another SHA-256 than the one that was examined")


def _place(path: str, claimed: dict[str, Any], name: str) -> str:
    """Find a file of the checkpoint: it is the one at the path, lies beside it, or inside it."""
    if os.path.isdir(path):
        return os.path.join(path, name)
    return path if name in ("", claimed.get("name")) else os.path.join(os.path.dirname(path), name)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise Fault("refused", f"{os.path.basename(path)} cannot be opened: {error.strerror}") from error
    return digest.hexdigest()


# ---------------------------------------------------------------- the adapter
def functions(job: Job) -> dict[str, Callable[..., Any]]:
    """Import the adapter and return the functions that the request names."""
    # Appended, so that upstream's json.py or random.py shadows nothing.
    sys.path.extend(r for r in job.roots if r not in sys.path)
    if not job.adapter:
        return {}
    module = _import(job.adapter)
    names = job.request.get("functions", FUNCTIONS)
    found = {name: getattr(module, name) for name in names if callable(getattr(module, name, None))}
    absent = [n for n in job.request.get("functions", []) if n not in found]
    if absent:
        raise Fault("adapter-error", f"{job.request['adapter']} has no function {absent[0]}")
    return found


def _import(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("assay_adapter", path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise Fault("adapter-error", f"there is no adapter at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["assay_adapter"] = module  # dataclasses and pickles look their module up by name
    spec.loader.exec_module(module)
    return module


def with_checkpoint(job: Job, function: Callable[..., Any] | None) -> dict[str, Any]:
    """Add the checkpoint's path to the parameters of a function that asks for it by name."""
    asked = function is not None and "checkpoint" in inspect.signature(function).parameters
    return dict(job.params, checkpoint=job.checkpoint) if asked else job.params


def bound(function: Callable[..., Any], given: dict[str, Any], *, fixed: int = 0) -> Callable[..., Any]:
    """Bind the parameters that a signature names, after the first `fixed` ones; refuse a missing one by name."""
    parameters = list(inspect.signature(function).parameters.values())[fixed:]
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    by_name = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    missing = [p.name for p in by_name if p.default is p.empty and p.name not in given]
    if missing:
        raise Fault("adapter-error", f"{function.__name__} needs {', '.join(missing)}, which params does not give")
    names = set(given) if takes_all else {p.name for p in by_name} & set(given)
    keywords = {name: given[name] for name in sorted(names)}
    return lambda *args: function(*args, **keywords)
