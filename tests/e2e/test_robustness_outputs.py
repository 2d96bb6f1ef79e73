"""Outputs deleted, damaged or edited by hand; stages that fail, die or end without what they promised; disks that are full."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay import plan
from assay.session import Session
from test_robustness_kills import BUILT, outputs, stages
from tiny import (
    ADAPTER,
    BIN,
    EXPERIMENT,
    LIB,
    built,
    copy_repo,
    doit,
    edit,
    environment,
    journal,
    left_behind,
    make_repo,
    status,
    to_run,
    tool,
    workspace,
)  # fmt: skip

REPORTS = ("reports/experiment-report.md", "reports/stakeholder-report.md")


# ---------------------------------------------------------------- deleted, truncated, corrupted
def owner(repo: Path) -> dict[str, str]:
    """Say of every output which stage wrote it."""
    return {path: line["stage"] for line in journal(repo) for path in line["outputs"]}


@pytest.mark.parametrize("harm", ["deleted", "truncated", "flipped", "noise"])
def test_harm_to_any_output_is_noticed_and_blamed_on_its_stage(built_repo: Path, harm: str) -> None:
    for path, stage in owner(built_repo).items():
        if (path in REPORTS and harm == "flipped") or (path == "scripts/adapter.py" and harm != "deleted"):
            continue  # an edit by hand: kept and named, below
        place = workspace(built_repo) / path
        whole = place.read_bytes()
        if harm == "deleted":
            place.unlink()
        else:
            place.write_bytes({"truncated": b"", "flipped": whole[:-1] + bytes([whole[-1] ^ 1]), "noise": b"\0\xff" * 50}[harm])
        found = Session(built_repo, reads_only=True).builds(["tiny"])["tiny"].survey()
        assert [s for s, v in found.items() if v.status == "stale"] == [stage], f"{path} {harm}"
        assert any(path in reason for reason in found[stage].reasons)
        place.write_bytes(whole)


@pytest.mark.parametrize(
    "path, ran",
    [
        ("outputs/infer.json", ["infer"]),
        ("raw/002.npz", ["infer"]),
        ("outputs/stats.json", ["measure", "metrics", "report"]),
        ("pictures/000.png", ["decode"]),
        ("refs/upstream/scale.py", ["refs"]),
        (REPORTS[0], ["report"]),
    ],
)
@pytest.mark.parametrize("harm", ["deleted", "noise", "truncated"])
def test_what_lies_after_a_harmed_output_stays_when_its_bytes_come_back(
    built_repo: Path, path: str, ran: list[str], harm: str
) -> None:
    before = outputs(built_repo)
    place = workspace(built_repo) / path
    place.unlink() if harm == "deleted" else place.write_bytes({"noise": b"\0\1", "truncated": b""}[harm])
    assert built(built_repo) == ran
    assert outputs(built_repo) == before
    assert built(built_repo) == []


def test_a_record_edited_by_hand_is_made_again_and_flows_nowhere(built_repo: Path) -> None:
    place = workspace(built_repo) / "outputs/predictions.json"
    whole = place.read_bytes()
    edit(place, '"bright"', '"dark"')
    assert to_run(built_repo) == {"decode"}
    assert built(built_repo) == ["decode"]
    assert place.read_bytes() == whole


# ---------------------------------------------------------------- the reports belong to whoever edits them
def test_an_edited_report_is_kept_and_said_until_it_is_forgotten(built_repo: Path) -> None:
    place = workspace(built_repo) / REPORTS[1]
    written = place.read_bytes()
    edited = written + b"\nMy own conclusion.\n"
    place.write_bytes(edited)
    done = doit(built_repo, "report", "exp=tiny")
    assert done.code == 0 and "stakeholder-report.md was edited by hand" in done.err
    assert place.read_bytes() == edited
    edit(built_repo / "experiments/tiny.yaml", ">= 0.5", ">= 0.6")
    assert built(built_repo) == ["metrics"]
    assert place.read_bytes() == edited, "kept, although what it rests on has changed"
    assert "kept although" in doit(built_repo, "why", "exp=tiny").out
    assert doit(built_repo, "forget", "report", "exp=tiny").code == 0
    assert built(built_repo) == ["report"]
    assert place.read_bytes() not in (edited, written) and b"0.6" in place.read_bytes()
    assert place.with_suffix(".edited.md").read_bytes() == edited
    assert built(built_repo) == []


# ---------------------------------------------------------------- stages that fail, die, or forget
def broken(made_repo: Callable[..., Path], function: str, line: str) -> Path:
    """Make a repository whose adapter does something in its third call of a function."""
    head, rest = ADAPTER.split(f"def {function}(", 1)
    signature, body = rest.split("\n", 1)
    count = f"    CALLS.append(1)\n    if len(CALLS) == 3:\n        {line}\n"
    text = f"{head}CALLS = []\n\n\ndef {function}({signature}\n{count}{body}"
    return made_repo(adapter=text)


def test_a_stage_that_fails_after_half_its_writing_leaves_nothing(made_repo: Callable[..., Path]) -> None:
    repo = broken(made_repo, "draw", 'raise RuntimeError("no third picture")')
    done = doit(repo, "report", "exp=tiny")
    assert done.code == 1 and "Traceback" not in done.err.split("last lines of")[0]
    assert "decode" in done.err and "no third picture" in done.err and "logs/10_decode.log" in done.err
    assert stages(repo) == [s for s in BUILT if s not in ("decode", "agree", "metrics", "report")]
    assert not list((workspace(repo) / "pictures").glob("*.png")) and not list(workspace(repo).glob(".partial/*"))
    assert status(repo)["decode"] == "failed"
    assert doit(repo, "report", "exp=tiny").code == 1, "a failure is no success the second time"
    (repo / "recipes/tiny/adapter.py").write_text(ADAPTER)
    ran = built(repo)
    assert "decode" in ran and "infer" not in ran and "checkpoint" not in ran
    assert len(list((workspace(repo) / "pictures").glob("*.png"))) == 4


@pytest.mark.parametrize("line, says", [("os._exit(0)", "infer"), ("sys.exit(0)", "infer"), ("os.kill(os.getpid(), 9)", "infer")])
def test_a_worker_that_ends_without_an_answer_has_failed(made_repo: Callable[..., Path], line: str, says: str) -> None:
    repo = broken(made_repo, "preprocess", f"import os, sys; {line}")
    done = doit(repo, "infer", "exp=tiny")
    assert done.code == 1 and says in done.err and "a bug of assay" not in done.err, done.text
    assert "infer" not in stages(repo)
    assert not (workspace(repo) / "outputs/infer.json").exists() and not list((workspace(repo) / "raw").glob("*.npz"))


def test_a_stage_that_ends_well_without_its_output_has_failed(built_repo: Path, tmp_path: Path) -> None:
    own = copied_code(tmp_path)
    stage = own / "assay/stages/metrics.py"
    stage.write_text(stage.read_text() + "\n\ndef run(job: Job) -> None:  # type: ignore[no-redef]\n    return\n")
    done = doit(built_repo, "report", "exp=tiny", PYTHONPATH=str(own))
    assert done.code == 1 and "ended without writing outputs/metrics.json" in done.err, done.text
    assert doit(built_repo, "report", "exp=tiny", PYTHONPATH=str(own)).code == 1, "a failure is no success the second time"
    assert built(built_repo) == [], "with the code that made it, the old record is as good as before"


def copied_code(tmp_path: Path) -> Path:
    """Copy assay's own code, to be edited."""
    shutil.copytree(LIB / "assay", tmp_path / "lib/assay", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "lib"


@pytest.mark.parametrize(
    "gone", ["weights/tiny.onnx", "upstream", "labels/tiny.json", "recipes/tiny"]
)
@pytest.mark.parametrize("when", ["first", "later"])
def test_a_missing_input_is_one_clear_line_and_nothing_runs(
    made_repo: Callable[..., Path], _built: Path, gone: str, when: str
) -> None:
    repo = made_repo()
    if when == "later":
        copy_repo(_built, repo)
    before = len(journal(repo)) if when == "later" else 0
    place = repo / gone
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    done = doit(repo, "report", "exp=tiny")
    assert done.code == 2 and "Traceback" not in done.text, done.text
    assert gone in done.err and len(done.err.splitlines()) == 1, done.text
    assert when == "first" or len(journal(repo)) == before


def test_a_cycle_cannot_be_written_down(repo: Path) -> None:
    before: set[str] = set()
    for stage in plan.STAGES:
        assert set(stage.after) <= before, f"{stage.name} rests on a stage behind it"
        read = {r.partition(":")[0] for r in stage.records}
        made = {Path(w).stem for s in plan.STAGES if s.name in before for w in s.writes}
        assert read <= made, f"{stage.name} reads a record that comes after it"
        before.add(stage.name)
    edit(repo / "experiments/tiny.yaml", "recipe: tiny", "recipe: tiny\nafter: [report]")
    done = doit(repo, "report", "exp=tiny")
    assert done.code == 2 and "after" in done.err and "Traceback" not in done.text


def test_a_misspelt_variable_or_name_is_refused(built_repo: Path) -> None:
    for words, meant in ((("report", "epx=tiny"), "exp"), (("report", "exp=tinny"), "tiny"), (("reprot", "exp=tiny"), "report")):
        for run in (doit, tool):
            done = run(built_repo, *words)
            assert done.code == 2 and f"did you mean {meant}" in done.err, done.text
            assert len(done.err.splitlines()) == 1 and not done.out


# ---------------------------------------------------------------- disks
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB where the workspace will be."""
    repo = make_repo(tmp_path / "repo", experiment=EXPERIMENT + "workspace: tmp/small\n")
    place = repo / "tmp/small"
    place.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount a small file system here; the limit of a file's size stands in for it")
    yield repo
    subprocess.run(["umount", "-l", place], check=True)
    assert left_behind(tmp_path) == []


def fill(path: Path) -> None:
    """Write until not one byte more fits."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    for size in (65536, 4096, 1):
        try:
            while os.write(handle, b"\0" * size):
                pass
        except OSError:
            continue
    os.close(handle)


def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path) -> None:
    place = small_disk / "tmp/small"
    assert doit(small_disk, "inputs", "exp=tiny").code == 0
    done_before = [json.loads(line)["stage"] for line in (place / "journal.jsonl").read_bytes().splitlines()]
    fill(place / "ballast")
    done = doit(small_disk, "report", "exp=tiny")
    assert done.code == 1 and "Traceback" not in done.text and "bug of" not in done.text, done.text
    assert "the disk is full" in done.err, done.text
    (place / "ballast").unlink()
    done = doit(small_disk, "report", "exp=tiny", "--json")
    assert done.code == 0, done.text
    ran = json.loads(done.out)["experiments"]["tiny"]["built"]
    assert ran == [s for s in BUILT if s not in done_before], "finished work was lost"


