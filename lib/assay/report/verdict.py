"""What became of each target, and the one word over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay import quality
from assay.domain import Target
from assay.records import (
    Cold,
    Configuration,
    Contract,
    Inputs,
    Judged,
    Latency,
    Measured,
    Memory,
    Metric,
    Quantity,
    Skipped,
    Stats,
    Status,
)
from assay.units import OPERATORS, exact, interval, metric_unit, with_unit

GO, NO_GO, NOT_DECIDED = "GO", "NO-GO", "NOT DECIDED"
MET, MISSED, UNDECIDED = "met", "missed", "undecided"
STATS, METRICS = "outputs/stats.json#", "outputs/metrics.json#"
PHASES = {
    "peak_ram_mib": ("ram_idle", "ram_build", "ram_first", "ram_steady"),
    "peak_vram_mib": ("vram_process", "vram_reserved", "vram_allocated"),
}
THROUGHPUT = ("throughput", "throughput_per_s")
ONE_RUN = ("min", "max")  # observed, without interval by nature
SETTLED = ("confirmed", "corrected")
COLD = ("start", "read", "build", "first")
AROUND = ("preprocess", "postprocess")
MADE_UP = "every input was made up to fit: real ones were not found"
STAGES = ("match", "probe", "infer", "predictions", "measure", "stats")


@dataclass(frozen=True)
class Reading:
    """What was measured for a target, where it stands, and how the machine's other work bears on it."""

    quantity: Quantity
    pointer: str = ""
    note: str = ""
    without_interval: bool = False
    contended: bool = False
    uncontended: Quantity | None = None


# ---------------------------------------------------------------- targets
def judge(targets: Sequence[Target], stats: Stats | None, metrics: Sequence[Metric]) -> list[Judged]:
    """Hold every target against what was measured."""
    return [_judge(target, _reading(target, stats, metrics)) for target in targets]


def _judge(target: Target, reading: Reading) -> Judged:
    status, why = _decide(target, reading)
    return Judged(
        key=target.key,
        op=target.op,
        limit=target.limit,
        unit=metric_unit(target.metric),
        measured=reading.quantity,
        status=status,
        why="; ".join(part for part in (why, reading.note) if part),
        pointer=reading.pointer,
    )


def _reading(target: Target, stats: Stats | None, metrics: Sequence[Metric]) -> Reading:
    name, _, statistic = target.metric.partition(".")
    if name in ("latency_ms", "uncontended_ms", "cold_start_ms", *THROUGHPUT, *PHASES):
        return _from_stats(target, name, statistic or "p50", stats)
    for i, metric in enumerate(metrics):
        if metric.id == target.metric:
            return Reading(metric.quantity, f"{METRICS}/metrics/{i}/quantity")
    return Reading(Skipped(reason=f"nothing measures {target.metric}"))


def _from_stats(target: Target, name: str, statistic: str, stats: Stats | None) -> Reading:
    if stats is None or stats.status.word == "blocked":
        return Reading(Skipped(reason=(stats.status.reason if stats else "") or "nothing was measured"))
    index = _select(target.where, stats)
    if index is None:
        asked = ", ".join(f"{k}={v}" for k, v in sorted(target.where.items())) or "any configuration"
        return Reading(Skipped(reason=f"no configuration with {asked} was measured"))
    configuration, where = stats.configurations[index], f"{STATS}/configurations/{index}"
    if configuration.status.word == "blocked":
        return Reading(Skipped(reason=f"{configuration.id}: {configuration.status.reason}"))
    if name in PHASES:
        return _peak(configuration.memory, PHASES[name], where)
    if name == "cold_start_ms":
        return _cold(configuration.cold, where)
    latency = _scope(target.where, configuration)
    if latency is None:
        scope = target.where.get("scope", "end_to_end")
        return Reading(Skipped(reason=f"{configuration.id}: scope {scope} not measured"))
    if name in THROUGHPUT:
        return _throughput(configuration, latency, where, _note(target, configuration, latency))
    note = _note(target, configuration, latency)
    return _latency(name, statistic, latency, f"{where}/latency/{configuration.latency.index(latency)}", note)


def _note(target: Target, configuration: Configuration, latency: Latency) -> str:
    """Say what a figure that should cover the whole call leaves out."""
    if latency.scope != target.where.get("scope", "end_to_end"):
        return "judged on the model alone, no end-to-end"
    measured = {entry.scope for entry in configuration.latency}
    absent = [name for name in AROUND if name not in measured] if latency.scope == "end_to_end" else []
    return f"{without(absent)}, which did not run" if absent else ""


def without(parts: Sequence[str]) -> str:
    """Say which parts of a call are left out."""
    return f"without {' and '.join(f'{part}ing' for part in parts)}"


