"""Weights run as data; code that a checkpoint carries or names runs only when the experiment trusts that very file."""

import hashlib
import json
import pickle
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny import ADAPTER, EXPERIMENT, built, doit, edit, tool, workspace

DATA = Path(__file__).parents[1] / "data"
BUILD = '''

class Net:
    def __init__(self, weights):
        self.w, self.b = weights["w"], weights["b"]

    def __call__(self, image):
        return image.reshape(len(image), -1) @ self.w + self.b


def build(*, {what}, device):
    """Return the model."""
    return Net({weights})


def infer(model, tensors):
    """Return the logits."""
    return {{"logits": model(tensors["image"])}}
'''
AS_DATA = ADAPTER + BUILD.format(what="weights", weights="weights")
AS_FILE = ADAPTER + "\nimport pickle\n" + BUILD.format(
    what="checkpoint", weights='pickle.load(open(checkpoint, "rb"))["weights"]'
)  # fmt: skip
UPSTREAM_CLASS = "class Config:\n    pass\n"


def weights() -> dict[str, Any]:
    import numpy

    half = numpy.full(16, 0.5, dtype="float32")
    return {"w": numpy.stack([-half, half], axis=1), "b": numpy.array([4, -4], dtype="float32")}


def as_safetensors(path: Path) -> None:
    header, data = {}, b""
    for name, array in weights().items():
        size = array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + size]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def as_pickle(path: Path, upstream: Path) -> None:
    """Pickle the weights beside an object of a class of upstream's."""
    (upstream / "tinyconfig.py").write_text(UPSTREAM_CLASS)
    sys.path.insert(0, str(upstream))
    try:
        from tinyconfig import Config  # type: ignore[import-not-found]

        path.write_bytes(pickle.dumps({"weights": weights(), "config": Config()}))
    finally:
        sys.path.remove(str(upstream))
        sys.modules.pop("tinyconfig", None)


def answers(repo: Path) -> list[str]:
    found = json.loads((workspace(repo) / "outputs/predictions.json").read_text())["items"]
    return [item["result"]["label"] for item in found]


def match(repo: Path) -> dict[str, Any]:
    return dict(json.loads((workspace(repo) / "outputs/match.json").read_text()))


@pytest.fixture
def made(made_repo: Callable[..., Path]) -> Callable[..., Path]:
    """Make a repository whose checkpoint has this suffix, with this adapter."""

    def make(suffix: str, adapter: str) -> Path:
        return made_repo(adapter=adapter, experiment=EXPERIMENT.replace("tiny.onnx", f"tiny.{suffix}"))

    return make


def trusted(repo: Path, file: str) -> str:
    return f"trust: {hashlib.sha256((repo / file).read_bytes()).hexdigest()}\n"


def test_weights_run_as_data_with_a_recipe_that_builds(made: Callable[..., Path]) -> None:
    repo = made("safetensors", AS_DATA)
    as_safetensors(repo / "weights/tiny.safetensors")
    assert "measure" in built(repo)
    assert answers(repo) == ["dark", "dark", "bright", "bright"]
    assert match(repo)["status"]["reason"] == "the recipe's build makes the model"


def test_a_pickle_is_read_as_data_whatever_code_it_names(made: Callable[..., Path]) -> None:
    repo = made("pkl", AS_DATA)
    as_pickle(repo / "weights/tiny.pkl", repo / "upstream")
    assert "measure" in built(repo)
    assert answers(repo) == ["dark", "dark", "bright", "bright"]
    said = (workspace(repo) / "reports/stakeholder-report.md").read_text()
    assert "it names code that is not known here: tinyconfig.Config" in said


def test_code_that_a_pickle_names_is_reached_only_on_trust(made: Callable[..., Path]) -> None:
    repo = made("pkl", AS_FILE)
    as_pickle(repo / "weights/tiny.pkl", repo / "upstream")
    done = doit(repo, "report", "exp=tiny")
    assert done.code == 1
    assert "loading it would reach numpy." in done.err and "nobody trusted the file" in done.err
    line = trusted(repo, "weights/tiny.pkl")
    assert line.strip() in done.err
    edit(repo / "experiments/tiny.yaml", "device: cpu\n", "device: cpu\n" + line)
    assert "infer" in built(repo)
    assert match(repo)["trusted"] is True
    assert answers(repo) == ["dark", "dark", "bright", "bright"]


