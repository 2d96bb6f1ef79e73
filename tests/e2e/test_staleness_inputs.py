"""Inputs that change under a run, that are replaced behind their times, and that are large."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.session import Session
from test_robustness_kills import BUILT, held_in, held_repo, let_go
from tiny import (
    ADAPTER,
    add_experiment,
    built,
    copy_repo,
    doit,
    edit,
    ended,
    make_model,
    make_repo,
    to_run,
    tool,
    workspace,
)

# ---------------------------------------------------------------- edited while a stage runs
UNDER = {
    "the experiment": ("experiments/tiny.yaml", "bias: 0.0", "bias: 0.25", {"contract"}),
    "a target": ("experiments/tiny.yaml", ">= 0.5", ">= 0.6", {"metrics"}),
    "the recipe's defaults": ("recipes/tiny/recipe.yaml", "bias: 0.0", "bias: 0.1", {"contract"}),
    "the adapter": ("recipes/tiny/adapter.py", "float(chances[best]), 6", "float(chances[best]), 3", {"contract"}),
    "the labels": ("labels/tiny.json", '"d.png": "bright"', '"d.png": "dark"', {"inputs"}),
    "upstream": ("upstream/scale.py", "FULL = 255.0", "FULL = 250.0", {"refs"}),
    "the weights": ("weights/tiny.onnx", "", "", {"checkpoint"}),
    "notes": ("experiments/tiny.notes.md", "", "my notes\n", {"report"}),
}


@pytest.mark.parametrize("what", UNDER)
def test_an_input_edited_while_a_stage_runs_is_stale_next_time(made_repo: Callable[..., Path], what: str) -> None:
    path, old, new, stale = UNDER[what]
    repo = held_repo(made_repo)
    if path.endswith("recipe.yaml"):
        edit(repo / "experiments/tiny.yaml", "params: {bias: 0.0, gain: 1.0}\n", "")
    run = held_in(repo, "infer")
    if path.endswith(".onnx"):
        make_model(repo / path, weight=0.75)
    elif old:
        edit(repo / path, old, new)
    else:
        (repo / path).write_text(new)
    time.sleep(0.05)  # older than a file's own time can hide
    let_go(repo)
    done = ended(run)
    assert done.code in (0, 1, 2) and "Traceback" not in done.text.split("last lines of")[0], done.text
    assert stale <= to_run(repo) or what == "notes", f"what changed under the run is not seen: {done.text}"
    first = tool(repo, "report", "tiny")
    assert first.code == 0 and ("nothing to do" not in first.out or what == "notes"), first.text
    if what == "notes":
        assert "my notes" in (workspace(repo) / "reports/stakeholder-report.md").read_text()
    assert built(repo) == []


@pytest.mark.parametrize("path, old, new", [("refs/upstream/scale.py", "255.0", "250.0"), ("scripts/adapter.py", "), 6)", "), 3)")])
def test_a_file_that_the_stage_itself_reads_edited_under_it_fails_the_stage(
    made_repo: Callable[..., Path], path: str, old: str, new: str
) -> None:
    repo = held_repo(made_repo)
    run = held_in(repo, "infer")
    edit(workspace(repo) / path, old, new)
    let_go(repo)
    done = ended(run)
    assert done.code == 1 and "changed while infer was running" in done.err, done.text
    assert not (workspace(repo) / "outputs/infer.json").exists()
    assert "infer" in built(repo)
    assert built(repo) == []


# ---------------------------------------------------------------- replaced behind its times
def replace(path: Path, *, times: str) -> None:
    """Put other weights of the same size in a file's place, with times that say nothing happened."""
    was = path.stat()
    make_model(path.with_name("other"), weight=0.75)
    assert path.with_name("other").stat().st_size == was.st_size
    os.replace(path.with_name("other"), path) if times != "in place" else path.write_bytes(path.with_name("other").read_bytes())
    when = was.st_mtime_ns - (10**15 if times == "older" else 0)
    os.utime(path, ns=(when, when))
    assert path.stat().st_size == was.st_size


@pytest.mark.parametrize("times", ["older", "same", "in place"])
def test_an_input_replaced_with_an_old_time_is_noticed(built_repo: Path, times: str) -> None:
    built(built_repo)  # so that the stamp of this copy is there: nothing is left to chance
    assert (built_repo / "tmp/.cache/stamp-tiny.txt").exists()
    replace(built_repo / "weights/tiny.onnx", times=times)
    assert to_run(built_repo) == {"checkpoint"}
    assert "nothing to do" not in tool(built_repo, "report", "tiny").out
    assert built(built_repo) == []


