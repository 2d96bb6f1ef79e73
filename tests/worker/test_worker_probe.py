"""What the probe finds in small graphs that were built to have one trait each."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assay.records import Probe

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Shape = tuple[Any, ...]
Probed = Callable[..., dict[str, Any]]


def graph(path: Path, nodes: list[Any], inputs: dict[str, Shape], output: str = "y", **arrays: Any) -> None:
    """Write a graph of float inputs and one output of unknown shape."""
    from onnx import TensorProto, helper, numpy_helper

    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def node(kind: str, inputs: str, output: str = "y", **keys: Any) -> Any:
    return onnx.helper.make_node(kind, inputs.split(), [output], **keys)


@pytest.fixture
def probed(ask: Any, workspace: Path) -> Probed:
    """Write a graph and probe it; the answer has to be a record."""

    def asked(
        *nodes: Any, inputs: dict[str, Shape], arrays: dict[str, Any] | None = None, **keys: Any
    ) -> dict[str, Any]:
        path = workspace / "model.onnx"
        graph(path, list(nodes), inputs, **arrays or {})
        named = {"name": path.name, "sha256": "", "format": "onnx"}
        outcome = ask(verb="probe", python=Path(sys.executable), checkpoint=named, checkpoint_file=path, **keys)
        assert outcome.ok, outcome
        msgspec.convert({**outcome.value, "status": {"word": "done"}, "schema": 1}, Probe)
        return dict(outcome.value)

    return asked


def test_sizes_that_have_to_be_multiples(probed: Probed) -> None:
    scales = np.array([1, 1, 32, 32], "float32")
    found = probed(
        node("MaxPool", "x", "p", kernel_shape=[32, 32], strides=[32, 32]),
        onnx.helper.make_node("Resize", ["p", "", "scales"], ["u"], mode="nearest"),
        node("Add", "x u"),
        inputs={"x": ("N", 3, "H", "W")},
        arrays={"scales": scales},
    )
    for key in ("x/2", "x/3"):
        axis = found["axes"][key]
        assert (axis["multiple_of"], axis["minimum"], axis["together"]) == (32, 32, []), axis
    assert found["axes"]["x/0"]["multiple_of"] == 1 and found["batch"] == "works" and found["batch_tried"] == [2, 3, 4]


def test_a_picture_that_has_to_be_square(probed: Probed) -> None:
    found = probed(node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Sub", "x t"), inputs={"x": ("N", 1, "H", "W")})
    assert found["dims"]["x/2"] == found["dims"]["x/3"] == "dynamic"
    assert found["axes"]["x/2"]["together"] == ["x/3"] and found["axes"]["x/2"]["multiple_of"] == 1
    assert "x/2 was only seen to move together with W" in found["notes"]


def test_the_smallest_size(probed: Probed) -> None:
    weight = np.ones((1, 1, 7, 7), "float32")
    found = probed(node("Conv", "x w"), inputs={"x": ("N", 1, "H", 64)}, arrays={"w": weight})
    assert found["axes"]["x/2"]["minimum"] == 7 and 6 in found["axes"]["x/2"]["refused"]
    assert found["dims"]["x/3"] == "fixed" and "x/3" not in found["axes"]


def test_sizes_without_a_rule(probed: Probed) -> None:
    found = probed(
        node("MaxPool", "x", "p", kernel_shape=[8, 8], strides=[8, 8]),
        node("Reshape", "p s"),
        inputs={"x": ("N", 1, 64, "W")},
        arrays={"s": np.array([-1, 1, 8, 8])},
    )
    axis = found["axes"]["x/3"]  # 64 to 71 come to eight columns, 128 to twice as many items
    assert {64, 65, 66, 67, 128} <= set(axis["accepted"]) and found["dims"]["x/3"] == "dynamic"
    assert (axis["step"], axis["multiple_of"], axis["minimum"]) == (None, None, None), axis


def test_three_inputs_whose_batches_have_no_common_name(probed: Probed) -> None:
    found = probed(node("Concat", "a b c", axis=1), inputs={"a": (None, 4), "b": (None, 4), "c": (None, 4)})
    assert found["axes"]["a/0"]["together"] == ["b/0", "c/0"] and found["batch"] == "works"


def test_a_batch_that_is_named_but_baked(probed: Probed) -> None:
    shape = np.array([1, 48])
    found = probed(node("Reshape", "x s"), inputs={"x": ("N", 3, 4, 4)}, arrays={"s": shape})
    assert found["dims"]["x/0"] == "not_observed: refused were 2, 3, alone and with each other dimension"
    assert found["batch"].startswith("not_observed: 2 and 3 along N") and found["batch_tried"] == []


def test_a_batch_that_couples_its_items(probed: Probed) -> None:
    found = probed(node("ReduceMean", "x", "m", axes=[0], keepdims=1), node("Sub", "x m"), inputs={"x": ("N", 8)})
    assert found["batch"] == "coupled" and found["batch_difference"] > 0.1
    assert "depends on what else is in the batch" in found["notes"][-1]


def test_chance_is_told_from_sameness(probed: Probed) -> None:
    found = probed(node("RandomUniformLike", "x", "r"), node("Add", "x r"), inputs={"x": ("N", 8)})
    assert (found["deterministic"], found["stateful"]) == (False, False) and found["repeat"].startswith("random: ")
    assert found["batch"] == "not_observed: the same input does not give the same answer twice"
    found = probed(node("Relu", "x"), inputs={"x": ("N", 8)})
    assert (found["deterministic"], found["stateful"], found["repeat"]) == (True, False, "bitwise equal")


def test_nan_is_kept_swallowed_or_cannot_be(probed: Probed) -> None:
    found = probed(
        node("IsNaN", "x", "n"), node("Where", "n zero x"), inputs={"x": ("N", 8)}, arrays={"zero": np.float32(0)}
    )
    assert found["nan"] == {"x": {"y": "swallowed"}}
    found = probed(node("Softmax", "x", axis=-1), inputs={"x": ("N", 8)})
    assert found["nan"] == {"x": {"y": "NaN everywhere"}}


def test_what_outputs_have_in_common(probed: Probed) -> None:
    found = probed(node("Softmax", "x", axis=1), inputs={"x": ("N", 3, 4)})["ranges"]["y"]
    assert found["sums_to_one"] == 1 and found["within_one"] and not found["constant"] and found["one_hot"] is None
    found = probed(node("Sqrt", "x"), inputs={"x": ("N", 3)})
    assert found["values"]["zeros"] == "ran; all finite" and found["values"]["noise"] == "ran; not all finite: y"
    assert not found["ranges"]["y"]["within_one"]


def test_types_are_tried(probed: Probed) -> None:
    found = probed(node("Relu", "x"), inputs={"x": ("N", 3)})["dtypes"]["x"]
    assert set(found) == {"float16", "float64", "uint8", "int64"}
    assert all(word.startswith("refused: ") and "expected: (tensor(float))" in word for word in found.values())


def test_an_example_is_where_it_starts(probed: Probed, workspace: Path) -> None:
    flat = {"x": ("N", 3, "H", "W")}
    nodes = [node("Reshape", "x s")]
    np.savez(workspace / "one.npz", x=np.full((1, 3, 17, 29), 5, "float32"))
    arrays = {"s": np.array([1, 3 * 17 * 29])}
    assert probed(*nodes, inputs=flat, arrays=arrays)["notes"][0].startswith("no made-up input ran in ")
    found = probed(*nodes, inputs=flat, arrays=arrays, example="one.npz")
    assert found["worked"] == {"x": [1, 3, 17, 29]} and found["observed"][0]["maximum"] == 5.0
    assert found["dims"]["x/2"].startswith("not_observed: refused were ")
    found = probed(node("Relu", "x"), inputs={"x": ("N", 4)}, example="one.npz")
    assert found["notes"][0] == "the example did not run: it gives x, which do not fit" and found["worked"]


def test_what_there_was_no_time_for_is_not_observed(probed: Probed) -> None:
    found = probed(node("Relu", "x"), inputs={"x": ("N", 4)}, seconds=0)
    assert found["worked"] == {} and found["notes"] == ["no made-up input ran in 0 tries; the last error: no time"]
