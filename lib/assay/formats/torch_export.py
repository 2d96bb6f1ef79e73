"""torch.export (.pt2): a zip with the graph as JSON and the numbers beside it."""

import re
from typing import Any

from assay.formats import jsons
from assay.formats.content import Content, Stretch, countable, product
from assay.formats.given import Given
from assay.formats.opening import shown
from assay.formats.pickle_content import Seen
from assay.formats.torch_objects import strides, width
from assay.formats.torch_zip import inside, others
from assay.formats.zips import Zip, is_zip
from assay.records import Graph, Tensor, Weight

WHAT = "an exported torch program"
SUFFIXES = (".pt2", ".pt", ".pth")
NEEDS = "torch, in a sandbox"
CARRIES = "program"
PROGRAM = "an exported program is code: loading it evaluates expressions of its maker"
PICKLED = "its weights are kept as a pickle (use_pickle), which can run code when loaded"
LIMIT = 64 << 20
# What torch.export writes for each data type.
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8e4m3fn", 30: "float8e5m2", 31: "float8e4m3fnuz", 32: "float8e5m2fnuz",
}  # fmt: skip
SYMBOL = re.compile(r"Symbol\('(\w+)'[^)]*\)")
UNBOUNDED = 1 << 40
OLD = re.compile(r"serialized_(?:state_dict|constants|example_inputs)\.(?:json|pt)")


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    names = given.zip.members if given.zip else {}
    inner = {name.partition("/")[2] for name in names} | set(names)
    if "archive_format" in inner or any(n.startswith("models/") and n.endswith(".json") for n in inner):
        return "zip with archive_format or models/*.json"
    if {"serialized_exported_program.json", "serialized_state_dict.pt"} & set(names):
        return "zip with serialized_exported_program.json"
    return ""


def look(given: Given) -> Content:
    """Read what it holds: graph, signature and ranges as JSON, weights where they lie."""
    content, archive, seen = Content(trust=[PROGRAM]), given.zip, Seen()
    assert archive is not None
    programs = [
        n for n in archive.members if re.fullmatch(r"(?:[^/]+/)?(?:models/[^/]+|serialized_exported_program)\.json", n)
    ]
    if not programs:
        raise given.damaged("damaged: it holds no program (models/*.json)", "export it again")
    for name in programs:
        found = _json(given, archive, name)
        try:
            content.graph = content.graph or _graph(found)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError):
            raise given.damaged(f"damaged: {shown(name)} does not describe a program", "export it again") from None
    if len(programs) > 1:
        content.risks.append(f"it holds {len(programs)} programs; the first one is described")
    for name in archive.members:
        if name.endswith(("model_weights_config.json", "model_constants_config.json", "_weights_config.json")):
            _weights(given, archive, name, content)
    for name in archive.members:
        if OLD.fullmatch(name):
            _older(given, archive, name, seen, content)
    others(given, archive, set(), seen, content)
    seen.judge(content)
    return content


def _json(given: Given, archive: Zip, name: str) -> "dict[str, Any]":
    try:
        found = jsons.parsed(archive.read(name, LIMIT))
    except (ValueError, RecursionError):
        raise given.damaged(f"damaged: {shown(name)} is not JSON that can be read") from None
    if not isinstance(found, dict):
        raise given.damaged(f"damaged: {shown(name)} is not a JSON object")
    return found


# ---------------------------------------------------------------- the program
def _graph(program: "dict[str, Any]") -> Graph:
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    values = graph["tensor_values"]
    ops: dict[str, int] = {}
    for node in graph["nodes"]:
        name = str(node["target"]).removeprefix("torch.ops.")
        ops[name] = ops.get(name, 0) + 1
    custom = sorted(n for n in ops if n.partition(".")[0] not in ("aten", "prim", "prims", "_operator", "quantized"))
    return Graph(
        inputs=[_tensor(name, values) for name in _user(signature["input_specs"], "user_input")],
        outputs=[_tensor(name, values) for name in _user(signature["output_specs"], "user_output")],
        opset={str(k): int(v) for k, v in program.get("opset_version", {}).items()},
        producer=f"torch {program['torch_version']}" if program.get("torch_version") else "torch",
        nodes=len(graph["nodes"]),
        ops=dict(sorted(ops.items())),
        custom_ops=[name for name in custom if not name.startswith("torch._higher_order_ops")][:100],
        ranges={str(k): _range(v) for k, v in program.get("range_constraints", {}).items()},
    )


