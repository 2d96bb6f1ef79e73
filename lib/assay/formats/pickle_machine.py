"""Read a pickle without running it: its opcodes build inert values, its globals are written down.

Nothing is imported or called. Numbers, texts and containers come out as they are; a class or function is a `Global`,
a call of it a `Call`, a long string of bytes a `Blob` that says where in the file it lies. What is known to make a
tensor is turned into one by a `Sense`.
"""

import gc
import os
import struct
from typing import Any, BinaryIO

from assay.formats.pickle_forms import LITERALS, honest, honest_state, takes
from assay.formats.pickle_globals import HARMLESS, TENSORS, judge
from assay.formats.pickle_opcodes import STEPS
from assay.formats.pickle_values import COMPUTED, Blob, Call, Global, Located, Malformed, Pairs, Persistent

MOST_STEPS = 4_000_000  # some seconds of reading; a checkpoint of ten thousand tensors has half a million
MOST_MARKS = 10_000  # lists and tuples open at once
MOST_MEMO = 1 << 24
LONGEST_LINE = 1 << 16
KEPT = 1 << 16  # longer strings and bytes stay in the file


def strange(func: Global) -> str:
    """Say that something harmless is called as its own library does not."""
    return f"calls {func.module}.{func.name} in a way of its own"


class Budget:
    """How many steps the pickles of one checkpoint have taken, all together."""

    def __init__(self) -> None:
        self.steps = 0


class Sense:
    """What makes values of a pickle that has no meaning of its own yet."""

    def __init__(self, budget: "Budget | None" = None) -> None:
        self.budget = budget or Budget()
        self.odd: list[str] = []  # what no honest writer does

    def persistent(self, key: Any) -> Any:
        """Give what a key stands for."""
        return Persistent(key)

    def call(self, func: Any, args: Any) -> Any:
        """Give what a call makes."""
        return Call(func, args)

    def build(self, made: Any, state: Any, machine: "Machine") -> Any:
        """Give what an object becomes when its state is put into it."""
        if isinstance(made, Call):
            made.state = state
        return made


class Window:
    """Bytes read from front to back: a stretch of a file, or what was unpacked into memory."""

    def __init__(self, source: "BinaryIO | bytes", start: int = 0, stop: int | None = None) -> None:
        self._source = source
        self.stop = stop if stop is not None else len(source)  # type: ignore[arg-type]
        self._data, self._base, self._index = b"", start, 0

    @property
    def in_memory(self) -> bool:
        """Tell whether these bytes were unpacked, so that they have no place in the file."""
        return isinstance(self._source, bytes)

    @property
    def at(self) -> int:
        """Give the place of the next byte."""
        return self._base + self._index

    @property
    def left(self) -> int:
        """Count the bytes that are left."""
        return self.stop - self.at

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        index = self._index
        if index + count > len(self._data):
            self._fill(count)
            index = 0
        self._index = index + count
        return self._data[index : index + count]

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        if count < 0 or count > self.left:
            raise Malformed(f"truncated: {count} bytes promised, {self.left} there", self.at)
        self._data, self._base, self._index = b"", self.at + count, 0

    def line(self) -> bytes:
        """Read up to a line's end, which is left out."""
        end = self._line_end()
        if end < 0:
            raise Malformed("a line does not end", self.at)
        return self.take(end + 1 - self._index)[:-1]

    def any_line(self) -> "bytes | Blob":
        """Read a line; of a long one only note where it lies."""
        start = self.at
        while self._line_end() < 0:
            if not self.left:
                raise Malformed("a line does not end", start)
            self.skip(min(LONGEST_LINE, self.left))
        if self.at == start:
            return self.line()
        return Blob(None if self.in_memory else start, self.at - start + len(self.line()), True)

    def _line_end(self) -> int:
        """Find the next line's end among the bytes at hand, of which more are fetched; -1 when it is not there."""
        end = self._data.find(b"\n", self._index)
        if end < 0:
            self._fill(min(LONGEST_LINE, self.left))
            end = self._data.find(b"\n")
        return end

    def keep(self, count: int, text: bool) -> Any:
        """Read bytes or text; when they are long, only note where they lie."""
        if count > self.left or count < 0:
            raise Malformed(f"truncated: {count} bytes promised, {self.left} there", self.at)
        if count > KEPT:
            blob = Blob(None if self.in_memory else self.at, count, text)
            self.skip(count)
            return blob
        at, data = self.at, self.take(count)
        if text:
            return data.decode("utf-8", "surrogatepass")
        if self.in_memory or not count:
            return data
        located = Located(data)
        located.at = at
        return located

    def _fill(self, count: int) -> None:
        at = self.at
        if count > self.stop - at:
            raise Malformed("truncated: it ends in the middle", at)
        size = min(max(count, 1 << 16), self.stop - at)
        if isinstance(self._source, bytes):
            self._data = self._source[at : at + size]
        else:
            self._data = os.pread(self._source.fileno(), size, at)
        self._base, self._index = at, 0
        if len(self._data) < count:
            raise Malformed("truncated: it ends in the middle", at)


