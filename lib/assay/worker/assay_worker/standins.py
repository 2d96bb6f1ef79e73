"""What stands in for packages that are not there: names that can be imported, and that say so when they are used."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Iterator, Tuple

from assay_worker.watching import Watch

AUDIO = "torchaudio"
_names: dict[str, str] = {}  # top-level package -> why it is not there


class MissingPackage(ImportError):
    """Something of a package that is not there was used."""

    def __init__(self, package: str, what: str) -> None:
        super().__init__(f"{what}: {_names.get(package) or f'the package {package} is not installed'}")
        self.package = package


def stands_in(top: str) -> bool:
    """Tell whether a package is stood in for already."""
    return top in _names


def made(watch: Watch, name: str, why: str = "") -> ModuleType:
    """Make the stand-in of a module; of an audio library what reads and writes files really does."""
    top = name.partition(".")[0]
    if top not in _names:
        _names[top] = why
        watch.intervene(why or f"{top} is not installed: stood in for until it is used")
    module = StandIn(name)
    if name == AUDIO:
        from assay_worker import audio

        audio.give(watch, module)
    return module


class Loader:
    """Loads a stand-in."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def create_module(self, spec: Any) -> ModuleType:
        """Make the module."""
        return made(self.watch, spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is nothing to execute."""


class StandIn(ModuleType):
    """A module in which any name can be found."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__all__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            if name == "__version__":
                return "0.0.0"
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or Inert(f"{self.__name__}.{name}")


class Inert:
    """A name of a package that is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _used(self, *args: Any, **kwargs: Any) -> Any:
        raise MissingPackage(self._name.partition(".")[0], f"{self._name} was used")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert(f"{self._name}.{name}")

    def __mro_entries__(self, bases: Tuple[Any, ...]) -> Tuple[type]:
        def refuse(kind: type, *args: Any, **kwargs: Any) -> Any:
            return self._used()

        return (type(self._name.rpartition(".")[2], (), {"__new__": refuse}),)

    def __instancecheck__(self, value: Any) -> bool:
        return False

    def __subclasscheck__(self, kind: Any) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        self._used()
        return iter(())

    __call__ = __getitem__ = __enter__ = __len__ = __add__ = __mul__ = __lt__ = __gt__ = _used
    __int__ = __float__ = __index__ = __array__ = __bool__ = _used


def absent(error: BaseException) -> str:
    """Name the package that an import did not find, "" for any other error."""
    name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    top = name.partition(".")[0] if isinstance(name, str) else ""
    return "" if top in sys.modules else top
