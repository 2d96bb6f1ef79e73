"""Handlers of a web service that take an upload and answer with what the model says, as uses without the web."""

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence

from assay.records.upstream import Use
from assay.upstream.callers import defaults, parameters_of
from assay.upstream.imported import imported_as
from assay.upstream.index import Define, File, Function, Index, Package
from assay.upstream.slicing import free, leading_to, stored
from assay.upstream.uploads import ANSWER, SAMPLE, CannotWrite, Uploaded, uploads

MOST, DEEPEST = 2, 4
ROUTES = {"route", "post", "put", "api_route", "get"}
GIVEN = {"Form", "Query", "Body"}
SOUND = ("librosa", "soundfile", "torchaudio")
PICTURES = ("PIL", "cv2", "skimage", "imageio")
HEAD = "import sys"
UNPACKED = f"weights, {SAMPLE} = sys.argv[1:]"


class Handlers:
    """Finds handlers, and writes what they do as lines that start from a file."""

    def __init__(self, index: Index, near: Mapping[str, int]) -> None:
        self.index, self.near = index, near

    def all(self) -> "list[Use]":
        """List the uses that can be written, those of files near the entrypoints first."""
        found: list[Use] = []
        for define in sorted(self._handlers(), key=lambda d: (self.near.get(d.file.path, 99), d.file.path)):
            try:
                found.append(self._use(define))
            except CannotWrite:
                continue
        return found[:MOST]

    def _handlers(self) -> "Iterator[Define]":
        for file in self.index.files.values():
            if "UploadFile" not in file.text and "request.files" not in file.text:
                continue
            for define in file.defs.values():
                node = define.node
                if not isinstance(node, ast.ClassDef) and _is_routed(node) and _takes_upload(node):
                    yield define

    def _use(self, define: Define) -> Use:
        node, file = define.node, define.file
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        upload = Uploaded(uploads(node))
        before = self._parameters(node, upload)
        body = leading_to([*before, *upload.lines(node.body)], {ANSWER})
        if not body:
            raise CannotWrite("it answers nothing")
        pieces = Pieces(self.index)
        pieces.add(file, body, upload.states)
        root, module = imported_as(self.index, file)
        return Use(
            path=file.path,
            line=node.lineno,
            head=file.line(node.lineno),
            function=define.qualname,
            module=module,
            text=pieces.text(),
            root=root,
            kind=_kind(self.index, file),
            given="upload",
        )

    @staticmethod
    def _parameters(node: Function, upload: Uploaded) -> "list[ast.stmt]":
        """Write what the other parameters are when a request does not say."""
        found: list[ast.stmt] = []
        optional = defaults(node)
        for name in parameters_of(node):
            default = optional.get(name)
            if name in upload.names or name in ("request", "self", "background_tasks", "response"):
                continue
            value = _default(default)
            if value is None:
                raise CannotWrite(f"a request has to say {name}")
            found.append(ast.Assign([ast.Name(name, ast.Store())], value, None))
        return found


