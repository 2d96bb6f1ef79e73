"""Where an expression of upstream gets its value from: the values it may have, each with the line that says so."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

from assay.upstream.abstract import UNKNOWN, Items, Pattern, plain
from assay.upstream.callers import Callers, Place, arguments, defaults, parameters_of
from assay.upstream.changes import NAMESPACES, Changes
from assay.upstream.evaluate import PURE, evaluate
from assay.upstream.index import BLOCKS, Constant, Define, Function, Index, Outside, pairs, statements
from assay.upstream.labelfiles import Names
from assay.upstream.options import Options
from assay.upstream.settings import Settings

DEEPEST, MOST, MOST_CALLERS, MOST_STEPS = 7, 6, 8, 4_000
LEAVES = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.ListComp, ast.GeneratorExp)


class Origin(NamedTuple):
    """A value, and the line from which it comes."""

    value: Any
    by: str  # call | config | labels | literal | constant | docs
    where: str
    text: str


class Given(NamedTuple):
    """What a statement gives to a name, and the conditions that it stands under."""

    value: "ast.expr | None"  # None: something that is no expression
    guards: "tuple[tuple[ast.expr, bool], ...]" = ()


class Origins:
    """Traces expressions of a tree back to what gives them their values."""

    def __init__(self, index: Index, settings: Settings, options: Options, names: Names) -> None:
        self.index, self.settings, self.options, self.names = index, settings, options, names
        self.steps = 0
        self.loose = False  # whether the last values came by something that code changes later
        self.changes = Changes(index)
        self.callers = Callers(index)
        self._locals: dict[ast.AST, dict[str, list[Given]]] = {}

    def of(self, node: ast.expr, place: Place) -> "list[Origin]":
        """List the plain values that an expression may have, the likeliest first."""
        self.steps, self.loose = 0, False
        found: dict[str, Origin] = {}
        try:
            traced = self.trace(node, place, 0)
        except RecursionError:
            return []
        for origin in traced:
            placeholder = origin.value is None and not isinstance(node, ast.Constant)
            if plain(origin.value) and not isinstance(origin.value, Pattern) and not placeholder:
                found.setdefault(repr(origin.value), origin)
        return list(found.values())[:MOST]

    # ------------------------------------------------------------ tracing
    def trace(self, node: ast.expr, place: Place, depth: int) -> "list[Origin]":
        """List the values that an expression may have; what is not known is left out."""
        self.steps += 1
        if depth > DEEPEST or self.steps > MOST_STEPS:
            return []
        if isinstance(node, LEAVES):
            return self._leaf(node, place, depth)[:MOST]
        parts = list(_leaves(node))
        if not parts:
            value = evaluate(node, lambda _: UNKNOWN)
            return [] if value is UNKNOWN else [self._here(value, node, place, "call")]
        traced = [self.trace(part, place, depth + 1)[:3] for part in parts]
        shape = _replaced(node, {id(part): ast.Name(str(number)) for number, part in enumerate(parts)})
        found = []
        for choice in islice(product(*traced), MOST):
            value = evaluate(shape, _reader([origin.value for origin in choice]))
            if value is not UNKNOWN:
                told = choice[0] if len(parts) == 1 else self._here(value, node, place, choice[0].by)
                found.append(told._replace(value=value))
        return found

    def _here(self, value: Any, node: ast.expr, place: Place, by: str) -> Origin:
        return Origin(value, by, place.file.where(node), place.file.line(node.lineno))

    def _leaf(self, node: ast.expr, place: Place, depth: int) -> "list[Origin]":
        if isinstance(node, ast.Name):
            return self._name(node.id, place, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, place, depth)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, place, depth)
        if isinstance(node, ast.Call):
            return self._call(node, place, depth)
        return self._read_names(node, place, depth)

    def _name(self, name: str, place: Place, depth: int) -> "list[Origin]":
        for count in range(len(place.functions), 0, -1):
            function = place.functions[count - 1]
            inside = place._replace(functions=place.functions[:count])
            given = self.locals(function).get(name)
            if given:
                self.loose = self.loose or any(g.value is None for g in given)
                values = self._likely(given, inside, depth)
                return self._each(values, inside, depth + 1)
            if name in parameters_of(function):
                return self._parameter(function, name, inside, depth)
        return self._constant(self.index.meaning(place.file, name), depth)

    def _constant(self, thing: Any, depth: int) -> "list[Origin]":
        if not isinstance(thing, Constant):
            return []
        self.loose = self.loose or self.changes.of_constant(thing.name)
        found = self._each(list(reversed(thing.file.assigned[thing.name]))[:3], Place(thing.file), depth + 1)
        return [origin._replace(by="constant") if origin.by == "call" else origin for origin in found]

    def _each(self, values: "Sequence[ast.expr]", place: Place, depth: int) -> "list[Origin]":
        """Trace alternatives; what comes of the others is not firm when one of them leads nowhere."""
        found = []
        for value in values:
            one = self.trace(value, place, depth)
            self.loose = self.loose or not one
            found += one
        return found

    def _parameter(self, function: Function, name: str, place: Place, depth: int) -> "list[Origin]":
        """Trace a parameter to what its callers give, and to its default."""
        outer = place.owner if len(place.functions) == 1 else None
        define = Define(place.file, function, function.name, outer)
        if outer is not None and function.name == "__init__":
            define = Define(place.file, outer.node, outer.node.name)
        found = []
        calls = self.callers.of(define)
        self.loose = self.loose or len(calls) > MOST_CALLERS or any(_spreads(call.node) for call in calls)
        for call in calls[:MOST_CALLERS]:
            given = arguments(call.node, function, bound=place.owner is not None).get(name)
            if given is not None:
                found += self._each([given], call.place, depth + 1)
        default = defaults(function).get(name)
        if default is not None:
            around = place._replace(functions=place.functions[:-1])
            told = self._each([default], around, depth + 1)
            found += [o._replace(by="constant") if o.by == "call" else o for o in told]
        return found

    def _likely(self, given: "list[Given]", place: Place, depth: int) -> "list[ast.expr]":
        """Order what a name is given: the last first, but what stands under a condition that fails at the end."""
        fails = {id(g): any(self._fails(test, sense, place, depth) for test, sense in g.guards) for g in given}
        order = sorted(reversed(given), key=lambda g: fails[id(g)])
        return [g.value for g in order if g.value is not None][:4]

    def _fails(self, test: ast.expr, sense: bool, place: Place, depth: int) -> bool:
        loose = self.loose
        values = self.trace(test, place, depth + 2)
        self.loose = loose
        return bool(values) and bool(values[0].value) is not sense

    def locals(self, function: Function) -> "dict[str, list[Given]]":
        """List what a function gives to each of its names."""
        if function not in self._locals:
            found: dict[str, list[Given]] = {}
            for node, guards in _guarded(function.body, ()):
                for target, value in pairs(node):
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(Given(value, guards))
                for name in _unsaid(node):
                    found.setdefault(name, []).append(Given(None))
            self._locals[function] = found
        return self._locals[function]

    def _attribute(self, node: ast.Attribute, place: Place, depth: int) -> "list[Origin]":
        base = node.value
        if isinstance(base, ast.Name) and base.id == "self" and place.owner is not None:
            return self._of_self(node.attr, place.owner, depth)
        if isinstance(base, ast.Name) and (base.id in NAMESPACES or self._parsed(base.id, place)):
            found = self._option(node.attr, place)
            if found:
                return found
        thing = self.index.dotted(place.file, node)
        if isinstance(thing, Constant):
            return self._constant(thing, depth)
        owner = self.index.dotted(place.file, base)
        if owner is None or isinstance(owner, Constant):
            owner = self._made_of(base, place)
        if isinstance(owner, Define) and isinstance(owner.node, ast.ClassDef):
            return self._of_self(node.attr, owner, depth)
        if isinstance(base, ast.Name) and base.id in NAMESPACES:
            return self.setting(node.attr, "")
        return []

    def _made_of(self, node: ast.expr, place: Place) -> Any:
        """Find the class whose object a name holds."""
        if not isinstance(node, ast.Name):
            return None
        values = [g.value for f in place.functions for g in self.locals(f).get(node.id, ())]
        values += place.file.assigned.get(node.id, ())
        classes = [self.index.dotted(place.file, v.func) for v in values if isinstance(v, ast.Call)]
        return classes[-1] if classes else None

    def _parsed(self, name: str, place: Place) -> bool:
        """Tell whether a name stands for what a command line gave."""
        values: list[ast.expr | None] = []
        for function in place.functions:
            values += [g.value for g in self.locals(function).get(name, ())]
        values += place.file.assigned.get(name, ())
        calls = [v.func for v in values if isinstance(v, ast.Call)]
        return any(getattr(c, "attr", "") in ("parse_args", "parse_known_args", "parse") for c in calls)

    def _option(self, name: str, place: Place) -> "list[Origin]":
        found = []
        self.loose = self.loose or self.changes.of_option(name)
        for file, option in self.options.named(name, place.file):
            by_document = self.options.documented(file.path, option)
            found += [Origin(value, "docs", where, text) for value, where, text in by_document]
            if plain(option.default) and option.default is not None:
                found.insert(0, Origin(option.default, "config", f"{file.path}:{option.line}", file.line(option.line)))
        return found

    def _of_self(self, name: str, owner: Define, depth: int) -> "list[Origin]":
        self.loose = self.loose or self.changes.of_attribute(name)
        found = []
        for define in self.index.lineage(owner):
            body: Sequence[ast.stmt] = getattr(define.node, "body", [])
            values = [v for s in body for t, v in pairs(s) if isinstance(t, ast.Name) and t.id == name]
            found += self._each(values, Place(define.file, (), define), depth + 1)
            for function in (s for s in body if isinstance(s, ast.FunctionDef)):
                values = [v for s in statements(function.body) for t, v in pairs(s) if _is_own(t, name)]
                found += self._each(values, Place(define.file, (function,), define), depth + 1)
        return found

    def setting(self, key: str, file: str) -> "list[Origin]":
        """List what files of settings say to a key."""
        files = [file] if file else self.settings.used
        lines = [s for f in files for s in self.settings.lines(f).get(key, ())]
        distinct = {repr(s.value) for s in lines}
        return [Origin(s.value, "config", s.where, s.text) for s in lines] if 0 < len(distinct) <= 4 else []

    def _subscript(self, node: ast.Subscript, place: Place, depth: int) -> "list[Origin]":
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        found, loose = [], self.loose
        for origin in self.trace(node.value, place, depth + 1):
            value = evaluate(ast.Subscript(ast.Name("x"), node.slice), _giver(origin.value))
            if value is not UNKNOWN and value is not None:
                found.append(origin._replace(value=value))
        if found or not isinstance(key, str):
            return found
        self.loose = loose
        return self.setting(key, self._file_of(node.value, place, depth))

    def _file_of(self, node: ast.expr, place: Place, depth: int) -> str:
        """Find the one file of settings that a table was loaded from."""
        if isinstance(node, ast.Name):
            for function in reversed(place.functions):
                for value, _ in self.locals(function).get(node.id, ()):
                    if isinstance(value, ast.Call) and value.args:
                        names = [
                            o.value for o in self.trace(value.args[0], place, depth + 1) if isinstance(o.value, str)
                        ]
                        files = [f for f in map(self.settings.find, names) if f]
                        return files[0] if files else ""
        return ""

    def _call(self, node: ast.Call, place: Place, depth: int) -> "list[Origin]":
        name = self._called(node, place)
        if name == "len" and len(node.args) == 1:
            return self._length(node.args[0], place, depth)
        if name in PURE and not node.keywords:
            return self._pure(PURE[name], node, place, depth)
        if name in ("open", "readlines", "read", "splitlines", "strip", "split"):
            return self._read_names(node, place, depth)
        if name in ("safe_load", "load") and node.args:
            return self._loaded(node.args[0], place, depth)
        thing = self.index.dotted(place.file, node.func)
        if isinstance(thing, Define) and isinstance(thing.node, ast.FunctionDef):
            returned = [
                s.value for s in statements(thing.node.body) if isinstance(s, ast.Return) and s.value is not None
            ]
            inside = Place(thing.file, (thing.node,), thing.outer)
            return self._each(returned[:3], inside, depth + 2)
        return []

    def _called(self, node: ast.Call, place: Place) -> str:
        if isinstance(node.func, ast.Attribute):
            thing = self.index.dotted(place.file, node.func)
            return thing.name if isinstance(thing, Outside) and thing.name in PURE else node.func.attr
        return getattr(node.func, "id", "")

    def _pure(self, function: "Callable[..., Any]", node: ast.Call, place: Place, depth: int) -> "list[Origin]":
        traced = [self.trace(arg, place, depth + 1)[:3] for arg in node.args]
        found = []
        for choice in islice(product(*traced), MOST):
            try:
                value = function(*(o.value for o in choice))
            except Exception:  # whatever upstream asks of a builtin may fail
                continue
            told = choice[0] if choice else self._here(value, node, place, "call")
            found.append(told._replace(value=value))
        return found

    def _length(self, node: ast.expr, place: Place, depth: int) -> "list[Origin]":
        found = []
        for origin in self.trace(node, place, depth + 1):
            if isinstance(origin.value, (list, tuple, dict, str)) and not getattr(origin.value, "rest", ()):
                words = isinstance(origin.value, (list, tuple)) and all(isinstance(v, str) for v in origin.value)
                found.append(origin._replace(value=len(origin.value), by="labels" if words else origin.by))
        return found

    def _read_names(self, node: ast.expr, place: Place, depth: int) -> "list[Origin]":
        """Find the label file that an expression reads line by line."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "open" and inner.args:
                names = [o.value for o in self.trace(inner.args[0], place, depth + 1)]
                found = [self.names.file(n) for n in names if isinstance(n, str)]
                return [Origin(Items(f.names), "labels", f.where, "") for f in found if f]
        return []

    def _loaded(self, node: ast.expr, place: Place, depth: int) -> "list[Origin]":
        inner = node.args[0] if isinstance(node, ast.Call) and node.args else node
        found = []
        for origin in self.trace(inner, place, depth + 1):
            path = self.settings.find(origin.value) if isinstance(origin.value, str) else ""
            if path:
                found.append(Origin(self.settings.values(path), "config", f"{path}:1", ""))
        return found


