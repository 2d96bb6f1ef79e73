"""Two runs at once: every stage is built once, the second waits and says for whom."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from test_robustness_kills import BUILT, held_in, held_repo, let_go, outputs, stages
from tiny import EXPERIMENT, add_experiment, built, doit, ended, journal, left_behind, start, tool, wait_for, workspace


def test_two_runs_from_nothing_build_every_stage_once(repo: Path, _built: Path) -> None:
    runs = [start(repo, "report", "exp=tiny") for _ in range(3)]
    for run in runs:
        done = ended(run)
        assert done.code == 0 and "Traceback" not in done.text, done.text
    assert stages(repo) == BUILT
    assert len(list((repo / "tmp").glob("tiny-*"))) == 1, "all of them took the same workspace"
    assert outputs(repo) == outputs(_built)
    assert built(repo) == []


def test_the_second_run_waits_and_says_for_whom(made_repo: Callable[..., Path]) -> None:
    repo = held_repo(made_repo)
    first = held_in(repo, "infer")
    second = start(repo, "report", "exp=tiny")
    said: list[bytes] = []
    assert second.stderr
    stream = second.stderr
    reader = threading.Thread(target=lambda: said.append(os.read(stream.fileno(), 4096)))
    reader.start()
    wait_for(lambda: said, "the second run's word")
    assert f"process {first.pid} on {os.uname().nodename}" in said[0].decode(), said
    # looking neither waits nor writes
    assert tool(repo, "why", "tiny").code == 0 and tool(repo, "list", "tiny").code == 0
    let_go(repo)
    assert ended(first).code == 0 and ended(second).code == 0
    assert stages(repo) == BUILT


def test_a_lock_dies_with_its_holder(made_repo: Callable[..., Path]) -> None:
    repo = held_repo(made_repo)
    first = held_in(repo, "infer")
    second = start(repo, "report", "exp=tiny", "--json")
    first.kill()
    first.communicate(timeout=60)
    let_go(repo)
    done = ended(second)
    assert done.code == 0, done.text
    assert stages(repo) == BUILT and left_behind(repo) == []
    assert (workspace(repo) / ".lock").exists(), "the file stays; only the kernel's lock counts"


def test_two_experiments_build_side_by_side(made_repo: Callable[..., Path]) -> None:
    repo = made_repo("a", "b")
    runs = {name: start(repo, "report", f"exp={name}") for name in "ab"}
    for name, run in runs.items():
        done = ended(run)
        assert done.code == 0 and "Traceback" not in done.text, done.text
        assert [s for s in stages_of(repo, name)] == BUILT
    assert workspace(repo, "a") != workspace(repo, "b")
    assert built(repo, "a") == built(repo, "b") == []


def stages_of(repo: Path, name: str) -> list[str]:
    return [line["stage"] for line in journal(repo, name)]


def test_a_third_experiment_is_the_only_one_built(made_repo: Callable[..., Path]) -> None:
    repo = made_repo("a", "b")
    first = doit(repo, "report", "--json")
    assert first.code == 0, first.text
    add_experiment(repo, "c", EXPERIMENT.replace(">= 0.5", ">= 0.4"))
    done = doit(repo, "report", "--json")
    assert done.code == 0, done.text
    ran = {name: seen["built"] for name, seen in json.loads(done.out)["experiments"].items()}
    assert ran == {"a": [], "b": [], "c": BUILT}


def test_switching_between_experiments_builds_nothing_again(made_repo: Callable[..., Path]) -> None:
    repo = made_repo("yolo", "b")
    edit_one = EXPERIMENT.replace("bias: 0.0", "bias: 0.5")
    add_experiment(repo, "b", edit_one)
    ran = [built(repo, name) for name in ("yolo", "yolo", "b", "yolo", "b")]
    assert ran == [BUILT, [], BUILT, [], []]