class Machine:
    """Reads one pickle after the other from a window."""

    def __init__(self, window: Window, sense: Sense | None = None) -> None:
        self.window: Window = window
        self.sense: Sense = sense or Sense()
        self.globals: list[Global] = []
        self.odd: list[str] = self.sense.odd
        self.budget = self.sense.budget
        self._stack: list[Any] = []  # since the last mark
        self._below: list[list[Any]] = []  # what lies under each mark
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """Read one pickle to its end; give its value."""
        self._stack, self._below, self._memo = [], [], {}
        collecting = gc.isenabled()
        gc.disable()  # it would look at each of a million small lists again and again
        try:
            return self._run()
        finally:
            self._stack, self._below, self._memo = [], [], {}
            if collecting:
                gc.enable()

    def _run(self) -> Any:
        take, steps, budget = self.window.take, STEPS, self.budget
        try:
            while True:
                code = take(1)
                if code == b".":
                    return self.take()
                budget.steps += 1
                if budget.steps > MOST_STEPS:
                    raise Malformed(f"more than {MOST_STEPS} steps, which no checkpoint has", self.window.at)
                step = steps.get(code)
                if step is None:
                    raise Malformed(f"no pickle opcode: 0x{code.hex()}", self.window.at - 1)
                step(self)
        except (IndexError, ValueError, TypeError, struct.error, OverflowError, UnicodeError):
            raise Malformed("its opcodes do not fit together", self.window.at) from None

    # ------------------------------------------------------------ the stack
    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def take(self) -> Any:
        """Take the last value off the stack."""
        return self._stack.pop()

    def copy(self) -> None:
        """Put the last value there once more."""
        self._stack.append(self._stack[-1])

    def mark(self) -> None:
        """Begin a group of values."""
        if len(self._below) >= MOST_MARKS:
            raise Malformed(f"more than {MOST_MARKS} groups are open at once", self.window.at)
        self._below.append(self._stack)
        self._stack = []

    def group(self) -> list[Any]:
        """Take everything down to the last mark."""
        found, self._stack = self._stack, self._below.pop()
        return found

    def drop(self) -> None:
        """Drop the last value, or the last mark."""
        if self._stack:
            self._stack.pop()
        else:
            self.group()

    # ------------------------------------------------------------ the memo
    def put(self, index: int) -> None:
        """Remember the last value under a number."""
        if index > MOST_MEMO or index < 0:
            raise Malformed(f"remembers a value under the number {index}", self.window.at)
        self._memo[index] = self._stack[-1]

    def memoize(self) -> None:
        """Remember the last value under the next number."""
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, index: int) -> None:
        """Bring a remembered value back."""
        if index not in self._memo:
            raise ValueError
        self._stack.append(self._memo[index])

    # ------------------------------------------------------------ containers
    def extend(self, values: list[Any]) -> None:
        """Append values to the container below."""
        into = self._stack[-1]
        if isinstance(into, Call):
            self._check_takes(into, "by place")
            into.items.extend((len(into.items) + i, value) for i, value in enumerate(values))
        elif isinstance(into, list) and not isinstance(into, Pairs):
            into.extend(values)
        else:
            self.odd.append(f"appends to a {type(into).__name__.lower()}")

    def update(self, values: list[Any]) -> None:
        """Put pairs into the dict below."""
        if len(values) % 2:
            raise ValueError
        into = self._stack[-1]
        pairs = zip(values[::2], values[1::2])
        if isinstance(into, Call):
            self._check_takes(into, "by key")
            into.items.extend(pairs)
        elif isinstance(into, Pairs):
            into.extend(pairs)
        else:
            self.odd.append(f"sets items of a {type(into).__name__.lower()}")

    # ------------------------------------------------------------ what would run
    def name(self, module: Any, name: Any) -> Global:
        """Write down a class or function that is named."""
        known = isinstance(module, str) and isinstance(name, str)
        found = Global(module, name) if known else Global(COMPUTED, COMPUTED)
        self.globals.append(found)
        return found

    def call(self, func: Any, args: Any, *, named: bool = False) -> None:
        """Put on the stack what a call would make; `named`: some arguments are given by name."""
        if not isinstance(func, Global):
            self.odd.append("calls what it has computed")
        elif _safe(func) and not honest(func, args, named):
            self.odd.append(strange(func))
        self._stack.append(self.sense.call(func, args))

    def _check_takes(self, made: Call, how: str) -> None:
        if _safe(made.func) and not takes(made.func, how):
            self.odd.append(f"puts items into {made.func.module}.{made.func.name} {how}")

    def build(self) -> None:
        """Put a state into the object below."""
        state, made = self.take(), self.take()
        if isinstance(made, Global):
            self.odd.append(f"changes {made.module}.{made.name} itself")
        elif isinstance(made, LITERALS):
            self.odd.append(f"puts a state into a {type(made).__name__.lower()}")
        elif isinstance(made, Call) and _safe(_kind(made)) and (made.state is not None or not honest_state(state)):
            self.odd.append(f"puts into {made.func.module}.{made.func.name} what is no data")
        self._stack.append(self.sense.build(made, state, self))


def _safe(func: Any) -> bool:
    """Tell a name whose form is looked at; any other needs trust as it is."""
    return isinstance(func, Global) and judge(func)[0] in (TENSORS, HARMLESS)


def _kind(made: Call) -> Any:
    """Name the class of what a call made, which protocols 0 and 1 give as its first argument."""
    by_argument = isinstance(made.func, Global) and made.func.name == "_reconstructor" and isinstance(made.args, tuple)
    return made.args[0] if by_argument and made.args else made.func
