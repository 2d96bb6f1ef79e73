"""What every Python file of upstream's trees defines, assigns and imports, and what a name in one of them means."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union

from assay.records import Module
from assay.upstream.finding import Finding

MOST_HOPS = 12
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
BLOCKS = (ast.If, ast.Try, ast.With, ast.For, ast.While)


class Bound(NamedTuple):
    """What an import binds to a name."""

    module: str
    name: str  # "" of the module itself


class File:
    """One parsed file: its definitions, assignments and imports at the outermost level."""

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        self.path, self.text, self.tree = path, text, tree
        self.name, _, self.inner = path.partition("/")
        self.defs: dict[str, Define] = {}
        self.assigned: dict[str, list[ast.expr]] = {}
        self.imports: dict[str, Bound] = {}
        self.stars: list[str] = []
        self._lines: list[str] = []
        for node in statements(tree.body):
            self._take(node)

    def _take(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            self.defs[node.name] = Define(self, node, node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.bind(node, self.imports)
        else:
            for target, value in pairs(node):
                if isinstance(target, ast.Name):
                    self.assigned.setdefault(target.id, []).append(value)

    def bind(self, node: "ast.Import | ast.ImportFrom", into: "dict[str, Bound]") -> None:
        """Add what an import statement binds."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                into[alias.asname or top] = Bound(alias.name if alias.asname else top, "")
            return
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                into[alias.asname or alias.name] = Bound(module, alias.name)

    def line(self, number: int) -> str:
        """Give a line of the text, without the space around it."""
        self._lines = self._lines or self.text.splitlines()
        return self._lines[number - 1].strip()[:300] if 0 < number <= len(self._lines) else ""

    def where(self, node: "ast.expr | ast.stmt") -> str:
        """Give a node's place."""
        return f"{self.path}:{node.lineno}"


@dataclass(frozen=True)
class Define:
    """A class or function of the tree."""

    file: File
    node: "ast.ClassDef | Function"
    qualname: str
    outer: "Define | None" = None


@dataclass(frozen=True)
class Constant:
    """A name that a file gives values to."""

    file: File
    name: str


@dataclass(frozen=True)
class Package:
    """A module of the tree, or a folder of modules."""

    file: "File | None"
    module: str
    importer: File


@dataclass(frozen=True)
class Outside:
    """A name from outside the tree, dotted."""

    name: str


Thing = Union[Define, Constant, Package, Outside]


