"""The experiment report: everything that was found, each number linked to its line in outputs/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from assay.records import SCHEMA
from assay.report import contents, identity, numbers, results, upstream
from assay.report.escape import Safe, text, visible
from assay.report.findings import findings
from assay.report.render import render
from assay.report.tables import bullets, phrase, table
from assay.report.view import Context, View


class Section(NamedTuple):
    """A heading and what stands under it."""

    title: str
    body: Safe


def experiment_report(records: Mapping[str, Any], context: Context) -> str:
    """Write the experiment report from the values of outputs/*.json, by record name."""
    view = View(records)
    found = findings(view, context)
    built = [Section(title, build(view, context)) for title, build in SECTIONS]
    sections = [section for section in built if section.body]
    empty = [section.title for section in built if not section.body]
    metrics = view.record("metrics")
    body = render(
        "experiment.md.j2",
        {
            "notice": notice(context),
            "experiment": context.experiment,
            "verdict": metrics["verdict"].text() or Safe("NOT DECIDED"),
            "machine": numbers.processor(view) or Safe("no machine"),
            "because": bullets([reason.linked() for reason in metrics["because"]]) or Safe("- no verdict was reached"),
            "warnings": bullets([_warning(f.what, f.evidence) for f in found if f.kind == "run"]),
            "sections": sections,
            "findings": table(
                ("how bad", "finding", "evidence", "what to do"),
                [[Safe(f.severity), f.what, f.evidence, f.action] for f in found if f.kind != "run"],
            ),
            "missing": results.not_measured(view, empty),
            "reproduce": results.reproduce(view, context),
            "notes": quoted(context),
        },
    )
    return view.finish(body)


def notice(context: Context) -> Safe:
    """Say in a comment who wrote the file and how to write it again."""
    name = visible(context.experiment).replace("-->", "").replace("--", "")
    version = visible(context.version).replace("--", "")
    return Safe(
        f"<!-- Written by assay {version}, schema {SCHEMA}, from outputs/ alone. Do not edit: "
        f"change the experiment and run: doit report exp={name} -->"
    )


def quoted(context: Context) -> Safe:
    """Set the author's notes as a quotation, as text, under the author's name."""
    lines = [line for line in context.notes.strip().splitlines()]
    if not lines:
        return Safe("")
    author = context.notes_by or f"experiments/{context.experiment}.notes.md"
    body = "\n".join(f"> {text(line)}".rstrip() for line in lines)
    return Safe(f"{body}\n>\n> — {text(author)}")


def _warning(what: Safe, evidence: Safe) -> Safe:
    return phrase("{what} ({evidence})", what=what, evidence=evidence)


SECTIONS: tuple[tuple[str, Callable[[View, Context], Safe]], ...] = (
    ("Targets", lambda view, _: identity.targets(view)),
    ("Identity", identity.identity),
    ("Contents", lambda view, _: contents.contents(view)),
    ("Environment", lambda view, _: identity.environment(view)),
    ("Parameters", lambda view, _: identity.parameters(view)),
    ("Contract", lambda view, _: identity.contract(view)),
    ("Upstream's code", lambda view, _: upstream.upstream(view)),
    ("Latency", lambda view, _: numbers.latency(view)),
    ("Breakdown", lambda view, _: numbers.breakdown(view)),
    ("Throughput", lambda view, _: numbers.throughput(view)),
    ("Memory", lambda view, _: numbers.memory(view)),
    ("Quality", lambda view, _: results.quality(view)),
    ("Pictures", lambda view, _: results.figures(view)),
    ("Tensors", lambda view, _: results.tensors(view)),
    ("Predictions", lambda view, _: results.predictions(view)),
    ("Hardware and noise", lambda view, _: numbers.hardware(view)),
    ("Provenance", lambda view, _: results.provenance(view)),
)
