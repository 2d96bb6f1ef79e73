"""Sections on what came out: quality, pictures, predictions, what is missing, provenance, how to repeat it."""

from __future__ import annotations

import hashlib
import re
import shlex

from assay import canonical, layout, plan
from assay.records import RECORDS
from assay.report.escape import Safe, block, code, text, url, visible
from assay.report.identity import file_link, input_name
from assay.report.numbers import COLD, EXPERIENCED, RAM, VRAM
from assay.report.tables import bullets, paragraphs, phrase, table
from assay.report.view import Context, Node, View

FIGURES = 8
PREDICTIONS = 8
PROVENANCE = 8
TENSORS = 2
BOXES = 5  # shown of one input's detections
CLASSES = 20
NOT_YET = (
    ("profile", "time by operator"),
    ("train", "one training step"),
)
MAKERS = {name: stage.name for stage in plan.STAGES for name in RECORDS if layout.record(name) in stage.writes}
_PICTURE = re.compile(r"pictures/[A-Za-z0-9_-][A-Za-z0-9_./-]*\.(?:png|jpg|jpeg|webp|gif)")


# ---------------------------------------------------------------- quality
def quality(view: View) -> Safe:
    """Write the quality figures, what they mean and how they were made."""
    metrics = [entry for entry in view.record("metrics")["metrics"] if entry["quantity"].measured()]
    rows = [
        [e["id"].code(), e["quantity"].quantity(), e["better"].text(), e["definition"].text(), e["method"].text()]
        for e in metrics
    ]
    labels = view.record("inputs")["labels_file"]
    source = phrase(
        "Labels: {file}, SHA-256 {sha}.", file=labels.code(), sha=view.record("inputs")["labels_sha256"].code()
    )
    found = table(("metric", "value (95 % interval, n inputs)", "better", "definition", "method"), rows)
    return paragraphs(found, source if rows and labels else "", _per_class([e for e in metrics if e["per_class"]]))


def _per_class(metrics: list[Node]) -> Safe:
    """Table the figures by class, those worst in the first metric first."""
    if not metrics:
        return Safe("")
    names = sorted({name for entry in metrics for name in entry["per_class"].value})
    first = metrics[0]["per_class"]
    names.sort(key=lambda name: first[name].value if first[name] else 2.0)
    rows = [[text(name), *(_number(e["per_class"][name]) for e in metrics)] for name in names[:CLASSES]]
    more = phrase("The worst of {n} classes.", n=first.count()) if len(names) > CLASSES else ""
    note = Safe("By class: no interval.")
    return paragraphs(table(("class, worst first", *(text(e["id"].value) for e in metrics)), rows), more, note)


def _number(node: Node) -> Safe:
    return node.num() if node else Safe("–")


# ---------------------------------------------------------------- what came out
def figures(view: View) -> Safe:
    """Show the decoded answers drawn on their inputs."""
    shown = [entry for entry in view.record("artifacts")["items"] if _PICTURE.fullmatch(str(entry["picture"].value))]
    lines = [
        f"![decoded answer drawn on {text(entry['input'].value)}](../{url(entry['picture'].value)})"
        for entry in shown[:FIGURES]
        if ".." not in entry["picture"].value
    ]
    return Safe("\n\n".join(lines))


def tensors(view: View) -> Safe:
    """Table what went into the model and what came out, for the first inputs."""
    rows = [
        [input_name(view, item["id"]), Safe(way), *_facts(entry)]
        for item in list(view.record("infer")["items"])[:TENSORS]
        for way, entries in (("in", item["tensors"]), ("out", item["outputs"]))
        for entry in entries
    ]
    return table(("input", "way", "tensor", "dtype", "shape", "min", "max", "mean", "NaN or infinite"), rows)


def _facts(entry: Node) -> list[Safe]:
    numbers = [_number(entry[key]) for key in ("minimum", "maximum", "mean", "nonfinite")]
    return [entry["name"].code(), entry["dtype"].text(), entry["shape"].show(), *numbers]


def predictions(view: View) -> Safe:
    """Table the first decoded answers beside the truth, where there is one."""
    labels = view.record("inputs")["labels"]
    entries = [entry for entry in view.record("predictions")["items"] if entry["result"].value is not None]
    rows = [
        [input_name(view, entry["id"]), _result(entry["result"]), _result(labels[entry["id"].value])]
        for entry in entries[:PREDICTIONS]
    ]
    return table(("input", "decoded answer", "label"), rows)


def _result(result: Node) -> Safe:
    if result.value is None:
        return Safe("no label")
    if isinstance(result.value, dict) and "label" in result.value:
        return _labelled(result)
    if isinstance(result.value, list):
        shown = [_labelled(e) if isinstance(e.value, dict) else e.show() for e in list(result)[:BOXES]]
        more = phrase(" … {n} in all", n=result.count()) if len(result.value) > BOXES else Safe("")
        return Safe("; ".join(shown) + more) if shown else Safe("nothing found")
    return result.show()


def _labelled(entry: Node) -> Safe:
    label = entry["label"].show()
    score = entry["score"]
    return phrase("{label} {score}", label=label, score=score.num()) if isinstance(score.value, float) else label


