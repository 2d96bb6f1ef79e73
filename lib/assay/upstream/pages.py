"""Pages of Streamlit and Gradio that take an upload and show what the model says, as uses without the page.

What is uploaded is a file, what is shown is printed, buttons are pressed, and other choices are as the page begins.
"""

import ast
import builtins
import copy
from collections.abc import Iterator, Mapping, Sequence

from assay.records.upstream import PAGE, Use
from assay.upstream import interfaces
from assay.upstream.handlers import Pieces, kind_of
from assay.upstream.imported import imported_as
from assay.upstream.index import File, Index, Outside
from assay.upstream.paged import Paged
from assay.upstream.service import CannotWrite
from assay.upstream.slicing import bound, free, leading_to, loaded, resting_on, stored
from assay.upstream.uploads import SAMPLE

MOST = 1
IN_MEMORY = (".getvalue(", ".getbuffer(")  # what upstream may ask an upload for, that no file has
STREAMLIT, UPLOADER = "streamlit", "file_uploader"
CLIENTS = ("requests", "httpx", "aiohttp", "urllib", "urllib3", "grpc", "boto3", "openai")
CHARTS = ("altair", "plotly", "matplotlib", "seaborn", "pandas", "pydeck", "bokeh")  # what only draws a result


class Pages:
    """Finds pages, and writes what they do as lines that start from a file."""

    def __init__(self, index: Index, near: Mapping[str, int]) -> None:
        self.index, self.near = index, near

    def all(self) -> "list[Use]":
        """List the uses that can be written, those of files near the entrypoints first."""
        found: list[Use] = []
        files = [f for f in self.index.files.values() if (UPLOADER in f.text and _aliases(f)) or interfaces.aliases(f)]
        for file in sorted(files, key=lambda f: (self.near.get(f.path, 99), f.path.count("/"), f.path)):
            try:
                found.append(self._interface(file) if interfaces.aliases(file) else self._page(file))
            except (CannotWrite, RecursionError, ValueError):  # the last is ast's, of what it cannot put into words
                continue
        return found[:MOST]

    def _page(self, file: File) -> Use:
        tree = copy.deepcopy(file.tree)
        asked = _uploader(tree)
        if asked is None:
            raise CannotWrite("nothing is uploaded")
        held = any(word in one.text for one in self.index.files.values() for word in IN_MEMORY)
        return self._use(file, asked, Paged(_aliases(file), in_memory=held).lines(_whole(tree, asked)))

    def _interface(self, file: File) -> Use:
        asked = interfaces.asked(file)
        if asked is None:
            raise CannotWrite("no function is called with a picture or a sound alone")
        return self._use(file, asked.call, interfaces.lines(file, asked), asked.imports)

    def _use(self, file: File, asked: ast.Call, lines: "list[ast.stmt]", imports: "Sequence[str]" = ()) -> Use:
        outside = {name for name in file.imports if isinstance(self.index.meaning(file, name), Outside)}
        own = {one.partition("import ")[2] for one in imports}
        body = self._answering(file, lines, outside | own)
        pieces = Pieces(self.index)
        pieces.imports.update(dict.fromkeys(imports))
        pieces.add_whole(file, body)
        root, module = imported_as(self.index, file)
        return Use(
            path=file.path,
            line=asked.lineno,
            head=file.line(asked.lineno),
            function=PAGE,
            module=module,
            text=pieces.text(),
            root=root,
            kind=kind_of(self.index, file),
            given="upload",
        )

    def _answering(self, file: File, lines: "list[ast.stmt]", outside: "set[str]") -> "list[ast.stmt]":
        """Keep what is shown of the upload, and the lines that lead to it."""
        apart = {SAMPLE, *outside, *dir(builtins)}
        resting = resting_on(lines, SAMPLE, apart)
        kept = [line for line in lines if not _is_print(line) or loaded(line) & resting]
        printed = {name for line in kept for one in _prints(line) for name in loaded(one)} - {"print"}
        charts = {n for n, one in file.imports.items() if one.module.partition(".")[0] in CHARTS}
        told = _without_charts(kept, charts, printed)
        shown = [line for line in told if any(_prints(line))]
        body = leading_to(told, {name for line in shown for name in loaded(line)} - {"print"}, apart)
        if not shown or not any(SAMPLE in loaded(line) for line in body):
            raise CannotWrite("nothing of the upload is shown")
        if any(name in loaded(line) for line in body for name in _clients(file)):
            raise CannotWrite("it asks a service")
        made = {name for line in body for name in stored(line)}
        known = {SAMPLE, "os", "io", "__file__", *apart, *file.imports, *made}
        if unknown := [name for name in free(body) if name not in known]:
            raise CannotWrite(f"nothing says what {unknown[0]} is")
        return body


