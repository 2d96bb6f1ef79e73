"""Reads upstream's Python files for what they import and for signs of running a model; nothing of them is run."""

import ast
import io
import tokenize
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from assay.canonical import dumps
from assay.files import text_sha256
from assay.records import Module
from assay.upstream import entrypoints, importing
from assay.upstream.notebooks import code
from assay.upstream.requirements import Unreadable, content, raw

MOST_FILES = 3_000
MOST_DOCUMENTS = 50
MOST_NOTEBOOKS, LARGEST_NOTEBOOK = 12, 6 << 20  # its pictures lie in it
MOST_KEPT = 8_000_000  # characters; parsed they take some hundred times that


class Scripts(NamedTuple):
    """What the Python files of all trees import and show; paths begin with the tree's name."""

    modules: list[Module]
    marks: dict[str, list[str]]
    documented: set[str]  # the files that a document runs
    left_out: list[str]
    texts: dict[str, str]  # of the documents
    notebooks: dict[str, str]  # their code
    parsed: dict[str, tuple[str, ast.Module]]  # the first files, as far as they can be kept


def read(
    trees: Mapping[str, Path], python_files: Sequence[str], documents: Sequence[str], notebooks: Sequence[str] = ()
) -> Scripts:
    """Read the files, the outermost first, and no more than can be kept."""
    chosen = sorted(python_files, key=_outermost)[:MOST_FILES]
    found = Scripts([], {}, set(), [], {}, {}, {})
    kept = 0
    for path in sorted(chosen):
        try:
            text, tree, broken = parse(trees, path)
            found.marks[path] = entrypoints.marks(text)
        except Unreadable as reason:
            text, tree, broken = "", None, str(reason)
        found.modules.append(Module(path=path, imports=importing.imports(tree, text) if tree else [], broken=broken))
        kept += len(text)
        if tree and kept <= MOST_KEPT:
            found.parsed[path] = text, tree
    for path in sorted(documents, key=_outermost)[:MOST_DOCUMENTS]:
        try:
            found.texts[path] = content(_place(trees, path))
            found.documented.update(entrypoints.commands(path, found.texts[path]))
        except Unreadable:
            continue  # a document that cannot be read shows nothing
    for path in sorted(notebooks, key=_outermost)[:MOST_NOTEBOOKS]:
        try:
            found.notebooks[path] = code(content(_place(trees, path), LARGEST_NOTEBOOK))
        except Unreadable:
            continue
    if len(python_files) > MOST_FILES:
        found.left_out.append(f"the imports of {len(python_files) - MOST_FILES} Python files (more than {MOST_FILES})")
    return found


def parse(trees: Mapping[str, Path], path: str) -> "tuple[str, ast.Module | None, str]":
    """Read and parse a file of the trees; say what is broken in it."""
    text = python(_place(trees, path))
    return (text, *importing.parsed(text))


def python(path: Path) -> str:
    """Read a Python file in the encoding that its first lines name."""
    data = raw(path)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        raise Unreadable("not text in the encoding that it names") from None


def digest(modules: Sequence[Module]) -> str:
    """Digest what is imported where; moving an import within its file changes nothing."""
    found = sorted([m.path, i.module, i.names, i.kind] for m in modules for i in m.imports)
    return text_sha256(dumps(found))


def _outermost(path: str) -> "tuple[int, str]":
    return path.count("/"), path


def _place(trees: Mapping[str, Path], path: str) -> Path:
    name, _, inner = path.partition("/")
    return trees[name] / inner
