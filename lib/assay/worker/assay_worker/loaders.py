"""Watching what loads weights: upstream's own place for them is answered by the checkpoint at hand."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Optional

from assay_worker.choosing import WEIGHTS
from assay_worker.patching import Function, first, replace, with_first
from assay_worker.tree_copy import full, same
from assay_worker.watching import Watch

NAMES = ("f", "filename", "path_or_bytes", "fp", "file")
OLD = "this torch has no weights_only, and nobody trusted the file"


def place(watch: Watch, value: Any, *, weights: bool = True) -> Optional[str]:
    """Give the checkpoint's path when a path names it, in whatever way; None when it names another file."""
    tree, path = watch.tree, full(value) or ""
    if not tree.checkpoint or not path:
        return None
    if path == tree.checkpoint:
        return path
    alike = os.path.basename(path) == os.path.basename(tree.checkpoint)
    if tree.original(path) in tree.duplicates:
        return tree.checkpoint  # the same bytes: nothing that needs saying
    if alike and watch.exists(path) and _same_bytes(watch, path):
        return tree.checkpoint
    if alike and (not watch.exists(path) or tree.inner(path)):
        return _instead(watch, value)
    if weights and WEIGHTS.search(path) and not watch.exists(path) and not watch.told_checkpoint:
        if watch.wanted in ("", path):
            watch.wanted = path
            return _instead(watch, value)
        raise watch.refuse(f"two weights files are wanted that are not here: {_base(watch.wanted)} and {_base(path)}")
    return None


def _same_bytes(watch: Watch, path: str) -> bool:
    checkpoint = watch.tree.checkpoint
    with watch.inside():
        sizes = os.path.isfile(checkpoint) and os.path.getsize(path) == os.path.getsize(checkpoint)
        return sizes and same(path, checkpoint)


def _base(path: str) -> str:
    return os.path.basename(path)


def _instead(watch: Watch, value: Any) -> str:
    shown = os.fspath(value).replace(watch.tree.root + os.sep, "")
    watch.intervene(f"weights {shown[:200]!r} -> the given checkpoint")
    return watch.tree.checkpoint


def seen_weights(watch: Watch, how: str, path: str, into: str = "") -> None:
    """Record that weights were read, and into which module where a method of one reads them."""
    watch.note(path)
    known = watch.tree.named(full(path) or "")
    watch.event({"is": "load", "into": into or _reader(watch), "how": how, "path": known})


def _reader(watch: Watch) -> str:
    """Name the module of torch whose own method reads the file, as loaders of Darknet's format do."""
    from assay_worker import torch_modules

    found = torch_modules.outermost(watch)
    if found is None:
        return ""
    torch_modules.loaded(watch, found)
    return watch.module(found)


# ---------------------------------------------------------------- torch
def patch_torch(watch: Watch, torch: Any) -> None:
    """Watch torch.load and torch.jit.load."""
    replace(torch, "load", lambda original: _torch_load(watch, torch, original))
    replace(torch.jit, "load", lambda original: _jit_load(watch, torch, original))


def _torch_load(watch: Watch, torch: Any, original: Function) -> Function:
    import inspect

    from assay_worker import torch_modules

    knows = "weights_only" in inspect.signature(original).parameters

    def load(*args: Any, **kwargs: Any) -> Any:
        if watch.busy:
            return original(*args, **kwargs)
        path = _chosen(watch, first(args, kwargs, NAMES))
        if _is_wish(watch, path):
            return torch_modules.EmptyWeights(watch, f"{_base(os.fspath(path))}, which is not here")
        args, kwargs = with_first(path, args, _on_cpu(watch, args, kwargs), NAMES)
        if not trusted(watch):
            if not knows and watch.request.get("reachable") is None:
                raise watch.refuse(OLD)
            kwargs = dict(kwargs, weights_only=True) if knows else kwargs
        elif knows:
            kwargs.setdefault("weights_only", False)
        return _remembered(watch, "torch.load", path, original, args, kwargs)

    return load


