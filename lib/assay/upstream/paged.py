"""Lines of a Streamlit page as plain Python. What cannot be told for sure is not written."""

import ast
import re
from collections.abc import Iterator, Sequence

from assay.upstream.index import File
from assay.upstream.service import CannotWrite, last_of
from assay.upstream.slicing import bound, loaded
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
NOT_PRESSED = re.compile(
    r"\b(clear|reset|delete|remove|(re)?train|cancel|log ?(out|in)|save|feedback|again|close|stop|examples?|samples?"
    r"|demo|random|rotate|flip|(in)?correct|wrong|yes|no|download|share|about|help|back|next|report|rate)\b",
    re.I,
)
CHOICES = ("selectbox", "radio")
NUMBERS = ("slider", "number_input")
VALUES: "dict[str, bool | str]" = {"checkbox": False, "toggle": False, "text_input": "", "text_area": ""}
SAYS = ("print", "info", "warning", "error", "exception", "debug", "print_exc")
LEAVES = ("stop", "rerun", "experimental_rerun", "switch_page")
EXISTS = ("exists", "is_file", "isfile", "is_dir", "isdir")
READS = ("read", "getvalue", "getbuffer")


class Paged(ast.NodeTransformer):
    """Puts a file in the place of what is uploaded, and prints what the page shows."""

    def __init__(self, page: "set[str]", *, in_memory: bool = False) -> None:
        self.page = set(page)  # names of Streamlit, and of parts of the page
        self.whole = f"io.BytesIO({CONTENTS})" if in_memory else OPENED  # the upload itself
        self.uploads: set[str] = set()
        self.resting: set[str] = set()  # names that rest on the upload
        self.opened: set[str] = set()  # of these, the picture as it was opened
        self.forced: set[str] = set()  # names that decided on another way than to the upload
        self.presses = 0  # of buttons that do something

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
        if isinstance(node, ast.Attribute):
            return node.attr in ("sidebar", "components", "v1") and self.is_page(node.value)
        return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in self.page

    def is_upload(self, node: ast.AST) -> bool:
        """Tell what was uploaded."""
        return isinstance(node, ast.Name) and node.id in self.uploads

    # ------------------------------------------------------------ expressions
    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Read the file where an upload is read; give a choice as the page begins with it."""
        word, function = self.word(node), node.func
        if word:
            return self.generic_visit(ast.Expr(_chosen(word, node))).value  # type: ignore[attr-defined, no-any-return]
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
        if self.is_page(node.value):
            raise CannotWrite(f"it uses the page's {node.attr}")  # session_state: what it holds is another run's doing
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Open the file where the upload itself is wanted; nothing else of the page is known."""
        if self.is_upload(node) and isinstance(node.ctx, ast.Load):
            return expression(self.whole)
        if node.id in self.page or node.id == SAMPLE:
            raise CannotWrite(f"it uses {node.id}")
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Rewrite what a text is put together of, not its plain pieces."""
        node.values = [self.visit(one) if isinstance(one, ast.FormattedValue) else one for one in node.values]
        return node

    # ------------------------------------------------------------ statements
    def lines(self, body: "Sequence[ast.stmt]") -> "list[ast.stmt]":
        """Write a page's statements."""
        found = [ast.fix_missing_locations(node) for node in self._lines(body)]
        if any(isinstance(n, ast.Return) for node in found for n in _outside_functions(node)):
            raise CannotWrite("the page ends in the middle")
        return found

    def _lines(self, body: "Sequence[ast.stmt]") -> "list[ast.stmt]":
        found: list[ast.stmt] = []
        for node in body:
            self._follow(node)
            found += self._written(node)
        return found

    def _follow(self, node: ast.stmt) -> None:
        """Note what rests on the upload, and what is the picture as it was opened."""
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.If, ast.With, ast.While, ast.Try)):
            return  # their lines are followed one by one
        node = ast.Assign([node.target], node.iter) if isinstance(node, ast.For) else node
        named = bound(node)
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        opens = value is not None and "Image.open" in ast.unparse(value) and not loaded(value) & self.resting
        nothing = isinstance(value, ast.Constant) and value.value is None
        if loaded(node) & (self.uploads | self.resting):
            self.opened = self.opened | named if opens and named.isdisjoint(self.resting) else self.opened - named
            self.resting |= named
        elif not nothing:
            self.opened -= named

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
        if isinstance(node, ast.Try):
            return self._tried(node)
        if isinstance(node, ast.FunctionDef):
            return [self._function(node)]
        if isinstance(node, (ast.For, ast.While)):
            return self._loop(node)
        self._apart(bound(node) | _parameters(node))
        written: ast.stmt = self.visit(node)
        return [written]

    def _tried(self, node: ast.Try) -> "list[ast.stmt]":
        """Write what is tried, where nothing but a complaint follows a failure."""
        leaves = any(isinstance(n, ast.Return) for one in node.body for n in ast.walk(one))
        if (node.finalbody and leaves) or not all(self._gives_up(h.body) for h in node.handlers):
            raise CannotWrite("it does something else where it fails")
        return self._lines([*node.body, *node.orelse, *node.finalbody])

    def _gives_up(self, body: "Sequence[ast.stmt]") -> bool:
        """Tell lines that say that something failed, and no more."""
        for node in body:
            call = node.value if isinstance(node, ast.Expr) else None
            says = isinstance(call, ast.Call) and (self.word(call) or last_of(call.func) in SAYS)
            none = isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant))
            if not (says or none or isinstance(node, (ast.Pass, ast.Raise)) or isinstance(call, ast.Constant)):
                return False
        return True

    def _loop(self, node: "ast.For | ast.While") -> "list[ast.stmt]":
        self._apart(bound(node) | _parameters(node))
        if node.orelse or self._asks(node):
            raise CannotWrite("a loop has an end of its own, or asks for uploads")
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
        if word in LEAVES:
            raise CannotWrite("it stops in the middle, or begins anew")
        if word in SHOWS and isinstance(call, ast.Call):
            given = [*call.args, *(k.value for k in call.keywords if k.arg in ("body", "value", "label", "delta"))]
            told = [one for one in given if not isinstance(one, ast.Constant) and not self.is_upload(one)]
            shown = [self.visit(one) for one in told]
            return [ast.Expr(ast.Call(ast.Name("print", ast.Load()), shown, []))] if shown else []
        if word and isinstance(call, ast.Call):
            _plainly_asked(call)
            given = [*call.args, *(k.value for k in call.keywords)]
            return [ast.Expr(self.visit(one)) for one in given if _does(one)]  # though what it gives is not shown
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and self.is_upload(call.func.value):
            return []
        return [ast.Expr(self.visit(call))]

    def _is_of_page(self, node: "ast.Assign | ast.AnnAssign") -> bool:
        """Take a name that is given to the upload, or to a part of the page."""
        named = bound(node)
        word, value = self.word(node.value), node.value
        if word in UPLOADS and isinstance(value, ast.Call):
            _plainly_asked(value)
            several = len(value.args) > 2 or any(k.arg == "accept_multiple_files" for k in value.keywords)
            if self.uploads or several or len(named) != 1:
                raise CannotWrite("it takes several uploads")
            self.uploads |= named
            return True
        if self.is_upload(value) if value is not None else False:
            self.uploads |= named
            return True
        self._press(word in BUTTONS and _pressed(value))  # type: ignore[arg-type]
        part = word in BLOCKS or word in SHOWS or (value is not None and not word and self.is_page(value))
        if part:
            self.page |= named
            return True
        self._apart(named)
        return False

    def _apart(self, names: "set[str]") -> None:
        if names & (self.uploads | self.page | {SAMPLE, "print"}):
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
                self._apart(bound(item.optional_vars) if item.optional_vars else set())
                others.append(ast.withitem(self.visit(item.context_expr), item.optional_vars))
        inner = self._lines(node.body)
        return [ast.With(others, inner)] if others and inner else inner

    def _branch(self, node: ast.If) -> "list[ast.stmt]":
        """Take the branch that leads to the upload, or that it decides; keep one that asks for anything else."""
        ways = [any(self._asks(one) for one in body) for body in (node.body, node.orelse)]
        known = self._truth(node.test)
        if known is None and ways[0] != ways[1]:
            known = ways[0]
            self.forced |= loaded(node.test) - self.page
        if known is None and self._is_missing(node.test) and self._complains(node.body):
            known = False
        if known is not None:
            taken = self._lines(node.body if known else node.orelse)
            pressed = any(self.word(n) in BUTTONS for n in ast.walk(node.test))
            self._press(pressed and any(not is_call_of(line, "print") for line in taken))
            return taken
        body, other = self._lines(node.body), self._lines(node.orelse)
        return [ast.If(self.visit(node.test), body or [ast.Pass()], other)] if body or other else []

    def _press(self, does: bool) -> None:
        self.presses += does
        if self.presses > 1:
            raise CannotWrite("several buttons do something")

    def _is_missing(self, test: ast.expr) -> bool:
        """Tell a test for something that is not there: a file, a model, the picture; not one of what the model says."""
        negative = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        inner = test.operand if negative else None  # type: ignore[attr-defined]
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Is):
            right = test.comparators[0]
            inner = test.left if isinstance(right, ast.Constant) and right.value is None else None
        if isinstance(inner, ast.Call):
            return last_of(inner.func) in EXISTS and not loaded(inner) & self.resting
        return isinstance(inner, ast.Name) and (inner.id not in self.resting or inner.id in self.opened)

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


