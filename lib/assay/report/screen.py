"""A checkpoint on one screen: what `inspect` prints. Pure: a record in, lines out."""

import textwrap
from collections.abc import Iterator

from assay.records import Checkpoint, Named, Tensor, Weight
from assay.report.escape import visible
from assay.trust import WEIGHTS

WIDTH = 100
LABEL = 12  # columns of the left side
NAMES = 6  # entries of a list
ROWS = 10  # tensors, globals
LONG = 120  # characters of a tensor's name


def screen(
    checkpoint: Checkpoint, *, beside: "tuple[tuple[str, str], ...]" = (), all_tensors: bool = False
) -> "list[str]":
    """Show a checkpoint; `beside` are further rows of whoever asks."""
    rows = [row for part in PARTS for row in part(checkpoint)] + list(beside)
    lines = [visible(checkpoint.name)]
    for label, text in rows:
        lines += _row(label, text)
    if all_tensors:
        lines += ["", *(_tensor(t) for t in checkpoint.tensors)]
    return lines


def _row(label: str, text: str) -> "list[str]":
    """Lay a row out within the width, its continuation under its beginning."""
    lines = textwrap.wrap(visible(text), WIDTH - LABEL, max_lines=3, placeholder=" …") or [""]
    return [f"  {label:<{LABEL - 2}}{lines[0]}", *(" " * LABEL + line for line in lines[1:])]


# ---------------------------------------------------------------- rows
Rows = Iterator[tuple[str, str]]


def _identity(c: Checkpoint) -> Rows:
    yield "format", f"{c.format.what or c.format.name} ({c.format.by})"
    more = f" in {len(c.files)} files" if len(c.files) > 1 else ""
    yield "size", f"{c.bytes:,} bytes{more}"
    if c.sha256:
        yield "sha256", c.sha256


def _weights(c: Checkpoint) -> Rows:
    if not c.tensors:
        yield from [("weights", "none")] if c.format.carries in WEIGHTS else []
        return
    kinds = sorted(c.totals.items(), key=lambda kind: -kind[1].bytes)
    listed = _some([f"{name} {total.parameters:,}" for name, total in kinds])
    size = sum(total.bytes for total in c.totals.values())
    yield (
        "weights",
        f"{_amount(len(c.tensors), c.parameters)}, {size:,} bytes: {listed}",
    )
    yield (
        "tensors",
        _ends([_tensor(t) for t in (c.tensors if len(c.tensors) < 4 else [*c.tensors[:2], c.tensors[-1]])], c),
    )
    parts = [f"{name or '(no name)'}: {_amount(t.tensors, t.parameters)}" for name, t in c.parts.items()]
    yield from _first("part", parts)
    if c.shared:
        yield (
            "shared",
            f"tensors on the same numbers: {_count(len(c.shared), 'group')}, as {_some(c.shared[0])}",
        )
    if c.quantised:
        yield "quantised", _some(c.quantised)
    if c.wrapper:
        yield "wrapper", _some(c.wrapper)


def _values(c: Checkpoint) -> Rows:
    if c.values is None:
        return
    said = [f"{c.values.checked:,} looked at" if c.values.checked else "none looked at"]
    infinite = c.values.infinite
    bad = [f"{name} ({n:,})" for name, n in c.values.nonfinite.items() if n != infinite.get(name)]
    said += [f"NaN or infinite in {_some(bad)}"] if bad else []
    masks = [f"{name} ({n:,})" for name, n in infinite.items() if n == c.values.nonfinite.get(name)]
    said += [f"infinite, as a mask is, in {_some(masks)}"] if masks else []
    said += ["all finite"] if c.values.checked and not c.values.nonfinite else []
    said += [f"not looked at: {count} {why}" for why, count in c.values.unchecked.items() if count]
    if c.values.zero:
        said.append(f"all zero: {_some(c.values.zero, 3)}")
    yield "values", "; ".join(said)


