"""The worker's protocol, version 1.

Started as   PYTHON -I boot.py REQUEST ANSWER --out DIR [--checkpoint PATH]   in the workspace's folder.
REQUEST (JSON, relative paths only):
    protocol 1, verb, checkpoint {name, sha256, format, files {name: sha256}, and of one that is trusted: trusted},
    reachable [[module, name]: patterns of what unpicklers may reach, when build opens the file; null: all of it],
    adapter (a path or ""), functions (what the adapter gives), source_roots, device auto|cpu|cuda, threads,
    precision, batch, batch_axis, max_batch, params,
    inputs and outputs [{name, dtype, shape}], items [{id, file}], and what the verb alone needs:
    check: packages [name], modules [import name]
                                 which interpreter and packages are here, and which modules: {python, implementation,
                                 platform, versions, provided, provided_by {module: [package]}, present {module: bool}}
    try: statements [{module, names, file, line}], overlay (a folder or ""), upstream [{path, root}]
                                 import each statement, each of upstream's files, then the adapter: {imported, results
                                 [{module, file, line, outcome, message, culprit, asked_by, name}]}, outcome one of
                                 ok, missing, broken, refused, other; what it tries stands in the log as "try: ...";
                                 with look {packages, modules}: check's answer as well, and results only when the module
                                 of every statement is here
    behave: what observe takes, stimuli image|audio|bytes|"", samples [file]
                                 observe over made-up inputs (of that kind, written to DIR/stimuli), then inputs, then
                                 samples; also {first [{npz, inputs, outputs, ..}], findings [fitted values]}
    match: tensors, candidates, source_roots, limits
                                 which class or factory with which arguments has exactly these tensors, made on torch's
                                 meta device: {outcome, best, twins, tried, ..}
    rehearse: runs [{file, npz, inputs, outputs, names, shown}]
                                 the adapter's functions over watched runs: {build, runs [{preprocess, infer,
                                 postprocess: {outcome same|different|failed|unseen, ..}}]}; writes DIR/raw/example.npz
    probe                        what the model accepts, seen by running it on made-up tensors
    infer                        preprocess and run each item; writes DIR/raw/<id>.npz
    decode: items [{.., raw}]    postprocess and draw; writes DIR/outputs/predictions.json, DIR/pictures/<id>.png,
                                 DIR/sounds/<id>.wav
    measure: seconds             time one configuration; the samples come back raw
    observe: tree, entry, argv, cwd, inputs, stop enter|call|end, seconds, until_calls, warm [module]
                                 run upstream's own script {script} or snippet {snippet: {text, path, line}} once for
                                 each input in a process and a copy of the tree of its own, watched: {runs [{input,
                                 outcome ok|no-call|failed|missing-package|hung|refused|exited, message, where, package,
                                 interventions [{what, where, code}], frames, events, classes, counts, source, after}],
                                 interventions}; writes DIR/raw/observe-<run>.npz. In argv @input, @inputdir,
                                 @checkpoint, @tree and @out stand for what the run is given; it stops before the item
                                 after the one that the model was called on, unless stop is end. What `warm` names and
                                 what a run imported of installed packages is imported once for all further runs
An item that ends in .npz holds the tensors by name: preprocess is skipped and ctx is {}.
ANSWER (JSON, written aside and renamed; the only sign of success):
    {"protocol": 1, "ok": {...}, "read": [...], "outside": [...], "versions": {...}, "warnings": [...],
    "isolation": "bubblewrap|landlock|plain[, with network|, network open]", "lacking": [...]}   or, in place of
    "ok", "error": {"kind", "message", "name", "where"}, kind one of missing-package, out-of-memory, refused,
    adapter-error, upstream-error, unsupported, worker-error. The traceback goes to stderr.
"read" lists the workspace's files that were imported or opened, "outside" those elsewhere, by full path;
"packages" the distributions that were imported, as "numpy-2.4.6"; "warnings" first the attempts to install packages,
each refused; "lacking" what should have been kept from the model's code and could not be, because this kernel has no
means.
Exit code: 0 with "ok", 1 with "error".
The checkpoint's files at PATH must have the stat keys that the file ASSAY_EXAMINED lists ({name: [size, mtime_ns,
ctime_ns, ino]}) or, without that, the SHA-256 in REQUEST.
Standard output and standard error belong to the model's code.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import platform
import sys
import traceback
import warnings
from typing import Any

from assay_worker import guard_install, load, packages
from assay_worker.faults import Fault, tagged
from assay_worker.trace import Trace

PROTOCOL = 1
VERBS = {name: name for name in ("check", "match", "observe", "behave", "rehearse")}
VERBS.update({name: name for name in ("probe", "infer", "decode", "measure")}, **{"try": "attempt"})
NAMED = ("numpy", "onnxruntime", "torch", "PIL", "cv2")
KEPT_WARNINGS = 50


def main(argv: list[str]) -> int:
    """Do what the request asks and leave an answer."""
    request_file, answer_file, out, checkpoint = arguments(argv)
    sys.argv = ["assay_worker"]  # upstream's code may parse arguments when it is imported
    faulthandler.enable()
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    trace = Trace(os.getcwd(), [ours, out, request_file] + ([checkpoint] if checkpoint else []))
    kept = keep_warnings()
    worker = os.getpid()
    shut_in = {
        "isolation": os.environ.get("ASSAY_ISOLATION", "plain"),
        "lacking": json.loads(os.environ.get("ASSAY_LACKING") or "[]"),
    }
    answer = answered(request_file, out, checkpoint, trace)
    if os.getpid() != worker:
        return 0  # upstream's code forked and its copy came back here: it has no say
    answer.update(protocol=PROTOCOL, read=trace.read(), outside=trace.outside(), versions=versions())
    answer.update(packages=packages.imported(), warnings=guard_install.warnings() + kept)
    answer.update(shut_in)
    write(answer_file, answer)
    return 0 if "ok" in answer else 1


def arguments(argv: list[str]) -> tuple[str, str, str, str]:
    """Read the command line: request, answer, out, checkpoint ("" when there is none)."""
    options = dict(zip(argv[2::2], argv[3::2]))
    if set(options) - {"--out", "--checkpoint"} or "--out" not in options or len(argv) % 2:
        raise SystemExit("usage: boot.py REQUEST ANSWER --out DIR [--checkpoint PATH]")
    checkpoint = options.get("--checkpoint", "")
    paths = [argv[0], argv[1], options["--out"]] + ([checkpoint] if checkpoint else [])
    full = [os.path.abspath(p) for p in paths] + ([] if checkpoint else [""])
    return full[0], full[1], full[2], full[3]


def answered(request_file: str, out: str, checkpoint: str, trace: Trace) -> dict[str, Any]:
    """Run the verb; every way to fail becomes a tagged error."""
    job = load.Job({}, out, checkpoint, trace)
    try:
        job.request = read_request(request_file)
        load.fix_threads_in_environment(job.threads)
        trace.start()
        guard_install.start(job.places())
        if job.request.get("checkpoint"):
            load.verify(job)
        value = importlib.import_module("assay_worker." + VERBS[job.request["verb"]]).run(job)
        if job.request.get("checkpoint") and "ASSAY_EXAMINED" in os.environ:
            load.verify(job)  # what was loaded is still what was examined
        return {"ok": value}
    except BaseException as error:  # sys.exit in upstream's code is a failure, not an end
        traceback.print_exc()
        return {"error": tagged(guard_install.behind(error) or changed(job) or error, job.places())}


def changed(job: load.Job) -> BaseException | None:
    """Give the fault where the checkpoint was changed meanwhile: whatever failed, it failed for that."""
    if not job.request.get("checkpoint") or "ASSAY_EXAMINED" not in os.environ:
        return None
    try:
        load.verify(job)
    except Exception as error:
        return error
    return None


def read_request(path: str) -> dict[str, Any]:
    """Read the request; refuse what this protocol does not know."""
    try:
        with open(path, encoding="utf-8") as f:
            request = json.load(f)
    except (OSError, ValueError) as error:
        raise Fault("refused", f"the request cannot be read: {error}") from error
    if not isinstance(request, dict) or request.get("protocol") != PROTOCOL:
        raise Fault("refused", f"the request is not of protocol {PROTOCOL}")
    if request.get("verb") not in VERBS:
        raise Fault("refused", f"unknown verb {request.get('verb')!r}; known: {', '.join(sorted(VERBS))}")
    return request


def keep_warnings() -> list[str]:
    """Collect warnings for the answer; they still go to stderr too."""
    kept: list[str] = []
    show = warnings.showwarning

    def keep(message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None) -> None:
        text = f"{category.__name__}: {message}"[:500]
        if text not in kept and len(kept) < KEPT_WARNINGS:
            kept.append(text)
        show(message, category, filename, lineno, file, line)

    warnings.showwarning = keep
    return kept


def versions() -> dict[str, str]:
    """Name the interpreter and the frameworks that were really imported."""
    loaded = {name: str(getattr(sys.modules[name], "__version__", "")) for name in NAMED if name in sys.modules}
    return dict(loaded, python=platform.python_version())


def write(path: str, answer: dict[str, Any]) -> None:
    """Write the answer whole or not at all."""
    text = json.dumps(answer, sort_keys=True, allow_nan=False)
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)  # not synced: it is read at once and thrown away
    os.replace(path + ".tmp", path)
