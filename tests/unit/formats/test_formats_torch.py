"""Files that torch wrote, read without torch: names, types, places and values against what torch says."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.errors import WrongInput
from assay.examination import Examination
from assay.formats.content import totals
from assay.records import Weight
from looked import looked, recognised, refusal

DATA = Path(__file__).parents[2] / "data" / "torch"
TRUTH = json.loads((DATA / "truth.json").read_text())
MODELS = Path(__file__).parents[4] / "shared" / "models"
CODES = {"float32": "f", "float64": "d", "int64": "q", "uint16": "H", "float16": "e"}
KINDS = {
    "state.pt": "torch-zip", "unchecked.pt": "torch-zip", "module.pt": "torch-zip", "state.pth": "torch-legacy",
    "module.pth": "torch-legacy", "state.pkl": "pickle", "checkpoint.pt": "torch-zip", "parallel.pt": "torch-zip",
    "script.pt": "torchscript", "program.pt2": "pt2", "kinds.pt": "torch-zip", "ema.pt": "torch-zip",
}  # fmt: skip


def numbers(path: Path, tensor: Weight) -> list[Any]:
    """Read a tensor's numbers from where it is said to lie."""
    assert tensor.at is not None
    data, code = path.read_bytes(), CODES[tensor.dtype]
    size = struct.calcsize(code)
    stride = tensor.stride or [_step(tensor.shape, axis) for axis in range(len(tensor.shape))]
    places = [0]
    for length, step in zip(tensor.shape, stride):
        places = [place + i * step for place in places for i in range(length)]
    return [struct.unpack_from("<" + code, data, tensor.at + place * size)[0] for place in places]


def _step(shape: list[int], axis: int) -> int:
    step = 1
    for size in shape[axis + 1 :]:
        step *= size
    return step


@pytest.mark.parametrize("name", KINDS)
def test_what_torch_wrote_is_recognised_and_named_right(name: str) -> None:
    assert recognised(DATA / name).name == KINDS[name]
    assert refusal(DATA / name) == ""


@pytest.mark.parametrize("name", ["state.pt", "unchecked.pt", "module.pt", "state.pth", "module.pth", "script.pt"])
def test_weights_are_named_and_placed_as_torch_says(name: str) -> None:
    _, content = looked(DATA / name)
    truth = TRUTH["state"]
    assert {t.name: (t.dtype, t.shape) for t in content.tensors} == {n: (d, s) for n, (d, s, _) in truth.items()}
    for tensor in content.tensors:
        assert numbers(DATA / name, tensor) == truth[tensor.name][2], tensor.name


def test_tensors_out_of_the_ordinary() -> None:
    _, content = looked(DATA / "kinds.pt")
    found = {t.name: t for t in content.tensors}
    assert found["transposed"].stride == [1, 3]
    assert content.shared == [["row", "same_row"]]
    assert content.quantised == ["quantised: quantised tensor affine, scale 0.1, zero point 0"]
    types = {name: found[name].dtype for name in ("bfloat16", "float8", "uint16", "complex", "quantised")}
    assert types == {
        "bfloat16": "bfloat16", "float8": "float8e4m3fn", "uint16": "uint16", "complex": "complex64", "quantised": "qint8",
    }  # fmt: skip
    for name in ("transposed", "row", "same_row", "zero", "uint16"):
        assert numbers(DATA / "kinds.pt", found[name]) == TRUTH["kinds"][name][2], name
    assert content.leftovers == {"size": [1, 2], "device": "device(cpu)", "dtype": "torch.float16"}


def test_what_is_not_finite_and_what_is_all_zero() -> None:
    values = Examination(DATA / "kinds.pt").record(Digests(), {}).values
    assert values is not None
    assert (values.nonfinite, values.zero) == ({"bad": 2}, ["zero"])
    # 42 numbers of 12 tensors; two share 3, and of the sparse one 3 values and 6 indices stand for 9 numbers
    assert values.checked == 42 - 3


def test_what_training_left_is_told_and_not_taken_for_weights() -> None:
    _, content = looked(DATA / "checkpoint.pt")
    assert {t.name for t in content.tensors} == set(TRUTH["state"])
    assert content.wrapper == ["state_dict"]
    assert content.leftovers == {
        "optimizer": "groups 1, parameters 6 (lr 0.001, eps 1e-08, weight_decay 0)",
        "epoch": 3, "best": 0.5, "args": {"lr": 0.1, "name": "tiny"}, "history": "tensor int64 [2, 3]",
    }  # fmt: skip
    assert content.trust == []
    assert [(row.name, row.verdict) for row in content.code if row.verdict != "tensors"] == [
        ("argparse.Namespace", "harmless")
    ]


