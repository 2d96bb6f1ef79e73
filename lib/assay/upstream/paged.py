"""Lines of a Streamlit page as plain Python. What cannot be told for sure is not written."""

import ast
import re
from collections.abc import Sequence

from assay.upstream.service import CannotWrite, last_of
from assay.upstream.slicing import bound
from assay.upstream.uploads import CONTENTS, NAME, OPENED, SAMPLE, expression

UPLOADS = ("file_uploader", "camera_input")
SHOWS = frozenset(
    ("write", "text", "markdown", "success", "info", "warning", "error", "metric", "title", "header", "subheader")
    + ("caption", "json", "code", "latex")
)
BLOCKS = frozenset(
    ("columns", "tabs", "container", "expander", "sidebar", "spinner", "form", "empty", "status", "chat_message")
    + ("popover", "progress", "beta_columns", "beta_container", "beta_expander")
)
KEEPS = ("cache_resource", "cache_data", "cache", "experimental_memo", "experimental_singleton", "fragment")
BUTTONS = ("button", "form_submit_button")
NOT_PRESSED = re.compile(r"clear|reset|delete|remove|train|cancel|log ?out|save|feedback|again|close|stop", re.I)
CHOICES = ("selectbox", "radio", "select_slider")
NUMBERS = ("slider", "number_input")
VALUES: "dict[str, bool | str | None]" = {
    "checkbox": False,
    "toggle": False,
    "text_input": "",
    "text_area": "",
    "multiselect": None,
}
STATE = "session_state"
READS = ("read", "getvalue", "getbuffer")


