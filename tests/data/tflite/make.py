"""Make the TensorFlow Lite files of this folder, and expected.json as LiteRT's interpreter reads them.

Made with ai-edge-litert 2.3.0 (its schema and its interpreter), flatbuffers 25.12.19 and numpy 2.4.6.
"""

import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

HERE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
LABELS = ["tench", "goldfish", "great white shark"]
T, Op = schema.TensorType, schema.BuiltinOperator


class Maker:
    """A model, put together piece by piece."""

    def __init__(self, description):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = description
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.model.subgraphs = [], []
        self.model.metadata, self.model.signatureDefs = [], []

    def buffer(self, data):
        one = schema.BufferT()
        one.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(one)
        return len(self.model.buffers) - 1

    def graph(self, name):
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = name, [], [], [], []
        self.model.subgraphs.append(graph)
        return graph

    def tensor(self, graph, name, shape, kind, data=None, scale=None, zero=(0,), axis=0, signature=None):
        one = schema.TensorT()
        one.name, one.shape, one.type, one.hasRank = name, list(shape), kind, True
        one.buffer = self.buffer(data) if data is not None else 0
        one.shapeSignature = signature
        if scale is not None:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = list(scale), list(zero)
            one.quantization.quantizedDimension = axis
        graph.tensors.append(one)
        return len(graph.tensors) - 1

    def node(self, graph, code, inputs, outputs, options_type=0, options=None, custom=None):
        known = [(c.builtinCode, c.customCode) for c in self.model.operatorCodes]
        if (code, custom) not in known:
            one = schema.OperatorCodeT()
            one.builtinCode, one.deprecatedBuiltinCode = code, min(code, 127)
            one.customCode, one.version = custom, 1
            self.model.operatorCodes.append(one)
            known.append((code, custom))
        one = schema.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs = known.index((code, custom)), inputs, outputs
        one.builtinOptionsType, one.builtinOptions = options_type, options
        graph.operators.append(one)

    def metadata(self, name, data):
        one = schema.MetadataT()
        one.name, one.buffer = name, self.buffer(data)
        self.model.metadata.append(one)

    def signature(self, key, graph, inputs, outputs):
        one = schema.SignatureDefT()
        one.signatureKey, one.subgraphIndex = key, graph
        one.inputs, one.outputs = [self._map(i) for i in inputs], [self._map(o) for o in outputs]
        self.model.signatureDefs.append(one)

    def _map(self, pair):
        one = schema.TensorMapT()
        one.name, one.tensorIndex = pair
        return one

    def bytes(self):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def floats():
    """Make a float model with a batch that may vary, a signature, metadata."""
    make, numbers = Maker("made for tests"), np.random.default_rng(2)
    graph = make.graph("main")
    x = make.tensor(graph, "x", (1, 4), T.FLOAT32, signature=[-1, 4])
    w = make.tensor(graph, "dense/kernel", (3, 4), T.FLOAT32, numbers.normal(size=(3, 4)).astype("f4").tobytes())
    b = make.tensor(graph, "dense/bias", (3,), T.FLOAT32, np.array([0.5, -1, 2], "f4").tobytes())
    y = make.tensor(graph, "dense/y", (1, 3), T.FLOAT32, signature=[-1, 3])
    z = make.tensor(graph, "softmax", (1, 3), T.FLOAT32, signature=[-1, 3])
    make.node(
        graph,
        Op.FULLY_CONNECTED,
        [x, w, b],
        [y],
        schema.BuiltinOptions.FullyConnectedOptions,
        schema.FullyConnectedOptionsT(),
    )
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    make.node(graph, Op.SOFTMAX, [y], [z], schema.BuiltinOptions.SoftmaxOptions, options)
    graph.inputs, graph.outputs = [x], [z]
    make.metadata("min_runtime_version", b"2.3.0" + bytes(11))
    make.metadata("CONVERSION_METADATA", bytes(range(40)))
    make.signature("serving_default", 0, [("image", x)], [("scores", z)])
    return make


def quantised():
    """Make an int8 model: one scale for the input, one per output channel for the kernel."""
    make, numbers = Maker("int8, made for tests"), np.random.default_rng(3)
    graph = make.graph("main")
    x = make.tensor(graph, "x", (1, 4), T.INT8, scale=[0.0078125], zero=[-128])
    kernel = numbers.integers(-127, 128, size=(3, 4), dtype=np.int8)
    w = make.tensor(graph, "kernel", (3, 4), T.INT8, kernel.tobytes(), scale=[0.5, 0.25, 0.125], zero=[0, 0, 0])
    b = make.tensor(
        graph, "bias", (3,), T.INT32, np.array([1, 2, 3], "i4").tobytes(), scale=[2**-8, 2**-9, 2**-10], zero=[0, 0, 0]
    )
    y = make.tensor(graph, "y", (1, 3), T.INT8, scale=[0.05], zero=[3])
    make.node(
        graph,
        Op.FULLY_CONNECTED,
        [x, w, b],
        [y],
        schema.BuiltinOptions.FullyConnectedOptions,
        schema.FullyConnectedOptionsT(),
    )
    graph.inputs, graph.outputs = [x], [y]
    return make


def appended(data):
    """Append files as TensorFlow's own metadata writer does."""
    whole = io.BytesIO(data)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, text in (("labels.txt", "\n".join(LABELS) + "\n"), ("vocab.txt", "a\nb\n")):
            archive.writestr(zipfile.ZipInfo(name), text)
    return whole.getvalue()


def outlying(make):
    """Move the numbers behind the FlatBuffer, as models of more than 2 GB have them."""
    moved = [b for b in make.model.buffers if b.data is not None and len(b.data)]
    payloads = [b.data.tobytes() for b in moved]
    for one in moved:
        one.data, one.offset, one.size = None, 2, 2  # room for the real ones
    size = -(-len(make.bytes()) // 16) * 16
    at = size
    for one, payload in zip(moved, payloads):
        one.offset, one.size = at, len(payload)
        at += -(-len(payload) // 16) * 16
    head = make.bytes()
    assert len(head) <= size
    tail = b"".join(p.ljust(-(-len(p) // 16) * 16, b"\0") for p in payloads)
    return head.ljust(size, b"\0") + tail


def detail(one):
    quant = one["quantization_parameters"]
    return {
        "name": one["name"],
        "dtype": np.dtype(one["dtype"]).name,
        "shape": [None if n < 0 else int(n) for n in one["shape_signature"]],
        "scales": [float(s) for s in quant["scales"]],
        "zero_points": [int(z) for z in quant["zero_points"]],
    }


def read(path):
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    inside = {t["index"] for t in interpreter.get_input_details() + interpreter.get_output_details()}
    weights = []
    for one in interpreter.get_tensor_details():
        if one["index"] in inside or one["name"] == "dense/y" or not one["name"]:
            continue
        data = interpreter.get_tensor(one["index"]).tobytes()
        weights.append(detail(one) | {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    return {
        "inputs": [detail(t) for t in interpreter.get_input_details()],
        "outputs": [detail(t) for t in interpreter.get_output_details()],
        "weights": weights,
        "signatures": {k: {s: list(n) for s, n in v.items()} for k, v in interpreter.get_signature_list().items()},
    }


def main():
    (HERE / "tiny.tflite").write_bytes(floats().bytes())
    (HERE / "outlying.tflite").write_bytes(outlying(floats()))
    (HERE / "labelled.tflite").write_bytes(appended(quantised().bytes()))
    expected = {path.name: read(path) for path in sorted(HERE.glob("*.tflite"))}
    (HERE / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
