"""A web handler's lines as plain Python: the upload is a file, the answer a value, and the web is gone.

What cannot be told for sure is not written: these lines then stand for upstream's own.
"""

import ast
import copy
from collections.abc import Sequence

from assay.upstream import service as web
from assay.upstream.index import Function
from assay.upstream.service import CannotWrite, bare_call, last_of
from assay.upstream.slicing import bound

SAMPLE, ANSWER = "uploaded", "answered"  # names in what is written
NAME = f"os.path.basename({SAMPLE})"
CONTENTS, OPENED = f'open({SAMPLE}, "rb").read()', f'open({SAMPLE}, "rb")'
MOST_BLOCKS = 60
WRITES = {"imwrite", "save", "write", "dump", "system", "run", "call", "rename", "replace", "move"}
THREADS = {"to_thread": 0, "run_in_threadpool": 0, "run_in_executor": 1}  # the place of the function that is run


class Uploaded(ast.NodeTransformer):
    """Puts a file in the place of what was uploaded, and remembers what else the lines need."""

    def __init__(self, uploads: "Sequence[str]") -> None:
        self.names = set(uploads)
        self.keys = set(uploads)  # the different uploads that a request has
        self.bytes: set[str] = set()  # names of its contents
        self.saved: dict[str, set[str]] = {}  # expressions that name the file it was saved to, and what they rest on
        self.blocks = 0
        self.states: list[str] = []  # what handlers find at app.state

    # ------------------------------------------------------------ what is what
    def is_upload(self, node: "ast.AST | None") -> bool:
        """Tell an upload, as FastAPI hands it over and as Flask's request holds it."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        key = web.file_key(node)
        if key:
            self.keys.add(key)
        return bool(key)

    def is_stream(self, node: ast.AST) -> bool:
        """Tell an upload, or the open file that it has."""
        inner = isinstance(node, ast.Attribute) and node.attr in ("file", "stream") and self.is_upload(node.value)
        return inner or self.is_upload(node)

    def is_contents(self, node: "ast.AST | None") -> bool:
        """Tell the whole of what was uploaded."""
        node = node.value if isinstance(node, ast.Await) else node
        if isinstance(node, ast.Name):
            return node.id in self.bytes
        read = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "read"
        return read and not node.args and self.is_stream(node.func.value)  # type: ignore[union-attr]

    # ------------------------------------------------------------ expressions
    def visit(self, node: ast.AST) -> ast.AST:
        """Rewrite a node; what names the saved upload is the file."""
        read = isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if read and self.saved and ast.dump(node) in self.saved:
            return expression(SAMPLE)
        result: ast.AST = super().visit(node)
        return result

    def visit_Await(self, node: ast.Await) -> ast.AST:
        """Do without waiting what needs none."""
        inner = self.visit(node.value)
        if self.is_contents(node.value):
            return inner
        place = THREADS.get(last_of(node.value.func)) if isinstance(node.value, ast.Call) else None
        given = inner.args if isinstance(inner, ast.Call) else []
        if place is None or len(given) <= place or any(isinstance(one, ast.Starred) for one in given):
            raise CannotWrite(f"it waits for {ast.unparse(node.value)}")
        return ast.Call(given[place], given[place + 1 :], inner.keywords)  # type: ignore[attr-defined]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Read the file where an upload is read."""
        function = node.func
        if isinstance(function, ast.Attribute) and self.is_stream(function.value):
            if self.is_contents(node):
                return expression(CONTENTS)
            raise CannotWrite(f"it does more with the upload than to read it: {function.attr}")
        if web.is_form(function):
            return self.visit(web.left_out(node))
        if self.is_upload(node):
            return expression(OPENED)
        if ast.unparse(function).endswith("Image.open") and len(node.args) == 1 and self.is_stream(node.args[0]):
            return ast.Call(function, [expression(SAMPLE)], [])
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Open the file where Flask's request is asked for it."""
        return expression(OPENED) if self.is_upload(node) else self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Name what an upload has; and what an application keeps for its handlers."""
        if self.is_upload(node.value) and node.attr == "filename":
            return expression(NAME)
        if isinstance(node.value, ast.Name) and self.is_upload(node.value) and node.attr not in ("file", "stream"):
            raise CannotWrite(f"it asks the upload for its {node.attr}")
        if self.is_stream(node):
            return expression(OPENED)
        if isinstance(node.value, ast.Attribute) and node.value.attr == "state":
            self.states.append(node.attr)
            return ast.Name(f"state_{node.attr}", node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Open the file where the upload itself is wanted; nothing else of a request is known."""
        if node.id in self.names and isinstance(node.ctx, ast.Load):
            return expression(OPENED)
        if node.id in ("request", SAMPLE, ANSWER):
            raise CannotWrite(f"it uses {node.id}")
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        """Leave what is waited for one by one."""
        raise CannotWrite("it waits for each of several")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Rewrite what a text is put together of, not its plain pieces."""
        node.values = [self.visit(one) if isinstance(one, ast.FormattedValue) else one for one in node.values]  # type: ignore[misc]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Leave out no function: one inside a handler may know the upload by its name."""
        raise CannotWrite("it defines a function")

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Leave out none of these either."""
        raise CannotWrite("it defines a function")

    # ------------------------------------------------------------ statements
    def lines(self, body: "Sequence[ast.stmt]") -> "list[ast.stmt]":
        """Write statements so that they run from above to below and end in the answer."""
        self.blocks += 1
        if self.blocks > MOST_BLOCKS:
            raise CannotWrite("it has too many branches")
        found: list[ast.stmt] = []
        for at, node in enumerate(body):
            rest = list(body[at + 1 :])
            written = self._chosen(node, rest) if isinstance(node, ast.If) else self._written(node)
            found += written
            if is_answered(found) or (isinstance(node, ast.If) and web.returns(node)):
                break
            if any(_is_answer(n) for one in written for n in ast.walk(one)):
                raise CannotWrite("it answers in the middle of a block")
        return found

    def _written(self, node: ast.stmt) -> "list[ast.stmt]":
        if isinstance(node, ast.Return):
            return self._answered(node)
        if isinstance(node, ast.Try):
            last = [one for one in node.finalbody if not web.is_idle(one, self)]
            if last and any(isinstance(n, ast.Return) for one in (*node.body, *node.orelse) for n in ast.walk(one)):
                raise CannotWrite("it does more after it has answered")
            return self.lines([*node.body, *node.orelse, *last])
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self._within(node)
        if isinstance(node, (ast.Global, ast.Nonlocal, ast.Pass)) or web.is_idle(node, self) or self._is_save(node):
            return []
        if isinstance(node, ast.Raise) or any(isinstance(n, ast.Return) for n in ast.walk(node)):
            raise CannotWrite("it answers from within a loop, or not at all")
        if isinstance(node, ast.Assign) and self._is_other_name(node):
            return []
        self._keep_apart(node)
        contents = isinstance(node, ast.Assign) and self.is_contents(node.value)
        written: ast.stmt = self.visit(node)  # type: ignore[assignment]
        if any(_writes_to_sample(n) for n in ast.walk(written)):
            raise CannotWrite("it writes to the file that was uploaded")
        self._forget(node)
        if contents:
            self.bytes |= {t.id for t in node.targets if isinstance(t, ast.Name)}  # type: ignore[attr-defined]
        return [] if isinstance(written, ast.Assign) and _to_itself(written) else [written]

    def _chosen(self, node: ast.If, rest: "list[ast.stmt]") -> "list[ast.stmt]":
        """Take the branch of a request as it has to be; keep one that asks for anything else."""
        decided = web.decided(node, self)
        if decided is not None:
            taken = node.body if decided else node.orelse
            return self.lines([*taken, *(rest if web.returns(node) and not web.leaves(taken) else [])])
        self._keep_apart(ast.Expr(node.test))
        test: ast.expr = self.visit(node.test)  # type: ignore[assignment]
        before = copy.deepcopy((self.names, self.bytes, self.saved))
        after = rest if web.returns(node) else []
        body = self.lines(node.body if web.leaves(node.body) else [*node.body, *copy.deepcopy(after)])
        one, (self.names, self.bytes, self.saved) = (self.names, self.bytes, self.saved), before
        other = self.lines([*node.orelse, *after])
        if not is_answered(body) and not is_answered(other) and one != (self.names, self.bytes, self.saved):
            raise CannotWrite("what the upload is called depends on a branch")
        return [ast.If(test, body or [ast.Pass()], other)]

    def _within(self, node: "ast.With | ast.AsyncWith") -> "list[ast.stmt]":
        """Write a block; one that only saves the upload gives its file's name to it."""
        call = node.items[0].context_expr
        opens = isinstance(call, ast.Call) and last_of(call.func) == "open" and len(call.args) > 1
        if opens and len(node.body) == 1 and self._copies(node.body[0]):
            self._save(call.args[0])  # type: ignore[attr-defined]
            return []
        if isinstance(node, ast.AsyncWith):
            raise CannotWrite(f"it waits for {ast.unparse(call)}")
        for item in node.items:
            if item.optional_vars is not None:
                self._refuse(bound(item.optional_vars))
        items = [self.visit(item) for item in node.items]
        inner = self.lines(node.body)
        return [ast.With(items, inner)] if inner else []  # type: ignore[arg-type]

    def _copies(self, node: ast.stmt) -> bool:
        """Tell a line that writes the whole upload, and nothing else."""
        call = bare_call(node)
        if call is None or not call.args:
            return False
        name = last_of(call.func)
        return (name == "write" and self.is_contents(call.args[0])) or (
            name == "copyfileobj" and self.is_stream(call.args[0])
        )

    def _is_save(self, node: ast.stmt) -> bool:
        """Remember where an upload is saved to."""
        call = bare_call(node)
        if call is None or not isinstance(call.func, ast.Attribute):
            return False
        if call.func.attr == "save" and self.is_upload(call.func.value) and call.args:
            self._save(call.args[0])
            return True
        return False

    def _save(self, path: ast.expr) -> None:
        names = {n.id for n in ast.walk(path) if isinstance(n, ast.Name)}
        self.saved[ast.dump(path)] = names

    def _keep_apart(self, node: ast.stmt) -> None:
        """Refuse what gives a name of the upload to something else in the middle of a line."""
        plain = isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return))
        inner = [
            n for n in ast.walk(node) if not plain or isinstance(n, (ast.comprehension, ast.NamedExpr, ast.Lambda))
        ]
        names = {name for n in inner for name in bound(n)}
        self._refuse(names | {a.arg for n in inner if isinstance(n, ast.Lambda) for a in n.args.args})

    def _refuse(self, names: "set[str]") -> None:
        """Refuse names that are the upload's."""
        known = self.names | self.bytes | {name for rests in self.saved.values() for name in rests}
        if names & known:
            raise CannotWrite("a name of the upload's is used for something else")

    def _is_other_name(self, node: ast.Assign) -> bool:
        """Take a name that is given to the upload."""
        target = node.targets[0]
        if not isinstance(target, ast.Name) or not self.is_upload(node.value):
            return False
        self._forget(node)
        self.names.add(target.id)
        return True

    def _forget(self, node: ast.stmt) -> None:
        """Let go of what was known of names that are given to something else."""
        again = bound(node)
        self.names -= again
        self.bytes -= again
        self.saved = {text: names for text, names in self.saved.items() if not names & again}

    def _answered(self, node: ast.Return) -> "list[ast.stmt]":
        self._keep_apart(node)
        value = web.unwrapped(node.value)
        if value is None:
            raise CannotWrite("its answer is not seen")
        written = self.visit(value)
        if isinstance(written, ast.Dict):
            written = web.without(written, SAMPLE)  # where a file was saved is no answer
        return [ast.Assign([ast.Name(ANSWER, ast.Store())], written, None)]  # type: ignore[arg-type]


