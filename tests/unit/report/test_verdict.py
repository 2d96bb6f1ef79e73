"""Targets and the verdict: met, missed, undecided, and why."""

from __future__ import annotations

from typing import Any

import pytest

from assay import quality, records
from assay.records import Judged, Measured, Metric, Skipped, Status
from assay.report.verdict import judge, verdict
from assay.units import number
from report_cases import CLAIMS, WHOLE, answer, claim, contract, inputs, measured, target

AGREED = contract("detection", WHOLE, CLAIMS)


def one(key: str, op: str, limit: float, stats: records.Stats | None, metrics: list[Metric] | None = None) -> Judged:
    (found,) = judge([target(key, op, limit)], stats, metrics or [])
    return found


def metric(value: float, low: float | None, high: float | None, n: int = 24) -> Metric:
    quantity = Measured(value=value, unit="", n=n, low=low, high=high)
    return Metric(id="map50", quantity=quantity, definition="d", method="m", better="higher")


@pytest.mark.parametrize(
    ("op", "limit", "low", "high", "status"),
    [
        (">=", 0.6, 0.7, 0.9, "met"),
        (">=", 0.6, 0.6, 0.9, "met"),
        (">", 0.6, 0.6, 0.9, "undecided"),
        (">=", 0.6, 0.5, 0.9, "undecided"),
        (">=", 0.6, 0.5, 0.59, "missed"),
        (">=", 0.6, 0.5, 0.6, "undecided"),
        (">", 0.6, 0.5, 0.6, "missed"),
        ("<=", 0.6, 0.5, 0.6, "met"),
        ("<", 0.6, 0.5, 0.6, "undecided"),
        ("<", 0.6, 0.6, 0.7, "missed"),
        ("<=", 0.6, 0.6, 0.7, "undecided"),
        ("<=", 0.6, 0.61, 0.7, "missed"),
        (">=", 0.6, None, None, "undecided"),
    ],
)
def test_the_whole_interval_decides(op: str, limit: float, low: float | None, high: float | None, status: str) -> None:
    found = one("map50", op, limit, None, [metric(((low or 0.7) + (high or 0.9)) / 2, low, high)])
    assert found.status == status
    assert found.pointer == "outputs/metrics.json#/metrics/0/quantity"


def test_undecided_says_how_much_more_would_settle_it() -> None:
    found = one("map50", ">=", 0.6, None, [metric(0.7, 0.55, 0.85)])
    assert "0.55 to 0.85" in found.why and "about 65 inputs" in found.why


def certain(n: int) -> Metric:
    labels = {f"{i}": "7" for i in range(n)}
    (found,) = quality.measure("classification", {id: {"label": "7"} for id in labels}, labels)
    return found


@pytest.mark.parametrize(
    ("op", "limit", "says"),
    [
        (">=", 0.95, "72 inputs that all give the same would settle it"),
        ("<=", 0.95, "72 inputs that all give the same would settle it"),
        (">=", 1.0, "no reachable number of inputs would settle it"),
    ],
)
def test_a_binomial_bound_is_solved_not_guessed(op: str, limit: float, says: str) -> None:
    found = one("accuracy", op, limit, None, [certain(12)])
    assert found.status == "undecided" and found.why.endswith(says) and "about" not in found.why
    assert one("accuracy", ">=", 0.95, None, [certain(71)]).status == "undecided"
    assert one("accuracy", ">=", 0.95, None, [certain(72)]).status == "met"


STATS = measured({(1, 1): answer(), (8, 1): answer(7.0, 60), (1, 8): answer(0.4)})


