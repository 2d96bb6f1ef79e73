"""A web handler's lines as plain Python: the upload is a file, the answer a value, and the web is gone."""

import ast
import copy
import re
from collections.abc import Sequence
from typing import Union

from assay.upstream.index import Function

SAMPLE = "sample"  # the name of the file in what is written
ANSWER = "answer"
CONTENTS, OPENED = f'open({SAMPLE}, "rb").read()', f'open({SAMPLE}, "rb")'
OF_UPLOADS = re.compile(r"\bUploadFile\b|\bFileStorage\b")
WRAPPERS = {
    "jsonify", "JSONResponse", "ORJSONResponse", "HTMLResponse", "PlainTextResponse", "Response", "make_response",
    "render_template", "TemplateResponse", "dumps", "jsonable_encoder",
}  # fmt: skip
ABOUT_THE_WAY = {"status_code", "mimetype", "media_type", "headers", "request", "name", "template_name"}
THREADS = {"to_thread": 0, "run_in_threadpool": 0, "run_in_executor": 1}  # the place of the function that is run
TIDYING = {"remove", "unlink", "close", "rmtree", "flash", "makedirs", "seek", "mkdir"}
LOGGING = re.compile(r"log|logger|logging|log_.*|.*_log(ger)?|app|current_app")
Part = Union[ast.expr, ast.stmt]


class CannotWrite(Exception):
    """Why a handler cannot be told without the web."""


