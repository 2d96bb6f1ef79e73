"""Verb measure: one configuration in this fresh process; the samples come back raw."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Callable

from assay_worker import infer, load, reference, runner, sampling, tensors
from assay_worker.faults import Fault
from assay_worker.memory import Peaks
from assay_worker.noise import Noise

COLD_NOTE = (
    "read finds the file as the page cache has it; "
    "start is known to the kernel's clock tick (10 ms); "
    "build reads the file again"
)
GROUPS = 8  # different batches kept ready for the model scope
WARMUP_SECONDS = 10.0


def run(job: load.Job) -> dict[str, Any]:
    """Take the first answer apart, warm up, then time."""
    refused = blocked(job.request)
    if refused:
        return {"blocked": refused}
    peaks, noise = Peaks(), Noise()
    found = load.functions(job)
    _import_frameworks(job, found)
    cold = {"start": since_start()}
    peaks.close("ram_idle_mib")
    cold["read"] = _timed(lambda: _read(job.checkpoint))
    made: list[runner.Runner] = []
    cold["build"] = _timed(lambda: made.append(runner.make(job, found)))
    peaks.close("ram_build_mib")
    line = Line(job, made[0], found)
    try:
        cold["first"] = _timed(lambda: line.model(0))
    except (Fault, MemoryError):
        raise
    except Exception as error:
        if line.count > 1:
            return {"blocked": job.places().scrub(f"batch {line.count} did not run: {error}")[:500]}
        raise
    peaks.close("ram_first_mib")
    return _steady(job, line, cold, peaks, noise)


def blocked(request: dict[str, Any]) -> str:
    """Say why this configuration cannot be run, or ""."""
    batch, axis, most = int(request.get("batch", 1)), request.get("batch_axis"), request.get("max_batch")
    if not request.get("items"):
        return "there is no input to measure with"
    if batch == 1:
        return ""
    if axis is None:
        return f"batch {batch}: no batch axis is known"
    if most is not None and batch > most:
        return f"batch {batch}: the model takes at most {most}"
    dims = [i["shape"][axis] for i in request.get("inputs", []) if i.get("shape") and len(i["shape"]) > axis]
    if dims and all(isinstance(d, int) and d != batch for d in dims):
        return f"batch {batch}: the model's inputs are fixed at {dims[0]} along axis {axis}"
    return ""


def _steady(job: load.Job, line: Line, cold: dict[str, float], peaks: Peaks, noise: Noise) -> dict[str, Any]:
    seconds = float(job.request.get("seconds", 5.0))
    work = sampling.Work(line.model, line.end_to_end, reference.kernel())
    scratch = {name: sampling.Series() for name in ("end_to_end", "preprocess", "postprocess")}
    line.end_to_end(0, scratch)  # lazy imports of pre- and postprocessing happen here, outside every figure
    work.reference()
    warmup, settled = sampling.warm_up(line.model, max(WARMUP_SECONDS, 2 * seconds))
    series = sampling.sample(work, seconds)
    peaks.close("ram_steady_mib")
    return {
        "cold": dict(cold, note=COLD_NOTE),
        "samples": {name: s.answer() for name, s in series.items() if s.wall},
        "scope": line.parts,
        "reference": reference.METHOD,
        "memory": peaks.answer(),
        "warmup": warmup,
        "warmup_settled": settled,
        "runtime": infer.runtime(job, line.made.built, line.count),
        "noise": noise.answer(),
    }


class Line:
    """The way of a batch from files to results, each part callable on its own."""

    def __init__(self, job: load.Job, made: runner.Runner, found: dict[str, Callable[..., Any]]) -> None:
        self.made, self.count = made, int(job.request.get("batch", 1))
        self.axis = int(job.request.get("batch_axis") or 0)
        items = [item["file"] for item in job.request["items"]]
        self.files = [[items[(g * self.count + i) % len(items)] for i in range(self.count)] for g in range(GROUPS)]
        self.prepare = infer.preparer(job, found)
        self.finish = load.bound(found["postprocess"], job.params, fixed=2) if "postprocess" in found else None
        self.by_files = not all(item.endswith(".npz") for item in items)
        needed = dict.fromkeys(file for group in self.files for file in group)
        self.ready = {file: self._checked(file) for file in needed}
        self.batches = [tensors.stacked([self.ready[f][0] for f in group], self.axis) for group in self.files]
        self.settle = _synchroniser()
        self.parts = ["preprocess"] * self.by_files + ["model"] + ["postprocess"] * (self.finish is not None)

    def model(self, turn: int) -> Any:
        """Run one batch that is ready."""
        outputs = self.made.run(self.batches[turn % GROUPS])
        self.settle()
        return outputs

    def end_to_end(self, turn: int, series: dict[str, sampling.Series]) -> None:
        """Go the whole way once and note it and its parts."""
        files = self.files[turn % GROUPS]
        a = sampling.before()
        items = [self.prepare(f) for f in files] if self.by_files else [self.ready[f] for f in files]
        batch = tensors.stacked([given for given, _ in items], self.axis)
        b = sampling.after()
        outputs = self.made.run(batch)
        self.settle()
        c = sampling.before()
        if self.finish is not None:
            for part, (_, ctx) in zip(tensors.split(outputs, self.axis, self.count), items):
                self.finish(part, ctx)
        d = sampling.after()
        series["end_to_end"].add(a, d)
        if self.by_files:
            series["preprocess"].add(a, b)
        if self.finish is not None:
            series["postprocess"].add(c, d)

    def _checked(self, file: str) -> tuple[dict[str, Any], Any]:
        given, ctx = self.prepare(file)
        return tensors.checked(given, self.made.built.inputs, file), ctx


def _import_frameworks(job: load.Job, found: dict[str, Callable[..., Any]]) -> None:
    """Import what building needs now, so that it counts as start and not as build."""
    import numpy  # noqa: F401

    kind = (job.request.get("checkpoint") or {}).get("format")
    if "build" not in found and kind == "onnx":
        import onnxruntime  # noqa: F401
    elif "build" not in found and kind in runner.PROGRAMS:
        import torch  # noqa: F401


def _timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _read(path: str) -> None:
    if not path or not os.path.isfile(path):
        return
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 20):
            pass


def _synchroniser() -> Callable[[], None]:
    """Make the call after which a GPU has nothing left to do."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.synchronize  # type: ignore[no-any-return]
    return lambda: None


def since_start() -> float:
    """Seconds since the interpreter was started: the supervisor's start where it is our parent."""
    alone = os.environ.get("ASSAY_ISOLATION", "").startswith("bubblewrap")  # then a second interpreter was started
    try:
        with open(f"/proc/{os.getpid() if alone else os.getppid()}/stat") as f:
            ticks = int(f.read().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return time.process_time()
