"""TensorFlow Lite: a FlatBuffer of graphs, tensors and their buffers, often with label files appended as a zip."""

from collections import Counter
from itertools import islice

from assay.formats import tflite_files, tflite_tensors
from assay.formats.content import Content
from assay.formats.flatbuffer import Flat, Table, Tables
from assay.formats.given import Given
from assay.formats.opening import shown
from assay.formats.places import Beside, lay_out
from assay.formats.tflite_operators import OPERATORS
from assay.formats.tflite_tensors import Buffers, Scales
from assay.records import Graph, Tensor, Weight

WHAT = "a TensorFlow Lite model"
SUFFIXES: tuple[str, ...] = (".tflite", ".lite")
NEEDS = "LiteRT, or TensorFlow Lite as it was called before"
CARRIES = "closed"
MAGIC = b"TFL3"
UNKNOWN = "operator "  # begins the name of one that is known by its number alone
CUSTOM = 32  # the operator whose name is a text
# Not of the schema, but of every runtime.
BUILT_IN = {"NumericVerify", "Mfcc", "AudioSpectrogram", "TFLite_Detection_PostProcess"}
VERSION, CODES, SUBGRAPHS, DESCRIPTION, BUFFERS, METADATA, SIGNATURES, GROUPS, OUTSIDE = 0, 1, 2, 3, 4, 6, 7, 8, 9
TENSORS, INPUTS, OUTPUTS, NODES, NAME = 0, 1, 2, 3, 4  # of a subgraph
MOST_WEIGHTS = 65_536
MOST_PORTS = 10_000  # inputs, outputs
MOST_METADATA = 1000
MOST_CODES = 10_000  # kinds of operators
LISTED = 100


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    return "magic bytes b'TFL3' at byte 4" if given.head[4:8] == MAGIC else ""


def look(given: Given) -> Content:
    """Read what it holds: the first subgraph is described, operators and tensors are those of all."""
    content, flat = Content(), Flat(given)
    model = flat.root()
    version = model.number(VERSION, "I")
    if version != 3:
        raise given.damaged(f"is of schema version {version}: version 3 is read", "convert it again")
    subgraphs = model.tables(SUBGRAPHS)
    if not len(subgraphs):
        raise given.damaged("damaged: it holds no graph", "convert it again")
    buffers = Buffers(flat, model.tables(BUFFERS), Beside(given))
    buffers.read_outside(model.tables(GROUPS), model.tables(OUTSIDE))
    content.graph = _graph(model, subgraphs, content)
    lay_out(content, _tensors(subgraphs, buffers, content))
    content.external = buffers.beside.names()
    _metadata(model, subgraphs, buffers, content)
    tflite_files.read(given, flat.end, content)
    return content


# ---------------------------------------------------------------- the graph
def _graph(model: Table, subgraphs: Tables, content: Content) -> Graph:
    codes = model.tables(CODES)
    if len(codes) > MOST_CODES:
        raise model.flat.damaged(f"{len(codes)} kinds of operators")
    names = [_operator(code) for code in codes]
    ops: Counter[str] = Counter()
    custom: set[str] = set()
    for subgraph in subgraphs:
        tensors = len(subgraph.tables(TENSORS))
        for node in subgraph.tables(NODES):
            index = node.number(0, "I")
            if index >= len(names):
                raise model.flat.damaged(f"operator {index} of {len(names)} is led to")
            _check_node(node, tensors)
            name, own = names[index]
            ops[name] += 1
            custom |= {name} if own else set()
    content.cannot = [f"operator {shown(name[:200])} needs a library of its own" for name in sorted(custom)[:32]]
    content.risks += [f"{n} is newer than any known here" for n in sorted({*ops} - custom) if n.startswith(UNKNOWN)]
    return Graph(
        inputs=_ports(subgraphs[0], INPUTS),
        outputs=_ports(subgraphs[0], OUTPUTS),
        ir_version=3,
        nodes=sum(ops.values()),
        ops=dict(sorted(ops.items())),
        custom_ops=sorted(custom)[:LISTED],
    )


