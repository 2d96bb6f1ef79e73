"""Choosing an interpreter and reading it from its folders; real environments, made on the spot."""

import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

import assay
from assay.domain import EnvSpec
from assay.envs import interpreter
from assay.errors import NeedsAnswer, WrongInput

AUTO = EnvSpec()
HOME = str(Path(assay.__file__).parents[1])


def environment(folder: Path) -> Path:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    return folder / "bin" / "python"


def pixi(root: Path, manifest: str = "pixi.toml") -> Path:
    (root / manifest).write_text("[tool.pixi.workspace]\n" if manifest == "pyproject.toml" else "[workspace]\n")
    prefix = root / ".pixi" / "envs" / "default"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(sys.executable)
    return prefix / "bin" / "python"


def choose(root: Path, running: Path, env: EnvSpec = AUTO, **active: str) -> interpreter.Chosen:
    return interpreter.choose(root, env, running, active)


def test_as_told(tmp_path: Path) -> None:
    python = environment(tmp_path / "mine")
    chosen = choose(tmp_path, Path("/usr/bin/none"), EnvSpec(python="mine/bin/python"))
    assert chosen == interpreter.Chosen(python, "venv", "env.python names it")
    assert chosen.manager_command == f"{python} -m pip install"
    with pytest.raises(WrongInput, match=r"env\.python: is not there"):
        choose(tmp_path, python, EnvSpec(python="gone/python"))
    with pytest.raises(WrongInput, match="is not a program"):
        choose(tmp_path, python, EnvSpec(python="mine"))


def test_a_venv_at_the_root_before_one_that_is_active(tmp_path: Path) -> None:
    other = environment(tmp_path / "other")
    chosen = choose(tmp_path, other, VIRTUAL_ENV=str(tmp_path / "other"))
    assert chosen == interpreter.Chosen(other, "venv", "VIRTUAL_ENV names it")
    python = environment(tmp_path / ".venv")
    assert choose(tmp_path, other, VIRTUAL_ENV=str(tmp_path / "other")) == interpreter.Chosen(
        python, "venv", ".venv is here"
    )


@pytest.mark.parametrize("manifest", ["pixi.toml", "pyproject.toml"])
def test_pixi(tmp_path: Path, manifest: str) -> None:
    python = pixi(tmp_path, manifest)
    chosen = choose(tmp_path, Path(sys.executable))
    assert (chosen.python, chosen.manager, chosen.manager_command) == (python, "pixi", "pixi add --pypi")


def test_pixi_and_a_venv(tmp_path: Path) -> None:
    of_pixi, of_venv = pixi(tmp_path), environment(tmp_path / ".venv")
    assert choose(tmp_path, of_pixi).manager == "pixi"
    assert choose(tmp_path, of_venv).manager == "venv"
    assert choose(tmp_path, Path("/usr/bin/env"), EnvSpec(manager="venv")).python == of_venv
    assert choose(tmp_path, Path("/usr/bin/env"), EnvSpec(manager="pixi")).python == of_pixi
    with pytest.raises(NeedsAnswer, match=r"both .* set env\.manager"):
        choose(tmp_path, environment(tmp_path / "other"))


def test_pixi_that_is_not_made_yet(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text("[workspace]\n")
    with pytest.raises(NeedsAnswer, match="pixi install"):
        choose(tmp_path, Path(sys.executable), EnvSpec(manager="pixi"))
    (tmp_path / "pixi.toml").unlink()
    with pytest.raises(NeedsAnswer, match="no pixi manifest"):
        choose(tmp_path, Path(sys.executable), EnvSpec(manager="pixi"))


def test_conda_and_the_one_that_runs_and_none(tmp_path: Path) -> None:
    prefix = tmp_path / "conda"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(sys.executable)
    assert choose(tmp_path, Path("/usr/bin/env"), CONDA_PREFIX=str(prefix)).manager == "conda"
    running = environment(tmp_path / "running")
    chosen = choose(tmp_path, running)
    assert (chosen.python, chosen.manager) == (running, "venv")
    bare = tmp_path / "bare" / "bin"
    bare.mkdir(parents=True)
    (bare / "python").write_text("")
    chosen = choose(tmp_path, bare / "python")
    assert (chosen.python, chosen.manager) == (bare / "python", "none")
    assert "no environment is here" in chosen.because


@pytest.mark.parametrize("lock, add", [("uv.lock", "uv add"), ("poetry.lock", "poetry add"), ("pdm.lock", "pdm add")])
def test_the_venv_of_a_project_is_taken_with_a_warning(tmp_path: Path, lock: str, add: str) -> None:
    python = environment(tmp_path / ".venv")
    (tmp_path / lock).touch()
    chosen = choose(tmp_path, Path(sys.executable))
    assert (chosen.python, chosen.manager) == (python, "venv")
    assert lock in chosen.note and f"`{add} PACKAGE`" in chosen.note


def test_broken_environments(tmp_path: Path) -> None:
    python = environment(tmp_path / ".venv")
    config = tmp_path / ".venv" / "pyvenv.cfg"
    text = config.read_text()
    for broken in (b"", b"\xff\xfe\xff", b"version = 3.11\n"):
        config.write_bytes(broken)
        with pytest.raises(WrongInput, match=r"pyvenv\.cfg.*make the environment again"):
            interpreter.facts(python)
    config.write_text(text)
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    with pytest.raises(WrongInput, match="an interpreter that is gone"):
        choose(tmp_path, Path(sys.executable))
    config.unlink()
    with pytest.raises(WrongInput, match="no environment"):
        choose(tmp_path, Path(sys.executable))


def test_an_unknown_manager_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="not known"):
        choose(tmp_path, Path(sys.executable), EnvSpec(manager="poetry"))


def test_facts_without_starting_anything(tmp_path: Path) -> None:
    python = environment(tmp_path / ".venv")
    facts = interpreter.facts(python)
    assert facts.version == ".".join(map(str, sys.version_info[:3]))
    assert facts.packages == ()
    (site,) = facts.site_packages
    for name in ("numpy-2.4.6.dist-info", "PyYAML-6.0.dist-info", "old-1.0.egg-info", "numpy", "x.pth"):
        (Path(site) / name).mkdir()
    assert interpreter.facts(python).packages == ("PyYAML-6.0", "numpy-2.4.6", "old-1.0")
    python.unlink()
    python.write_text("not even a program")
    assert interpreter.facts(python).packages == ("PyYAML-6.0", "numpy-2.4.6", "old-1.0")


def test_facts_of_the_running_interpreter_as_it_says_itself() -> None:
    from importlib import metadata

    facts = interpreter.facts(Path(sys.executable))
    assert facts.version == ".".join(map(str, sys.version_info[:3]))
    told = {entry.rpartition("-")[0].lower().replace("_", "-") for entry in facts.packages}
    seen = {
        d.metadata["Name"].lower().replace("_", "-") for d in metadata.distributions(path=list(facts.site_packages))
    }
    assert {name.replace(".", "-") for name in told} == {name.replace(".", "-") for name in seen}


def test_facts_are_cheap() -> None:
    interpreter.facts(Path(sys.executable))
    start = time.process_time()
    for _ in range(20):
        interpreter.facts(Path(sys.executable))
    assert (time.process_time() - start) / 20 < 0.001


def test_importing_is_light() -> None:
    heavy = {"ast", "packaging", "numpy", "yaml", "msgspec", "subprocess", "json", "importlib.metadata"}
    script = (
        "import sys, pathlib, typing; before = set(sys.modules); import assay.envs.interpreter; "
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env={"PYTHONPATH": HOME}, capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & heavy