class Uploaded(ast.NodeTransformer):
    """Puts a file in the place of what was uploaded, and remembers what else the lines need."""

    def __init__(self, uploads: "Sequence[str]") -> None:
        self.names = set(uploads)
        self.saved: set[str] = set()  # expressions that name the file to which an upload was saved
        self.bytes: set[str] = set()  # names of its contents
        self.states: list[str] = []  # what handlers find at app.state

    # ------------------------------------------------------------ what is what
    def is_upload(self, node: "ast.AST | None") -> bool:
        """Tell an upload, as FastAPI hands it over and as Flask's request holds it."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.Subscript):
            return _is_files(node.value)
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"
        return called and _is_files(node.func.value)  # type: ignore[union-attr]

    def is_stream(self, node: ast.AST) -> bool:
        """Tell an upload, or the open file that it has."""
        inner = isinstance(node, ast.Attribute) and node.attr in ("file", "stream") and self.is_upload(node.value)
        return inner or self.is_upload(node)

    def of_web(self, node: ast.AST) -> bool:
        """Tell whether a part speaks of the request."""
        return self.of_upload(node) or any(isinstance(n, ast.Name) and n.id == "request" for n in ast.walk(node))

    def of_upload(self, node: ast.AST) -> bool:
        """Tell whether a part speaks of the upload or its contents."""
        contents = (isinstance(n, ast.Name) and n.id in self.bytes for n in ast.walk(node))
        return any(contents) or any(self.is_upload(n) for n in ast.walk(node))

    # ------------------------------------------------------------ expressions
    def visit(self, node: ast.AST) -> ast.AST:
        """Rewrite a node; what names the saved upload is the file."""
        read = isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if read and self.saved and ast.dump(node) in self.saved:
            return _expression(SAMPLE)
        result: ast.AST = super().visit(node)
        return result

    def visit_Await(self, node: ast.Await) -> ast.AST:
        """Do without waiting what needs none."""
        inner = self.visit(node.value)
        if isinstance(inner, ast.Call) and isinstance(node.value, ast.Call):
            name = _last(node.value.func)
            if name in THREADS:
                place = THREADS[name]
                return ast.Call(inner.args[place], inner.args[place + 1 :], inner.keywords)
            if ast.unparse(inner) == ast.unparse(_expression(CONTENTS)):
                return inner
        raise CannotWrite(f"it waits for {ast.unparse(node.value)}")

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Read the file where an upload is read."""
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr in ("read", "getvalue") and not node.args and self.is_stream(function.value):
                return _expression(CONTENTS)
            if function.attr == "get" and len(node.args) == 2 and _is_form(function.value):
                return self.visit(node.args[1])  # what upstream takes where nothing is sent
        if self.is_upload(node):
            return _expression(OPENED)
        if ast.unparse(function).endswith("Image.open") and len(node.args) == 1 and self.is_stream(node.args[0]):
            return ast.Call(function, [_expression(SAMPLE)], [])
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Open the file where Flask's request is asked for it."""
        return _expression(OPENED) if self.is_upload(node) else self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Name what an upload has; and what an application keeps for its handlers."""
        if self.is_upload(node.value) and node.attr == "filename":
            return _expression(SAMPLE)
        if self.is_stream(node):
            return _expression(OPENED)
        if isinstance(node.value, ast.Attribute) and node.value.attr == "state":
            self.states.append(node.attr)
            return ast.Name(node.attr, node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Open the file where the upload itself is wanted; nothing else of a request is known."""
        if node.id in self.names and isinstance(node.ctx, ast.Load):
            return _expression(OPENED)
        if node.id == "request":
            raise CannotWrite("it reads more of the request than an upload")
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Leave a function in a handler as it is."""
        return node

    # ------------------------------------------------------------ statements
    def lines(self, body: "Sequence[ast.stmt]") -> "list[ast.stmt]":
        """Write statements so that they run from above to below and end in the answer."""
        found: list[ast.stmt] = []
        for at, node in enumerate(body):
            if isinstance(node, ast.Return):
                return [*found, *self._answered(node)]
            if isinstance(node, ast.If) and not self.of_web(node.test) and _returns(node.body) and body[at + 1 :]:
                rest = [*node.orelse, *body[at + 1 :]]
                return [*found, ast.If(self._test(node), self.lines(node.body), self.lines(rest))]
            found += self._written(node)
            if _is_answered(found):
                break
        return found

    def _test(self, node: ast.If) -> ast.expr:
        test: ast.expr = self.visit(node.test)  # type: ignore[assignment]
        return test

    def _written(self, node: ast.stmt) -> "list[ast.stmt]":
        if isinstance(node, ast.Try):
            return self.lines([*node.body, *node.orelse])
        if isinstance(node, ast.If):
            return self._chosen(node)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self._within(node)
        if isinstance(node, (ast.Raise, ast.Global, ast.Nonlocal, ast.Pass)) or _is_idle(node) or self._is_save(node):
            return []
        if isinstance(node, ast.Assign) and self._names(node):
            return []
        if any(isinstance(n, ast.Return) for n in ast.walk(node)):
            raise CannotWrite("it answers from within a loop")
        written: ast.stmt = self.visit(node)  # type: ignore[assignment]
        return [] if isinstance(written, ast.Assign) and _to_itself(written) else [written]

    def _chosen(self, node: ast.If) -> "list[ast.stmt]":
        """Take the branch in which there is an upload as it has to be."""
        if not self.of_web(node.test):
            if _raises(node.body):
                return self.lines(node.orelse)
            return [ast.If(self._test(node), self.lines(node.body) or [ast.Pass()], self.lines(node.orelse))]
        refuses = _ends(node.body) and not any(self.of_upload(n) for n in node.body)
        return self.lines(node.orelse if refuses else node.body)

    def _within(self, node: "ast.With | ast.AsyncWith") -> "list[ast.stmt]":
        """Write a block; one that only saves the upload gives its file's name to it."""
        call = node.items[0].context_expr
        opens = isinstance(call, ast.Call) and _last(call.func) == "open" and len(call.args) > 1
        if opens and all(isinstance(n, ast.Expr) and self.of_upload(n) for n in node.body):
            self._saved(call.args[0])  # type: ignore[attr-defined]
            return []
        if isinstance(node, ast.AsyncWith):
            raise CannotWrite(f"it waits for {ast.unparse(call)}")
        inner = self.lines(node.body)
        return [ast.With([self.visit(item) for item in node.items], inner)] if inner else []  # type: ignore[misc]

    def _is_save(self, node: ast.stmt) -> bool:
        """Remember where an upload is saved to."""
        call = node.value if isinstance(node, ast.Expr) else None
        call = call.value if isinstance(call, ast.Await) else call
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return False
        if call.func.attr == "save" and self.is_upload(call.func.value) and call.args:
            self._saved(call.args[0])
            return True
        return False

    def _saved(self, path: ast.expr) -> None:
        self.saved.add(ast.dump(_loaded(path)))

    def _names(self, node: ast.Assign) -> bool:
        """Take a name that is given to the upload, and remember one of its contents."""
        target, value = node.targets[0], node.value
        value = value.value if isinstance(value, ast.Await) else value
        if not isinstance(target, ast.Name):
            return False
        if self.is_upload(value):
            self.names.add(target.id)
            return True
        read = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "read"
        if read and self.is_stream(value.func.value):  # type: ignore[attr-defined]
            self.bytes.add(target.id)
        return False

    def _answered(self, node: ast.Return) -> "list[ast.stmt]":
        value = unwrapped(node.value)
        if value is None:
            raise CannotWrite("its answer is not seen")
        written = self.visit(value)
        if isinstance(written, ast.Dict):
            written = _without(written, SAMPLE)  # where a file was saved is no answer
        return [ast.Assign([ast.Name(ANSWER, ast.Store())], written, None)]  # type: ignore[arg-type]


