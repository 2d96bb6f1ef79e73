"""The documentation keeps up with the program: nothing unmentioned, no dead link, generated pages current."""

import re
from pathlib import Path

import pytest

from assay import errors, plan
from assay.commandline import OURS, VARIABLES
from assay.commands import VERBS
from assay.config import docs
from assay.config.keys import KEYS
from assay.freshness import EDITED, ELSEWHERE, FAILED, FRESH, NEVER, STALE
from assay.records import RECORDS, doc

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/README.md")],
    key=str,
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
THIS_MACHINE = re.compile(r"(?<![\w.~>])/(home|root|work|Users|private|var|opt|tmp/[\w.]+/)\b")
CODES = (
    errors.DONE, errors.FAILED, errors.WRONG_INPUT, errors.NEEDS_ANSWER,
    errors.TARGET_MISSED, errors.INTERRUPTED, errors.TERMINATED,
)  # fmt: skip


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def prose(page: Path) -> str:
    """Give a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", sorted({**docs.written(), **doc.written()}))
def test_generated_pages_are_current(name: str) -> None:
    assert text(name) == {**docs.written(), **doc.written()}[name], f"{name}: see CONTRIBUTING.md, Golden files"


@pytest.mark.parametrize("stage", plan.STAGES, ids=lambda s: s.name)
def test_every_stage_is_documented(stage: plan.Stage) -> None:
    assert f"| `{stage.name}` | {stage.does}" in text("docs/cli.md")
    assert stage.name in text("docs/concepts.md")
    if stage.not_yet:
        assert stage.not_yet in text("docs/cli.md")
        assert f"`{stage.name}`" in text("README.md").split("does not do yet")[1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    assert f"| `{verb}` | {VERBS[verb]} |" in text("docs/cli.md")


@pytest.mark.parametrize("name", [*VARIABLES, *OURS])
def test_every_variable_and_flag_is_documented(name: str) -> None:
    assert re.search(rf"`{re.escape(name)}[`=]", text("docs/cli.md"))


@pytest.mark.parametrize("key", KEYS, ids=lambda k: k.path)
def test_every_key_is_documented(key: object) -> None:
    assert re.search(rf"^##+ {re.escape(key.path)}$", text("docs/yaml-reference.md"), re.MULTILINE)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_documented(name: str) -> None:
    assert f"\n## {name}.json\n" in text("docs/records.md")


@pytest.mark.parametrize("word", (FRESH, STALE, NEVER, FAILED, EDITED, ELSEWHERE))
def test_every_state_is_documented(word: str) -> None:
    assert f"| `{word}` |" in text("docs/concepts.md")


def test_exit_codes_are_documented() -> None:
    table = text("README.md").split("## Exit codes")[1].split("##")[0]
    assert {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for n in row.split(",")} == set(CODES)
    listed = text("docs/cli.md").split("## Exit codes")[1].split("##")[0]
    assert all(re.search(rf"\b{code}\b", listed) for code in CODES)


def test_every_decision_is_listed() -> None:
    listed = text("docs/decisions/README.md")
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"({page.name})" in listed
        assert [h for h in HEADING.findall(page.read_text("utf-8"))][1:] == [
            "Context", "Choice", "Rejected", "How we would notice that it was wrong",
        ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("https://", "#")):
            continue
        path, _, anchor = target.partition("#")
        place = page.parent / path
        assert place.exists(), f"{page.name} links to {target}"
        if anchor:
            titles = HEADING.findall(place.read_text("utf-8"))
            assert anchor in {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_page_names_a_place_of_one_machine(page: Path) -> None:
    assert THIS_MACHINE.search(page.read_text("utf-8")) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_named_in_code_marks_exist(page: Path) -> None:
    """A path of the repository in backquotes has to be there."""
    for name in re.findall(r"`((?:lib|docs|tests|recipes|examples)/[\w./-]+\.\w+)`", prose(page)):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