def _user(specs: "list[dict[str, Any]]", kind: str) -> "list[str]":
    found = []
    for spec in specs:
        argument = spec.get(kind, {}).get("arg", {}) if isinstance(spec.get(kind), dict) else {}
        found += [str(v.get("name")) for k, v in argument.items() if k == "as_tensor"]
    return found


def _tensor(name: str, values: "dict[str, Any]") -> Tensor:
    described = values.get(name, {})
    shape: list[int | str | None] = [_size(size) for size in described.get("sizes", [])]
    return Tensor(name=name, dtype=DTYPES.get(described.get("dtype"), "unknown"), shape=shape)


def _size(size: "dict[str, Any]") -> "int | str":
    if "as_int" in size:
        return int(size["as_int"])
    return SYMBOL.sub(r"\1", str(size["as_expr"]["expr_str"]))[:100]


def _range(limits: "dict[str, Any]") -> str:
    low, high = limits.get("min_val"), limits.get("max_val")
    top = "" if high is None or not isinstance(high, int) or high > UNBOUNDED else high
    return f"{0 if low is None else low}..{top}"


# ---------------------------------------------------------------- the weights
def _weights(given: Given, archive: Zip, config: str, content: Content) -> None:
    entries = _json(given, archive, config).get("config")
    folder = config.rsplit("/", 1)[0] + "/" if "/" in config else ""
    places: dict[int, Stretch] = {}
    for name, entry in sorted(entries.items()) if isinstance(entries, dict) else ():
        try:
            _weight(given, archive, folder + str(entry["path_name"]), str(name), entry, places, content)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            raise given.damaged(f"damaged: {shown(config)} does not describe {shown(str(name)[:80])}") from None
    content.shared += [s.names for s in places.values() if len(s.names) > 1]


def _older(given: Given, archive: Zip, name: str, seen: Seen, content: Content) -> None:
    """Look into what torch wrote before 2.6: its tensors are an archive of their own inside."""
    if not is_zip(archive.peek(name, 4)):
        return
    inside(given, archive, name, seen, content)
    if "state_dict" in name:
        content.unread("in an archive inside", 1)
        what = f"its weights ({archive.members[name].size} bytes) lie in an archive of their own, {shown(name)}"
        content.risks.append(f"{what}: they are not listed")


def _weight(
    given: Given, archive: Zip, path: str, name: str, entry: "dict[str, Any]", places: "dict[int, Stretch]",
    content: Content,
) -> None:  # fmt: skip
    if entry.get("use_pickle") and PICKLED not in content.trust:
        content.trust.append(PICKLED)
        content.risks.append(PICKLED)
    meta = entry["tensor_meta"]
    dtype, shape = DTYPES.get(meta["dtype"], "unknown"), [int(size["as_int"]) for size in meta["sizes"]]
    stride = [int(step["as_int"]) for step in meta["strides"]]
    offset = int(meta["storage_offset"]["as_int"])
    if not countable(shape) or any(n < 0 for n in [*stride, offset]):
        raise ValueError
    member = archive.members.get(path)
    if member is None:
        raise given.damaged(f"damaged: the numbers of {shown(name[:80])} are missing")
    parameters = product(shape)
    plain = not entry.get("use_pickle") and not member.packed
    size = parameters * width(dtype)
    if plain and size > member.size:
        raise given.damaged(f"damaged: {shown(name[:80])} needs {size} bytes, {member.size} are there")
    content.tensors.append(
        Weight(
            name=name,
            dtype=dtype,
            shape=shape,
            parameters=parameters,
            bytes=size,
            at=member.at + offset * width(dtype) if plain else None,
            stride=[] if tuple(stride) == strides(tuple(shape)) else stride,
        )
    )
    known = places.get(member.at)
    if plain and known:
        known.names.append(name)
    elif plain and size:
        crc = member.crc if archive.has_checksums else None
        places[member.at] = Stretch("", member.at, member.size, dtype, [name], crc)
        content.stretches.append(places[member.at])
    elif not plain:
        content.unread("kept as a pickle, or packed")
