"""The verbs on a small graph of our own, in an interpreter that has ONNX Runtime."""

import hashlib
import json
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
Image = pytest.importorskip("PIL.Image")

ADAPTER = """
import numpy as np
from PIL import Image
from detect import SCALE

def preprocess(path, *, size=32):
    image = Image.open(path).convert("RGB")
    pixels = np.asarray(image.resize((size, size)), dtype=np.float32) / SCALE
    return {"x": pixels.transpose(2, 0, 1)[None]}, {"size": image.size}

def postprocess(outputs, ctx, *, score_threshold):
    scores = outputs["y"].ravel()
    return {"best": scores.argmax(), "scores": scores, "size": ctx["size"], "sure": scores.max() > score_threshold}

def draw(path, result):
    return Image.open(path)
"""


def graph(
    path: Path, *, shape: tuple[Any, ...] = ("N", 3, "H", "W"), coupled: bool = False, noisy: bool = False
) -> None:
    """Write a convolution, a mean over the picture and, when asked, a sum over the batch or noise."""
    from onnx import TensorProto, helper

    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype("float32")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("ReduceSum", ["p", "zero"], ["s"], keepdims=1),
        helper.make_node("RandomNormalLike", ["p"], ["r"]),
        helper.make_node("Add", ["p", "s" if coupled else "r"], ["y"]),
    ]
    nodes = nodes[:2] + nodes[2:3] * coupled + nodes[3:4] * noisy + nodes[4:] * (coupled or noisy)
    out = "y" if coupled or noisy else "p"
    initial = [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(np.array([0]), "zero")]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, [shape[0], 4, 1, 1])],
        initial[: 1 + coupled],
    )
    for node in made.node:
        node.output[:] = ["y" if name == out else name for name in node.output]
    made.output[0].name = "y"
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


@pytest.fixture
def case(ask: Any, workspace: Path) -> Any:
    """A workspace with a model, its adapter and three pictures; call it to ask."""
    graph(workspace / "model.onnx")
    (workspace / "inputs").mkdir()
    (workspace / "refs/net").mkdir(parents=True)
    (workspace / "refs/net/detect.py").write_text("SCALE = 255.0\n")
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 255, (40, 50, 3), dtype="uint8")
        Image.fromarray(pixels).save(workspace / f"inputs/00{i}.png")

    def asked(verb: str, adapter: str = ADAPTER, **keys: Any) -> Any:
        model = workspace / "model.onnx"
        request = {
            "checkpoint": {
                "name": model.name,
                "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
                "format": "onnx",
            },
            "source_roots": ["refs/net"],
            "device": "cpu",
            "batch_axis": 0,
            "params": {"score_threshold": 0.25, "size": 24},
            "inputs": [{"name": "x", "dtype": "float32", "shape": ["N", 3, "H", "W"]}],
            "outputs": [{"name": "y", "dtype": "float32", "shape": ["N", 4, 1, 1]}],
            "items": [{"id": f"00{i}", "file": f"inputs/00{i}.png"} for i in range(3)],
        }
        return ask(adapter, verb=verb, python=Path(sys.executable), checkpoint_file=model, **{**request, **keys})

    return asked


def test_infer_then_decode(case: Any, workspace: Path) -> None:
    first = case("infer")
    assert first.ok, first
    assert [i["file"] for i in first.value["items"]] == ["raw/000.npz", "raw/001.npz", "raw/002.npz"]
    assert first.value["items"][0]["tensors"][0]["shape"] == [1, 3, 24, 24]
    assert first.value["runtime"]["provider"] == "CPUExecutionProvider" and first.value["runtime"]["threads"] == 1
    inputs = ("inputs/000.png", "inputs/001.png", "inputs/002.png")
    assert first.read == (*inputs, "refs/net/detect.py", "scripts/adapter.py")
    shutil.copytree(workspace / ".stage/raw", workspace / "raw")
    items = [{"id": f"00{i}", "file": f"inputs/00{i}.png", "raw": f"raw/00{i}.npz"} for i in range(3)]
    decoded = case("decode", items=items)
    assert decoded.value == {"pictures": {f"00{i}": f"pictures/00{i}.png" for i in range(3)}, "sounds": {}}
    assert (workspace / ".stage/pictures/002.png").read_bytes()[:4] == b"\x89PNG"
    from assay import canonical, records

    text = (workspace / ".stage/outputs/predictions.json").read_text()
    predictions = records.from_json("predictions", canonical.loads(text))
    assert predictions.items[0].result["size"] == [50, 40] and predictions.items[0].result["sure"] is True


