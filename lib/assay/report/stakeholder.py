"""The stakeholder report: the decision on one page, each number linked to its line in outputs/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.report.escape import Safe
from assay.report.experiment import notice, quoted
from assay.report.findings import Finding, command, findings
from assay.report.identity import asked, mark, origin, source_of
from assay.report.numbers import RAM, absent, configurations, plain, plain_latency, processor
from assay.report.render import render
from assay.report.results import NOT_YET, skipped
from assay.report.tables import bullets, paragraphs, phrase, table
from assay.report.verdict import STAGES, without
from assay.report.view import Context, Node, View

RISKS = 6
STEPS = 6
EXPORT = "export it to ONNX"
CLOSED = ("tensorrt", "gguf", "npz", "npy")  # made for one runtime, or no model at all: the original is needed
TO_DO = {
    "GO": Safe("use it for what was asked"),
    "NO-GO": Safe("do not use it as it is"),
    "NOT DECIDED": Safe("decide later: what is missing is listed below"),
}


def stakeholder_report(records: Mapping[str, Any], context: Context) -> str:
    """Write the stakeholder report from the values of outputs/*.json, by record name."""
    view = View(records)
    found = findings(view, context)
    verdict = str(view.record("metrics")["verdict"].value or "NOT DECIDED")
    steps = towards_go(view, context)
    body = render(
        "stakeholder.md.j2",
        {
            "notice": notice(context),
            "experiment": context.experiment,
            "verdict": verdict,
            "decision": TO_DO.get(verdict, Safe("decide later")),
            "valid_for": _valid_for(view),
            "plain": _plain(view),
            "asked": _asked(view),
            "verified": _verified_section(view),
            "bottlenecks": bullets([_line(f) for f in found if f.kind == "bottleneck"]),
            "risks": _risks([f for f in found if f.kind != "bottleneck"]),
            "because": bullets([reason.linked() for reason in view.record("metrics")["because"]][:STEPS]),
            "steps": bullets(steps[:STEPS]) or Safe("- nothing is open for what was asked"),
            "unknown": bullets(_unknown(view)),
            "next": bullets(_next(view, found, context)),
            "notes": quoted(context),
        },
    )
    return view.finish(body)


def _valid_for(view: View) -> Safe:
    checkpoint, machine = view.record("checkpoint"), view.record("stats")["hardware"]
    return phrase(
        "checkpoint {name} with SHA-256 {sha}; numbers for {cpu}",
        name=checkpoint["name"].code() if checkpoint else "not known",
        sha=checkpoint["sha256"].code() if checkpoint else "not known",
        cpu=_machine(view) if machine else "no machine, as nothing was measured",
    )


def _machine(view: View) -> Safe:
    machine = view.record("stats")["hardware"]
    return phrase(
        "{cpu}, {cores} cores, {memory} of memory",
        cpu=processor(view),
        cores=machine["cores"].num(),
        memory=machine["memory_mib"].num("MiB"),
    )


# ---------------------------------------------------------------- in plain words
def _plain(view: View) -> Safe:
    checkpoint, task = view.record("checkpoint"), view.record("contract")["task"]
    kind = phrase("a {task} model", task=task.text()) if task else Safe("a model whose task is unknown")
    name = checkpoint["name"].text() if checkpoint else Safe("The checkpoint")
    read = any(claim["status"].value == "read" for claim in _claims(view) if claim["id"].value == "model.task")
    be = "says it is" if read else "is"
    sentences = [phrase("{name} {be} {kind}.", name=name, be=be, kind=kind), _ran(view), *_speed(view), *_worth(view)]
    return Safe(" ".join(sentence for sentence in sentences if sentence))


def _ran(view: View) -> Safe:
    infer = view.record("infer")
    if infer["status"]["word"].value == "blocked":
        return phrase("It could not be run here: {reason}.", reason=infer["status"]["reason"].text())
    if not infer["items"]:
        return Safe("It was not run here.")
    origins = sorted({str(item["origin"].value) for item in view.record("inputs")["items"]})
    words = {"upstream": "from upstream", "workspace": "found here", "synthesised": "made up to fit"}
    origin = " and ".join(words.get(word, word) for word in origins)
    return phrase("It was run here on {n} inputs {origin}.", n=infer["items"].count(), origin=origin)


def _speed(view: View) -> list[Safe]:
    latency, configuration = plain_latency(view), plain(view)
    sentences = []
    if latency["experienced"]["p50"].measured():
        sentences.append(
            phrase(
                "Half of all calls ({what}, batch {batch}, threads {threads}) take at most {p50}.",
                what=_extent(latency, configuration),
                batch=configuration["batch"].num(),
                threads=configuration["threads"].num(),
                p50=latency["experienced"]["p50"].alone(),
            )
        )
    peaks = [(entry["memory"][name], entry) for entry in configurations(view) for name in RAM]
    known = [(peak, entry) for peak, entry in peaks if peak.measured()]
    if known:
        most, where = max(known, key=lambda pair: float(pair[0].value["value"]))
        sentences.append(phrase("It needs up to {ram} of memory ({id}).", ram=most.alone(), id=where["id"].text()))
    return sentences


def _extent(latency: Node, configuration: Node) -> Safe:
    """Say what a call covers: start to finish only when every part of it ran."""
    if latency["scope"].value != "end_to_end":
        return Safe("the model alone, without the rest")
    parts = absent(configuration)
    return Safe(without(parts)) if parts else Safe("start to finish")


def _worth(view: View) -> list[Safe]:
    for entry in view.record("metrics")["metrics"]:
        if entry["quantity"].measured():
            figure = entry["quantity"].quantity()
            return [phrase("Its quality, as {name}, is {figure}.", name=entry["id"].text(), figure=figure)]
    return [Safe("How good its answers are was not measured.")]


# ---------------------------------------------------------------- asked, verified
def _asked(view: View) -> Safe:
    rows = []
    for entry in view.record("metrics")["targets"]:
        quantity = source_of(entry)
        wish = phrase("{key} {asked}", key=entry["key"].code(), asked=asked(entry))
        rows.append([wish, quantity.alone(), mark(entry["status"].value), quantity.sureness()])
    return table(("asked", "measured", "verdict", "how sure (95 % interval)"), rows)


def _verified_section(view: View) -> Safe:
    """List what was seen to be so; apart from it, what somebody only said, and what ran."""
    verified, trusted, ran = _verified(view), _trusted(view), _ran_with(view)
    if not (verified or trusted or ran):
        return Safe("")
    return paragraphs(bullets(verified or [Safe("nothing: it did not run")]), trusted, ran)


def _claims(view: View) -> list[Node]:
    """List the claims, without the one about a preprocessing that never ran."""
    idle = _idle(view)
    return [c for c in view.record("contract")["claims"] if not (idle and c["id"].value == "pre.function")]


def _idle(view: View) -> bool:
    """Tell whether preprocessing never ran, as every input was made up."""
    items = view.record("inputs")["items"]
    return bool(items) and all(item["origin"].value == "synthesised" for item in items)


def _verified(view: View) -> list[Safe]:
    probe = view.record("probe")
    lines = []
    if view.record("infer")["items"]:
        lines.append(phrase("it runs: {n} raw answers were kept", n=view.record("infer")["items"].count()))
    if probe["batch"].value == "works":
        lines.append(Safe("batches give the same answers as single inputs"))
    if probe["deterministic"].value is True:
        varies = any(c["id"].value == "io.deterministic" and c["value"].value is False for c in _claims(view))
        alone = "the network alone gives the same answer twice; as upstream uses it, it does not"
        lines.append(Safe(alone if varies else "the same input gives the same answer twice"))
    good = [claim["id"].code() for claim in _claims(view) if _seen(claim)]
    if good:
        lines.append(phrase("how it is used, with evidence: {names}", names=_few(good)))
    return lines


def _seen(claim: Node) -> bool:
    """Tell whether a claim was observed; a person's yes takes nothing away from that."""
    probed = any(item["kind"].value == "probe" for item in claim["evidence"])
    return claim["status"].value in ("observed", "verified") or (claim["status"].value == "confirmed" and probed)


def _trusted(view: View) -> Safe:
    """Name what an experiment, a recipe or a person said, and nothing observed."""
    said = [c for c in _claims(view) if c["status"].value in ("confirmed", "corrected") and not _seen(c)]
    names = [phrase("{id} ({by})", id=claim["id"].code(), by=claim["by"].text()) for claim in said]
    return phrase("Taken on trust: {names}.", names=_few(names)) if names else Safe("")


def _few(names: list[Safe]) -> Safe:
    return Safe(", ".join(names[:8]) + (" …" if len(names) > 8 else ""))


def _ran_with(view: View) -> Safe:
    if not view.record("infer")["items"]:
        return Safe("")
    groups = _by_origin(view.record("contract"), idle=_idle(view))
    parts = [phrase("{names} from {by}", names=", ".join(names), by=by) for by, names in groups.items()]
    what = phrase("It ran with {parts}.", parts=Safe("; ".join(parts))) if parts else Safe("")
    return Safe(f"{what} Preprocessing did not run: every input was made up.") if what and _idle(view) else what


def _by_origin(contract: Node, *, idle: bool) -> dict[Safe, list[str]]:
    groups: dict[Safe, list[str]] = {}
    for entry in contract["functions"]:
        if entry.value != "none" and not (idle and entry.key == "preprocess"):
            groups.setdefault(origin(entry), []).append(entry.key)
    return groups


# ---------------------------------------------------------------- findings
def _line(finding: Finding) -> Safe:
    return phrase("{what}: {evidence}; {action}", what=finding.what, evidence=finding.evidence, action=finding.action)


def _risks(found: list[Finding]) -> Safe:
    rows = [[f.what, Safe(f.severity), f.evidence, f.action] for f in found[:RISKS]]
    return table(("risk or assumption", "how bad", "evidence", "what to do"), rows)


# ---------------------------------------------------------------- the way to a GO
def towards_go(view: View, context: Context) -> list[Safe]:
    """List what would turn the verdict into a GO: the cheapest first, each with its command or its decider."""
    contract, targets = view.record("contract"), view.record("metrics")["targets"]
    steps = [phrase("unblock {name}: {reason}", name=name, reason=reason) for name, reason in _stuck(view)]
    steps += [phrase("{out}, then say how it is used", out=out) for out in _way_out(view)]
    if contract["questions"]:
        n = contract["questions"].count()
        steps.append(phrase("answer the open questions ({n}): a recipe, or contract: in the experiment", n=n))
    steps += [
        phrase("settle the conflict about {id}: contract: in the experiment", id=claim["id"].code())
        for claim in contract["claims"]
        if claim["status"].value == "conflict"
    ]
    steps += _functions_to_give(contract)
    if _idle(view):
        steps.append(Safe("give real inputs: inputs.find"))
    if not targets:
        steps.append(Safe("say what is good enough: targets: in the experiment"))
    steps += [_settle(entry, context) for entry in targets if entry["status"].value == "undecided" and _alone(entry)]
    steps += [_reach(entry) for entry in targets if entry["status"].value == "missed"]
    return list(dict.fromkeys(steps))


def _stuck(view: View) -> list[tuple[str, Safe]]:
    """Name the first stage of each reason: those behind it only hand it on."""
    reasons: dict[str, tuple[str, Safe]] = {}
    for name in sorted(view.records, key=lambda name: STAGES.index(name) if name in STAGES else len(STAGES)):
        status = view.record(name)["status"]
        if status["word"].value == "blocked" and status["reason"]:
            reasons.setdefault(status["reason"].value, (name, status["reason"].linked()))
    return list(reasons.values())


def _alone(entry: Node) -> bool:
    """Tell whether a target has its own reason to be undecided, not just that nothing ran."""
    return bool(entry["pointer"]) or entry.view.record("stats")["status"]["word"].value != "blocked"


def _functions_to_give(contract: Node) -> list[Safe]:
    if not contract:
        return [Safe("give the upstream source (source:) or a recipe (recipe:), so that its use becomes known")]
    unknown = [name for name in ("preprocess", "postprocess") if contract["functions"][name].value in (None, "none")]
    if not unknown:
        return []
    names = " and ".join(unknown)
    return [phrase("say how to {names}: the upstream source (source:) or a recipe (recipe:)", names=names)]


def _settle(entry: Node, context: Context) -> Safe:
    key, quantity = entry["key"].code(), source_of(entry)
    if not quantity.measured():
        reason, again = quantity.reason(), command("report", context)
        return phrase("measure {key} ({reason}): {cmd}", key=key, reason=reason, cmd=again)
    scope = entry.view.at(str(entry["pointer"].value).rpartition("/experienced")[0])
    if scope["contended"].value:
        return phrase("measure {key} on a quiet machine: {cmd}", key=key, cmd=command("measure", context))
    if str(entry["pointer"].value).startswith("outputs/metrics"):
        return phrase("label more inputs to settle {key}: inputs.labels, inputs.count", key=key)
    return phrase("measure {key} longer: {cmd}", key=key, cmd=command("measure", context))


def _reach(entry: Node) -> Safe:
    return phrase(
        "bring {key} from {now} to {asked}, or have the limit changed by whoever set it",
        key=entry["key"].code(),
        now=source_of(entry).alone(),
        asked=asked(entry),
    )


def _unknown(view: View) -> list[Safe]:
    lines = [phrase("{what}: {reason}", what=what, reason=reason) for what, reason in _worst(view)]
    lines += [question["ask"].text() for question in view.record("contract")["questions"]]
    stages = Safe(", ".join(f"{what} ({name})" for name, what in NOT_YET))
    return [*lines, phrase("not part of this version: {stages}", stages=stages)]


def _worst(view: View) -> list[tuple[Safe, Safe]]:
    """Keep the page short: the quality figures and the blocked configurations, not every percentile."""
    figures = {str(entry["id"].value) for entry in view.record("metrics")["metrics"]}
    return [(what, why) for what, why in skipped(view) if "all figures" in what or set(what.split(", ")) & figures]


def _way_out(view: View) -> list[Safe]:
    """Name the way out for a format that does not run here."""
    if view.record("match")["status"]["word"].value != "blocked":
        return []
    out = "ask its maker for an ONNX export" if view.record("checkpoint")["format"]["name"].value in CLOSED else EXPORT
    return [Safe(f"{out} and name that file as the checkpoint")]


def _next(view: View, found: list[Finding], context: Context) -> list[Safe]:
    again = command("report", context)
    lines = _way_out(view)
    lines += [phrase("{action} ({what})", action=f.action, what=f.what) for f in found if f.kind == "bottleneck"][:2]
    lines += [f.action for f in found if f.kind == "thin"]
    return [*dict.fromkeys(lines), phrase("then build both reports again: {cmd}", cmd=again)]
