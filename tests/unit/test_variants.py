"""Other inputs made from one of upstream's own, and which of its files serve as samples."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from assay.observation.attempts import Attempt
from assay.observation.samples import samples, wanted_suffix
from assay.observation.variants import variants


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_an_array_is_turned_round_along_its_longest_axis_scaled_halved_and_ended(tmp_path: Path, dtype: str) -> None:
    array = (np.arange(1, 41).reshape(2, 20) * 10).astype(dtype)
    np.save(tmp_path / "sample.npy", array)
    turned, scaled, half, ended = (np.load(p, allow_pickle=False) for p in variants(tmp_path / "sample.npy", tmp_path / "made"))
    assert np.array_equal(turned, array[:, ::-1]) and turned.dtype == array.dtype
    assert np.array_equal(scaled, array // 2) and scaled.dtype == array.dtype
    assert np.array_equal(half, array[:, :10]) and half.dtype == array.dtype
    assert np.array_equal(ended[:, :18], array[:, :18]) and not ended[:, 18:].any() and ended.dtype == array.dtype
    assert np.array_equal(np.load(tmp_path / "sample.npy"), array), "the sample itself stays as it is"


def test_a_short_array_keeps_its_beginning(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.arange(1, 5))
    made = [np.load(path, allow_pickle=False).tolist() for path in variants(tmp_path / "short.npy", tmp_path / "made")]
    assert made == [[4, 3, 2, 1], [0, 1, 1, 2], [1, 2], [1, 2, 3, 0]]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_keeps_its_head_and_changes_its_rows(tmp_path: Path, suffix: str) -> None:
    delimiter = "\t" if suffix == ".tsv" else ","
    rows = [["time", "value, in mV"], *([str(i), str(i * i)] for i in range(5))]
    with (tmp_path / f"sample{suffix}").open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    made = variants(tmp_path / f"sample{suffix}", tmp_path / "deep/made")
    back = [list(csv.reader(p.open(newline=""), delimiter=delimiter)) for p in made]
    assert back == [[rows[0], *rows[:0:-1]], [rows[0], *rows[1::2]]]


def test_what_cannot_be_varied_gives_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "number.npy", np.float32(3))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "nothing.npy", np.zeros((3, 0), np.float32))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY and no more")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "latin.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    (tmp_path / "other.json").write_text(json.dumps([1]))
    for name in ("objects.npy", "number.npy", "words.npy", "nothing.npy", "broken.npy", "empty.npy", "latin.csv", "other.json", "gone.npy", "gone.csv"):
        assert variants(tmp_path / name, tmp_path / "made") == [], name


def test_an_empty_table_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    assert variants(tmp_path / "empty.csv", tmp_path / "made") == []


def test_a_sample_is_a_file_of_the_tree_that_a_path_calls_one(tmp_path: Path) -> None:
    names = {"docs/figure.png": 9000, "net/a.png": 9000, "demo/z.png": 9000, "demo/y.jpg": 9000, "demo/icon.png": 9000,
             "demo/small.png": 10, ".git/demo/x.png": 9000, "demo/notes.txt": 9000}  # fmt: skip
    for name, size in names.items():
        path = tmp_path / "refs/net" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0" * size)
    (tmp_path / "refs/net/demo/link.png").symlink_to("/etc/hostname")
    way = Attempt({"script": "run.py"}, "net", (), "", ("image",))
    assert samples(tmp_path, way, "image") == ["refs/net/demo/y.jpg", "refs/net/demo/z.png"]
    assert samples(tmp_path, way, "audio") == [] == samples(tmp_path, way, "bytes")


def test_an_ending_is_wanted_when_a_script_speaks_of_one_only() -> None:
    assert wanted_suffix("for p in glob('data/*.jpg'): pass", "image") == ".jpg"
    assert wanted_suffix("if p.endswith('.jpg') or p.endswith('.png'): pass", "image") == ""
    assert wanted_suffix("glob('*.jpg')", "audio") == ""
