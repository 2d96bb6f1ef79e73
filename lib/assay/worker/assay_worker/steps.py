"""What upstream does to the model's answer where no file goes in and no function is cut out: the telling steps."""

from __future__ import annotations

import weakref
from typing import Any

from assay_worker import stack
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
OTHER, MOST, FEW, DEEP = "other", 64, 64, 4
LIBRARIES = ("torch", "numpy", "random")  # what upstream calls, whose own lines are not looked at
SHOWS = ("matplotlib", "torchvision.utils")  # what these do with an answer is for the eye
WEIGHTS = ("p", "weights", "cum_weights")  # a draw without is of something else than the answer


class Answers:
    """The tensors that rest on the model's answers, as long as they live."""

    def __init__(self) -> None:
        self.kept: Any = weakref.WeakValueDictionary()

    def keep(self, value: Any) -> None:
        """Keep what holds or is such a tensor."""
        for one in _leaves(value, DEEP):
            if hasattr(one, "data_ptr"):
                self.kept[id(one)] = one

    def among(self, value: Any) -> bool:
        """Tell whether a value holds or is one of them."""
        return any(one is not None and self.kept.get(id(one)) is one for one in _leaves(value, DEEP))


def patch_torch(watch: Watch, torch: Any) -> None:
    """Hear of torch's functions that upstream calls; its own functions stay what they are, for some compile them."""
    overrides = getattr(torch, "overrides", None)
    if not watch.request.get("steps") or not hasattr(overrides, "TorchFunctionMode"):
        return
    answers = watch.answers = Answers()
    watch.counts["hearing", ""] = 1

    class Hearing(overrides.TorchFunctionMode):  # type: ignore[misc, name-defined]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            rests = not watch.busy and not watch.in_model() and answers.among([args, kwargs])
            made = func(*args, **(kwargs or {}))
            if rests:
                answers.keep(made)
                name = getattr(func, "__name__", "")
                if name not in PLAIN:
                    _heard(watch, WORDS.get(name, OTHER), made)
            return made

    Hearing().__enter__()  # to the end of the run


def answered(watch: Watch, main: bool, outputs: Any) -> None:
    """Hear what the model answered."""
    if main and watch.answers is not None:
        watch.answers.keep(outputs)


def patch_numpy(watch: Watch, numpy: Any) -> None:
    """Hear of numpy's draws."""
    if watch.request.get("steps"):
        replace(numpy.random, "choice", lambda original: _drawing(watch, original, 3))


def patch_random(watch: Watch, random: Any) -> None:
    """Hear of Python's own draws."""
    if watch.request.get("steps"):
        replace(random, "choices", lambda original: _drawing(watch, original, 1))


def _leaves(value: Any, depth: int) -> list[Any]:
    if isinstance(value, dict) and depth:
        return [leaf for one in value.values() for leaf in _leaves(one, depth - 1)]
    if isinstance(value, (list, tuple)) and depth:
        return [leaf for one in value[:1000] for leaf in _leaves(one, depth - 1)]
    return [value]


def compiled(watch: Watch) -> None:
    """Hear that upstream compiles a function: what is called within is not heard."""
    if watch.answers is not None and watch.by_tree(*LIBRARIES):
        watch.event({"is": "step", "how": OTHER})


def _drawing(watch: Watch, original: Function, weights_at: int) -> Function:
    def drawn(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        weighed = len(args) > weights_at or any(kwargs.get(name) is not None for name in WEIGHTS)
        if watch.called_at == "main" and not watch.busy and not watch.in_model():
            _heard(watch, "sample" if weighed else OTHER, made)
        return made

    return drawn


def _heard(watch: Watch, word: str, made: Any) -> None:
    """Note a step that upstream's own line makes with what the model answered, or a library's for it."""
    found = stack.caller(LIBRARIES)
    name = str(found.f_globals.get("__name__", "")) if found is not None else ""
    if watch.counts.get(("step", word), 0) >= MOST or name.startswith(SHOWS):
        return
    own = found is not None and bool(watch.tree.inner(found.f_code.co_filename))
    drawn = {"drawn": _plain(watch, made)} if own and word == "sample" else {}
    watch.event({"is": "step", "how": word if own else OTHER, **drawn})


def _plain(watch: Watch, made: Any) -> str:
    """Write what was drawn, to be compared with another run's."""
    with watch.inside():
        few = not hasattr(made, "tolist") or getattr(made, "nbytes", 0) <= FEW * 8
        return repr(made.tolist() if few and hasattr(made, "tolist") else made)[:400]
