"""What stands for the values of a pickle that was read and not run."""

from typing import Any, NamedTuple

COMPUTED = "(computed)"


class Malformed(Exception):
    """The bytes are no whole pickle."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what, self.at = what, at


class Global(NamedTuple):
    """A class or function that the pickle names."""

    module: str
    name: str


class Persistent(NamedTuple):
    """A value that lies elsewhere, by its key."""

    key: Any


class Blob(NamedTuple):
    """Bytes or text too long to be kept: where they lie in the file."""

    at: int | None  # None: in memory only
    length: int
    text: bool = False


class Located(bytes):
    """Bytes that know where in the file they lie."""

    at: int


class Pairs(list[tuple[Any, Any]]):
    """A dict, as the pairs that were put into it."""

    __slots__ = ()

    def get(self, key: str, default: Any = None) -> Any:
        """Give the last value put under a key."""
        return next((v for k, v in reversed(self) if k == key and type(k) is str), default)


class Call:
    """What a call would have returned, with all that was done to it afterwards."""

    __slots__ = ("args", "func", "items", "state")

    def __init__(self, func: Any, args: Any) -> None:
        self.func, self.args = func, args
        self.state: Any = None
        self.items = Pairs()  # key and value; of a list, place and value
