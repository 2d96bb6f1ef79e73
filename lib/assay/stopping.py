"""A wish to stop, kept until it is met: what a signal raises inside a callback of the interpreter is lost."""

import signal
import sys
from typing import Any

from assay import errors

_asked: list[int] = []


def listen() -> None:
    """Turn SIGINT and SIGTERM into exceptions that are remembered; what is ignored stays so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _swallowed


def code() -> int:
    """Give the exit code of the first wish to stop; 0 when there was none."""
    if not _asked:
        return 0
    return errors.INTERRUPTED if _asked[0] == signal.SIGINT else errors.TERMINATED


def check() -> None:
    """Stop here when a wish to stop was lost on its way."""
    if _asked:
        _raise(_asked[0])


def _stop(number: int, _frame: Any) -> None:
    _asked.append(number)
    _raise(number)


def _raise(number: int) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(errors.TERMINATED)


def _swallowed(lost: Any) -> None:
    """Leave a lost wish to check(); show everything else."""
    if not (_asked and lost.exc_type in (KeyboardInterrupt, SystemExit)):
        sys.__unraisablehook__(lost)
