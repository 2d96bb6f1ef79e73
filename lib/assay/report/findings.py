"""What a reader should know before trusting the numbers: rules over the records, each with its evidence."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from typing import NamedTuple

from assay.report.escape import Safe, code
from assay.report.identity import file_link, judged_number
from assay.report.numbers import absent, configurations, parts, plain_latency
from assay.report.tables import phrase
from assay.report.verdict import without
from assay.report.view import Context, View, share, times

SEVERITIES = ("high", "medium", "low")
TAIL = 3.0  # slow calls over the median
COLD = 5.0  # first call over the median
MEMORY = 0.8  # of the limit
LABELS = 100  # fewer labelled inputs say little
DOMINATES = 0.5
NON_COMMERCIAL = re.compile(r"non.?commercial|(?:^|[^a-z])nc(?:[^a-z]|$)|research only", re.IGNORECASE)
UNSURE = ("unknown", "read", "stale", "blocked")


class Finding(NamedTuple):
    """One thing to know: how bad, what, where it can be seen, what to do."""

    kind: str  # bottleneck | thin (little evidence) | risk | run (about this very run)
    severity: str
    what: Safe
    evidence: Safe
    action: Safe


def findings(view: View, context: Context) -> list[Finding]:
    """Apply every rule; the worst first, otherwise in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(view, context)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


# ---------------------------------------------------------------- speed
def _bottleneck(view: View, _: Context) -> Iterator[Finding]:
    actions = {
        "model": "try other values of batch, threads and precision under measure",
        "preprocess": "look at decoding and resizing in scripts/adapter.py",
        "postprocess": "look at decoding and suppression in scripts/adapter.py",
    }
    for entry in configurations(view)[:1]:
        medians = {item["scope"].value: item["experienced"]["p50"] for item in parts(entry)}
        whole = sum(node.value["value"] for node in medians.values())
        if len(medians) < 2 or whole <= 0:
            continue
        name = max(medians, key=lambda key: medians[key].value["value"])
        if medians[name].value["value"] / whole >= DOMINATES:
            part = share(medians[name], list(medians.values()))
            rest = f" {without(absent(entry))}" if absent(entry) else ""
            what = phrase("{name} takes {share} of a call{rest}", name=name, share=part, rest=Safe(rest))
            evidence = Safe("; ".join(phrase("{k} {v}", k=k, v=v.quantity()) for k, v in medians.items()))
            yield Finding("bottleneck", "low", what, evidence, Safe(actions[name]))


def _tail(view: View, _: Context) -> Iterator[Finding]:
    latency = plain_latency(view)["experienced"]
    slow = next((latency[name] for name in ("p99", "p95", "p90") if latency[name].measured()), None)
    if slow is not None and latency["p50"].measured() and slow.value["value"] > TAIL * latency["p50"].value["value"]:
        what = phrase("slow calls take {n} the median ({name})", n=times(slow, latency["p50"]), name=slow.key)
        evidence = phrase("{slow} against {p50}", slow=slow.quantity(), p50=latency["p50"].quantity())
        advice = "see what the slow calls have in common: outputs/samples.json"
        advice = advice if _tail_target(view) else "set the target on the tail, not on the median"
        yield Finding("bottleneck", "medium", what, evidence, Safe(advice))


def _tail_target(view: View) -> bool:
    keys = (str(entry["key"].value) for entry in view.record("metrics")["targets"])
    return any(key.startswith(("latency_ms.p90", "latency_ms.p95", "latency_ms.p99")) for key in keys)


def _cold(view: View, _: Context) -> Iterator[Finding]:
    for entry in configurations(view)[:1]:
        first, p50 = entry["cold"]["first"], plain_latency(view)["experienced"]["p50"]
        if first.measured() and p50.measured() and first.value["value"] > COLD * p50.value["value"]:
            what = phrase("the first call takes {n} a warm one", n=times(first, p50))
            evidence = phrase("{first} against {p50}", first=first.quantity(), p50=p50.quantity())
            yield Finding("bottleneck", "low", what, evidence, Safe("keep the process alive, or call once before use"))


def _contended(view: View, context: Context) -> Iterator[Finding]:
    scopes = [entry for configuration in configurations(view) for entry in configuration["latency"]]
    slowed = [entry["wall_over_cpu"] for entry in scopes if entry["contended"].value]
    if slowed:
        ratio = slowed[0].quantity(unit="wall over CPU")
        yield Finding(
            "run",
            "medium",
            Safe("other work held the machine while measuring"),
            ratio,
            phrase("measure again on a quiet machine: {cmd}", cmd=command("measure", context)),
        )