class Index:
    """All parsed files, and what a name means in each."""

    def __init__(self, files: "Sequence[File]", modules: Sequence[Module]) -> None:
        self.files = {file.path: file for file in files}
        self.modules = {module.path: module for module in modules}
        self.finding = Finding(modules)
        self._known: dict[tuple[str, str], Thing | None] = {}

    def definitions(self) -> "Iterator[Define]":
        """Give every class and function at the outermost level of a file."""
        for file in self.files.values():
            yield from file.defs.values()

    def meaning(self, file: File, name: str, hops: int = 0) -> "Thing | None":
        """Find what a name at a file's outermost level is; None when nothing says."""
        key = (file.path, name)
        if key not in self._known:
            if hops > MOST_HOPS:
                return None
            self._known[key] = None  # of a name that leads back to itself
            self._known[key] = self._meaning(file, name, hops)
        return self._known[key]

    def _meaning(self, file: File, name: str, hops: int) -> "Thing | None":
        if name in file.defs:
            return file.defs[name]
        if name in file.imports:  # also of a name that is assigned later: what is called is more often the import
            found = self.imported(file, file.imports[name], hops)
            if found or name not in file.assigned:
                return found
        if name in file.assigned:
            return Constant(file, name)
        for module in file.stars:
            target = self.module(file, module)
            found = self.meaning(target, name, hops + 1) if target and target is not file else None
            if found:
                return found
        return None

    def imported(self, file: File, bound: Bound, hops: int = 0) -> "Thing | None":
        """Find what an import of a file means."""
        local = self.finding.find(file.name, file.inner, bound.module, [bound.name] if bound.name else [])
        if local is None or (bound.name and not local.files and not bound.module.startswith(".")):
            return Outside(f"{bound.module}.{bound.name}".strip("."))
        if not bound.name:
            return Package(self.module(file, bound.module), bound.module, file)
        package = self.module(file, bound.module)
        found = self.meaning(package, bound.name, hops + 1) if package and package is not file else None
        if found:
            return found
        inner = self.module(file, _dotted(bound.module, bound.name))
        return Package(inner, _dotted(bound.module, bound.name), file) if inner else None

    def module(self, file: File, module: str) -> "File | None":
        """Find the file of a module as a file imports it."""
        parent, _, name = module.rpartition(".")
        asked = ("." * (len(module) - len(module.lstrip("."))), [name]) if not parent.strip(".") and parent else None
        wanted = asked if asked and name else (module, [])
        local = self.finding.find(file.name, file.inner, *wanted)
        if local is None or not local.files or local.missing:
            return None
        last = local.files[-1]
        stem = last.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
        if name and stem != name:
            return None
        return self.files.get(f"{file.name}/{last}")

    def attribute(self, thing: "Thing | None", name: str) -> "Thing | None":
        """Find what an attribute of a module or class is."""
        if isinstance(thing, Outside):
            return Outside(f"{thing.name}.{name}")
        if isinstance(thing, Package):
            found = self.meaning(thing.file, name) if thing.file else None
            if found:
                return found
            dotted = _dotted(thing.module, name)
            inner = self.module(thing.importer, dotted)
            local = inner or self.finding.find(thing.importer.name, thing.importer.inner, dotted, [])
            return Package(inner, dotted, thing.importer) if local else None
        if isinstance(thing, Define) and isinstance(thing.node, ast.ClassDef):
            return self.member(thing, name)
        return None

    def dotted(self, file: File, node: ast.expr) -> "Thing | None":
        """Find what a name with dots is."""
        if isinstance(node, ast.Name):
            return self.meaning(file, node.id)
        if isinstance(node, ast.Attribute):
            return self.attribute(self.dotted(file, node.value), node.attr)
        return None

    def bases(self, define: Define) -> "list[Thing | None]":
        """Find what a class inherits from."""
        return [self.dotted(define.file, base) for base in getattr(define.node, "bases", [])]

    def lineage(self, define: Define) -> "list[Define]":
        """List a class and those of the tree that it inherits from, nearest first."""
        found: list[Define] = []
        waiting = [define]
        while waiting and len(found) < MOST_HOPS:
            here = waiting.pop(0)
            if here not in found:
                found.append(here)
                waiting[:0] = [b for b in self.bases(here) if isinstance(b, Define)]
        return found

    def member(self, define: Define, name: str) -> "Define | None":
        """Find a method or inner class, also of what a class inherits from."""
        for owner in self.lineage(define):
            for node in getattr(owner.node, "body", []):
                kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
                if isinstance(node, kinds) and node.name == name:
                    return Define(owner.file, node, f"{owner.qualname}.{name}", owner)
        return None


def statements(body: "Sequence[ast.stmt]") -> "Iterator[ast.stmt]":
    """Give the statements of a body and of the blocks in it, in order, without going into definitions."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, BLOCKS):
            inner = [*node.body, *getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
            for handler in getattr(node, "handlers", []):
                inner += handler.body
            waiting += reversed(inner)


def pairs(node: ast.stmt) -> "Iterator[tuple[ast.expr, ast.expr]]":
    """Give what an assignment gives to what; of tuples on both sides, one by one."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        sides = (target, node.value)
        if all(isinstance(s, (ast.Tuple, ast.List)) for s in sides) and _alike(target, node.value):
            yield from zip(target.elts, node.value.elts)  # type: ignore[attr-defined]
        else:
            yield target, node.value


def _alike(left: ast.expr, right: ast.expr) -> bool:
    sides: list[list[ast.expr]] = [left.elts, right.elts]  # type: ignore[attr-defined]
    starred = any(isinstance(e, ast.Starred) for side in sides for e in side)
    return len(sides[0]) == len(sides[1]) and not starred


def _dotted(module: str, name: str) -> str:
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def unparsed(node: ast.AST) -> str:
    """Write an expression as text; one that is nested too deep as dots."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return "..."
