"""Our own runner for ONNX files: a session with fixed threads, on the device that was asked for."""

from __future__ import annotations

from typing import Any, Callable

from assay_worker import load
from assay_worker.faults import Fault
from assay_worker.runner import Built

QUIET = 3  # errors only
DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "bool": "bool",
    "string": "string",
}


def build(job: load.Job) -> Built:
    """Make a session for the job's checkpoint."""
    precision = job.request.get("precision", "fp32")
    if precision != "fp32":
        raise Fault("unsupported", f"the ONNX runner computes as the file says; {precision} needs a file of that kind")
    import onnxruntime

    onnxruntime.set_default_logger_severity(QUIET)
    providers = _providers(onnxruntime, job.request.get("device", "auto"))
    session = onnxruntime.InferenceSession(job.checkpoint, sess_options=_options(onnxruntime, job), providers=providers)
    used = session.get_providers()[0]
    device = "cuda" if used == "CUDAExecutionProvider" else "cpu"
    if job.request.get("device") == "cuda" and device != "cuda":
        raise Fault("unsupported", "device: cuda was asked for, and ONNX Runtime could not start on it")
    inputs = [_described(i) for i in session.get_inputs()]
    return Built(session, inputs, [_described(o) for o in session.get_outputs()], device, used)


def caller(session: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Make the function that runs a session: tensors by name to outputs by name."""
    names = [o.name for o in session.get_outputs()]
    run = session.run
    return lambda tensors: dict(zip(names, run(names, tensors)))


def _providers(onnxruntime: Any, device: str) -> list[str]:
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise Fault("unsupported", "device: cuda was asked for, and this ONNX Runtime is built without CUDA")
    return (["CUDAExecutionProvider"] if cuda and device != "cpu" else []) + ["CPUExecutionProvider"]


def _options(onnxruntime: Any, job: load.Job) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = QUIET
    if hasattr(options, "use_deterministic_compute"):
        options.use_deterministic_compute = True
    return options


def _described(argument: Any) -> dict[str, Any]:
    """Write down a graph's input or output in the shape of a Tensor record."""
    kind = argument.type[len("tensor(") : -1] if argument.type.startswith("tensor(") else argument.type
    shape = argument.shape
    dims = None if shape is None else [d if isinstance(d, (int, str)) and d != "" else None for d in shape]
    return {"name": argument.name, "dtype": DTYPES.get(kind, kind), "shape": dims}
