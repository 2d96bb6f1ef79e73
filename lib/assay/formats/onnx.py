"""ONNX, with its weights inside or in files beside it."""

from assay.errors import WrongInput
from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.labels import label_names
from assay.formats.onnx_graph import Model, Operator
from assay.formats.onnx_operators import OPERATORS
from assay.formats.opening import shown
from assay.formats.wire import BYTES, VARINT, Field, Wire
from assay.records import Graph

WHAT = "an ONNX model"
SUFFIXES = (".onnx",)
NEEDS = ""
CARRIES = "graph"
MODEL_FIELDS = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES, 20: BYTES}
MODEL_FIELDS |= {25: BYTES, 26: BYTES}
NEWEST_OPSET, NEWEST_IR = 28, 14
ABSURD = 20  # versions ahead of the newest: no model, but damage
# These operators come with the runtime itself.
BUILT_IN = {"ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.nchwc"}


def recognise(given: Given) -> str:
    """Say by what it is known; a cut one is refused by name."""
    if given.is_folder:
        return ""
    wire = Wire(given.file, given.where)
    seen: set[int] = set()
    try:
        for part in wire.fields(wire.whole()):
            if MODEL_FIELDS.get(part.number) != part.kind or (not seen and not _plausible_start(part)):
                return ""
            seen.add(part.number)
    except WrongInput:
        if seen & {2, 3, 7, 8} and 1 in seen:
            raise
        return ""
    return "protobuf fields of an ONNX model" if 1 in seen or 7 in seen else ""


def _plausible_start(part: Field) -> bool:
    return part.number != 1 or 0 < part.value < 100_000


def look(given: Given) -> Content:
    """Read what the graph says about itself, and what is risky about it."""
    model = Model(Wire(given.file, given.where), given.path)
    custom = _check_operators(model)
    _check_versions(model)
    content = Content(
        tensors=model.weights,
        stretches=model.stretches,
        unchecked=dict(model.unread),
        metadata=model.metadata,
        labels=label_names(model.metadata.get("names", "")),
        external=model.outside.names(),
    )
    content.graph = Graph(
        inputs=model.inputs,
        outputs=model.outputs,
        opset=model.opset,
        ir_version=model.ir,
        producer=" ".join(word for word in model.producer if word),
        nodes=sum(model.ops.values()),
        ops=dict(sorted(model.ops.items())),
        custom_ops=[f"{domain}::{op}" for domain, op in custom],
        input_steps=model.steps,
    )
    content.cannot = [f"operator {shown(name)} needs a library of its own" for name in content.graph.custom_ops[:32]]
    content.risks = sorted(model.risks)
    return content


def _check_operators(model: Model) -> "list[Operator]":
    """Refuse what is no operator at all; name those that need a library of their own."""
    own = model.functions
    for name in own:
        _refuse_recursion(model, name, (), set())
    called = {*model.used, *(one for body in own.values() for one in body)}
    foreign = sorted(one for one in called if one not in own and one[0] and one[0] not in BUILT_IN)
    unknown = sorted(op for domain, op in called if not domain and (domain, op) not in own and op not in OPERATORS)
    if unknown:
        newest = model.opset.get("ai.onnx", 0) > NEWEST_OPSET
        what = f"operator {shown(unknown[0])} is none of ONNX up to operator set {NEWEST_OPSET}"
        if not newest:
            raise model.wire.damaged(what, "export it again")
        model.risks.add(what)
    return foreign


def _refuse_recursion(model: Model, name: Operator, above: "tuple[Operator, ...]", done: "set[Operator]") -> None:
    if name in above:
        raise model.wire.damaged(f"damaged: its function {shown(name[1])} calls itself", "export it again")
    if name in done or len(above) > 100:
        return
    for inner in sorted(model.functions[name] & model.functions.keys()):
        _refuse_recursion(model, inner, (*above, name), done)
    done.add(name)


def _check_versions(model: Model) -> None:
    if not model.opset:
        raise model.wire.damaged("names no operator set, so its operators mean nothing", "export it again")
    for what, version, newest in (
        ("operator set", model.opset.get("ai.onnx", 0), NEWEST_OPSET),
        ("file format version", model.ir, NEWEST_IR),
    ):
        says = f"{what} {version} is newer than any known here ({newest})"
        if version > newest + ABSURD:
            raise model.wire.damaged(says, "export it again")
        if version > newest:
            model.risks.add(says)
