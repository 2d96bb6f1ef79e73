"""What the probe finds in models of torch that an adapter builds: state, chance, training mode, sizes of an example."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assay import bridge
from assay.records import Probe

np = pytest.importorskip("numpy")
PYTHON = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PYTHON.exists(), reason="ASSAY_TORCH_PYTHON names none")]
SILERO = Path(__file__).parents[3] / "shared/models/silero-vad/silero_vad.jit"

HEAD = "import torch\nfrom torch import nn\n"
BUILD = "\ndef build(*, checkpoint, device):\n    torch.manual_seed(0)\n    return {0}\n"
Probed = Callable[..., dict[str, Any]]


@pytest.fixture
def probed(ask: Any, workspace: Path) -> Probed:
    """Probe what an adapter builds, from an example."""

    def asked(code: str, built: str, more: str = "", **arrays: Any) -> dict[str, Any]:
        np.savez(workspace / "example.npz", **arrays)
        keys = {"functions": ["build"] + ["infer"] * ("def infer" in more), "example": "example.npz"}
        outcome = ask(
            HEAD + code + BUILD.format(built) + more, verb="probe", python=PYTHON, device="cpu", threads=1,
            limits=bridge.Limits(seconds=60, memory_mib=4096), **keys,
        )  # fmt: skip
        assert outcome.ok, outcome
        msgspec.convert({**outcome.value, "status": {"word": "done"}, "schema": 1}, Probe)
        return dict(outcome.value)

    return asked


NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 4, 8, stride=8)
        self.up = nn.ConvTranspose2d(4, 3, 8, stride=8)
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout(0.5)
    def forward(self, x):
        return x + self.drop(self.norm(self.up(self.down(x))))
"""


def test_a_net_in_training_mode(probed: Probed) -> None:
    found = probed(NET, "Net()", x=np.random.default_rng(0).random((1, 3, 240, 320), dtype="float32"))
    assert (found["training"], found["training_differs"], found["deterministic"]) == (True, True, True)
    assert found["training_repeats"] is False
    assert found["worked"] == {"x": [1, 3, 240, 320]} and found["observed"][0]["shape"] == [1, 3, 240, 320]
    assert [found["axes"][k]["multiple_of"] for k in ("x/0", "x/2", "x/3")] == [1, 8, 8]
    assert [found["axes"][k]["minimum"] for k in ("x/0", "x/2", "x/3")] == [1, 8, 8]
    assert found["dims"]["x/1"].startswith("not_observed: refused were 2, 4, 6, 9") and found["batch"] == "works"
    assert found["dtypes"]["x"]["float64"].startswith("refused: ")
    assert found["nan"] == {"x": {"output": "NaN everywhere"}}
    calm = probed(NET, "Net().eval()", x=np.zeros((1, 3, 16, 16), "float32"))
    assert calm["training"] is False and not any("training" in note for note in calm["notes"])


TRAINED = """
class Net(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
    def forward(self, x):
        return self.layer(x) * 2
class Drawing(nn.Module):
    def forward(self, x):
        return x + 1 if not self.training or torch.rand(1) < 2 else x
class Refusing(nn.Module):
    def forward(self, x):
        assert not self.training
        return x
class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = 0
    def forward(self, x):
        self.seen = self.seen + 1
        return x * self.seen + self.training
"""


@pytest.mark.parametrize(
    ("built", "differs", "repeats"),
    [
        ("Net(nn.Dropout(0.5))", True, False),
        ("Net(nn.BatchNorm1d(8))", True, True),
        ("Net(nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.2)))", True, False),
        ("Net(nn.Dropout(0.0))", False, True),
        ("Net(nn.ReLU())", False, True),
        ("Net(nn.Dropout(1e-7))", None, None),
        ("Drawing()", None, None),
        ("Refusing()", True, None),
        ("Counting()", None, None),
    ],
)
def test_training_mode_and_whether_its_answers_repeat(probed: Probed, built: str, differs: bool | None, repeats: bool | None) -> None:
    given = np.random.default_rng(0).random((2, 8, 4), dtype="float32")
    found = probed(TRAINED, built, x=given)
    assert (found["deterministic"], found["training_differs"], found["training_repeats"]) == (True, differs, repeats)


STATE = """
class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.reset_states()
    def reset_states(self):
        self.seen = 0
    def forward(self, x, rate):
        assert isinstance(rate, int)
        self.seen = self.seen + x.mean(-1)
        return torch.sigmoid(self.seen)
class Unresettable(Counter):
    def __init__(self):
        nn.Module.__init__(self)
        self.seen = 0
    reset_states = None
"""


