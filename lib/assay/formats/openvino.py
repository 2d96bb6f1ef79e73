"""An OpenVINO model (IR 10 and 11): its graph as XML, its weights in the .bin beside it."""

import re
from collections import Counter

from assay.formats.content import MOST_NUMBERS, MOST_SIZES, Content, countable, product
from assay.formats.given import Given
from assay.formats.labels import label_names
from assay.formats.opening import shown
from assay.formats.openvino_xml import EXPORT, Document, Layer, Port
from assay.formats.places import Beside, lay_out
from assay.records import Graph, Tensor, Weight

WHAT = "an OpenVINO model (its weights lie in the .bin beside it)"
SUFFIXES = (".xml",)
NEEDS = "OpenVINO"
CARRIES = "closed"
NEWEST_OPSET = 17
# OpenVINO's name for an element type: our name and its bits; 0 when it has no fixed size
TYPES = {
    "f64": ("float64", 64), "f32": ("float32", 32), "f16": ("float16", 16), "bf16": ("bfloat16", 16),
    "f8e4m3": ("float8e4m3fn", 8), "f8e5m2": ("float8e5m2", 8), "f8e8m0": ("float8e8m0", 8),
    "f4e2m1": ("float4e2m1", 4), "nf4": ("nf4", 4), "i64": ("int64", 64), "i32": ("int32", 32), "i16": ("int16", 16),
    "i8": ("int8", 8), "i4": ("int4", 4), "u64": ("uint64", 64), "u32": ("uint32", 32), "u16": ("uint16", 16),
    "u8": ("uint8", 8), "u6": ("uint6", 6), "u4": ("uint4", 4), "u3": ("uint3", 3), "u2": ("uint2", 2),
    "u1": ("uint1", 1), "boolean": ("bool", 8), "string": ("string", 0),
}  # fmt: skip
PRECISIONS = {"bool": "boolean", "bin": "u1", "fp64": "f64", "fp32": "f32", "fp16": "f16"}
OPSET = re.compile(r"opset(\d{1,6})")
RANGE = re.compile(r"\d{1,19}\.\.\d{0,19}|\.\.\d{1,19}")
# What once were extensions and are OpenVINO's own now.
ADOPTED = {
    "ExperimentalDetectronDetectionOutput", "ExperimentalDetectronGenerateProposalsSingleImage", "GRUCell", "Proposal",
    "ExperimentalDetectronPriorGridGenerator", "ExperimentalDetectronROIFeatureExtractor", "RNNCell",
    "ExperimentalDetectronTopKROIs",
}  # fmt: skip
RUNTIMES = ("Runtime_version", "OpenVINO Runtime", "MO_version")  # the keys of what wrote it
MOST_WEIGHTS = 65_536
LONGEST_NUMBER = 19  # digits: more do not fit into 64 bits
MOST_KINDS = 10_000  # of layers, inputs, outputs
LISTED = 100


