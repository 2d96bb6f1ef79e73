"""Our reader of ONNX against the onnx package's own answers, and against damage."""

import resource
import struct
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assay.errors import WrongInput
from assay.formats.content import Content
from assay.formats.tree import members
from looked import looked, recognised

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

MODELS = Path(__file__).parents[4] / "shared" / "models"
REAL = sorted(MODELS.rglob("*.onnx"))


def read(path: Path) -> Content:
    form, content = looked(path)
    assert (form.name, form.runs_here, form.needs) == ("onnx", True, "")
    assert content.graph is not None
    return content


def held(content: Content) -> tuple[int, int]:
    """Count the numbers and bytes of all tensors."""
    return sum(t.parameters for t in content.tensors), sum(t.bytes for t in content.tensors)


def saved(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] = (), **more: Any
) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], **more), path)
    return path


def value(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def graphs(graph: Any) -> Any:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                if inner.node:
                    yield from graphs(inner)


def tensors(model: Any) -> Any:
    for graph in graphs(model.graph):
        yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                yield from ([attribute.t] if attribute.HasField("t") else [])


def expected_io(entries: Any, stored: set[str]) -> list[tuple[str, str, list[Any]]]:
    found = []
    for entry in entries:
        tensor = entry.type.tensor_type
        dims = [d.dim_param or (d.dim_value if d.HasField("dim_value") else None) for d in tensor.shape.dim]
        if entry.name not in stored:
            found.append((entry.name, str(helper.tensor_dtype_to_np_dtype(tensor.elem_type)), dims))
    return found


@pytest.mark.skipif(not REAL, reason="the shared models are not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_models_as_the_onnx_package_reads_them(path: Path) -> None:
    content = read(path)
    graph = content.graph
    model = onnx.load(path)
    stored = {tensor.name for tensor in model.graph.initializer}
    assert [(t.name, t.dtype, t.shape) for t in graph.inputs] == expected_io(model.graph.input, stored)
    assert [(t.name, t.dtype, t.shape) for t in graph.outputs] == expected_io(model.graph.output, set())
    ops = Counter(node.op_type for inner in graphs(model.graph) for node in inner.node)
    assert graph.ops == dict(ops)
    assert graph.nodes == sum(ops.values())
    arrays = [numpy_helper.to_array(tensor) for tensor in tensors(model)]
    assert held(content) == (sum(array.size for array in arrays), sum(array.nbytes for array in arrays))
    for tensor in content.tensors:
        if tensor.at is not None and tensor.name in stored:
            array = next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == tensor.name)
            assert path.read_bytes()[tensor.at : tensor.at + tensor.bytes] == array.tobytes()
    assert graph.ir_version == model.ir_version
    assert graph.opset == {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    assert graph.producer == " ".join(filter(None, [model.producer_name, model.producer_version]))
    assert content.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert content.risks == []


@pytest.mark.skipif(not REAL, reason="the shared models are not here")
def test_other_real_files_are_recognised() -> None:
    names = {
        p.name: recognised(p).name for p in MODELS.rglob("*.*") if p.suffix in (".pth", ".jit", ".safetensors")
    }
    assert names == {
        "model_epoch_50.pth": "torch-legacy",
        "silero_vad.jit": "torchscript",
        "silero_vad_16k.safetensors": "safetensors",
        "version-RFB-320.pth": "torch-legacy",
    }


def test_symbols_unknown_dims_types_and_metadata(tmp_path: Path) -> None:
    inputs = [value("x", ["N", 3, None]), value("i", [], TensorProto.INT64)]
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Identity", ["i"], ["j"])]
    outputs = [value("y", None), value("j", [], TensorProto.INT64)]
    path = saved(tmp_path / "m.onnx", nodes, inputs, outputs, producer_name="maker", producer_version="2")
    model = onnx.load(path)
    helper.set_model_props(model, {"names": "{0: 'a'}", "long": "x" * 70_000})
    onnx.save(model, path)
    content = read(path)
    graph = content.graph
    assert [(t.name, t.dtype, t.shape) for t in graph.inputs] == [("x", "float32", ["N", 3, None]), ("i", "int64", [])]
    assert [t.shape for t in graph.outputs] == [None, []]
    assert graph.producer == "maker 2"
    assert content.labels == ["a"]
    assert content.metadata == {"names": "{0: 'a'}", "long": "(left out: 70000 bytes)"}


def test_every_data_type_is_named_and_sized_as_onnx_does(tmp_path: Path) -> None:
    from assay.formats.onnx_tensor import TYPES

    theirs = {number: name for name, number in TensorProto.DataType.items() if number}
    assert set(theirs) <= set(TYPES)
    renamed = {"float": "float32", "double": "float64"}
    for number, name in theirs.items():
        assert TYPES[number][0] == renamed.get(name.lower(), name.lower())


def test_typed_data_counts_as_raw_data_does(tmp_path: Path) -> None:
    constants = [
        helper.make_tensor("f", TensorProto.FLOAT, [2, 3], [1.0] * 6),
        helper.make_tensor("l", TensorProto.INT64, [4], [1, -1, 300, 2]),
        helper.make_tensor("h", TensorProto.FLOAT16, [2], [1.0, 2.0]),
        helper.make_tensor("b", TensorProto.BOOL, [3], [True, False, True]),
        helper.make_tensor("q", TensorProto.INT4, [3], [1, 2, 3]),
        helper.make_tensor("s", TensorProto.STRING, [2], [b"ab", b"c"]),
        helper.make_tensor("e", TensorProto.FLOAT, [0, 4], []),
    ]
    path = saved(
        tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [value("x", [1])], [value("y", [1])], constants
    )
    found = {t.dtype: (t.parameters, t.bytes) for t in read(path).tensors if t.name != "e"}
    assert found == {
        "bool": (3, 3), "float16": (2, 4), "float32": (6, 24), "int4": (3, 2), "int64": (4, 32), "string": (2, 3),
    }  # fmt: skip


def test_arithmetic_behind_the_input_is_told(tmp_path: Path) -> None:
    mean = numpy_helper.from_array(
        __import__("numpy").array([123.675, 116.28, 103.53], "float32").reshape(1, 3, 1, 1), "mean"
    )
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["b", "mean"], ["c"]),
        helper.make_node("Constant", [], ["scale"], value=helper.make_tensor("", TensorProto.FLOAT, [], [0.0171])),
        helper.make_node("Mul", ["scale", "c"], ["d"]),
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Sub", ["one", "d"], ["e"]),
        helper.make_node("Relu", ["e"], ["y"]),
        helper.make_node("Identity", ["plain"], ["z"]),
    ]
    inputs = [value("x", ["N", 4, 4, 3], TensorProto.UINT8), value("plain", [1])]
    graph = read(saved(tmp_path / "m.onnx", nodes, inputs, [value("y", None), value("z", [1])], [mean])).graph
    assert graph.input_steps == {
        "x": [
            "Cast float32",
            "Transpose [0, 3, 1, 2]",
            "Sub [123.675, 116.28, 103.53]",
            "Mul 0.0171",
            "Sub of 1.0 by it",
        ]
    }


