"""Calls of a model by another of its methods: model.detect(..), model.forward(..)."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any, Dict, Optional, Tuple

from assay_worker import steps, torch_modules
from assay_worker.patching import MARK, Function
from assay_worker.watching import Watch


class Waiting:
    """A method that is executing: a call of the model only once a module is called within."""

    def __init__(self, module: Any, name: str, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        self.module, self.name, self.args, self.kwargs = module, name, args, kwargs
        self.event: Optional[Dict[str, Any]] = None


def follow(watch: Watch, kind: type) -> None:
    """Watch the methods that upstream wrote for a class of modules."""
    for base in kind.__mro__:
        if not watch.is_of_tree(base) or base in watch.followed:
            continue
        watch.followed[base] = {}
        for name, found in list(vars(base).items()):
            if isinstance(found, FunctionType) and not name.startswith("__") and not hasattr(found, MARK):
                watch.followed[base][name] = found
                setattr(base, name, _method(watch, name, found))


def _method(watch: Watch, name: str, original: FunctionType) -> Function:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        within = watch.waiting is not None and not (name == "forward" and _makes_tensors(watch.waiting, self))
        free = not watch.busy and watch.listening() and not within
        if not free or not isinstance(self, torch_modules.module_class()):
            return original(self, *args, **kwargs)
        if name == "forward":
            act = functools.partial(original, self, *args, **kwargs)
            return torch_modules.record(watch, self, name, act, args, kwargs)
        return _waited(watch, Waiting(self, name, args, kwargs), original)

    functools.update_wrapper(method, original)
    setattr(method, MARK, True)
    return method


def _waited(watch: Watch, waiting: Waiting, original: FunctionType) -> Any:
    watch.waiting = waiting
    try:
        outputs = original(waiting.module, *waiting.args, **waiting.kwargs)
    finally:
        watch.waiting = None
        if waiting.event is not None:
            watch.left()
    if waiting.event is not None:
        waiting.event["outputs"] = watch.whole(outputs)
        steps.answered(watch, waiting.event["main"], outputs)
    return outputs


def begin_waiting(watch: Watch, module: Any) -> bool:
    """Record the method that waits, now that a module is called within it; tell whether there was one."""
    waiting = watch.waiting
    if waiting is None or waiting.event is not None or _makes_tensors(waiting, module):
        return False
    waiting.event = torch_modules.begun(watch, waiting.module, waiting.name, waiting.args, waiting.kwargs)
    watch.entered(waiting.event["id"], torch_modules._hold_tensors(waiting.args, waiting.kwargs))
    return True


def _makes_tensors(waiting: Waiting, module: Any) -> bool:
    """Tell a method that makes the tensors for its own module: then that module's call is the model's."""
    return module is waiting.module and not torch_modules._hold_tensors(waiting.args, waiting.kwargs)


def let_go_before(watch: Watch, original: Function) -> Function:
    """Give classes their own methods back before torch compiles a module: it reads their source."""

    def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(obj, torch_modules.module_class()):
            for base, found in watch.followed.items():
                for name, function in found.items():
                    setattr(base, name, function)
        else:
            steps.compiled(watch)
        return original(obj, *args, **kwargs)

    return script


def of_script(watch: Watch, torch: Any, original: Function) -> Function:
    """Watch the further methods of a TorchScript program, those that are given tensors."""
    kind = getattr(torch._C, "ScriptMethod", None)

    def __getattr__(self: Any, name: str) -> Any:
        found = original(self, name)
        if kind is None or not isinstance(found, kind) or watch.busy or name.startswith("_") or name == "forward":
            return found
        if not any(one is self for one in watch.loaded):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            if not watch.listening() or not torch_modules._hold_tensors(args, kwargs):
                return found(*args, **kwargs)
            return torch_modules.record(watch, self, name, lambda: found(*args, **kwargs), args, kwargs)

        return method

    return __getattr__