def _is_own(target: ast.expr, name: str) -> bool:
    own = isinstance(target, ast.Attribute) and target.attr == name
    return own and getattr(target.value, "id", "") == "self"  # type: ignore[attr-defined]


def _spreads(call: ast.Call) -> bool:
    """Tell whether a call passes more than it says."""
    return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)


def _unsaid(node: ast.stmt) -> "Iterator[str]":
    """Name what a statement gives a value that is no expression of its own."""
    targets: list[ast.expr] = []
    if isinstance(node, (ast.For, ast.AugAssign)):
        targets = [node.target]
    elif isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
    else:
        targets = [target for target, _ in pairs(node) if isinstance(target, (ast.Tuple, ast.List))]
    yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))


def _guarded(
    body: "Sequence[ast.stmt]", guards: "tuple[tuple[ast.expr, bool], ...]"
) -> "Iterator[tuple[ast.stmt, tuple[tuple[ast.expr, bool], ...]]]":
    """Give statements with the conditions that they stand under; a chain of elif may be long, so by a stack."""
    waiting = [(node, guards) for node in reversed(body)]
    while waiting:
        node, around = waiting.pop()
        yield node, around
        further: list[tuple[ast.stmt, tuple[tuple[ast.expr, bool], ...]]] = []
        if isinstance(node, ast.If):
            further += [(inner, (*around, (node.test, True))[-6:]) for inner in node.body]
            further += [(inner, (*around, (node.test, False))[-6:]) for inner in node.orelse]
        elif isinstance(node, BLOCKS):
            handlers = [s for h in getattr(node, "handlers", ()) for s in h.body]
            blocks = [*node.body, *getattr(node, "orelse", ()), *getattr(node, "finalbody", ()), *handlers]
            further += [(inner, around) for inner in blocks]
        waiting += reversed(further)


def _replaced(node: Any, names: "dict[int, ast.Name]") -> Any:
    """Copy an expression with numbered names in the place of some of its parts."""
    if isinstance(node, list):
        return [_replaced(inner, names) for inner in node]
    if not isinstance(node, ast.AST) or id(node) in names:
        return names.get(id(node), node)
    new = type(node)(**{field: _replaced(value, names) for field, value in ast.iter_fields(node)})
    return ast.copy_location(new, node)


def _reader(values: "list[Any]") -> "Callable[[ast.expr], Any]":
    return lambda node: values[int(node.id)] if isinstance(node, ast.Name) and node.id.isdigit() else UNKNOWN


def _giver(value: Any) -> "Callable[[ast.expr], Any]":
    return lambda node: value if isinstance(node, ast.Name) and node.id == "x" else UNKNOWN


def _leaves(node: ast.AST) -> "Iterable[ast.expr]":
    for child in ast.iter_child_nodes(node):
        if isinstance(child, LEAVES):
            yield child
        else:
            yield from _leaves(child)