SOUND = """
import numpy as np

def postprocess(outputs, ctx):
    wave = np.array([[0.5, -0.5], [1.0, -1.0], [2.0, -3.0], [float("nan"), 0.25]], dtype=np.{dtype})
    return {{"sound": wave{more}, "rate": {rate}}}
"""


def decoded_sound(case: Any, workspace: Path, dtype: str = "float32", more: str = "", rate: str = "8000") -> Any:
    np.savez(workspace / "raw.npz", y=np.zeros((1, 4, 1, 1), "float32"))
    items = [{"id": "000", "file": "inputs/000.png", "raw": "raw.npz"}]
    adapter = SOUND.format(dtype=dtype, more=more, rate=rate)
    return case("decode", adapter=adapter, items=items, params={})


@pytest.mark.parametrize(("dtype", "rate"), [("float32", "8000"), ("float64", "np.int64(8000)")])
def test_a_sound_is_kept_as_a_file_and_told_in_numbers(case: Any, workspace: Path, dtype: str, rate: str) -> None:
    decoded = decoded_sound(case, workspace, dtype, rate=rate)
    assert decoded.value == {"pictures": {}, "sounds": {"000": "sounds/000.wav"}}, decoded
    with wave.open(str(workspace / ".stage/sounds/000.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        levels = np.frombuffer(file.readframes(9), "<i2").reshape(-1, 2)
    assert levels.tolist() == [[16384, -16384], [32767, -32768], [32767, -32768], [0, 8192]]
    [item] = json.loads((workspace / ".stage/outputs/predictions.json").read_text())["items"]
    told = item["result"]["sound"]
    assert (item["result"]["rate"], told["shape"], told["minimum"], told["maximum"]) == (8000, [4, 2], -3.0, 2.0)
    assert len(told["sha256"]) == 64


@pytest.mark.parametrize(
    ("more", "rate"),
    [("[:, 0]", "8000"), ("[:, :0]", "8000"), ("", "0"), ("", "-8000"), ("", "8000.5"), ("", "1 << 40"), ("", "None"), (".tolist()", "8000")],
)
def test_what_is_no_sound_is_an_answer_like_others(case: Any, workspace: Path, more: str, rate: str) -> None:
    decoded = decoded_sound(case, workspace, more="[:3]" + more, rate=rate)
    assert decoded.ok and decoded.value["sounds"] == {}, decoded
    assert not list(workspace.glob(".stage/**/*.wav"))


def test_raw_bytes_repeat(case: Any, workspace: Path) -> None:
    assert case("infer").ok
    once = {p.name: p.read_bytes() for p in (workspace / ".stage/raw").iterdir()}
    assert case("infer").ok
    assert {p.name: p.read_bytes() for p in (workspace / ".stage/raw").iterdir()} == once


def test_tensors_instead_of_pictures(case: Any, workspace: Path) -> None:
    np.savez(workspace / "inputs/t.npz", x=np.zeros((1, 3, 8, 8), "float32"))
    items = [{"id": "t", "file": "inputs/t.npz"}]
    assert case("infer", adapter="", items=items).ok
    np.savez(workspace / "inputs/t.npz", z=np.zeros((1, 3, 8, 8), "float32"))
    wrong = case("infer", adapter="", items=items)
    assert wrong.message == "inputs/t.npz gives the tensors z; the model takes x"
    np.savez(workspace / "inputs/t.npz", x=np.zeros((1, 3, 8, 8)))
    assert "gives x as float64; the model takes float32" in case("infer", adapter="", items=items).message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return {'score': float('nan')}", "the result of 000/score is nan"),
        ("return {'what': object()}", "the result of 000/what is of type object"),
        ("return outputs['nope']", "KeyError: 'nope'"),
    ],
)
def test_a_result_that_no_record_can_carry(case: Any, workspace: Path, body: str, message: str) -> None:
    assert case("infer").ok
    shutil.copytree(workspace / ".stage/raw", workspace / "raw")
    adapter = f"def postprocess(outputs, ctx):\n    {body}\n"
    outcome = case("decode", adapter=adapter, items=[{"id": "000", "file": "inputs/000.png", "raw": "raw/000.npz"}])
    assert outcome.kind == "adapter-error" and message in outcome.message


