"""Section on upstream's own code: the class of the weights, its own run, and whether ours agrees with it."""

from __future__ import annotations

from assay.report.escape import Safe
from assay.report.tables import bullets, paragraphs, phrase, table
from assay.report.view import Node, View

ATTEMPTS = 6


def upstream(view: View) -> Safe:
    """Say what upstream's code showed when it was built from, run, and run beside the adapter."""
    return paragraphs(_matched(view.record("match")), _seen(view.record("probe")["observation"]), _agreed(view))


def _matched(match: Node) -> Safe:
    best = match["best"]
    if not best:
        why = match["why"]
        return phrase("No class was matched: {why}.", why=why.text()) if why else Safe("")
    head = phrase(
        "The weights belong to {name} of {module}: {outcome}, after {n} constructions.",
        name=best["qualname"].code(),
        module=best["module"].code(),
        outcome=match["outcome"].text(),
        n=match["constructions"].num(),
    )
    rows = [[one["name"].code(), one["value"].show(), one["by"].text(), _known(one)] for one in best["args"]]
    twins = [phrase("{name} fits as well", name=twin["qualname"].code()) for twin in match["twins"]]
    return paragraphs(head, bullets(twins), table(("argument", "value", "from", "could be told apart"), rows))


def _known(argument: Node) -> Safe:
    return Safe({True: "yes", False: "**no**: no shape depends on it"}.get(argument["identified"].value, "not tried"))


def _seen(seen: Node) -> Safe:
    if not seen:
        return Safe("")
    tried = list(seen["attempts"])
    if seen["status"].value not in ("seen", "alone"):
        reason = phrase("Upstream's own entrypoint was not seen to run its model: {why}.", why=seen["reason"].text())
        return paragraphs(reason, bullets([_attempt(one) for one in tried[:ATTEMPTS]]))
    runs = seen["runs"]
    head = phrase("{entry}, run and watched over {n} inputs.", entry=tried[-1]["entry"].code(), n=runs.count())
    if seen["status"].value == "alone":
        head = phrase("{why}: run and watched {n} times.", why=seen["reason"].text(), n=runs.count())
    helped = [phrase("{what}", what=one["what"].text()) for one in seen["interventions"]]
    draft = seen["draft"]
    rehearsed = [
        [one["function"].code(), one["outcome"].text(), one["runs"].num(), one["message"].text()]
        for one in (draft["rehearsals"] if draft else ())
    ]
    return paragraphs(
        head,
        paragraphs(Safe("So that it could run here:"), bullets(helped)) if helped else "",
        table(("function written from it", "beside upstream's own run", "runs", "note"), rehearsed, right=("runs",)),
    )


def _attempt(one: Node) -> Safe:
    return phrase("{entry}: {outcome} {why}", entry=one["entry"].code(), outcome=one["outcome"].text(),
                  why=one["message"].text())  # fmt: skip


def _agreed(view: View) -> Safe:
    """Table real inputs through the adapter and through upstream's entrypoint."""
    record = view.record("agreement")
    if not record["items"]:
        reason = record["status"]["reason"]
        return phrase("Agreement with upstream: {reason}.", reason=reason.text()) if reason else Safe("")
    rows = [
        [one["id"].code(), one["tensors"].text(), one["outputs"].text(), one["answer"].text(), one["message"].text()]
        for one in record["items"]
    ]
    head = Safe("Real inputs through the adapter and through upstream's own entrypoint, both on the CPU:")
    return paragraphs(head, table(("input", "tensors", "outputs", "answer", "note"), rows))
