"""Pages of Streamlit and Gradio that take an upload and show what the model says, as uses without the page.

What is uploaded is a file, what is shown is printed, buttons are pressed, and other choices are as the page begins.
"""

import ast
import builtins
import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from assay.records.upstream import PAGE, Use
from assay.upstream import interfaces
from assay.upstream.handlers import Pieces, kind_of
from assay.upstream.imported import imported_as
from assay.upstream.index import File, Index, Outside
from assay.upstream.paged import Paged, aliases, is_call_of, unguarded
from assay.upstream.service import CannotWrite, first_of, last_of
from assay.upstream.slicing import bound, free, leading_to, loaded, resting_on, stored
from assay.upstream.uploads import SAMPLE

MOST = 1
IN_MEMORY = (".getvalue(", ".getbuffer(")  # what upstream may ask an upload for, that no file has
STREAMLIT, UPLOADER = "streamlit", "file_uploader"
CLIENTS = ("requests", "httpx", "aiohttp", "urllib", "urllib3", "grpc", "boto3", "openai")
CHARTS = ("altair", "plotly", "matplotlib", "seaborn", "pydeck", "bokeh")  # what only draws a result
SETS = re.compile(r"^(set_|manual_seed|seed|use_|enable|disable|register|setdefault|putenv|update$|append$|insert$)")


class Pages:
    """Finds pages, and writes what they do as lines that start from a file."""

    def __init__(self, index: Index, near: Mapping[str, int]) -> None:
        self.index, self.near = index, near

    def all(self) -> "list[Use]":
        """List the uses that can be written, those of files near the entrypoints first."""
        found: list[Use] = []
        files = [f for f in self.index.files.values() if _is_streamlit(f) or aliases(f, interfaces.GRADIO)]
        for file in sorted(files, key=lambda f: (self.near.get(f.path, 99), f.path.count("/"), f.path)):
            if len(found) == MOST:
                break
            try:
                found.append(self._interface(file) if aliases(file, interfaces.GRADIO) else self._page(file))
            except (CannotWrite, RecursionError, ValueError):  # the last is ast's, of what it cannot put into words
                continue
        return found

    def _page(self, file: File) -> Use:
        tree = copy.deepcopy(file.tree)
        asked = _uploader(tree)
        if asked is None:
            raise CannotWrite("nothing is uploaded")
        held = any(word in one.text for one in self.index.files.values() for word in IN_MEMORY)
        page = Paged(aliases(file, STREAMLIT), in_memory=held)
        lines = page.lines(_whole(tree, asked))
        return self._use(file, asked, lines, forced=page.forced)

    def _interface(self, file: File) -> Use:
        asked = interfaces.asked(file)
        if asked is None:
            raise CannotWrite("no function is called with a picture or a sound alone")
        return self._use(file, asked.call, interfaces.lines(file, asked), asked.imports)

    def _use(
        self,
        file: File,
        asked: ast.Call,
        lines: "list[ast.stmt]",
        imports: "Sequence[str]" = (),
        forced: "Collection[str]" = (),
    ) -> Use:
        outside = {name for name in file.imports if isinstance(self.index.meaning(file, name), Outside)}
        own = {one.partition("import ")[2] for one in imports}
        body = self._answering(file, lines, outside | own)
        used = {name for line in body for name in (*loaded(line), *stored(line))}
        if used & ({*forced} | _meant_twice(file)):
            raise CannotWrite("a name of it means one thing here and another there")
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
        kept = [line for line in lines if not is_call_of(line, "print") or loaded(line) & resting]
        printed = {name for line in kept for one in _prints(line) for name in loaded(one)} - {"print"}
        charts = {n for n, one in file.imports.items() if one.module.partition(".")[0] in CHARTS}
        names = [name for line in kept for node in _plain_lines(line) for name in stored(node)]
        again = {name for name in names if names.count(name) > 1}
        told = _without_charts(kept, charts, printed | again)
        shown = [line for line in told if any(_prints(line))]
        changes = {id(line) for line in told if _changes_outside(line, outside)}
        wanted = (
            {n for line in told if line in shown or id(line) in changes for n in loaded(line)} - {"print"} - outside
        )
        led = {id(line) for line in leading_to(told, wanted, apart)}
        body = [line for line in told if id(line) in led | changes]
        if not shown or not any(SAMPLE in loaded(line) for line in body):
            raise CannotWrite("nothing of the upload is shown")
        if any(name in loaded(line) for line in body for name in _clients(file)):
            raise CannotWrite("it asks a service")
        made = {name for line in body for name in stored(line)}
        known = {SAMPLE, "os", "io", "__file__", *apart, *file.imports, *made}
        if unknown := [name for name in free(body) if name not in known]:
            raise CannotWrite(f"nothing says what {unknown[0]} is")
        return body


