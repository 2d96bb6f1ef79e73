"""Keras archives against what h5py says, against damage, and against configs that ask for code."""

import hashlib
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.errors import WrongInput
from assay.examination import Examination
from assay.formats import keras_config
from assay.formats.content import Content
from looked import looked, refusal
from mangled import answers, flipped

DATA = Path(__file__).parents[2] / "data" / "hdf5"
REAL = DATA / "model.keras"
EXPECTED = json.loads((DATA / "expected.json").read_text())["model.keras"]["tensors"]
WEIGHTS = {name: told for name, told in EXPECTED.items() if not name.startswith("optimizer/")}


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(REAL) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


# ---------------------------------------------------------------- what Keras wrote
def test_weights_lie_where_h5py_sees_them() -> None:
    form, content = looked(REAL)
    assert (form.name, form.by) == ("keras", "zip with config.json and weights in HDF5")
    data = REAL.read_bytes()
    assert [t.name for t in content.tensors] == sorted(WEIGHTS)
    for tensor in content.tensors:
        told = WEIGHTS[tensor.name]
        assert (tensor.dtype, tensor.shape, tensor.at) == (told["dtype"], told["shape"], told["at"])
        assert hashlib.sha256(data[told["at"] : told["at"] + tensor.bytes]).hexdigest()[:16] == told["sha256"]


def test_graph_optimizer_facts_and_code_are_told() -> None:
    _, content = looked(REAL)
    assert content.graph is not None
    assert [(t.name, t.dtype, t.shape) for t in content.graph.inputs] == [("x", "float32", [None, 4])]
    assert [t.name for t in content.graph.outputs] == ["double"]
    assert content.graph.ops == {"Dense": 1, "InputLayer": 1, "Lambda": 1}
    assert content.graph.producer == f"keras {content.metadata['keras_version']}"
    assert content.leftovers == {"optimizer": "2 tensors of 2 numbers"}
    assert content.metadata["layers/dense/vars: name"] == "d"
    assert json.loads(content.metadata["config.json"])["class_name"] == "Sequential"
    assert [(c.name, c.verdict, c.where) for c in content.code] == [("keras.layers.Lambda", "dangerous", "config.json")]
    assert content.trust == ["it holds or asks for code that can do harm: keras.layers.Lambda"]
    assert content.risks == []


def test_a_changed_weight_is_damage(tmp_path: Path) -> None:
    data = bytearray(REAL.read_bytes())
    data[WEIGHTS["layers/dense/vars/0"]["at"]] ^= 1
    (tmp_path / "a.keras").write_bytes(data)
    examined = Examination(tmp_path / "a.keras")
    with pytest.raises(WrongInput, match=r"numbers of model\.weights\.h5 are not what the file's checksum says"):
        examined.record(Digests(), {})


def test_compressed_weights_are_described(tmp_path: Path) -> None:
    _, content = looked(zipped(tmp_path / "a.keras", members(), zipfile.ZIP_DEFLATED))
    assert {t.name: (t.dtype, t.shape, t.at) for t in content.tensors} == {
        name: (told["dtype"], told["shape"], None) for name, told in WEIGHTS.items()
    }
    assert content.unchecked == {"compressed": len(WEIGHTS)}
    assert content.stretches == []


def test_weights_in_parts_are_read_together(tmp_path: Path) -> None:
    files = members()
    first = files.pop("model.weights.h5")
    index = {"weight_map": {"/layers/dense/vars": ["model_00000.weights.h5"], "/vars": "model_00001.weights.h5"}}
    files |= {"model.weights.json": json.dumps(index).encode(), "model_00000.weights.h5": first}
    other = (DATA / "dense.h5").read_bytes()
    _, content = looked(zipped(tmp_path / "a.keras", files | {"model_00001.weights.h5": other}))
    assert [t.name for t in content.tensors] == sorted([*WEIGHTS, *(f"w{i}" for i in range(9))])
    assert content.metadata["model_00001.weights.h5: a1"] == "text 1"
    data = (tmp_path / "a.keras").read_bytes()
    at = {t.name: t.at for t in content.tensors}
    assert struct.unpack_from("<2f", data, at["w5"]) == (5, 5)
    assert "its index names model_00001.weights.h5, which is not in it" in refusal(zipped(tmp_path / "b.keras", files))
    twice = files | {"model_00001.weights.h5": first}
    _, content = looked(zipped(tmp_path / "c.keras", twice))
    assert (
        "tensor 'layers/dense/vars/0' stands in two of its files: readers differ on which one counts" in content.risks
    )


def test_what_else_lies_in_it_is_told(tmp_path: Path) -> None:
    _, content = looked(zipped(tmp_path / "a.keras", members() | {"assets/x/vocabulary.txt": b"a\nb"}))
    assert content.risks == ["1 further members lie in it and are not read, as assets/x/vocabulary.txt"]


