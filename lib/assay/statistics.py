"""From the worker's raw series to numbers with interval and sample count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from assay.records import (
    SCHEMA,
    Cold,
    Configuration,
    Hardware,
    Latency,
    Measured,
    Memory,
    Noise,
    Quantity,
    Runtime,
    Skipped,
    Stats,
    Status,
)

Series: TypeAlias = Any  # a numpy array; numpy is imported where it is used
SEED = 20260801
RESAMPLES = 2000
LEVEL = 0.95
CONTENDED = 1.1  # wall over CPU, on one thread
FEWEST = 6  # below, no 95 % interval of a median exists
PERCENTILES = {"p90": 0.90, "p95": 0.95, "p99": 0.99}
SCOPES = ("end_to_end", "preprocess", "model", "postprocess")
MEMORY = ("ram_idle", "ram_build", "ram_first", "ram_steady", "vram_allocated", "vram_reserved", "vram_process")
METHOD = (
    "One fresh process per configuration. Medians: 95 % bootstrap interval, fixed seed. Percentiles: order statistic "
    "with binomial interval, only where n carries them (p90 from 29, p95 from 59, p99 from 299 samples). "
    "Uncontended: CPU median on one thread, else median wall of the iterations without an involuntary switch. "
    "Normalised: CPU median over the CPU median of the interleaved reference kernel."
)


# ---------------------------------------------------------------- single series
def median(series: Sequence[float], unit: str, *, scale: float = 1.0, method: str = "median") -> Quantity:
    """Give the median with its bootstrap interval."""
    import numpy

    if not len(series):
        return Skipped(reason="no samples")
    values = numpy.sort(numpy.asarray(series, dtype=float) * scale)
    low, high = _ends(_resampled_medians(values, SEED)) if len(values) >= FEWEST else (None, None)
    return _measured(float(numpy.median(values)), unit, len(values), low, high, method)


def percentile(series: Sequence[float], p: float, unit: str, *, scale: float = 1.0) -> Quantity:
    """Give the order statistic of p with its binomial interval, or say how many samples it would need."""
    import numpy

    n, name = len(series), f"p{p * 100:g}"
    needed = needs(p)
    if n < needed:
        return Skipped(reason=f"{name} needs {needed} samples, there are {n}")
    values = numpy.sort(numpy.asarray(series, dtype=float) * scale)
    low, high = order_interval(n, p)
    rank = min(n, math.ceil(p * n - 1e-9))
    return _measured(
        float(values[rank - 1]), unit, n, float(values[low - 1]), float(values[high - 1]), f"{name}, order statistic"
    )


def needs(p: float) -> int:
    """Count the samples from which the largest one bounds percentile p at 95 %."""
    return math.ceil(math.log(1 - LEVEL) / math.log(p) - 1e-9)


def order_interval(n: int, p: float) -> tuple[int, int]:
    """Give the ranks (from 1) whose samples enclose percentile p with at least 95 % probability.

    Both tails get half of the 5 %; where n is too small for that, the upper one takes what the largest sample
    needs and the lower one the rest. So the interval exists exactly from needs(p) samples on.
    """
    chance = _binomial(n, p)
    half, tail, high = (1 - LEVEL) / 2, chance[n], n
    while high > 1 and tail + chance[high - 1] <= half:
        high -= 1
        tail += chance[high]
    left, below, low = (1 - LEVEL) - tail, 0.0, 0
    while low < high and below + chance[low] <= left:
        below += chance[low]
        low += 1
    return max(1, low), high


def extreme(series: Sequence[float], which: str, unit: str, *, scale: float = 1.0) -> Quantity:
    """Give the smallest or largest sample: an observation, so without interval."""
    if not len(series):
        return Skipped(reason="no samples")
    value = (min if which == "min" else max)(series)
    return _measured(float(value) * scale, unit, len(series), None, None, which)


def ratio_of_medians(above: Sequence[float], below: Sequence[float], method: str) -> Quantity:
    """Give median over median with the bootstrap interval of both."""
    import numpy

    if not len(above) or not len(below):
        return Skipped(reason="no reference kernel ran between the iterations")
    top, bottom = numpy.sort(numpy.asarray(above, float)), numpy.sort(numpy.asarray(below, float))
    base = float(numpy.median(bottom))
    if base <= 0:
        return Skipped(reason="the reference kernel took no measurable CPU time")
    value, n = float(numpy.median(top)) / base, min(len(top), len(bottom))
    if n < FEWEST or bottom[0] <= 0:
        return _measured(value, "", n, None, None, method)
    low, high = _ends(_resampled_medians(top, SEED) / _resampled_medians(bottom, SEED + 1))
    return _measured(value, "", n, low, high, method)


def ratio_of_totals(above: Sequence[float], below: Sequence[float], method: str) -> Quantity:
    """Give total over total of paired series, with the interval of the linearised ratio."""
    import numpy

    n = min(len(above), len(below))
    top, bottom = numpy.asarray(above[:n], float), numpy.asarray(below[:n], float)
    if not n or bottom.sum() <= 0:
        return Skipped(reason="no measurable CPU time")
    value = float(top.sum() / bottom.sum())
    if n < FEWEST:
        return _measured(value, "", n, None, None, method)
    error = 1.96 * float(numpy.std(top - value * bottom, ddof=1)) / (float(bottom.mean()) * math.sqrt(n))
    return _measured(value, "", n, value - error, value + error, method)


def clean(wall: Sequence[float], switches: Sequence[int]) -> list[float]:
    """Keep the iterations that no other work interrupted."""
    return [seconds for seconds, switched in zip(wall, switches) if not switched]


def _measured(value: float, unit: str, n: int, low: float | None, high: float | None, method: str) -> Measured:
    return Measured(value=value, unit=unit, n=n, low=low, high=high, method=method)


def _resampled_medians(ordered: Series, seed: int) -> Series:
    """Draw medians of resamples without drawing the resamples.

    The k-th smallest of n uniform draws is Beta(k, n + 1 - k), and sample number floor(n u) is the one drawn:
    the same distribution as resampling, at a cost that does not grow with n.
    """
    import numpy

    n, draw = len(ordered), numpy.random.RandomState(seed)  # the legacy stream is frozen across numpy versions
    k = (n + 1) // 2
    first = draw.beta(k, n + 1 - k, RESAMPLES)
    lower: Series = ordered[numpy.minimum((first * n).astype(int), n - 1)]
    if n % 2:
        return lower
    second = first + (1 - first) * draw.beta(1, n - k, RESAMPLES)
    upper: Series = ordered[numpy.minimum((second * n).astype(int), n - 1)]
    return (lower + upper) / 2


def _ends(draws: Series) -> tuple[float, float]:
    import numpy

    ends: Series = numpy.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(ends[0]), float(ends[1])


def _binomial(n: int, p: float) -> list[float]:
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1))
    return [math.exp(log + k * math.log(p) + (n - k) * math.log(1 - p)) for k, log in enumerate(logs)]


# ---------------------------------------------------------------- one configuration
def configuration_id(batch: int, threads: int, precision: str) -> str:
    """Name a configuration: b1-t1-fp32."""
    return f"b{batch}-t{threads}-{precision}"


def summarise(
    answer: Mapping[str, Any], *, batch: int, threads: int, precision: str, isolation: str = ""
) -> Configuration:
    """Turn the worker's answer about one configuration into its record."""
    if "blocked" in answer:
        return _blocked(str(answer["blocked"]), batch, threads, precision)
    samples: Mapping[str, Any] = answer.get("samples", {})
    runtime = _runtime(answer.get("runtime"), batch, threads, precision, isolation)
    on_cpu = runtime is None or runtime.device in ("", "cpu")
    latency = [_latency(scope, samples, alone=on_cpu and threads == 1) for scope in SCOPES if _has(samples, scope)]
    return Configuration(
        id=configuration_id(batch, threads, precision),
        batch=batch,
        threads=threads,
        precision=precision,
        status=Status(),
        runtime=runtime,
        warmup=int(answer.get("warmup", 0)),
        warmup_settled=bool(answer.get("warmup_settled", False)),
        latency=latency,
        throughput=_throughput(latency, batch),
        cold=_cold(answer.get("cold")),
        memory=_memory(answer.get("memory")),
    )


