"""What the worker's tests share: a bare interpreter, a workspace, and one way to ask."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay import bridge

Ask = Callable[..., bridge.Outcome]


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the standard library and nothing else."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    """A workspace; when the test ends no process may have its feet in it."""
    folder = tmp_path / "workspace"
    (folder / "scripts").mkdir(parents=True)
    yield folder
    assert left_after(folder, seconds=2.0) == []


@pytest.fixture
def ask(workspace: Path, bare_python: Path) -> Ask:
    """Ask the worker in the bare interpreter to import an adapter and build with it."""

    def asked(adapter: str = "", *, verb: str = "infer", limits: bridge.Limits | None = None, **keys: Any) -> bridge.Outcome:
        python, checkpoint = keys.pop("python", bare_python), keys.pop("checkpoint_file", None)
        stat_key = keys.pop("stat_key", None)
        if adapter:
            (workspace / "scripts/adapter.py").write_text(adapter)
        request = {
            "protocol": 1,
            "verb": verb,
            "adapter": "scripts/adapter.py" if adapter else "",
            "checkpoint": {"name": "model", "sha256": "", "format": "adapter"},
            "items": [],
            **keys,
        }
        return bridge.run(
            python=python,
            workspace=workspace,
            request=request,
            request_file=f"scripts/{verb}.json",
            out=workspace / ".stage",
            log=workspace / "logs" / f"{verb}.log",
            checkpoint=checkpoint,
            stat_key=stat_key,
            limits=limits or bridge.Limits(seconds=20),
        )

    return asked


def at_home(folder: Path) -> list[int]:
    """List the processes that work in a folder."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                where = os.readlink(f"/proc/{name}/cwd")
            except OSError:
                continue
            found += [int(name)] if where.removesuffix(" (deleted)").startswith(str(folder)) else []
    return found


def left_after(folder: Path, *, seconds: float, extra: list[int] | None = None) -> list[int]:
    """Wait so long for a folder's processes to go; list those that did not."""
    until = time.monotonic() + seconds
    while True:
        left = at_home(folder) + [pid for pid in extra or [] if alive(pid)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