def test_without_postprocess_the_results_are_null(case: Any, workspace: Path) -> None:
    assert case("infer").ok
    shutil.copytree(workspace / ".stage/raw", workspace / "raw")
    outcome = case("decode", adapter="", items=[{"id": "000", "file": "inputs/000.png", "raw": "raw/000.npz"}])
    assert outcome.value == {"pictures": {}, "sounds": {}}
    assert '"result": null' in (workspace / ".stage/outputs/predictions.json").read_text()


def test_a_file_that_is_no_model(case: Any, workspace: Path) -> None:
    (workspace / "model.onnx").write_bytes(b"not a model")
    outcome = case("infer")
    assert outcome.kind == "upstream-error" and str(workspace) not in outcome.message


def test_a_device_that_is_not_there(case: Any) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    assert case("infer", device="cuda").kind == "unsupported"


def test_probe_of_a_free_graph(case: Any) -> None:
    value = case("probe").value
    assert value["batch"] == "works" and value["deterministic"] is True
    assert value["dims"] == {"x/0": "dynamic", "x/1": "fixed", "x/2": "dynamic", "x/3": "dynamic"}
    assert value["observed"][0]["shape"] == [1, 4, 1, 1] and value["notes"] == []


def test_probe_of_a_coupled_a_fixed_and_a_noisy_graph(case: Any, workspace: Path) -> None:
    graph(workspace / "model.onnx", coupled=True)
    assert case("probe").value["batch"] == "coupled"
    graph(workspace / "model.onnx", shape=(1, 3, 32, 32))
    fixed = case("probe").value
    assert fixed["batch"] == "no batch axis" and set(fixed["dims"].values()) == {"fixed"}
    graph(workspace / "model.onnx", noisy=True)
    assert case("probe").value["deterministic"] is False


def test_probe_that_finds_no_input_says_so(case: Any, workspace: Path) -> None:
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["L"]), ("y", [7, 11, 13]))]
    shape = onnx.numpy_helper.from_array(np.array([7, 11, 13]), "s")
    model = helper.make_graph(nodes, "g", ends[:1], ends[1:], [shape])
    onnx.save(
        helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), workspace / "model.onnx"
    )
    outcome = case("probe")
    assert outcome.ok and outcome.value["deterministic"] is None
    assert outcome.value["notes"][0].startswith("no made-up input ran in ")


def test_by_hand_it_is_the_same(case: Any, workspace: Path, tmp_path: Path) -> None:
    assert case("infer").ok
    command = [sys.executable, "-I", "scripts/worker/boot.py", "scripts/infer.json", str(tmp_path / "answer.json")]
    command += ["--out", str(tmp_path / "again"), "--checkpoint", "model.onnx"]
    ended = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for path in (workspace / ".stage/raw").iterdir():
        assert (tmp_path / "again/raw" / path.name).read_bytes() == path.read_bytes()
    (workspace / "model.onnx").write_bytes(b"other")
    assert subprocess.run(command, cwd=workspace, capture_output=True, check=False).returncode == 1
    assert "has another SHA-256" in (tmp_path / "answer.json").read_text()


def test_a_torch_model_by_adapter(case: Any, workspace: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(3, 2).state_dict(), workspace / "model.onnx")
    adapter = """
import torch
torch.set_num_threads(2)
def build(*, checkpoint, device):
    model = torch.nn.Linear(3, 2)
    model.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=True))
    return model.eval().to(device)
def infer(model, tensors):
    with torch.inference_mode():
        print("threads", torch.get_num_threads())
        return model(torch.from_numpy(tensors["x"]))
"""
    np.savez(workspace / "inputs/t.npz", x=np.ones((1, 3), "float32"))
    checkpoint = {"name": "model.pt", "sha256": "", "format": "torch_state"}
    keys = {"adapter": adapter, "checkpoint": checkpoint, "items": [{"id": "t", "file": "inputs/t.npz"}]}
    outcome = case("infer", inputs=[{"name": "x", "dtype": "float32", "shape": [None, 3]}], **keys)
    assert outcome.ok, outcome
    assert outcome.value["items"][0]["outputs"][0]["name"] == "y" and "torch" in outcome.value["runtime"]["versions"]
    assert "threads 1" in outcome.log.read_text()
    assert case("infer", **{**keys, "adapter": ""}).kind == "unsupported"
