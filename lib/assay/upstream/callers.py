"""The calls in upstream's files, and which class or function each of them means."""

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

from assay.upstream.index import Bound, Constant, Define, File, Function, Index, statements


class Place(NamedTuple):
    """Where in a file an expression stands: inside which functions, the outermost first, and which class."""

    file: File
    functions: "tuple[Function, ...]" = ()
    owner: "Define | None" = None


class Calling(NamedTuple):
    """A call, and where it stands."""

    node: ast.Call
    place: Place


class Callers:
    """Finds the calls of a class or function."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._imports: dict[ast.AST, dict[str, Bound]] = {}
        self._calls: dict[str, list[Calling]] = {}
        self._known: dict[Define, list[Calling]] = {}

    def calls(self, file: File) -> "list[Calling]":
        """List every call of a file."""
        if file.path not in self._calls:
            self._calls[file.path] = list(_calls(file))
        return self._calls[file.path]

    def of(self, define: Define) -> "list[Calling]":
        """List the calls of a class or function throughout the trees."""
        if define not in self._known:
            name = define.node.name
            files = [file for file in self.index.files.values() if name in file.text]
            self._known[define] = [c for file in files for c in self.calls(file) if self._means(c, define)]
        return self._known[define]

    def _means(self, call: Calling, define: Define) -> bool:
        function = call.node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Subscript):
            return self._chosen(function, call.place, define)
        file = call.place.file
        if name != define.node.name and not self._renamed(name, define, call.place):
            return False
        if define.outer is not None:  # a method is known by its name alone, of its own class first
            return name == define.node.name and isinstance(function, ast.Attribute)
        known = self.index.dotted(file, function)
        if known is None:
            known = self._imported_inside(function, call.place)
        if known is None and name == define.node.name:
            others = [f for f in self.index.files.values() if name in f.defs]
            return len(others) == 1 and isinstance(function, ast.Name)
        return known == define

    def _imported_inside(self, function: ast.expr, place: Place) -> Any:
        names: dict[str, Bound] = {}
        for outer in place.functions:
            names.update(self._bound(outer, place.file))
        if isinstance(function, ast.Name) and function.id in names:
            return self.index.imported(place.file, names[function.id])
        if isinstance(function, ast.Attribute) and getattr(function.value, "id", None) in names:
            return self.index.attribute(self.index.imported(place.file, names[function.value.id]), function.attr)  # type: ignore[attr-defined]
        return None

    def _bound(self, function: Function, file: File) -> "dict[str, Bound]":
        if function not in self._imports:
            names: dict[str, Bound] = {}
            for node in statements(function.body) if "import" in file.text else ():
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    file.bind(node, names)
            self._imports[function] = names
        return self._imports[function]

    def _renamed(self, name: str, define: Define, place: Place) -> bool:
        """Tell whether an import gives a definition another name."""
        tables = [place.file.imports, *(self._bound(function, place.file) for function in place.functions)]
        return any(name in names and names[name].name == define.node.name for names in tables)

    def _chosen(self, function: ast.Subscript, place: Place, define: Define) -> bool:
        """Tell whether a table that a call chooses from holds the definition."""
        base = function.value
        if isinstance(base, ast.Attribute) and base.attr == "__dict__":
            module = self.index.dotted(place.file, base.value)
            return getattr(module, "file", None) is define.file
        thing = self.index.dotted(place.file, base)
        table = thing.file.assigned[thing.name][-1] if isinstance(thing, Constant) else None
        if not isinstance(table, ast.Dict) or not isinstance(thing, Constant):
            return False
        return any(self.index.dotted(thing.file, value) == define for value in table.values)


def _calls(file: File) -> "Iterator[Calling]":
    waiting: list[tuple[ast.AST, Place]] = [(file.tree, Place(file))]
    while waiting:
        node, place = waiting.pop()
        if isinstance(node, ast.Call):
            yield Calling(node, place)
        inner = place
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = place._replace(functions=(*place.functions, node))
        elif isinstance(node, ast.ClassDef):
            inner = Place(file, (), Define(file, node, node.name))
        waiting += [(child, inner) for child in reversed(list(ast.iter_child_nodes(node)))]


def parameters_of(function: Function) -> "list[str]":
    """List the names of a function's parameters."""
    asked = function.args
    return [a.arg for a in [*asked.posonlyargs, *asked.args, *asked.kwonlyargs]]


def hint(function: Function, name: str) -> str:
    """Give the text of a parameter's annotation; "" without one."""
    asked = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    found = next((a.annotation for a in asked if a.arg == name), None)
    return ast.unparse(found) if found is not None else ""


def defaults(function: Function) -> "dict[str, ast.expr]":
    """List the defaults of a function's parameters."""
    asked = function.args
    names = [a.arg for a in [*asked.posonlyargs, *asked.args]]
    found = dict(zip(reversed(names), reversed(asked.defaults)))
    return {**found, **{a.arg: d for a, d in zip(asked.kwonlyargs, asked.kw_defaults) if d is not None}}


def arguments(call: ast.Call, function: Function, *, bound: bool) -> "dict[str, ast.expr]":
    """Tell which expression of a call is which parameter of a function."""
    names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]][1 if bound else 0 :]
    found: dict[str, ast.expr] = {}
    for name, given in zip(names, call.args):
        if isinstance(given, ast.Starred):
            break
        found[name] = given
    return {**found, **{k.arg: k.value for k in call.keywords if k.arg}}
