"""Handlers of a web service that take an upload and answer with what the model says, as uses without the web."""

import ast
import builtins
import copy
import re
from collections.abc import Iterator, Mapping, Sequence

from assay.records.upstream import Use
from assay.upstream.callers import defaults, parameters_of
from assay.upstream.imported import imported_as
from assay.upstream.index import Constant, Define, File, Function, Index, Outside, Package
from assay.upstream.service import CannotWrite, file_key, last_of
from assay.upstream.slicing import free, leading_to, loaded, resting_on, stored
from assay.upstream.uploads import ANSWER, SAMPLE, Uploaded, is_answered, uploads

MOST = 2
SEVERAL = re.compile(r"(ist|equence|uple|terable)\[.*UploadFile")
ROUTES = {"route", "post", "put", "api_route", "get"}
STARTS = {"on_event", "before_first_request", "before_serving", "asynccontextmanager"}
GIVEN = {"Form", "Query", "Body"}
NOT_ASKED = ("request", "self", "background_tasks", "response")
SOUND = ("librosa", "soundfile", "torchaudio", "pydub")
PICTURES = ("PIL", "cv2", "skimage", "imageio")


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
            except (CannotWrite, RecursionError, ValueError):  # the last is ast's, of what it cannot put into words
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
        node, file = copy.deepcopy(define.node), define.file  # its lines are rewritten in place
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if any(SEVERAL.search(ast.unparse(a.annotation)) for a in node.args.args if a.annotation):
            raise CannotWrite("it takes several uploads")
        upload = Uploaded(uploads(node))
        written = upload.lines(node.body)
        body = _answering([*self._parameters(file, node), *written], {SAMPLE, *_outside(self.index, file)})
        if not is_answered(written) or len(upload.keys) > 1 or not any(SAMPLE in loaded(line) for line in body):
            raise CannotWrite("its answer rests on more or less than one upload")
        if not upload.states and not self._calls_own(file, body):
            raise CannotWrite("nothing of the tree is asked")
        pieces = Pieces(self.index)
        pieces.add(file, body)
        root, module = imported_as(self.index, file)
        return Use(
            path=file.path,
            line=define.node.lineno,
            head=file.line(define.node.lineno),
            function=define.qualname,
            module=module,
            text=pieces.text(),
            root=root,
            kind=kind_of(self.index, file),
            given="upload",
        )

    def _parameters(self, file: File, node: Function) -> "list[ast.stmt]":
        """Write what the other parameters are when a request does not say."""
        found: list[ast.stmt] = []
        optional, given = defaults(node), set(uploads(node))
        for name in parameters_of(node):
            if name in given or name in NOT_ASKED:
                continue
            value = _default(optional.get(name))
            if value is None or (isinstance(value, ast.Call) and not self._is_simple(file, value)):
                raise CannotWrite(f"a request has to say {name}")
            found.append(ast.Assign([ast.Name(name, ast.Store())], value, None))
        return found

    def _is_simple(self, file: File, call: ast.Call) -> bool:
        """Tell a dependency that is had by calling it, as it is."""
        thing = self.index.dotted(file, call.func)
        node = thing.node if isinstance(thing, Define) else None
        asks = bool(node.args.args or node.args.kwonlyargs) if isinstance(node, ast.FunctionDef) else True
        return not asks and not _is_lifespan(node)  # type: ignore[arg-type]

    def _calls_own(self, file: File, body: "Sequence[ast.stmt]") -> bool:
        """Tell whether lines call anything that the tree defines."""
        names = {n.id for line in body for n in ast.walk(line) if isinstance(n, ast.Name)}
        known = [self.index.meaning(file, name) for name in names]
        return any(isinstance(thing, (Define, Constant, Package)) for thing in known) or bool(names & _globals_of(file))