def _parameters(node: ast.AST) -> "set[str]":
    """Name what functions and classes within a line call their arguments."""
    return {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _outside_functions(node: ast.AST) -> "Iterator[ast.AST]":
    """Go through a line, save what functions hold."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return
    yield node
    for inner in ast.iter_child_nodes(node):
        yield from _outside_functions(inner)


def aliases(file: File, library: str) -> "set[str]":
    """Name what a file calls the library that its page is made with."""
    return {name for name, bound in file.imports.items() if bound.module == library and not bound.name}


def unguarded(body: "Sequence[ast.stmt]") -> "Iterator[ast.stmt]":
    """Give a file's lines, those that only a run of it as a program would do among them."""
    for node in body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            yield from node.body
        else:
            yield node


def is_call_of(node: ast.stmt, name: str) -> bool:
    """Tell a line that calls a function and does no more."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name


def _does(node: ast.expr) -> bool:
    return any(isinstance(n, (ast.Call, ast.NamedExpr)) for n in ast.walk(node))


def _plainly_asked(call: ast.Call) -> None:
    """Refuse what gives a widget more than can be told: a callback, words unpacked."""
    words = {k.arg for k in call.keywords}
    if words & {"on_click", "on_change", None} or any(isinstance(one, ast.Starred) for one in call.args):
        raise CannotWrite("a widget is given more than its words")


def _chosen(word: str, call: ast.Call) -> ast.expr:
    """Give what a widget says before anybody touched it."""
    _plainly_asked(call)
    named = {k.arg: k.value for k in call.keywords}

    def given(name: str, place: int) -> "ast.expr | None":
        return named.get(name) or (call.args[place] if len(call.args) > place else None)

    if word in BUTTONS:
        return ast.Constant(_pressed(call))
    if word in CHOICES:
        options, index = given("options", 1), given("index", 2) or ast.Constant(0)
        if options is not None:
            return ast.Subscript(ast.Call(ast.Name("list", ast.Load()), [options], []), index, ast.Load())
    if word in NUMBERS:
        value = given("value", 3) or given("min_value", 1) or ast.Constant(0)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            raise CannotWrite("a number is asked for by a word")
        return value
    if word in VALUES:
        return given("value", 1) or ast.Constant(VALUES[word])
    raise CannotWrite(f"the page asks for {word}")


def _pressed(call: ast.expr) -> bool:
    """Tell whether a button is pressed on the way to an answer."""
    if isinstance(call, ast.Call):
        _plainly_asked(call)
    named = {k.arg: k.value for k in call.keywords} if isinstance(call, ast.Call) else {}
    label = call.args[0] if isinstance(call, ast.Call) and call.args else named.get("label")
    if not isinstance(label, ast.Constant) and not (last_of(getattr(call, "func", call)) == "form_submit_button"):
        raise CannotWrite("what a button is for is not said")
    return not (isinstance(label, ast.Constant) and NOT_PRESSED.search(str(label.value)))