@pytest.mark.parametrize(
    ("key", "limit", "status", "pointer"),
    [
        ("latency_ms.p50", 20, "met", "/configurations/0/latency/0/experienced/p50"),
        ("latency_ms.p50", 5, "missed", "/configurations/0/latency/0/experienced/p50"),
        ("latency_ms.max", 20, "met", "/configurations/0/latency/0/experienced/max"),
        ("latency_ms.p99", 20, "undecided", "/configurations/0/latency/0/experienced/p99"),
        ("latency_ms.p50[batch=8]", 90, "met", "/configurations/1/latency/0/experienced/p50"),
        ("latency_ms.p50[batch=8,scope=model]", 50, "missed", "/configurations/1/latency/2/experienced/p50"),
        ("latency_ms.p50[threads=8]", 6, "met", "/configurations/2/latency/0/experienced/p50"),
        ("latency_ms.p50[threads=all]", 6, "met", "/configurations/2/latency/0/experienced/p50"),
        ("latency_ms.p50[batch=4]", 6, "undecided", ""),
        ("latency_ms.p50[precision=fp16]", 6, "undecided", ""),
        ("peak_ram_mib", 110, "met", "/configurations/0/memory/ram_steady"),
        ("peak_ram_mib", 100, "missed", "/configurations/0/memory/ram_steady"),
        ("uncontended_ms", 20, "met", "/configurations/0/latency/0/uncontended"),
        ("uncontended_ms[scope=model]", 5, "missed", "/configurations/0/latency/2/uncontended"),
        ("cold_start_ms", 600, "met", "/configurations/0/cold"),
        ("cold_start_ms", 500, "missed", "/configurations/0/cold"),
        ("peak_vram_mib", 100, "undecided", "/configurations/0/memory/vram_process"),
        ("nonsense", 1, "undecided", ""),
    ],
)
def test_targets_find_their_number(key: str, limit: float, status: str, pointer: str) -> None:
    found = one(key, "<=", limit, STATS)
    assert (found.status, found.pointer) == (status, f"outputs/stats.json#{pointer}" if pointer else "")
    assert status != "undecided" or found.why


def test_cold_start_adds_up() -> None:
    found = one("cold_start_ms", "<=", 600, STATS)
    assert isinstance(found.measured, Measured) and found.measured.value == pytest.approx(560)


def test_throughput() -> None:
    assert one("throughput", ">=", 50, STATS).status == "met"
    assert one("throughput[batch=8]", ">=", 1000, STATS).status == "missed"


def test_model_scope_stands_in_and_says_so() -> None:
    found = one("latency_ms.p50", "<=", 20, measured({(1, 1): answer(parts=False)}))
    assert found.status == "met" and "model alone" in found.why


@pytest.mark.parametrize(("key", "noted"), [("latency_ms.p50", True), ("throughput", True), ("latency_ms.p50[scope=model]", False)])  # fmt: skip
def test_a_call_without_preprocessing_says_so(key: str, noted: bool) -> None:
    taken = answer()
    del taken["samples"]["preprocess"]
    found = one(key, ">=" if key == "throughput" else "<=", 20, measured({(1, 1): taken}))
    assert found.status == "met" and ("without preprocessing, which did not run" in found.why) == noted
    del taken["samples"]["postprocess"]
    assert ("without preprocessing and postprocessing" in one(key, "<=", 90, measured({(1, 1): taken})).why) == noted


def test_nothing_measured() -> None:
    assert one("latency_ms.p50", "<=", 20, None).status == "undecided"
    stuck = measured({(1, 1): {"blocked": "no runner"}})
    assert "no runner" in one("latency_ms.p50", "<=", 20, stuck).why


def test_a_contended_miss_is_not_the_models_fault() -> None:
    stats = measured({(1, 1): answer(slowed=3.0, busy=1)})
    would = one("latency_ms.p50", "<=", 20, stats)
    assert would.status == "undecided" and "would meet" in would.why
    anyway = one("latency_ms.p50", "<=", 5, stats)
    assert anyway.status == "missed" and "even without" in anyway.why
    assert one("latency_ms.p50", "<=", 90, stats).status == "met"
    assert one("throughput", ">=", 50, stats).status == "undecided"
    worn = measured({(1, 8): answer(slowed=3.0, busy=1)})
    assert "no uncontended figure" in one("latency_ms.p50", "<=", 20, worn).why


