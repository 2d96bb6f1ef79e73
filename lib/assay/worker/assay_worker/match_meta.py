"""Models made without their numbers: shapes only, nothing loaded, nothing fetched, no device needed."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import signal
import sys
import time
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Tuple

from assay_worker.match_keys import Shapes, kind

FILLING = {
    "normal_", "uniform_", "random_", "exponential_", "bernoulli_", "cauchy_", "log_normal_", "geometric_",
    "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_", "orthogonal_",
}  # fmt: skip
EMPTY = {"empty", "rand", "randn", "normal", "empty_strided", "new_empty"}
# Shapes alone first; then all of it without numbers; then in memory, for what computes with numbers while it is made.
WAYS = ("empty", "meta", "cpu")
OF_DEVICES = ("meta", "device", "item()", "copy out", "storage", "numpy", "data_ptr", "NotImplemented")
CPU_SECONDS, WALL_SECONDS = 8.0, 40.0


class TooLong(BaseException):
    """What a constructor that takes too long is ended with; no `except Exception` of upstream's holds it."""


class Nothing(collections.OrderedDict):  # type: ignore[type-arg]
    """What loading weights gives: a dict without entries, whatever is asked of it."""

    def __missing__(self, key: Any) -> Any:
        return Nothing()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


class NoNetwork(RuntimeError):
    """What asking for upstream code or weights from elsewhere is answered with."""


# ---------------------------------------------------------------- once, for good: the process is thrown away
def prepare() -> None:
    """Keep constructors from loading, fetching, filling and moving."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    import torch
    import torch.hub
    import torch.utils.model_zoo

    time.sleep = lambda *_: None  # who waits here waits for a network

    def nothing(*_: Any, **__: Any) -> Any:
        return Nothing()

    def loaded(self: Any, *_: Any, **__: Any) -> Any:
        return collections.namedtuple("_IncompatibleKeys", "missing_keys unexpected_keys")([], [])

    def elsewhere(*_: Any, **__: Any) -> Any:
        raise NoNetwork("it is made from code that torch.hub fetches")

    torch.load = torch.hub.load_state_dict_from_url = torch.utils.model_zoo.load_url = nothing
    torch.hub.download_url_to_file = nothing  # type: ignore[assignment]
    torch.hub.load = elsewhere
    module: Any = torch.nn.Module
    module.load_state_dict = loaded
    module.cuda = lambda self, *_, **__: self
    to = module.to
    module.to = lambda self, *args, **named: self if _moves(args, named) else to(self, *args, **named)
    torch.cuda.current_device = lambda: 0
    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


def _moves(args: Tuple[Any, ...], named: Dict[str, Any]) -> bool:
    first = named.get("device", args[0] if args else None)
    return str(first).startswith(("cuda", "mps", "xpu")) or isinstance(first, int)


def _mode(way: str) -> Any:
    """Make what hears every call of the framework; None where it has no such means."""
    try:
        from torch.overrides import TorchFunctionMode
    except ImportError:
        return None

    class Quiet(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, func: Any, types: Any, args: Tuple[Any, ...] = (), kwargs: Optional[Dict[str, Any]] = None
        ) -> Any:
            name, named = getattr(func, "__name__", ""), dict(kwargs or {})
            if args and (
                name in FILLING or name in ("cuda", "pin_memory") or (name == "to" and _moves(args[1:], named))
            ):
                return args[0]
            if name != "to" and str(named.get("device")).startswith(("cuda", "mps", "xpu")):
                named.pop("device")
            if way == "empty" and name in EMPTY and named.get("device") is None:
                named["device"] = "meta"
            return func(*args, **named)

    return Quiet()


@contextlib.contextmanager
def _made(way: str) -> Iterator[None]:
    import torch

    with contextlib.ExitStack() as stack:
        if way == "meta":
            stack.enter_context(torch.device("meta"))  # type: ignore[attr-defined]
        mode = _mode(way)
        if mode is not None:
            stack.enter_context(mode)
        stack.enter_context(torch.no_grad())
        yield


@contextlib.contextmanager
def guarded(cpu: float = CPU_SECONDS, wall: float = WALL_SECONDS) -> Iterator[None]:
    """End what takes too long."""

    def end(*_: Any) -> None:
        raise TooLong("it took too long to be made")

    before = [signal.signal(signal.SIGVTALRM, end), signal.signal(signal.SIGALRM, end)]
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu)
    signal.setitimer(signal.ITIMER_REAL, wall)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGVTALRM, before[0])
        signal.signal(signal.SIGALRM, before[1])


# ---------------------------------------------------------------- making one
class Maker:
    """Makes models of one class or factory, in the first way that works for it."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self.target = target
        self.way = ""

    def make(self, args: List[Any], named: Dict[str, Any]) -> Any:
        """Call the class or factory; raises what it raises."""
        import torch

        ways = [self.way] if self.way else [w for w in WAYS if w == "cpu" or hasattr(torch, "get_default_device")]
        for way in ways:
            try:
                with guarded(), _made(way):
                    model = self.target(*args, **named)
                self.way = way
                return model
            except Exception as error:
                if way == ways[-1] or not any(word in f"{type(error).__name__} {error}" for word in OF_DEVICES):
                    raise
        raise AssertionError(ways)


def modules(made: Any) -> List[Tuple[str, Any]]:
    """List the models in what was made, with how to take each out of it: itself, [0], .attribute."""
    import torch

    if isinstance(made, torch.nn.Module):
        return [("", made)]
    if isinstance(made, (tuple, list)):
        return [(f"[{i}]", one) for i, one in enumerate(made) if isinstance(one, torch.nn.Module)]
    if isinstance(made, dict):
        return [(f"[{k!r}]", one) for k, one in made.items() if isinstance(one, torch.nn.Module)]
    held = getattr(made, "__dict__", {})
    return [(f".{name}", one) for name, one in held.items() if isinstance(one, torch.nn.Module)]


def materialize(model: Any, wanted: List[Shapes]) -> None:
    """Give lazy parameters the shapes that the checkpoint has for them, as loading it will."""
    lazy = getattr(getattr(sys.modules["torch"].nn, "parameter", None), "is_lazy", None)
    for name, one in [*model.named_parameters(), *model.named_buffers()] if lazy is not None else ():
        known = next((shapes[name][1] for shapes in wanted if name in shapes), None)
        if lazy(one) and known is not None:
            one.materialize(known, device="meta")


def shapes(model: Any) -> Shapes:
    """List the tensors that a model would be loaded with."""
    import torch

    state = model.state_dict()
    return {n: (kind(str(t.dtype)), tuple(t.shape)) for n, t in state.items() if isinstance(t, torch.Tensor)}


def computed(model: Any) -> FrozenSet[str]:
    """Name the buffers that a constructor fills by itself; running statistics are none of them."""
    return frozenset(name for name, _ in model.named_buffers() if not name.endswith(("running_mean", "running_var")))


def print_of(model: Any) -> str:
    """Digest what a model is made of: classes, settings, plain attributes; equal ones do the same."""
    lines = []
    for name, one in model.named_modules():
        held = sorted((k, v) for k, v in vars(one).items() if k[0] != "_" and k != "training" and _plain(v))
        where = getattr(sys.modules.get(type(one).__module__), "__file__", "")
        lines.append(repr((name, where, type(one).__qualname__, one.extra_repr(), held)))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()[:16]


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_plain(one) for one in value)
    return value is None or isinstance(value, (bool, int, float, str))
