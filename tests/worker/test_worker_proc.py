"""Commands end in time, take what they started with them, and see nothing of our environment."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from assay import proc

SPAWN = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
"""


def start(tmp_path: Path, code: str, **keys: float) -> proc.Ended:
    """Run a line of Python in a folder of its own."""
    environment = proc.clean_environment({"PATH": "/usr/bin:/bin"}, home=tmp_path)
    command = [sys.executable, "-c", code]
    return proc.run(command, cwd=tmp_path, log=tmp_path / "log", environment=environment, **keys)


def test_an_exit_code_and_a_log(tmp_path: Path) -> None:
    assert start(tmp_path, "print('said'); raise SystemExit(7)") == proc.Ended(7, overdue=False, stopped=False)
    assert (tmp_path / "log").read_text() == "said\n"


def test_overdue_takes_its_children_with_it(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = start(tmp_path, SPAWN + "import time; time.sleep(60)", seconds=0.5)
    assert ended.overdue and ended.code == -9 and time.monotonic() - began < 3
    assert at_work(tmp_path) == []


def test_stop_all_reaches_commands(tmp_path: Path) -> None:
    threading.Timer(0.3, proc.stop_all).start()
    ended = start(tmp_path, "import time; time.sleep(60)")
    assert ended.stopped and ended.code == -15


def test_waiting_costs_nothing(tmp_path: Path) -> None:
    used = time.process_time()
    start(tmp_path, "import time; time.sleep(1)", seconds=30)
    assert time.process_time() - used < 0.1


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PYTHONPATH", "LD_PRELOAD", "SSH_AUTH_SOCK", "HTTPS_PROXY"]
)
def test_only_what_is_allowed_passes(tmp_path: Path, name: str) -> None:
    clean = proc.clean_environment(
        {name: "canary", "PATH": "/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}, home=tmp_path
    )
    assert name not in clean and "canary" not in clean.values()
    assert (clean["PATH"], clean["LC_ALL"], clean["HOME"]) == ("/bin", "C.UTF-8", str(tmp_path))


def at_work(folder: Path) -> list[str]:
    """List what still runs in a folder."""
    found = subprocess.run(
        ["find", "/proc", "-maxdepth", "2", "-name", "cwd", "-lname", str(folder)], capture_output=True, check=False
    )
    return found.stdout.decode().split()
