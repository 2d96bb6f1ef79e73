"""Sections on what was measured: latency, breakdown, throughput, memory, hardware and noise."""

from __future__ import annotations

import re

from assay.report.escape import Safe
from assay.report.tables import paragraphs, phrase, table
from assay.report.view import Node, View, share

EXPERIENCED = ("p50", "p90", "p95", "p99", "min", "max")
COLD = ("start", "read", "build", "first")
RAM = ("ram_idle", "ram_build", "ram_first", "ram_steady")
VRAM = ("vram_allocated", "vram_reserved", "vram_process")
PARTS = ("preprocess", "model", "postprocess")
UNCONTENDED = Safe(
    "Uncontended is what a call costs without the machine's other work (CPU time on one thread, else the wall time of "
    "uninterrupted calls): waiting puts the experienced time above it, and the model's, timed in calls of their own "
    "that each follow a pause, can come out above the experienced one."
)
_PRESSURE = re.compile(r"some avg10=(\d+(?:\.\d+)?)(?: .*)?")


def configurations(view: View) -> list[Node]:
    """List what was measured, the plain configuration first; blocked ones left out."""
    return [entry for entry in view.record("stats")["configurations"] if entry["status"]["word"].value != "blocked"]


def scope(configuration: Node, name: str) -> Node:
    """Enter one scope of a configuration; empty when it was not measured."""
    return next((entry for entry in configuration["latency"] if entry["scope"].value == name), configuration["absent"])


def plain_latency(view: View) -> Node:
    """Enter the latency that a plain target means: the first configuration, end to end, else the model."""
    first = plain(view)
    return scope(first, "end_to_end") or scope(first, "model")


def plain(view: View) -> Node:
    """Enter the configuration that a plain target means; empty when none was measured."""
    return next(iter(configurations(view)), view.record("none"))


def absent(configuration: Node) -> list[str]:
    """Name the parts around the model that did not run."""
    return [name for name in PARTS if name != "model" and not scope(configuration, name)]


def parts(configuration: Node) -> list[Node]:
    """List the measured parts of a call."""
    entries = (scope(configuration, name) for name in PARTS)
    return [entry for entry in entries if entry["experienced"]["p50"].measured()]


def latency(view: View) -> Safe:
    """Write latency, cold and warm, for every configuration."""
    blocks: list[Safe] = []
    for entry in configurations(view):
        warm = [[_name(item), *_experienced(item)] for item in entry["latency"]]
        quiet = [[_name(item), *_quiet(item)] for item in entry["latency"]]
        if not warm:
            continue
        blocks += [
            phrase("**{what}** {how}", what=_configuration(entry), how=_warmup(entry)),
            table(("as experienced, ms", *EXPERIENCED, "n"), warm),
            Safe("") if blocks else UNCONTENDED,
            table(("without other work", "uncontended", "over reference kernel", "wall over CPU", "contended"), quiet),
        ]
    return paragraphs(*blocks, _cold(view), _method(view) if blocks else "")


def _method(view: View) -> Safe:
    return phrase("Method: {method}", method=view.record("stats")["method"].text())


def _configuration(entry: Node) -> Safe:
    runtime = entry["runtime"]
    made = phrase(" on {device}, {provider}", device=runtime["device"].text(), provider=runtime["provider"].text())
    return phrase(
        "{id}: batch {batch}, threads {threads}, {precision}{made}.",
        id=entry["id"].text(),
        batch=entry["batch"].num(),
        threads=entry["threads"].num(),
        precision=entry["precision"].text(),
        made=made if runtime else Safe(""),
    )


def _warmup(entry: Node) -> Safe:
    settled = "settled" if entry["warmup_settled"].value else "**not settled**"
    return phrase("Warm-up: {n} calls, {settled}.", n=entry["warmup"].num(), settled=Safe(settled))


def _name(item: Node) -> Safe:
    return Safe(str(item["scope"].text()).replace("_", " "))


def _experienced(item: Node) -> list[Safe]:
    cells = [item["experienced"][name].quantity(n=False, unit="") for name in EXPERIENCED]
    return [*cells, item["experienced"]["p50"]["n"].num() if item["experienced"]["p50"].measured() else Safe("–")]


def _quiet(item: Node) -> list[Safe]:
    contended = Safe("**yes**" if item["contended"].value else "no")
    return [*(item[name].quantity() for name in ("uncontended", "normalised", "wall_over_cpu")), contended]