def test_state_is_told_from_chance(probed: Probed) -> None:
    given = {"x": np.ones((1, 100), "float32"), "rate": np.array(16000)}
    found = probed(STATE, "Counter()", **given)
    assert (found["deterministic"], found["stateful"], found["reset"]) == (True, True, "reset_states()")
    assert found["batch"] == "works" and found["scalars"] == {"rate": 16000}
    assert found["observed"][0]["minimum"] == pytest.approx(0.7310586)  # sigmoid(1): as a new model answers
    found = probed(STATE, "Unresettable()", **given)
    assert (found["deterministic"], found["stateful"], found["reset"]) == (True, True, "building it anew")
    before = """
class Net(nn.Module):
    last = None
    def forward(self, x):
        seen, self.last = self.last, x
        return x if seen is None or seen.shape != x.shape else x - 0.5 * seen
"""
    found = probed(before, "Net()", x=np.linspace(0, 1, 40, dtype="float32")[None])
    assert (found["stateful"], found["reset"]) == (True, "building it anew"), found["repeat"]
    chance = "\nclass Net(nn.Module):\n    def forward(self, x):\n        return x + torch.rand_like(x)\n"
    found = probed(chance, "Net()", x=given["x"])
    assert (found["deterministic"], found["stateful"]) == (False, False) and "with the same seeds" in found["repeat"]
    chance = chance.replace("torch.rand_like(x)", "__import__('secrets').randbelow(1000)")
    found = probed(chance, "Net()", x=given["x"])
    assert (found["deterministic"], found["stateful"]) == (False, None) and found["repeat"].startswith("differs: ")


def test_models_that_misbehave_end_nothing(probed: Probed) -> None:
    code = """
class Net(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32:
            raise SystemExit(3)
        if not torch.isfinite(x).all():
            return torch.zeros(1, 2)
        x.sub_(0.5)
        return x.reshape(1, -1).sum(-1, keepdim=True) if len(x) == 1 else x / 0
"""
    infer = "\ndef infer(model, tensors):\n    return {'y': model(torch.from_numpy(tensors['x']))}\n"
    found = probed(code, "Net()", infer, x=np.ones((1, 6), "float32"))
    assert found["dtypes"]["x"]["int64"] == "refused: 3" and found["nan"] == {"x": {"y": "swallowed"}}
    assert found["deterministic"] is True and found["stateful"] is False


@pytest.mark.skipif(not SILERO.exists(), reason="the real models are not here")
def test_a_real_program_with_a_state_and_rates(ask: Any) -> None:
    inputs = [{"name": "x", "dtype": "unknown", "shape": None}, {"name": "sr", "dtype": "int", "shape": None}]
    outcome = ask(
        verb="probe", python=PYTHON, inputs=inputs, checkpoint={"name": "m", "sha256": "", "format": "torchscript"},
        checkpoint_file=SILERO, device="cpu", threads=1, limits=bridge.Limits(seconds=60, memory_mib=4096),
    )  # fmt: skip
    found = outcome.value
    assert found is not None, outcome
    pairs = [(point["sr"], point["x"]) for point in found["accepted"]]
    assert pairs == [(16000, [1, 512]), (8000, [1, 256]), (32000, [1, 1024])]
    assert (found["stateful"], found["deterministic"], found["reset"]) == (True, True, "reset_states()")
    assert found["dims"]["x/0"] == "dynamic" and found["batch"] == "works" and found["training"] is None
    assert found["dtypes"]["x"]["float16"] == "accepted" and found["dtypes"]["x"]["float64"].startswith("refused")


ONNX = SILERO.with_suffix(".onnx")


@pytest.mark.skipif(not ONNX.exists(), reason="the real models are not here")
def test_a_real_graph_whose_batches_are_tied(ask: Any) -> None:
    pytest.importorskip("onnxruntime")
    named = {"name": "m", "sha256": "", "format": "onnx"}
    found = ask(verb="probe", python=Path(sys.executable), checkpoint=named, checkpoint_file=ONNX).value
    assert found["axes"]["input/0"]["together"] == ["state/1"] and found["axes"]["state/1"]["together"] == ["input/0"]
    assert found["worked"]["input"] == [1, 576] and found["scalars"] == {"sr": 16000} and found["batch"] == "works"
    assert found["nan"]["input"]["output"] == "swallowed"


def test_a_slow_model_is_asked_for_what_matters_first(probed: Probed) -> None:
    code = """
import time
class Net(nn.Module):
    def forward(self, x):
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        return x + 1
"""
    found = probed(code, "Net()", x=np.ones((1, 3, 32, 32), "float32"))
    assert found["deterministic"] is True and found["nan"] and found["tries"] < 30
    assert "dims" in found["not_tried"] and "not_observed: no time" in found["dims"]["x/3"]
