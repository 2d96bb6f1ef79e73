"""Watching modules of torch: how they are built, what is loaded into them, how they are called."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Dict, List, Optional, Tuple

from assay_worker import calls, methods, stack, steps
from assay_worker.patching import Function, replace
from assay_worker.watching import Watch

LOADER_KEYS = ("prefetch_factor", "persistent_workers", "timeout", "multiprocessing_context")
WRAPPERS = ("state_dict", "model", "net", "params", "weights")
DEEP = 3


class EmptyWeights(Dict[str, Any]):
    """Stands for weights that are not here; whoever looks into it wanted them."""

    def __init__(self, watch: Watch, wish: str) -> None:
        super().__init__()
        self.watch, self.wish = watch, wish
        watch.wishes.append(wish)

    def __missing__(self, key: str) -> Any:
        if key in WRAPPERS:
            return self
        raise self.watch.refuse(f"wants {self.wish}")


def patch(watch: Watch, torch: Any) -> None:
    """Watch every module, and read data in this process alone."""
    module = torch.nn.Module
    replace(module, "__init__", lambda original: _building(watch, original))
    replace(module, "__call__", lambda original: _calling(watch, original))
    replace(module, "load_state_dict", lambda original: _loading(watch, original))
    replace(torch.utils.data.DataLoader, "__init__", lambda original: _in_this_process(watch, original))
    replace(torch.jit, "script", lambda original: methods.let_go_before(watch, original))
    replace(torch.jit.RecursiveScriptModule, "__getattr__", lambda original: methods.of_script(watch, torch, original))


def module_class() -> Any:
    """Give torch.nn.Module where torch is imported, else a class of nothing."""
    torch = sys.modules.get("torch")
    return torch.nn.Module if torch is not None and hasattr(torch, "nn") else ()


def outermost(watch: Watch) -> Any:
    """Give the module of torch whose method is the outermost that is executing; None when there is none."""
    found, kind = None, module_class()
    for frame in stack.of_tree(watch.tree, sys._getframe(1)):
        one = stack.first_argument(frame)
        own = frame.f_code.co_varnames[:1] == ("self",) and frame.f_code.co_name != "__init__"
        if found is None and own and isinstance(one, kind):
            found = one
    return found


# ---------------------------------------------------------------- building
def _building(watch: Watch, original: Function) -> Function:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if not watch.busy and not watch.ended:
            _built(watch, self, sys._getframe(1), args, kwargs)

    return __init__


def _built(watch: Watch, module: Any, frame: FrameType, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    """Record a construction, once, by the outermost constructor of the object."""
    if id(module) in watch.ids:
        return
    own, rest = _constructors(module, frame)
    inner = any(_constructs_another(one, module) for one in stack.frames(rest))
    theirs = watch.is_of_tree(type(module))
    if inner and not theirs:
        return
    bound = stack.arguments(own) if own is not None else dict(kwargs, **({"*args": args} if args else {}))
    event = {"is": "construct", "id": watch.module(module), "args": {k: watch.plain(v) for k, v in bound.items()}}
    if inner or not theirs:
        watch.inner_event(event, rest)
        return
    event["factories"] = _factories(watch, rest)
    watch.event(event, rest)
    methods.follow(watch, type(module))


def _factories(watch: Watch, frame: Optional[FrameType]) -> List[Dict[str, Any]]:
    """List upstream's functions within which a module is built, the innermost first, with their arguments."""
    found = []
    for one in stack.of_tree(watch.tree, frame)[::-1]:
        code = one.f_code
        if code.co_name.startswith("<") or code.co_varnames[:1] == ("self",):
            continue
        given = {name: watch.plain(value) for name, value in stack.arguments(one, 0).items()}
        where = f"{watch.tree.name}/{watch.tree.inner(code.co_filename)}"
        found.append({"qualname": stack.qualname(one), "file": where, "args": given, **_caller(watch, one)})
    return found


def _caller(watch: Watch, frame: FrameType) -> Dict[str, str]:
    above = stack.of_tree(watch.tree, frame.f_back)
    return {"where": watch.tree.where(above[-1].f_code.co_filename, above[-1].f_lineno or 0) if above else ""}


def _constructors(module: Any, frame: FrameType) -> Tuple[Optional[FrameType], Optional[FrameType]]:
    """Give the outermost of an object's own constructors, and the frame that called it."""
    own: Optional[FrameType] = None
    at: Optional[FrameType] = frame
    while at is not None:
        if at.f_code.co_name == "__init__" and stack.first_argument(at) is module:
            own = at if not str(at.f_globals.get("__name__", "")).startswith("assay_worker") else own
        elif not str(at.f_globals.get("__name__", "")).startswith("assay_worker"):
            break
        at = at.f_back
    return own, at


def _constructs_another(frame: FrameType, module: Any) -> bool:
    if frame.f_code.co_name != "__init__":
        return False
    one = stack.first_argument(frame)
    return isinstance(one, module_class()) and one is not module


def _in_this_process(watch: Watch, original: Function) -> Function:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > 5:
            args = (*args[:5], 0, *args[6:])
        elif kwargs.get("num_workers"):
            kwargs = {key: value for key, value in kwargs.items() if key not in LOADER_KEYS}
            kwargs["num_workers"] = 0
        original(self, *args, **kwargs)

    return __init__


