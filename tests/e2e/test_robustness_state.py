"""The journal and the caches may be cut, torn, overwritten or gone: never a traceback, never a wrong `fresh`."""

import json
import shutil
from pathlib import Path

import pytest

from assay import plan
from assay.session import Session
from test_robustness_kills import BUILT, outputs, stages
from tiny import Done, built, doit, to_run, tool, workspace

JUNK = {
    "empty": b"",
    "nul": b"\0" * 4096,
    "noise": bytes(range(256)) * 8,
    "text": b"SQLite format 3\nnot json\n\n\n",
    "list": b"[]\n",
    "object": b"{}\n",
    "number": b"5\n",
    "nothing": b"null\n",
    "deep": b"[" * 100_000 + b"\n",
    "rows": b'{"rows": []}\n',
    "wrong rows": b'{"rows": [5, null, ["a"]], "id": 3, "tool": {}, "facts": 1, "line": 7, "absent": 3, "pointer": 2}\n',
    "digest line": b'["/nowhere", 1, 2, 3, 4, {}]\n[[1], 1, 2, 3, 4, "x"]\n["short"]\n',
    "half": b'{"stage": "infer", "request": {"yaml"',
}


def clean(done: Done, code: int = 0) -> Done:
    """A command ended as it should, and no traceback was seen."""
    assert done.code == code, done.text
    assert "Traceback" not in done.text and "a bug of assay" not in done.text
    return done


# ---------------------------------------------------------------- the journal
@pytest.mark.parametrize("junk", JUNK)
def test_a_journal_of_junk_is_never_built(built_repo: Path, junk: str) -> None:
    (workspace(built_repo) / "journal.jsonl").write_bytes(JUNK[junk])
    clean(tool(built_repo, "why", "tiny"))
    assert to_run(built_repo) == set(BUILT)
    clean(tool(built_repo, "list", "tiny"))
    assert built(built_repo, "tiny", "contract") == [s.name for s in plan.needed(["contract"])]


@pytest.mark.parametrize("junk", ["empty", "noise"])
def test_a_build_on_top_of_a_journal_of_junk_is_whole(built_repo: Path, junk: str) -> None:
    before = outputs(built_repo)
    (workspace(built_repo) / "journal.jsonl").write_bytes(JUNK[junk])
    assert built(built_repo) == BUILT
    assert outputs(built_repo) == before
    assert built(built_repo) == []


def test_a_deleted_journal_is_never_built_and_said_in_one_line(built_repo: Path) -> None:
    before = outputs(built_repo)
    (workspace(built_repo) / "journal.jsonl").unlink()
    said = clean(doit(built_repo, "why", "exp=tiny"))
    assert [line for line in said.out.splitlines() if "journal.jsonl is gone" in line] == said.out.splitlines()[:1]
    assert built(built_repo) == BUILT
    assert outputs(built_repo) == before


def test_the_whole_state_deleted_is_never_built(built_repo: Path) -> None:
    shutil.rmtree(built_repo / "tmp")
    assert to_run(built_repo) == set(BUILT)
    assert built(built_repo) == BUILT
    assert built(built_repo) == []


def test_a_line_of_junk_between_good_ones_is_ignored_and_said(built_repo: Path) -> None:
    path = workspace(built_repo) / "journal.jsonl"
    whole = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*whole[:4], b"\xff\x00garbage", b'{"stage": ["infer"]}', b'{"stage": 3, "event": 4}', *whole[4:]]))
    assert "unreadable line" in clean(doit(built_repo, "why", "exp=tiny")).out
    assert built(built_repo) == []


