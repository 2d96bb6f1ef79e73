"""Model folders: what is risky about them."""

from pathlib import Path

from assay.formats import tree
from assay.records import Format, Graph


def facts(path: Path, format: Format) -> "tuple[Graph | None, list[str]]":
    """Name what is risky about a folder's files."""
    return None, sorted(tree.folder_risks(path))