def test_several_sets_of_weights_stay_apart() -> None:
    _, content = looked(DATA / "ema.pt")
    assert {t.part for t in content.tensors} == {"model", "model_ema"}
    _, parts = totals(content.tensors, content.shared)
    assert {name: (row.tensors, row.parameters) for name, row in parts.items()} == {
        "model": (9, 47), "model_ema": (9, 47),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wrapper"),
    [
        ("parallel.pt", ["module."]),
        ("module.pt", ["a pickled torch.nn.modules.container.Sequential"]),
        ("script.pt", ["a TorchScript __torch__.torch.nn.modules.container.Sequential"]),
    ],
)
def test_what_stands_around_the_weights(name: str, wrapper: list[str]) -> None:
    assert looked(DATA / name)[1].wrapper == wrapper


def test_a_plain_pickle_of_tensors_is_read_through() -> None:
    _, content = looked(DATA / "state.pkl")
    assert {t.name: (t.dtype, t.shape) for t in content.tensors} == {
        n: (d, s) for n, (d, s, _) in TRUTH["state"].items()
    }
    inside = next(row for row in content.code if row.name == "torch.storage._load_from_bytes")
    assert (inside.verdict, content.trust) == ("harmless", [])


def test_a_program_says_its_signature_and_ranges() -> None:
    _, content = looked(DATA / "program.pt2")
    assert content.graph is not None
    assert [(t.name, t.dtype, t.shape) for t in content.graph.inputs] == [("x", "float32", ["s77", 2])]
    assert [(t.dtype, t.shape) for t in content.graph.outputs] == [("float32", ["s77", 2])]
    assert (content.graph.ranges, content.graph.ops) == ({"s77": "1..16"}, {"aten.add.Tensor": 1, "aten.linear.default": 1})
    for tensor in content.tensors:
        assert numbers(DATA / "program.pt2", tensor) == TRUTH["program"][tensor.name][2]
    assert content.trust == ["an exported program is code: loading it evaluates expressions of its maker"]


def test_torchscript_says_what_goes_in_and_who_labelled_it() -> None:
    _, content = looked(DATA / "script.pt")
    assert content.graph is not None
    assert [(t.name, t.dtype) for t in content.graph.inputs] == [("input", "unknown")]
    assert (content.labels, content.embedded[0].path) == (["cat", "dog"], "script/extra/config.txt")
    assert content.graph.ops["linear"] == 1 and content.cannot == []
    assert content.trust == ["TorchScript is a program: loading it runs code of its maker"]


@pytest.mark.parametrize("name", ["state.pt", "script.pt", "program.pt2"])
def test_one_flipped_bit_in_a_weight_is_found_by_the_checksum(name: str, tmp_path: Path) -> None:
    _, content = looked(DATA / name)
    data = bytearray((DATA / name).read_bytes())
    data[(content.tensors[-1].at or 0) + 1] ^= 8
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(WrongInput, match=r"are not what the file's checksum says; fetch it again"):
        Examination(path).record(Digests(), {})


def test_a_file_without_checksums_says_so() -> None:
    assert looked(DATA / "unchecked.pt")[1].risks == ["it was saved without checksums: damaged weights cannot be told"]


@pytest.mark.parametrize("name", KINDS)
def test_cut_at_every_length(name: str, tmp_path: Path) -> None:
    whole = (DATA / name).read_bytes()
    path = tmp_path / name
    for length in range(1, len(whole), max(1, len(whole) // 400)):
        path.write_bytes(whole[:length])
        assert refusal(path), length


@pytest.mark.skipif(not MODELS.is_dir(), reason="the shared models are not here")
@pytest.mark.parametrize(
    ("name", "tensors", "parameters"),
    [
        ("ultralight-face/version-RFB-320.pth", 244, 281_135),
        ("vdsr-pickle/model_epoch_50.pth", 20, 664_704),
        ("silero-vad/silero_vad_16k.safetensors", 15, 309_633),
    ],
)
def test_real_checkpoints(name: str, tensors: int, parameters: int) -> None:
    _, content = looked(MODELS / name)
    kinds, _ = totals(content.tensors, content.shared)
    assert (len(content.tensors), sum(row.parameters for row in kinds.values())) == (tensors, parameters)
    assert refusal(MODELS / name) == ""
    assert all(row.verdict != "dangerous" for row in content.code)
    assert bool(content.trust) == ("vdsr" in name)