def test_a_leaf_rewritten_with_its_own_times_is_noticed(built_repo: Path) -> None:
    built(built_repo)
    place = workspace(built_repo) / "outputs/infer.json"
    was, whole = place.stat(), place.read_bytes()
    place.write_bytes(whole.replace(b"0", b"1", 1))
    os.utime(place, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert to_run(built_repo) == {"infer"}
    assert built(built_repo) == ["infer"]
    assert place.read_bytes() == whole


# ---------------------------------------------------------------- large files
def large_model(path: Path, mebibytes: int = 8) -> None:
    """Write the tiny model with an initializer that nothing uses."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    make_model(path)
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(mebibytes << 18, np.float32), "ballast"))
    onnx.save(model, path)


@pytest.fixture(scope="module")
def _large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = make_repo(tmp_path_factory.mktemp("large") / "repo", "a", "b", "c")
    large_model(repo / "weights/tiny.onnx")
    done = doit(repo, "infer", "--json")
    assert done.code == 0, done.text
    return repo


def hashed(repo: Path, *names: str) -> tuple[int, set[str]]:
    """Survey in process: how many bytes of the checkpoint's size were hashed, and what is stale."""
    session = Session(repo, reads_only=True)
    found = [v.survey() for v in session.builds(list(names)).values()]
    stale = {s for verdicts in found for s, v in verdicts.items() if v.status == "stale"}
    return session.digests.hashed_bytes >> 23, stale


def times_shared(repo: Path) -> int:
    """Count how often the checkpoint's digest was taken and written down."""
    lines = (repo / "tmp/.cache/digests.jsonl").read_text().splitlines()
    return sum(json.loads(line)[0].endswith("weights/tiny.onnx") for line in lines)


def test_a_large_file_is_hashed_once_for_all_experiments_of_a_run(_large: Path) -> None:
    assert times_shared(_large) == 1
    assert hashed(_large, "a", "b", "c") == (0, set())
    (_large / "tmp/.cache/digests.jsonl").rename(_large / "tmp/.cache/aside")
    for stamp in (_large / "tmp/.cache").glob("stamp-*.txt"):
        stamp.unlink()
    assert hashed(_large, "a", "b", "c") == (1, set()), "once, not three times"
    (_large / "tmp/.cache/aside").rename(_large / "tmp/.cache/digests.jsonl")


def test_a_touched_large_file_is_hashed_once_and_then_never(_large: Path, tmp_path: Path) -> None:
    repo = copy_repo(_large, tmp_path / "repo")
    built(repo, "a", "infer")
    before = times_shared(repo)
    (repo / "weights/tiny.onnx").touch()
    time.sleep(0.05)
    assert built(repo, "a", "infer") == []
    assert times_shared(repo) == before + 1
    for name in ("a", "b"):
        assert built(repo, name, "infer") == []
        assert times_shared(repo) == before + 1, "hashed again"
    assert hashed(repo, "a", "b", "c") == (0, set())


def test_a_changed_large_file_is_hashed_once(_large: Path, tmp_path: Path) -> None:
    repo = copy_repo(_large, tmp_path / "repo")
    built(repo, "a", "infer")
    before = times_shared(repo)
    with open(repo / "weights/tiny.onnx", "r+b") as file:
        file.seek(4 << 20)
        file.write(b"\x01")
    time.sleep(0.05)
    assert "checkpoint" in built(repo, "a", "infer")
    assert times_shared(repo) == before + 1
    assert built(repo, "a", "infer") == []
    assert times_shared(repo) == before + 1


# ---------------------------------------------------------------- names and places
def test_a_copied_repository_is_fresh_where_it_lands(built_repo: Path, tmp_path: Path) -> None:
    assert built(built_repo) == []
    os.rename(built_repo, tmp_path / "moved")
    assert built(tmp_path / "moved") == []


def test_notes_that_come_and_go_concern_the_report_alone(built_repo: Path) -> None:
    notes = built_repo / "experiments/tiny.notes.md"
    assert built(built_repo) == []
    notes.write_text("# Mine\n")
    assert built(built_repo) == ["report"]
    notes.unlink()
    assert built(built_repo) == ["report"]
    assert built(built_repo) == []


def test_a_recipe_shared_by_two_makes_both_stale(built_repo: Path) -> None:
    add_experiment(built_repo, "twin")
    assert built(built_repo, "twin", "contract") == BUILT[: BUILT.index("contract") + 1]
    (built_repo / "recipes/tiny/adapter.py").write_text(ADAPTER.replace(", 6)", ", 5)"))
    assert to_run(built_repo) == {"contract"}
    assert "contract" in to_run(built_repo, "twin")
