"""Zeros that fill up a data file that is too short: told where an end of zeros comes out like what fills up."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assay
from assay.observation.variants import variants

sys.path.insert(0, str(Path(assay.__file__).parent / "worker"))

from assay_worker import fit_data

Prepare = Callable[[np.ndarray], np.ndarray]


def told(folder: Path, array: np.ndarray, prepare: Prepare, name: str = "beat.npy") -> list[dict[str, Any]]:
    np.save(folder / name, array)
    files = [folder / name, *variants(folder / name, folder / "made")]
    return fit_data.pad({str(file): prepare(np.load(file, allow_pickle=False)) for file in files})


def leads(length: int = 300) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(3, length)).astype(np.float32) + 3


def missing(array: np.ndarray, length: int = 512) -> tuple[tuple[int, int], ...]:
    return (*((0, 0),) * (array.ndim - 1), (0, max(length - array.shape[-1], 0)))


def zeros(array: np.ndarray) -> np.ndarray:
    return np.pad(array, missing(array))[None, ..., :512]


def scaled_zeros(array: np.ndarray) -> np.ndarray:
    return zeros(array) * 2 - 7


def normalised(array: np.ndarray) -> np.ndarray:
    x = zeros(array)
    return (x - x.mean()) / x.std()


def turned_round(array: np.ndarray) -> np.ndarray:
    return zeros(array.T)


def ones(array: np.ndarray) -> np.ndarray:
    return np.pad(array, missing(array), constant_values=1)[None]


def edges(array: np.ndarray) -> np.ndarray:
    return np.pad(array, missing(array), "edge")[None]


def mirrored(array: np.ndarray) -> np.ndarray:
    return np.pad(array, missing(array), "symmetric")[None]


def repeated(array: np.ndarray) -> np.ndarray:
    return np.pad(array, missing(array), "wrap")[None]


def in_front(array: np.ndarray) -> np.ndarray:
    return zeros(array[..., ::-1])[..., ::-1]


def zeros_after_normalising(array: np.ndarray) -> np.ndarray:
    return zeros((array - array.mean()) / array.std())


def as_it_is(array: np.ndarray) -> np.ndarray:
    return array[None]


def cut(array: np.ndarray) -> np.ndarray:
    return array[None, ..., :100]


def stretched(array: np.ndarray) -> np.ndarray:
    at = np.linspace(0, array.shape[-1] - 1, 512)
    return np.stack([np.interp(at, np.arange(array.shape[-1]), row) for row in array])[None]


def always_zeros(array: np.ndarray) -> np.ndarray:
    return np.zeros((1, 512), np.float32)


def one_number(array: np.ndarray) -> np.ndarray:
    return np.asarray(array.mean())


def nothing_left(array: np.ndarray) -> np.ndarray:
    return array[None, ..., :0]


@pytest.mark.parametrize("prepare", [zeros, scaled_zeros, normalised], ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", ["beat.npy", "half.npy", "ended.npy"])
def test_zeros_that_fill_up(tmp_path: Path, prepare: Prepare, name: str) -> None:
    (fact,) = told(tmp_path, leads(), prepare, name)
    assert (fact["id"], fact["value"], fact["identified"], fact["detail"]) == ("pre.pad", 0, True, {"where": "end"})
    assert {"half", "ended"} <= set(fact["evidence"])


def test_zeros_that_fill_up_a_single_row_of_whole_numbers(tmp_path: Path) -> None:
    assert [fact["value"] for fact in told(tmp_path, np.arange(1, 200, dtype=np.int16), zeros)] == [0]


def test_zeros_that_fill_up_rows_that_stand_one_below_another(tmp_path: Path) -> None:
    assert [fact["value"] for fact in told(tmp_path, leads().T, turned_round)] == [0]


OTHERS: list[Prepare] = [ones, edges, mirrored, repeated, in_front, zeros_after_normalising, as_it_is, cut, stretched,
                         always_zeros, one_number, nothing_left]  # fmt: skip


@pytest.mark.parametrize("prepare", OTHERS, ids=lambda each: each.__name__)
def test_what_fills_up_otherwise_is_not_told(tmp_path: Path, prepare: Prepare) -> None:
    assert told(tmp_path, leads(), prepare) == []


@pytest.mark.parametrize("length", [512, 600])
def test_a_file_that_needs_no_filling_up_tells_nothing(tmp_path: Path, length: int) -> None:
    assert told(tmp_path, leads(length), zeros) == []


def test_a_file_that_is_the_same_everywhere_tells_nothing_of_repeated_edges(tmp_path: Path) -> None:
    for value in (0, 1):
        assert told(tmp_path, np.full((3, 300), value, np.float32), edges) == []


def test_variants_that_are_not_there_tell_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "beat.npy", leads())
    assert fit_data.pad({str(tmp_path / "beat.npy"): zeros(leads())}) == [] == fit_data.pad({})