# ---------------------------------------------------------------- loading
def remember(watch: Watch, value: Any, name: str) -> Any:
    """Remember which tensors came from a file; give the module that was among them, None when there was none."""
    found = None
    for one in _leaves(value, DEEP):
        if isinstance(one, module_class()):
            found = one if found is None else found
            for tensor in _tensors(one):
                watch.origins[_place(tensor)] = name
        elif hasattr(one, "data_ptr"):
            watch.origins[_place(one)] = name
    if found is not None and _counts(watch, name):
        loaded(watch, found)
    if found is not None:
        watch.covered.update(map(id, _tensors(found)))
    return found


def _leaves(value: Any, depth: int) -> List[Any]:
    if isinstance(value, dict) and depth:
        return [leaf for one in value.values() for leaf in _leaves(one, depth - 1)]
    if isinstance(value, (list, tuple)) and depth:
        return [leaf for one in value[:1000] for leaf in _leaves(one, depth - 1)]
    return [value]


def _tensors(module: Any) -> List[Any]:
    return [*module.parameters(), *module.buffers()]


def _place(tensor: Any) -> int:
    try:
        return int(tensor.data_ptr())
    except (RuntimeError, TypeError, AttributeError):
        return 0


def _counts(watch: Watch, name: str) -> bool:
    return name == "@checkpoint" or not watch.tree.checkpoint


def loaded(watch: Watch, module: Any) -> None:
    """Hear that a module has the checkpoint's weights: calls until now were not of the model."""
    watch.module(module)
    if not any(one is module for one in watch.loaded):
        watch.loaded.append(module)
        watch.calls = 0 if watch.called_at != "main" else watch.calls
    if watch.is_of_tree(type(module)):
        methods.follow(watch, type(module))


def origin(watch: Watch, state: Any) -> str:
    """Name the file that most of a state's tensors came from; "" when from none that is known."""
    counts: Dict[str, int] = {}
    for value in state.values() if isinstance(state, dict) else ():
        name = watch.origins.get(_place(value)) if _place(value) else None
        if name:
            counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name]) if counts else ""


def _loading(watch: Watch, original: Function) -> Function:
    def load_state_dict(self: Any, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if watch.busy:
            return original(self, state_dict, *args, **kwargs)
        if not state_dict and watch.wishes:
            watch.emptied.extend(self.parameters())
            watch.intervene(f"wants {watch.wishes[-1]}: what is loaded later has to cover it")
            return sys.modules["torch"].nn.modules.module._IncompatibleKeys([], [])
        strict = bool(args[0] if args else kwargs.get("strict", True))
        name = origin(watch, state_dict)
        with watch.inside():
            result = original(self, state_dict, *args, **kwargs)
        _seen(watch, self, state_dict, name, strict, result)
        return result

    return load_state_dict


def _seen(watch: Watch, module: Any, state: Any, name: str, strict: bool, result: Any) -> None:
    missing, unexpected = getattr(result, "missing_keys", []), getattr(result, "unexpected_keys", [])
    event = {"is": "load", "into": watch.module(module), "how": "load_state_dict", "path": name, "strict": strict}
    watch.event(dict(event, missing=len(missing), unexpected=len(unexpected)))
    known = module.state_dict(keep_vars=True)
    watch.covered.update(id(tensor) for key, tensor in known.items() if key in state)
    own = {_place(tensor) for tensor in known.values()} - {0}
    changed = not name and not all(_place(value) in own for value in state.values())
    if set(known) & set(state) and (_counts(watch, name) or (changed and "@checkpoint" in watch.origins.values())):
        loaded(watch, module)


# ---------------------------------------------------------------- calling
def _calling(watch: Watch, original: Function) -> Function:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        if watch.busy or not watch.listening() or not _has_weights(self):
            return original(self, *args, **kwargs)
        return record(watch, self, "forward", lambda: original(self, *args, **kwargs), args, kwargs)

    return __call__


def _has_weights(module: Any) -> bool:
    """Tell a network from a transform, a loss or an activation."""
    try:
        return next(iter(module.parameters()), None) is not None or next(iter(module.buffers()), None) is not None
    except Exception:  # upstream's own class may not be ready yet
        return False


def record(watch: Watch, module: Any, method: str, act: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
    """Make a call of a module and record it."""
    outer = methods.begin_waiting(watch, module)
    if outer and not watch.listening():
        return act()  # a method with tensors for arguments is the call; what it calls is its own affair
    event = begun(watch, module, method, args, kwargs)
    with watch.modelling(event["id"], _hold_tensors(args, kwargs)):
        outputs = act()
    event["outputs"] = watch.whole(outputs)
    steps.answered(watch, event["main"], outputs)
    return outputs


def begun(watch: Watch, module: Any, method: str, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Dict[str, Any]:
    """Record that a call of a module begins; refuse one that lacks weights which were to be downloaded."""
    main = related(watch, module)
    wanting = {id(tensor) for tensor in watch.emptied} - watch.covered
    if any(id(tensor) in wanting for tensor in module.parameters()):
        raise watch.refuse(f"wants {watch.wishes[-1]}")
    name = watch.module(module)
    event = calls.begun(watch, name, method, main, args, kwargs, watch.within())
    event["training"] = bool(getattr(module, "training", False))
    return event


def _hold_tensors(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> bool:
    return any(hasattr(one, "data_ptr") for one in _leaves([*args, *kwargs.values()], DEEP))


def related(watch: Watch, module: Any) -> bool:
    """Tell whether a module is, holds or is held by one that has the checkpoint's weights."""
    held = {id(inner) for one in watch.loaded for inner in one.modules()}
    return id(module) in held or any(id(one) in held for one in module.modules())
