"""What a YAML parser says about broken syntax -> where, why and what to write instead."""

from typing import Any

from assay.config.faults import MOST, Faults, shown

# (parser's problem holds, its context holds) -> what is wrong, how to mend it; libyaml's words, then pure Python's
CURES: tuple[tuple[str, str, str, str], ...] = (
    ("", "scanning a block scalar", "a value begins with > or |", 'put it in quotes, as in map50: ">= 0.6"'),
    ("", "scanning an alias", "a value begins with *", "put it in quotes"),
    ("", "scanning an anchor", "a value begins with &", "put it in quotes"),
    ("", "a tag", "a value begins with !", "put it in quotes"),
    ("unexpected end of stream", "quoted scalar", "a quote is not closed", "close the quote that was opened here"),
    ("unexpected document", "quoted scalar", "a quote is not closed", "close the quote that was opened here"),
    ("escape", "quoted scalar", "a backslash in double quotes that YAML does not know", "use single quotes"),
    ("hexa", "quoted scalar", "a backslash in double quotes that YAML does not know", "use single quotes"),
    ("", "flow sequence", "a [ is not closed, or a comma is missing", "close it, or quote what holds [ ] { } ,"),
    ("", "flow mapping", "a { is not closed, or a comma is missing", "close it, or quote what holds [ ] { } ,"),
    ("node content", "", "a value is missing before this sign", "write the value, or put the text in quotes"),
    (
        "sequence entries are not allowed",
        "",
        "a list item stands behind a key in the same line",
        "begin the list in the next line, or write [a, b]",
    ),
    (
        "mapping values are not allowed",
        "",
        "a colon stands where no key can be, or the line above lacks its own",
        "quote a value that holds ': '; indent a key as its neighbours",
    ),
    ("expected ':'", "", "a line without a colon", "write key: value"),
    ("cannot start any token", "", "a value begins with {char}", "put it in quotes"),
    (
        "",
        "block mapping",
        "the indentation fits no line above, or text follows a quote",
        "indent as the neighbours do; quote the whole value",
    ),
    ("", "block collection", "the indentation fits no list item above", "indent as the neighbours do"),
    ("document start", "", "text follows the end of the document", "keep one document; delete the line ..."),
    ("incompatible", "", "a %YAML line names a version that is not known", "delete the line"),
    ("", "directive", "a line begins with %", "delete the line, or put the text in quotes"),
)


def explain(error: Any, text: str, faults: Faults) -> None:
    """Note what a parser's error means, in words of the file."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    here = lines[line] if line < len(lines) else ""
    if _tab(here):
        _explain_tabs(lines, line, faults)
        return
    problem, context = error.problem or "", error.context or ""
    what, mend = f"is not YAML ({problem})", "check quotes, brackets and indentation"
    for said, doing, cause, cure in CURES:
        if said in problem and doing in context:
            what, mend = cause.replace("{char}", shown(here[column : column + 1])), cure
            break
    opened = error.context_mark
    if opened is not None and opened.line < line and ("closed" in what):
        line, column = opened.line, opened.column
    faults.add(line + 1, what, mend, column=column + 1)


def _tab(line: str) -> bool:
    return "\t" in line[: len(line) - len(line.lstrip())]


def _explain_tabs(lines: list[str], first: int, faults: Faults) -> None:
    """Note every line from here on that a tab indents."""
    for number, line in enumerate(lines[first:], first + 1):
        if _tab(line) and len(faults.found) <= MOST:
            faults.add(number, "a tab indents this line", "use spaces", column=line.index("\t") + 1)