# ---------------------------------------------------------------- what is missing
def not_measured(view: View, empty: list[str]) -> Safe:
    """List every figure that was not measured, with its reason, and the sections that have no data."""
    lines: list[Safe] = [phrase("{name}: {reason}", name=text(name), reason=r) for name, r in blocked(view)]
    lines += [phrase("{what}: {reason}", what=what, reason=reason) for what, reason in skipped(view)]
    lines += [phrase("{title}: no data.", title=text(title)) for title in empty]
    lines += [phrase("{what}: not part of this version (stage {name}).", what=w, name=n) for n, w in NOT_YET]
    return bullets(lines)


def blocked(view: View) -> list[tuple[str, Safe]]:
    found = []
    for name in sorted(view.records):
        status = view.record(name)["status"]
        if status["word"].value == "blocked":
            reason = status["reason"].linked() if status["reason"] else Safe("no reason given")
            asked = status["question"]
            found.append((name, phrase("{why} ({ask})", why=reason, ask=asked.text()) if asked else reason))
    return found


def skipped(view: View) -> list[tuple[Safe, Safe]]:
    """Gather the figures without a number: the same reason for several is said once."""
    gaps: dict[str, tuple[Safe, dict[str, list[Safe]]]] = {}
    for entry in view.record("stats")["configurations"]:
        for name, quantity in _quantities(entry):
            if quantity and not quantity.measured():
                gap = gaps.setdefault(quantity["reason"].value, (quantity.reason(), {}))
                gap[1].setdefault(name, []).append(entry["id"].text())
    for entry in view.record("metrics")["metrics"]:
        if not entry["quantity"].measured():
            gap = gaps.setdefault(entry["quantity"]["reason"].value, (entry["quantity"].reason(), {}))
            gap[1].setdefault(str(entry["id"].value), [])
    return [(_names(by_name), reason) for reason, by_name in gaps.values()]


def _names(by_name: dict[str, list[Safe]]) -> Safe:
    """Name the figures, grouped by the configurations that lack them."""
    groups: dict[str, list[Safe]] = {}
    for name, ids in by_name.items():
        groups.setdefault(", ".join(ids), []).append(text(name))
    parts = (f"{', '.join(names)} ({ids})" if ids else ", ".join(names) for ids, names in groups.items())
    return Safe("; ".join(parts))


def _quantities(entry: Node) -> list[tuple[str, Node]]:
    if entry["status"]["word"].value == "blocked":
        return [("all figures", entry["throughput"])]
    found = [
        (f"{scope['scope'].value} {name}".replace("_", " "), scope["experienced"][name])
        for scope in entry["latency"]
        for name in EXPERIENCED
    ]
    found += [
        (f"{scope['scope'].value} {name}".replace("_", " "), scope[name])
        for scope in entry["latency"]
        for name in ("uncontended", "normalised", "wall_over_cpu")
    ]
    found += [("throughput", entry["throughput"])]
    found += [(f"cold start, {name}", entry["cold"][name]) for name in COLD]
    return found + [(name.replace("_", " "), entry["memory"][name]) for name in (*RAM, *VRAM)]


# ---------------------------------------------------------------- provenance
def provenance(view: View) -> Safe:
    """Table every file that a number can be traced to, with its digest and the stage that made it."""
    given = view.record("checkpoint")["files"]
    rows = [[entry["path"].code(), entry["bytes"].num(), entry["sha256"].code(), Safe("the user")] for entry in given]
    for entry in list(view.record("inputs")["items"])[:PROVENANCE]:
        made = phrase("inputs ({origin}: {source})", origin=entry["origin"].text(), source=entry["source"].text())
        rows.append([entry["file"].code(), entry["bytes"].num(), entry["sha256"].code(), made])
    items = view.record("artifacts")["items"]
    for entry in list(items)[:PROVENANCE]:
        rows += [
            [entry[key].code(), Safe("–"), entry[f"{key}_sha256"].code(), Safe(stage)]
            for key, stage in (("raw", "infer"), ("picture", "decode"), ("sound", "decode"))
            if entry[key]
        ]
    rows += [
        [file_link(layout.record(name)), Safe("–"), code(_digest(view.records[name])), text(MAKERS.get(name, name))]
        for name in sorted(view.records)
    ]
    whole = table(("file", "bytes", "SHA-256", "made by"), rows, right=("bytes",))
    if len(items.value or ()) <= PROVENANCE:
        return whole
    return paragraphs(
        whole, phrase("All {n} inputs stand in {file}.", n=items.count(), file=file_link(layout.record("artifacts")))
    )


def _digest(record: object) -> str:
    return hashlib.sha256(canonical.dumps(record).encode("utf-8", "surrogatepass")).hexdigest()


def reproduce(view: View, context: Context) -> Safe:
    """Give the commands that repeat the whole, and one input by hand."""
    own = [visible(str(command)) for command in [view.record("artifacts")["command"].value] if command]
    name = shlex.quote(context.experiment)
    return paragraphs(
        "Without assay, from the folder of this workspace, with the same checkpoint and an interpreter that satisfies "
        "deps.lock (the script says which is missing):",
        block(["sh scripts/reproduce.sh CHECKPOINT PYTHON", *own]),
        "With assay, from the repository:",
        block([f"doit report exp={name}", f"doit reproduce exp={name}"]),
    )