def _aliases(file: File) -> "set[str]":
    """Name what a file calls Streamlit."""
    return {name for name, bound in file.imports.items() if bound.module == STREAMLIT and not bound.name}


def _clients(file: File) -> "set[str]":
    """Name what a file asks services with."""
    return {name for name, bound in file.imports.items() if bound.module.partition(".")[0] in CLIENTS}


def _uploader(tree: ast.AST) -> "ast.Call | None":
    """Find the call that asks for the upload."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return next((c for c in calls if c.func.attr == UPLOADER), None)  # type: ignore[attr-defined]


def _whole(tree: ast.Module, asked: ast.Call) -> "list[ast.stmt]":
    """Give the page from above to below; a function that is the page stands where it is called."""
    inside = [d for d in tree.body if isinstance(d, ast.FunctionDef) and any(n is asked for n in ast.walk(d))]
    body = list(_unguarded(tree.body))
    if not inside:
        return body
    page = inside[0]
    calls = [at for at, node in enumerate(body) if _calls(node, page.name)]
    asks = page.args.args or page.args.kwonlyargs or any(isinstance(n, ast.Return) and n.value for n in ast.walk(page))
    if len(calls) != 1 or asks:
        raise CannotWrite("the page is a function that is called with something, or gives something back")
    others = {name for node in body if node is not page for name in _named(node)}
    if bound(ast.Module(page.body, [])) & others:
        raise CannotWrite("the page's function has names that its file has, too")
    at = calls[0]
    return [node for node in (*body[:at], *page.body, *body[at + 1 :]) if node is not page]


def _named(node: ast.stmt) -> "set[str]":
    """Name what a line of a file gives a value to there."""
    inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    return {node.name} if inside else bound(node)  # type: ignore[attr-defined]


def _unguarded(body: "Sequence[ast.stmt]") -> "Iterator[ast.stmt]":
    for node in body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            yield from node.body
        else:
            yield node


def _calls(node: ast.stmt, name: str) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name


def _is_print(node: ast.stmt) -> bool:
    return _calls(node, "print")


def _prints(node: ast.stmt) -> "Iterator[ast.stmt]":
    """Give the lines within a line that show something; a function shows nothing before it is called."""
    if _is_print(node):
        yield node
    elif isinstance(node, (ast.If, ast.For, ast.With, ast.While)):
        for one in (*node.body, *getattr(node, "orelse", ())):
            yield from _prints(one)


def _without_charts(body: "Sequence[ast.stmt]", charts: "set[str]", printed: "set[str]") -> "list[ast.stmt]":
    """Leave out the lines that only make or fill a drawing; what is made of one is a drawing, too."""
    kept = []
    for node in body:
        if isinstance(node, (ast.Assign, ast.Expr)):
            if loaded(node) & charts and not stored(node) & printed:
                charts |= stored(node)
                continue
        elif isinstance(node, (ast.If, ast.For, ast.With, ast.While)):
            node.body = _without_charts(node.body, charts, printed)
            if isinstance(node, ast.If):
                node.orelse = _without_charts(node.orelse, charts, printed)
            if not node.body and not getattr(node, "orelse", ()):
                continue
            node.body = node.body or [ast.Pass()]
        kept.append(node)
    return kept