def unwrapped(node: "ast.expr | None") -> "ast.expr | None":
    """Take an answer out of what the web puts around it."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Constant):
        return unwrapped(node.elts[0])
    if not isinstance(node, ast.Call):
        return node
    name = _last(node.func)
    if name in WRAPPERS:
        inner = [a for a in node.args if not isinstance(a, ast.Constant) and not isinstance(a, ast.Name)] or [
            a for a in node.args if isinstance(a, ast.Name) and a.id != "request"
        ]
        named = [k for k in node.keywords if k.arg and k.arg not in ABOUT_THE_WAY]
        content = next((k.value for k in named if k.arg in ("content", "context", "response")), None)
        if content is not None or inner:
            found = unwrapped(content or inner[-1])
            return _without(found, "request") if isinstance(found, ast.Dict) else found
        return _named(named)
    if name[:1].isupper() and not node.args and node.keywords:  # a model of what is answered
        return _named([k for k in node.keywords if k.arg])
    return None if name in ("redirect", "RedirectResponse") else node


def _named(keywords: "Sequence[ast.keyword]") -> "ast.expr | None":
    kept = [k for k in keywords if not isinstance(k.value, ast.Constant)]
    return ast.Dict([ast.Constant(k.arg) for k in kept], [k.value for k in kept]) if kept else None


def _without(node: ast.Dict, name: str) -> ast.Dict:
    kept = [(k, v) for k, v in zip(node.keys, node.values) if not (isinstance(v, ast.Name) and v.id == name)]
    return ast.Dict([k for k, _ in kept], [v for _, v in kept])


# ---------------------------------------------------------------- small questions
def uploads(function: Function) -> "list[str]":
    """Name the parameters that FastAPI hands an upload to."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [one.arg for one in every if one.annotation and OF_UPLOADS.search(ast.unparse(one.annotation))]


def _is_files(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "files" and _last(node.value) == "request"


def _is_form(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute) and node.attr in ("form", "args", "values") and _last(node.value) == "request"
    )


def _to_itself(node: ast.Assign) -> bool:
    return (
        isinstance(node.value, ast.Name)
        and isinstance(node.targets[0], ast.Name)
        and node.value.id == node.targets[0].id
    )


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _ends(body: "Sequence[ast.stmt]") -> bool:
    """Tell whether a branch leaves the handler."""
    return bool(body) and isinstance(body[-1], (ast.Return, ast.Raise))


def _raises(body: "Sequence[ast.stmt]") -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise)


def _returns(body: "Sequence[ast.stmt]") -> bool:
    return bool(body) and isinstance(body[-1], ast.Return)


def _is_answered(body: "Sequence[ast.stmt]") -> bool:
    """Tell whether lines end in the answer, whichever way they take."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        return _is_answered(last.body) and _is_answered(last.orelse)
    if isinstance(last, ast.With):
        return _is_answered(last.body)
    return isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name) and last.targets[0].id == ANSWER


def _is_idle(node: ast.stmt) -> bool:
    """Tell what tidies up, logs or only says something: nothing of it reaches the model."""
    value = node.value if isinstance(node, ast.Expr) else None
    value = value.value if isinstance(value, ast.Await) else value
    if isinstance(value, ast.Constant):
        return True
    if not isinstance(value, ast.Call):
        return False
    first: ast.AST = value.func
    while isinstance(first, ast.Attribute):
        first = first.value
    logs = isinstance(value.func, ast.Attribute) and LOGGING.fullmatch(getattr(first, "id", ""))
    return bool(logs) or _last(value.func) in TIDYING or _last(value.func) == "print"


def _loaded(node: ast.expr) -> ast.expr:
    """Copy an expression as one that is read, however it stands."""
    made = copy.deepcopy(node)
    for inner in ast.walk(made):
        if hasattr(inner, "ctx"):
            inner.ctx = ast.Load()
    return made


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
