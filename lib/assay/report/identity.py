"""Sections on what was examined: targets, identity, environment, parameters, contract."""

from __future__ import annotations

import re

from assay.report.escape import Safe, code, text, url
from assay.report.tables import bullets, paragraphs, phrase, table
from assay.report.view import Context, Node, View
from assay.units import OPERATORS

USED = ("pre.", "post.", "io.", "labels.")
MARKS = {"met": "✓ met", "missed": "✗ missed", "undecided": "? undecided"}
ORIGINS = {
    "none": "nobody: unknown",
    "default": "the generated adapter",
    "edited": "the adapter, edited by hand",
    "recipe": "the recipe",
    "drafted": "upstream's own code, cut at the model's call and rehearsed beside it",
    "transformers": "transformers, by the folder's own configuration",
}
_CITED = re.compile(r"((?:refs|scripts|inputs|outputs)/[A-Za-z0-9_./-]+|deps\.lock)(?::(\d+)(?:-\d+)?)?")


def mark(word: str) -> Safe:
    """Put a glyph before the word of a target's status."""
    return Safe(MARKS[word]) if word in MARKS else text(word)


def judged_number(target: Node) -> Safe:
    """Write what was measured for a target, linked to where it was measured."""
    return source_of(target).quantity()


def source_of(target: Node) -> Node:
    """Enter the quantity that a target was judged by, where it was measured."""
    measured = target.view.at(str(target["pointer"].value or ""))
    return measured if measured.measured() else target["measured"]


def targets(view: View) -> Safe:
    """Table what was asked and what became of it."""
    rows = [
        [
            entry["key"].code(),
            asked(entry),
            judged_number(entry),
            mark(entry["status"].value),
            entry["why"].linked() if entry["why"] else Safe(""),
        ]
        for entry in view.record("metrics")["targets"]
    ]
    return table(("target", "asked", "measured (95 % interval)", "status", "why"), rows)


def asked(target: Node) -> Safe:
    """Write a target's limit in words: at most 20 ms."""
    words = phrase("{op} {limit}", op=OPERATORS.get(target["op"].value, ""), limit=target["limit"].show())
    return phrase("{words} {unit}", words=words, unit=target["unit"].text()) if target["unit"] else words


def cited(where: Node) -> Safe:
    """Link a place in the workspace; write any other place as it is."""
    found = _CITED.fullmatch(str(where.value or ""))
    if not found or ".." in found[1]:
        return where.code()
    line = f"#L{found[2]}" if found[2] else ""
    return Safe(f"[{code(where.value)}](../{url(found[1])}{line})")


def file_link(path: str) -> Safe:
    """Link a file of the workspace."""
    return Safe(f"[{code(path)}](../{url(path)})")


def input_name(view: View, id: Node) -> Safe:
    """Name an input by its id and the file that it was copied from."""
    for item in view.record("inputs")["items"]:
        if item["id"].value == id.value:
            if item["origin"].value == "synthesised":
                return phrase("{id} (made up)", id=id.code())
            return phrase("{id} {name}", id=id.code(), name=str(item["source"].value).rpartition("/")[2])
    return id.code()


# ---------------------------------------------------------------- identity
def identity(view: View, context: Context) -> Safe:
    """Say which bytes were examined, and whose they are said to be."""
    checkpoint = view.record("checkpoint")
    rows: list[list[Safe]] = []
    if checkpoint:
        rows += [
            [Safe("checkpoint"), checkpoint["name"].code()],
            [Safe("format"), _format(checkpoint)],
            [Safe("bytes"), checkpoint["bytes"].num()],
            [Safe("SHA-256"), checkpoint["sha256"].code()],
        ]
        rows += [[phrase("claimed {key}", key=entry.key), entry.text()] for entry in checkpoint["claimed"] if entry]
        rows += _graph(checkpoint["graph"])
    rows += [row for tree in view.record("refs")["trees"] for row in _tree(tree)]
    if view.record("refs")["note"]:
        rows.append([Safe("upstream source"), view.record("refs")["note"].text()])
    files = ["deps.lock"] if view.record("environment") else []
    files += ["scripts/reproduce.sh", *(stage.log for stage in context.stages if stage.log)]
    rows.append([Safe("files"), Safe(", ".join(file_link(path) for path in files))])
    return table(("what", "value"), rows)


