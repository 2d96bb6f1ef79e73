"""A TensorRT engine: a program for one GPU and one version of TensorRT, with or without Ultralytics' JSON in front."""

import json
from typing import Any

from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.labels import label_names
from assay.formats.opening import shown
from assay.records import Graph

WHAT = "a TensorRT engine"
SUFFIXES = (".engine", ".plan", ".trt")
NEEDS = "the TensorRT version and the GPU it was built for"
CARRIES = "closed"
MAGIC = b"ftrt"
LONGEST = 1 << 20  # of the JSON in front
PROGRAM = "an engine is a program: loading it runs code of its maker"
LISTED = 100


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    if given.head.startswith(MAGIC):
        return "magic bytes b'ftrt' at byte 0"
    length = _prefix(given)
    if length and given.read(4 + length, 4) == MAGIC:
        return f"a JSON prefix of {length} bytes, then magic bytes b'ftrt'"
    return ""


def look(given: Given) -> Content:
    """Read the JSON in front; the engine itself is only readable where its TensorRT is."""
    content = Content(trust=[PROGRAM])
    length = _prefix(given)
    start = 4 + length if length else 0
    if length:
        _described(given, given.read(4, length), content)
    header = given.read(start, min(32, given.size - start))
    # After the magic: the serialisation's version, then lengths; their meaning is TensorRT's own.
    content.metadata["engine.serialization_version"] = str(int.from_bytes(header[4:8], "little"))
    content.metadata["engine.bytes"] = str(given.size - start)
    content.risks.append("its inputs and outputs can be told only by the TensorRT that built it")
    content.unread("inside an engine, which only its own TensorRT reads", 0)
    return content


def _prefix(given: Given) -> int:
    """Give the length of the JSON in front; 0 when there is none."""
    length = int.from_bytes(given.head[:4], "little")
    return length if given.head[4:5] == b"{" and 2 <= length <= LONGEST and length + 8 <= given.size else 0


def _described(given: Given, text: bytes, content: Content) -> None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise given.damaged("damaged: the JSON in front of its engine cannot be read") from None
    if not isinstance(found, dict):
        raise given.damaged("damaged: what stands in front of its engine is no JSON object")
    content.metadata = {shown(str(k))[:100]: _text(v) for k, v in list(found.items())[:LISTED]}
    content.labels = label_names(_text(found.get("names", "")))
    content.graph = Graph(inputs=[], outputs=[], producer=_text(found.get("description", "")))


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:65_536]
