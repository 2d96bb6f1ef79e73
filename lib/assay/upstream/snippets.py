"""What upstream's documents show: command lines that run its scripts, and Python that uses its code."""

import ast
import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Mapping

from assay.records.upstream import Command, Snippet
from assay.upstream.entrypoints import named

MOST_SNIPPETS, LONGEST, MOST_WORDS, MOST_COMMANDS = 10, 4_000, 60, 400
PYTHONS = ("python", "py", "python3", "pycon", "ipython")
FENCE = re.compile(r"^\s*(```+|~~~+)\s*([\w+-]*)")
PROMPT = re.compile(r"^\s*(\$|>(?!>)|%|!)\s*")
PYTHON = re.compile(r"(?:^|[\s;&(`])(?:[A-Z_]+=\S+\s+)*python[\d.]*\s+(?P<rest>.+)$")
CHANGE = re.compile(r"(?:^|&&|;)\s*cd\s+([^\s;&]+)")
MOST_WHOLE, LONGEST_WHOLE = 3, 40_000  # notebooks
TRAINS = re.compile(r"\.backward\(|\boptimi[sz]er\b|\.fit\(")
DOTS = re.compile(r"^(>>>|\.\.\.) ?")


def commands(
    document: str, text: str, scripts: Collection[str], installed: Mapping[str, str] = {}
) -> "Iterator[tuple[str, Command]]":
    """List the command lines of a document that run one of the scripts, each with the script.

    `installed` tells which script a command of upstream's own runs.
    """
    folder, within = "", False
    for number, line in _lines(text):
        if len(line) > LONGEST:
            continue
        if FENCE.match(line):
            within = not within
            folder = ""
            continue
        bare = PROMPT.sub("", line.strip().strip("`"))
        changed = CHANGE.search(bare)
        if changed and (within or line.startswith(("    ", "\t", "$"))):
            folder = _changed(folder, changed[1], document)
        match = PYTHON.search(bare)
        found = _command(document, match["rest"].partition("`")[0], folder, scripts) if match else None
        found = found or _installed(bare.partition("`")[0], within, line, installed)
        if found:
            script, argv, cd = found
            yield script, Command(argv=argv, where=f"{document}:{number}", cd=cd)


def _lines(text: str) -> "Iterator[tuple[int, str]]":
    """Give the lines with their numbers; those that a backslash joins as one."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1] + " "
            continue
        yield start, pending + line
        pending, start = "", 0
    if pending:
        yield start, pending


def _changed(folder: str, target: str, document: str) -> str:
    if target.startswith(("/", "~", "$", "<")):
        return ""
    return posixpath.normpath(posixpath.join(folder, target)).lstrip("./")


def _words(line: str) -> "list[str]":
    """Split a command line as far as its first command goes."""
    try:
        words = shlex.split(line.strip(), comments=True)[:MOST_WORDS]
    except ValueError:
        return []
    ends = [n for n, w in enumerate(words) if w in ("&&", "|", ";", ">", ">>", "2>&1", "&", "||")]
    return words[: ends[0]] if ends else words


def _installed(bare: str, within: bool, line: str, installed: Mapping[str, str]) -> "tuple[str, list[str], str] | None":
    """Read a line that begins with a command of upstream's own; outside a block, prose may begin so too."""
    name = bare.partition(" ")[0]
    if name not in installed:
        return None
    argv = _words(bare)[1:]
    shown = within or (line[:1] in (" ", "\t", "$", "`") and any(word.startswith("-") for word in argv))
    return (installed[name], argv, "") if shown else None


def _command(document: str, rest: str, folder: str, scripts: Collection[str]) -> "tuple[str, list[str], str] | None":
    words = _words(rest)
    while words and words[0].startswith("-") and words[0] != "-m":
        words = words[2:] if words[0] in ("-W", "-X") else words[1:]
    module = words[:1] == ["-m"]
    words = words[1:] if module else words
    if not words:
        return None
    what = words[0].rstrip(";,")
    path = what if what.endswith(".py") else what.replace(".", "/") + ".py"
    if path == what or module:
        for place in _places(document, folder, path):
            if place in scripts:
                cd = posixpath.normpath(place.removesuffix(path).partition("/")[2] or ".")
                return place, words[1:], "" if cd == "." or module else cd
    return None


def _places(document: str, folder: str, path: str) -> "Iterator[str]":
    """Name what a script's path may mean: from the tree, from where `cd` went, from the document's own folder."""
    tree, own = document.partition("/")[0], posixpath.dirname(document)
    parts = folder.split("/") if folder else []
    for base in [own, tree]:
        for skipped in range(len(parts) + 1):  # `cd` into the clone itself is no folder of the tree
            yield posixpath.normpath(posixpath.join(base, *parts[skipped:], path))


def snippets(document: str, text: str, own: Collection[str]) -> "Iterator[Snippet]":
    """List the Python blocks of a document that import the tree's own modules."""
    for line, block in _blocks(text):
        if len(block) <= LONGEST and _imports(block) & set(own):
            yield Snippet(path=document, line=line, text=block)


def _blocks(text: str) -> "Iterator[tuple[int, str]]":
    inside, start, kind, found = False, 0, "", [""]
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and not inside:
            inside, start, kind, found = True, number + 1, fence[2].lower(), []
        elif fence and inside:
            inside = False
            block = _dedented(found)
            if kind in PYTHONS or (kind in ("", "console") and "import " in block):
                yield start, block
        elif inside:
            found.append(line)


def _dedented(lines: "list[str]") -> str:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    lines = [line[margin:] for line in lines]
    if any(line.startswith(">>>") for line in lines):
        lines = [DOTS.sub("", line) for line in lines if DOTS.match(line)]
    return "\n".join(lines).rstrip() + "\n"


def _imports(block: str) -> "set[str]":
    try:
        tree = ast.parse(block)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def own_modules(python_files: Collection[str]) -> "set[str]":
    """Name what can be imported from the trees: their outermost modules, and packages wherever they begin."""
    folders = {posixpath.dirname(path) for path in python_files if path.endswith("/__init__.py")}
    found = {posixpath.basename(f) for f in folders if posixpath.dirname(f) not in folders and "/" in f}
    for path in python_files:
        parts = path.split("/")[1:]
        parts = parts[1:] if parts[0] == "src" else parts
        if parts:
            found.add(parts[0].removesuffix(".py"))
    return found - {"setup", "tests", "test", "docs", "torch", "numpy"}


def shown(documents: Mapping[str, str], notebooks: Mapping[str, str], python_files: Collection[str]) -> "list[Snippet]":
    """List the snippets of all documents, those of the outermost first; then what notebooks do without training."""
    own = own_modules(python_files)
    found: list[Snippet] = []
    for document in sorted(documents, key=lambda d: (d.count("/"), d)):
        found += snippets(document, documents[document], own)
    whole = [Snippet(path=path, line=1, text=code) for path, code in notebooks.items() if _uses(code, own)]
    likely = sorted(
        whole, key=lambda s: (-named(posixpath.basename(s.path).partition(".")[0]), s.path.count("/"), s.path)
    )
    return [*found[:MOST_SNIPPETS], *likely[:MOST_WHOLE]]


def _uses(code: str, own: "set[str]") -> bool:
    return len(code) <= LONGEST_WHOLE and not TRAINS.search(code) and bool(_imports(code) & own)
