"""Verb observe: run upstream's own way in on some inputs, watched, and tell what it did."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from typing import Any, Dict, List

from assay_worker import running
from assay_worker.faults import Fault
from assay_worker.load import Job
from assay_worker.tree_copy import Tree, duplicates

GRACE = 5.0  # seconds after which a run that did not end itself is ended


def run(job: Job) -> Dict[str, Any]:
    """Make one run of each input, each in a process and a copy of the tree of its own."""
    runs = watch(job, job.request.get("inputs") or [""], 0)
    said = [f"{i['what']} ({i['where']})" if i["where"] else i["what"] for r in runs for i in r["interventions"]]
    return {"runs": runs, "interventions": list(dict.fromkeys(said))}


def watch(job: Job, inputs: List[str], first: int) -> List[Dict[str, Any]]:
    """Make one run of each input, numbered from `first`."""
    refs = os.path.join(job.root, job.request["tree"])
    if not os.path.isdir(refs):
        raise Fault("refused", f"there is no tree {job.request['tree']}")
    same = duplicates(refs, job.checkpoint)
    # what numba compiles for librosa takes half a minute: once for all runs, not in each
    os.environ.setdefault("NUMBA_CACHE_DIR", os.path.join(job.out, ".worker", "numba"))
    job.warmth.want(job.request.get("warm") or [])
    runs = []
    for number, given in enumerate(inputs, first):
        job.warmth.bring()  # what the run before needed
        runs.append(_one(job, refs, same, given, number))
        job.warmth.hear(runs[-1].pop("modules", {}))
    return runs


def _one(job: Job, refs: str, same: List[str], given: str, number: int) -> Dict[str, Any]:
    scratch = os.path.join(job.out, ".worker", f"observe-{number}")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    tree = Tree(refs, scratch, os.path.join(job.root, given) if given else "", job.checkpoint, same)
    answer, arrays = os.path.join(scratch, "run.json"), job.path("raw", f"observe-{number}.npz")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        try:
            running.run(job, tree, answer, arrays)
        finally:
            os._exit(1)
    status = _wait(child, float(job.request.get("seconds") or 60.0) + GRACE)
    found = _read(answer) or _lost(status)
    for path in found.pop("read", []):
        job.trace.note(path)
    shutil.rmtree(scratch, ignore_errors=True)
    return dict(found, input=given)


def _wait(child: int, seconds: float) -> int:
    """Wait for a run and end all that it started; -1 when it had to be ended."""
    deadline, status = time.monotonic() + seconds, -1
    while time.monotonic() < deadline:
        pid, word = os.waitpid(child, os.WNOHANG)
        if pid:
            status = word
            break
        time.sleep(0.02)
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(child, signal.SIGKILL)
    if status == -1:
        with contextlib.suppress(OSError):
            os.waitpid(child, 0)
    return status


def _read(answer: str) -> Dict[str, Any]:
    try:
        with open(answer, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _lost(status: int) -> Dict[str, Any]:
    """Say how a run ended that left no record."""
    message = "it did not end in time"
    if status >= 0:
        signaled = os.WIFSIGNALED(status)
        message = f"it was killed by signal {os.WTERMSIG(status)}" if signaled else "it ended without a record"
    known: Dict[str, Any] = {"outcome": "hung" if status < 0 else "failed", "message": message, "where": ""}
    return dict(known, package="", interventions=[], frames={}, events=[], classes={}, counts={}, tensors=False)