class Pieces:
    """Lines of several files put one after another, each with the imports that its names ask for."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.imports: dict[str, None] = {}
        self.early: list[str] = []  # what has to have run before the handler's lines
        self.lines: list[str] = []
        self.made: set[str] = set()  # what those give a value to

    def add(self, file: File, body: "Sequence[ast.stmt]") -> None:
        """Add a handler's lines."""
        self._start_all(file, body)
        self._needed(file, body, set())
        self.lines += [ast.unparse(ast.fix_missing_locations(node)) for node in body]

    def add_whole(self, file: File, body: "Sequence[ast.stmt]") -> None:
        """Add lines that define all that they name, but for what is imported."""
        made = {name for line in body for name in stored(line)}
        for name in free(body):
            if name in file.imports and name not in made:
                self._import(file, name)
            elif name in ("os", "io") and name not in made:  # for the upload's name, and what it holds
                self.imports[f"import {name}"] = None
        self.lines += [ast.unparse(ast.fix_missing_locations(node)) for node in body]

    def text(self) -> str:
        """Give the whole."""
        unpacked = f"{SAMPLE} = sys.argv[2]"  # the first is the checkpoint, which upstream's lines load themselves
        return "\n".join(["import sys", "", *self.imports, "", unpacked, *self.early, *self.lines, ""])

    def _needed(self, file: File, body: "Sequence[ast.stmt]", known: "set[str]") -> None:
        """Import what lines name; what the start of the service makes is there already."""
        for name in free(body):
            if name in known or name in self.made or name == SAMPLE:
                continue
            if name in file.defs or name in file.assigned:
                self.imports[f"from {imported_as(self.index, file)[1]} import {name}"] = None
            elif name in file.imports:
                self._import(file, name)
            elif name == "os":  # for the upload's name
                self.imports["import os"] = None
            elif not hasattr(builtins, name):
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

    def _start_all(self, file: File, body: "Sequence[ast.stmt]") -> None:
        """Write what the service does when it starts; what else gives globals their values later cannot be told."""
        for one in self.index.files.values():
            for define in one.defs.values():
                if not isinstance(define.node, ast.ClassDef) and _is_start(define.node):
                    self._start(one, define.node)
        used = {name for line in body for name in loaded(line)}
        for define in file.defs.values():
            given = _given_globals(define.node)
            if not _is_start(define.node) and given & used:
                raise CannotWrite(f"{define.qualname} may give {min(given & used)} another value")
            if define.qualname in used and loaded(define.node) & self.made:
                raise CannotWrite(f"{define.qualname} looks at what the start of the service makes")

    def _start(self, file: File, node: Function) -> None:
        """Write the lines of a start-up function up to where the service begins to serve."""
        if len(node.args.args) > _is_lifespan(node):
            raise CannotWrite(f"{node.name} is started with more than the application")
        upload = Uploaded([])
        lines = upload.lines(copy.deepcopy(_until_it_serves(node.body)))
        states = {f"state_{name}" for name in upload.states}
        globals_ = {*_given_globals(node), *file.assigned}
        body = leading_to(lines, globals_ | states, _outside(self.index, file))
        made = {name for line in body for name in stored(line)}
        own = made - _given_globals(node) - states - (set(file.assigned) & set(free(body)))
        if own & {*file.assigned, *file.defs, *file.imports} or made & self.made:
            raise CannotWrite(f"{node.name} uses names of the service for something else")
        self._needed(file, body, made - set(free(body)))
        self.made |= made
        self.early += [ast.unparse(ast.fix_missing_locations(line)) for line in body]


def _answering(body: "list[ast.stmt]", apart: "set[str]") -> "list[ast.stmt]":
    """Keep the lines on which the answer rests, and of a dict that is answered what rests on the upload."""
    resting = resting_on(body, SAMPLE, apart)
    for node in (n for line in body for n in ast.walk(line) if isinstance(n, ast.Assign)):
        if ANSWER in stored(node) and isinstance(node.value, ast.Dict):
            pairs = [(k, v) for k, v in zip(node.value.keys, node.value.values) if loaded(v) & resting]
            node.value = ast.Dict([k for k, _ in pairs], [v for _, v in pairs]) if pairs else node.value
    return leading_to(body, {ANSWER}, apart)


def _outside(index: Index, file: File) -> "set[str]":
    """Name what a file imports from outside its tree: using it changes nothing of the tree's."""
    return {name for name in file.imports if isinstance(index.meaning(file, name), Outside)}


def _globals_of(file: File) -> "set[str]":
    """Name what a file's own functions may find at its top."""
    return {*file.assigned, *(name for define in file.defs.values() for name in _given_globals(define.node))}


def _given_globals(node: ast.AST) -> "set[str]":
    """Name the globals that a function gives a value to."""
    declared = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
    return declared & stored(node)


def _is_start(node: "ast.ClassDef | Function") -> bool:
    """Tell a function that is run when the service starts."""
    marks = [ast.unparse(d) for d in node.decorator_list]
    hooked = any(last_of(d.func if isinstance(d, ast.Call) else d) in STARTS for d in node.decorator_list)
    ends = any("shutdown" in mark for mark in marks)
    lifespan = (
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_lifespan(node) and len(node.args.args) == 1
    )
    return (hooked or lifespan) and not ends


def _until_it_serves(body: "list[ast.stmt]") -> "list[ast.stmt]":
    found: list[ast.stmt] = []
    for node in body:
        if not any(isinstance(n, ast.Yield) for n in ast.walk(node)):
            found.append(node)
            continue
        if isinstance(node, ast.Try):
            found += _until_it_serves(node.body)
        elif not isinstance(node, ast.Expr):
            raise CannotWrite("it begins to serve in the middle of a block")
        break
    return found


def _is_lifespan(node: Function) -> bool:
    return any(isinstance(n, ast.Yield) for n in ast.walk(node))


def _default(node: "ast.expr | None") -> "ast.expr | None":
    """Give what a parameter is where a request leaves it out; None when it may not."""
    if isinstance(node, ast.Call) and node.args:
        name = last_of(node.func)
        if name == "Depends":
            return ast.Call(node.args[0], [], [])
        plain = isinstance(node.args[0], ast.Constant) and node.args[0].value is not Ellipsis
        return node.args[0] if name in GIVEN and plain else None
    return node if isinstance(node, ast.Constant) else None


def _is_routed(node: Function) -> bool:
    calls = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(isinstance(c, ast.Attribute) and c.attr in ROUTES for c in calls)


def _takes_upload(node: Function) -> bool:
    return bool(uploads(node)) or any(file_key(n) for n in ast.walk(node))


def kind_of(index: Index, file: File) -> str:
    """Tell sound from pictures by what a service's files import."""
    own = [thing.file for name in file.imports if (thing := index.meaning(file, name)) and hasattr(thing, "file")]
    tops = {b.module.partition(".")[0] for one in (file, *own) if one for b in one.imports.values()}
    return "audio" if tops & set(SOUND) and not tops & set(PICTURES) else "image"
