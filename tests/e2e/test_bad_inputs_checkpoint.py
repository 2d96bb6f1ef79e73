"""A checkpoint that is none: one clear line within seconds, exit code 2, nothing believed; a good one then builds."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import plan
from door_said import doit_unprivileged, refused, same_as_golden
from test_robustness_kills import SLOW, hold, holding, let_go
from tiny import built, doit, edit, ended, journal, make_model, start, tool, wait_for, workspace

BUILT = [s.name for s in plan.STAGES if not s.not_yet]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 12345\n"


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("no weights here")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(6 << 30)


def _half(path: Path) -> None:
    make_model(path)
    os.truncate(path, path.stat().st_size // 2)


SPOILT: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "empty_folder": lambda path: path.mkdir(),
    "folder_without_model": _folder,
    "fifo": os.mkfifo,
    "link_loop": _loop,
    "dangling_link": lambda path: path.symlink_to("nothing-there"),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "truncated": _half,
    "cut_to_10_bytes": lambda path: (make_model(path), os.truncate(path, 10)),
    "html": lambda path: path.write_bytes(b"<!DOCTYPE html>\n<html><body>404</body></html>"),
    "lfs_pointer": lambda path: path.write_bytes(LFS),
    "text": lambda path: path.write_text("these are notes, not weights\n"),
    "zeros": lambda path: path.write_bytes(bytes(5000)),
    "gzip": lambda path: path.write_bytes(b"\x1f\x8b\x08\x00" + bytes(64)),
    "sparse_6_gib": _sparse,
}


def removed(path: Path) -> Path:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("kind", SPOILT)
def test_never_built_and_no_checkpoint(repo: Path, kind: str) -> None:
    weights = repo / "weights/tiny.onnx"
    SPOILT[kind](removed(weights))
    before = time.monotonic()
    done = doit(repo, "report", "exp=tiny")
    refused(done, 2)
    same_as_golden("checkpoint", kind, done, repo)
    assert time.monotonic() - before < 30, "a file that is no model is refused before it is hashed"
    assert "checkpoint" not in {line["stage"] for line in journal(repo)}
    assert not (workspace(repo) / "outputs/checkpoint.json").exists()
    other = tool(repo, "checkpoint", "tiny")
    assert (other.code, other.err.splitlines()[-1]) == (2, done.err.splitlines()[-2 if "kept" in done.text else -1])
    make_model(removed(weights))
    assert built(repo, "tiny", "checkpoint") == ["checkpoint"]


def test_built_and_then_replaced_by_what_is_no_checkpoint(built_repo: Path) -> None:
    """Whatever takes the place of good weights, what was built before is not told as an answer about it."""
    weights = built_repo / "weights/tiny.onnx"
    good = (weights.read_bytes(), weights.stat())
    lines = journal(built_repo)
    for kind, spoil in SPOILT.items():
        if kind == "zeros":
            continue
        spoil(removed(weights))
        refused(doit(built_repo, "report", "exp=tiny"), 2)
        why = tool(built_repo, "why", "tiny")
        assert "Traceback" not in why.text and "everything is fresh" not in why.out, kind
        assert why.code in (0, 2)
    assert journal(built_repo) == lines
    removed(weights).write_bytes(good[0])
    assert built(built_repo) == [], "the same bytes again: what was built is true again"


def test_unreadable(repo: Path) -> None:
    weights = repo / "weights/tiny.onnx"
    weights.chmod(0)
    done = doit_unprivileged(repo, "checkpoint", "exp=tiny", forbidden=weights)
    refused(done, 2)
    same_as_golden("checkpoint", "unreadable", done, repo)
    weights.chmod(0o644)
    assert built(repo, "tiny", "checkpoint") == ["checkpoint"]


HELD = SLOW + "hold()\n\n\ndef _softmax"


@pytest.mark.parametrize("stage", ["infer", "measure"])
def test_replaced_while_a_stage_runs(repo: Path, stage: str) -> None:
    """The stage that ran on other weights than it was asked about is not recorded."""
    edit(repo / "recipes/tiny/adapter.py", "def _softmax", HELD.lstrip())
    assert doit(repo, *plan.BY_NAME[stage].after, "exp=tiny").code == 0
    hold(repo)
    process = start(repo, stage, "exp=tiny")
    wait_for(lambda: holding(repo) or process.poll() is not None, f"{stage} at work")
    make_model(repo / "weights/new.onnx", 0.25)
    os.replace(repo / "weights/new.onnx", repo / "weights/tiny.onnx")
    let_go(repo)
    done = ended(process)
    refused(done, 1)
    same_as_golden("checkpoint", f"replaced_during_{stage}", done, repo)
    assert stage not in [line["stage"] for line in journal(repo) if "event" not in line]
    again = built(repo, "tiny", stage)
    assert again[0] == "checkpoint" and again[-1] == stage
