"""The terminal a person sits at, where a question can be asked whatever the streams are bound to."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TextIO


class Terminal(NamedTuple):
    """Where a person reads and types."""

    typed: TextIO
    shown: TextIO

    def write(self, text: str) -> None:
        """Show a text at once."""
        self.shown.write(text)
        self.shown.flush()

    def readline(self) -> str:
        """Wait for a line; "" when the terminal is gone."""
        return self.typed.readline()


@contextmanager
def opened() -> "Iterator[Terminal | None]":
    """Open the terminal; None where nobody sits: no terminal, a script behind it, or continuous integration."""
    if os.environ.get("CI") or not (sys.stdin and sys.stdin.isatty()):
        yield None
        return
    with ExitStack() as streams:
        try:
            typed = streams.enter_context(open("/dev/tty", encoding="utf-8", errors="replace"))
            shown = streams.enter_context(open("/dev/tty", "w", encoding="utf-8", errors="replace"))
        except OSError:
            yield None
            return
        yield Terminal(typed, shown)
