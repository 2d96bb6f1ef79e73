"""A wish to stop that reaches the program inside a callback of the interpreter is not lost."""

import subprocess
import sys

import pytest

LOST = """
import os, signal, weakref
from assay import stopping

class Thing: pass

stopping.listen()
thing = Thing()
ref = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.{name}))
del thing  # the interpreter drops what the callback raises
assert stopping.code() == {code}
try:
    stopping.check()
except {raised}:
    print("stopped")
"""


@pytest.mark.parametrize(
    "name, code, raised", [("SIGINT", 130, "KeyboardInterrupt"), ("SIGTERM", 143, "SystemExit")]
)
def test_a_wish_that_a_callback_swallows_is_met_at_the_next_check(name: str, code: int, raised: str) -> None:
    script = LOST.format(name=name, code=code, raised=raised)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")


def test_what_was_told_to_ignore_interrupts_goes_on_ignoring_them() -> None:
    script = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from assay import stopping; stopping.listen()\n"
        "os.kill(os.getpid(), signal.SIGINT); stopping.check(); print('went on')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "went on\n")
