"""Stand-ins for packages that upstream imports and that are not here: inert, and any use of one is remembered."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any, List, NoReturn, Optional, Sequence, Set

LOADERS = ("load_state_dict_from_url", "load_url", "download_url_to_file")  # what is loaded by them changes no shape


class Touched(RuntimeError):
    """What the use of a stand-in is answered with."""


class _Kind(type):
    """The type of stand-ins: they can be named, imported, subclassed, and nothing else."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            if name == "__version__":
                _touch(cls)
            raise AttributeError(name)
        return thing(f"{_name(cls)}.{name}")

    def __call__(cls, *_: Any, **__: Any) -> NoReturn:
        _touch(cls)

    def __instancecheck__(cls, _: Any) -> bool:
        return False  # of what is not here nothing can be an instance

    def __or__(cls, _: Any) -> Any:
        return cls  # in annotations

    __ror__ = __or__


def _refuse(cls: Any, *_: Any) -> NoReturn:
    _touch(cls)


for _use in ("bool", "len", "iter", "getitem", "contains", "add", "mul", "lt", "gt", "le", "ge", "enter", "exit"):
    setattr(_Kind, f"__{_use}__", _refuse)

touched: List[str] = []


def _name(cls: Any) -> str:
    return str(cls.__dict__.get("_stands_for") or next((_name(base) for base in cls.__mro__[1:-1]), "?"))


def _touch(cls: Any) -> NoReturn:
    name = _name(cls)
    touched.append(name)
    raise Touched(f"{name} is not installed")


def thing(name: str) -> Any:
    """Make a stand-in for a function or class."""
    return _Kind(name.rpartition(".")[2], (), {"_stands_for": name, "__module__": name.rpartition(".")[0]})


class _Module(types.ModuleType):
    """A stand-in for a module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            if name == "__version__":
                _touch(thing(f"{self.__name__}.{name}"))
            raise AttributeError(name)
        if name in LOADERS:
            import torch

            return torch.hub.load_state_dict_from_url
        return thing(f"{self.__name__}.{name}")


def is_one(module: Any) -> bool:
    """Tell whether a module is a stand-in."""
    return isinstance(module, _Module)


class Finder:
    """Finds, last of all, the modules that were allowed to be stood in for, when upstream's own files ask."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.allowed: Set[str] = set()

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Answer for an allowed module and all within it."""
        within = any(name == one or name.startswith(one + ".") for one in self.allowed)
        if not within or not self._asked_by_upstream():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Make the stand-in."""
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave it empty."""

    def _asked_by_upstream(self) -> bool:
        frame: Any = sys._getframe(2)
        while frame is not None and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename == __file__):
            frame = frame.f_back
        return frame is not None and frame.f_code.co_filename.startswith(self.folder)
