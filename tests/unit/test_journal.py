"""The journal's loader: every prefix is a journal, junk is counted, the last line of a stage wins."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import WrongInput
from assay.journal import LONG, Entry, Journal, Line


def entry(stage: str, value: int = 0, **more: object) -> Entry:
    """Make a finished stage."""
    known = Entry(
        stage, {"stage": stage, "yaml": {"key": value, "text": "ä\n\"'"}}, {"refs/a.py": "0" * 64}, {"outputs/x.json": "1" * 64},
        {f"outputs/{stage}.json": f"{value:064x}"}, 0.25, "2026-11-20 10:00:00", "0.1.0", "host",
    )  # fmt: skip
    return known._replace(**more)


def written(path: Path) -> Path:
    """Write a journal with every kind of line."""
    journal = Journal(path)
    journal.finished(entry("checkpoint"))
    journal.finished(entry("refs"))
    journal.event(Line("failed", "infer", "2026-11-20 10:00:01", "no\nluck"))
    journal.finished(entry("infer", 1))
    journal.event(Line("forgotten", "refs", "2026-11-20 10:00:02", ""))
    journal.finished(entry("infer", 2))
    return path


def state(journal: Journal) -> tuple[object, ...]:
    return journal.entries, journal.before, journal.failures, journal.history, journal.lines


def test_the_last_line_of_a_stage_wins_and_a_forgotten_stage_is_remembered_as_ours(tmp_path: Path) -> None:
    journal = Journal(written(tmp_path / "journal.jsonl"))
    assert {name: e.request["yaml"]["key"] for name, e in journal.entries.items()} == {"checkpoint": 0, "infer": 2}
    assert list(journal.before) == ["refs"] and journal.last("refs") == entry("refs")
    assert journal.failures == {} and journal.broken == 0 and journal.lines == 6


def test_cut_at_every_byte_it_is_the_journal_of_the_whole_lines_before(tmp_path: Path) -> None:
    whole = written(tmp_path / "journal.jsonl").read_bytes()
    ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    wanted = {}
    for end in ends:
        (tmp_path / "part").write_bytes(whole[:end])
        wanted[end] = state(Journal(tmp_path / "part"))
    for cut in range(len(whole) + 1):
        (tmp_path / "part").write_bytes(whole[:cut])
        journal = Journal(tmp_path / "part")
        assert state(journal) == wanted[max(e for e in ends if e <= cut)], f"cut at byte {cut}"
        assert journal.broken == 0


def test_cut_anywhere_the_next_line_is_whole(tmp_path: Path) -> None:
    whole = written(tmp_path / "journal.jsonl").read_bytes()
    for cut in range(0, len(whole) + 1, 7):
        part = tmp_path / "part"
        part.write_bytes(whole[:cut])
        Journal(part).finished(entry("report", cut))
        again = Journal(part)
        assert again.entries["report"] == entry("report", cut) and again.broken == 0
        assert all(json.loads(line) for line in part.read_bytes().splitlines())


def test_a_run_that_was_not_the_last_to_write_reads_before_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first, second = Journal(path), Journal(path)
    first.finished(entry("checkpoint"))
    second.reread()
    second.finished(entry("refs"))
    first.reread()
    assert list(first.entries) == ["checkpoint", "refs"]


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"good")), max_size=8), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_junk_between_lines_is_counted_and_passed_over(chunks: "list[bytes]", torn: bool) -> None:
    import tempfile

    good = json.dumps(entry("checkpoint")._asdict()).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        lines = [good if c == b"good" else c.replace(b"\n", b"") for c in chunks]
        path.write_bytes(b"".join(line + b"\n" for line in lines) + (b'{"stage"' if torn else b""))
        journal = Journal(path)
        assert journal.lines == len(lines)
        assert len(journal.history) + journal.broken == len(lines)
        assert (journal.last("checkpoint") is not None) == (good in lines)


@pytest.mark.parametrize("field", ["request", "read", "records", "outputs", "time", "stage"])
@pytest.mark.parametrize("value", [None, 5, "x", [], [["a"]], {"a": None}, {"a": 5}, {"/etc/passwd": "0"}, {"../x": "0"}, {"": "0"}], ids=repr)
def test_a_line_of_another_shape_is_junk_not_a_crash(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps({**entry("infer")._asdict(), field: value}) + "\n")
    journal = Journal(path)
    fits = isinstance(value, str) if field in ("time", "stage") else field == "request" and isinstance(value, dict)
    harmless = field == "records" and isinstance(value, dict) and all(isinstance(d, str) for d in value.values())
    assert bool(journal.entries) == (fits or harmless), journal.entries
    assert journal.broken == (not (fits or harmless))


@pytest.mark.parametrize("path", ["../victim", "/etc/hosts", "a/../../b", ""])
def test_a_journal_from_elsewhere_cannot_name_files_outside(tmp_path: Path, path: str) -> None:
    (tmp_path / "journal.jsonl").write_text(json.dumps(entry("infer", outputs={path: "0" * 64})._asdict()) + "\n")
    assert Journal(tmp_path / "journal.jsonl").entries == {}


def test_compacted_it_says_the_same_in_fewer_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl")
    journal = Journal(path)
    for number in range(LONG):
        journal.finished(entry("measure", number))
    journal.event(Line("failed", "decode", "2026-11-20 10:00:03", "why"))
    before = (journal.entries, set(journal.before), journal.failures)
    journal.compact()
    again = Journal(path)
    assert again.lines < 10 and again.broken == 0
    assert (again.entries, set(again.before), again.failures) == before
    again.compact()
    assert Journal(path).lines == again.lines, "a short journal is left alone"


def test_a_folder_in_its_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(WrongInput, match="cannot be read"):
        Journal(tmp_path / "journal.jsonl")


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal.jsonl").entries == {}