def _format(checkpoint: Node) -> Safe:
    return phrase("{name} (by {by})", name=checkpoint["format"]["name"].text(), by=checkpoint["format"]["by"].text())


def _graph(graph: Node) -> list[list[Safe]]:
    if not graph:
        return []
    opset = [phrase("{name} {version}", name=entry.key or "ai.onnx", version=entry.show()) for entry in graph["opset"]]
    nodes = phrase("{n} nodes", n=graph["nodes"].num())
    rows = [
        [
            Safe("graph"),
            phrase("{nodes}, opset {opset}", nodes=nodes, opset=Safe(", ".join(opset))) if opset else nodes,
        ],
        [Safe("made by"), graph["producer"].text() or Safe("not said")],
    ]
    if graph["custom_ops"]:
        rows.append([Safe("custom operators"), Safe(", ".join(op.code() for op in graph["custom_ops"]))])
    rows += [[phrase("range of {name}", name=entry.key), entry.text()] for entry in graph["ranges"]]
    return rows


def _tree(tree: Node) -> list[list[Safe]]:
    home = tree["url"].text() if tree["url"] else Safe("a local folder, copied")
    dirty = {True: "with local changes", False: "clean"}.get(tree["dirty"].value, "changes not known")
    commit = phrase("commit {commit}, {dirty}", commit=tree["commit"].code(), dirty=dirty)
    licence = tree["license"]
    found = phrase("{name} in {file}", name=licence["name"].text(), file=licence["file"].code())
    return [
        [phrase("upstream {name}", name=tree["name"].text()), Safe(home + _tag(tree))],
        [Safe("upstream commit"), commit if tree["commit"] else Safe("no commit: not under version control")],
        [Safe("upstream licence"), found if licence["file"] else licence["name"].text()],
        [Safe("upstream tree"), phrase("SHA-256 {sha}", sha=tree["tree_sha256"].code())],
    ]


def _tag(tree: Node) -> Safe:
    if tree["tag"]:
        return phrase("; tag {tag}", tag=tree["tag"].text())
    return phrase("; asked for {rev}", rev=tree["rev"].text()) if tree["rev"] else Safe("")


# ---------------------------------------------------------------- environment
def environment(view: View) -> Safe:
    """Say which interpreter and packages ran the model."""
    record = view.record("environment")
    if not record:
        return Safe("")
    head = phrase(
        "Python {python} ({implementation}) on {platform}; packages by {manager}, because {why}.",
        python=record["python"].text(),
        implementation=record["implementation"].text(),
        platform=record["platform"].text(),
        manager=record["manager"].text(),
        why=record["chosen_because"].text(),
    )
    lacking = {entry.value for entry in record["missing"]}
    rows = [
        [
            entry["name"].code(),
            entry["version"].text() or Safe("missing" if entry["name"].value in lacking else "not there"),
            entry["group"].text(),
            entry["why"].text(),
        ]
        for entry in record["packages"]
    ]
    missing = Safe(", ".join(entry.code() for entry in record["missing"]))
    lack = phrase("**Missing:** {names}", names=missing) if missing else ""
    return paragraphs(
        head,
        phrase("{note}.", note=record["note"].text()) if record["note"].value else "",
        table(("package", "version", "group", "needed because"), rows),
        lack,
        _listed("Imports that no package is known for", record["unknown"]),
        _listed("Imports that could not be followed", record["unseen"]),
        _rungs(record),
    )


def _listed(what: str, entries: Node) -> Safe:
    found = [entry.code() for entry in entries]
    return phrase("{what}: {found}.", what=what, found=Safe(", ".join(found))) if found else Safe("")


def _rungs(record: Node) -> Safe:
    """Table the ways to choose versions that were tried, when it took more than to look."""
    if record["made"].value == "as installed" and len(list(record["rungs"])) < 2:
        return Safe("")
    rows = [
        [
            rung["number"].show(),
            rung["what"].text(),
            Safe(", ".join(package.code() for package in rung["packages"])),
            rung["outcome"].text(),
            rung["message"].text(),
        ]
        for rung in record["rungs"]
    ]
    return table(("rung", "versions tried", "added", "outcome", "why"), rows)