def _warmup(view: View, context: Context) -> Iterator[Finding]:
    for entry in configurations(view):
        if entry["latency"] and entry["warmup_settled"].value is False:
            what = phrase("the warm-up of {id} did not settle", id=entry["id"].text())
            evidence = phrase("{n} calls", n=entry["warmup"].num())
            yield Finding("run", "low", what, evidence, phrase("measure again: {cmd}", cmd=command("measure", context)))


# ---------------------------------------------------------------- limits
def _memory(view: View, _: Context) -> Iterator[Finding]:
    for entry in view.record("metrics")["targets"]:
        peak = str(entry["key"].value).startswith(("peak_ram_mib", "peak_vram_mib"))
        if not peak or not entry["measured"].measured() or entry["status"].value != "met":
            continue
        if entry["measured"].value["value"] > MEMORY * entry["limit"].value:
            limit = entry["limit"].show()
            what = phrase("{key} is close to its limit of {limit}", key=entry["key"].code(), limit=limit)
            action = Safe("leave room: a longer input or a larger batch needs more")
            yield Finding("risk", "medium", what, judged_number(entry), action)


def _few_labels(view: View, _: Context) -> Iterator[Finding]:
    counts = [e["quantity"]["value"] and e["quantity"]["n"] for e in view.record("metrics")["metrics"]]
    few = [n for n in counts if n and n.value < LABELS]
    if few:
        what = phrase("quality rests on {n} labelled inputs only", n=few[0].num())
        action = Safe("label more inputs: inputs.labels, inputs.count")
        yield Finding("thin", "medium", what, few[0].num("inputs"), action)


def _single_hardware(view: View, context: Context) -> Iterator[Finding]:
    machine = view.record("stats")["hardware"]
    if machine and configurations(view):
        what = Safe("the numbers hold for one machine only")
        action = phrase("measure on the machine that will run it: {cmd}", cmd=command("measure", context))
        yield Finding("thin", "low", what, machine["cpu"].text(), action)


# ---------------------------------------------------------------- rights
def _licence(view: View, _: Context) -> Iterator[Finding]:
    ask = Safe("ask the owner, or a lawyer, before use")
    for tree in view.record("refs")["trees"]:
        licence = tree["license"]
        where = licence["file"].code() if licence["file"] else Safe("no file")
        name, source = str(licence["name"].value or "none"), tree["name"].text()
        if licence["non_commercial"].value or NON_COMMERCIAL.search(name):
            what = phrase("the licence of {source} forbids commercial use ({name})", source=source, name=name)
            yield Finding("risk", "high", what, where, ask)
        elif name == "none":
            yield Finding("risk", "high", phrase("{source} has no licence", source=source), where, ask)
        elif name == "unrecognised":
            what = phrase("the licence of {source} is not recognised", source=source)
            yield Finding("risk", "medium", what, where, Safe("read it, or have it read"))
        elif name.upper().startswith("AGPL"):
            what = phrase("{source} is under {name}: serving it obliges to publish", source=source, name=name)
            yield Finding("risk", "medium", what, where, ask)
    yield from _claimed_licence(view, ask)


def _claimed_licence(view: View, ask: Safe) -> Iterator[Finding]:
    checkpoint = view.record("checkpoint")
    claimed = checkpoint["claimed"]["license"]
    evidence = file_link("outputs/checkpoint.json")
    if checkpoint and not claimed:
        what, action = Safe("no licence is claimed for the weights"), Safe("find it out; set model.claimed.license")
        yield Finding("risk", "medium", what, evidence, action)
    elif claimed and NON_COMMERCIAL.search(str(claimed.value)):
        what = phrase("the weights are claimed to be for non-commercial use ({name})", name=claimed.text())
        yield Finding("risk", "high", what, evidence, ask)


# ---------------------------------------------------------------- what was run
def _format(view: View, _: Context) -> Iterator[Finding]:
    checkpoint = view.record("checkpoint")
    where = phrase("format {name}", name=checkpoint["format"]["name"].text())
    match = view.record("match")
    for reason in checkpoint["trust"]:
        severity, action = "high", "take a file of a safe format, or read what it names before you trust it"
        if match["trusted"].value:
            action = "the experiment trusts it: who deploys the file trusts it too"
        elif match["status"]["word"].value == "done":
            severity, action = "medium", "this run read its numbers as data; whoever loads it otherwise runs that code"
        yield Finding("risk", severity, reason.text(), where, Safe(action))
    for reason in checkpoint["cannot"]:
        yield Finding("risk", "high", reason.text(), where, Safe("ask its maker for a file that loads as it is"))
    for risk in checkpoint["risks"]:
        yield Finding("risk", "medium", risk.text(), where, Safe("look at what it holds: outputs/checkpoint.json"))


