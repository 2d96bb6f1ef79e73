"""Handlers of a web service that take an upload and answer with what the model says, as uses without the web."""

import ast
import builtins
import copy
from collections.abc import Iterator, Mapping, Sequence

from assay.records.upstream import Use
from assay.upstream.callers import defaults, parameters_of
from assay.upstream.imported import imported_as
from assay.upstream.index import Constant, Define, File, Function, Index, Package
from assay.upstream.service import CannotWrite, last_of
from assay.upstream.slicing import free, leading_to, loaded, resting_on, stored
from assay.upstream.uploads import ANSWER, SAMPLE, Uploaded, is_answered, uploads

MOST, DEEPEST = 2, 4
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
            except (CannotWrite, RecursionError):
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
        upload = Uploaded(uploads(node))
        written = upload.lines(node.body)
        body = _answering([*_parameters(node, upload), *written], {SAMPLE, *file.imports})
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
            kind=_kind(self.index, file),
            given="upload",
        )

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
        self.done: set[tuple[str, str]] = set()

    def add(self, file: File, body: "Sequence[ast.stmt]") -> None:
        """Add a handler's lines."""
        self._needed(file, body, set(), 0)
        self.lines += [ast.unparse(ast.fix_missing_locations(node)) for node in body]

    def text(self) -> str:
        """Give the whole."""
        unpacked = f"{SAMPLE} = sys.argv[2]"  # the first is the checkpoint, which upstream's lines load themselves
        return "\n".join(["import sys", "", *self.imports, "", unpacked, *self.early, *self.lines, ""])

    def _needed(self, file: File, body: "Sequence[ast.stmt]", known: "set[str]", depth: int) -> None:
        """Import what lines name, or make it as the service does when it starts."""
        for name in free(body):
            if name in known or name == SAMPLE:
                continue
            state = name.removeprefix("state_") if name.startswith("state_") else ""
            starts = self._starters(file, state or name, is_state=bool(state))
            if any(_makes(node, name) for _, node in starts):
                pass  # whatever it was before
            elif not state and (name in file.defs or name in file.assigned):
                self.imports[f"from {imported_as(self.index, file)[1]} import {name}"] = None
            elif not state and name in file.imports:
                self._import(file, name)
            elif name == "os":  # for the upload's name
                self.imports["import os"] = None
            elif not starts and not hasattr(builtins, name):
                raise CannotWrite(f"nothing says what {name} is")
            for setter in starts:
                self._start(*setter, depth)

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

    def _starters(self, file: File, name: str, *, is_state: bool) -> "list[tuple[File, Function]]":
        """Find the functions that make or change what a name stands for when the service starts."""
        found = []
        for one in self.index.files.values() if is_state else [file]:
            for define in one.defs.values() if name in one.text else ():
                node = define.node
                if isinstance(node, ast.ClassDef) or _is_routed(node):
                    continue
                if _sets_state(node, name) if is_state else _sets(node, name):
                    found.append((one, node))
        return found

    def _start(self, file: File, node: Function, depth: int) -> None:
        """Write the lines of a start-up function up to where the service begins to serve."""
        if depth > DEEPEST:
            raise CannotWrite("what starts the service goes too deep")
        if (file.path, node.name) in self.done:
            return
        self.done.add((file.path, node.name))
        if len(node.args.args) - len(node.args.defaults) > _is_lifespan(node):
            raise CannotWrite(f"{node.name} is started with more than the application")
        until = next((i for i, one in enumerate(node.body) if _yields(one)), len(node.body))
        upload = Uploaded([])
        body = upload.lines(copy.deepcopy(node.body[:until]))
        body = leading_to(body, _globals_of(file) | {f"state_{name}" for name in upload.states}, file.imports)
        before = set(free(body))
        self._needed(file, body, {one for line in body for one in stored(line)} - before, depth + 1)
        self.early += [ast.unparse(ast.fix_missing_locations(line)) for line in body]


def _answering(body: "list[ast.stmt]", apart: "set[str]") -> "list[ast.stmt]":
    """Keep the lines on which the answer rests, and of a dict that is answered what rests on the upload."""
    resting = resting_on(body, SAMPLE, apart)
    for node in (n for line in body for n in ast.walk(line) if isinstance(n, ast.Assign)):
        if ANSWER in stored(node) and isinstance(node.value, ast.Dict):
            pairs = [(k, v) for k, v in zip(node.value.keys, node.value.values) if loaded(v) & resting]
            node.value = ast.Dict([k for k, _ in pairs], [v for _, v in pairs]) if pairs else node.value
    return leading_to(body, {ANSWER}, apart)


def _parameters(node: Function, upload: Uploaded) -> "list[ast.stmt]":
    """Write what the other parameters are when a request does not say."""
    found: list[ast.stmt] = []
    optional = defaults(node)
    given = set(uploads(node))
    for name in parameters_of(node):
        if name in given or name in NOT_ASKED:
            continue
        value = _default(optional.get(name))
        if value is None:
            raise CannotWrite(f"a request has to say {name}")
        found.append(ast.Assign([ast.Name(name, ast.Store())], value, None))
    return found


def _globals_of(file: File) -> "set[str]":
    """Name what a file's own functions may find at its top."""
    declared = [n.names for define in file.defs.values() for n in ast.walk(define.node) if isinstance(n, ast.Global)]
    return {*file.assigned, *(name for names in declared for name in names)}


def _sets(node: Function, name: str) -> bool:
    """Tell whether a function gives a global a value, or changes it when the service starts."""
    declared = any(isinstance(n, ast.Global) and name in n.names for n in ast.walk(node))
    if declared and name in {one for line in node.body for one in stored(line)}:
        return True
    names = [n.attr if isinstance(n, ast.Attribute) else n.id for d in node.decorator_list for n in ast.walk(d)
             if isinstance(n, (ast.Attribute, ast.Name))]  # fmt: skip
    starts = bool(STARTS & set(names)) or _is_lifespan(node)
    return starts and any(name in loaded(line) for line in node.body)


def _makes(node: Function, name: str) -> bool:
    """Tell whether a function gives a global its value, whatever it was."""
    declared = any(isinstance(n, ast.Global) and name in n.names for n in ast.walk(node))
    lines = [line for one in node.body for line in (one.body if isinstance(one, ast.Try) else [one])]
    return declared and any(isinstance(line, ast.Assign) and name in stored(line) - loaded(line) for line in lines)


def _sets_state(node: Function, name: str) -> bool:
    """Tell whether a function gives a value to what an application keeps under a name."""
    stores = [n for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return any(n.attr == name and last_of(n.value) == "state" for n in stores)


def _is_lifespan(node: Function) -> bool:
    return any(isinstance(n, ast.Yield) for n in ast.walk(node))


def _yields(node: ast.stmt) -> bool:
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
    return bool(uploads(node)) or any(Uploaded([]).is_upload(n) for n in ast.walk(node))


def _kind(index: Index, file: File) -> str:
    """Tell sound from pictures by what a service's files import."""
    own = [thing.file for name in file.imports if (thing := index.meaning(file, name)) and hasattr(thing, "file")]
    tops = {b.module.partition(".")[0] for one in (file, *own) if one for b in one.imports.values()}
    return "audio" if tops & set(SOUND) and not tops & set(PICTURES) else "image"
