"""Any value of upstream's as plain data: limited in depth, width and length, and never failing."""

from __future__ import annotations

import math
import os
import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Callable, Dict, Optional

from assay_worker.patching import Builtin

DEPTH, ITEMS, LONGEST, TOTAL = 4, 64, 8192, 64 * 1024
REPR = 200
NAMESPACES = ("Namespace", "SimpleNamespace", "EasyDict", "AttrDict", "DotMap", "Box", "Munch", "CfgNode", "DictConfig")
Special = Callable[[Any], Any]


class Plainly:
    """Turns values into plain data; `special` knows what only the run knows: tensors, modules, paths."""

    def __init__(self, special: Special) -> None:
        self.special = special

    def of(self, value: Any) -> Any:
        """Give a value as plain data."""
        return _One(self.special).of(value, DEPTH)


class _One:
    """One conversion, with what is left of its length."""

    def __init__(self, special: Special) -> None:
        self.special, self.left = special, TOTAL

    def of(self, value: Any, depth: int) -> Any:
        self.left -= 16
        try:
            return self._scalar(value) if _is_scalar(value) else self._other(value, depth)
        except Exception as error:  # upstream's objects may raise at any touch
            return {"opaque": _type(value), "repr": f"({type(error).__name__})", "attrs": {}}

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return {"opaque": "builtins.float", "repr": repr(value), "attrs": {}}
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
            return {"opaque": "builtins.int", "repr": hex(value)[:REPR], "attrs": {}}
        return value

    def _other(self, value: Any, depth: int) -> Any:
        found = self.special(value)
        if isinstance(found, str) or isinstance(value, str):
            return found if isinstance(found, dict) else self._text(value if found is None else found)
        if found is not None:
            return found
        if isinstance(value, (bytes, bytearray)):
            return {"opaque": _type(value), "repr": repr(bytes(value[:32]))[:REPR], "attrs": {"length": len(value)}}
        return _reference(value) or self._numpy(value) or self._torch(value) or self._inner(value, depth)

    def _text(self, value: str) -> Any:
        text = value[:LONGEST].encode("utf-8", "replace").decode()
        self.left -= len(text)
        return text if len(value) <= LONGEST else {"opaque": "builtins.str", "repr": text[:REPR], "attrs": {}}

    def _numpy(self, value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return None
        if isinstance(value, numpy.dtype):
            return {"dtype": str(value)}
        if isinstance(value, type) and issubclass(value, numpy.generic):
            return {"dtype": numpy.dtype(value).name}
        if isinstance(value, numpy.generic):
            shown = self.of(value.item(), 1)
            return {"scalar": shown, "dtype": str(value.dtype)}
        return None

    def _torch(self, value: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "device"):
            return None
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).replace("torch.", "")}
        if isinstance(value, torch.Size):
            return {"tuple": [int(n) for n in value]}
        return None

    def _inner(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in (list, tuple, set, frozenset) or (isinstance(value, (list, tuple)) and len(value) <= ITEMS):
            return self._row(value, depth)
        if kind.__name__ in NAMESPACES:
            return {"namespace": self._named(_attributes(value), depth)}
        if isinstance(value, dict):
            return self._table(value, depth)
        return self._opaque(value, depth)

    def _row(self, value: Any, depth: int) -> Any:
        if depth <= 0 or len(value) > ITEMS or self.left < 0:
            return _short(value)
        row = [self.of(one, depth - 1) for one in value]
        if isinstance(value, tuple):
            return {"tuple": row}
        return row if isinstance(value, list) else {"opaque": _type(value), "repr": "", "attrs": {"items": row}}

    def _table(self, value: Dict[Any, Any], depth: int) -> Any:
        if depth <= 0 or len(value) > ITEMS or self.left < 0:
            return _short(value)
        if all(isinstance(key, str) for key in value):
            return self._named(value, depth)
        return {"dict": [[self.of(key, depth - 1), self.of(one, depth - 1)] for key, one in value.items()]}

    def _named(self, value: Dict[str, Any], depth: int) -> Dict[str, Any]:
        return {str(key)[:REPR]: self.of(one, depth - 1) for key, one in list(value.items())[:ITEMS]}

    def _opaque(self, value: Any, depth: int) -> Any:
        held = _attributes(value) if depth == DEPTH and self.left > 0 else {}
        attrs = {}
        for name, one in list(held.items())[:ITEMS]:
            if isinstance(name, str) and not name.startswith("_"):
                attrs[name] = self.of(one, 1)
        return {"opaque": _type(value), "repr": _repr(value), "attrs": dict(attrs, **_of_picture(value))}


def _is_scalar(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float)


def _attributes(value: Any) -> Dict[str, Any]:
    found = getattr(value, "__dict__", None)
    if isinstance(value, dict):
        return dict(value)
    return dict(found) if isinstance(found, dict) else {}


def _reference(value: Any) -> Optional[Dict[str, Any]]:
    """Give a module, class or function by its name."""
    if isinstance(value, ModuleType):
        return {"import": value.__name__}
    if isinstance(value, (type, FunctionType, BuiltinFunctionType, Builtin)):
        if sys.modules.get("numpy") is not None and isinstance(value, type) and value.__module__ == "numpy":
            return None  # a dtype, for our purposes
        return {"object": f"{value.__module__}:{getattr(value, '__qualname__', value.__name__)}"}
    if isinstance(value, MethodType):
        return {"object": f"{value.__func__.__module__}:{value.__func__.__qualname__}"}
    return None


def _short(value: Any) -> Dict[str, Any]:
    """Say of something too long or too deep how long it is."""
    return {"opaque": _type(value), "repr": "", "attrs": {"length": len(value)}}


def _of_picture(value: Any) -> Dict[str, Any]:
    """Add what tells one picture of Pillow from another."""
    if not type(value).__module__.startswith("PIL."):
        return {}
    size, mode = getattr(value, "size", None), getattr(value, "mode", None)
    known: Dict[str, Any] = {"size": list(size)} if isinstance(size, tuple) else {}
    return dict(known, mode=mode) if isinstance(mode, str) else known


def _type(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _repr(value: Any) -> str:
    """Show a value whose repr is surely short: never that of a container, a class of upstream's or a file."""
    own = type(value).__repr__
    if own is object.__repr__ or type(value).__module__ == "__main__" or isinstance(value, (list, tuple, dict, set)):
        return ""
    if type(value).__module__.partition(".")[0] not in ("builtins", "pathlib", "datetime", "PIL", "decimal", "re"):
        return ""
    return repr(value)[:REPR].replace(os.getcwd(), "")