def _is_wish(watch: Watch, path: Any) -> bool:
    """Tell weights of a part of the model that are not here, when the script was told where the checkpoint is."""
    if not watch.told_checkpoint or not isinstance(path, (str, os.PathLike)) or path == watch.tree.checkpoint:
        return False
    return not watch.exists(full(path) or "")


def trusted(watch: Watch) -> bool:
    """Tell whether somebody trusted the checkpoint."""
    return bool((watch.request.get("checkpoint") or {}).get("trusted"))


def _chosen(watch: Watch, value: Any) -> Any:
    if isinstance(value, (str, os.PathLike)):
        return place(watch, value) or value
    return value


def _remembered(watch: Watch, how: str, path: Any, original: Function, args: Any, kwargs: Dict[str, Any]) -> Any:
    """Load, and remember which tensors and modules came from which file."""
    from assay_worker import torch_modules

    named = path if isinstance(path, (str, os.PathLike)) else getattr(path, "name", "")
    at = full(named) or ""
    with watch.inside():
        value = original(*args, **kwargs)
    name = watch.tree.named(at) if at else ""
    watch.note(at)
    found = torch_modules.remember(watch, value, name)
    known = {"is": "load", "into": watch.module(found) if found is not None else "", "how": how, "path": name}
    watch.event(known)
    return value


def _on_cpu(watch: Watch, args: Any, kwargs: Dict[str, Any]) -> Dict[str, Any]:
    """Have tensors mapped to the CPU, however upstream asks for CUDA."""
    asked = args[1] if len(args) > 1 else kwargs.get("map_location")
    if len(args) > 1:
        return kwargs
    if str(asked).startswith("cuda") or callable(asked) or isinstance(asked, dict):
        watch.intervene("watched on the CPU: weights are mapped to it", "map_location='cpu'")
    return dict(kwargs, map_location="cpu")


def _jit_load(watch: Watch, torch: Any, original: Function) -> Function:
    def load(*args: Any, **kwargs: Any) -> Any:
        if watch.busy:
            return original(*args, **kwargs)
        path = _chosen(watch, first(args, kwargs, NAMES))
        args, kwargs = with_first(path, args, _on_cpu(watch, args, kwargs), NAMES)
        if isinstance(args[0] if args else None, os.PathLike):
            args = (os.fspath(args[0]), *args[1:])
        return _remembered(watch, "torch.jit.load", path, original, args, kwargs)

    return load


# ---------------------------------------------------------------- others
def patch_pickles(*names: str) -> Callable[[Watch, Any], None]:
    """Make the patch of a module whose functions of these names unpickle: the checkpoint only when it is trusted."""

    def watched(watch: Watch, original: Function) -> Function:
        def load(file: Any, *args: Any, **kwargs: Any) -> Any:
            named = file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", None)
            found = place(watch, named) if isinstance(named, (str, os.PathLike)) else None
            if found and not trusted(watch):
                raise watch.refuse("the checkpoint would be unpickled, and nobody trusted it")
            return original(found if found and named is file else file, *args, **kwargs)

        return load

    def patch(watch: Watch, module: Any) -> None:
        for name in names:
            replace(module, name, lambda original: watched(watch, original))

    return patch


def patch_safetensors(watch: Watch, module: Any) -> None:
    """Watch safetensors' reader of whole files, for torch."""

    def watched(original: Function) -> Function:
        def load(*args: Any, **kwargs: Any) -> Any:
            path = _chosen(watch, first(args, kwargs, ("filename",)))
            args, kwargs = with_first(path, args, kwargs, ("filename",))
            return _remembered(watch, "safetensors.torch.load_file", path, original, args, kwargs)

        return load

    replace(module, "load_file", watched)


def patch_onnxruntime(watch: Watch, module: Any) -> None:
    """Watch sessions of ONNX Runtime: what they load and every run."""
    from assay_worker import sessions

    sessions.patch(watch, module)
