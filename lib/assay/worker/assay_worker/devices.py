"""Keeping a watched run on the CPU: its numbers are the same on every machine, and a rehearsal is made there too."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from assay_worker.patching import Function, replace
from assay_worker.watching import Watch

IDLE = ("set_device", "synchronize", "empty_cache", "reset_peak_memory_stats", "init", "ipc_collect")
FACTORIES = ("zeros", "ones", "empty", "full", "rand", "randn", "randint", "arange", "linspace", "tensor", "as_tensor")
FACTORIES += ("eye", "zeros_like", "ones_like", "empty_like", "full_like", "randperm", "hann_window", "logspace")
KINDS = ("Float", "Double", "Half", "Byte", "Char", "Short", "Int", "Long", "Bool")


def patch(watch: Watch, torch: Any) -> None:
    """Have no CUDA here, though the machine may have, and put right what asks for it."""
    torch.cuda.is_available = lambda: False
    torch.cuda.device_count = lambda: 0
    for owner in (torch.Tensor, torch.nn.Module):
        replace(owner, "cuda", lambda original: _stays(watch))
        replace(owner, "to", lambda original: _to(watch, torch, original))
    lazy = getattr(torch.nn.parameter, "UninitializedTensorMixin", None)
    if lazy is not None:  # it lists what may be called before it is materialized, by identity
        lazy._allowed_methods = [*lazy._allowed_methods, torch.Tensor.cuda, torch.Tensor.to]
    replace(torch.Tensor, "type", lambda original: _type(watch, original))
    for name in IDLE:
        replace(torch.cuda, name, lambda original, name=name: _idle(watch, name))
    for name in KINDS:
        if hasattr(torch.cuda, name + "Tensor"):
            setattr(torch.cuda, name + "Tensor", getattr(torch, name + "Tensor"))
    replace(torch, "set_default_tensor_type", lambda original: _type(watch, original))
    replace(torch, "set_default_device", lambda original: _to(watch, torch, original))
    torch.cuda.Event = Event
    replace(torch.cuda, "current_device", lambda original: lambda: 0)
    replace(torch.cuda, "get_device_name", lambda original: lambda *args: "cpu")
    _factories(watch, torch)


def _said(watch: Watch, what: str) -> None:
    watch.intervene(f"watched on the CPU: {what} stays there", "device = 'cpu'")


def _stays(watch: Watch) -> Function:
    def cuda(self: Any, *args: Any, **kwargs: Any) -> Any:
        _said(watch, ".cuda()")
        return self

    return cuda


def _is_cuda(torch: Any, value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith("cuda")
    return isinstance(value, torch.device) and value.type == "cuda"


def _moved(watch: Watch, torch: Any, what: str, args: Any, kwargs: Any) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """Name the CPU in the place of a CUDA device."""
    if any(_is_cuda(torch, one) for one in (*args, *kwargs.values())):
        _said(watch, what)
        args = tuple("cpu" if _is_cuda(torch, one) else one for one in args)
        kwargs = {key: "cpu" if _is_cuda(torch, one) else one for key, one in kwargs.items()}
    return args, kwargs


def _to(watch: Watch, torch: Any, original: Function) -> Function:
    def to(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _moved(watch, torch, ".to(device)", args, kwargs)
        if args and type(args[-1]) is int and "get_device" in dir(args[0]):  # .to(0) is the first GPU
            args = (*args[:-1], "cpu")
        return original(*args, **kwargs)

    return to


def _type(watch: Watch, original: Function) -> Function:
    def to_type(*args: Any, **kwargs: Any) -> Any:
        named = tuple(one.replace("torch.cuda.", "torch.") if isinstance(one, str) else one for one in args)
        if named != args and isinstance(args[-1], str):
            _said(watch, args[-1])
        return original(*named, **kwargs)

    return to_type


def _idle(watch: Watch, name: str) -> Function:
    def nothing(*args: Any, **kwargs: Any) -> None:
        return None

    return nothing


class Event:
    """A CUDA event where there is no CUDA: no time passes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def record(self, *args: Any) -> None:
        """Do nothing."""

    def synchronize(self) -> None:
        """Wait for nothing."""

    def wait(self, *args: Any) -> None:
        """Wait for nothing."""

    def query(self) -> bool:
        """Tell that all is done."""
        return True

    def elapsed_time(self, other: Any) -> float:
        """Tell no time."""
        return 0.0


def _factories(watch: Watch, torch: Any) -> None:
    """Make on the CPU what is to be made on CUDA; by a mode where torch has them, so that TorchScript stays whole."""
    mode = getattr(getattr(torch, "overrides", None), "TorchFunctionMode", None)
    if mode is None:
        for name in FACTORIES:
            replace(torch, name, lambda original: _to(watch, torch, original))
        return
    made = type("OnCpu", (mode,), {"__torch_function__": _function(watch, torch)})()
    made.__enter__()


def _function(watch: Watch, torch: Any) -> Function:
    def __torch_function__(self: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _is_cuda(torch, kwargs.get("device")):
            _said(watch, "a new tensor")
            kwargs = dict(kwargs, device="cpu")
        return function(*args, **kwargs)

    return __torch_function__