class Model:
    """What is gathered while the XML is read."""

    def __init__(self, given: Given) -> None:
        self.given, self.beside = given, Beside(given)
        self.file = given.path.with_suffix(".bin").name
        self.ops: Counter[str] = Counter()
        self.opset = 0
        self.custom: set[str] = set()
        self.libraries: list[str] = []
        self.inputs: list[Tensor] = []
        self.results: list[Layer] = []
        self.ranges: dict[str, str] = {}
        self.weights: list[Weight] = []

    def take(self, layer: Layer) -> None:
        """Take a layer."""
        kind, library = layer.says("type"), layer.says("library") or layer.data.get("library", "")
        self.ops[kind] += 1
        self._version(kind, layer.says("version"))
        if max(map(len, (self.ops, self.custom, self.inputs, self.results))) > MOST_KINDS:
            raise self.given.damaged(f"more than {MOST_KINDS} kinds of layers, inputs or outputs", "")
        if library and len(self.libraries) < LISTED:
            self.libraries.append(f"layer {shown(layer.says('name')[:80])} names a library: {shown(library[:200])}")
        if kind == "Const":
            self._weight(layer)
        elif kind == "Parameter" and not layer.inside:
            self._input(layer)
        elif kind == "Result" and not layer.inside:
            self.results.append(layer)

    def _version(self, kind: str, version: str) -> None:
        found = OPSET.fullmatch(version)
        if found:
            self.opset = max(self.opset, int(found[1]))
        elif kind not in ADOPTED or version not in ("extension", "experimental"):
            self.custom.add(f"{version}::{kind}" if version else kind)

    def _input(self, layer: Layer) -> None:
        port = next((p for p in layer.ports if p.output), None)
        name = (port.first_name() if port else "") or layer.says("name")
        shape, ranges = self._sizes(name, layer.data.get("shape", ""))
        self.ranges |= {f"{name}[{axis}]": text for axis, text in ranges.items()}
        self.inputs.append(Tensor(name=name, dtype=_dtype(layer.data.get("element_type", "")), shape=shape))

    def _sizes(self, name: str, text: str) -> "tuple[list[int | str | None] | None, dict[int, str]]":
        """Read a shape as 1,3,?,1..8; what has a range, or is not known, becomes null."""
        if "..." in text:
            return None, {}
        words = self._words(f"{name[:80]!r}", text)
        ranges = {axis: word for axis, word in enumerate(words) if RANGE.fullmatch(word)}
        shape: list[int | str | None] = []
        for axis, word in enumerate(words):
            unknown = axis in ranges or word in ("?", "-1")
            shape.append(None if unknown else self._number(f"{name[:80]!r} has the dimension", word))
        return shape, ranges

    def _weight(self, layer: Layer) -> None:
        """Note a constant, whose numbers must be where the XML says."""
        name, data = layer.says("name"), layer.data
        dtype, bits = TYPES.get(data.get("element_type", ""), (shown(f"type {data.get('element_type', '')[:40]}"), 0))
        told = f"constant {name[:80]!r}:"
        shape = [self._number(f"{told} dimension", word) for word in self._words(told, data.get("shape", ""))]
        at, size = (self._number(f"{told} {key}", data.get(key, "")) for key in ("offset", "size"))
        parameters = product(shape) if countable(shape) else MOST_NUMBERS
        if parameters >= MOST_NUMBERS or len(self.weights) >= MOST_WEIGHTS:
            raise self.given.damaged(f"damaged: {told} too many numbers, or too many constants", EXPORT)
        wanted = -(-parameters * bits // 8) if bits else size
        if size < wanted:
            raise self.given.damaged(f"damaged: {told} needs {wanted} bytes, {size} promised", EXPORT)
        if size:
            self.beside.check(name, self.file, at, size)
        place, file = (at, self.file) if size else (None, "")
        self.weights.append(
            Weight(name=name, dtype=dtype, shape=shape, parameters=parameters, bytes=wanted, at=place, file=file)
        )

    def _words(self, what: str, text: str) -> "list[str]":
        """Part a shape into its sizes."""
        if text.count(",") >= MOST_SIZES:
            raise self.given.damaged(f"damaged: {what} has {text.count(',') + 1} dimensions", EXPORT)
        return [word.strip() for word in text.split(",")] if text.strip() else []

    def _number(self, what: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER):
            raise self.given.damaged(f"damaged: {what} {text[:40]!r}, not a number", EXPORT)
        return int(text)

    def output(self, layer: Layer, document: Document) -> Tensor:
        """Describe an output: it is called as what leads to it; no size may mean one number, or an unknown shape."""
        source = document.names.get(document.sources.get(layer.says("id"), ("", "")), "")
        own = Port(False, "", "", layer.says("output_names")).first_name()
        port = next((p for p in layer.ports if not p.output), Port(False, "", "", ""))
        if len(port.sizes) > MOST_SIZES:
            raise self.given.damaged(f"damaged: an output of {len(port.sizes)} dimensions", EXPORT)
        shape: list[int | str | None] = [int(s) if s.isascii() and s.isdigit() else None for s in port.sizes]
        return Tensor(name=own or source or layer.says("name"), dtype=_dtype(port.precision), shape=shape or None)


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    text = given.head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "XML with a net element" if text[:1] == b"<" and b"<net " in text and b"<layers" in text else ""


def look(given: Given) -> Content:
    """Read what the graph says about itself; of the .bin, its size."""
    content, model = Content(), Model(given)
    document = Document(given, model.take)
    document.read()
    content.metadata = document.metadata
    content.labels = _labels(document.metadata)
    content.graph = _graph(document, model)
    lay_out(content, model.weights)
    content.external = model.beside.names()
    content.quantised = _quantised(model)
    content.cannot = [f"operator {shown(name[:200])} needs a library of its own" for name in sorted(model.custom)[:32]]
    content.risks += model.libraries
    if model.opset > NEWEST_OPSET:
        content.risks.append(f"operator set {model.opset} is newer than any known here ({NEWEST_OPSET})")
    return content


def _graph(document: Document, model: Model) -> Graph:
    told = document.metadata
    runtime = next((told[key] for key in RUNTIMES if told.get(key)), "")
    return Graph(
        inputs=model.inputs,
        outputs=[model.output(layer, document) for layer in model.results],
        opset={"opset": model.opset} if model.opset else {},
        ir_version=document.version,
        producer=f"OpenVINO {runtime}".strip(),
        nodes=sum(model.ops.values()),
        ops=dict(sorted(model.ops.items())),
        custom_ops=sorted(model.custom)[:LISTED],
        ranges=dict(sorted(model.ranges.items())),
    )


def _labels(told: "dict[str, str]") -> "list[str]":
    """Read labels as OpenVINO's own tools write them, or as the model's first exporter did."""
    return told.get("model_info.labels", "").split() or label_names(told.get("framework.names", ""))


def _quantised(model: Model) -> "list[str]":
    small = {name for name, bits in TYPES.values() if 0 < bits <= 8 and name != "bool"}
    kinds = Counter(weight.dtype for weight in model.weights if weight.dtype in small)
    found = [f"{dtype}: {count} constant{'s' * (count != 1)}" for dtype, count in sorted(kinds.items())]
    faked = model.ops["FakeQuantize"] + model.ops["FakeConvert"]
    return found + ([f"FakeQuantize: {faked} layer{'s' * (faked != 1)}"] if faked else [])


def _dtype(word: str) -> str:
    """Name an element type, whether written as f32 or as FP32."""
    small = word.lower()
    return TYPES.get(PRECISIONS.get(small, small), ("unknown", 0))[0]
