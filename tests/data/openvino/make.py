"""Make the OpenVINO files of this folder, and expected.json as OpenVINO reads them (openvino 2026.4.1, numpy 2.4.6)."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import Dimension, Model, PartialShape, Type
from openvino import opset13 as op

HERE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
NAMES = ("u1", "u2", "u3", "u4", "u6", "i4", "nf4", "f4e2m1", "f8e4m3", "f8e5m2", "f8e8m0", "bf16")
PACKED = [getattr(Type, n) for n in NAMES]


def two_layers():
    """Make two dense layers, with a batch of 1 to 8 and labels as OpenVINO's own tools write them."""
    numbers = np.random.default_rng(4)
    x = op.parameter(PartialShape([Dimension(1, 8), 4]), np.float32, name="x")
    x.output(0).get_tensor().set_names({"image"})
    hidden = op.matmul(x, op.constant(numbers.normal(size=(4, 6)).astype("f4"), name="first"), False, False)
    hidden = op.relu(op.add(hidden, op.constant(numbers.normal(size=(1, 6)).astype("f2").astype("f4"), name="bias")))
    scores = op.matmul(hidden, op.constant(numbers.normal(size=(6, 3)).astype("f4"), name="second"), False, False)
    scores.output(0).get_tensor().set_names({"scores"})
    model = Model([op.result(scores, name="shown")], [x], "two layers")
    model.set_rt_info("cat dog great_white_shark", ["model_info", "labels"])
    return model


def kinds():
    """Make constants of many types, two of them on the same bytes."""
    results = []
    for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"):
        results.append(op.result(op.constant(np.arange(6).reshape(2, 3).astype(name), name=f"as {name}")))
    for kind in PACKED:
        raw = np.arange(1, 1 + (24 * kind.bitwidth + 7) // 8, dtype=np.uint8)
        packed = op.constant(ov.Tensor(raw, ov.Shape([4, 6]), kind), name=f"as {kind.to_string()}")
        results.append(op.result(packed))
    results += [op.result(op.constant(np.float32([7, 8, 9]), name=name)) for name in ("once", "twice")]
    return Model(results, [], "kinds")


def loop():
    """Make a loop, whose body has an input, an output and a constant of its own."""
    x = op.parameter([2, 3], np.float32, name="x")
    inner = op.parameter([2, 3], np.float32, name="inner")
    more = op.add(inner, op.constant(np.float32([[1, 2, 3]]), name="step"))
    turn = op.constant(np.array(True), name="again")
    body = Model([op.result(more, name="inner result"), op.result(turn)], [inner], "body")
    outer = op.loop(op.constant(np.int64(3), name="turns"), op.constant(np.array(True), name="start"))
    outer.set_function(body)
    outer.set_special_body_ports([-1, 1])
    outer.set_merged_input(inner, x.output(0), body.results[0].output(0))
    out = outer.get_iter_value(body.results[0].output(0), -1)
    return Model([op.result(out, name="y")], [x], "loop")


def constants(model):
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            raw = node.data.tobytes()
            row = {"name": node.get_friendly_name(), "shape": list(node.get_output_shape(0)), "bytes": len(raw)}
            row |= {"type": node.get_output_element_type(0).to_string(), "sha256": hashlib.sha256(raw).hexdigest()}
            found.append(row)
        if node.get_type_name() == "Loop":
            found += constants(node.get_function())
    return sorted(found, key=lambda row: row["name"])


def port(one):
    names, shape = sorted(one.get_names()), one.get_partial_shape()
    ranged = None if shape.rank.is_dynamic else [str(d) for d in shape]
    return {"names": names, "type": one.get_element_type().to_string(), "shape": ranged}


def read(path):
    model = ov.Core().read_model(path)
    kinds_of = [node.get_type_name() for node in model.get_ordered_ops()]
    return {
        "inputs": [port(one) for one in model.inputs],
        "outputs": [port(one) for one in model.outputs],
        "constants": constants(model),
        "layers": {name: kinds_of.count(name) for name in sorted(set(kinds_of))},
    }


def main():
    for name, model, version in (
        ("tiny", two_layers(), "UNSPECIFIED"),
        ("ir10", two_layers(), "IR_V10"),
        ("kinds", kinds(), "UNSPECIFIED"),
        ("loop", loop(), "UNSPECIFIED"),
    ):
        path = HERE / f"{name}.xml"
        ov.serialize(model, path, path.with_suffix(".bin"), version)
        path.write_text(path.read_text().rstrip())  # so that its last byte counts
    expected = {path.name: read(path) for path in sorted(HERE.glob("*.xml"))}
    (HERE / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")


main()
