"""The stamp says "nothing moved" only when nothing did; whatever else it holds, it says nothing."""

import os
import time
from pathlib import Path

import pytest

from assay import stamp
from assay.config.spec import files_of
from assay.digests import Digests
from assay.session import Session
from tiny import make_repo


@pytest.fixture
def stamped(tmp_path: Path) -> Path:
    """A repository whose experiment was stamped as it lies there."""
    repo = make_repo(tmp_path / "repo")
    build = Session(repo).builds(["tiny"])["tiny"]
    (build.workspace.path / "journal.jsonl").write_text("")
    time.sleep(0.03)
    known = files_of(repo, build.experiment)
    stamp.write(
        repo, build.experiment, build.workspace, {str(repo / "weights/tiny.onnx")}, {str(repo / "upstream")}, Digests(), "the line", known
    )
    assert stamp.check(repo, "tiny") == "the line"
    return repo


def workspace(repo: Path) -> Path:
    return repo / (repo / "tmp/.current/tiny").read_text().strip()


def test_nothing_moved(stamped: Path) -> None:
    assert stamp.check(stamped, "tiny") == stamp.check(str(stamped), "tiny") == "the line"


@pytest.mark.parametrize(
    "path", ["experiments/tiny.yaml", "recipes/tiny/recipe.yaml", "recipes/tiny/adapter.py", "weights/tiny.onnx"]
)
@pytest.mark.parametrize("how", ["touched", "gone", "replaced"])
def test_whatever_moves_takes_the_line_away(stamped: Path, path: str, how: str) -> None:
    place = stamped / path
    was, data = place.stat(), place.read_bytes()
    if how == "touched":
        place.touch()
    elif how == "gone":
        place.unlink()
    else:
        place.unlink()
        place.write_bytes(data)
        os.utime(place, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert stamp.check(stamped, "tiny") is None


def test_a_new_file_in_a_watched_folder_notes_and_another_workspace_are_seen(stamped: Path) -> None:
    (stamped / "upstream/new.py").write_text("")
    assert stamp.check(stamped, "tiny") is None


def test_notes_that_appear_are_seen(stamped: Path) -> None:
    (stamped / "experiments/tiny.notes.md").write_text("mine\n")
    assert stamp.check(stamped, "tiny") is None


def test_another_workspace_is_seen(stamped: Path) -> None:
    (stamped / "tmp/.current/tiny").write_text("tmp/other\n")
    assert stamp.check(stamped, "tiny") is None


def test_a_journal_that_grows_is_seen(stamped: Path) -> None:
    (workspace(stamped) / "journal.jsonl").write_text("{}\n")
    assert stamp.check(stamped, "tiny") is None


@pytest.mark.parametrize("kept", range(12))
def test_cut_after_any_line_it_is_silent(stamped: Path, kept: int) -> None:
    path = Path(stamp.stamp_file(str(stamped), "tiny"))
    whole = path.read_bytes().splitlines(keepends=True)
    for data in (b"".join(whole[:kept]), b"".join(whole[:kept])[:-1], b"".join(whole[:kept] + whole[kept + 1 :])):
        if data != b"".join(whole):
            path.write_bytes(data)
            assert stamp.check(stamped, "tiny") is None
            assert isinstance(stamp.remembered(stamped, "tiny"), dict)


JUNK = [b"", b"\0\xff", b"[]", b"5", b"assay stamp 1\n", b"assay stamp 1\nend\n", b"assay stamp 1\n\n\n\nx y\n\nend\n", b"[" * 50_000]


@pytest.mark.parametrize("data", JUNK)
@pytest.mark.parametrize("name", ["stamp", "tool"])
def test_a_file_of_junk_is_silence_not_a_crash(stamped: Path, name: str, data: bytes) -> None:
    path = stamped / stamp.TOOL if name == "tool" else Path(stamp.stamp_file(str(stamped), "tiny"))
    assert path.exists()
    path.write_bytes(data)
    assert stamp.check(stamped, "tiny") is None
    assert isinstance(stamp.remembered(stamped, "tiny"), dict)


def test_a_row_that_is_no_row_is_silence(stamped: Path) -> None:
    path = Path(stamp.stamp_file(str(stamped), "tiny"))
    whole = path.read_text()
    row = next(line for line in whole.splitlines() if line.endswith(" weights/tiny.onnx"))
    for junk in ("", "5", "a b c d e f", row.replace(" ", "", 1), "-1" + row, row + "\0"):
        path.write_text(whole.replace(row, junk))
        assert stamp.check(stamped, "tiny") is None
        assert isinstance(stamp.remembered(stamped, "tiny"), dict)


def test_a_dropped_stamp_is_silent(stamped: Path) -> None:
    stamp.drop(stamped, "tiny")
    stamp.drop(stamped, "tiny")
    assert stamp.check(stamped, "tiny") is None


def test_it_moves_with_its_repository_and_still_says_nothing_false(stamped: Path, tmp_path: Path) -> None:
    os.rename(stamped, tmp_path / "moved")
    assert stamp.check(tmp_path / "moved", "tiny") in (None, "the line")
    (tmp_path / "moved/weights/tiny.onnx").touch()
    assert stamp.check(tmp_path / "moved", "tiny") is None