# ---------------------------------------------------------------- the one word
def judged(*statuses: str) -> list[Judged]:
    return [
        Judged(
            key=f"k{i}", op="<=", limit=1, unit="ms", measured=Skipped(reason="r"), status=status, why="w", pointer=""
        )
        for i, status in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("statuses", "agreed", "stages", "word", "says"),
    [
        (("met", "met"), AGREED, {}, "GO", "2 of 2 targets met"),
        (("met", "missed", "undecided"), AGREED, {}, "NO-GO", "k1 (at most 1 ms) is missed"),
        (("met", "undecided"), AGREED, {}, "NOT DECIDED", "k1 (at most 1 ms) is undecided: w"),
        ((), AGREED, {}, "NOT DECIDED", "no targets"),
        (("met",), None, {}, "NOT DECIDED", "no contract"),
        (("met",), AGREED, {"infer": Status(word="blocked", reason="no runner")}, "NOT DECIDED", "infer is blocked"),
        (("met",), contract("", WHOLE | {"preprocess": "none"}, []), {}, "NOT DECIDED", "preprocessing is unknown"),
        (("met",), contract("", WHOLE, [claim("mean", 1, "conflict")]), {}, "NOT DECIDED", "conflict about mean"),
        (("met",), contract("", WHOLE, [claim("mean", 1, conflicts=["0.5 in a.py:3"])]), {}, "NOT DECIDED", "a.py:3"),
        (("met",), contract("", WHOLE, [claim("mean", 1, "corrected", conflicts=["x"])]), {}, "GO", "1 of 1"),
    ],
)
def test_verdict(statuses: tuple[str, ...], agreed: Any, stages: dict[str, Status], word: str, says: str) -> None:
    found, because = verdict(judged(*statuses), agreed, stages)
    assert found == word
    assert says in because[0]


def test_open_questions_keep_from_deciding_and_a_miss_comes_first() -> None:
    asked = contract("", WHOLE, [], questions=[records.Question(id="q", ask="RGB or BGR?")])
    assert verdict(judged("met"), asked, {}) == ("NOT DECIDED", ["open question: RGB or BGR?"])
    word, because = verdict(judged("undecided", "missed"), asked, {"infer": Status(word="blocked", reason="x")})
    assert word == "NO-GO" and because[0].startswith("k1") and len(because) == 4


@pytest.mark.parametrize(("statuses", "count"), [(("met",), 1), (("missed",), 2), (("met", "undecided"), 2)])
def test_made_up_inputs_decide_nothing(statuses: tuple[str, ...], count: int) -> None:
    given = inputs(3, "synthesised", "npz")
    word, because = verdict(judged(*statuses), AGREED, {}, given)
    reason = "every input was made up to fit: real ones were not found (made-up tensors: no real input was found)"
    assert (word, because[0]) == ("NOT DECIDED", reason) and len(because) == count
    mixed = records.Inputs(items=[*given.items, *inputs(1).items], labels={}, labels_file="", labels_sha256="", note="")
    assert verdict(judged("met"), AGREED, {}, mixed)[0] == "GO"
    empty = records.Inputs(items=[], labels={}, labels_file="", labels_sha256="", note="blocked: x")
    assert verdict(judged("met"), AGREED, {}, empty)[0] == "GO"


def test_a_reason_handed_on_is_said_once() -> None:
    stuck = Status(word="blocked", reason="no runner")
    _, because = verdict(judged("met"), AGREED, {"stats": stuck, "infer": stuck, "predictions": stuck})
    assert because == ["infer is blocked: no runner"]


# ---------------------------------------------------------------- digits
@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (12.3456, 12.1, 12.6, "12.35"),
        (12.3456, 10.0, 14.9, "12.3"),
        (1234.5, 1200.0, 1260.0, "1234"),
        (45678.0, 45000.0, 46234.0, "45700"),
        (0.83333, None, None, "0.833"),
        (1.0, 1.0, 1.0, "1.00"),
        (0.0, None, None, "0"),
        (1.0, 1.0 - 1e-15, 1.0 + 1e-15, "1.00000"),
        (-0.0001, -0.5, 0.5, "0.0"),
        (4.37e-12, None, None, "4.37e-12"),
        (-4.37e-12, None, None, "-4.37e-12"),
        (4.37e-8, 4.1e-8, 4.6e-8, "4.37e-8"),
        (4.37e-12, -0.5, 0.5, "0.0"),
        (1.2e-4, None, None, "0.000120"),
    ],
)
def test_the_interval_decides_the_digits(value: float, low: float | None, high: float | None, shown: str) -> None:
    from assay.units import interval

    assert interval(value, low, high)[0] == shown
    assert number(7) == "7"
