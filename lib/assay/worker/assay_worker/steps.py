"""What upstream does to the model's answer where no file goes in and no function is cut out: the telling steps."""

from __future__ import annotations

from typing import Any

from assay_worker.patching import Function, replace
from assay_worker.watching import Watch

WORDS = {
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
    "argmax": "argmax",
    "multinomial": "sample",
    "bernoulli": "sample",
}
# what leaves an answer's numbers what they are, but for a factor or an offset
PLAIN = frozenset(
    ("mul", "__mul__", "__rmul__", "add", "__add__", "__radd__", "sub", "__sub__", "div", "__truediv__", "neg")
    + ("view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "flatten", "size", "dim", "numel")
    + ("detach", "cpu", "to", "float", "double", "clone", "contiguous", "save")
    + ("__len__", "__getitem__", "__get__", "__repr__", "__str__", "__format__")
)
OTHER, MOST = "other", 64


def patch_torch(watch: Watch, torch: Any) -> None:
    """Hear of torch's functions that upstream calls; its own functions stay what they are, for some compile them."""
    overrides = getattr(torch, "overrides", None)
    if not watch.request.get("steps") or not hasattr(overrides, "TorchFunctionMode"):
        return

    class Hearing(overrides.TorchFunctionMode):  # type: ignore[misc, name-defined]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(func, "__name__", "")
            if name not in PLAIN:
                _heard(watch, WORDS.get(name, OTHER))
            return func(*args, **(kwargs or {}))

    Hearing().__enter__()  # to the end of the run


def patch_numpy(watch: Watch, numpy: Any) -> None:
    """Hear of numpy's draws."""
    if watch.request.get("steps"):
        replace(numpy.random, "choice", lambda original: _drawing(watch, original))


def patch_random(watch: Watch, random: Any) -> None:
    """Hear of Python's own draws."""
    if watch.request.get("steps"):
        for name in ("choices", "choice"):
            replace(random, name, lambda original: _drawing(watch, original))


def _drawing(watch: Watch, original: Function) -> Function:
    def drawn(*args: Any, **kwargs: Any) -> Any:
        _heard(watch, "sample")
        return original(*args, **kwargs)

    return drawn


def _heard(watch: Watch, word: str) -> None:
    """Note a step that upstream's own line makes after the model was called, outside of it."""
    if watch.busy or watch.within() or watch.called_at != "main" or watch.counts.get(("step", word), 0) >= MOST:
        return
    if watch.by_tree("torch", "numpy", "random"):
        watch.event({"is": "step", "how": word})
