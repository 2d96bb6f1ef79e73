"""Every format goes through the same: whole, cut, under another's name. A new format is a new row here."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.formats import FORMATS
from assay.records import Checkpoint, from_json, to_json
from assay.report.screen import screen
from looked import looked, recognised, refusal

DATA = Path(__file__).parents[2] / "data"
EXAMPLES = Path(__file__).parents[3] / "examples"
Sample = Callable[[Path], Path]  # makes the checkpoint in a folder; gives its path


def fixture(name: str) -> Sample:
    """Take a committed file, that the format's own library wrote."""
    return lambda folder: _written(folder / name.rpartition("/")[2], (DATA / name).read_bytes())


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _safetensors(folder: Path) -> Path:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return _written(folder / "a.safetensors", struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1, 2))


def _huggingface(folder: Path) -> Path:
    (folder / "model").mkdir()
    (folder / "model/config.json").write_text('{"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}}')
    _safetensors(folder).rename(folder / "model/model.safetensors")
    return folder / "model"


def _savedmodel(folder: Path) -> Path:
    (folder / "model").mkdir()
    _written(folder / "model/saved_model.pb", b"\x08\x01")
    return folder / "model"


def _numpy(save: Callable[..., None], name: str) -> Sample:
    def make(folder: Path) -> Path:
        buffer = io.BytesIO()
        save(buffer, numpy.arange(6.0).reshape(2, 3))
        return _written(folder / name, buffer.getvalue())

    return make


def _onnx(folder: Path) -> Path:
    return _written(folder / "digits.onnx", (EXAMPLES / "digits/digits.onnx").read_bytes())


def _tensorrt(folder: Path) -> Path:
    said = json.dumps({"task": "detect", "names": {"0": "cat"}}).encode()
    return _written(folder / "a.engine", struct.pack("<I", len(said)) + said + b"ftrt" + bytes(range(64)))


SAMPLES: dict[str, Sample] = {
    "huggingface": _huggingface,
    "savedmodel": _savedmodel,
    "gguf": fixture("gguf/tiny.gguf"),
    "hdf5": fixture("hdf5/earliest.h5"),
    "tflite": fixture("tflite/tiny.tflite"),
    "npy": _numpy(numpy.save, "a.npy"),
    "tensorrt": _tensorrt,
    "pt2": fixture("torch/program.pt2"),
    "torchscript": fixture("torch/script.pt"),
    "torch-zip": fixture("torch/state.pt"),
    "keras": fixture("hdf5/model.keras"),
    "npz": _numpy(numpy.savez, "a.npz"),
    "torch-legacy": fixture("torch/state.pth"),
    "safetensors": _safetensors,
    "openvino": fixture("openvino/tiny.xml"),
    "onnx": _onnx,
    "pickle": fixture("pickle/arrays.joblib"),
}
FOLDERS = ("huggingface", "savedmodel")
WITHOUT_TENSORS = ("savedmodel", "tensorrt")
OPAQUE = ("tensorrt",)  # what it holds is not read, so a cut cannot be seen


@pytest.fixture(params=list(FORMATS))
def name(request: pytest.FixtureRequest) -> str:
    """Each format in turn."""
    return str(request.param)


@pytest.fixture
def sample(name: str, tmp_path: Path) -> Path:
    """A good checkpoint of the format; what belongs beside it lies there too."""
    made = SAMPLES[name](tmp_path)
    if name == "openvino":
        _written(tmp_path / "tiny.bin", (DATA / "openvino/tiny.bin").read_bytes())
    return made


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(FORMATS)


def test_a_good_one_is_recognised_and_described(name: str, sample: Path) -> None:
    form, content = looked(sample)
    assert (form.name, form.runs_here) == (name, not FORMATS[name].NEEDS)
    assert form.by and form.what
    assert refusal(sample) == ""
    assert bool(content.tensors) == (name not in WITHOUT_TENSORS)
    assert all(tensor.parameters >= 0 and tensor.dtype for tensor in content.tensors)


def test_its_record_can_be_kept_and_shown(sample: Path) -> None:
    found = Examination(sample).record(Digests(), {"license": "MIT"})
    assert from_json("checkpoint", to_json(found)) == found
    assert isinstance(found, Checkpoint)
    lines = screen(found)
    assert all(line.isprintable() and len(line) <= 100 for line in lines) and len(lines) < 45


def test_the_same_twice(sample: Path) -> None:
    assert Examination(sample).record(Digests(), {}) == Examination(sample).record(Digests(), {})


def test_a_cut_one_is_refused(name: str, sample: Path) -> None:
    if name in (*FOLDERS, *OPAQUE):
        pytest.skip("no single file, or none that is read to its end")
    whole = sample.read_bytes()
    for length in [*range(1, 64), *range(64, len(whole), max(1, len(whole) // 200)), len(whole) - 1]:
        sample.write_bytes(whole[:length])
        assert refusal(sample), length


def test_another_ones_name_is_an_error_that_names_both(name: str, sample: Path) -> None:
    if name in FOLDERS:
        pytest.skip("a folder's name claims nothing")
    other = "safetensors" if name != "safetensors" else "onnx"
    renamed = sample.rename(sample.with_name(f"renamed.{other}"))
    assert f"its name says {other}, its bytes are {FORMATS[name].WHAT}" in refusal(renamed)
    assert recognised(renamed).name == name


def test_half_characters_are_spelt_out(tmp_path: Path) -> None:
    header = b'{"w\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    path = _written(tmp_path / "a.safetensors", struct.pack("<Q", len(header)) + header + bytes(8))
    found = Examination(path).record(Digests(), {})
    assert [tensor.name for tensor in found.tensors] == ["w\\ud800"]
    assert json.dumps(to_json(found), ensure_ascii=False).encode()
    (tmp_path / "b.pkl").write_bytes(b"\x80\x04}X\x03\0\0\0\xed\xa0\x80K\x01s.")
    assert Examination(tmp_path / "b.pkl").record(Digests(), {}).leftovers == {"\\ud800": 1}


def test_a_zip_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert "zip archive of 1 members, and none of the model kinds known here" in refusal(tmp_path / "a.pt")
