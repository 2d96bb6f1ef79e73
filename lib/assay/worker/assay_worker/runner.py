"""The model made ready to run: by the adapter's functions, or by our own where the format has one."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from typing import Any, Callable, Dict, NamedTuple

from assay_worker import guard, load, tensors
from assay_worker.faults import Fault

PROGRAMS = ("torchscript", "pt2")
Run = Callable[[Dict[str, Any]], Dict[str, Any]]


class Built(NamedTuple):
    """A model with its weights, and what it says about itself."""

    model: Any
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    device: str
    provider: str


class Runner(NamedTuple):
    """A built model: tensors by name in, outputs by name out."""

    run: Run
    built: Built


def make(job: load.Job, found: dict[str, Callable[..., Any]]) -> Runner:
    """Build the model and join it to the function that runs it."""
    kind = (job.request.get("checkpoint") or {}).get("format", "")
    if "build" in found:
        built = _by_adapter(job, found["build"])
    elif kind == "onnx":
        from assay_worker import onnx_runtime

        built = onnx_runtime.build(job)
    elif kind in PROGRAMS:
        built = _program(job, kind)
    else:
        raise Fault("unsupported", f"a checkpoint of format {kind or 'unknown'} needs an adapter with build")
    torch = sys.modules.get("torch")
    if torch is not None:  # an upstream module may have changed it when it was imported
        torch.set_num_threads(job.threads)
    return Runner(_run_function(job, built, found.get("infer")), built)


def _program(job: load.Job, kind: str) -> Built:
    from assay_worker import torch_program

    device = _device(job.request.get("device", "auto"))
    model = torch_program.build(job, device)
    return Built(model, job.request.get("inputs", []), job.request.get("outputs", []), device, f"torch ({kind})")


def _by_adapter(job: load.Job, build: Callable[..., Any]) -> Built:
    precision = job.request.get("precision", "fp32")
    named = inspect.signature(build).parameters
    if precision != "fp32" and "precision" not in named:
        raise Fault("unsupported", f"the adapter's build takes no precision, so {precision} cannot be asked of it")
    device = _device(job.request.get("device", "auto"))
    given = dict(job.params, checkpoint=job.checkpoint, device=device)
    offered = {"threads": job.threads, "precision": precision}
    given.update({name: value for name, value in offered.items() if name in named})
    takes_file = "checkpoint" in named or any(p.kind is p.VAR_KEYWORD for p in named.values())
    if takes_file and job.request.get("reachable") is not None:
        guard.watch(job.request["reachable"])
    if "weights" in named:
        from assay_worker import weights

        job.trace.note(job.checkpoint)
        given["weights"] = weights.read(job.root, job.checkpoint, str(job.params.get("part", "")))
    model = load.bound(build, given)()
    return Built(model, job.request.get("inputs", []), job.request.get("outputs", []), device, "adapter")


def _run_function(job: load.Job, built: Built, infer: Callable[..., Any] | None) -> Run:
    names = [o["name"] for o in built.outputs]
    if infer is not None:
        call, model = load.bound(infer, job.params, fixed=2), built.model
        return lambda given: tensors.by_name(call(model, given), names)
    if type(built.model).__module__.startswith("onnxruntime"):
        from assay_worker import onnx_runtime

        return onnx_runtime.caller(built.model)
    if "torch" not in sys.modules or not callable(built.model):
        raise Fault("adapter-error", "build gave no model of torch or ONNX Runtime: the adapter needs infer, too")
    from assay_worker import torch_program

    run = torch_program.caller(built.model, built.inputs, built.device)
    return lambda given: tensors.by_name(run(given), names or ["output"])


def _device(asked: str) -> str:
    """Decide on which device an adapter builds; never fall back from a device that was asked for by name."""
    if asked == "cpu":
        return "cpu"
    present = os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/dxg")
    if present and importlib.util.find_spec("torch") is not None:
        import torch

        present = bool(torch.cuda.is_available())
    if asked == "cuda" and not present:
        raise Fault("unsupported", "device: cuda was asked for, and no CUDA device is usable here")
    return "cuda" if present else "cpu"
