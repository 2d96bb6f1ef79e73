"""What reached the model tells what preprocessing did; what it cannot tell stays unknown."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import assay
from fit_variants import HAS_CV2, NO_TRIMS, TRIMS, VARIANTS

sys.path.insert(0, str(Path(assay.__file__).parent / "worker"))

from assay_worker import fit, stimuli

Facts = dict[str, dict[str, Any]]


def fitted(kind: str, inputs: dict[str, Any], by: Callable[[Any], Any]) -> Facts:
    runs = [{"stimulus": name, "tensors": {"x": by(given)}} for name, given in inputs.items()]
    return {each["id"]: each for each in fit.fit(kind, runs)["facts"]}


def identified(facts: Facts) -> dict[str, Any]:
    return {name: each["value"] for name, each in facts.items() if each["identified"]}


def pictures() -> dict[str, Image.Image]:
    return {name: Image.fromarray(stimuli.pixels(name)) for name in stimuli.names("image")}


def sounds() -> dict[str, tuple[np.ndarray, int]]:
    return {name: (stimuli.samples(name), stimuli.rate(name)) for name in stimuli.names("audio")}


def files() -> dict[str, bytes]:
    return {name: stimuli.content(name) for name in stimuli.names("bytes")}


@pytest.mark.parametrize(("preprocess", "expected"), VARIANTS, ids=[f"{v.__name__}-{i}" for i, (v, _) in enumerate(VARIANTS)])
def test_pictures(preprocess: Callable[[Image.Image], np.ndarray], expected: dict[str, Any]) -> None:
    if "cv2" in preprocess.__qualname__ and not HAS_CV2:
        pytest.skip("no cv2 here")
    facts = fitted("image", pictures(), preprocess)
    assert identified(facts) == expected
    assert all(each["identified"] or (each["value"] is None and each["reason"]) for each in facts.values())
    assert "cut off" not in facts.get("pre.resize", {"reason": ""})["reason"]


@pytest.mark.parametrize(("preprocess", "expected", "cut"), TRIMS, ids=[cut for *_, cut in TRIMS])
def test_pixels_that_are_cut_off_before_the_rest_is_resized(preprocess: Callable[[Image.Image], np.ndarray], expected: dict[str, Any], cut: str) -> None:
    facts = fitted("image", pictures(), preprocess)
    assert identified(facts) == expected
    assert facts["pre.resize"]["reason"] == f"the rest, after {cut} are cut off"


@pytest.mark.parametrize("preprocess", NO_TRIMS, ids=[each.__name__ for each in NO_TRIMS])
def test_pixels_that_are_cut_off_otherwise_are_not_told_as_so_many(preprocess: Callable[[Image.Image], np.ndarray]) -> None:
    facts = fitted("image", pictures(), preprocess)
    assert not facts["pre.interpolation"]["identified"] and "cut off" not in facts["pre.resize"]["reason"]


def test_pictures_are_written_as_they_are_thought_of(tmp_path: Path) -> None:
    made = stimuli.make("image", str(tmp_path), suffix=".jpg")
    assert [s.name for s in made] == stimuli.names("image") and len(made) <= 7
    for each in made:
        with Image.open(each.file) as image:
            assert image.size == stimuli.size(each.name)
            assert np.array_equal(np.asarray(image), stimuli.pixels(each.name))


def test_sounds_are_written_as_they_are_thought_of(tmp_path: Path) -> None:
    import wave

    for each in stimuli.make("audio", str(tmp_path)):
        with wave.open(each.file) as f:
            assert f.getframerate() == stimuli.rate(each.name)
            rows = np.frombuffer(f.readframes(f.getnframes()), "<i2").reshape(-1, f.getnchannels()).T
        assert np.array_equal(rows, stimuli.samples(each.name))


def test_files_are_written_as_they_are_thought_of(tmp_path: Path) -> None:
    assert {s.name: Path(s.file).read_bytes() for s in stimuli.make("bytes", str(tmp_path))} == files()
    assert set(stimuli.content("values")) == set(range(256))


def test_the_same_bytes_everywhere() -> None:
    assert int(stimuli.pixels("noise").astype(np.int64).sum()) == 136338706
    assert int(stimuli.samples("noise16").astype(np.int64).sum()) == 18045


def test_a_tensor_that_never_changes_is_set_aside() -> None:
    runs = [
        {"stimulus": name, "tensors": {"x": np.asarray(p.resize((32, 32)))[None], "size": np.array([32, 32])}}
        for name, p in pictures().items()
    ]
    told = fit.fit("image", [*runs, {"stimulus": "extra", "tensors": {}}])
    assert told["tensors"] == ["x"] and told["not_reached"] == ["extra"]
    assert told["others"] == [{"tensor": "size", "why": "it is the same for every input"}]


@pytest.mark.parametrize("lost", stimuli.names("image"))
def test_a_lost_picture_costs_facts_but_makes_none_wrong(lost: str) -> None:
    preprocess, expected = VARIANTS[0]
    facts = fitted("image", {n: p for n, p in pictures().items() if n != lost}, preprocess)
    assert identified(facts).items() <= expected.items()


def mono(rows: np.ndarray) -> np.ndarray:
    return rows.astype(np.float32).mean(0) / 32768


def resampled(x: np.ndarray, old: int, new: int) -> np.ndarray:
    at = np.arange(int(len(x) * new / old)) * (old / new)
    return np.interp(at, np.arange(len(x)), x).astype(np.float32)


def fixed(x: np.ndarray, count: int) -> np.ndarray:
    return np.pad(x, (0, max(count - len(x), 0)))[:count]


def whole_16k(given: tuple[np.ndarray, int]) -> np.ndarray:
    return resampled(mono(given[0]), given[1], 16000)[None]


def window_16k(given: tuple[np.ndarray, int]) -> np.ndarray:
    return whole_16k(given)[:, :512]


def with_context(given: tuple[np.ndarray, int]) -> np.ndarray:
    return np.concatenate([np.zeros((1, 64), np.float32), window_16k(given)], 1)


def as_it_is(given: tuple[np.ndarray, int]) -> np.ndarray:
    return mono(given[0])[None]


def whole_22k(given: tuple[np.ndarray, int]) -> np.ndarray:
    return resampled(mono(given[0]), given[1], 22050)


def padded_3s(given: tuple[np.ndarray, int]) -> np.ndarray:
    return fixed(whole_16k(given)[0], 48000)[None, None]


def in_pieces(given: tuple[np.ndarray, int]) -> np.ndarray:
    """Cut into pieces of 4000 samples, the last filled up with zeros."""
    x = whole_16k(given)[0]
    return fixed(x, -(-len(x) // 4000) * 4000).reshape(-1, 1, 4000)


def first_channel(given: tuple[np.ndarray, int]) -> np.ndarray:
    return resampled(given[0][0].astype(np.float32), given[1], 16000)[None]


def by_peak(given: tuple[np.ndarray, int]) -> np.ndarray:
    x = whole_16k(given)
    return x / max(np.abs(x).max(), 1e-9)


def unit_variance(given: tuple[np.ndarray, int]) -> np.ndarray:
    x = whole_16k(given)
    return (x - x.mean()) / np.sqrt(x.var() + 1e-7)


def spectrogram(given: tuple[np.ndarray, int]) -> np.ndarray:
    x = fixed(whole_16k(given)[0], 16000).reshape(-1, 160)
    return np.log(np.abs(np.fft.rfft(x, axis=1)) + 1e-6).astype(np.float32).T[None]


def emphasised(given: tuple[np.ndarray, int]) -> np.ndarray:
    x = whole_16k(given)
    return x - 0.97 * np.pad(x, ((0, 0), (1, 0)))[:, :-1]


SOUNDS: list[tuple[Callable[[tuple[np.ndarray, int]], np.ndarray], dict[str, Any]]] = [
    (whole_16k, {"pre.sample_rate": 16000, "pre.scale": 3.05176e-05, "pre.affine": True, "pre.normalisation": "none",
                 "pre.mixing": "mean of the channels"}),
    (window_16k, {"pre.sample_rate": 16000, "pre.window": 512, "pre.scale": 3.05176e-05, "pre.affine": True,
                  "pre.normalisation": "none", "pre.mixing": "mean of the channels"}),
    (with_context, {"pre.sample_rate": 16000, "pre.window": 576, "pre.scale": 3.05176e-05, "pre.affine": True,
                    "pre.normalisation": "none", "pre.mixing": "mean of the channels"}),
    (as_it_is, {"pre.scale": 3.05176e-05, "pre.affine": True, "pre.normalisation": "none",
                "pre.mixing": "mean of the channels"}),
    (whole_22k, {"pre.sample_rate": 22050}),
    (padded_3s, {"pre.sample_rate": 16000, "pre.window": 48000, "pre.scale": 3.05176e-05, "pre.affine": True,
                 "pre.normalisation": "none", "pre.mixing": "mean of the channels"}),
    (first_channel, {"pre.sample_rate": 16000, "pre.scale": 1.0, "pre.affine": True, "pre.normalisation": "none",
                     "pre.mixing": "left channel"}),
    (in_pieces, {"pre.sample_rate": 16000, "pre.window": 4000, "pre.pad": 0.0, "pre.scale": 3.05176e-05, "pre.affine": True,
                 "pre.normalisation": "none", "pre.mixing": "mean of the channels"}),
    (by_peak, {"pre.sample_rate": 16000, "pre.affine": False, "pre.normalisation": "peak"}),
    (unit_variance, {"pre.sample_rate": 16000, "pre.affine": False, "pre.normalisation": "mean and deviation"}),
    (spectrogram, {}),
    (emphasised, {}),
]  # fmt: skip


@pytest.mark.parametrize(("preprocess", "expected"), SOUNDS, ids=[v.__name__ for v, _ in SOUNDS])
def test_sounds(preprocess: Callable[[Any], np.ndarray], expected: dict[str, Any]) -> None:
    facts = fitted("audio", sounds(), preprocess)
    told = identified(facts)
    assert told.pop("pre.dtype") == "float32"
    assert told == expected


def magika(data: bytes, strip: bool = True, filler: int = 256, size: int = 1024) -> np.ndarray:
    head, tail = data[:4096], data[-4096:]
    if strip:
        head, tail = head.lstrip(), tail.rstrip()
    head, tail = head[:size], tail[-size:]
    row = [*head, *[filler] * (size - len(head)), *[filler] * (size - len(tail)), *tail]
    return np.array([row], np.int32)


def first_bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data[:512].ljust(512, b"\0"), np.uint8).astype(np.float32)[None] / 255


def one_more(data: bytes) -> np.ndarray:
    return np.array([[b + 1 for b in data[:2048]] + [0] * (2048 - len(data[:2048]))], np.int64)


def histogram(data: bytes) -> np.ndarray:
    return np.bincount(np.frombuffer(data, np.uint8), minlength=256).astype(np.float32)[None]


BYTES: list[tuple[Callable[[bytes], np.ndarray], dict[str, Any]]] = [
    (magika, {"pre.dtype": "int32", "pre.affine": True, "pre.scale": 1.0, "pre.window": {"first": 1024, "last": 1024},
              "pre.size": [2048], "pre.pad": 256.0, "pre.decode": "bytes, leading spaces stripped, trailing spaces stripped"}),
    (lambda data: magika(data, strip=False, size=256), {
        "pre.dtype": "int32", "pre.affine": True, "pre.scale": 1.0, "pre.window": {"first": 256, "last": 256},
        "pre.size": [512], "pre.decode": "bytes, leading spaces kept, trailing spaces kept"}),
    (first_bytes, {"pre.dtype": "float32", "pre.affine": True, "pre.scale": 0.003921569, "pre.pad": 0.0,
                   "pre.window": {"first": 512, "last": 0}, "pre.size": [512], "pre.decode": "bytes, leading spaces kept"}),
    (one_more, {"pre.dtype": "int64", "pre.affine": True, "pre.scale": 1.0, "pre.pad": 0.0,
                "pre.window": {"first": 2048, "last": 0}, "pre.size": [2048], "pre.decode": "bytes, leading spaces kept"}),
    (histogram, {"pre.dtype": "float32"}),
]  # fmt: skip


@pytest.mark.parametrize(("preprocess", "expected"), BYTES, ids=[f"{v.__name__}-{i}" for i, (v, _) in enumerate(BYTES)])
def test_bytes(preprocess: Callable[[bytes], np.ndarray], expected: dict[str, Any]) -> None:
    assert identified(fitted("bytes", files(), preprocess)) == expected