def _graph(c: Checkpoint) -> Rows:
    if c.graph is None:
        return
    for label, tensors in (("input", c.graph.inputs), ("output", c.graph.outputs)):
        yield from _first(label, [_port(tensor) for tensor in tensors])
    ops = sorted(c.graph.ops.items(), key=lambda op: (-op[1], op[0]))
    versions = ", ".join(f"{name} {version}" for name, version in c.graph.opset.items())
    versions = versions if versions.startswith("opset") or not versions else f"opset {versions}"
    said = [_count(c.graph.nodes, "node") if c.graph.nodes else "", versions]
    said += [_some([f"{name} {count}" for name, count in ops]), c.graph.producer and f"by {c.graph.producer}"]
    if any(said):
        yield "graph", "; ".join(filter(None, said))
    if c.graph.ranges:
        yield "ranges", _some([f"{name} {limits}" for name, limits in c.graph.ranges.items()])
    for name, steps in c.graph.input_steps.items():
        yield "in graph", f"{name}: {', '.join(steps)}"


def _said(c: Checkpoint) -> Rows:
    if c.labels:
        yield "labels", f"{len(c.labels):,}: {_some(c.labels, 8)}"
    if c.leftovers:
        yield "training", _some([f"{key} {_short(value)}" for key, value in c.leftovers.items()], between="; ")
    if c.metadata:
        yield "metadata", _some([f"{key}={_short(value)}" for key, value in c.metadata.items()])
    if c.documents:
        yield "documents", _some([d.path for d in c.documents])
    if c.looks_like:
        yield "family", f"{c.looks_like.family}, a guess: {c.looks_like.because}"


def _code(c: Checkpoint) -> Rows:
    foreign = [row for row in c.code if row.verdict in ("dangerous", "unknown")]
    yield from _first("code", [_foreign(row) for row in foreign], ROWS)
    plain = [row.name for row in c.code if row.verdict == "harmless"]
    if plain:
        yield "code", f"known to be harmless: {_some(plain)}"
    yield from _first("note", c.risks, ROWS)


def _loads(c: Checkpoint) -> Rows:
    if c.trust:
        yield from _first("trust", c.trust)
        yield "", "loading it runs code: only in the sandbox, and only after the experiment says"
        yield "", f"trust: {c.sha256 or 'its SHA-256'}"
        if c.tensors and c.format.carries in WEIGHTS:
            yield "", "without that a recipe's build(*, weights, device) gets its numbers as data"
    else:
        yield "loads", "as data: no code of the file has to run"
    yield from _first("lacks", c.cannot)
    yield "runs", _runs(c)


def _runs(c: Checkpoint) -> str:
    """Say what runs it; what it lacks stands above."""
    if c.format.runs_here:
        return "not as it is" if c.cannot else "here, in ONNX Runtime"
    if c.format.carries == "program":
        return "by itself, in torch in the sandbox, once it is trusted"
    return f"not by itself: needs {c.format.needs}"


PARTS = (_identity, _weights, _values, _graph, _said, _code, _loads)


# ---------------------------------------------------------------- words
def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _amount(tensors: int, parameters: int) -> str:
    return f"{_count(tensors, 'tensor')}, {_count(parameters, 'parameter')}"


def _tensor(tensor: Weight) -> str:
    part = f"{tensor.part}: " if tensor.part else ""
    name = tensor.name if len(tensor.name) <= LONG else f"{tensor.name[: LONG - 1]}…"
    return f"{part}{name} {tensor.dtype} {tensor.shape}"


def _port(tensor: Tensor) -> str:
    if tensor.shape is None:
        return (
            f"{tensor.name}, type and shape not said" if tensor.dtype == "unknown" else f"{tensor.name} {tensor.dtype}"
        )
    return f"{tensor.name} {tensor.dtype} [{', '.join('?' if d is None else str(d) for d in tensor.shape)}]"


def _first(label: str, lines: "list[str]", most: int = NAMES) -> Rows:
    """Give a row to each of the first lines, and count the others."""
    yield from ((label, line) for line in lines[:most])
    if len(lines) > most:
        yield label, f"and {len(lines) - most:,} more"


def _ends(shown: "list[str]", c: Checkpoint) -> str:
    """Join the first tensors and the last one; show that others lie in between."""
    if len(shown) == len(c.tensors):
        return "; ".join(shown)
    return f"{'; '.join(shown[:-1])} … {shown[-1]}"


def _foreign(row: Named) -> str:
    mark = "DANGEROUS " if row.verdict == "dangerous" else ""
    return f"{mark}{row.name}: {row.why}" + (f" (in {row.where})" if row.where else "")


def _some(names: "list[str]", most: int = NAMES, between: str = ", ") -> str:
    shown = between.join(name[:120] for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(list(map(str, value))[:4]) + (", …}" if len(value) > 4 else "}")
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
