"""Whatever upstream's code does, it ends in time and leaves no process behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation
from survivors import holding, left_after

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        held = open({held!r}, "w")
        time.sleep(60)
    os._exit(0)
while not os.path.exists({held!r}): time.sleep(0.01)
"""
CONTROLLER = """
from pathlib import Path
from assay import bridge
checkpoint = {{"name": "m", "sha256": "", "format": "adapter"}}
request = {{"protocol": 1, "verb": "infer", "adapter": "scripts/adapter.py", "checkpoint": checkpoint}}
w = Path({workspace!r})
places = dict(workspace=w, out=w / ".stage", log=w / "logs/infer.log", request_file="scripts/infer.json")
bridge.run(python=Path({python!r}), request=request, **places)
"""
WORKS = "def build(*, checkpoint, device): return device\ndef infer(model, tensors): return tensors\n"
FORKS = "import os, time\nfor _ in range({count}):\n    if os.fork() == 0:\n        {body}\n"
DEAF = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n"


@pytest.mark.parametrize(
    "hang",
    [
        "while True: pass",
        DEAF + "while True: pass",
        "import ctypes; ctypes.PyDLL(None).pause()",
        "import time\ntime.sleep(60)",
    ],
)
def test_a_hang_ends_at_its_time(ask: Any, hang: str) -> None:
    began = time.monotonic()
    outcome = ask(hang, limits=bridge.Limits(seconds=1))
    assert outcome.kind == "timeout" and time.monotonic() - began < 3
    assert bridge.explain(outcome) == "the worker was ended after 1 s without an answer"


@pytest.mark.parametrize(
    "hang",
    [
        "import atexit, time\natexit.register(time.sleep, 60)\n",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n",
    ],
)
def test_what_hangs_after_the_answer_does_not_matter(ask: Any, hang: str) -> None:
    began = time.monotonic()
    assert ask(hang + WORKS).kind == "ok" and time.monotonic() - began < 5


def test_memory_limit(ask: Any) -> None:
    code = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(10 << 20)); time.sleep(0.01)\n"
    outcome = ask(code, limits=bridge.Limits(seconds=20, memory_mib=200))
    assert outcome.kind == "memory-limit" and outcome.peak_mib is not None and 200 <= outcome.peak_mib < 1000


def test_memory_is_that_of_the_whole_tree(ask: Any) -> None:
    code = FORKS.format(count=4, body="kept = bytearray(80 << 20); time.sleep(60)") + "time.sleep(60)\n"
    assert ask(code, limits=bridge.Limits(seconds=20, memory_mib=250)).kind == "memory-limit"


def test_forked_copies_of_one_memory_count_once(ask: Any) -> None:
    code = (
        "kept = bytes(bytearray(b'x') * (60 << 20))\n"
        + FORKS.format(count=6, body="time.sleep(60)")
        + "time.sleep(0.6)\n"
    )
    assert ask(code + WORKS, limits=bridge.Limits(seconds=20, memory_mib=200)).kind == "ok"


def test_largest_file(ask: Any) -> None:
    code = "import os\nf = open(os.environ['HOME'] + '/big', 'wb')\nwhile True: f.write(b'x' * (1 << 20))\n"
    outcome = ask(code, limits=bridge.Limits(seconds=20, file_mib=16))
    assert outcome.kind == "adapter-error" and "File too large" in outcome.message


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_flood_ends_at_the_limit_of_the_log(ask: Any, descriptor: int, workspace: Path) -> None:
    code = f"import os\nfor _ in range(200 * 16): os.write({descriptor}, b'x' * 65536)\n"
    outcome = ask(code + WORKS, limits=bridge.Limits(seconds=20, log_mib=4))
    assert outcome.kind == "log-limit"
    assert (workspace / "logs/infer.log").stat().st_size < 5 * 1024 * 1024


def test_too_many_processes(ask: Any) -> None:
    code = FORKS.format(count=700, body="time.sleep(60)") + "time.sleep(60)\n"
    assert ask(code).kind == "process-limit"


@pytest.mark.parametrize(
    "after", ["", "1 / 0\n", "os._exit(0)\n", "os.kill(os.getpid(), 9)\n", "os.kill(os.getppid(), 9)\ntime.sleep(60)\n"]
)
def test_a_daemon_goes_with_the_worker(ask: Any, workspace: Path, after: str) -> None:
    held = workspace / ".stage/held"
    ask(DAEMON.format(held=str(held)) + after + WORKS, limits=bridge.Limits(seconds=4))
    daemons = holding(held)
    assert held.exists() and left_after(workspace, seconds=2.0, extra=daemons) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_model_that_turns_on_its_supervisor(ask: Any, number: signal.Signals) -> None:
    code = f"import os, time\nos.kill(os.getppid(), {int(number)})\ntime.sleep(60)\n"
    outcome = ask(code, limits=bridge.Limits(seconds=2, slack=1))
    level = isolation.best().level
    if outcome.kind == "adapter-error":  # Landlock keeps signals in, from its sixth version on
        assert level != "plain" and "PermissionError" in outcome.message
    elif level == "bubblewrap" or number == signal.SIGSTOP:
        assert outcome.kind == "timeout"
    else:
        assert outcome.kind == "killed" and "SIGKILL" in outcome.message


def test_stop_all_ends_every_worker(ask: Any) -> None:
    timer = threading.Timer(0.5, bridge.stop_all)
    timer.start()
    began = time.monotonic()
    outcome = ask(DEAF + "while True: pass")
    assert outcome.kind == "stopped" and time.monotonic() - began < 3


def test_stdin_is_closed(ask: Any) -> None:
    assert "EOFError" in ask("input()").message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_controller_dies(workspace: Path, bare_python: Path, number: signal.Signals) -> None:
    held = workspace / ".stage/held"
    (workspace / "scripts/adapter.py").write_text(DAEMON.format(held=str(held)) + DEAF + "while True: pass\n")
    code = CONTROLLER.format(workspace=str(workspace), python=str(bare_python))
    environment = {**os.environ, "PYTHONPATH": str(Path(bridge.__file__).parent.parent)}
    controller = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not (daemons := holding(held)) and time.monotonic() < until:
        time.sleep(0.02)
    controller.send_signal(number)
    assert len(daemons) == 1
    assert left_after(workspace, seconds=2.0, extra=daemons) == []
    controller.wait(10)
