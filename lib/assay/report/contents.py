"""Section on what the checkpoint holds: its weights, what came with them, and the code it names."""

from __future__ import annotations

from collections.abc import Iterator

from assay.report.escape import Safe, code
from assay.report.tables import bullets, paragraphs, phrase, table
from assay.report.view import Node, View

LISTED = 20  # rows of a table; the record has the rest
NAMED = 5  # names in a line


def contents(view: View) -> Safe:
    """Say what the checkpoint holds, and what it could do."""
    checkpoint = view.record("checkpoint")
    if not checkpoint:
        return Safe("")
    rows = [row for part in (_weights, _values, _around, _texts) for row in part(checkpoint)]
    return paragraphs(
        table(("holds", "what"), rows),
        _loading(view),
        table(("code it names", "verdict", "why", "times", "first in"), _code(checkpoint), right=("times",)),
    )


def _weights(checkpoint: Node) -> Iterator[list[Safe]]:
    if not checkpoint["tensors"]:
        return
    n, parameters = checkpoint["tensors"].count(), checkpoint["parameters"].num()
    yield [Safe("weights"), phrase("{n} tensors, {parameters} parameters", n=n, parameters=parameters)]
    for kind in ("totals", "parts"):
        for entry in checkpoint[kind]:
            what = phrase(
                "{n} tensors, {parameters} parameters, {bytes} bytes",
                n=entry["tensors"].num(),
                parameters=entry["parameters"].num(),
                bytes=entry["bytes"].num(),
            )
            yield [
                phrase("of these {key}" if kind == "totals" else "part {key}", key=entry.key or "without a name"),
                what,
            ]
    if checkpoint["shared"]:
        first = Safe(", ".join(code(name.value) for name in list(checkpoint["shared"][0])[:NAMED]))
        what = phrase("{n} groups of tensors, as {first}", n=checkpoint["shared"].count(), first=first)
        yield [Safe("on the same numbers"), what]
    if checkpoint["quantised"]:
        yield [Safe("quantised"), _some(checkpoint["quantised"])]


def _values(checkpoint: Node) -> Iterator[list[Safe]]:
    found = checkpoint["values"]
    if not found:
        return
    yield [Safe("numbers looked at"), found["checked"].num()]
    if found["checked"].value:
        names = [_strange(found, entry) for entry in found["nonfinite"]]
        yield [Safe("NaN or infinite"), _listed(names) if names else Safe("none")]
    if found["zero"]:
        yield [Safe("all zero"), _listed([name.code() for name in found["zero"]])]
    for entry in found["unchecked"]:
        yield [Safe("not looked at"), phrase("{n} tensors: {why}", n=entry.num(), why=entry.key)]


def _strange(found: Node, entry: Node) -> Safe:
    infinite = found["infinite"][entry.key]
    said = Safe(", infinite") if infinite.value == entry.value else Safe("")
    return phrase("{name} ({n}{said})", name=code(entry.key), n=entry.num(), said=said)


def _around(checkpoint: Node) -> Iterator[list[Safe]]:
    if checkpoint["wrapper"]:
        yield [Safe("wrapped in"), _some(checkpoint["wrapper"])]
    for entry in list(checkpoint["leftovers"])[:LISTED]:
        yield [phrase("left by training: {key}", key=entry.key), entry.show()]
    if checkpoint["labels"]:
        yield [Safe("labels"), phrase("{n}: {some}", n=checkpoint["labels"].count(), some=_some(checkpoint["labels"]))]
    hint = checkpoint["looks_like"]
    if hint:
        yield [Safe("looks like (a guess)"), phrase("{f}: {b}", f=hint["family"].text(), b=hint["because"].text())]


def _texts(checkpoint: Node) -> Iterator[list[Safe]]:
    for entry in list(checkpoint["documents"])[:LISTED]:
        where = "inside" if entry["embedded"].value else "beside it"
        digest = phrase("{n} bytes, SHA-256 {sha}", n=entry["bytes"].num(), sha=entry["sha256"].code())
        yield [phrase("document {where}", where=Safe(where)), phrase("{p}, {d}", p=entry["path"].code(), d=digest)]


def _loading(view: View) -> Safe:
    """Say whether loading it runs code, and what stands against it."""
    checkpoint = view.record("checkpoint")
    reasons = [*checkpoint["trust"], *checkpoint["cannot"]]
    if not reasons:
        return Safe("Loading it runs no code of the file.")
    head = "Loading it as its maker meant runs code, or needs more than there is:"
    trusted = "The experiment trusts this very file." if view.record("match")["trusted"].value else ""
    return paragraphs(Safe(head), bullets([reason.text() for reason in reasons]), Safe(trusted))


def _code(checkpoint: Node) -> list[list[Safe]]:
    rows = [entry for entry in checkpoint["code"] if entry["verdict"].value != "tensors"]
    return [
        [
            entry["name"].code(),
            Safe("**dangerous**") if entry["verdict"].value == "dangerous" else entry["verdict"].text(),
            entry["why"].text(),
            entry["times"].num(),
            entry["where"].code() if entry["where"] else Safe(""),
        ]
        for entry in rows[:LISTED]
    ]


def _some(entries: Node) -> Safe:
    return _listed([entry.text() for entry in entries])


def _listed(names: list[Safe]) -> Safe:
    return Safe(", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else ""))
