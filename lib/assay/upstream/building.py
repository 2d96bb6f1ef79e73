"""Builds a class of upstream in the abstract: runs its __init__ on what is known, for the names of its weights."""

import ast
from typing import Any

from assay.upstream import library, running
from assay.upstream.abstract import (
    UNKNOWN,
    Closure,
    Either,
    Items,
    Method,
    Node,
    Partial,
    Pattern,
    Unknown,
    either,
    mapped,
    plain,
)  # fmt: skip
from assay.upstream.evaluate import evaluate, is_choice, spread, truth
from assay.upstream.index import Constant, Define, File, Index, Outside, Package, Thing, pairs
from assay.upstream.methods import METHODS, method
from assay.upstream.settings import Settings

DEEPEST, MOST_STEPS = 30, 60_000
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Spent(Exception):
    """More steps than one candidate may take."""


class Frame:
    """What a running function knows."""

    def __init__(self, file: File, env: "dict[str, Any]", owner: "Define | None" = None, first: str = "") -> None:
        self.file, self.env, self.owner, self.first = file, env, owner, first
        self.maybe = 0  # above 0: what happens now may happen or not, or any number of times
        self.returned: list[Any] = []


class Builder:
    """Runs constructors and factories of a tree in the abstract."""

    def __init__(self, index: Index, settings: "Settings | None" = None) -> None:
        self.index, self.settings = index, settings
        self.steps = self.depth = 0
        self._constants: dict[tuple[str, str], Any] = {}
        self._choices: dict[ast.AST, Any] = {}
        self._generators: dict[ast.AST, bool] = {}
        self._made: dict[tuple[Any, ...], Node] = {}

    def build(self, define: Define, kwargs: "dict[str, Any] | None" = None) -> Any:
        """Build with defaults and what is given; whatever else is asked for is unknown."""
        self.steps = self.depth = 0
        try:
            return self.call(define, Items(), kwargs or {})
        except (Spent, RecursionError):
            return UNKNOWN

    def known(self, node: "ast.expr | None", frame: Frame) -> Any:
        """Evaluate an expression on its own; None when there is none."""
        self.steps = self.depth = 0
        try:
            return self.evaluate(node, frame) if node is not None else None
        except (Spent, RecursionError):
            return UNKNOWN

    # ------------------------------------------------------------ names
    def value(self, thing: "Thing | None") -> Any:
        """Give what a name of the tree stands for."""
        if not isinstance(thing, Constant):
            return UNKNOWN if thing is None else thing
        key = (thing.file.path, thing.name)
        if key not in self._constants:
            self._constants[key] = UNKNOWN
            frame = Frame(thing.file, {})
            self._constants[key] = self.evaluate(thing.file.assigned[thing.name][-1], frame)
        return self._constants[key]

    def evaluate(self, node: ast.expr, frame: Frame) -> Any:
        """Evaluate an expression."""
        return evaluate(node, lambda inner: self._look(inner, frame))

    def _look(self, node: ast.expr, frame: Frame) -> Any:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Spent
        if isinstance(node, ast.Name):
            return self._name(node.id, frame)
        if isinstance(node, ast.Attribute):
            return self.attribute(self.evaluate(node.value, frame), node.attr)
        if isinstance(node, ast.Call):
            return self._call(node, frame)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            return self._comprehended(node, frame)
        if isinstance(node, ast.DictComp):
            return self._table(node, frame)
        if isinstance(node, ast.Lambda):
            return Closure(frame.file, node, frame.env)
        if isinstance(node, ast.NamedExpr):
            self._assign(node.target, self.evaluate(node.value, frame), frame)
            return self._name(node.target.id, frame)
        return self._choice(node, frame) if is_choice(node) else UNKNOWN

    def _choice(self, node: ast.expr, frame: Frame) -> Any:
        """Evaluate a long list of names once; of names that are all the file's own it stays the same."""
        if node not in self._choices:
            parts: list[ast.expr] = node.elts  # type: ignore[attr-defined]
            values = [self.evaluate(part, frame) for part in parts]
            if any(isinstance(n, ast.Name) and n.id in frame.env for p in parts for n in ast.walk(p)):
                return Items(values)
            fixed = all(isinstance(v, (Define, Outside)) for v in values)
            self._choices[node] = frozenset(values) if fixed else Items(values)
        return self._choices[node]

    def _name(self, name: str, frame: Frame) -> Any:
        if name in frame.env:
            return frame.env[name]
        thing = self.index.meaning(frame.file, name)
        return self.value(thing) if thing else Outside(name)

    def attribute(self, value: Any, name: str) -> Any:
        """Give an attribute of a value."""
        if isinstance(value, Either):
            return mapped(lambda v: self.attribute(v, name), value)
        if isinstance(value, Node):
            return self._of_node(value, name)
        if isinstance(value, Define) and isinstance(value.node, ast.ClassDef):
            return self._of_class(value, name)
        if isinstance(value, (Package, Outside)):
            found = self.index.attribute(value, name)
            return self.value(found)
        if isinstance(value, (list, dict, str, tuple)):
            return Method(value, name)
        return UNKNOWN

    def _of_node(self, node: Node, name: str) -> Any:
        if name in node.children or name in node.attrs or name in node.leaves:
            return node.get(name)
        if isinstance(node.kind, Define):
            found = self._of_class(node.kind, name)
            if isinstance(found, Define) and isinstance(found.node, FUNCTIONS):
                return self._method(node, found)
            if not isinstance(found, Unknown):
                return found
        return Method(node, name) if name in METHODS else UNKNOWN

    def _method(self, node: Node, define: Define) -> Any:
        words = {getattr(d, "id", getattr(d, "attr", "")) for d in getattr(define.node, "decorator_list", [])}
        if "property" in words:
            return self.call(define, Items([node]), {})
        return define if "staticmethod" in words else Method(node, define)

    def _of_class(self, define: Define, name: str) -> Any:
        if name == "__name__":
            return define.node.name
        member = self.index.member(define, name)
        if member:
            return member
        for owner in self.index.lineage(define):
            for statement in getattr(owner.node, "body", []):
                for target, expression in pairs(statement):
                    if isinstance(target, ast.Name) and target.id == name:
                        return self.evaluate(expression, Frame(owner.file, {}))
        return UNKNOWN

    # ------------------------------------------------------------ calls
    def _call(self, node: ast.Call, frame: Frame) -> Any:
        function = self._called(node.func, frame)
        args = Items()
        for given in node.args:
            if isinstance(given, ast.Starred):
                inner = spread(self.evaluate(given.value, frame))
                for value in inner:
                    args.add(value, maybe=False)
                args.rest += inner.rest
            else:
                args.add(self.evaluate(given, frame), maybe=False)
        kwargs = {k.arg: self.evaluate(k.value, frame) for k in node.keywords if k.arg}
        for keyword in node.keywords:
            more = self.evaluate(keyword.value, frame) if keyword.arg is None else {}
            if isinstance(more, dict):
                kwargs.update({str(key): value for key, value in more.items()})
        if isinstance(function, Outside) and function.name in library.SYNTAX:
            return library.SYNTAX[function.name](self, frame, args, kwargs)
        return self.call(function, args, kwargs, frame)

    def _called(self, node: ast.expr, frame: Frame) -> Any:
        above = node.value.func if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) else None
        if isinstance(above, ast.Name) and above.id == "super" and isinstance(node, ast.Attribute):
            return self._super(node.attr, frame)
        return self.evaluate(node, frame)

    def _super(self, name: str, frame: Frame) -> Any:
        node = frame.env.get(frame.first)
        if not isinstance(node, Node) or not isinstance(node.kind, Define) or frame.owner is None:
            return UNKNOWN
        line = self.index.lineage(node.kind)
        rest = line[line.index(frame.owner) + 1 :] if frame.owner in line else []
        for owner in rest:
            for statement in getattr(owner.node, "body", []):
                if isinstance(statement, FUNCTIONS) and statement.name == name:
                    return Method(node, Define(owner.file, statement, f"{owner.qualname}.{name}", owner))
        return Method(node, f"super {name}") if name == "__init__" else Method(node, name)

    def call(self, function: Any, args: Items, kwargs: "dict[str, Any]", frame: "Frame | None" = None) -> Any:
        """Call a value."""
        maybe = bool(frame and frame.maybe)
        if isinstance(function, Either):
            return either([self.call(f, args, kwargs, frame) for f in function.options[:4]])
        if isinstance(function, Partial):
            return self.call(
                function.target, Items([*function.args, *args], args.rest), {**function.kwargs, **kwargs}, frame
            )
        if isinstance(function, Method):
            if isinstance(function.define, str):
                return method(self, function.owner, function.define, args, kwargs, maybe)
            return self.call(function.define, Items([function.owner, *args], args.rest), kwargs, frame)
        if isinstance(function, Outside):
            return library.outside(self, function.name, args, kwargs, maybe)
        if isinstance(function, Node):
            return UNKNOWN  # a forward pass
        if isinstance(function, (Define, Closure)):
            return self._entered(function, args, kwargs)
        return UNKNOWN

    def _entered(self, function: "Define | Closure", args: Items, kwargs: "dict[str, Any]") -> Any:
        if self.depth >= DEEPEST:
            return UNKNOWN
        self.depth += 1
        try:
            if isinstance(function, Define) and isinstance(function.node, ast.ClassDef):
                return self._instance(function, args, kwargs)
            return self._run(function, args, kwargs)
        finally:
            self.depth -= 1

    def _instance(self, define: Define, args: Items, kwargs: "dict[str, Any]") -> Node:
        key = (define, repr(args), repr(sorted(kwargs.items()))) if plain(args) and plain(kwargs) else ()
        if key and key in self._made:
            return self._made[key].copy()
        node = Node(define)
        start = self.index.member(define, "__init__")
        if start:
            self._entered(start, Items([node, *args], args.rest), kwargs)
        elif not library.construct(self, node, args, kwargs):
            library.fields(self, node, args, kwargs)
        if key:
            self._made[key] = node
            return node.copy()
        return node

    def _run(self, function: "Define | Closure", args: Items, kwargs: "dict[str, Any]") -> Any:
        node = function.node
        around = dict(function.env) if isinstance(function, Closure) else {}
        owner = function.outer if isinstance(function, Define) else None
        frame = Frame(function.file, around, owner)
        if isinstance(node, ast.ClassDef):
            return UNKNOWN
        self._bind(node.args, args, kwargs, frame)
        if isinstance(node, ast.Lambda):
            return self.evaluate(node.body, frame)
        if self._yields(function.file, node):
            return UNKNOWN
        running.block(self, node.body, frame)
        return either(frame.returned) if frame.returned else None

    def _yields(self, file: File, node: "ast.FunctionDef | ast.AsyncFunctionDef") -> bool:
        if node not in self._generators:
            inner = (n for n in ast.walk(node)) if "yield" in file.text else iter(())
            self._generators[node] = any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in inner)
        return self._generators[node]

    def _bind(self, asked: ast.arguments, args: Items, kwargs: "dict[str, Any]", frame: Frame) -> None:
        names = [a.arg for a in [*asked.posonlyargs, *asked.args]]
        frame.first = names[0] if names else ""
        defaults = dict(zip(reversed(names), reversed(asked.defaults)))
        defaults.update({a.arg: d for a, d in zip(asked.kwonlyargs, asked.kw_defaults) if d is not None})
        outer = Frame(frame.file, dict(frame.env))
        given = dict(zip(names, args))
        rest = dict(kwargs)
        for name in [*names, *(a.arg for a in asked.kwonlyargs)]:
            if name in given:
                frame.env[name] = given[name]
            elif name in rest:
                frame.env[name] = rest.pop(name)
            elif name in defaults and not args.rest:
                frame.env[name] = self.evaluate(defaults[name], outer)
            else:
                frame.env[name] = UNKNOWN
        if asked.vararg:
            # a call with nothing given is a call with nothing known
            more = args[len(names) :]
            frame.env[asked.vararg.arg] = Items(more, args.rest or ([] if more else [UNKNOWN]))
        if asked.kwarg:
            frame.env[asked.kwarg.arg] = {k: v for k, v in rest.items() if k not in names}

    # ------------------------------------------------------------ comprehensions
    def _comprehended(self, node: "ast.ListComp | ast.GeneratorExp | ast.SetComp", frame: Frame) -> Items:
        found = Items()
        for inner, maybe in self._rounds(node.generators, frame):
            found.add(self.evaluate(node.elt, inner), maybe)
        return found

    def _table(self, node: ast.DictComp, frame: Frame) -> Any:
        found: dict[Any, Any] = {}
        for inner, maybe in self._rounds(node.generators, frame):
            key = self.evaluate(node.key, inner)
            if maybe or not isinstance(key, (str, int)) or isinstance(key, Pattern):
                return UNKNOWN
            found[key] = self.evaluate(node.value, inner)
        return found

    def _rounds(self, generators: "list[ast.comprehension]", frame: Frame) -> "list[tuple[Frame, bool]]":
        rounds = [(frame, False)]
        for part in generators:
            further: list[tuple[Frame, bool]] = []
            for outer, maybe in rounds:
                values = spread(self.evaluate(part.iter, outer))
                for value, unsure in [*((v, maybe) for v in values[:500]), *((v, True) for v in values.rest)]:
                    inner = Frame(outer.file, dict(outer.env), outer.owner, outer.first)
                    self._assign(part.target, value, inner)
                    tests = [truth(self.evaluate(test, inner)) for test in part.ifs]
                    if False not in tests:
                        further.append((inner, unsure or None in tests))
            rounds = further[:2_000]
        return rounds

    def _assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        running.assign(self, target, value, frame)