def is_answered(body: "Sequence[ast.stmt]") -> bool:
    """Tell whether lines end in the answer, whichever way they take."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        return is_answered(last.body) and is_answered(last.orelse)
    if isinstance(last, ast.With):
        return is_answered(last.body)
    return last is not None and _is_answer(last)


def uploads(function: Function) -> "list[str]":
    """Name the parameters that FastAPI hands an upload to."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [one.arg for one in every if one.annotation and web.OF_UPLOADS.search(ast.unparse(one.annotation))]


def _writes_to_sample(node: ast.AST) -> bool:
    """Tell a call that may change the file: one of its own, one that writes, or an open for writing."""
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call):
        return False
    given = [*call.args, *(k.value for k in call.keywords)]
    has = any(isinstance(one, ast.Name) and one.id == SAMPLE for one in given)
    opens = last_of(call.func) == "open" and any(isinstance(a, ast.Constant) and "r" not in str(a.value) for a in given)
    return has and (isinstance(node, ast.Expr) or last_of(call.func) in WRITES or opens)


def _is_answer(node: ast.AST) -> bool:
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return isinstance(target, ast.Name) and target.id == ANSWER


def _to_itself(node: ast.Assign) -> bool:
    target, value = node.targets[0], node.value
    return isinstance(value, ast.Name) and isinstance(target, ast.Name) and value.id == target.id


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