def _cold(view: View) -> Safe:
    rows = [
        [entry["id"].text(), *(entry["cold"][name].quantity(n=False) for name in COLD), entry["cold"]["note"].text()]
        for entry in configurations(view)
        if entry["cold"]
    ]
    headers = ("cold start", "interpreter and imports", "file read", "build", "first call", "note")
    return paragraphs(table(headers, rows), Safe("Each cold figure is one process: n 1, no interval.") if rows else "")


def breakdown(view: View) -> Safe:
    """Write how a call divides into preprocess, model, postprocess."""
    rows = []
    for entry in configurations(view):
        found = parts(entry)
        medians = [item["experienced"]["p50"] for item in found]
        if len(found) > 1:
            rows += [
                [entry["id"].text(), _name(item), p50.quantity(), share(p50, medians)]
                for item, p50 in zip(found, medians, strict=True)
            ]
    note = Safe("Shares are derived: each median over the sum of the medians.") if rows else ""
    return paragraphs(table(("configuration", "part", "p50", "share"), rows, right=("share",)), note)


def throughput(view: View) -> Safe:
    """Write items per second, batch by batch."""
    rows = [
        [entry["id"].text(), entry["batch"].num(), entry["throughput"].quantity(), entry["throughput"]["method"].text()]
        for entry in configurations(view)
        if entry["throughput"].measured()
    ]
    return table(("configuration", "batch", "throughput", "made of"), rows)


def memory(view: View) -> Safe:
    """Write the peaks by phase."""
    known = [entry for entry in configurations(view) if entry["memory"]]
    blocks = []
    for names in (RAM, VRAM):
        rows = [[entry["id"].text(), *(entry["memory"][name].quantity(n=False) for name in names)] for entry in known]
        if any(entry["memory"][name].measured() for entry in known for name in names):
            blocks.append(table(("configuration", *(name.replace("_", " ") for name in names)), rows))
    return paragraphs(*blocks, Safe("Peaks of one process per configuration: n 1, no interval.") if blocks else "")


def processor(view: View) -> Safe:
    """Name what computed: the GPU first, where one was used."""
    stats = view.record("stats")
    machine = stats["hardware"]
    used = any(str(one["runtime"]["device"].value).startswith("cuda") for one in stats["configurations"])
    names = [*(machine["gpus"] if used else ()), machine["cpu"]]
    return Safe(" with ".join(name.text() for name in names if name.text()))


def hardware(view: View) -> Safe:
    """Name the machine, and what else it did."""
    stats = view.record("stats")
    machine, noise = stats["hardware"], stats["noise"]
    rows: list[list[Safe]] = []
    if machine:
        gpus = Safe(", ".join(gpu.text() for gpu in machine["gpus"]) or "none")
        rows += [
            [Safe("host"), machine["host"].text()],
            [Safe("processor"), phrase("{cpu}, {n} cores", cpu=machine["cpu"].text(), n=machine["cores"].num())],
            [Safe("memory"), machine["memory_mib"].num("MiB")],
            [Safe("GPU"), gpus],
        ]
    if noise:
        rows += [
            [Safe("load before"), noise["load_before"].num(places=2)],
            [Safe("load after"), noise["load_after"].num(places=2)],
            [Safe("involuntary switches"), noise["involuntary_switches"].num()],
            [Safe("steal ticks"), noise["steal_ticks"].show()],
            [Safe("pressure"), _pressure(noise["pressure"])],
            [Safe("governor"), noise["governor"].text() or Safe("not known")],
        ]
    runtimes = [entry["runtime"] for entry in configurations(view) if entry["runtime"]]
    runtime = runtimes[0] if runtimes else view.record("infer")["runtime"]
    if runtime:
        named = [phrase("{name} {version}", name=entry.key, version=entry.text()) for entry in runtime["versions"]]
        versions = Safe(", ".join(named) or "not recorded")
        rows += [[Safe("engine"), versions], [Safe("isolation"), runtime["isolation"].text() or Safe("not recorded")]]
        rows += [[Safe("left open by it"), entry.text()] for entry in runtime["lacking"]]
    return table(("machine", "value"), rows)


def _pressure(node: Node) -> Safe:
    """Read the kernel's line: the share of the last 10 s in which some work waited for a CPU."""
    found = _PRESSURE.fullmatch(str(node.value or ""))
    if not found:
        return node.text() or Safe("not known")
    share = node.view.link(node.name, node.pointer, f"{found[1]} %", f"= some avg10 in {node.pointer}")
    return phrase("CPU waited {share} of the last 10 s", share=share)
