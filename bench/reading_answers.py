"""Holding tensors and decoded answers against those that upstream's own code gave for the same inputs."""

import hashlib
import json
import math
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from reading_score import RIGHT, SKIPPED, UNKNOWN, WRONG, Mark

ABSOLUTE, RELATIVE = 1e-4, 1e-3  # of tensors
SCORE, PIXEL = 1e-3, 0.05
LEVELS = 0.5  # of a picture's mean: upstream's was measured after JPEG
FACTS = (("mean", "mean"), ("min", "minimum"), ("max", "maximum"))


def png(width: int, height: int) -> tuple[bytes, str]:
    """Make the corpus's gradient picture; give it with the digest of its bare bytes."""
    rows = [
        bytes(
            level
            for x in range(width)
            for level in (x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height - 2))
        )
        for y in range(height)
    ]
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    written = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written), hashlib.sha256(b"".join(rows)).hexdigest()


def inputs(truth: dict[str, Any], checkout: pathlib.Path) -> dict[str, bytes]:
    """Give the files that the answers are about, by name; vectors and texts are none."""
    found = {}
    for answer in truth["answers"]:
        source = answer["input"]
        if "file" in source:
            found[pathlib.Path(source["file"]).name] = (checkout / source["file"]).read_bytes()
        elif source.get("make") == "gradient":
            data, digest = png(source["width"], source["height"])
            if digest != source["sha256_rgb"]:
                raise SystemExit(f"{truth['id']}: the gradient picture is not the corpus's")
            found[name_of(answer)] = data
    return found


def name_of(answer: dict[str, Any]) -> str:
    """Name an answer by its input."""
    source = answer["input"]
    if "file" in source:
        return pathlib.PurePath(str(source["file"])).name
    if "make" in source:
        return f"gradient_{source['width']}x{source['height']}.png"
    return str(next(iter(source)))


def marks(truth: dict[str, Any], workspace: pathlib.Path, files: dict[str, bytes]) -> list[Mark]:
    """Score every answer: what reached the model, what it gave, and what that was decoded to."""
    found = []
    for answer in truth["answers"]:
        name = name_of(answer)
        if name not in files:
            found.append(Mark(f"answer {name}", SKIPPED, note="no file"))
            continue
        item = item_of(workspace, hashlib.sha256(files[name]).hexdigest())
        found += [Mark(f"{kind} {name}", *one) for kind, one in compared(answer, workspace, item)]
    return found


def item_of(workspace: pathlib.Path, digest: str) -> str:
    """Find the experiment's name for an input; empty where it was not run on it."""
    items = record(workspace, "inputs").get("items", [])
    return next((item["id"] for item in items if item["sha256"] == digest), "")


def record(workspace: pathlib.Path, name: str) -> dict[str, Any]:
    """Read a record; a missing one is empty."""
    file = workspace / f"outputs/{name}.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def compared(answer: dict[str, Any], workspace: pathlib.Path, item: str) -> "Iterator[tuple[str, tuple[Any, ...]]]":
    """Give verdict, found and true of the tensors, the raw outputs and the decoded answer."""
    raw = next((i for i in record(workspace, "infer").get("items", []) if i["id"] == item), None)
    results = {p["id"]: p["result"] for p in record(workspace, "predictions").get("items", [])}
    if "model_input" in answer:
        yield "tensors", tensor(answer["model_input"], raw["tensors"] if raw else [], None)
    modes = answer["decoded"]  # where upstream leaves its model in training mode, its own answer is random
    true = answer.get("model_output") or modes.get("eval_mode", {}).get("output", {})
    if "shape" in true:
        listed = raw["outputs"] if raw else []
        one = listed[true["index"]] if "index" in true and true["index"] < len(listed) else None
        arrays = held(workspace / raw["file"]) if raw else {}
        yield "outputs", unless_random(modes, tensor(true, [one] if one else listed, arrays))
    if "eval_mode" in modes:
        true = {key: value for key, value in modes["eval_mode"].items() if key != "output"}
        yield "decoded", unless_random(modes, decoded(true, results.get(item)))
    else:
        yield "decoded", decoded(modes, results.get(item))


