"""What the worker's tests share: a bare interpreter, a workspace, and one way to ask.

They run at the best level of isolation that works here; ASSAY_SANDBOX=landlock or =plain runs them at that one.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation
from levels import LEVELS
from survivors import left_after

Ask = Callable[..., bridge.Outcome]


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the standard library and nothing else."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(params=LEVELS, ids=lambda found: found.level)
def level(request: pytest.FixtureRequest) -> isolation.Isolation:
    """Each level that works on this machine."""
    found: isolation.Isolation = request.param
    return found


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

    def asked(
        adapter: str = "", *, verb: str = "infer", limits: bridge.Limits | None = None, **keys: Any
    ) -> bridge.Outcome:
        python, checkpoint = keys.pop("python", bare_python), keys.pop("checkpoint_file", None)
        examined = keys.pop("examined", None)
        how = {name: keys.pop(name) for name in ("isolation", "network", "readable") if name in keys}
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
            examined=examined,
            limits=limits or bridge.Limits(seconds=20),
            **how,
        )

    return asked
