"""Each rule speaks when it should, with evidence, and is silent otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay import records
from assay.report.findings import SEVERITIES, findings
from assay.report.stakeholder import towards_go
from assay.report.view import Context, View
from report_cases import CASES, CONTEXT, answer, claim, measured, probe, refs

Change = Callable[[dict[str, Any]], None]


def said(found: dict[str, Any], context: Context = CONTEXT) -> str:
    view = View(found)
    return view.finish(
        "\n".join(f"{f.severity}: {f.what} | {f.evidence} | {f.action}" for f in findings(view, context))
    )


def stats(**how: Any) -> Change:
    def change(found: dict[str, Any]) -> None:
        found["stats"] = records.to_json(measured({(1, 1): answer(**how)}))

    return change


def put(record: str, value: records.Record) -> Change:
    def change(found: dict[str, Any]) -> None:
        found[record] = records.to_json(value)

    return change


def unsettled(found: dict[str, Any]) -> None:
    found["stats"]["configurations"][0]["warmup_settled"] = False


def infinite(found: dict[str, Any]) -> None:
    found["infer"]["items"][3]["outputs"][0]["nonfinite"] = 5


def risky(found: dict[str, Any]) -> None:
    found["checkpoint"] |= {"risks": ["it has no checksums"], "trust": ["names os.system"], "cannot": ["compressed"]}
    found["checkpoint"]["values"] = records.to_json(records.Values(checked=9, nonfinite={"w": 3}))  # type: ignore[arg-type]


def trusted(found: dict[str, Any]) -> None:
    risky(found)
    found["match"] = records.to_json(records.Match(status=records.Status(), trusted=True))  # type: ignore[arg-type]


def as_data(found: dict[str, Any]) -> None:
    risky(found)
    found["match"] = records.to_json(records.Match(status=records.Status()))  # type: ignore[arg-type]


def open_still(found: dict[str, Any]) -> None:
    found["infer"]["runtime"] |= {"isolation": "plain", "lacking": ["files: left open"]}


def edited(found: dict[str, Any]) -> None:
    found["contract"]["functions"]["postprocess"] = "edited"


def unsure(found: dict[str, Any]) -> None:
    found["contract"]["claims"].append(records.to_json(claim("scale", 255, identified=False)))  # type: ignore[arg-type]


def claimed(name: str) -> Change:
    def change(found: dict[str, Any]) -> None:
        found["checkpoint"]["claimed"] = {"license": name} if name else {}

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (stats(slowed=1.5, busy=2), "medium: other work held the machine"),
        (unsettled, "low: the warm-up of b1-t1-fp32 did not settle | [24]["),
        (infinite, "high: the raw answer to 003 holds NaN or infinity | [5]["),
        (risky, "high: names os.system | format onnx | take a file of a safe format"),
        (as_data, "medium: names os.system | format onnx | this run read its numbers as data"),
        (risky, "high: compressed | format onnx | ask its maker"),
        (risky, "medium: it has no checksums"),
        (risky, "high: weights are NaN or infinite in [1]["),
        (trusted, "high: names os.system | format onnx | the experiment trusts it"),
        (put("refs", refs("none")), "high: tinyyolo has no licence | no file"),
        (put("refs", refs("unrecognised")), "medium: the licence of tinyyolo is not recognised | `LICENSE`"),
        (put("refs", refs("CC-BY-NC-4.0")), "high: the licence of tinyyolo forbids commercial use (CC-BY-NC-4.0)"),
        (put("refs", refs("other", non_commercial=True)), "high: the licence of tinyyolo forbids commercial use"),
        (put("refs", refs("AGPL-3.0")), "medium: tinyyolo is under AGPL-3.0"),
        (put("refs", refs(dirty=True)), "medium: the upstream tree tinyyolo has local changes"),
        (claimed(""), "medium: no licence is claimed for the weights"),
        (claimed("research only"), "high: the weights are claimed to be for non-commercial use"),
        (put("probe", probe(deterministic=False)), "medium: the same input does not give the same answer twice"),
        (open_still, "low: the model's code was not shut in as far as it could be: files: left open | isolation plain"),
        (edited, "medium: the generated `scripts/adapter.py` was edited by hand | `postprocess`"),
        (unsure, "medium: not everything about its use was observed to be right | `scale`"),
    ],
)
def test_a_rule_speaks(change: Change, says: str) -> None:
    found = CASES["detection"]()
    assert says.split(" | ")[0] not in said(found)
    change(found)
    assert says in said(found)


def test_slow_tail() -> None:
    found = CASES["detection"]()
    for entry in found["stats"]["configurations"][0]["latency"]:
        entry["experienced"]["p95"]["value"] *= 5
    assert "slow calls take [5.1 times][" in said(found)
    assert "set the target on the tail" in said(found)
    found["metrics"]["targets"][0]["key"] = "latency_ms.p95[batch=1]"
    assert "set the target on the tail" not in said(found) and "see what the slow calls have in common" in said(found)


def test_bottleneck_and_cold_start_come_with_evidence() -> None:
    text = said(CASES["detection"]())
    assert "low: model takes [67 %][" in text
    assert "low: the first call takes [7.6 times][" in text
    assert "`peak_ram_mib` is close to its limit of [120][" in text
    assert "quality rests on [24][" in text


def test_nothing_known_says_nothing() -> None:
    assert findings(View({}), CONTEXT) == []


def test_the_worst_comes_first() -> None:
    view = View(CASES["classification"]())
    severities = [SEVERITIES.index(f.severity) for f in findings(view, CONTEXT)]
    assert severities == sorted(severities) and severities[0] == 0


def test_the_way_to_a_go_names_command_or_decider() -> None:
    steps = " ".join(towards_go(View(CASES["contended"]()), CONTEXT))
    assert "quiet machine: `doit measure exp=yolo`" in steps
    steps = " ".join(towards_go(View(CASES["missed"]()), CONTEXT))
    assert "whoever set it" in steps
    assert towards_go(View(CASES["detection"]()), CONTEXT) == []
