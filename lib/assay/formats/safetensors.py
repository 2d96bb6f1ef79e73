"""safetensors: a length, a JSON header, then the numbers of every tensor without a gap."""

from typing import Any

from assay.formats import jsons
from assay.formats.content import Content, Stretch, countable, product
from assay.formats.given import Given
from assay.formats.opening import shown
from assay.records import Weight

WHAT = "safetensors"
SUFFIXES = (".safetensors",)
NEEDS = "torch, and the class from its source"
CARRIES = "weights"
LIMIT = 100_000_000  # the format's own limit for its header
READ = 16 << 20  # a header of 200,000 tensors
MOST_METADATA = 65_536
DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E4M3": "float8e4m3fn", "F8_E5M2": "float8e5m2", "F8_E4M3FNUZ": "float8e4m3fnuz",
    "F8_E5M2FNUZ": "float8e5m2fnuz", "F8_E8M0": "float8e8m0", "C64": "complex64", "F4": "float4e2m1",
    "F6_E2M3": "float6e2m3", "F6_E3M2": "float6e3m2",
}  # fmt: skip
BITS = {"bool": 8, "float4e2m1": 4, "float6e2m3": 6, "float6e3m2": 6, "bfloat16": 16, "complex64": 64}


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    length = int.from_bytes(given.head[:8], "little")
    if given.is_folder or given.head[8:9] != b"{" or not 2 <= length <= LIMIT:
        return ""
    if length > given.size - 8:
        raise given.damaged(f"truncated: a header of {length} bytes promised, {given.size - 8} there")
    if length > READ:
        raise given.damaged(f"a header of {length} bytes: {READ} are read at most, which is 200,000 tensors", "")
    return "length prefix and JSON header"


def look(given: Given) -> Content:
    """Read what it holds."""
    content = Content()
    length = int.from_bytes(given.head[:8], "little")
    header, data = _header(given, given.read(8, length)), 8 + length
    _metadata(given, header.pop("__metadata__", None), content)
    placed = sorted((*_offsets(given, name, entry), name) for name, entry in header.items())
    expected = 0
    for start, stop, name in placed:
        if start != expected:
            word = "overlaps the one before it" if start < expected else f"leaves a hole of {start - expected} bytes"
            raise given.damaged(f"damaged: tensor {_named(name)} {word}")
        expected = stop
        _add(given, content, name, header[name], data + start, stop - start)
    there = given.size - data
    if expected > there:
        raise given.damaged(f"truncated: {expected} bytes of tensors promised, {there} there")
    if expected < there:
        raise given.damaged(f"{there - expected} bytes follow the last tensor, which safetensors does not allow")
    if not placed:
        content.risks.append("it holds no tensor")
    return content


def _header(given: Given, text: bytes) -> "dict[str, Any]":
    def unique(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise ValueError("a name stands twice")
        return keys

    try:
        header = jsons.parsed(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        cause = "nested too deep" if isinstance(error, RecursionError) else str(error).split(":")[0].lower()
        raise given.damaged(f"its safetensors header cannot be read ({shown(cause)})") from None
    if not isinstance(header, dict):
        raise given.damaged("its safetensors header is not a JSON object")
    return header


def _metadata(given: Given, found: Any, content: Content) -> None:
    if found is None:
        return
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise given.damaged("its __metadata__ is not a table of texts")
    content.metadata = {key[:1024]: value[:MOST_METADATA] for key, value in found.items()}


def _offsets(given: Given, name: str, entry: Any) -> "tuple[int, int]":
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(n) is int for n in offsets)):
        raise given.damaged(f"its header gives tensor {_named(name)} no place")
    start, stop = offsets
    if not 0 <= start <= stop:
        raise given.damaged(f"its header puts tensor {_named(name)} at {start} to {stop}")
    return start, stop


def _add(given: Given, content: Content, name: str, entry: "dict[str, Any]", at: int, size: int) -> None:
    dtype, shape = DTYPES.get(str(entry.get("dtype"))), entry.get("shape")
    if dtype is None:
        raise given.damaged(f"tensor {_named(name)} has the unknown type {shown(str(entry.get('dtype'))[:40])}", "")
    if not isinstance(shape, list) or not all(type(n) is int for n in shape) or not countable(shape):
        raise given.damaged(f"tensor {_named(name)} has the shape {shown(str(shape)[:80])}")
    parameters = product(shape)
    wanted = -(-parameters * bits(dtype) // 8)
    if wanted != size:
        raise given.damaged(f"damaged: tensor {_named(name)} needs {wanted} bytes, its place has {size}")
    content.tensors.append(Weight(name=name, dtype=dtype, shape=shape, parameters=parameters, bytes=size, at=at))
    if size and bits(dtype) % 8 == 0:
        content.stretches.append(Stretch("", at, size, dtype, [name]))
    elif size:
        content.unread(f"{dtype} numbers are packed closer than a byte")


def bits(dtype: str) -> int:
    """Count the bits of one number."""
    if dtype in BITS:
        return BITS[dtype]
    return 8 if dtype.startswith("float8") else int("".join(c for c in dtype if c.isdigit()))


def _named(name: str) -> str:
    return repr(name[:80])