def _is_streamlit(file: File) -> bool:
    return UPLOADER in file.text and bool(aliases(file, STREAMLIT))


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
    body = list(unguarded(tree.body))
    if not inside:
        return body
    page = inside[0]
    called = [at for at, node in enumerate(body) if is_call_of(node, page.name)]
    asks = page.args.args or page.args.kwonlyargs or any(isinstance(n, ast.Return) and n.value for n in ast.walk(page))
    if len(called) != 1 or asks:
        raise CannotWrite("the page is a function that is called with something, or gives something back")
    others = {name for node in body if node is not page for name in _named(node)}
    if bound(ast.Module(page.body, [])) & others:
        raise CannotWrite("the page's function has names that its file has, too")
    at = called[0]
    return [node for node in (*body[:at], *page.body, *body[at + 1 :]) if node is not page]


def _named(node: ast.stmt) -> "set[str]":
    """Name what a line of a file gives a value to there."""
    inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    return {node.name} if inside else bound(node)  # type: ignore[attr-defined]


def _prints(node: ast.stmt) -> "Iterator[ast.stmt]":
    """Give the lines within a line that show something; a function shows nothing before it is called."""
    if is_call_of(node, "print"):
        yield node
    elif isinstance(node, (ast.If, ast.For, ast.With, ast.While)):
        for one in (*node.body, *getattr(node, "orelse", ())):
            yield from _prints(one)


def _plain_lines(node: ast.stmt) -> "Iterator[ast.stmt]":
    """Go through the lines within a line."""
    inner = [*getattr(node, "body", ()), *getattr(node, "orelse", ())]
    if isinstance(node, (ast.If, ast.For, ast.With, ast.While)):
        for one in inner:
            yield from _plain_lines(one)
    else:
        yield node


def _changes_outside(node: ast.stmt, outside: "set[str]") -> bool:
    """Tell a line that sets something in a package: an environment, a seed, a default."""
    for one in _plain_lines(node):
        if isinstance(one, (ast.FunctionDef, ast.ClassDef)):
            continue
        targets = [
            n for n in ast.walk(one) if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.ctx, ast.Store)
        ]
        if any(first_of(target) in outside for target in targets):
            return True
        calls = [n for n in ast.walk(one) if isinstance(n, ast.Call) and first_of(n.func) in outside]
        if any(SETS.search(last_of(call.func)) for call in calls):
            return True
    return False


def _meant_twice(file: File) -> "set[str]":
    """Name what is imported from several places, or imported and also defined."""
    meant: dict[str, set[str]] = {}
    for node in ast.walk(file.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            place = f"{node.level * '.'}{node.module or ''}" if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                name = (alias.asname or alias.name).partition(".")[0]
                meant.setdefault(name, set()).add(f"{place}:{alias.name if alias.asname or place else name}")
    return {name for name, ways in meant.items() if len(ways) > 1 or name in file.defs or name in file.assigned}


def _without_charts(body: "Sequence[ast.stmt]", charts: "set[str]", printed: "set[str]") -> "list[ast.stmt]":
    """Leave out the lines that only make or fill a drawing; what is made of one is a drawing, too."""
    kept = []
    for node in body:
        if isinstance(node, (ast.Assign, ast.Expr)):
            if first_of(node.value) in charts and not stored(node) & printed:
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
