"""Read an ONNX file's graph without onnx: the weights are skipped, so 2 GB cost what 2 kB cost."""

from collections import Counter
from pathlib import Path

from assay.errors import WrongInput
from assay.formats import onnx_steps, onnx_tensor
from assay.formats.onnx_external import Outside
from assay.formats.onnx_steps import Chains, Node
from assay.formats.onnx_tensor import Stored, Values
from assay.formats.opening import opened, shown
from assay.formats.wire import BYTES, VARINT, Field, Span, Wire, signed
from assay.records import Format, Graph, Tensor

MODEL_FIELDS = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES, 20: BYTES}
MODEL_FIELDS |= {25: BYTES, 26: BYTES}
NEWEST_OPSET, NEWEST_IR = 28, 14
DEEPEST = 64  # subgraphs inside subgraphs
MOST_METADATA = 1000
OWN_DOMAINS = {"": "", "ai.onnx": ""}
# These operators come with the runtime itself.
BUILT_IN = {"", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.nchwc"}


def looks_like(wire: Wire) -> bool:
    """Tell whether a file is an ONNX model by its outermost fields; a cut one is refused by name."""
    seen: set[int] = set()
    try:
        for part in wire.fields(wire.whole()):
            if MODEL_FIELDS.get(part.number) != part.kind or (len(seen) == 0 and not _plausible_start(part)):
                return False
            seen.add(part.number)
    except WrongInput:
        if seen & {2, 3, 7, 8} and 1 in seen:
            raise
        return False
    return 1 in seen or 7 in seen


def _plausible_start(part: Field) -> bool:
    return part.number != 1 or 0 < part.value < 100_000


def facts(path: Path, format: Format) -> "tuple[Graph | None, list[str]]":
    """Read what the graph says about itself, and what is risky about it."""
    with opened(path) as file:
        model = _Model(Wire(file, shown(path)), path)
        model.read()
        return model.graph(), sorted(model.risks)


class _Model:
    """What is gathered while the file is walked."""

    def __init__(self, wire: Wire, path: Path) -> None:
        self.wire, self.outside = wire, Outside(wire, path)
        self.risks: set[str] = set()
        self.opset: dict[str, int] = {}
        self.metadata: dict[str, str] = {}
        self.producer = ["", ""]
        self.ir = 0
        self.ops: Counter[str] = Counter()
        self.sizes: Counter[str] = Counter()
        self.parameters = 0
        self.functions: set[tuple[str, str]] = set()
        self.foreign: set[tuple[str, str]] = set()
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.stored: set[str] = set()
        self.steps: dict[str, list[str]] = {}

    def graph(self) -> Graph:
        """Give the record."""
        return Graph(
            inputs=self.inputs,
            outputs=self.outputs,
            opset=self.opset,
            ir_version=self.ir,
            producer=" ".join(word for word in self.producer if word),
            nodes=sum(self.ops.values()),
            ops=dict(sorted(self.ops.items())),
            parameters=self.parameters,
            initializer_bytes=sum(self.sizes.values()),
            initializer_dtypes=dict(sorted(self.sizes.items())),
            metadata=self.metadata,
            input_steps=self.steps,
            external_data=self.outside.names(),
        )

    def read(self) -> None:
        """Walk the file."""
        graphs: list[Span] = []
        functions: list[Span] = []
        for part in self.wire.fields(self.wire.whole()):
            if part.number == 7:
                graphs.append(part.span)
            elif part.number == 25:
                functions.append(part.span)
            else:
                self._header(part)
        if len(graphs) != 1:
            raise self.wire.damaged("holds no graph" if not graphs else f"holds {len(graphs)} graphs")
        for span in functions:
            self._function(span)
        self._main(graphs[0])
        self._judge()

    def _header(self, part: Field) -> None:
        if part.number == 1:
            self.ir = part.value
        elif part.number in (2, 3):
            self.producer[part.number - 2] = self.wire.text(part.span, 4096)
        elif part.number == 8:
            domain, version = self._opset(part.span)
            self.opset[domain] = version
        elif part.number == 14 and len(self.metadata) < MOST_METADATA:
            key, value = onnx_tensor.entry(self.wire, part.span)
            if key in self.metadata:
                self.risks.add(f"metadata key {key!r} stands twice: readers differ on which one counts")
            self.metadata[key] = value
        elif part.number == 14:
            self.risks.add(f"more than {MOST_METADATA} metadata entries: the rest was not read")

    def _opset(self, span: Span) -> "tuple[str, int]":
        domain, version = "", 0
        for part in self.wire.fields(span):
            if part.number == 1:
                domain = self.wire.text(part.span, 1024)
            elif part.number == 2:
                version = signed(part.value)
        return OWN_DOMAINS.get(domain, domain) or "ai.onnx", version

    def _function(self, span: Span) -> None:
        """Note a function that the model brings along, and what its body uses."""
        name = domain = ""
        for part in self.wire.fields(span):
            if part.number == 1:
                name = self.wire.text(part.span, 1024)
            elif part.number == 10:
                domain = self.wire.text(part.span, 1024)
            elif part.number == 7:
                node = self._node(part.span)
                self._foreign(node)
        self.functions.add((OWN_DOMAINS.get(domain, domain), name))

    def _main(self, span: Span) -> None:
        constants: dict[str, Values | str] = {}
        inputs: list[Tensor] = []
        for part in self.wire.fields(span):
            if part.number == 11:
                inputs.append(self._value(part.span))
            elif part.number == 12:
                self.outputs.append(self._value(part.span))
            elif part.number in (5, 15):
                stored = self._store(part)
                self.stored.add(stored.name)
                constants[stored.name] = onnx_steps.describe(self.wire, stored)
        self.inputs = [tensor for tensor in inputs if tensor.name not in self.stored]
        if not self.outputs:
            raise self.wire.damaged("its graph has no outputs")
        chains = Chains(self.wire, [tensor.name for tensor in self.inputs], constants)
        self._wiring(span, chains)
        self.steps = chains.steps()

    def _wiring(self, span: Span, chains: Chains) -> None:
        """Walk the main graph's nodes: count them and check that everything read is made somewhere."""
        made = {"", *self.stored, *(tensor.name for tensor in self.inputs)}
        read: set[str] = set()
        early: set[str] = set()
        for part in self.wire.fields(span):
            if part.number != 1:
                continue
            node = self._node(part.span)
            self._count(node, 0)
            chains.see(node)
            early.update(name for name in node.inputs if name not in made)
            for name in node.outputs:
                if name and name in made:
                    self.risks.add(f"{name!r} is made twice")
                made.add(name)
            read.update(node.inputs)
        for name in sorted((read | {tensor.name for tensor in self.outputs}) - made)[:8]:
            self.risks.add(f"{name!r} is read, but nothing makes it")
        for name in sorted(early & made)[:8]:
            self.risks.add(f"{name!r} is read before it is made: a cycle, or nodes out of order")

    def _node(self, span: Span) -> Node:
        node = Node()
        for part in self.wire.fields(span):
            if part.number == 1:
                node.inputs.append(self.wire.text(part.span))
            elif part.number == 2:
                node.outputs.append(self.wire.text(part.span))
            elif part.number == 4:
                node.op = self.wire.text(part.span, 1024)
            elif part.number == 5:
                node.attributes.append(part)
            elif part.number == 7:
                domain = self.wire.text(part.span, 1024)
                node.domain = OWN_DOMAINS.get(domain, domain)
        return node

    def _count(self, node: Node, depth: int) -> None:
        self.ops[f"{node.domain}::{node.op}" if node.domain else node.op] += 1
        self._foreign(node)
        for attribute in node.attributes:
            for part in self.wire.fields(attribute.span):
                if part.number in (5, 10, 22, 23):
                    self._store(part)
                elif part.number in (6, 11):
                    self._subgraph(part.span, depth + 1)

    def _foreign(self, node: Node) -> None:
        if node.domain not in BUILT_IN and len(self.foreign) < 1000:
            self.foreign.add((node.domain, node.op))

    def _subgraph(self, span: Span, depth: int) -> None:
        if depth > DEEPEST:
            raise self.wire.damaged(f"its graphs are nested more than {DEEPEST} deep, which no real model does", "")
        for part in self.wire.fields(span):
            if part.number == 1:
                self._count(self._node(part.span), depth)
            elif part.number in (5, 15):
                self._store(part)

    def _store(self, part: Field) -> Stored:
        """Count one stored tensor: an initialiser or a constant, in whatever graph."""
        spans = [part.span]
        if part.number in (15, 22, 23):  # a sparse tensor: its values are a tensor of their own
            spans = [inner.span for inner in self.wire.fields(part.span) if inner.number == 1]
        stored = onnx_tensor.read(self.wire, spans[0]) if spans else Stored()
        if stored.outside:
            self.outside.check(stored)
        self.parameters += stored.elements if spans else 0
        self.sizes[stored.dtype] += stored.bytes
        return stored

    def _value(self, span: Span) -> Tensor:
        name, kind, shape = "", "unknown", None
        for part in self.wire.fields(span):
            if part.number == 1:
                name = self.wire.text(part.span)
            elif part.number == 2:
                kind, shape = self._type(part.span)
        if shape and any(isinstance(d, int) and d < 0 for d in shape):
            self.risks.add(f"{name!r} declares a negative dimension: taken as unknown")
            shape = [None if isinstance(d, int) and d < 0 else d for d in shape]
        return Tensor(name=name, dtype=kind, shape=shape)

    def _type(self, span: Span) -> "tuple[str, list[int | str | None] | None]":
        wrappers = {4: "sequence", 5: "map", 8: "sparse tensor", 9: "optional"}
        for part in self.wire.fields(span):
            if part.number == 1:
                return self._tensor_type(part.span)
            if part.number in wrappers:
                return wrappers[part.number], None
        return "unknown", None

    def _tensor_type(self, span: Span) -> "tuple[str, list[int | str | None] | None]":
        kind, shape = "unknown", None
        for part in self.wire.fields(span):
            if part.number == 1:
                kind = onnx_tensor.dtype(part.value)
            elif part.number == 2:
                shape = [self._dimension(d.span) for d in self.wire.fields(part.span) if d.number == 1]
        return kind, shape

    def _dimension(self, span: Span) -> "int | str | None":
        found: int | str | None = None
        for part in self.wire.fields(span):
            if part.number == 1:
                found = signed(part.value)
            elif part.number == 2:
                found = self.wire.text(part.span) or None
        return found

    def _judge(self) -> None:
        if not self.opset:
            raise self.wire.damaged("names no operator set, so its operators mean nothing", "export it again")
        for domain, op in sorted(self.foreign - self.functions)[:32]:
            self.risks.add(
                f"operator {shown(op)} of domain {shown(domain)} needs a library of its own: native code, not loaded"
            )
        if self.opset.get("ai.onnx", 0) > NEWEST_OPSET:
            self.risks.add(f"operator set {self.opset['ai.onnx']} is newer than any known here ({NEWEST_OPSET})")
        if self.ir > NEWEST_IR:
            self.risks.add(f"file format version {self.ir} is newer than any known here ({NEWEST_IR})")