class Paged(ast.NodeTransformer):
    """Puts a file in the place of what is uploaded, and prints what the page shows."""

    def __init__(self, page: "set[str]", *, in_memory: bool = False) -> None:
        self.page = set(page)  # names of Streamlit, and of parts of the page
        self.whole = f"io.BytesIO({CONTENTS})" if in_memory else OPENED  # the upload itself
        self.uploads: set[str] = set()
        self.stateful = False

    # ------------------------------------------------------------ what is what
    def word(self, node: "ast.AST | None") -> str:
        """Name what a call asks of the page, "" for any other expression."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return ""
        return node.func.attr if self.is_page(node.func.value) else ""

    def is_page(self, node: ast.AST) -> bool:
        """Tell Streamlit, its side bar, or a part of the page."""
        if isinstance(node, ast.Name):
            return node.id in self.page
        inner = node.value if isinstance(node, (ast.Attribute, ast.Subscript)) else None
        if isinstance(node, ast.Attribute):
            return node.attr in ("sidebar", "components", "v1") and self.is_page(node.value)
        return isinstance(inner, ast.Name) and inner.id in self.page

    def is_upload(self, node: ast.AST) -> bool:
        """Tell what was uploaded."""
        return isinstance(node, ast.Name) and node.id in self.uploads

    # ------------------------------------------------------------ expressions
    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Read the file where an upload is read; give a choice as the page begins with it."""
        word, function = self.word(node), node.func
        if word:
            return self.generic_visit(ast.Expr(_chosen(word, node))).value  # type: ignore[attr-defined, no-any-return]
        if isinstance(function, ast.Attribute) and ast.unparse(function.value).endswith(f".{STATE}"):
            return ast.Call(
                ast.Attribute(self.visit(function.value), function.attr, ast.Load()),
                [self.visit(one) for one in node.args],
                [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords],
            )
        if isinstance(function, ast.Attribute) and self.is_upload(function.value):
            if function.attr in READS and not node.args:
                return expression(CONTENTS)
            raise CannotWrite(f"it does more with the upload than to read it: {function.attr}")
        if ast.unparse(function).endswith("Image.open") and len(node.args) == 1 and self.is_upload(node.args[0]):
            return ast.Call(function, [expression(SAMPLE)], [])
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Name what an upload has, and what a page keeps."""
        if self.is_upload(node.value):
            if node.attr == "name":
                return expression(NAME)
            raise CannotWrite(f"it asks the upload for its {node.attr}")
        if node.attr == STATE and self.is_page(node.value):
            self.stateful = True
            return ast.Name(STATE, ast.Load())
        inner = node.value
        if isinstance(inner, ast.Attribute) and inner.attr == STATE and self.is_page(inner.value):
            return ast.Subscript(self.visit(inner), ast.Constant(node.attr), node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Open the file where the upload itself is wanted; nothing else of the page is known."""
        if self.is_upload(node) and isinstance(node.ctx, ast.Load):
            return expression(self.whole)
        if node.id in self.page or node.id == SAMPLE or (node.id == STATE and not self.stateful):
            raise CannotWrite(f"it uses {node.id}")
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Rewrite what a text is put together of, not its plain pieces."""
        node.values = [self.visit(one) if isinstance(one, ast.FormattedValue) else one for one in node.values]
        return node

    # ------------------------------------------------------------ statements
    def lines(self, body: "Sequence[ast.stmt]") -> "list[ast.stmt]":
        """Write a page's statements; its state is kept in a dict."""
        found = self._lines(body)
        start = [ast.Assign([ast.Name(STATE, ast.Store())], ast.Dict([], []), None)] if self.stateful else []
        return [ast.fix_missing_locations(node) for node in (*start, *found)]

    def _lines(self, body: "Sequence[ast.stmt]") -> "list[ast.stmt]":
        return [line for node in body for line in self._written(node)]

    def _written(self, node: ast.stmt) -> "list[ast.stmt]":
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
            return []  # what is named is imported
        if isinstance(node, ast.Expr):
            return self._said(node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and self._is_of_page(node):
            return []
        if isinstance(node, ast.With):
            return self._within(node)
        if isinstance(node, ast.If):
            return self._branch(node)
        if isinstance(node, ast.Try):  # what it says of failures is not looked for
            return self._lines([*node.body, *node.orelse, *node.finalbody])
        if isinstance(node, ast.FunctionDef):
            return [self._function(node)]
        if isinstance(node, (ast.For, ast.While)):
            return self._loop(node)
        self._apart(bound(node) | _parameters(node))
        written: ast.stmt = self.visit(node)
        return [written]

    def _loop(self, node: "ast.For | ast.While") -> "list[ast.stmt]":
        self._apart(bound(node) | _parameters(node))
        if node.orelse:
            raise CannotWrite("a loop has an end of its own")
        inner = self._lines(node.body) or [ast.Pass()]
        if isinstance(node, ast.For):
            return [ast.For(node.target, self.visit(node.iter), inner, [])]
        return [ast.While(self.visit(node.test), inner, [])]

    def _said(self, node: ast.Expr) -> "list[ast.stmt]":
        """Print what the page shows; what it draws is left out."""
        call, word = node.value, self.word(node.value)
        if isinstance(call, ast.Constant):
            return []
        self._apart(bound(node) | _parameters(node))
        if word == "stop":
            raise CannotWrite("it stops in the middle")
        if word in SHOWS and isinstance(call, ast.Call):
            given = [*call.args, *(k.value for k in call.keywords if k.arg in ("body", "value", "label", "delta"))]
            told = [one for one in given if not isinstance(one, ast.Constant) and not self.is_upload(one)]
            shown = [self.visit(one) for one in told]
            return [ast.Expr(ast.Call(ast.Name("print", ast.Load()), shown, []))] if shown else []
        if word:
            return []
        owner = call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
        if owner is not None and (self.is_upload(owner) or self._is_part(owner)):
            return []
        return [ast.Expr(self.visit(call))]

    def _is_part(self, node: ast.AST) -> bool:
        """Tell what hangs on the page by several words: st.components.v1.html."""
        return isinstance(node, ast.Attribute) and self.is_page(node)

    def _is_of_page(self, node: "ast.Assign | ast.AnnAssign") -> bool:
        """Take a name that is given to the upload, or to a part of the page."""
        named = bound(node)
        word, value = self.word(node.value), node.value
        if word in UPLOADS and isinstance(value, ast.Call):
            if self.uploads or any(k.arg == "accept_multiple_files" for k in value.keywords) or len(named) != 1:
                raise CannotWrite("it takes several uploads")
            self.uploads |= named
            return True
        if self.is_upload(value) if value is not None else False:
            self.uploads |= named
            return True
        part = word in BLOCKS or word in SHOWS or (value is not None and not word and self.is_page(value))
        if part:
            self.page |= named
            return True
        self._apart(named)
        return False

    def _apart(self, names: "set[str]") -> None:
        if names & (self.uploads | self.page | {SAMPLE, STATE, "print"}):
            raise CannotWrite("a name of the page's is used for something else")

    def _within(self, node: ast.With) -> "list[ast.stmt]":
        """Write a block; a part of the page is no block."""
        others: list[ast.withitem] = []
        for item in node.items:
            if self.word(item.context_expr) in BLOCKS or self.is_page(item.context_expr):
                self.page |= (
                    {n.id for n in ast.walk(item.optional_vars) if isinstance(n, ast.Name)}
                    if item.optional_vars
                    else set()
                )
            else:
                others.append(ast.withitem(self.visit(item.context_expr), item.optional_vars))
        inner = self._lines(node.body)
        return [ast.With(others, inner)] if others and inner else inner

    def _branch(self, node: ast.If) -> "list[ast.stmt]":
        """Take the branch that leads to the upload, or that it decides; keep one that asks for anything else."""
        ways = [any(self._asks(one) for one in body) for body in (node.body, node.orelse)]
        known = self._truth(node.test) if ways[0] == ways[1] else ways[0]
        if known is None and _asks_whether_there(node.test) and self._complains(node.body):
            known = False
        if known is not None:
            return self._lines(node.body if known else node.orelse)
        body, other = self._lines(node.body), self._lines(node.orelse)
        return [ast.If(self.visit(node.test), body or [ast.Pass()], other)] if body or other else []

    @staticmethod
    def _asks(node: ast.stmt) -> bool:
        return any(isinstance(n, ast.Call) and last_of(n.func) == "file_uploader" for n in ast.walk(node))

    def _truth(self, test: ast.expr) -> "bool | None":
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self._truth(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            parts = [self._truth(one) for one in test.values]
            ends = isinstance(test.op, ast.Or)
            return ends if ends in parts else None if None in parts else not ends
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and self.is_upload(test.left):
            nothing = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
            return isinstance(test.ops[0], (ast.IsNot, ast.NotEq)) if nothing else None
        if self.word(test) in BUTTONS:
            return bool(_pressed(test))
        return True if self.is_upload(test) else None

    def _complains(self, body: "Sequence[ast.stmt]") -> bool:
        """Tell a branch that only says that something is wrong."""
        words = [self.word(one.value) if isinstance(one, ast.Expr) else "" for one in body]
        return set(words) <= {"error", "warning", "info", "write", "stop"} and bool(
            {"error", "warning", "stop"} & set(words)
        )

    def _function(self, node: ast.FunctionDef) -> ast.stmt:
        """Write a function of the page's: its own names are its own."""
        node.decorator_list = [d for d in node.decorator_list if not self._is_cache(d)]
        own = {a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        before = (set(self.uploads), set(self.page))
        self.uploads -= own | bound(ast.Module(node.body, []))
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.args = self.visit(node.args)
        node.body = self._lines(node.body) or [ast.Pass()]
        self.uploads, self.page = before
        return node

    def _is_cache(self, node: ast.expr) -> bool:
        inner = node.func if isinstance(node, ast.Call) else node
        return isinstance(inner, ast.Attribute) and inner.attr in KEEPS and self.is_page(inner.value)


def _asks_whether_there(test: ast.expr) -> bool:
    """Tell a test for something missing, which is no question of what the model says."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = test.operand
        exists = isinstance(inner, ast.Call) and last_of(inner.func) in (
            "exists",
            "is_file",
            "isfile",
            "is_dir",
            "isdir",
        )
        return exists or isinstance(inner, (ast.Name, ast.Attribute))
    nothing = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is)
    return nothing and isinstance(test.comparators[0], ast.Constant)  # type: ignore[attr-defined]


def _parameters(node: ast.AST) -> "set[str]":
    """Name what functions within an expression call their arguments."""
    return {a.arg for n in ast.walk(node) if isinstance(n, ast.Lambda) for a in n.args.args}


def _chosen(word: str, call: ast.Call) -> ast.expr:
    """Give what a widget says before anybody touched it."""
    named = {k.arg: k.value for k in call.keywords}

    def given(name: str, place: int) -> "ast.expr | None":
        return named.get(name) or (call.args[place] if len(call.args) > place else None)

    if word in BUTTONS:
        return ast.Constant(_pressed(call))
    if word in CHOICES:
        options, index = given("options", 1), given("index", 2) or ast.Constant(0)
        if options is not None and word != "select_slider":
            return ast.Subscript(ast.Call(ast.Name("list", ast.Load()), [options], []), index, ast.Load())
    if word in NUMBERS:
        return given("value", 3) or given("min_value", 1) or ast.Constant(0)
    if word in VALUES and word != "multiselect":
        return given("value", 1) or ast.Constant(VALUES[word])
    raise CannotWrite(f"the page asks for {word}")


def _pressed(call: ast.expr) -> bool:
    """Tell whether a button is pressed on the way to an answer."""
    label = call.args[0] if isinstance(call, ast.Call) and call.args else None
    return not (isinstance(label, ast.Constant) and NOT_PRESSED.search(str(label.value)))
