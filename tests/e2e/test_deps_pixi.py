"""A pixi workspace by the front door, against the stand-in: packages added, an environment of its own, a lock, a way back."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pixi_standin
from tiny import Done, doit, edit, workspace

SITE = Path(sys.prefix) / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
MANIFEST = f"""\
[workspace]
name = "models"  # ours
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "{sys.version_info[0]}.{sys.version_info[1]}.*"
"""
NOT_A_TERMINAL = {"CI": "1"}


@pytest.fixture
def space(made_repo: Callable[..., Path], tmp_path: Path) -> Path:
    """A repository in a pixi workspace whose default environment has Python and nothing else."""
    repo = made_repo()
    (repo / "pixi.toml").write_text(MANIFEST)
    edit(repo / "experiments/tiny.yaml", "device: cpu", "device: cpu\nenv: {index: {cooldown_days: 0}}")
    program = pixi_standin.put(tmp_path / "bin", real=str(SITE))
    import subprocess

    subprocess.run([program, "install"], cwd=repo, check=True)
    return repo


def deps(repo: Path, *words: str) -> Done:
    import os

    path = f"{repo.parent / 'bin'}:{os.environ['PATH']}"
    return doit(repo, "deps", "exp=tiny", *words, PATH=path, **NOT_A_TERMINAL)


def state(repo: Path) -> dict[str, bytes | None]:
    names = ("pixi.toml", "pixi.lock")
    return {name: (repo / name).read_bytes() if (repo / name).exists() else None for name in names}


def lock(repo: Path) -> dict[str, object]:
    return json.loads((workspace(repo) / "deps.lock").read_text())


def test_without_an_answer_nothing_is_changed_and_the_plan_names_pixis_commands(space: Path) -> None:
    before = state(space)
    done = deps(space)
    assert done.code == 3 and state(space) == before
    plan = json.loads(done.out)["plans"]["tiny"]
    assert plan["manager"] == "pixi" and plan["choices"] == ["add", "new"]
    assert any(line.startswith("pixi add --pypi") and "onnxruntime" in line for line in plan["commands"]["add"])
    assert any("environment add assay-tiny" in line for line in plan["commands"]["new"])


def test_added_to_the_default_environment(space: Path) -> None:
    done = deps(space, "--on-missing=add")
    assert done.code == 0, done.text
    assert "# ours" in (space / "pixi.toml").read_text() and "onnxruntime" in (space / "pixi.toml").read_text()
    kept = lock(space)
    assert (kept["manager"], kept["made"]) == ("pixi", "added")
    assert (workspace(space) / "pixi.lock").read_bytes() == (space / "pixi.lock").read_bytes()
    again = deps(space)
    assert again.code == 0 and "nothing to do" in again.out


def test_an_environment_of_its_own_runs_the_model_and_comes_back_from_its_lock(space: Path) -> None:
    import shutil

    done = deps(space, "--on-missing=new")
    assert done.code == 0, done.text
    kept = lock(space)
    assert (kept["made"], kept["environment"]) == ("new", "pixi:assay-tiny")
    assert doit(space, "infer", "exp=tiny").code == 0
    shutil.rmtree(space / ".pixi/envs/assay-tiny")
    done = deps(space)
    assert done.code == 0 and (space / ".pixi/envs/assay-tiny/bin/python").exists(), done.text
    edit(space / "pixi.lock", "version: 6", "version: 6\n")
    shutil.rmtree(space / ".pixi/envs/assay-tiny")
    done = deps(space, "--locked")
    assert done.code == 2 and "is not the one that deps.lock was made with" in done.err
    assert not (space / ".pixi/envs/assay-tiny").exists()


def test_what_pixi_refuses_leaves_manifest_and_lock_byte_for_byte(space: Path) -> None:
    pixi_standin.put(space.parent / "bin", real=str(SITE), fail="install")
    before = state(space)
    done = deps(space, "--on-missing=add")
    assert done.code == 1 and state(space) == before, done.text
    assert "Traceback" not in done.text


def test_without_pixi_on_the_path(space: Path) -> None:
    before = state(space)
    (space.parent / "bin/pixi").unlink()
    done = deps(space, "--on-missing=add")
    assert done.code == 3 and "pixi not on PATH" in done.err and state(space) == before


def test_a_manifest_without_its_environment_is_not_passed_over(space: Path) -> None:
    import shutil

    shutil.rmtree(space / ".pixi")
    done = deps(space)
    assert done.code == 3 and "`pixi install`" in done.err, done.text
