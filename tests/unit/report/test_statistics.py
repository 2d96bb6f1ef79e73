"""Statistics against numpy, exact probabilities and brute force."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import canonical, records, statistics
from assay.records import Measured, Skipped
from report_cases import answer, series

seconds = st.floats(1e-6, 10, allow_nan=False)


def number(quantity: records.Quantity) -> Measured:
    assert isinstance(quantity, Measured), quantity
    return quantity


@settings(deadline=None)
@given(st.lists(seconds, min_size=1, max_size=60))
def test_median_is_numpys_and_lies_in_its_interval(values: list[float]) -> None:
    found = number(statistics.median(values, "ms", scale=1e3))
    assert found.value == pytest.approx(float(numpy.median(values)) * 1e3)
    assert found.n == len(values)
    if len(values) < statistics.FEWEST:
        assert found.low is None and found.high is None
    else:
        assert found.low is not None and found.high is not None
        assert min(values) * 1e3 * (1 - 1e-12) <= found.low <= found.high <= max(values) * 1e3 * (1 + 1e-12)


@settings(deadline=None)
@given(st.lists(seconds, min_size=6, max_size=40))
def test_equal_samples_give_equal_bytes(values: list[float]) -> None:
    once, again = (statistics.median(list(values), "ms") for _ in range(2))
    assert canonical.dumps(records.to_json(once)) == canonical.dumps(records.to_json(again))  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [7, 8, 25, 40])
def test_the_shortcut_draws_what_resampling_draws(n: int) -> None:
    values = numpy.sort(numpy.random.RandomState(n).gamma(2.0, size=n))
    drawn = numpy.random.RandomState(1).choice(values, (20000, n))
    slow = numpy.quantile(numpy.median(drawn, axis=1), [0.025, 0.25, 0.5, 0.75, 0.975])
    quick = numpy.quantile(
        numpy.concatenate([statistics._resampled_medians(values, seed) for seed in range(10)]),
        [0.025, 0.25, 0.5, 0.75, 0.975],
    )
    spread = float(values[-1] - values[0])
    assert numpy.abs(slow - quick).max() < 0.05 * spread


@pytest.mark.parametrize(("p", "needed"), [(0.90, 29), (0.95, 59), (0.99, 299)])
def test_no_percentile_beyond_the_reach_of_n(p: float, needed: int) -> None:
    assert statistics.needs(p) == needed
    assert isinstance(statistics.percentile([1.0] * (needed - 1), p, "ms"), Skipped)
    found = number(statistics.percentile(list(range(needed)), p, "ms"))
    assert found.high == needed - 1


@pytest.mark.parametrize("p", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [29, 30, 35, 59, 60, 120, 299, 300, 1000])
def test_order_interval_covers_95_percent_exactly_counted(p: float, n: int) -> None:
    if n < statistics.needs(p):
        return
    low, high = statistics.order_interval(n, p)
    covered = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(low, high))
    assert covered >= 0.95 - 1e-9
    assert 1 <= low <= math.ceil(p * n - 1e-9) <= high <= n


@settings(deadline=None)
@given(st.lists(seconds, min_size=29, max_size=80))
def test_p90_is_the_order_statistic(values: list[float]) -> None:
    found = number(statistics.percentile(values, 0.9, "s"))
    assert found.value == float(numpy.quantile(values, 0.9, method="inverted_cdf"))
    assert found.low is not None and found.high is not None and found.low <= found.value <= found.high


@settings(max_examples=30, deadline=None)
@given(st.lists(seconds, min_size=6, max_size=40), st.floats(0.5, 4))
def test_ratio_to_itself_scaled(values: list[float], factor: float) -> None:
    found = number(statistics.ratio_of_medians([v * factor for v in values], values, "ratio"))
    assert found.value == pytest.approx(factor)
    totals = number(statistics.ratio_of_totals([v * factor for v in values], values, "ratio"))
    assert totals.value == pytest.approx(factor)
    assert totals.high is not None and totals.low is not None and totals.high - totals.low < 1e-6 * factor


def test_ratio_without_reference_says_so() -> None:
    assert isinstance(statistics.ratio_of_medians([1.0], [], ""), Skipped)
    assert isinstance(statistics.ratio_of_medians([1.0], [0.0], ""), Skipped)


# ---------------------------------------------------------------- one configuration
def summary(found: dict[str, Any], threads: int = 1, batch: int = 1) -> records.Configuration:
    return statistics.summarise(found, batch=batch, threads=threads, precision="fp32")


def test_summary_of_a_quiet_machine() -> None:
    found = summary(answer())
    assert found.id == "b1-t1-fp32"
    assert [latency.scope for latency in found.latency] == ["end_to_end", "preprocess", "model", "postprocess"]
    whole = found.latency[0]
    assert number(whole.uncontended).unit == "ms" and not whole.contended
    assert number(whole.wall_over_cpu).value == pytest.approx(1.0005)
    assert number(whole.normalised).value == pytest.approx(24.0)
    assert number(found.throughput).value == pytest.approx(1e3 / number(whole.experienced["p50"]).value)
    assert isinstance(whole.experienced["p99"], Skipped) and "299" in whole.experienced["p99"].reason
    assert found.cold is not None and number(found.cold.start).value == pytest.approx(410)
    assert found.memory is not None and isinstance(found.memory.vram_process, Skipped)
    assert found.runtime is not None and found.runtime.provider == "CPUExecutionProvider"


def test_the_quiet_series_gives_the_models_uncontended_figure() -> None:
    model = next(latency for latency in summary(answer()).latency if latency.scope == "model")
    assert number(model.uncontended).value < number(model.experienced["p50"]).value


def test_one_thread_is_contended_by_wall_over_cpu() -> None:
    whole = summary(answer(slowed=1.5, busy=2)).latency[0]
    assert whole.contended
    assert number(whole.uncontended).value < 13


def test_several_threads_fall_back_to_clean_iterations() -> None:
    whole = summary(answer(slowed=3.0, busy=3), threads=8).latency[0]
    assert number(whole.uncontended).n == 80 and not whole.contended
    assert "involuntary" in number(whole.uncontended).method
    worn = summary(answer(slowed=3.0, busy=1), threads=8).latency[0]
    assert isinstance(worn.uncontended, Skipped) and worn.contended


def test_a_gpu_waits_without_being_contended() -> None:
    found = answer(slowed=3.0, busy=1)
    found["runtime"]["device"] = "cuda"
    for kind in found["samples"].values():
        kind["nivcsw"] = [0] * len(kind["wall"])
    assert not summary(found).latency[0].contended


def test_blocked_and_empty_answers() -> None:
    stuck = summary({"blocked": "the batch axis is fixed"}, batch=8)
    assert stuck.status.word == "blocked" and stuck.throughput == Skipped(reason="the batch axis is fixed")
    nothing = summary({})
    assert nothing.latency == [] and nothing.cold is None and isinstance(nothing.throughput, Skipped)


def test_few_samples_have_no_interval() -> None:
    p50 = number(summary(answer(n=3)).latency[0].experienced["p50"])
    assert p50.n == 3 and p50.low is None


def test_stats_record_and_samples() -> None:
    found = [answer(), {"blocked": "no GPU"}]
    configurations = [summary(found[0]), summary(found[1], batch=8)]
    stats = statistics.stats(configurations, found, None)
    assert stats.status.word == "done" and stats.noise is not None and stats.noise.involuntary_switches == 7
    assert records.from_json("stats", canonical.loads(canonical.dumps(records.to_json(stats)))) == stats
    blocked = statistics.stats(configurations[1:], found[1:], None)
    assert blocked.status.reason == "no GPU" and blocked.noise is None
    raw = statistics.samples({"b1-t1-fp32": found[0], "b8-t1-fp32": found[1]})
    assert raw["configurations"]["b1-t1-fp32"]["model"]["wall"] == series(8.0, 120)["wall"]
    assert raw["configurations"]["b8-t1-fp32"] == {}