def test_a_trust_in_another_file_is_refused(made: Callable[..., Path]) -> None:
    repo = made("pkl", AS_FILE)
    path = repo / "weights/tiny.pkl"
    as_pickle(path, repo / "upstream")
    edit(repo / "experiments/tiny.yaml", "device: cpu\n", "device: cpu\n" + trusted(repo, "weights/tiny.pkl"))
    path.write_bytes(path.read_bytes() + pickle.dumps({}))
    done = doit(repo, "report", "exp=tiny")
    assert (done.code, done.err.count("assay: ")) == (2, 1)
    assert "trust names" in done.err and trusted(repo, "weights/tiny.pkl").strip() in done.err


def test_a_program_without_trust_is_described_and_not_run(made: Callable[..., Path]) -> None:
    repo = made("pt", ADAPTER)
    shutil.copy(DATA / "torch/script.pt", repo / "weights/tiny.pt")
    assert "report" in built(repo)
    status = match(repo)["status"]
    assert status["word"] == "blocked"
    assert status["reason"] == "loading it runs code: TorchScript is a program: loading it runs code of its maker"
    assert trusted(repo, "weights/tiny.pt").strip() in status["question"]
    report = (workspace(repo) / "reports/experiment-report.md").read_text()
    assert "NOT DECIDED" in report and "Loading it as its maker meant runs code" in report


def test_upstreams_code_wants_a_sandbox_unless_told_otherwise(made_repo: Callable[..., Path]) -> None:
    repo = made_repo()
    edit(repo / "experiments/tiny.yaml", "sandbox: plain\n", "")
    done = doit(repo, "infer", "exp=tiny", ASSAY_SANDBOX="plain")
    assert done.code == 3
    assert "upstream's code runs in no isolation weaker than landlock, and here works plain" in done.err
    edit(repo / "experiments/tiny.yaml", "device: cpu\n", "device: cpu\nsandbox: plain\n")
    done = doit(repo, "infer", "exp=tiny", ASSAY_SANDBOX="plain")
    assert done.code == 0, done.text
    runtime = json.loads((workspace(repo) / "outputs/infer.json").read_text())["runtime"]
    assert runtime["isolation"] == "plain"


def test_an_adapter_of_ones_own_needs_no_sandbox(made_repo: Callable[..., Path]) -> None:
    alone = ADAPTER.replace("from scale import to_unit\n", "\n\ndef to_unit(grey):\n    return grey / 255.0\n")
    alone = alone.replace("    from names import NAMES\n", '    NAMES = ["dark", "bright"]\n')
    repo = made_repo(adapter=alone)
    edit(repo / "experiments/tiny.yaml", "sandbox: plain\n", "")
    done = doit(repo, "infer", "exp=tiny", ASSAY_SANDBOX="plain")
    assert done.code == 0, done.text


def test_no_secret_of_the_environment_is_written_anywhere(repo: Path) -> None:
    edit(
        repo / "recipes/tiny/adapter.py", "def preprocess(", "import os\n\nprint(dict(os.environ))\n\n\ndef preprocess("
    )
    secrets = {"SECRET_TOKEN": "canary-7461", "HF_TOKEN": "canary-7462", "AWS_SECRET_ACCESS_KEY": "canary-7463"}
    done = doit(repo, "report", "exp=tiny", **secrets)
    assert done.code == 0, done.text
    written = [p for p in (repo / "tmp").rglob("*") if p.is_file()]
    assert any(b"PATH" in p.read_bytes() for p in written if p.suffix == ".log")
    assert not [p for p in written if b"canary-746" in p.read_bytes()]
    assert "canary" not in done.text


def test_inspect_says_what_to_trust(made: Callable[..., Path]) -> None:
    repo = made("pkl", AS_FILE)
    as_pickle(repo / "weights/tiny.pkl", repo / "upstream")
    line = trusted(repo, "weights/tiny.pkl")
    assert line.strip() in tool(repo, "inspect", "tiny").out
    edit(repo / "experiments/tiny.yaml", "device: cpu\n", "device: cpu\n" + line)
    assert "trusted   yes" in doit(repo, "inspect", "exp=tiny").out