def _latency(name: str, statistic: str, latency: Latency, where: str, note: str) -> Reading:
    if name == "uncontended_ms":
        return Reading(latency.uncontended, f"{where}/uncontended", note)
    return Reading(
        latency.experienced.get(statistic, Skipped(reason=f"{statistic} is not measured")),
        f"{where}/experienced/{statistic}",
        note,
        statistic in ONE_RUN,
        latency.contended,
        latency.uncontended,
    )


def _select(where: Mapping[str, str], stats: Stats) -> int | None:
    """Find the first configuration that the target names; the plain one comes first."""
    for i, configuration in enumerate(stats.configurations):
        has = {"batch": str(configuration.batch), "precision": configuration.precision}
        asked = {key: where[key] for key in has if key in where}
        if all(has[key] == value for key, value in asked.items()) and _threads(where, configuration, stats):
            return i
    return None


def _threads(where: Mapping[str, str], configuration: Configuration, stats: Stats) -> bool:
    asked = where.get("threads")
    if asked == "all":
        most = stats.hardware.cores if stats.hardware else max(c.threads for c in stats.configurations)
        return configuration.threads == most
    return asked is None or str(configuration.threads) == asked


def _scope(where: Mapping[str, str], configuration: Configuration) -> Latency | None:
    by_scope = {entry.scope: entry for entry in configuration.latency}
    if "scope" in where:
        return by_scope.get(where["scope"])
    return by_scope.get("end_to_end") or by_scope.get("model")


def _throughput(configuration: Configuration, latency: Latency, where: str, note: str) -> Reading:
    quiet, batch = latency.uncontended, configuration.batch
    if isinstance(quiet, Measured) and quiet.value > 0 and quiet.low and quiet.high:
        low, high = batch * 1e3 / quiet.high, batch * 1e3 / quiet.low
        quiet = Measured(value=batch * 1e3 / quiet.value, unit="items/s", n=quiet.n, low=low, high=high)
    where = f"{where}/throughput"
    return Reading(configuration.throughput, where, note, contended=latency.contended, uncontended=quiet)


def _cold(cold: Cold | None, where: str) -> Reading:
    """Add up the parts of the first answer; the sum stands in the target's own record."""
    if cold is None:
        return Reading(Skipped(reason="the cold start was not measured"))
    parts: list[Quantity] = [getattr(cold, name) for name in COLD]
    known = [part.value for part in parts if isinstance(part, Measured)]
    if len(known) < len(parts):
        return Reading(next(part for part in parts if isinstance(part, Skipped)), f"{where}/cold")
    whole = Measured(value=sum(known), unit="ms", n=1, method=f"sum of {', '.join(COLD)}")
    return Reading(whole, f"{where}/cold", f"sum of {', '.join(COLD)} of one process", without_interval=True)


def _peak(memory: Memory | None, phases: Sequence[str], where: str) -> Reading:
    if memory is None:
        return Reading(Skipped(reason="memory was not measured"))
    known = {name: q for name in phases if isinstance(q := getattr(memory, name), Measured)}
    if not known:
        return Reading(getattr(memory, phases[0]), f"{where}/memory/{phases[0]}")
    name = max(known, key=lambda key: known[key].value)
    return Reading(known[name], f"{where}/memory/{name}", "largest phase of one process", without_interval=True)


# ---------------------------------------------------------------- one decision
def _decide(target: Target, reading: Reading) -> tuple[str, str]:
    if isinstance(reading.quantity, Skipped):
        return UNDECIDED, f"not measured: {reading.quantity.reason}"
    side = _side(target, reading.quantity, exact=reading.without_interval)
    if side != MET and reading.contended:
        return _decide_contended(target, side, reading.uncontended)
    return side, "" if side == MET else _say(target, reading.quantity, side)


def _decide_contended(target: Target, experienced: str, quiet: Quantity | None) -> tuple[str, str]:
    """Blame the model only when it would miss on a quiet machine too."""
    if not isinstance(quiet, Measured):
        reason = quiet.reason if quiet else "none was taken"
        return UNDECIDED, f"other work held the machine, and there is no uncontended figure: {reason}"
    side = _side(target, quiet, exact=False)
    figure = f"uncontended {_text(quiet)}"
    if side == MISSED and experienced == MISSED:
        return MISSED, f"missed even without the machine's other work: {figure}"
    would = {MET: "would meet it", MISSED: "would miss it"}.get(side, "does not settle it")
    said = "missed" if experienced == MISSED else "not settled"
    return UNDECIDED, f"{said} as experienced, but other work held the machine; {figure} {would}"


def _side(target: Target, quantity: Measured, *, exact: bool) -> str:
    """Tell on which side of the limit the whole interval lies."""
    low, high = quantity.low, quantity.high
    if low is None or high is None:
        if not exact:
            return UNDECIDED
        low = high = quantity.value
    if target.op in (">=", ">"):  # mirrored, so that smaller is better below
        low, high, limit = -high, -low, -target.limit
    else:
        limit = target.limit
    strict = target.op in ("<", ">")
    if high < limit or (high == limit and not strict):
        return MET
    return MISSED if low > limit or (low == limit and strict) else UNDECIDED


