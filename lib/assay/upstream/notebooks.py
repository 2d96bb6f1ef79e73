"""The code of a notebook as one piece of Python, cell after cell."""

import json
from typing import Any

MOST_CELLS = 400
PLAIN = ("%%time", "%%capture")  # Python below them, all the same


def code(text: str) -> str:
    """Join a notebook's cells of code, a blank line between two; "" of what is no notebook of Python."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    cells = read.get("cells") if isinstance(read, dict) else None
    if not isinstance(cells, list) or not _is_python(read.get("metadata")):
        return ""
    found = [_source(cell) for cell in cells[:MOST_CELLS] if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    return "\n\n".join(source.rstrip() for source in found if source.strip()) + "\n"


def _is_python(metadata: Any) -> bool:
    """Tell Python from other languages; a notebook that names none is Python."""
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    return not isinstance(kernel, dict) or str(kernel.get("language", "python")).lower() == "python"


def _source(cell: "dict[str, Any]") -> str:
    """Give a cell's text; of a cell that a shell or another program runs, nothing."""
    lines = cell.get("source", "")
    text = "".join(str(line) for line in lines) if isinstance(lines, list) else str(lines)
    if text.lstrip().startswith("%%") and not text.lstrip().startswith(PLAIN):
        return ""
    return "\n".join("" if line.lstrip().startswith(("!", "%")) else line for line in text.split("\n"))
