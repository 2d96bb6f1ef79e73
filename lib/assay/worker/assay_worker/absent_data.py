"""Data sets of torchvision that upstream makes and that are not here: they are there until an item of one is used."""

from __future__ import annotations

from typing import Any, NoReturn

from assay_worker.patching import Function, replace
from assay_worker.watching import Watch


class MissingData(OSError):
    """An item of a data set that is not here was used."""


def patch(watch: Watch, datasets: Any) -> None:
    """Let upstream make any of them."""
    for name in getattr(datasets, "__all__", ()):
        kind = getattr(datasets, name, None)
        if isinstance(kind, type) and issubclass(kind, datasets.VisionDataset):
            replace(kind, "__init__", lambda original: _making(watch, original))


def _making(watch: Watch, original: Function) -> Function:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            original(self, *args, **kwargs)
        except (OSError, RuntimeError) as error:  # what is refused a download is an OSError, too
            if not watch.by_tree():
                raise
            name = type(self).__name__
            self.__class__ = type(name, (type(self),), {"__len__": lambda self: 1, "__getitem__": _used(name)})
            why = " ".join(str(error).split())[:120]
            watch.intervene(f"the data set {name} is not here ({why}): stood in for until an item of it is used")

    return __init__


def _used(name: str) -> Function:
    def item(self: Any, index: Any) -> NoReturn:
        raise MissingData(f"an item of the data set {name} was used, which is not here")

    return item
