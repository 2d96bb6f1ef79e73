"""What the lines of a web service say of a request and of the answer: asked for, refused, decided, wrapped."""

import ast
import re
from collections.abc import Sequence
from typing import Protocol

OF_UPLOADS = re.compile(r"\bUploadFile\b|\bFileStorage\b")
WRAPPERS = {
    "jsonify", "JSONResponse", "ORJSONResponse", "HTMLResponse", "PlainTextResponse", "Response", "make_response",
    "render_template", "TemplateResponse", "dumps", "jsonable_encoder",
}  # fmt: skip
ABOUT_THE_WAY = {"status_code", "mimetype", "media_type", "headers", "request", "name", "template_name"}
LOGGER = re.compile(r"log|logger|logging|log_.*|.*_log(ger)?|app|current_app", re.I)
LOGS = {"debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
TIDIES = {"remove", "unlink", "rmtree", "makedirs", "mkdir"}
COUNTS = {"inc", "dec", "observe", "add_task"}  # of metrics, and what is done once the answer is sent
LETS_IN = re.compile(r"allow|valid|accept|support", re.I)
PLAIN_CALLS = {"str", "len", "type", "repr", "format", "round", "float", "int"}


class CannotWrite(Exception):
    """Why a handler cannot be told without the web."""


class Known(Protocol):
    """What is known of an upload while lines are written."""

    bytes: "set[str]"

    def is_upload(self, node: "ast.AST | None") -> bool:
        """Tell the upload."""

    def is_stream(self, node: ast.AST) -> bool:
        """Tell the upload, or its open file."""


# ---------------------------------------------------------------- a request
def file_key(node: "ast.AST | None") -> str:
    """Name the upload that Flask's request is asked for; "" when it is not."""
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript) and _is_files(node.value):
        key = node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_files(node.func.value):
        key = node.args[0] if node.func.attr == "get" and node.args else None
    return f"files {ast.unparse(key)}" if key is not None else ""


def is_form(function: ast.AST) -> bool:
    """Tell what asks a request for a word that it may leave out."""
    asked = function.value if isinstance(function, ast.Attribute) and function.attr == "get" else None
    return (
        isinstance(asked, ast.Attribute)
        and asked.attr in ("form", "args", "values")
        and last_of(asked.value) == "request"
    )


def left_out(node: ast.Call) -> ast.expr:
    """Give what upstream takes where a request leaves a word out."""
    named = next((k.value for k in node.keywords if k.arg == "default"), None)
    return named or (node.args[1] if len(node.args) > 1 else ast.Constant(None))


def decided(node: ast.If, known: Known) -> "bool | None":
    """Say which branch a request as it has to be takes; None where the file itself decides."""
    if any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.test)):
        raise CannotWrite("it names something in a test")
    value = _truth(node.test, known)
    if value is not None:
        return value
    asked = _is_asked(node.test, known)
    for body, taken in ((node.body, False), (node.orelse, True)):
        if _raises(body) or (_refuses(body, known) and (asked or (_is_none(node.test) and _says_fault(body)))):
            return taken
    return None


def _truth(test: ast.expr, known: Known) -> "bool | None":
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand, known)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        parts = [_truth(one, known) for one in test.values]
        ends = isinstance(test.op, ast.Or)
        return ends if ends in parts else None if None in parts else not ends
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compared(test, known)
    if _is_there(test, known) or _lets_in(test, known):
        return True
    if isinstance(test, ast.Call) and is_form(test.func):
        default = left_out(test)
        return bool(default.value) if isinstance(default, ast.Constant) else None
    return None


def _compared(test: ast.Compare, known: Known) -> "bool | None":
    op, left, right = test.ops[0], test.left, test.comparators[0]
    negative = isinstance(op, (ast.NotIn, ast.NotEq, ast.IsNot))
    if isinstance(op, (ast.In, ast.NotIn)) and _is_files(right):
        return not negative
    if isinstance(left, ast.Call) and is_form(left.func) and isinstance(right, ast.Constant):
        default = left_out(left)
        equal = isinstance(default, ast.Constant) and default.value == right.value
        return equal != negative if isinstance(op, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)) else None
    if isinstance(left, ast.Attribute) and left.attr == "method" and last_of(left.value) == "request":
        posts = isinstance(right, ast.Constant) and right.value == "POST"
        return posts != negative
    length = isinstance(left, ast.Call) and last_of(left.func) == "len" and left.args and _is_there(left.args[0], known)
    nothing = isinstance(right, ast.Constant) and right.value in (None, "", b"", 0)
    if nothing and isinstance(op, (ast.Eq, ast.Is, ast.NotEq, ast.IsNot)) and (length or _is_there(left, known)):
        return negative
    return None


def _is_there(node: ast.AST, known: Known) -> bool:
    """Tell the upload, its name, its contents: a request as it has to be has them."""
    named = isinstance(node, ast.Attribute) and node.attr in ("filename", "file") and known.is_upload(node.value)
    return named or known.is_upload(node) or (isinstance(node, ast.Name) and node.id in known.bytes)


def _lets_in(node: ast.AST, known: Known) -> bool:
    """Tell a check of an upload's name that it has to pass."""
    if not isinstance(node, ast.Call) or not node.args or not LETS_IN.search(last_of(node.func)):
        return False
    return all(_is_name(one, known) for one in node.args)


def _is_name(node: ast.AST, known: Known) -> bool:
    named = isinstance(node, ast.Attribute) and node.attr in ("filename", "content_type", "mimetype")
    return named and known.is_upload(node.value)  # type: ignore[attr-defined]


