"""Upstream that runs on a data file of its own, by the front door: what the file and variants of it show together."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tiny
from test_claims import record
from tiny import built

onnx = pytest.importorskip("onnx")

RUN = '''\
"""Tell beats apart."""

import numpy as np
import onnxruntime

LENGTH = 400


def main():
    session = onnxruntime.InferenceSession("beats.onnx", providers=["CPUExecutionProvider"])
    beat = np.load("data/beat.npy").astype(np.float32)[:, :LENGTH]
    beat = np.pad(beat, ((0, 0), (0, LENGTH - beat.shape[1])), {how})
    chances = session.run(None, {{"beat": beat[None]}})[0]
    print("beat", int(chances.argmax()))


if __name__ == "__main__":
    main()
'''
EXPERIMENT = """\
model: {{name: beats, checkpoint: weights/beats.onnx, task: classification}}
source: {{path: {name}}}
device: cpu
inputs: {{find: [refs], count: 1}}
measure: {{batch: [1], threads: [1], precision: [fp32], seconds: 0.05}}
sandbox: plain
"""
CHOICE = '''\
"""Tell a beat that is all ones."""

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("beats.onnx", providers=["CPUExecutionProvider"])
beat = np.ones((1, 3, 400), np.float32)
chances = np.exp(session.run(None, {"beat": beat})[0])
chances /= chances.sum()
print("beat", [int(np.random.choice(3, p=chances[0])) for _ in range(40)])
'''
WAYS = {"zeros": '"constant"', "ones": '"constant", constant_values=1', "edges": '"edge"'}


def graph(path: Path) -> None:
    """Write a network that sums each row."""
    from onnx import TensorProto, helper

    sides = [helper.make_tensor_value_info("beat", TensorProto.FLOAT, [1, 3, 400]), helper.make_tensor_value_info("chances", TensorProto.FLOAT, [1, 3])]
    made = helper.make_graph([helper.make_node("ReduceMean", ["beat"], ["chances"], axes=[2], keepdims=0)], "g", sides[:1], sides[1:])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Upstreams that fill up a file of theirs in one way each."""
    root = tiny.make_repo(tmp_path_factory.mktemp("data") / "repo")
    graph(root / "weights/beats.onnx")
    for name, how in WAYS.items():
        (root / name / "data").mkdir(parents=True)
        (root / name / "run.py").write_text(RUN.format(how=how))
        (root / name / "README.md").write_text("# Beats\n\n```\npython run.py\n```\n")
        np.save(root / name / "data/beat.npy", np.random.default_rng(3).normal(size=(3, 300)) + 2)
        tiny.add_experiment(root, name, EXPERIMENT.format(name=name))
    yield root
    assert tiny.left_behind(root) == []


@pytest.mark.parametrize("name", WAYS)
def test_zeros_that_fill_up_a_file_are_told_and_nothing_else_is(repo: Path, name: str) -> None:
    built(repo, name, "contract")
    seen = {c["id"]: c["value"] for c in record(repo, "contract", name)["claims"]}
    assert seen["pre.size"] == [400], record(repo, "probe", name)["observation"]
    assert seen.get("pre.pad") == (0 if name == "zeros" else None)


def test_of_a_graph_on_numbers_of_its_own_only_what_went_in_is_told(repo: Path) -> None:
    (repo / "alone").mkdir()
    (repo / "alone/run.py").write_text(CHOICE)
    (repo / "alone/README.md").write_text("# Beats\n\n```\npython run.py\n```\n")
    tiny.add_experiment(repo, "alone", EXPERIMENT.format(name="alone"))
    built(repo, "alone", "contract")
    assert record(repo, "probe", "alone")["observation"]["status"] == "alone"
    seen = {c["id"]: c["value"] for c in record(repo, "contract", "alone")["claims"]}
    assert (seen["pre.dtype"], seen["pre.size"], seen["io.deterministic"]) == ("float32", [400], False)
    assert "post.activation" not in seen and "labels.names" not in seen
