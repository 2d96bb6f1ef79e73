"""Which level of isolation is chosen, and what is said of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation
from assay.errors import WrongInput
from levels import LANDLOCK, LINUX

WORKS = "def build(*, checkpoint, device): return device\ndef infer(model, tensors): return tensors\n"


def test_what_was_in_force_is_told(ask: Any, level: isolation.Isolation) -> None:
    quiet, loud = ask(WORKS, isolation=level), ask(WORKS, isolation=level, network=True)
    if LINUX:
        assert quiet.isolation == quiet.value["runtime"]["isolation"] == level.level
    assert loud.isolation == f"{level.level}, with network"
    assert level.level == "plain" or LANDLOCK < 6 or quiet.lacking == ()


def test_by_hand_it_is_shut_in_as_far_as_the_kernel_goes(
    ask: Any, workspace: Path, tmp_path: Path, bare_python: Path
) -> None:
    assert ask("import tempfile\ntempfile.TemporaryFile()\n" + WORKS).ok
    command = [bare_python, "-I", "scripts/worker/boot.py", "scripts/infer.json", tmp_path / "again/answer.json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([*command, "--out", tmp_path / "again"], cwd=workspace, env=environment, check=True)
    answer = json.loads((tmp_path / "again/answer.json").read_text())
    assert answer["isolation"] == ("landlock" if LANDLOCK else "plain" if LINUX else "plain, network open")


def test_a_level_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(isolation.VARIABLE, "bubblewarp")
    with pytest.raises(WrongInput, match="no isolation level 'bubblewarp'; did you mean bubblewrap"):
        isolation.best()
    monkeypatch.setenv(isolation.VARIABLE, "plain")
    assert isolation.best() == isolation.Isolation("plain", "no more than plain was asked for")


@pytest.mark.skipif(not LINUX, reason="Linux only")
@pytest.mark.parametrize("where", ["in the repository", "elsewhere"])
def test_a_bwrap_that_does_not_work_or_is_not_to_be_trusted(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "in the repository"
    folder.mkdir()
    program = tmp_path / where / "bin/bwrap"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    program.chmod(0o755)
    environment = {"PATH": str(program.parent), "PYTHONPATH": str(Path(bridge.__file__).parent.parent)}
    code = "from assay import isolation; found = isolation.best(); print(found.level, '|', found.why)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    expected = "bwrap is not installed" if where != "elsewhere" else "bwrap: setting up uid map: Permission denied"
    assert said.stdout.startswith(("landlock | " if LANDLOCK else "plain | ") + expected)


def test_a_sandbox_that_cannot_start_is_no_model_that_failed(ask: Any, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    outcome = ask(WORKS, isolation=isolation.Isolation("bubblewrap", "", str(program)))
    assert (outcome.kind, outcome.message) == ("no-answer", "bubblewrap did not start the worker (exit code 1)")


FORGES = """
import json, os, sys

def build(*, device):
    said = {"protocol": 1, "ok": {"forged": True}, "isolation": "a castle", "lacking": []}
    answer = os.path.join(os.environ["HOME"], "answer.json")
    with open(answer, "w") as file:
        json.dump(said, file)
    os._exit(0)
"""


def test_a_model_has_no_say_in_how_far_it_was_shut_in(ask: Any, level: isolation.Isolation) -> None:
    honest, forged = ask(WORKS, isolation=level), ask(FORGES, isolation=level)
    assert forged.value == {"forged": True}, forged
    assert (forged.isolation, forged.lacking) == (honest.isolation, honest.lacking) != ("", ())


DEEP = """
import os

def build(*, device):
    os.chdir(os.path.join(os.environ["HOME"], ".."))
    for _ in range(40):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    raise ValueError("deep enough")
"""


def test_folders_too_deep_for_a_path_are_removed(ask: Any, workspace: Path) -> None:
    outcome = ask(DEEP)
    assert (outcome.kind, outcome.message) == ("adapter-error", "ValueError: deep enough")
    assert not (workspace / ".stage" / ("d" * 200)).exists()


@pytest.mark.parametrize("said", ['{"a": "\\ud800"}', '{"a": [' + "[]," * 1_000_001 + "[]]}"])
def test_an_answer_that_no_record_could_hold_is_none(ask: Any, said: str) -> None:
    forges = FORGES.replace("json.dump(said, file)", "file.write(text)").replace(
        "    said = ", f'    text = \'{{"protocol": 1, "ok": \' + {said!r} + "}}"\n    said = '
    )
    assert ask(forges).kind == "bad-answer"
