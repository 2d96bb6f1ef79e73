"""Markdown tables: the only place that calls tabulate, which escapes nothing itself."""

from collections.abc import Sequence

from assay.report.escape import Safe, text


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> Safe:
    """Write a table, every cell escaped; nothing when there are no rows. Columns named in right are aligned so."""
    from tabulate import DataRow, TableFormat, tabulate

    if not rows:
        return Safe("")

    def rule(_widths: object, _alignments: object) -> str:
        return "|" + "|".join("--:" if header in right else "---" for header in headers) + "|"

    row = DataRow("| ", " | ", " |")
    plain = TableFormat(
        lineabove=None,
        linebelowheader=rule,
        linebetweenrows=None,
        linebelow=None,
        headerrow=row,
        datarow=row,
        padding=0,
        with_header_hide=None,
    )
    cells = [[str(text(cell)) for cell in row] for row in rows]
    titles = [str(text(header)) for header in headers]
    return Safe(tabulate(cells, titles, tablefmt=plain, disable_numparse=True, stralign=None, numalign=None))


def bullets(lines: Sequence[object]) -> Safe:
    """Write a list, every entry escaped."""
    return Safe("\n".join(f"- {text(line)}" for line in lines))


def paragraphs(*parts: object) -> Safe:
    """Put blocks under each other, leaving out the empty ones."""
    return Safe("\n\n".join(str(text(part)) for part in parts if part))


def phrase(pattern: str, **values: object) -> Safe:
    """Fill a sentence of ours with escaped values."""
    return Safe(pattern.format(**{key: text(value) for key, value in values.items()}))