# ---------------------------------------------------------------- damage
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model.weights.h5": b"x"}, "model.weights.h5: is no HDF5 file"),
        ({"model.weights.h5": b"\x89HDF\r\n\x1a\n\2"}, "ends too early"),
        ({"metadata.json": b"[]"}, "metadata.json is not a JSON object"),
        ({"metadata.json": b"{"}, "metadata.json is not JSON that can be read"),
        ({"config.json": b"\xff"}, "config.json is not UTF-8"),
        ({"model.weights.json": b'{"weight_map": {"/vars": [7]}}'}, "its index names 7, which is not in it"),
    ],
)
def test_damaged_members_are_refused(tmp_path: Path, changed: dict[str, bytes], said: str) -> None:
    assert said in refusal(zipped(tmp_path / "a.keras", members() | changed))


def test_weights_too_long_to_be_unpacked_are_not_read(tmp_path: Path) -> None:
    files = members() | {"model.weights.h5": bytes(65 << 20)}
    _, content = looked(zipped(tmp_path / "a.keras", files, zipfile.ZIP_DEFLATED))
    assert content.risks == [
        "model.weights.h5 is compressed and too long: its weights are not read", "it holds no tensor",
    ]  # fmt: skip
    assert content.graph is not None


def test_cut_and_flipped_archives_end_in_an_answer(tmp_path: Path) -> None:
    data = REAL.read_bytes()
    read, refused = answers(tmp_path / "a.keras", (data[:length] for length in range(1, len(data), 17)))
    assert (read, refused > 900) == (0, True)
    read, refused = answers(tmp_path / "a.keras", flipped(data, 800, seed=6))
    assert read + refused == 800


# ---------------------------------------------------------------- configs
def described(config: Any, where: str = "config.json") -> Content:
    content = Content()
    keras_config.describe({where: config if isinstance(config, str) else json.dumps(config)}, content)
    return content


def layer(kind: str, name: str = "l", module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"class_name": kind, "config": {"name": name, **config}}
    return made | ({"module": module, "registered_name": None} if module else {})


def model(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Functional", "config": {"name": "m", "layers": list(layers), **more}}


FUNCTION = {"class_name": "function", "registered_name": "function"}


@pytest.mark.parametrize(
    ("found", "name", "verdict"),
    [
        (layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA"}}), "keras.layers.Lambda", "dangerous"),
        (layer("Lambda", None, function=["4wEA", None, None], function_type="lambda"), "keras.layers.Lambda", "dangerous"),
        (layer("Lambda", None, function="mine", function_type="function"), "mine", "unknown"),
        (layer("JaxLayer", call_fn={"class_name": "__lambda__", "config": {"value": ["4wEA"]}}), "keras.layers.JaxLayer", "dangerous"),
        (layer("TorchModuleWrapper", module_="gASV"), "keras.layers.TorchModuleWrapper", "dangerous"),
        (layer("TFSMLayer", filepath="/tmp/evil"), "keras.layers.TFSMLayer", "dangerous"),
        (layer("TFOpLambda", module=None, function="math.multiply"), "tensorflow.math.multiply", "unknown"),
        (layer("TFOpLambda", module=None, function="io.write_file"), "tensorflow.io.write_file", "dangerous"),
        (layer("TensorFlowOpLayer", module=None, node_def='{"name": "x", "op": "ReadFile"}'), "tensorflow.raw_ops.ReadFile", "dangerous"),
        (layer("Mine", module="package.layers"), "package.layers.Mine", "unknown"),
        (layer("Mine", module="numpy"), "numpy.Mine", "unknown"),
        (layer("ndarray", module="numpy"), "numpy.ndarray", "unknown"),
        (layer("system", module="os"), "os.system", "dangerous"),
        (layer("Mine", module=None), "Mine", "unknown"),
        (layer("Dense") | {"registered_name": "other>Dense"}, "other>Dense", "unknown"),
        (layer("Dense", activation=FUNCTION | {"module": "os", "config": "system"}), "os.system", "dangerous"),
        (layer("Dense", activation=FUNCTION | {"module": "builtins", "config": "mine>act"}), "mine>act", "unknown"),
        (layer("Dense", activation=FUNCTION | {"module": "keras.utils", "config": "get_file"}), "keras.utils.get_file", "dangerous"),
        (layer("get_file", module="keras.src.utils.file_utils"), "keras.src.utils.file_utils.get_file", "dangerous"),
        (layer("Dense", spec={"class_name": "__typespec__", "module": "tensorflow", "spec_name": "T"}), "tensorflow.T", "unknown"),
    ],
)  # fmt: skip
def test_code_is_named_wherever_it_hides(found: dict[str, Any], name: str, verdict: str) -> None:
    for config in (model(found), model(layer("Sequential", "inner", layers=[found]))):
        content = described(config)
        assert [(c.name, c.verdict) for c in content.code] == [(name, verdict)]
        assert len(content.trust) == 1 and name in content.trust[0]


def test_code_beside_the_layers_is_named() -> None:
    wanted = {"metrics": [{"class_name": "__lambda__", "config": {"value": ["4wEA"]}}, layer("system", module="os")]}
    content = described(model() | {"compile_config": wanted})
    assert [c.name for c in content.code] == ["keras.layers.Functional", "os.system"]
    assert content.code[0].why.startswith("layer 'm' holds Python bytecode")


@pytest.mark.parametrize(
    "found",
    [
        layer("Dense"),
        layer("Dense", module=None, kernel_initializer={"class_name": "GlorotUniform", "config": {}}),
        layer("Dense", activation=FUNCTION | {"module": "keras.activations", "config": "relu"}),
        layer("Add", module="keras.src.ops.numpy"),
        layer("Functional", module="tensorflow.python.keras.engine.functional"),
        layer("Bidirectional", module=None, layer=layer("LSTM", module=None)),
        {"optimizer_config": {"class_name": "Custom>AdamW", "config": {"name": "AdamW"}}},
        {"class_name": "__numpy__", "config": {"value": [1]}},
        {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}},
    ],
)
def test_what_keras_brings_along_is_no_foreign_code(found: dict[str, Any]) -> None:
    content = described(model(found))
    assert content.code == content.trust == content.risks == []


def test_inputs_outputs_and_nested_layers() -> None:
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}
    config = model(
        layer("InputLayer", "b", batch_shape=[None, 5], dtype=policy),
        layer("InputLayer", "a", batch_input_shape=[2, 8, 8, 3], dtype="float16"),
        layer("Sequential", "inner", layers=[layer("Dense", "d"), layer("Dense", "e")]),
        layer("Concatenate", "c"),
        input_layers=[["a", 0, 0], ["b", 0, 0]],
        output_layers={"p": ["c", 0, 0], "q": ["inner", 0, 0]},
    )
    graph = described(config).graph
    assert graph is not None
    assert [(t.name, t.dtype, t.shape) for t in graph.inputs] == [
        ("a", "float16", [2, 8, 8, 3]), ("b", "bfloat16", [None, 5]),
    ]  # fmt: skip
    assert [t.name for t in graph.outputs] == ["c", "inner"]
    assert (graph.nodes, graph.ops) == (5, {"Concatenate": 1, "Dense": 2, "InputLayer": 2})