def unless_random(modes: dict[str, Any], found: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave out a difference where training mode would be right as well: no two runs of it agree."""
    return (SKIPPED, *found[1:]) if "eval_mode" in modes and found[0] == WRONG else found


# ---------------------------------------------------------------- tensors
def held(file: pathlib.Path) -> dict[str, Any]:
    """Read the arrays that the model gave."""
    import numpy

    with numpy.load(file) as arrays:
        return {name: arrays[name] for name in arrays}


def tensor(true: dict[str, Any], listed: list[dict[str, Any]], arrays: "dict[str, Any] | None") -> tuple[Any, ...]:
    """Find a tensor with these statistics among those listed."""
    shown = {key: true[key] for key in ("shape", "dtype", "mean") if key in true}
    if not listed:
        return UNKNOWN, None, shown
    for facts in listed:
        if equal_tensor(true, facts, None if arrays is None else arrays.get(facts["name"])):
            return RIGHT, shown, shown
    return WRONG, [{key: facts[key] for key in ("shape", "dtype", "mean")} for facts in listed], shown


def equal_tensor(true: dict[str, Any], facts: dict[str, Any], array: Any) -> bool:
    """Compare shape, type and numbers, and where the array is at hand its deviation and first values."""
    if facts["shape"] != true["shape"] or facts["dtype"] != true["dtype"]:
        return False
    pairs = [(true[key], facts[name]) for key, name in FACTS if key in true]
    if array is not None and "std" in true:
        pairs += [(true["std"], float(array.std())), *zip(true["first4"], array.reshape(-1)[:4].tolist())]
    return all(found is not None and near(expected, found) for expected, found in pairs)


def near(true: float, found: float, absolute: float = ABSOLUTE) -> bool:
    """Compare numbers within the corpus's tolerance."""
    return math.isclose(true, found, rel_tol=RELATIVE, abs_tol=absolute)


# ---------------------------------------------------------------- decoded answers
def decoded(true: dict[str, Any], result: Any) -> tuple[Any, ...]:
    """Compare an answer part by part; parts that have another form are left out."""
    if result is None:
        return UNKNOWN, None, short(true)
    verdicts = {key: part(key, value, result) for key, value in true.items()}
    note = ", ".join(f"{key}: {verdict}" for key, verdict in verdicts.items())
    told = {v for v in verdicts.values() if v != SKIPPED}
    verdict = WRONG if WRONG in told else RIGHT if told else SKIPPED
    return verdict, short(result), short(true), "", note


def part(key: str, true: Any, result: Any) -> str:
    """Compare one part of an answer with whatever of the result has its form."""
    if key in ("picture", "wav"):
        return _summary(key, true, list(_nodes(result, dict)))
    if isinstance(true, str):
        texts = [text for text in _nodes(result, str) if text]
        return RIGHT if true in texts else WRONG if isinstance(result, dict) and key in result else SKIPPED
    numbers = list(_numbers(true))
    if not numbers and true == []:
        return RIGHT if any(len(one) == 0 for one in _nodes(result, list)) else SKIPPED
    if not numbers:
        return SKIPPED
    lists = [list(_numbers(one)) for one in _nodes(result, list)] + [[n] for n in _nodes(result, (int, float))]
    wanted = [[n] for n in numbers] if isinstance(true, dict) else [numbers]
    if all(any(_within(one, other) for other in lists) for one in wanted):
        return RIGHT
    alike = isinstance(true, list) and any(len(one) == len(numbers) for one in lists)
    return WRONG if alike or (isinstance(result, dict) and key in result) else SKIPPED


def _summary(key: str, true: dict[str, Any], nodes: list[dict[str, Any]]) -> str:
    sized = [n for n in nodes if "shape" in n and "mean" in n]
    if key == "picture":
        alike = [n for n in sized if n["shape"] == true["shape"]]
        good = any(abs(n["mean"] - true["mean"]) <= LEVELS for n in alike)
    else:
        alike = [n for n in sized if math.prod(n["shape"]) == true["samples"]]
        pairs = [(n, scale) for n in alike for scale in (1, 32767)]
        good = any(
            all(near(true[a], n[b] * scale, abs(true["max"]) * RELATIVE) for a, b in FACTS) for n, scale in pairs
        )
    return RIGHT if good else WRONG if alike else SKIPPED


def _within(wanted: list[float], found: list[float]) -> bool:
    """Find numbers in a row: whole ones as they are, pixels and scores within the corpus's tolerance."""
    whole = all(isinstance(n, int) for n in wanted)
    absolute = 0.0 if whole else PIXEL if max(map(abs, wanted)) > 2 else SCORE
    relative = 0.0 if whole else RELATIVE
    return any(
        all(math.isclose(a, b, rel_tol=relative, abs_tol=absolute) for a, b in zip(wanted, found[start:]))
        for start in range(len(found) - len(wanted) + 1)
    )


def _nodes(value: Any, kind: Any) -> Iterator[Any]:
    if isinstance(value, kind) and not isinstance(value, bool):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in parts:
        yield from _nodes(one, kind)


def _numbers(value: Any) -> Iterator[float]:
    return _nodes(value, (int, float))


def short(value: Any) -> str:
    """Write a value on one short line."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 160 else f"{text[:157]}..."