def _numbers(view: View, _: Context) -> Iterator[Finding]:
    checkpoint = view.record("checkpoint")
    found, infinite = checkpoint["values"]["nonfinite"], checkpoint["values"]["infinite"]
    if not found:
        return
    names = Safe(", ".join(code(entry.key) for entry in list(found)[:3]))
    if any(entry.value != infinite[entry.key].value for entry in found):
        what = phrase("weights are NaN or infinite in {n} tensors", n=found.count())
        action = Safe("take another checkpoint: training went wrong, or it is damaged")
        yield Finding("risk", "high", what, names, action)
    elif not checkpoint["graph"]:  # a graph's constants are infinite where it masks
        what = phrase("numbers are infinite in {n} tensors: right for a mask, wrong for a weight", n=found.count())
        yield Finding("risk", "medium", what, names, Safe("look at what these tensors are for"))


def _dirty(view: View, _: Context) -> Iterator[Finding]:
    for tree in view.record("refs")["trees"]:
        if tree["dirty"].value:
            what = phrase("the upstream tree {name} has local changes", name=tree["name"].text())
            action = Safe("commit them, so that others can have them")
            yield Finding("run", "medium", what, tree["tree_sha256"].code(), action)


def _edited(view: View, context: Context) -> Iterator[Finding]:
    functions = [entry for entry in view.record("contract")["functions"] if entry.value == "edited"]
    files = list(context.edited) or (["scripts/adapter.py"] if functions else [])
    for file in files:
        what = phrase("the generated {file} was edited by hand", file=code(file))
        names = Safe(", ".join(code(entry.key) for entry in functions) or "the file differs from what was written")
        yield Finding("run", "medium", what, names, phrase("make it yours: {cmd}", cmd=command("adopt", context)))


def _synthesised(view: View, _: Context) -> Iterator[Finding]:
    items = view.record("inputs")["items"]
    if items and all(item["origin"].value == "synthesised" for item in items):
        what = phrase("all {n} inputs are synthesised: they show that it runs, not what it is worth", n=items.count())
        yield Finding("thin", "high", what, items[0]["file"].code(), Safe("give real inputs: inputs.find"))


def _nonfinite(view: View, _: Context) -> Iterator[Finding]:
    outputs = [(item, out) for item in view.record("infer")["items"] for out in item["outputs"]]
    for item, out in [pair for pair in outputs if pair[1]["nonfinite"].value][:1]:
        what = phrase("the raw answer to {id} holds NaN or infinity", id=item["id"].text())
        evidence = phrase("{n} values in {name}", n=out["nonfinite"].num(), name=out["name"].code())
        yield Finding("risk", "high", what, evidence, Safe("check preprocessing and precision"))


def _shut_in(view: View, _: Context) -> Iterator[Finding]:
    runtime = view.record("infer")["runtime"]
    for left in runtime["lacking"] if runtime else ():
        what = phrase("the model's code was not shut in as far as it could be: {left}", left=left.text())
        evidence = phrase("isolation {level}", level=runtime["isolation"].text())
        yield Finding("run", "low", what, evidence, Safe("for code of strangers, use bubblewrap or a newer Linux"))


def _disagrees(view: View, _: Context) -> Iterator[Finding]:
    items = view.record("agreement")["items"]
    for part in ("tensors", "outputs", "answer"):
        bad = [item for item in items if item[part].value in ("different", "failed")]
        if bad:
            what = phrase("the adapter and upstream's own entrypoint differ in their {part}", part=Safe(part))
            action = Safe("trust neither before the difference is explained")
            yield Finding("risk", "high", what, bad[0]["message"].text() or bad[0]["id"].code(), action)


def _undetermined(view: View, _: Context) -> Iterator[Finding]:
    if view.record("probe")["deterministic"].value is False:
        what = Safe("the same input does not give the same answer twice")
        action = Safe("repeat quality figures over several runs")
        yield Finding("risk", "medium", what, file_link("outputs/probe.json"), action)


def _unverified(view: View, context: Context) -> Iterator[Finding]:
    claims = view.record("contract")["claims"]
    unsure = [claim for claim in claims if claim["status"].value in UNSURE or claim["identified"].value is False]
    if unsure:
        names = Safe(", ".join(claim["id"].code() for claim in unsure[:6]) + (" …" if len(unsure) > 6 else ""))
        what = Safe("not everything about its use was observed to be right")
        yield Finding("risk", "medium", what, names, Safe("confirm or correct them: contract: in the experiment"))


def command(name: str, context: Context) -> Safe:
    """Write a command of ours for this experiment."""
    return code(f"doit {name} exp={shlex.quote(context.experiment)}")


RULES: tuple[Callable[[View, Context], Iterator[Finding]], ...] = (
    _format,
    _numbers,
    _licence,
    _synthesised,
    _nonfinite,
    _contended,
    _warmup,
    _dirty,
    _edited,
    _unverified,
    _memory,
    _few_labels,
    _undetermined,
    _disagrees,
    _shut_in,
    _tail,
    _bottleneck,
    _cold,
    _single_hardware,
)