@pytest.mark.parametrize("field", ["request", "read", "records", "outputs"])
@pytest.mark.parametrize("value", [None, [["a"]], {"": 3}, {"../../../victim": "0"}], ids=repr)
def test_a_line_with_a_field_of_another_shape_is_no_crash(built_repo: Path, field: str, value: object) -> None:
    path = workspace(built_repo) / "journal.jsonl"
    whole = [json.loads(line) for line in path.read_bytes().splitlines()]
    for line in whole:
        if line["stage"] == "infer":
            line[field] = value
    path.write_text("".join(json.dumps(line) + "\n" for line in whole))
    clean(tool(built_repo, "why", "tiny"))


def test_cut_at_each_line_and_a_byte_around_it(built_repo: Path) -> None:
    path = workspace(built_repo) / "journal.jsonl"
    whole = path.read_bytes()
    before = outputs(built_repo)
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    assert len(ends) == len(BUILT)
    for number, end in enumerate([0, *ends]):
        for cut in (end - 1, end, end + 1):
            if 0 <= cut <= len(whole):
                kept = number - (cut < end)
                path.write_bytes(whole[:cut])
                found = Session(built_repo, reads_only=True).builds(["tiny"])["tiny"].survey()
                assert [s for s in BUILT if found[s].status == "fresh"] == BUILT[:kept], f"cut at {cut}"
        said = json.loads(clean(tool(built_repo, "why", "tiny", "--json")).out)["tiny"]["stages"]
        assert [s for s in BUILT if said[s]["status"] == "fresh"] == BUILT[:kept], f"cut at {cut}, by the front door"
    for end in ends[::-3]:  # and the tail is built again, on top of a torn line
        path.write_bytes(whole[: end - 1])
        kept = ends.index(end)
        assert built(built_repo) == BUILT[kept:], f"cut at {end - 1}"
        assert stages(built_repo) == BUILT, "the torn tail is gone, every line is whole"
        assert outputs(built_repo) == before
        whole = path.read_bytes()
        ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]


def test_a_journal_that_is_a_folder_is_one_clear_line(built_repo: Path) -> None:
    path = workspace(built_repo) / "journal.jsonl"
    path.unlink()
    path.mkdir()
    for done in (doit(built_repo, "why", "exp=tiny"), doit(built_repo, "report", "exp=tiny")):
        assert done.code in (0, 1, 2) and "Traceback" not in done.text and "a bug of" not in done.text, done.text


# ---------------------------------------------------------------- the caches
@pytest.mark.parametrize("junk", JUNK)
def test_caches_of_junk_cost_time_and_nothing_else(built_repo: Path, junk: str) -> None:
    folder = built_repo / "tmp/.cache"
    names = ["tool.txt", "stamp-tiny.txt", "digests.jsonl", "code.json"]
    assert {"tool.txt", "stamp-tiny.txt"} <= {p.name for p in folder.iterdir()}
    for spoilt in ([n] for n in names):
        for name in spoilt:
            (folder / name).write_bytes(JUNK[junk])
        for done in (tool(built_repo, "report", "tiny"), tool(built_repo, "why", "tiny")):
            clean(done)
    for name in names:
        (folder / name).write_bytes(JUNK[junk])
    assert built(built_repo) == []


def test_caches_deleted_cost_time_and_nothing_else(built_repo: Path) -> None:
    shutil.rmtree(built_repo / "tmp/.cache")
    assert built(built_repo) == []


@pytest.mark.parametrize("junk", ["empty", "noise", "text", "nul"])
def test_a_pointer_of_junk_is_one_clear_line(built_repo: Path, junk: str) -> None:
    (built_repo / "tmp/.current/tiny").write_bytes(JUNK[junk])
    for word in ("why", "report"):
        done = doit(built_repo, word, "exp=tiny")
        assert "Traceback" not in done.text and done.code == 2, done.text
        assert len(done.err.splitlines()) == 1 and "tmp/.current/tiny" in done.err


def test_a_pointer_to_a_folder_that_is_gone_is_never_built(built_repo: Path) -> None:
    shutil.rmtree(workspace(built_repo))
    assert to_run(built_repo) == set(BUILT)
    assert built(built_repo) == BUILT
