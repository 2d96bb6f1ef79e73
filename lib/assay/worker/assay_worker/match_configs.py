"""Parameters that take one object with all settings: a dataclass of upstream's, with its own defaults."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from typing import Any, Callable, Dict, List, Optional

from assay_worker.match_values import Parameter, Value

NAMES = ("config", "cfg", "args", "opt", "conf", "hparams", "hps", "params", "settings")


def completed(parameter: Parameter, target: Callable[..., Any], globals_: Dict[str, Any]) -> Parameter:
    """Add the dataclass that a parameter without known values most likely takes."""
    if parameter.values or not parameter.required:
        return parameter
    found = [_value(kind) for kind in _kinds(parameter.name, target, globals_)]
    return parameter._replace(values=tuple(value for value in found if value is not None))


def _kinds(name: str, target: Callable[..., Any], globals_: Dict[str, Any]) -> List[Any]:
    """List the dataclasses that it may take: the one in its annotation, else those beside it."""
    try:
        hint = inspect.signature(target).parameters[name].annotation
    except (KeyError, TypeError, ValueError):
        return []
    hint = globals_.get(hint) if isinstance(hint, str) else hint
    if dataclasses.is_dataclass(hint):
        return [hint]
    module = getattr(target, "__module__", "")
    beside = [one for one in globals_.values() if isinstance(one, type) and dataclasses.is_dataclass(one)]
    return [one for one in beside if one.__module__ == module] if name.lower() in NAMES else []


def _value(kind: Any) -> Optional[Value]:
    fields = dataclasses.fields(kind)
    if any(f.init and f.default is dataclasses.MISSING for f in fields):
        return None
    given = {f.name: f.default for f in fields if f.init}
    if not all(isinstance(v, (bool, int, float, str, type(None))) for v in given.values()):
        return None
    return Value(given, "default", form=f"object:{kind.__qualname__}", made=kind)


def where(value: Value) -> str:
    """Name the file of an object's class."""
    return str(getattr(sys.modules.get(value.made.__module__), "__file__", ""))
