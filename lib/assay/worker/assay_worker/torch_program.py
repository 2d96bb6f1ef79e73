"""Programs that torch runs by themselves: TorchScript archives and exported programs. Loading one runs its code."""

from __future__ import annotations

from typing import Any, Callable

from assay_worker import load
from assay_worker.faults import Fault

SCALARS = {"int": int, "float": float, "bool": bool}


def build(job: load.Job, device: str) -> Any:
    """Load the program onto a device."""
    if job.request.get("precision", "fp32") != "fp32":
        raise Fault("unsupported", "a program computes as it was saved; another precision needs a file of that kind")
    import torch

    torch.set_num_threads(job.threads)
    if job.request["checkpoint"]["format"] == "torchscript":
        return torch.jit.load(job.checkpoint, map_location=device).eval()
    return torch.export.load(job.checkpoint).module().to(device)


def caller(model: Any, inputs: list[dict[str, Any]], device: str) -> Callable[[dict[str, Any]], Any]:
    """Make the function that runs a model of torch: numpy's arrays by name in, whatever it answers out."""
    import torch

    kinds = {i["name"]: SCALARS.get(i.get("dtype", "")) for i in inputs}
    names = [i["name"] for i in inputs]

    def given(name: str, value: Any) -> Any:
        scalar = kinds.get(name)
        return scalar(value.item()) if scalar else torch.from_numpy(value).to(device)

    def run(tensors: dict[str, Any]) -> Any:
        with torch.inference_mode():
            return model(*(given(name, tensors[name]) for name in names or tensors))

    return run