def parameters(view: View) -> Safe:
    """Table the parameters, and who set them."""
    rows = [
        [
            Safe(code(entry.key)),
            entry["value"].show(),
            entry["origin"].text(),
            Safe(", ".join(used.code() for used in entry["used_by"])),
        ]
        for entry in view.record("params")["params"]
    ]
    return table(("parameter", "value", "set by", "used by"), rows)


# ---------------------------------------------------------------- contract
def contract(view: View) -> Safe:
    """Say how the model is used: tensors, functions, claims with their evidence, questions."""
    record = view.record("contract")
    if not record:
        return Safe("")
    tensors = [_tensor("input", entry) for entry in record["inputs"]]
    tensors += [_tensor("output", entry) for entry in record["outputs"]]
    functions = [[entry.code(), entry_by] for entry, entry_by in _functions(record)]
    claims = [_claim(entry) for entry in record["claims"]]
    asked = [phrase("{ask}{options}", ask=q["ask"].text(), options=_options(q)) for q in record["questions"]]
    return paragraphs(
        phrase(
            "Task: {task}. {batch}{classes}",
            task=record["task"].text() or "unknown",
            batch=_batch(record),
            classes=phrase(" {n} classes.", n=record["labels"].count()) if record["labels"] else Safe(""),
        ),
        table(("tensor", "name", "dtype", "shape"), tensors),
        table(("function", "comes from"), functions),
        table(("claim", "value", "status", "by", "evidence"), claims),
        paragraphs(Safe("**Open questions**"), bullets(asked)) if asked else "",
        _observed(view.record("probe")),
    )


def _batch(record: Node) -> Safe:
    if record["batch_axis"].value is None:
        return Safe("No batch axis is known.")
    limit = record["max_batch"].show() if record["max_batch"] else Safe("not known")
    return phrase("Batch axis {axis}, largest batch {limit}.", axis=record["batch_axis"].show(), limit=limit)


def _observed(probe: Node) -> Safe:
    """Table what running the model with made-up tensors showed."""
    same = {True: "yes", False: "**no**"}.get(probe["deterministic"].value, "not known")
    rows = [[Safe("batches"), probe["batch"].text()], [Safe("same answer twice"), Safe(same)]]
    rows += [[phrase("dimension {name}", name=entry.key), entry.text()] for entry in probe["dims"]]
    rows += [[Safe("note"), note.text()] for note in probe["notes"]]
    return table(("observed by running", "what"), rows) if probe else Safe("")


def _tensor(kind: str, entry: Node) -> list[Safe]:
    return [Safe(kind), entry["name"].code(), entry["dtype"].text(), entry["shape"].show()]


def origin(function: Node) -> Safe:
    """Say in words where a function comes from."""
    return Safe(ORIGINS[function.value]) if function.value in ORIGINS else function.text()


def _functions(record: Node) -> list[tuple[Node, Safe]]:
    order = ("build", "preprocess", "infer", "postprocess", "draw")
    entries = [record["functions"][name] for name in order if record["functions"][name]]
    return [(Node(entry.view, entry.name, entry.pointer, entry.key), origin(entry)) for entry in entries]


def _claim(entry: Node) -> list[Safe]:
    value = entry["value"].show()
    value = phrase("{value} {unit}", value=value, unit=entry["unit"].text()) if entry["unit"] else value
    status = entry["status"].text()
    if entry["identified"].value is False:
        status = phrase("{status}, other values not ruled out", status=status)
    if entry["conflicts"]:
        conflicts = Safe("; ".join(conflict.text() for conflict in entry["conflicts"]))
        status = phrase("**{status}**: {conflicts}", status=status, conflicts=conflicts)
    elif entry["reason"] and str(entry["id"].value).startswith(USED):
        status = phrase("{status}: {reason}", status=status, reason=entry["reason"].text())
    evidence = Safe("; ".join(_evidence(item) for item in entry["evidence"]) or "none")
    return [entry["id"].code(), value, status, entry["by"].text(), evidence]


def _evidence(item: Node) -> Safe:
    place = phrase("{kind} {where}", kind=item["kind"].text(), where=cited(item["where"]))
    return phrase("{place}: {text}", place=place, text=item["text"].text()) if item["text"] else place


def _options(question: Node) -> Safe:
    options = [option.show() for option in question["options"]]
    return Safe(f" ({', '.join(options)})") if options else Safe("")