def test_an_input_that_is_read_twice_has_no_chain(tmp_path: Path) -> None:
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    nodes = [helper.make_node("Mul", ["x", "half"], ["a"]), helper.make_node("Add", ["a", "x"], ["y"])]
    graph = read(saved(tmp_path / "m.onnx", nodes, [value("x", [1])], [value("y", [1])], [half])).graph
    assert graph.input_steps == {}


def test_external_data_is_named_and_measured(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(__import__("numpy").ones((8, 8), "float32"), "w")
    path = saved(
        tmp_path / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", [1, 8])],
        [value("y", [1, 8])],
        [weights],
    )
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="m.data", size_threshold=0)
    content = read(path)
    assert (content.external, held(content)) == (["m.data"], (64, 256))
    assert (content.tensors[0].file, content.stretches[0].file) == ("m.data", "m.data")
    assert [name for name, _ in members(path, content.external)] == ["m.onnx", "m.data"]
    (tmp_path / "m.data").write_bytes(b"\0" * 100)
    with pytest.raises(WrongInput, match=r"truncated: tensor 'w' ends at byte 256 of m\.data, which has 100"):
        looked(path)
    (tmp_path / "m.data").unlink()
    with pytest.raises(WrongInput, match=r"m\.data is missing"):
        looked(path)
    (tmp_path / "m.data").symlink_to("/etc/passwd")
    with pytest.raises(WrongInput, match="outside the model's folder"):
        looked(path)


