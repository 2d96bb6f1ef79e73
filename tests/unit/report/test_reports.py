"""The two reports: golden text, working links, the same bytes twice, no number without a source."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay import canonical, plan, records
from assay.report.escape import text
from assay.report.experiment import experiment_report
from assay.report.render import render
from assay.report.stakeholder import stakeholder_report
from assay.report.view import View, flat
from report_cases import CASES, CONTEXT, claim

GOLDEN = Path(__file__).parents[2] / "golden" / "reports"
REPORTS = {"experiment": experiment_report, "stakeholder": stakeholder_report}
REFERENCE = re.compile(r'^\[(n\d+)\]: \.\./outputs/(\w+)\.json#L(\d+) "(.*)"$', re.MULTILINE)
USE = re.compile(r"\[([^\[\]]*)\]\[(n\d+)\]")
NUMBER = re.compile(r"-?\d+(?:\.(\d+))?")
LATENCY_SHARE = re.compile(r"= (\d+) / \(([\d +]+)\), each (.*)/\*/(.*)")
both = pytest.mark.parametrize("report", REPORTS)
every = pytest.mark.parametrize("case", CASES)


@both
@every
def test_golden(case: str, report: str) -> None:
    """Set ASSAY_GOLDEN=write to write the files anew, then read what git says changed."""
    made = REPORTS[report](CASES[case](), CONTEXT)
    file = GOLDEN / f"{case}.{report}.md"
    if os.environ.get("ASSAY_GOLDEN") == "write":
        file.write_text(made, encoding="utf-8", newline="\n")
    assert made == file.read_text(encoding="utf-8")


@both
@every
def test_same_bytes_twice(case: str, report: str) -> None:
    records = CASES[case]()
    turned = canonical.loads(canonical.dumps(records))
    assert REPORTS[report](records, CONTEXT).encode() == REPORTS[report](turned, CONTEXT).encode()


@both
@every
def test_every_link_leads_to_what_it_shows(case: str, report: str) -> None:
    records = CASES[case]()
    made = REPORTS[report](records, CONTEXT)
    references = {
        name: (record, int(line), html.unescape(title)) for name, record, line, title in REFERENCE.findall(made)
    }
    uses = USE.findall(made)
    assert {name for _, name in uses} == set(references)
    for shown, name in uses:
        record, line, title = references[name]
        _check(html.unescape(shown), records[record], line, title)


def _check(shown: str, record: Any, line: int, title: str) -> None:
    if title.startswith("= "):
        expected, near = _formula(title, record)
        number = float(NUMBER.match(shown)[0])  # type: ignore[index]
        assert number == pytest.approx(expected, abs=near, rel=0.051), (shown, title)
        return
    value = _at(record, title)
    assert canonical.pointer_lines(record)[title] == line
    written = canonical.dumps(record).split("\n")[line - 1].strip().rstrip(",")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        assert shown == (value if isinstance(value, str) else flat(value))
        return
    assert written.rpartition(": ")[2] == canonical.dumps(value).strip()
    found = NUMBER.match(shown) or NUMBER.match(shown.removeprefix("n "))
    assert found, shown
    places = len(found[1] or "")
    assert abs(float(found[0]) - value) <= 0.5000001 * 10**-places or _to_tens(float(found[0]), value), (shown, value)
    _check_beside(shown, record, title, places)


def _to_tens(shown: float, value: float) -> bool:
    """Tell whether a large number was rounded to tens, hundreds and so on."""
    return any(shown == round(value, -digits) for digits in range(1, 9))


def _check_beside(shown: str, record: Any, title: str, places: int) -> None:
    """Check the interval and the count in brackets against the siblings of the value."""
    inside = re.search(r"\((.*)\)", shown)
    if not inside or not title.endswith("/value"):
        return
    quantity = _at(record, title.removesuffix("/value"))
    ends = re.search(r"(-?[\d.]+) to (-?[\d.]+)", inside[1])
    if ends:
        for text_, key in ((ends[1], "low"), (ends[2], "high")):
            assert float(text_) == pytest.approx(quantity[key], abs=0.51 * 10**-places, rel=0.06), shown
    count = re.search(r"n (\d+)", inside[1])
    assert not count or int(count[1]) == quantity["n"]


def _formula(title: str, record: Any) -> tuple[float, float]:
    if title.startswith("= length of "):
        return len(_at(record, title.removeprefix("= length of "))), 0
    if title.startswith("= some avg10 in "):
        return float(_at(record, title.removeprefix("= some avg10 in ")).split()[1].removeprefix("avg10=")), 0
    parts = LATENCY_SHARE.fullmatch(title)
    if parts:
        key, keys, base, rest = parts.groups()
        whole = sum(_at(record, f"{base}/{k.strip()}/{rest}") for k in keys.split("+"))
        return 100 * _at(record, f"{base}/{key}/{rest}") / whole, 0.51
    above, below = title.removeprefix("= ").split(" / ")
    return _at(record, above) / _at(record, below), 0


def _at(record: Any, pointer: str) -> Any:
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        record = record[int(key)] if isinstance(record, list) else record[key]
    return record


# ---------------------------------------------------------------- what the contract forbids
def test_a_number_without_pointer_is_refused() -> None:
    view = View({"stats": {"a": 1.5}})
    assert view.finish(view.record("stats")["a"].num()) == '[1.50][n1]\n\n[n1]: ../outputs/stats.json#L2 "/a"\n'
    with pytest.raises(TypeError):
        text(1.5)
    with pytest.raises(TypeError):
        view.record("stats")["b"].num()
    with pytest.raises(LookupError):
        view.link("stats", "/b", "1.5")


def test_a_missing_value_fails_the_template() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("stakeholder.md.j2", {"notice": "x"})


def test_data_is_never_a_template() -> None:
    records = CASES["blocked"]()
    records["refs"]["note"] = "{{ 7 * 7 }}{% raw %}"
    made = experiment_report(records, CONTEXT)
    assert "49" not in re.sub(r"[0-9a-f]{64}|25549|#L\d+|n\d+|&#\d+;", "", made)


# ---------------------------------------------------------------- what a reader needs
def _lines(case: str, report: str) -> Iterator[str]:
    return iter(REPORTS[report](CASES[case](), CONTEXT).splitlines())


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        ("detection", "GO"),
        ("missed", "NO-GO"),
        ("contended", "NOT DECIDED"),
        ("classification", "NOT DECIDED"),
        ("blocked", "NOT DECIDED"),
        ("synthesised", "NOT DECIDED"),
    ],
)
def test_the_title_is_the_verdict(case: str, verdict: str) -> None:
    for report in REPORTS:
        assert f"# yolo: {verdict}" in _lines(case, report)


def test_stakeholder_report_fits_a_page() -> None:
    for case in CASES:
        shown = [line for line in _lines(case, "stakeholder") if line and not line.startswith(("[n", "<!--"))]
        assert len(shown) <= 62, case


def test_experiment_report_stays_small() -> None:
    for case in CASES:
        assert len(experiment_report(CASES[case](), CONTEXT).encode()) < 45_000, case


def test_contended_machine_is_named() -> None:
    made = experiment_report(CASES["contended"](), CONTEXT)
    assert "## Warnings" in made and "other work held the machine" in made


def test_sections_without_data_are_said_once() -> None:
    made = experiment_report(CASES["blocked"](), CONTEXT)
    assert "## Latency" not in made
    assert made.count("Latency: no data.") == 1


def test_no_records_at_all_still_gives_both_reports() -> None:
    for make in REPORTS.values():
        assert "# yolo: NOT DECIDED" in make({}, CONTEXT)


def test_notes_stand_under_their_author() -> None:
    made = stakeholder_report(CASES["detection"](), CONTEXT)
    assert "> — A. Author" in made
    assert "<b>" not in made


# ---------------------------------------------------------------- what a newcomer stumbled over
def made(case: str, report: str, change: Callable[[dict[str, Any]], None] = lambda _: None) -> str:
    found = CASES[case]()
    change(found)
    return REPORTS[report](found, CONTEXT)


def section(markdown: str, title: str) -> str:
    return markdown.partition(f"## {title}\n")[2].partition("\n## ")[0]


def unprepared(found: dict[str, Any]) -> None:
    """Give made-up tensors to a model whose recipe has every function."""
    for item in found["inputs"]["items"]:
        item["origin"] = "synthesised"
    for entry in found["stats"]["configurations"]:
        entry["latency"] = [one for one in entry["latency"] if one["scope"] != "preprocess"]
    found["contract"]["claims"] += [supplied("pre.function"), supplied("post.function")]


def supplied(id: str) -> Any:
    return records.to_json(claim(id, id, "confirmed"))  # type: ignore[arg-type]


def test_made_up_inputs_are_never_start_to_finish() -> None:
    text_ = made("detection", "stakeholder", unprepared)
    assert "start to finish" not in text_ and "Half of all calls (without preprocessing, batch [1]" in text_
    verified = section(text_, "What was verified")
    assert "pre.function" not in verified and "Preprocessing did not run: every input was made up." in verified
    assert "infer, preprocess from" not in verified and "`post.function` (reading)" in verified
    assert "give real inputs: inputs.find" in text_ and " of a call without preprocessing:" in text_
    assert "start to finish, batch [1]" in made("detection", "stakeholder")


def test_memory_is_the_most_of_all_configurations_and_names_it() -> None:
    def change(found: dict[str, Any]) -> None:
        found["stats"]["configurations"][1]["memory"]["ram_first"]["value"] = 321.0

    text_ = made("detection", "stakeholder", change)
    place = re.search(r"needs up to \[321 MiB\]\[(n\d+)\] of memory \(b8-t1-fp32\)", text_)
    assert place and re.search(rf'^\[{place[1]}\]: .* "/configurations/1/memory/ram_first/value"$', text_, re.MULTILINE)


def test_valid_for_names_the_machine() -> None:
    line = next(line for line in _lines("detection", "stakeholder") if "Valid for" in line)
    assert re.search(r"Example CPU 8-core, \[8\]\[n\d+\] cores, \[16000 MiB\]\[n\d+\] of memory", line)


def test_what_was_only_said_is_taken_on_trust() -> None:
    def change(found: dict[str, Any]) -> None:
        probed = records.Evidence(kind="probe", where="outputs/probe.json")
        found["contract"]["claims"] += [
            supplied("post.function"),
            records.to_json(claim("io.dims", 1, "observed")),  # type: ignore[arg-type]
            records.to_json(records.Claim(id="io.batch", value=1, status="confirmed", by="me", evidence=[probed])),  # type: ignore[arg-type]
        ]

    verified = section(made("detection", "stakeholder", change), "What was verified")
    assert "with evidence: `layout`, `mean`, `io.dims`, `io.batch`\n" in verified
    assert "Taken on trust: `resize` (reading), `post.function` (reading)." in verified


@pytest.mark.parametrize(("status", "says"), [("read", "says it is a detection model"), ("confirmed", "is a detection")])
def test_a_task_that_was_only_read_is_what_the_file_says(status: str, says: str) -> None:
    def change(found: dict[str, Any]) -> None:
        found["contract"]["claims"].append(records.to_json(claim("model.task", "detection", status)))  # type: ignore[arg-type]

    assert f"tinyyolo.onnx {says}" in made("detection", "stakeholder", change)


@pytest.mark.parametrize(
    ("form", "out"), [("torchscript", "export it to ONNX"), ("gguf", "ask its maker for an ONNX export")]
)
def test_a_format_that_does_not_run_has_a_way_out(form: str, out: str) -> None:
    def change(found: dict[str, Any]) -> None:
        found["checkpoint"]["format"]["name"] = form

    text_ = made("blocked", "stakeholder", change)
    assert f"- {out} and name that file as the checkpoint\n" in section(text_, "Next experiments")
    assert "name that file as the checkpoint" not in made("detection", "stakeholder")


def test_inputs_are_named_by_their_file() -> None:
    def change(found: dict[str, Any]) -> None:
        found["inputs"]["items"][1]["source"] = "refs/t/<b>|1.png"

    text_ = made("detection", "experiment", change)
    for title in ("Tensors", "Predictions"):
        assert "| `000` 0.png |" in section(text_, title) and "| `001` &#60;b&#62;&#124;1.png |" in section(text_, title)
    assert "| `000` (made up) |" in section(made("synthesised", "experiment"), "Tensors")


def test_tiny_numbers_keep_a_power_of_ten() -> None:
    def change(found: dict[str, Any]) -> None:
        found["infer"]["items"][0]["outputs"][0]["mean"] = 0.00000000000437

    assert "[4.37e-12][" in section(made("detection", "experiment", change), "Tensors")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("some avg10=12.91 avg60=17.71 avg300=9.00 total=89098829", r"CPU waited \[12.91 %\]\[n\d+\] of the last 10 s"),
        ("not known", "not known"),
        ("some avg10=a|b", "some avg10=a&#124;b"),
    ],
)
def test_pressure_is_said_in_words(line: str, says: str) -> None:
    text_ = made("detection", "experiment", lambda found: found["stats"]["noise"].update(pressure=line))
    assert re.search(rf"^\| pressure \| {says} \|$", text_, re.MULTILINE)


def test_uncontended_is_explained_once_above_its_table() -> None:
    latency = section(made("detection", "experiment"), "Latency")
    assert latency.count("Uncontended is what a call costs") == 1
    assert latency.index("Uncontended is what a call costs") < latency.index("| without other work |")


def test_made_by_is_a_stage() -> None:
    rows = [line for line in _lines("detection", "experiment") if line.startswith("| [`outputs/")]
    makers = {re.findall(r"outputs/(\w+)\.json", row)[0]: row.split("|")[-2].strip() for row in rows}
    assert set(makers.values()) <= set(plan.NAMES) and set(makers) == set(CASES["detection"]())
    assert (makers["artifacts"], makers["environment"], makers["params"]) == ("decode", "deps", "contract")


@both
def test_a_gpu_is_named_before_the_processor_where_one_was_used(report: str) -> None:
    found = canonical.loads(canonical.dumps(CASES["detection"]()))
    found["stats"]["hardware"]["gpus"] = ["Example GPU 80GB"]
    assert "Example GPU 80GB with" not in REPORTS[report](found, CONTEXT), "nothing ran on it"
    for one in found["stats"]["configurations"]:
        one["runtime"]["device"] = "cuda:0"
    assert "Example GPU 80GB with Example CPU 8-core" in REPORTS[report](found, CONTEXT)
