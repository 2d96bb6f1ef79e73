"""Names from models are hostile: whatever they hold, the reports keep their shape."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.report.escape import block, code, inline, text, title, url
from assay.report.experiment import experiment_report
from assay.report.stakeholder import stakeholder_report
from assay.report.tables import table
from assay.report.view import Context
from report_cases import CASES, CONTEXT

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b\nc|d\n\n# heading",
    "](javascript:alert(1)) [x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "`code` **bold** _it_ ~~gone~~ ``` ~~~",
    "\u202egnp.exe\u2066 \u200b\ufeff",
    "--> <!-- -->",
    "{{ 7*7 }}{% raw %}",
    "[n1]: http://evil.example 'y'",
    "# heading",
    "1. item",
    "- item",
    "&lt;b&gt; &#60;i&#62;",
    "\x1b[31m\x00\u2028\u2029\r",
    "$$x$$ @everyone \\",
    "<http://evil.example> www.evil.example",
    "---\n===",
    '" onerror="x',
    "\ud800",
]
KEPT = {"is", "word", "status", "scope", "pointer", "op", "verdict", "origin", "unit", "better", "sha256", "key", "id"}
REPORTS = (experiment_report, stakeholder_report)


def poisoned(value: Any, poison: str, key: str = "") -> Any:
    """Put poison behind every text, and into the names of classes, dimensions, packages and the like."""
    if isinstance(value, dict):
        free = key in ("per_class", "dims", "claimed", "versions", "opset", "initializer_dtypes", "params")
        return {k + poison if free else k: poisoned(v, poison, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(entry, poison, key) for entry in value]
    return poison if isinstance(value, str) and key not in KEPT else value


def tokens(markdown: str) -> list[Any]:
    """Parse as GitHub would, tables included, raw HTML allowed: the worst case."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    flat = []
    for token in parser.parse(markdown):
        flat += [token, *(token.children or [])]
    return flat


def shape(markdown: str) -> dict[str, int]:
    """Count what a hostile name could add."""
    counted = ("heading_open", "fence", "code_block", "hr", "em_open", "s_open", "html_inline", "html_block")
    kinds = [token.type for token in tokens(markdown)]
    return {kind: kinds.count(kind) for kind in counted}


@pytest.mark.parametrize("poison", HOSTILE)
@pytest.mark.parametrize("case", ["detection", "blocked"])
def test_reports_keep_their_shape(case: str, poison: str) -> None:
    records = CASES[case]()
    context = Context(
        experiment="yolo", version=CONTEXT.version, notes=f"{poison}\n\n{poison}", notes_by=poison, edited=(poison,)
    )
    for make in REPORTS:
        made = make(poisoned(records, poison), context)
        clean = make(poisoned(records, "x"), Context(experiment="yolo", version="0.1.0", notes="x\n\nx", edited=("x",)))
        assert shape(made) == shape(clean)
        check_harmless(made)


def check_harmless(markdown: str) -> None:
    """Find no address of others, no broken table, no invisible character."""
    width = 0
    for token in tokens(markdown):
        if token.type == "link_open":
            assert str(token.attrs["href"]).startswith("../"), token.attrs
        if token.type == "image":
            assert str(token.attrs["src"]).startswith("../pictures/"), token.attrs
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in markdown)
    for line in markdown.split("\n"):
        if line.startswith("|"):
            width = width or line.count("|")
            assert line.count("|") == width, line
        else:
            width = 0


def test_hostile_experiment_name_and_version() -> None:
    for poison in HOSTILE:
        context = Context(experiment=poison, version=poison)
        for make in REPORTS:
            made = make(CASES["blocked"](), context)
            assert shape(made)["html_block"] == 1 and shape(made)["html_inline"] == 0
            check_harmless(made)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_one_plain_paragraph(value: str) -> None:
    parsed = tokens(f"{text(value)}")
    plain = {"paragraph_open", "inline", "text", "paragraph_close"}
    assert {token.type for token in parsed} <= plain


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_cells_make_one_row(a: str, b: str) -> None:
    kinds = [token.type for token in tokens(table(("x", "y"), [[a, b], [b, a]]))]
    assert (kinds.count("tr_open"), kinds.count("td_open"), kinds.count("th_open")) == (3, 4, 2)
    assert not {"html_inline", "link_open", "image", "em_open", "strong_open", "code_inline"} & set(kinds)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_in_code_block_link_and_title(value: str) -> None:
    kinds = [token.type for token in tokens(block([value]))]
    assert kinds == ["fence"]
    linked = tokens(f'[{inline(value)}][n1]\n\n[n1]: ../{url("a" + value)} "{title(value)}"\n')
    assert [t.type for t in linked if t.type not in ("text", "inline")] == [
        "paragraph_open",
        "link_open",
        "link_close",
        "paragraph_close",
    ]
    assert {token.type for token in tokens(f"x {code(value)}")} <= {
        "paragraph_open", "inline", "text", "code_inline", "paragraph_close",
    }  # fmt: skip


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert "⟨U+202E⟩" in text("a\u202eb")
    assert "⟨U+000A⟩" in text("a\nb")