def _blocked(reason: str, batch: int, threads: int, precision: str) -> Configuration:
    return Configuration(
        id=configuration_id(batch, threads, precision),
        batch=batch,
        threads=threads,
        precision=precision,
        status=Status(word="blocked", reason=reason),
        runtime=None,
        warmup=0,
        warmup_settled=False,
        latency=[],
        throughput=Skipped(reason=reason),
        cold=None,
        memory=None,
    )


def _has(samples: Mapping[str, Any], scope: str) -> bool:
    return bool(samples.get(scope, {}).get("wall"))


def _latency(scope: str, samples: Mapping[str, Any], *, alone: bool) -> Latency:
    series = samples[scope]
    wall, cpu = series["wall"], series.get("cpu", [])
    quiet = samples["model_quiet"] if scope == "model" and _has(samples, "model_quiet") else series
    slowed = ratio_of_totals(wall, cpu, "total wall over total CPU")
    experienced: dict[str, Quantity] = {"p50": median(wall, "ms", scale=1e3, method="median wall")}
    experienced |= {name: percentile(wall, p, "ms", scale=1e3) for name, p in PERCENTILES.items()}
    experienced |= {which: extreme(wall, which, "ms", scale=1e3) for which in ("min", "max")}
    return Latency(
        scope=scope,
        uncontended=_uncontended(quiet, alone=alone),
        experienced=experienced,
        normalised=ratio_of_medians(
            cpu, samples.get("reference", {}).get("cpu", []), "CPU median over the reference kernel's CPU median"
        ),
        wall_over_cpu=slowed,
        contended=_contended(slowed, wall, series.get("nivcsw", []), alone=alone),
    )


