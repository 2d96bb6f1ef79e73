"""Putting a function of ours in the place of a library's, once."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, ModuleType
from typing import Any, Callable, Dict, NamedTuple, Tuple

MARK = "_assay_watched"
Function = Callable[..., Any]


class Replaced(NamedTuple):
    """A module's function that has another in its place."""

    original: Function
    made: Function


REPLACED: Dict[int, Replaced] = {}  # by the identity of the original


class Builtin:
    """A function in the place of a built-in one: like that it does not become a method of a class that holds it."""

    def __init__(self, made: Function) -> None:
        self._made = made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._made(*args, **kwargs)


def replace(owner: Any, name: str, make: Callable[[Function], Function]) -> None:
    """Put what `make` makes of a function in its place; nothing when there is none or it is ours already."""
    original = getattr(owner, name, None)
    if original is None or getattr(original, MARK, False) is True:
        return
    made = make(original)
    if isinstance(original, BuiltinFunctionType):
        made = Builtin(made)
    try:
        functools.update_wrapper(made, original)
        setattr(made, MARK, True)
        setattr(owner, name, made)
    except (AttributeError, TypeError):
        return  # what cannot be replaced is not watched
    if isinstance(owner, ModuleType):
        REPLACED[id(original)] = Replaced(original, made)


def give(owner: Any, name: str, made: Any) -> None:
    """Give an owner a name that it lacks."""
    if not hasattr(owner, name):
        setattr(owner, name, made)


def first(args: Tuple[Any, ...], kwargs: Dict[str, Any], names: Tuple[str, ...]) -> Any:
    """Give a call's first argument, by place or by one of its names."""
    if args:
        return args[0]
    return next((kwargs[name] for name in names if name in kwargs), None)


def with_first(value: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any], names: Tuple[str, ...]) -> Any:
    """Give a call's arguments with another first one."""
    if args:
        return (value, *args[1:]), kwargs
    return args, {key: value if key in names else one for key, one in kwargs.items()}
