"""Experiment files, labels, sources, recipes and workspaces that cannot be used: said at once, in one line each."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from door_said import doit_unprivileged, faults, refused, same_as_golden
from tiny import EXPERIMENT, add_experiment, built, doit, edit, journal, tool, workspace

# ---------------------------------------------------------------- experiment files
FIVE = """\
model: {name: tiny, chekpoint: weights/tiny.onnx}
source: {path: ../up}
device: gpuu
inputs: {count: many}
params: {bias: .nan}
targets: {accuracy: ">= 0.5"}
"""


@pytest.mark.parametrize("door", [doit, tool], ids=["doit", "assay"])
def test_five_faults_are_five_lines(repo: Path, door: Callable[..., object]) -> None:
    add_experiment(repo, "tiny", FIVE)
    done = door(repo, "report", "exp=tiny")
    found = refused(done, 2, 5)
    assert [line.split(":")[2] for line in found] == ["1", "2", "3", "4", "5"]
    same_as_golden("files", "five_faults", done, repo)
    assert not (repo / "tmp/.current").exists()
    add_experiment(repo, "tiny")
    assert built(repo, "tiny", "checkpoint") == ["checkpoint"]


SPOILT_YAML = {
    "key": ("params: {", "parms: {"),
    "inner_key": ("count: 4", "conut: 4"),
    "unknown_param": ("bias: 0.0", "bais: 0.0"),
    "recipe": ("recipe: tiny", "recipe: tiyn"),
    "source": ("path: upstream", "path: upstraem"),
    "source_is_a_file": ("path: upstream", "path: upstream/scale.py"),
    "labels": ("labels/tiny.json", "labels/tny.json"),
    "url": ("weights/tiny.onnx", "https://example.org/a/tiny.onnx"),
    "interpreter": ("device: cpu", "device: cpu\nenv: {python: nowhere/bin/python}"),
    "interpreter_is_no_program": ("device: cpu", "device: cpu\nenv: {python: labels/tiny.json}"),
    "target_not_measured": ('">= 0.5"', '">= 0.5", "latency_ms.p50[batch=8]": "<= 5"'),
    "reserved_key": ("device: cpu", "device: cpu\ncompare: all"),
    "trust": ("device: cpu", "device: cpu\ntrust: all"),
}


@pytest.mark.parametrize("kind", SPOILT_YAML)
def test_spoilt_experiment(repo: Path, kind: str) -> None:
    edit(repo / "experiments/tiny.yaml", *SPOILT_YAML[kind])
    done = doit(repo, "report", "exp=tiny")
    found = refused(done, 2)
    same_as_golden("files", kind, done, repo)
    if kind in ("key", "inner_key", "unknown_param", "recipe"):
        assert "did you mean" in found[0]
    other = tool(repo, "report", "tiny")
    assert (other.code, faults(other)[-1:]) == (done.code, found[-1:]), "the same through both doors"
    assert "report" not in {line["stage"] for line in (journal(repo) if (repo / "tmp/.current/tiny").exists() else [])}
    add_experiment(repo, "tiny")
    assert doit(repo, "inputs", "exp=tiny").code == 0


def test_no_experiments_folder(repo: Path) -> None:
    (repo / "experiments").rename(repo / "elsewhere")
    for name, done in (("doit", doit(repo, "report")), ("assay", tool(repo, "report", "tiny"))):
        refused(done, 2)
        same_as_golden("files", f"no_experiments_folder_{name}", done, repo)


def test_no_experiments_in_it(repo: Path) -> None:
    (repo / "experiments/tiny.yaml").unlink()
    done = doit(repo, "report")
    refused(done, 2)
    same_as_golden("files", "no_experiments", done, repo)
    listed = doit(repo, "list")
    assert (listed.code, len(listed.out.splitlines()), listed.err) == (0, 1, "")


def test_one_of_two_is_broken(repo: Path) -> None:
    """A build of all checks every file first: nothing is built; the good one builds when it is asked for."""
    add_experiment(repo, "bad", "model: {name: x}\n")
    for door in (doit, tool):
        done = door(repo, "report")
        (line,) = refused(done, 2)
        assert "experiments/bad.yaml" in line
    same_as_golden("files", "one_of_two_broken", done, repo)
    assert not (repo / "tmp/.current/bad").exists() and not list(repo.glob("tmp/*/outputs/*.json"))
    listed = doit(repo, "list")
    assert listed.code == 2 and "assay: experiments/bad.yaml:1: " in listed.err and "tiny" in listed.out, "the others are told"
    assert doit(repo, "list", "exp=tiny").code == 0
    assert built(repo, "tiny", "checkpoint") == ["checkpoint"]


def test_one_of_two_fails_while_it_is_built(repo: Path) -> None:
    """A fault found only while building stops that experiment alone."""
    add_experiment(repo, "alter", EXPERIMENT.replace("weights/tiny.onnx", "weights/other.onnx"))
    (repo / "weights/other.onnx").write_text("no model")
    done = doit(repo, "decode")
    (line,) = refused(done, 2)
    assert line.startswith("assay: checkpoint alter: ")
    assert done.out.startswith("tiny: decode up to date   built ")
    assert {line["stage"] for line in journal(repo, "alter")} == {"refs"}


@pytest.mark.parametrize("name", ["report", "list", "infer"])
def test_an_experiment_called_like_a_stage_or_a_verb(repo: Path, name: str) -> None:
    """Such a name is allowed; what stands first is the verb or the stage, and exp= always names the experiment."""
    add_experiment(repo, name)
    assert built(repo, name, "source") == ["checkpoint", "refs", "source"]
    assert list(json.loads(doit(repo, "list", f"exp={name}", "--json").out)) == [name]
    assert tool(repo, f"source:{name}").out.startswith(f"{name}: source up to date   nothing to do")
    said = tool(repo, "list", "--json", f"exp={name}")
    assert list(json.loads(said.out)) == [name]


@pytest.mark.parametrize("name", ["Tiny", "a b", "-x", "a:b", "con", "x" * 80, "a.", "é"])
def test_an_experiment_whose_name_is_none(repo: Path, name: str) -> None:
    for door in (doit, tool):
        done = door(repo, "new", f"exp={name}", "checkpoint=weights/tiny.onnx", "name=x")
        refused(done, 2)
    (repo / f"experiments/{name}.yaml").write_text(EXPERIMENT)
    done = doit(repo, "report", f"exp={name}")
    refused(done, 2)


# ---------------------------------------------------------------- labels
LABELS: dict[str, Callable[[Path], object]] = {
    "not_json": lambda path: path.write_text("{nope"),
    "list": lambda path: path.write_text("[1]"),
    "empty": lambda path: path.write_text(""),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "fifo": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_spoilt_labels(repo: Path, kind: str) -> None:
    labels = repo / "labels/tiny.json"
    LABELS[kind](labels)
    done = doit(repo, "inputs", "exp=tiny")
    refused(done, 2)
    same_as_golden("files", f"labels_{kind}", done, repo)
    assert "inputs" not in {line["stage"] for line in journal(repo)}
    why = tool(repo, "why", "tiny")
    assert why.code in (0, 2) and "Traceback" not in why.text


@pytest.mark.parametrize("truth", [["dark", 1], {"boxes": 3}, None, True])
def test_labels_of_another_shape(built_repo: Path, truth: object) -> None:
    labels = built_repo / "labels/tiny.json"
    whole = json.loads(labels.read_text())
    whole["images"]["a.png"] = truth
    labels.write_text(json.dumps(whole))
    done = doit(built_repo, "report", "exp=tiny")
    refused(done, 2)
    same_as_golden("files", f"label_{type(truth).__name__}", done, built_repo)


# ---------------------------------------------------------------- workspaces
def test_workspace_is_a_file(repo: Path) -> None:
    edit(repo / "experiments/tiny.yaml", "device: cpu", "device: cpu\nworkspace: tmp/mine")
    (repo / "tmp").mkdir()
    (repo / "tmp/mine").write_text("a file")
    done = doit(repo, "checkpoint", "exp=tiny")
    refused(done, done.code)
    assert done.code in (1, 2)
    same_as_golden("files", "workspace_is_a_file", done, repo)
    why = tool(repo, "why", "tiny")
    assert why.code in (0, 2) and "Traceback" not in why.text
    (repo / "tmp/mine").unlink()
    assert doit(repo, "checkpoint", "exp=tiny").code == 0


def test_tmp_is_a_file(repo: Path) -> None:
    (repo / "tmp").write_text("a file")
    done = doit(repo, "checkpoint", "exp=tiny")
    refused(done, 1)
    same_as_golden("files", "tmp_is_a_file", done, repo)
    assert "Traceback" not in doit(repo, "list").text


def test_repository_read_only(repo: Path) -> None:
    repo.chmod(0o555)
    try:
        done = doit_unprivileged(repo, "report", "exp=tiny", forbidden=repo)
        refused(done, 1)
        same_as_golden("files", "repository_read_only", done, repo)
    finally:
        repo.chmod(0o755)
    assert doit(repo, "checkpoint", "exp=tiny").code == 0


def test_workspace_read_only_after_it_was_built(built_repo: Path) -> None:
    """Nothing to do needs no writing; something to do says in one line that it cannot write."""
    place = workspace(built_repo)
    folders = [place, *(p for p in place.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        quiet = doit_unprivileged(built_repo, "report", "exp=tiny", forbidden=place)
        assert (quiet.code, quiet.err) == (0, "")
        edit(built_repo / "experiments/tiny.yaml", '">= 0.5"', '">= 0.4"')
        done = doit_unprivileged(built_repo, "report", "exp=tiny", forbidden=place)
        refused(done, 1)
        same_as_golden("files", "workspace_read_only", done, built_repo)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert built(built_repo) == ["metrics", "report"]