class Pieces:
    """Lines of several files put one after another, each with the imports that its names ask for."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.imports: dict[str, None] = {}
        self.early: list[str] = []  # what has to have run before the handler's lines
        self.lines: list[str] = []
        self.done: set[tuple[str, str]] = set()

    def add(self, file: File, body: "Sequence[ast.stmt]", states: "Sequence[str]") -> None:
        """Add a handler's lines."""
        for name in dict.fromkeys(states):
            self._start(name, self._setter(name, state=True), 0)
        self._needed(file, body, set(states), 0)
        self.lines += [ast.unparse(ast.fix_missing_locations(node)) for node in body]

    def text(self) -> str:
        """Give the whole."""
        return "\n".join([HEAD, "", *self.imports, "", UNPACKED, *self.early, *self.lines, ""])

    def _needed(self, file: File, body: "Sequence[ast.stmt]", known: "set[str]", depth: int) -> None:
        """Import what lines name, or make it as the service does when it starts."""
        for name in free(body):
            if name in known or name in (SAMPLE, "weights") or hasattr(builtins, name):
                continue
            if name in file.imports and name not in file.defs:
                self._import(file, name)
                continue
            empty = all(isinstance(v, ast.Constant) and v.value is None for v in file.assigned.get(name, []))
            setter = self._setter(name, state=False, file=file) if empty and name not in file.defs else None
            if setter is not None:
                self._start(name, setter, depth)
            elif name in file.defs or name in file.assigned:
                self.imports[f"from {imported_as(self.index, file)[1]} import {name}"] = None
            elif not file.stars:
                raise CannotWrite(f"nothing says what {name} is")

    def _import(self, file: File, name: str) -> None:
        bound = file.imports[name]
        meant = self.index.imported(file, bound)
        module = bound.module
        target = meant.file if isinstance(meant, Package) and not bound.name else self.index.module(file, module)
        if target is not None and module.startswith("."):
            module = imported_as(self.index, target)[1]
        elif module.startswith("."):
            raise CannotWrite(f"{name} is imported from {module}")
        if bound.name:
            renamed = f" as {name}" if bound.name != name else ""
            self.imports[f"from {module} import {bound.name}{renamed}"] = None
        else:
            self.imports[f"import {module}" + (f" as {name}" if module != name else "")] = None

    def _setter(self, name: str, *, state: bool, file: "File | None" = None) -> "tuple[File, Function] | None":
        """Find the function that gives a name its value when the service starts."""
        for one in [file] if file else self.index.files.values():
            if name not in one.text or (state and ".state" not in one.text):
                continue
            for define in one.defs.values():
                if not isinstance(define.node, ast.ClassDef) and _sets(define.node, name, state=state):
                    return one, define.node
        return None

    def _start(self, name: str, setter: "tuple[File, Function] | None", depth: int) -> None:
        """Write the lines of a start-up function up to where the service begins to serve."""
        if setter is None or depth > DEEPEST:
            raise CannotWrite(f"nothing says what {name} is")
        file, node = setter
        if (file.path, node.name) in self.done:
            return
        self.done.add((file.path, node.name))
        started: list[ast.stmt] = []
        for one in node.body:
            if any(isinstance(n, ast.Yield) for n in ast.walk(one)):
                break
            started.append(one)
        told = [n.names for n in ast.walk(node) if isinstance(n, ast.Global)]
        body = leading_to(Uploaded([]).lines(started), {name, *(one for names in told for one in names)})
        made = {one for line in body for one in stored(line)}
        self._needed(file, body, made - set(free(body)), depth + 1)
        self.early += [ast.unparse(ast.fix_missing_locations(line)) for line in body]


def _sets(node: Function, name: str, *, state: bool) -> bool:
    """Tell whether a function gives a value to a global name, or to what an application keeps under it."""
    inner = list(ast.walk(node))
    if state:
        return any(
            isinstance(n, ast.Attribute) and n.attr == name and isinstance(n.ctx, ast.Store)
            and isinstance(n.value, ast.Attribute) and n.value.attr == "state" for n in inner
        )  # fmt: skip
    declared = any(isinstance(n, ast.Global) and name in n.names for n in inner)
    required = len(node.args.args) - len(node.args.defaults)
    given = any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in inner)
    return declared and given and required <= _is_lifespan(node)


def _is_lifespan(node: Function) -> bool:
    return any(isinstance(n, ast.Yield) for n in ast.walk(node))


def _default(node: "ast.expr | None") -> "ast.expr | None":
    """Give what a parameter is where a request leaves it out; None when it may not."""
    if isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "Depends":
            return ast.Call(node.args[0], [], [])
        plain = isinstance(node.args[0], ast.Constant) and node.args[0].value is not Ellipsis
        return node.args[0] if name in GIVEN and plain else None
    return node if isinstance(node, ast.Constant) else None


def _is_routed(node: Function) -> bool:
    calls = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(isinstance(c, ast.Attribute) and c.attr in ROUTES for c in calls)


def _takes_upload(node: Function) -> bool:
    return bool(uploads(node)) or any(Uploaded([]).is_upload(n) for n in ast.walk(node))


def _kind(index: Index, file: File) -> str:
    """Tell sound from pictures by what a service's files import."""
    own = [thing.file for name in file.imports if (thing := index.meaning(file, name)) and hasattr(thing, "file")]
    tops = {b.module.partition(".")[0] for one in (file, *own) if one for b in one.imports.values()}
    return "audio" if tops & set(SOUND) and not tops & set(PICTURES) else "image"
