"""A file's digest is taken once, remembered by its stat key, and never believed when the file is too young."""

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from assay.digests import BIG, Digests
from assay.errors import WrongInput
from assay.files import RACY_NS, stat_key


def old_file(path: Path, data: bytes = b"x") -> Path:
    """Write a file and wait until its times can be trusted."""
    path.write_bytes(data)
    time.sleep(RACY_NS / 1e9 * 1.5)
    return path


def test_hashed_once_and_the_digest_is_sha256(tmp_path: Path) -> None:
    path, digests = old_file(tmp_path / "a", b"content"), Digests()
    for _ in range(3):
        assert digests.of(str(path)) == hashlib.sha256(b"content").hexdigest()
    assert digests.hashed_bytes == 7


def test_a_missing_file_has_none(tmp_path: Path) -> None:
    assert Digests().of(str(tmp_path / "nothing")) is None


def test_same_size_and_times_of_before_are_seen_through(tmp_path: Path) -> None:
    path, digests = old_file(tmp_path / "a", b"one"), Digests()
    digests.of(str(path))
    was = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert digests.of(str(path)) == hashlib.sha256(b"two").hexdigest()


def test_a_file_as_young_as_its_times_is_hashed_again(tmp_path: Path) -> None:
    path, digests = tmp_path / "a", Digests()
    for number in range(20):  # each rewrite may fall into one tick of the file system's clock
        path.write_bytes(b"%02d" % number)
        assert digests.of(str(path)) == hashlib.sha256(b"%02d" % number).hexdigest()


def test_many_threads_hash_a_file_once(tmp_path: Path) -> None:
    path, digests = old_file(tmp_path / "a", b"x" * (4 << 20)), Digests()
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(digests.of(str(path)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 8
    assert digests.hashed_bytes == 4 << 20


def test_large_files_are_remembered_between_runs_and_small_ones_are_not(tmp_path: Path) -> None:
    shared = tmp_path / "cache/digests.jsonl"
    large, small = old_file(tmp_path / "large", b"x" * BIG), old_file(tmp_path / "small")
    first = Digests(shared)
    assert first.of(str(large)) and first.of(str(small))
    assert len(shared.read_text().splitlines()) == 1
    second = Digests(shared)
    assert second.of(str(large)) == first.of(str(large)) and second.hashed_bytes == 0
    large.touch()
    time.sleep(RACY_NS / 1e9 * 1.5)
    third = Digests(shared)
    assert third.of(str(large)) == first.of(str(large)) and third.hashed_bytes == BIG
    fourth = Digests(shared)
    assert fourth.of(str(large)) == first.of(str(large)) and fourth.hashed_bytes == 0, "touched: hashed once, then never"


def test_a_reader_leaves_no_trace(tmp_path: Path) -> None:
    large = old_file(tmp_path / "large", b"x" * BIG)
    Digests(tmp_path / "cache/digests.jsonl", reads_only=True).of(str(large))
    assert not (tmp_path / "cache").exists()


def test_what_an_earlier_run_knew_is_believed_only_for_the_same_state(tmp_path: Path) -> None:
    path, digests = old_file(tmp_path / "a", b"one"), Digests()
    key = stat_key(str(path))
    assert key
    digests.remember({str(path): (key, "remembered")})
    assert digests.of(str(path)) == "remembered" and digests.hashed_bytes == 0
    path.touch()
    assert digests.of(str(path)) == hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize(
    "junk", [b"", b"\0\xff\n", b"5\n", b"null\n", b"[]\n", b'[[], 1, 2, 3, 4, "x"]\n', b'["a", 1, 2, 3, 4, {}]\n', b"[" * 50_000 + b"\n"]
)
def test_a_memory_of_junk_costs_time_only(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "digests.jsonl").write_bytes(junk)
    path = old_file(tmp_path / "a", b"one")
    assert Digests(tmp_path / "digests.jsonl").of(str(path)) == hashlib.sha256(b"one").hexdigest()


def test_a_good_line_among_junk_is_used(tmp_path: Path) -> None:
    path = old_file(tmp_path / "a", b"one")
    key = stat_key(str(path))
    assert key
    (tmp_path / "m").write_bytes(b"\xff\n" + json.dumps([str(path), *key, "good"]).encode() + b"\nnull\n")
    assert Digests(tmp_path / "m").of(str(path)) == "good"


def test_a_fifo_is_refused_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WrongInput, match="not a regular file"):
        Digests().of(str(tmp_path / "fifo"))