def test_a_limit_of_file_size_is_said_and_nothing_is_lost(repo: Path) -> None:
    assert doit(repo, "inputs", "exp=tiny").code == 0
    before = stages(repo)
    command = f"ulimit -f 24; exec {BIN / 'doit'} report exp=tiny"  # KiB blocks: the journal outgrows it
    done = subprocess.run(["bash", "-c", command], cwd=repo, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in said.split("last lines of")[0] and "bug of" not in said, said
    late = stages(repo)
    assert late[: len(before)] == before and len(late) < len(BUILT)
    assert built(repo) == [s for s in BUILT if s not in late]
    assert stages(repo) == BUILT


@pytest.fixture
def read_only(_built: Path, tmp_path: Path) -> Iterator[Path]:
    """A built repository seen through a door that lets nothing be written; repo beside it is the same, writable by us."""
    repo, view = copy_repo(_built, tmp_path / "repo"), tmp_path / "view"
    view.mkdir()
    if os.getuid() == 0:
        for command in (["mount", "--bind", repo, view], ["mount", "-o", "remount,ro,bind", view]):
            if subprocess.run(command, capture_output=True, check=False).returncode:
                subprocess.run(["umount", "-l", view], capture_output=True, check=False)
                pytest.skip("root may write everywhere, and nothing can be mounted read-only here")
        yield view
        subprocess.run(["umount", "-l", view], check=True)
    else:
        view.rmdir()
        view.symlink_to(repo)
        subprocess.run(["chmod", "-R", "a-w", repo], check=True)
        (repo / "experiments/tiny.yaml").chmod(0o644)
        yield view
        subprocess.run(["chmod", "-R", "u+w", repo], check=True)
    assert left_behind(tmp_path) == []


def test_a_read_only_workspace_can_be_looked_at_and_is_refused_in_one_line(read_only: Path) -> None:
    for words in (("why", "exp=tiny"), ("list", "exp=tiny"), ("plan", "exp=tiny"), ("report", "exp=tiny")):
        done = doit(read_only, *words)
        assert done.code == 0 and not done.err, (words, done.text)
    before = (workspace(read_only) / "journal.jsonl").read_bytes()
    edit(read_only.with_name("repo") / "experiments/tiny.yaml", ">= 0.5", ">= 0.6")
    done = doit(read_only, "report", "exp=tiny")
    assert done.code == 1 and "Traceback" not in done.text, done.text
    assert "read-only" in done.err or "no permission to write here" in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("assay:")]) == 1, done.err
    assert (workspace(read_only) / "journal.jsonl").read_bytes() == before
    assert to_run(read_only) == {"metrics"}, "it can still be looked at"