def _say(target: Target, quantity: Measured, side: str) -> str:
    if quantity.low is None or quantity.high is None:
        return "" if side == MISSED else f"no interval: n = {quantity.n} is too few"
    if side == MISSED:
        return "the whole 95 % interval is beyond the limit"
    return f"the 95 % interval {_ends(quantity)} contains the limit{_more(target, quantity)}"


def _more(target: Target, quantity: Measured) -> str:
    """Guess the sample count that would settle it: intervals shrink with the root of n, binomial bounds do not."""
    if quality.BINOMIAL in quantity.method:
        return _more_of_the_same(target, quantity)
    margin = abs(quantity.value - target.limit)
    width = (quantity.high or 0.0) - (quantity.low or 0.0)
    if margin <= 0 or width / 2 > 30 * margin:
        return "; no reachable sample count would settle it"
    factor = (width / 2 / margin) ** 2
    wanted = math.ceil(quantity.n * max(factor, 1.0) * 1.2)
    digits = 1 - math.floor(math.log10(wanted)) if wanted > 99 else 0
    what = "samples" if quantity.unit else "inputs"
    return f"; about {round(wanted, digits)} {what} would likely settle it"


def _more_of_the_same(target: Target, quantity: Measured) -> str:
    strict = target.op in ((">", "<=") if quantity.value else ("<", ">="))
    wanted = quality.inputs_to_settle(quantity.value, target.limit, strict=strict)
    if wanted is None:
        return "; no reachable number of inputs would settle it"
    return f"; {wanted} inputs that all give the same would settle it"


def _ends(quantity: Measured) -> str:
    _, low, high = interval(quantity.value, quantity.low, quantity.high)
    return f"{low} to {high}"


def _text(quantity: Measured) -> str:
    return with_unit(interval(quantity.value, quantity.low, quantity.high)[0], quantity.unit)


# ---------------------------------------------------------------- the whole
def verdict(
    judged: Sequence[Judged],
    contract: Contract | None,
    statuses: Mapping[str, Status | None],
    inputs: Inputs | None = None,
    doubts: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """Give the verdict and its reasons, strongest first; statuses are those of the stages that can be blocked.

    On made-up inputs nothing is decided, not even a miss: what they cost is not what real ones would.
    """
    missed = [f"{_asked(j)} is missed{_measured(j)}" for j in judged if j.status == MISSED]
    open_points = _blocked(statuses) + [*doubts, *_unknown(contract)] + _undecided(judged)
    if inputs is not None and made_up(inputs):
        return NOT_DECIDED, [f"{MADE_UP} ({inputs.note})" if inputs.note else MADE_UP, *missed, *open_points]
    if missed:
        return NO_GO, missed + open_points
    if open_points:
        return NOT_DECIDED, open_points
    count = len(judged)
    return GO, [f"{count} of {count} targets met"]


def made_up(inputs: Inputs) -> bool:
    """Tell whether there are inputs, and none of them is real."""
    return bool(inputs.items) and all(item.origin == "synthesised" for item in inputs.items)


def _asked(judged: Judged) -> str:
    return f"{judged.key} ({OPERATORS.get(judged.op, judged.op)} {with_unit(exact(judged.limit), judged.unit)})"


def _measured(judged: Judged) -> str:
    if isinstance(judged.measured, Skipped):
        return ""
    text = f": measured {_text(judged.measured)}"
    return f"{text}, {judged.why}" if judged.why else text


def _blocked(statuses: Mapping[str, Status | None]) -> list[str]:
    """Say each reason once: a blocked stage hands its status on to the ones behind it."""
    reasons: dict[str, str] = {}
    for name in sorted(statuses, key=lambda n: STAGES.index(n) if n in STAGES else len(STAGES)):
        status = statuses[name]
        if status is not None and status.word == "blocked":
            reasons.setdefault(status.reason or "no reason given", name)
    return [f"{name} is blocked: {reason}" for reason, name in reasons.items()]


def _unknown(contract: Contract | None) -> list[str]:
    if contract is None:
        return ["there is no contract: how to use the model is unknown"]
    settled = {claim.id for claim in contract.claims if claim.status in SETTLED}
    lines = [
        f"{name}ing is unknown"
        for name in ("preprocess", "postprocess")
        if contract.functions.get(name, "none") == "none" and name not in settled
    ]
    lines += [
        f"conflict about {claim.id}: {'; '.join(claim.conflicts) or 'the evidence disagrees'}"
        for claim in contract.claims
        if claim.status == "conflict" or (claim.conflicts and claim.status not in SETTLED)
    ]
    return lines + [f"open question: {question.ask}" for question in contract.questions]


def _undecided(judged: Sequence[Judged]) -> list[str]:
    if not judged:
        return ["no targets are set: there is nothing to decide against"]
    return [f"{_asked(j)} is undecided: {j.why}" for j in judged if j.status == UNDECIDED]