def test_a_sequence_takes_its_shape_from_where_it_was_built() -> None:
    graph = described(model(layer("Dense", "d"), build_input_shape=[None, 7])).graph
    assert graph is not None
    assert [(t.name, t.shape) for t in graph.inputs] == [("d", [None, 7])]
    assert [t.name for t in graph.outputs] == ["d"]
    old = described({"class_name": "Sequential", "config": [layer("Dense", "one", module=None)]}).graph
    assert old is not None and old.ops == {"Dense": 1}


def test_a_model_of_own_code_has_no_graph() -> None:
    content = described({"module": "__main__", "class_name": "Net", "config": {}, "registered_name": "Net"})
    assert content.graph is None
    assert [c.name for c in content.code] == ["__main__.Net"]


def test_quantised_layers_and_files_read_when_made_are_told() -> None:
    policy = {"module": "keras", "class_name": "QuantizedDTypePolicy", "config": {"name": "int8_from_float32"}}
    content = described(model(layer("Dense", "d", dtype=policy), layer("StringLookup", "s", vocabulary="/etc/passwd")))
    assert content.quantised == ["d: int8_from_float32"]
    assert content.risks == ["layer 's' would read the file '/etc/passwd' when it is made"]


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", " " * (keras_config.MOST_CONFIG + 1)]
)
def test_a_config_that_cannot_be_looked_through_is_not_trusted(text: str) -> None:
    content = described(text)
    assert content.trust == ["its config.json cannot be looked through: what code it asks for is not known"]


@pytest.mark.parametrize(
    "config",
    [7, None, "x", [], {}, [[]], {"class_name": 7}, {"class_name": "A", "config": 7}, {"class_name": "A", "config": {"layers": 7}},
     {"class_name": "A", "config": {"layers": [{"class_name": []}, 7]}}, model(layer("InputLayer", batch_shape=[None, -1, "x"])),
     model(layer("InputLayer", dtype=["x"]), input_layers=[[["x"]], 7]), model(layer("Lambda", function=7)),
     model(layer("TFOpLambda", module=None, function=[])), model({"class_name": "A", "module": 7, "config": None})],
)  # fmt: skip
def test_odd_configs_end_in_an_answer(config: Any) -> None:
    described(json.dumps(config))


def test_half_a_character_can_still_be_written_down() -> None:
    content = described(
        '{"class_name": "\\ud800", "module": "os", "config": {"layers": [{"class_name": "A\\uD83D\\uDE00"}]}}'
    )
    assert [c.name for c in content.code] == ["os.?", "A😀"]