@pytest.mark.parametrize("location", ["../x", "/etc/passwd", "a/../../x", "", "C:\\x", "a\nb"])
def test_external_data_must_stay_in_the_folder(tmp_path: Path, location: str) -> None:
    tensor = TensorProto(name="w", dims=[1], data_type=1, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    path = saved(
        tmp_path / "m.onnx",
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [value("x", [1])],
        [value("y", [1])],
        [tensor],
    )
    with pytest.raises(WrongInput, match="external data"):
        looked(path)


def test_an_operator_that_needs_a_library_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mine", ["x"], ["y"], domain="com.mine")]
    content = read(saved(tmp_path / "m.onnx", nodes, [value("x", [1])], [value("y", [1])]))
    assert content.graph.custom_ops == ["com.mine::Mine"]
    assert content.cannot == ["operator com.mine::Mine needs a library of its own"]


def relu(source: str, target: str) -> Any:
    return helper.make_node("Relu", [source], [target])


BROKEN: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "ghost": ([helper.make_node("Add", ["x", "ghost"], ["y"])], {}, "'ghost' is read, but nothing makes it"),
    "twice": ([relu("x", "y"), relu("x", "y")], {}, "'y' is made twice"),
    "cycle": ([helper.make_node("Add", ["x", "b"], ["a"]), relu("a", "b"), relu("b", "y")], {}, "depends on itself"),
    "no_operator": ([helper.make_node("NotAnOp", ["x"], ["y"])], {}, "operator NotAnOp is none of ONNX"),
    "format_of_the_future": ([relu("x", "y")], {"ir_version": 9999}, "file format version 9999 is newer than any known"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_no_runtime_could_compute_is_refused(tmp_path: Path, kind: str) -> None:
    nodes, more, said = BROKEN[kind]
    path = saved(tmp_path / "m.onnx", nodes, [value("x", [1])], [value("y", [1])])
    model = onnx.load(path)
    model.ir_version = more.get("ir_version", model.ir_version)
    onnx.save(model, path)
    with pytest.raises(WrongInput, match=said):
        looked(path)


def test_nodes_out_of_order_are_told_and_no_cycle(tmp_path: Path) -> None:
    content = read(saved(tmp_path / "m.onnx", [relu("a", "y"), relu("x", "a")], [value("x", [1])], [value("y", [1])]))
    assert content.risks == ["its nodes are out of order: some runtimes refuse that"]


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    inner = helper.make_node("F", ["a"], ["b"], domain="mine")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    body = helper.make_function("mine", "F", ["a"], ["b"], [inner], opsets)
    nodes = [helper.make_node("F", ["x"], ["y"], domain="mine")]
    with pytest.raises(WrongInput, match="its function F calls itself"):
        looked(saved(tmp_path / "m.onnx", nodes, [value("x", [1])], [value("y", [1])], functions=[body]))


def test_a_newer_operator_set_is_told_and_an_absurd_one_refused(tmp_path: Path) -> None:
    from assay.formats.onnx import NEWEST_OPSET

    for version, refused in ((NEWEST_OPSET + 1, False), (9999, True)):
        path = saved(tmp_path / "m.onnx", [relu("x", "y")], [value("x", [1])], [value("y", [1])])
        model = onnx.load(path)
        model.opset_import[0].version = version
        onnx.save(model, path)
        said = f"operator set {version} is newer than any known here ({NEWEST_OPSET})"
        if refused:
            with pytest.raises(WrongInput, match="operator set 9999"):
                looked(path)
        else:
            assert read(path).risks == [said]


def test_a_function_that_the_model_brings_is_no_risk(tmp_path: Path) -> None:
    body = helper.make_function(
        "mine", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    nodes = [helper.make_node("F", ["x"], ["y"], domain="mine")]
    content = read(saved(tmp_path / "m.onnx", nodes, [value("x", [1])], [value("y", [1])], functions=[body]))
    assert (content.graph.ops, content.risks, content.cannot) == ({"mine::F": 1}, [], [])


def test_cut_at_every_length(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    weights = [helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])]
    path = saved(tmp_path / "m.onnx", nodes, [value("x", [2])], [value("y", [2])], weights, producer_name="maker")
    whole = path.read_bytes()
    said = Counter()
    for length in range(1, len(whole)):
        cut = tmp_path / "cut.onnx"
        cut.write_bytes(whole[:length])
        with pytest.raises(WrongInput) as caught:
            looked(cut)
        said["truncated" in str(caught.value)] += 1
    assert said[True] > len(whole) * 0.6


def test_two_gigabytes_cost_nothing(tmp_path: Path) -> None:
    """A sparse file: the initializer's bytes are promised and there, and are never read."""
    count = 1_900_000_000 // 4
    small = TensorProto(name="w", dims=[count], data_type=1)
    head = small.SerializeToString() + b"\x4a" + varint(count * 4)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [value("x", [1])], [value("y", [1])])
    rest = graph.SerializeToString()
    body = b"\x2a" + varint(len(head) + count * 4) + head
    model = helper.make_model(helper.make_graph([], "g", [], []), opset_imports=[helper.make_opsetid("", 17)])
    model.ClearField("graph")
    with open(tmp_path / "m.onnx", "wb") as file:
        file.write(model.SerializeToString() + b"\x3a" + varint(len(rest) + len(body) + count * 4) + rest + body)
        file.truncate(file.tell() + count * 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    found = read(tmp_path / "m.onnx")
    assert held(found) == (count, count * 4)
    assert time.process_time() - start < 0.2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += struct.pack("B", number & 127 | 128)
        number >>= 7
    return out + struct.pack("B", number)
