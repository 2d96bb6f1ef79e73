"""Digests of code by its syntax tree, so that a comment or a blank line changes nothing."""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.digests import Digests
from assay.errors import StageFailed, WrongInput

PACKAGE = Path(__file__).parent
WORKER = PACKAGE / "worker" / "assay_worker"
OURS = ("assay", "assay_worker")
TEMPLATES_OF = "assay.report.render"  # what imports it prints by templates: no import leads to those
GIVEN_BY_PLACE = {"build": 0, "preprocess": 1, "infer": 2, "postprocess": 2, "draw": 2}  # as the worker calls them
ADAPTER_FUNCTIONS = tuple(GIVEN_BY_PLACE)
BY_TREE = "code:"  # begins the digest of code whose lines may move


def tree_digest(node: ast.AST) -> str:
    """Digest a syntax tree without positions; the same for every Python that parses it to the same tree."""
    return hashlib.sha256(_shape(node).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _shape(node: object) -> str:
    """Write a tree down; empty fields are left out, for each Python adds some of its own."""
    if isinstance(node, ast.AST):
        fields = (f"{name}={_shape(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(fields)})"
    return f"[{','.join(map(_shape, node))}]" if isinstance(node, list) else repr(node)


def parse(path: Path, shown: str) -> ast.Module:
    """Parse a Python file; a syntax error names its line."""
    return parse_text(text_of(path, shown), shown)


def text_of(path: Path, shown: str) -> str:
    """Read a Python file that is UTF-8, as every copy of it will be; an editor's mark at its start is left out."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise WrongInput(f"cannot be read: {error.strerror}", where=shown, mend="put the file back") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"is not UTF-8 at byte {error.start}", where=shown, mend="save it as UTF-8") from error


def parse_text(text: "str | bytes", shown: str) -> ast.Module:
    """Parse Python source; a syntax error names its line."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise WrongInput(
            f"not valid Python: {error.msg}", where=f"{shown}:{error.lineno or 1}", mend="mend that line"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise WrongInput(
            f"cannot be read as Python: {error}", where=shown, mend="save it as plain UTF-8 Python"
        ) from error


def functions(module: ast.Module) -> dict[str, str]:
    """Digest each adapter function together with every top-level definition it leans on."""
    defined = _definitions(module)
    named = {n.id for n in ast.walk(module) if isinstance(n, ast.Name)}
    acting = [s for s in module.body if _acts(s, named)]
    effects = "".join(tree_digest(s) for s in acting)
    used = [n.id for s in acting for n in ast.walk(s) if isinstance(n, ast.Name) and n.id in defined]
    found = {}
    for name in ADAPTER_FUNCTIONS:
        if isinstance(defined.get(name, [None])[-1], (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = sorted(_reachable([name, *used], defined))
            parts = "".join(f"{n}={''.join(map(tree_digest, defined[n]))};" for n in names)
            found[name] = hashlib.sha256((effects + parts).encode()).hexdigest()[:16]
    return found


def imports(module: ast.Module) -> list[str]:
    """Name every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return sorted(found)


def roots(files: "list[str]", wanted: "set[str]", trees: "list[str]") -> "list[str]":
    """Name the folders that modules of these names begin in, where no tree has them at its top."""
    places: dict[str, set[str]] = {}
    for file in files:
        folder, _, name = file.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")
        if name in wanted:
            places.setdefault(name, set()).add(folder)
    return sorted({folder for found in places.values() if not found & set(trees) for folder in found})


def lines(module: ast.Module) -> dict[str, int]:
    """Give the line of every top-level definition."""
    return {name: statements[-1].lineno for name, statements in _definitions(module).items()}


def keywords(module: ast.Module, name: str) -> dict[str, object]:
    """Name what an adapter function is given by keyword, with literal defaults (... when not literal)."""
    node = _definitions(module).get(name, [None])[-1]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return {}
    by_place = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(by_place) - len(node.args.defaults)) + list(node.args.defaults)
    pairs = [(a, d) for a, d in zip(by_place, defaults) if a in node.args.args][GIVEN_BY_PLACE[name] :]
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults)
    return {a.arg: _literal(d) for a, d in pairs}


def takes_any(module: ast.Module, name: str) -> bool:
    """Tell whether a function has **params: it is given every parameter there is."""
    node = _definitions(module).get(name, [None])[-1]
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.args.kwarg is not None


def _literal(node: ast.expr | None) -> object:
    try:
        return ast.literal_eval(node) if node is not None else ...
    except ValueError:
        return ...


def _definitions(module: ast.Module) -> dict[str, list[ast.stmt]]:
    """Map each top-level name to the statements that make it, the one that counts at run time last."""
    defined: dict[str, list[ast.stmt]] = {}
    for statement in module.body:
        for name in _names_made(statement):
            defined.setdefault(name, []).append(statement)
    return defined


def _names_made(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return []


def _acts(statement: ast.stmt, named: set[str]) -> bool:
    """Tell whether a top-level statement does more than name something: then every function leans on it."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return not named.issuperset(_names_made(statement))  # imported for what it does, or * for names unknown
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(isinstance(n, (ast.Attribute, ast.Subscript)) for t in targets for n in ast.walk(t))
    if isinstance(statement, ast.If):
        idle = ("TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'")
        return bool(statement.orelse) or ast.unparse(statement.test) not in idle
    return not _names_made(statement)


def _reachable(names: list[str], defined: dict[str, list[ast.stmt]]) -> set[str]:
    seen, ahead = set(), list(names)
    while ahead:
        current = ahead.pop()
        if current in seen:
            continue
        seen.add(current)
        parts = [n for s in defined[current] for n in ast.walk(s)]
        ahead += [n.id for n in parts if isinstance(n, ast.Name) and n.id in defined]
    return seen


class Parsed:
    """What files were parsed to, remembered in a file; losing that costs only time."""

    def __init__(self, path: Path | None, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self.facts: dict[str, list[object]] = _read_cache(path)  # file sha256 -> [tree digest, imports]
        self.grown = False

    def add(self, digest: str, facts: list[object]) -> None:
        """Keep what a file was parsed to."""
        self.facts[digest], self.grown = facts, True

    def save(self) -> None:
        """Write what is new, where that can be written."""
        if not self.grown or self.path is None or not self.writes:
            return
        from assay import files

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.write(self.path, json.dumps(self.facts), durable=False)
        except (OSError, StageFailed):
            return


def beside(digests: Digests) -> Path | None:
    """Name the memory of our own files: beside their bytecode, made anew when this file changes."""
    compiled = getattr(__spec__, "cached", None)
    if compiled is None:
        return None
    path = Path(compiled).with_name(f"parsed.{sys.implementation.cache_tag}-{(digests.of(__file__) or '')[:8]}.json")
    writable = not sys.dont_write_bytecode and os.access(path.parent, os.W_OK)
    return path if writable or path.exists() else None


class OwnCode:
    """Digests of assay's own modules, each with every module of ours that it imports."""

    def __init__(self, digests: Digests, cache: Path | None) -> None:
        self._digests = digests
        self._here, ours = Parsed(cache), beside(digests)
        self._ours = (
            Parsed(ours, writes=not sys.dont_write_bytecode) if ours else self._here
        )  # every repository asks for the same files of ours
        self._modules: dict[str, tuple[str, tuple[str, ...]]] = {}

    def of(self, module: str) -> dict[str, str]:
        """Digest a module and its closure: {module: digest}."""
        closure: dict[str, str] = {}
        ahead = [module]
        while ahead:
            current = ahead.pop()
            if current not in closure:
                closure[current], imports = self._module(current)
                ahead += imports
        return {**closure, **self._templates()} if TEMPLATES_OF in closure else closure

    def worker(self, verb: str) -> dict[str, str]:
        """Digest the worker's files that do a verb."""
        started = {f"worker.{name}": self._file(WORKER.parent / f"{name}.py")[0] for name in ("boot", "confine")}
        return {**started, **self.of("assay_worker.__main__"), **self.of(f"assay_worker.{verb}")}

    def state_of(self, path: Path) -> str | None:
        """Digest a file of upstream by its syntax tree, so that its lines may move; what is no Python by its bytes."""
        digest = self._digests.of(str(path))
        try:
            return BY_TREE + self._file(path)[0] if digest else None
        except WrongInput:
            return digest

    def save(self) -> None:
        """Remember what was parsed."""
        self._here.save()
        self._ours.save()

    def _templates(self) -> dict[str, str]:
        paths = sorted((PACKAGE / "report" / "templates").iterdir())
        return {f"assay.report.templates.{p.name}": (self._digests.of(str(p)) or "")[:16] for p in paths}

    def _module(self, name: str) -> tuple[str, tuple[str, ...]]:
        if name not in self._modules:
            self._modules[name] = self._file(module_file(name))
        return self._modules[name]

    def _file(self, path: Path) -> tuple[str, tuple[str, ...]]:
        digest = self._digests.of(str(path)) or ""
        known = self._ours if PACKAGE in path.parents else self._here
        facts = known.facts.get(digest)
        if facts is None:
            tree = parse(path, path.name)
            facts = [tree_digest(tree), sorted(_own_imports(tree))]
            known.add(digest, facts)
        return str(facts[0]), _modules(facts[1])  # type: ignore[arg-type]


def module_file(name: str) -> Path:
    """Find the file of one of our modules."""
    package, *inner = name.split(".")
    base = (PACKAGE if package == "assay" else WORKER).joinpath(*inner)
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _own_imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    hints = {
        id(n)
        for s in tree.body
        if isinstance(s, ast.If) and ast.unparse(s.test) == "TYPE_CHECKING"
        for n in ast.walk(s)
    }
    for node in ast.walk(tree):
        if id(node) in hints:
            continue
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] in OURS}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            for alias in node.names:
                found.add(f"{node.module}:{alias.name}")  # a module or a name in one: what exists now decides
    return found


def _modules(imported: "Sequence[str]") -> "tuple[str, ...]":
    """Name the modules of ours that a file imports, as they lie now."""
    found = set()
    for name in imported:
        package, _, inner = name.partition(":")
        whole = f"{package}.{inner}" if inner else package
        found.add(whole if module_file(whole).exists() else package)
    return tuple(sorted(n for n in found if n not in OURS and n != "assay_worker.canonical"))


def _read_cache(path: Path | None) -> dict[str, list[object]]:
    if path is None or not os.path.exists(path):
        return {}
    try:
        facts = json.loads(path.read_text())
        whole = all(isinstance(tree, str) and isinstance(own, list) for tree, own in facts.values())
        return facts if whole else {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