def _is_asked(node: ast.AST, known: Known) -> bool:
    """Tell whether a test speaks of the request, the upload or its contents."""
    inner = list(ast.walk(node))
    names = {n.id for n in inner if isinstance(n, ast.Name)}
    return "request" in names or bool(names & known.bytes) or any(known.is_upload(n) for n in inner)


def _is_none(test: ast.expr) -> bool:
    """Tell a test for nothing having come of what was read."""
    compares = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is)
    return compares and isinstance(test.comparators[0], ast.Constant)  # type: ignore[attr-defined]


def is_idle(node: ast.stmt, known: Known) -> bool:
    """Tell what tidies up, logs or only says something: nothing of it reaches the model."""
    if isinstance(node, ast.For):
        return all(is_idle(one, known) for one in node.body) and not node.orelse
    value = bare_call(node)
    if value is None:
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    name, function = last_of(value.func), value.func
    if not isinstance(function, ast.Attribute):
        calls = {last_of(n.func) for one in value.args for n in ast.walk(one) if isinstance(n, ast.Call)}
        return name == "flash" or (name == "print" and calls <= PLAIN_CALLS)
    if known.is_stream(function.value):
        first = value.args[0] if value.args else None
        return name == "close" or (name == "seek" and isinstance(first, ast.Constant) and first.value == 0)
    logs = name in LOGS and bool(LOGGER.fullmatch(first_of(function)))
    return (
        logs
        or name in COUNTS
        or (name in TIDIES and (first_of(function) in ("os", "shutil", "Path") or name in ("unlink", "mkdir")))
    )


# ---------------------------------------------------------------- an answer
def returns(node: ast.If) -> bool:
    """Tell whether one of the branches leaves the handler, so that what follows belongs to the other."""
    return any(isinstance(n, (ast.Return, ast.Raise)) for n in ast.walk(node))


def leaves(body: "Sequence[ast.stmt]") -> bool:
    """Tell whether a branch ends in leaving the handler."""
    return bool(body) and isinstance(body[-1], (ast.Return, ast.Raise))


def _raises(body: "Sequence[ast.stmt]") -> bool:
    last = body[-1] if body else ast.Pass()
    call = bare_call(last)
    return isinstance(last, ast.Raise) or (call is not None and last_of(call.func) == "abort")


def _refuses(body: "Sequence[ast.stmt]", known: Known) -> bool:
    """Tell whether a branch ends in a refusal: said as a fault, or an answer that nothing was made for."""
    last = body[-1] if body else None
    if not isinstance(last, ast.Return):
        return False
    said = unwrapped(last.value) if last.value is not None else None
    names = [n for n in ast.walk(said) if isinstance(n, ast.Name)] if said is not None else []
    return _says_fault(body) or all(known.is_upload(n) or n.id in PLAIN_CALLS for n in names)


def _says_fault(body: "Sequence[ast.stmt]") -> bool:
    """Tell an answer with the status of a fault, or another page."""
    last = body[-1] if body else None
    value = last.value if isinstance(last, ast.Return) else None
    status = value.elts[1:2] if isinstance(value, ast.Tuple) else []
    if isinstance(value, ast.Call):
        if last_of(value.func) in ("redirect", "RedirectResponse", "abort"):
            return True
        status = [k.value for k in value.keywords if k.arg in ("status_code", "status")]
    return any(isinstance(n, ast.Constant) and type(n.value) is int and 400 <= n.value < 600 for n in status)


def unwrapped(node: "ast.expr | None") -> "ast.expr | None":
    """Take an answer out of what the web puts around it."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Constant):
        return unwrapped(node.elts[0])
    if not isinstance(node, ast.Call):
        return node
    name = last_of(node.func)
    if name in WRAPPERS:
        return _content(node)
    if name[:1].isupper() and not node.args and node.keywords:  # a model of what is answered
        return _named([k for k in node.keywords if k.arg])
    return None if name in ("redirect", "RedirectResponse") else node


def _content(node: ast.Call) -> "ast.expr | None":
    rich = [a for a in node.args if not isinstance(a, (ast.Constant, ast.Name))]
    given = rich or [a for a in node.args if isinstance(a, ast.Name) and a.id != "request"]
    if len(given) > 1:
        raise CannotWrite("it answers with several things")
    named = [k for k in node.keywords if k.arg and k.arg not in ABOUT_THE_WAY]
    content = next((k.value for k in named if k.arg in ("content", "context", "response")), None)
    if content is None and not given:
        return _named(named)
    found = unwrapped(content or given[0])
    return without(found, "request") if isinstance(found, ast.Dict) else found


def _named(keywords: "Sequence[ast.keyword]") -> "ast.expr | None":
    kept = [k for k in keywords if not isinstance(k.value, ast.Constant)]
    return ast.Dict([ast.Constant(k.arg) for k in kept], [k.value for k in kept]) if kept else None


def without(node: ast.Dict, name: str) -> ast.Dict:
    """Leave out of a dict what is only this name."""
    kept = [(k, v) for k, v in zip(node.keys, node.values) if not (isinstance(v, ast.Name) and v.id == name)]
    return ast.Dict([k for k, _ in kept], [v for _, v in kept])


def bare_call(node: ast.AST) -> "ast.Call | None":
    """Give the call of a line that is nothing else, waited for or not."""
    value = node.value if isinstance(node, ast.Expr) else None
    value = value.value if isinstance(value, ast.Await) else value
    return value if isinstance(value, ast.Call) else None


def last_of(node: ast.AST) -> str:
    """Give the last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def first_of(node: ast.AST) -> str:
    """Give the name that an expression of attributes, calls and subscripts begins with."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def _is_files(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "files" and last_of(node.value) == "request"
