"""Find the arithmetic right behind a graph's inputs: normalisation that the graph does itself."""

import struct
from dataclasses import dataclass, field

from assay.formats import onnx_tensor
from assay.formats.onnx_tensor import Values, written
from assay.formats.wire import Field, Span, Wire, short_float, signed

STEPS = ("Cast", "Sub", "Div", "Mul", "Add", "Transpose")
LONGEST = 12  # a chain longer than this is the model itself


@dataclass
class Node:
    """One node of a graph."""

    op: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: list[Field] = field(default_factory=list)


@dataclass
class Behind:
    """What reads one tensor: how many nodes, and the last of them when it is a step."""

    readers: int = 0
    text: str = ""
    output: str = ""


class Chains:
    """Follow each input through nodes given in the graph's order."""

    def __init__(self, wire: Wire, inputs: "list[str]", constants: "dict[str, Values | str]") -> None:
        self.wire, self.inputs, self.constants = wire, inputs, constants
        self._behind = {name: Behind() for name in inputs}

    def see(self, node: Node) -> None:
        """Take note of one node."""
        if node.op == "Constant" and node.outputs:
            self._constant(node)
        for name in set(node.inputs) & self._behind.keys():
            behind = self._behind[name]
            behind.readers += 1
            text = self._text(node, name)
            if text and len(node.outputs) == 1 and len(self._behind) < LONGEST * (1 + len(self.inputs)):
                behind.text, behind.output = text, node.outputs[0]
                self._behind.setdefault(node.outputs[0], Behind())

    def steps(self) -> "dict[str, list[str]]":
        """Name the steps behind each input that has some."""
        found: dict[str, list[str]] = {}
        for name in self.inputs:
            steps: list[str] = []
            behind = self._behind[name]
            while behind.readers == 1 and behind.text and len(steps) < LONGEST:
                steps.append(behind.text)
                behind = self._behind.get(behind.output, Behind())
            if steps:
                found[name] = steps
        return found

    def _text(self, node: Node, name: str) -> str:
        if node.domain not in ("", "ai.onnx") or node.op not in STEPS:
            return ""
        if node.op == "Cast":
            return f"Cast {self._cast(node)}"
        if node.op == "Transpose":
            order = self._order(node)
            return f"Transpose [{', '.join(map(str, order))}]" if order else "Transpose reversed"
        if len(node.inputs) != 2 or node.inputs[0] == node.inputs[1]:
            return ""
        second = node.inputs[0] == name
        other = self.constants.get(node.inputs[1 if second else 0])
        if other is None:
            return ""
        text = other if isinstance(other, str) else written(other)
        swapped = not second and node.op in ("Sub", "Div")
        return f"{node.op} of {text} by it" if swapped else f"{node.op} {text}"

    def _cast(self, node: Node) -> str:
        for name, parts in self._named(node):
            if name == "to":
                return next((onnx_tensor.dtype(p.value) for p in parts if p.number == 3), "unknown")
        return "unknown"

    def _order(self, node: Node) -> "list[int]":
        for name, parts in self._named(node):
            if name == "perm":
                return [n for p in parts if p.number == 8 for n in self.wire.numbers(p)]
        return []

    def _constant(self, node: Node) -> None:
        for name, parts in self._named(node):
            value = self._attribute(name, parts)
            if value is not None:
                self.constants[node.outputs[0]] = value

    def _attribute(self, name: str, parts: "list[Field]") -> "Values | str | None":
        if name == "value":
            spans = [p.span for p in parts if p.number == 5]
            return constant(self.wire, spans[0]) if spans else None
        if name == "value_float":
            found = [struct.unpack("<f", self.wire.read(p.span))[0] for p in parts if p.number == 2]
            return tuple(short_float(f) for f in found) or None
        if name == "value_int":
            return tuple(signed(p.value) for p in parts if p.number == 3) or None
        return None

    def _named(self, node: Node) -> "list[tuple[str, list[Field]]]":
        found = []
        for attribute in node.attributes:
            parts = list(self.wire.fields(attribute.span))
            name = next((self.wire.text(p.span, 1024) for p in parts if p.number == 1), "")
            found.append((name, parts))
        return found


def constant(wire: Wire, span: Span) -> "Values | str":
    """Give a constant's numbers, or its shape and type when there are many."""
    stored = onnx_tensor.read(wire, span)
    return describe(wire, stored)


def describe(wire: Wire, stored: onnx_tensor.Stored) -> "Values | str":
    """Give a small tensor's numbers, or its type and shape."""
    numbers = onnx_tensor.values(wire, stored)
    if numbers:
        return numbers
    return f"{stored.dtype}[{', '.join(map(str, stored.dims))}]"
