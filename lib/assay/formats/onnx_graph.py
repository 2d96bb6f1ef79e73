"""Walk an ONNX file's graph without onnx: the weights are skipped, so 2 GB cost what 2 kB cost."""

from collections import Counter
from pathlib import Path

from assay.formats import onnx_steps, onnx_tensor
from assay.formats.content import Stretch
from assay.formats.onnx_external import Outside
from assay.formats.onnx_steps import Chains, Node
from assay.formats.onnx_tensor import Stored, Values
from assay.formats.torch_objects import width
from assay.formats.wire import Field, Span, Wire, signed
from assay.records import Tensor, Weight

DEEPEST = 64  # subgraphs inside subgraphs
MOST_METADATA = 1000
MOST_WEIGHTS = 200_000
OWN_DOMAINS = {"": "", "ai.onnx": ""}
Operator = tuple[str, str]  # domain and name; the domain of ONNX itself is ""


class Model:
    """What is gathered while the file is walked."""

    def __init__(self, wire: Wire, path: Path) -> None:
        self.wire, self.outside = wire, Outside(wire, path)
        self.risks: set[str] = set()
        self.opset: dict[str, int] = {}
        self.metadata: dict[str, str] = {}
        self.producer = ["", ""]
        self.ir = 0
        self.ops: Counter[str] = Counter()
        self.used: dict[Operator, None] = {}
        self.functions: dict[Operator, set[Operator]] = {}  # that the model brings along, and what each calls
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.weights: list[Weight] = []
        self.stretches: list[Stretch] = []
        self.unread: Counter[str] = Counter()
        self.stored: set[str] = set()
        self.steps: dict[str, list[str]] = {}
        self.read()

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
        called: set[Operator] = set()
        for part in self.wire.fields(span):
            if part.number == 1:
                name = self.wire.text(part.span, 1024)
            elif part.number == 10:
                domain = self.wire.text(part.span, 1024)
            elif part.number == 7:
                node = self._node(part.span)
                called.add((node.domain, node.op))
        self.functions[OWN_DOMAINS.get(domain, domain), name] = called

    # ------------------------------------------------------------ the main graph
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
        given = {"", *self.stored, *(tensor.name for tensor in self.inputs)}
        made, read, early = set(given), set(), False
        for part in self.wire.fields(span):
            if part.number != 1:
                continue
            node = self._node(part.span)
            self._count(node, 0)
            chains.see(node)
            early = early or not made.issuperset(node.inputs)
            for name in node.outputs:
                if name and name in made:
                    raise self.wire.damaged(f"damaged: {name!r} is made twice", "export it again")
                made.add(name)
            read.update(node.inputs)
        for name in sorted((read | {tensor.name for tensor in self.outputs}) - made):
            raise self.wire.damaged(f"damaged: {name!r} is read, but nothing makes it", "export it again")
        if early:
            self._order(span, given)

    def _order(self, span: Span, ready: "set[str]") -> None:
        """Tell nodes that are out of order from a cycle, which can never be computed."""
        waiting = [self._node(part.span) for part in self.wire.fields(span) if part.number == 1]
        self.risks.add("its nodes are out of order: some runtimes refuse that")
        readers: dict[str, list[int]] = {}
        lacking = []
        for i, node in enumerate(waiting):
            wanted = set(node.inputs) - ready
            lacking.append(len(wanted))
            for name in wanted:
                readers.setdefault(name, []).append(i)
        free = [i for i, count in enumerate(lacking) if not count]
        for i in free:
            for name in waiting[i].outputs:
                for reader in readers.pop(name, ()):
                    lacking[reader] -= 1
                    free += [reader] * (not lacking[reader])
        if len(free) < len(waiting):
            name = next(n for i, node in enumerate(waiting) if lacking[i] for n in node.outputs)
            raise self.wire.damaged(f"damaged: {name!r} depends on itself: a cycle", "export it again")

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
        self.used[node.domain, node.op] = None
        for attribute in node.attributes:
            for part in self.wire.fields(attribute.span):
                if part.number in (5, 10, 22, 23):
                    self._store(part, node.outputs[0] if node.outputs else "")
                elif part.number in (6, 11):
                    self._subgraph(part.span, depth + 1)

    def _subgraph(self, span: Span, depth: int) -> None:
        if depth > DEEPEST:
            raise self.wire.damaged(f"its graphs are nested more than {DEEPEST} deep, which no real model does", "")
        for part in self.wire.fields(span):
            if part.number == 1:
                self._count(self._node(part.span), depth)
            elif part.number in (5, 15):
                self._store(part)

    # ------------------------------------------------------------ tensors
    def _store(self, part: Field, name: str = "") -> Stored:
        """Note one stored tensor: an initialiser or a constant, in whatever graph."""
        spans = [part.span]
        if part.number in (15, 22, 23):  # a sparse tensor: its values are a tensor of their own
            spans = [inner.span for inner in self.wire.fields(part.span) if inner.number == 1]
        if not spans:
            return Stored()
        stored = onnx_tensor.read(self.wire, spans[0])
        if stored.outside:
            self.outside.check(stored)
        if len(self.weights) >= MOST_WEIGHTS:
            raise self.wire.damaged(f"holds more than {MOST_WEIGHTS} tensors, which no real model does", "")
        place = onnx_tensor.place(stored)
        weight = Weight(
            name=stored.name or name, dtype=stored.dtype, shape=stored.dims, parameters=stored.elements,
            bytes=stored.bytes, at=place[1] if place else None, file=place[0] if place else "",
        )  # fmt: skip
        self.weights.append(weight)
        if place and stored.bytes and width(stored.dtype):
            self.stretches.append(Stretch(place[0], place[1], stored.bytes, stored.dtype, [weight.name]))
        elif stored.bytes:
            self.unread[f"kept as {stored.dtype} in a form of its own"] += 1
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