def _check_node(node: Table, tensors: int) -> None:
    """Refuse an operator that leads out of the file, or reads or makes tensors that are not there."""
    for field in (1, 2):
        missing = [i for i in node.whole(field, "i") if not -1 <= i < tensors]
        if missing:
            raise node.flat.damaged(f"an operator leads to tensor {missing[0]} of {tensors}")
    for field in (4, 12):  # what it is told: read by the runtime alone
        node.table(field)
    node.span(5)


def _operator(code: Table) -> "tuple[str, bool]":
    """Name an operator, and say whether it needs a library of its own; the old field holds small numbers only."""
    number = max(code.number(0, "b"), code.number(3, "i"))
    if number == CUSTOM:
        name = code.text(1) or "without a name"
        return name, name not in BUILT_IN
    return OPERATORS[number] if 0 <= number < len(OPERATORS) else f"{UNKNOWN}{number}", False


def _ports(subgraph: Table, field: int) -> "list[Tensor]":
    tensors, wanted = subgraph.tables(TENSORS), subgraph.whole(field, "i")
    if len(wanted) > MOST_PORTS:
        raise subgraph.flat.damaged(f"{len(wanted)} inputs or outputs")
    return [tflite_tensors.described(tensors[i]) for i in wanted if i != -1]


# ---------------------------------------------------------------- tensors
def _tensors(subgraphs: Tables, buffers: Buffers, content: Content) -> "list[Weight]":
    """Give the tensors that bring their numbers along; say of all how they are quantised."""
    found: list[Weight] = []
    scales = Scales()
    for i, subgraph in enumerate(subgraphs):
        part = (subgraph.text(NAME) or f"subgraph {i}") if i else ""
        words = {} if i else _words(subgraph)
        for index, tensor in enumerate(subgraph.tables(TENSORS)):
            weight = tflite_tensors.weight(tensor, buffers, part)
            scales.take(tensor, words.get(index, ""))
            if weight is not None:
                found.append(weight)
            if len(found) > MOST_WEIGHTS:
                raise subgraph.flat.damaged(f"more than {MOST_WEIGHTS} tensors that hold numbers")
    for weight in found:
        if weight.at is None:
            content.unread("kept sparse, or packed")
    content.quantised = scales.lines()
    return found


def _words(subgraph: Table) -> "dict[int, str]":
    """Say which tensors go in and out."""
    return dict.fromkeys(subgraph.whole(OUTPUTS, "i"), "output") | dict.fromkeys(subgraph.whole(INPUTS, "i"), "input")


# ---------------------------------------------------------------- what else it says
def _metadata(model: Table, subgraphs: Tables, buffers: Buffers, content: Content) -> None:
    for one in islice(model.tables(METADATA), MOST_METADATA):
        name, span = one.text(0), buffers.span(one.number(1, "I"))
        content.metadata[name] = f"({span.length} bytes)"
        if name == "min_runtime_version" and span.length <= 64:
            content.metadata[name] = model.flat.text(span).strip("\0")
    content.metadata["tflite.version"] = "3"
    content.metadata["tflite.description"] = model.text(DESCRIPTION)
    content.metadata["tflite.subgraphs"] = str(len(subgraphs))
    entries = _signatures(model, content)
    if len(subgraphs) > 1 and entries != {0}:
        content.risks.append(f"it holds {len(subgraphs)} subgraphs; the first one is described")


def _signatures(model: Table, content: Content) -> "set[int]":
    """Note by which names the graphs are called; give which graphs that are."""
    entries = set()
    for signature in islice(model.tables(SIGNATURES), MOST_METADATA):
        names = [", ".join(e.text(0) for e in islice(signature.tables(f), LISTED)) or "none" for f in (0, 1)]
        content.metadata[f"tflite.signature.{signature.text(2)}"] = f"inputs {names[0]}; outputs {names[1]}"
        entries.add(signature.number(4, "I"))
    return entries