def _uncontended(series: Mapping[str, Any], *, alone: bool) -> Quantity:
    if alone and series.get("cpu"):
        return median(series["cpu"], "ms", scale=1e3, method="median CPU, one thread")
    kept = clean(series["wall"], series.get("nivcsw", []))
    if not kept:
        return Skipped(reason="no iteration was free of involuntary switches")
    return median(kept, "ms", scale=1e3, method="median wall of the iterations without an involuntary switch")


def _contended(slowed: Quantity, wall: Sequence[float], switches: Sequence[int], *, alone: bool) -> bool:
    """Tell whether other work took the processor; several threads or a GPU have only the switches to go by."""
    if alone and isinstance(slowed, Measured):
        return slowed.value > CONTENDED
    return bool(switches) and len(clean(wall, switches)) * 2 < len(wall)


def _throughput(latency: Sequence[Latency], batch: int) -> Quantity:
    by_scope = {entry.scope: entry.experienced["p50"] for entry in latency}
    scope = next((name for name in ("end_to_end", "model") if name in by_scope), "")
    middle = by_scope.get(scope, Skipped(reason="no latency was measured"))
    if isinstance(middle, Skipped):
        return middle
    if middle.value <= 0:
        return Skipped(reason="the clock showed no time")
    low = batch * 1e3 / middle.high if middle.high else None
    high = batch * 1e3 / middle.low if middle.low else None
    if low is None or high is None:
        low = high = None
    return _measured(batch * 1e3 / middle.value, "items/s", middle.n, low, high, f"batch over p50, {scope}")


def _once(value: Any, unit: str, scale: float = 1.0) -> Quantity:
    """Take a number that one process gives once."""
    if isinstance(value, Mapping):
        return Skipped(reason=str(value.get("reason", "no reason given")))
    if value is None:
        return Skipped(reason="not reported by the worker")
    return _measured(float(value) * scale, unit, 1, None, None, "one process")


def _cold(cold: Mapping[str, Any] | None) -> Cold | None:
    if cold is None:
        return None
    start, read, build, first = (_once(cold.get(key), "ms", 1e3) for key in ("start", "read", "build", "first"))
    return Cold(start=start, read=read, build=build, first=first, note=str(cold.get("note", "page cache: not known")))


def _memory(memory: Mapping[str, Any] | None) -> Memory | None:
    if memory is None:
        return None
    return Memory(**{name: _once(memory.get(f"{name}_mib"), "MiB") for name in MEMORY})


def _runtime(
    said: Mapping[str, Any] | None, batch: int, threads: int, precision: str, isolation: str
) -> Runtime | None:
    if not said:
        return None
    empty = {"device": "", "provider": "", "versions": {}}
    asked = {"batch": batch, "threads": threads, "precision": precision, "isolation": isolation, "lacking": []}
    known = {key: value for key, value in said.items() if key in Runtime.__struct_fields__}
    return msgspec.convert({**empty, **asked, **known}, Runtime)


# ---------------------------------------------------------------- the whole record
def noise(answers: Sequence[Mapping[str, Any]]) -> Noise | None:
    """Put the noise of all configurations together: the worst load, all switches."""
    heard = [answer["noise"] for answer in answers if answer.get("noise")]
    if not heard:
        return None
    steal = [entry["steal_ticks"] for entry in heard if entry.get("steal_ticks") is not None]
    return Noise(
        load_before=max(float(entry.get("load_before", 0.0)) for entry in heard),
        load_after=max(float(entry.get("load_after", 0.0)) for entry in heard),
        involuntary_switches=sum(int(entry.get("involuntary_switches", 0)) for entry in heard),
        steal_ticks=sum(steal) if steal else None,
        pressure=str(heard[-1].get("pressure", "")),
        governor=str(heard[-1].get("governor", "")),
    )


def stats(
    configurations: Sequence[Configuration], answers: Sequence[Mapping[str, Any]], hardware: Hardware | None
) -> Stats:
    """Write the stats record; it is blocked only when no configuration could be measured."""
    stuck = [c.status for c in configurations if c.status.word == "blocked"]
    status = stuck[0] if stuck and len(stuck) == len(configurations) else Status()
    return Stats(
        status=status,
        hardware=hardware,
        configurations=list(configurations),
        noise=noise(answers),
        method=METHOD,
        samples="outputs/samples.json",
    )


def samples(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Write down the raw series of every configuration, by its id."""
    return {"schema": SCHEMA, "unit": "s", "configurations": {id: a.get("samples", {}) for id, a in answers.items()}}
