"""Write docs/records.md and docs/records.schema.json from the records: `python -m assay.records.doc ROOT`."""

import ast
import inspect
import pathlib
import re
import sys

from assay import canonical, plan
from assay.layout import record
from assay.records import RECORDS, SCHEMA, Measured, Part, Skipped, Status, json_schema

HEAD = f"""# Records

Written by `python -m assay.records.doc .` from `lib/assay/records/`; edit that, not this page.

Each stage leaves its findings as JSON in the workspace's `outputs/`. Every file carries `schema`, now {SCHEMA};
a file of another schema is refused by name, and unknown fields are refused too. Keys are sorted, NaN and infinity never
occur; no date, absolute path or experiment name stands in them. The same shapes as JSON Schema:
[records.schema.json](records.schema.json). `outputs/samples.json`, left by `measure`, holds the iterations
behind `stats.json` and is not described here.

Where a type reads `Quantity`, a `Measured` or a `Skipped` stands there; the field `is` tells which.
"""
WORD = re.compile(r"[A-Za-z]+")


def written() -> dict[str, str]:
    """Map each generated file to its text."""
    return {"docs/records.md": reference(), "docs/records.schema.json": canonical.dumps(json_schema())}


def reference() -> str:
    """Write the reference of records as Markdown."""
    maker = {path: stage.name for stage in plan.STAGES for path in stage.writes}
    lines = [HEAD, "## Used by several", ""]
    shown: set[str] = {"Measured", "Skipped", "Status"}
    for common in (Measured, Skipped, Status):
        lines += _struct(common, f"### {common.__name__}")
    for name, kind in RECORDS.items():
        lines += _struct(kind, f"## {name}.json", f"Written by stage `{maker[record(name)]}`.")
        for part in _parts(kind, shown):
            lines += _struct(part, f"### {part.__name__}")
    return "\n".join(lines)


def _struct(kind: type, title: str, lead: str = "") -> list[str]:
    doc = lead or inspect.cleandoc(kind.__doc__ or "")
    rows = [f"| `{name}` | `{text}` | {said} |".replace("|  |", "| |") for name, text, said in _fields(kind)]
    return [title, "", doc, "", "| field | type | notes |", "|---|---|---|", *rows, ""]


def _fields(kind: type) -> list[tuple[str, str, str]]:
    """List a struct's own fields as its source has them: name, type, the comment behind."""
    lines = inspect.getsource(kind).splitlines()
    found = []
    for node in ast.parse("\n".join(lines)).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign):
            said = lines[node.lineno - 1].partition("  # ")[2].replace("|", "or")
            kept = f"default `{ast.unparse(node.value)}`" if node.value is not None else ""
            text = ast.unparse(node.annotation).replace(" | ", " or ")
            found.append((ast.unparse(node.target), text, "; ".join(filter(None, (said, kept)))))
    return found


def _parts(kind: type, shown: set[str]) -> list[type]:
    """List the parts that a record is made of and that were not shown before, from the top down."""
    import assay.records as all_records

    found = []
    for word in (w for _, text, _ in _fields(kind) for w in WORD.findall(text)):
        part = getattr(all_records, word, None)
        if isinstance(part, type) and issubclass(part, Part) and word not in shown:
            shown.add(word)
            found += [part, *_parts(part, shown)]
    return found


if __name__ == "__main__":
    for file, content in written().items():
        (pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".") / file).write_text(content, encoding="utf-8")
