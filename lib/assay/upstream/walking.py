"""Follows what a script reads on its way into the model, and what comes out of it, statement by statement."""

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from assay.upstream.callers import Place
from assay.upstream.classes import is_module
from assay.upstream.index import Define, File, Index, Outside, Package
from assay.upstream.origins import Origins
from assay.upstream.steps import (
    CALLS,
    FACTS_OF,
    IMAGE,
    LOADERS,
    MODEL,
    OUTPUT,
    PLAIN,
    READERS,
    STAYS,
    UNKNOWN,
    Inline,
    Made,
    Scope,
    Several,
    Step,
    Thing,
    strongest,
)  # fmt: skip

DEEPEST, MOST_STEPS = 10, 30_000


class Walk:
    """Walks through a script in the order in which it runs."""

    def __init__(self, index: Index, origins: Origins, models: "Collection[Define]") -> None:
        self.index, self.origins, self.models = index, origins, set(models)
        self.steps: list[Step] = []
        self.fed = self.done = False  # whether an image was given to the model; whether the model was called
        self._count = self._depth = 0
        self._running: set[ast.AST] = set()
        self._files: dict[str, Scope] = {}
        self._known: dict[Define, bool] = {}

    def run(self, file: File) -> "list[Step]":
        """Walk from a script's first line."""
        try:
            self._module(file)
            if not self.done:
                main = file.defs.get("main")
                if main:
                    self._enter(main, [], {})
        except (_Enough, RecursionError):
            self.fed = False
        return self.steps

    def feeds(
        self,
        function: Define,
        given: "Mapping[str, Any]",
        owner: "Define | None" = None,
        start: "Define | None" = None,
        made: "Mapping[str, Any] | None" = None,
    ) -> bool:
        """Tell whether a function, of a method that of an object made so, hands the image it is given to the model."""
        thing = Thing(owner) if owner else None
        self._count = 0
        try:
            self._module(function.file)
            if start:
                self._enter(start, [thing], dict(made or {}))
            self.steps, self.fed, self.done = [], False, False
            self._enter(function, [thing] if thing else [], dict(given))
        except (_Enough, RecursionError):
            return False
        return self.fed

    def _module(self, file: File) -> Scope:
        if file.path not in self._files:
            self._files[file.path] = Scope(Place(file), {})
            self._block(file.tree.body, self._files[file.path])
        return self._files[file.path]

    # ------------------------------------------------------------ statements
    def _block(self, body: "Sequence[ast.stmt]", scope: Scope) -> None:
        for node in body:
            self._count += 1
            if self._count > MOST_STEPS:
                raise _Enough
            self._statement(node, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        if isinstance(node, ast.Assign):
            value = self.value(node.value, scope)
            for target in node.targets:
                self._assign(target, value, scope)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign(node.target, self.value(node.value, scope), scope)
        elif isinstance(node, ast.AugAssign):
            self._assign(node.target, self.value(_as_binary(node), scope), scope)
        elif isinstance(node, ast.Expr):
            self.value(node.value, scope)
            self._forget(node.value)
        elif isinstance(node, ast.Return):
            scope.returned.append(self.value(node.value, scope) if node.value is not None else None)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._looped(node, scope)
        elif isinstance(node, ast.If):
            self._branched(node, scope)
        else:
            self._others(node, scope)

    def _forget(self, node: ast.expr) -> None:
        """Drop a call whose result nobody takes, unless it changes what it is called on."""
        last = self.steps[-1] if self.steps else None
        changes = last is not None and (
            last.made or last.name.endswith(("_", "append", "extend", "normalize", UNKNOWN))
        )
        if last and last.node is node and not changes:
            self.steps.pop()

    def _looped(self, node: "ast.For | ast.AsyncFor", scope: Scope) -> None:
        """Run a loop once, or once for each object of a list."""
        value = self.value(node.iter, scope)
        for item in value.items if isinstance(value, Several) else [self._iterated(value)]:
            self._assign(node.target, item, scope)
            self._block(node.body, scope)

    def _branched(self, node: ast.If, scope: Scope) -> None:
        self.value(node.test, scope)
        main = _asks_for_main(node.test)
        scope.unsure += not main
        self._block(node.body, scope)
        self._block(node.orelse, scope)
        scope.unsure -= not main

    def _others(self, node: ast.stmt, scope: Scope) -> None:
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                value = self.value(item.context_expr, scope)
                if item.optional_vars is not None:
                    self._assign(item.optional_vars, value, scope)
            self._block(node.body, scope)
        elif isinstance(node, ast.While):
            self._block(node.body, scope)
        elif isinstance(node, ast.Try):
            self._block([*node.body, *node.orelse, *node.finalbody], scope)

    def _assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.env[target.id] = value
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, scope)
            if isinstance(owner, Thing):
                owner.attrs[target.attr] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            alike = isinstance(value, Several) and len(value.items) == len(target.elts)
            for place, part in enumerate(target.elts):
                inner = value.items[place] if alike else value
                self._assign(part.value if isinstance(part, ast.Starred) else part, inner, scope)
        elif isinstance(target, ast.Subscript) and value in (IMAGE, OUTPUT):
            self._note(target, value, "store", scope)
            if isinstance(target.value, ast.Name):
                scope.env[target.value.id] = value

    # ------------------------------------------------------------ expressions
    def value(self, node: ast.expr, scope: Scope) -> Any:
        """Say what an expression holds: an image, the model, its output, an object of the tree, or None."""
        if isinstance(node, ast.Name):
            return self._name(node.id, scope)
        if isinstance(node, ast.Call):
            return self._call(node, scope)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope)
        if isinstance(node, ast.Constant):
            return None
        if isinstance(node, ast.Lambda):
            return Inline(node, scope)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            for part in node.generators:
                self._assign(part.target, self._iterated(self.value(part.iter, scope)), scope)
            return self.value(node.elt, scope)
        return self._of_parts(node, scope)

    def _of_parts(self, node: ast.expr, scope: Scope) -> Any:
        scope.unsure += isinstance(node, ast.IfExp)
        inner = [self.value(child, scope) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        scope.unsure -= isinstance(node, ast.IfExp)
        found = strongest(inner)
        if isinstance(node, (ast.List, ast.Tuple)) and found not in (IMAGE, OUTPUT):
            return Several(inner)
        if isinstance(node, ast.Compare):
            self._noted(node, found, "compare", scope)
            return None
        if isinstance(node, (ast.BinOp, ast.Subscript)):
            self._noted(node, found, type(node).__name__.lower(), scope)
        return found

    def _noted(self, node: ast.expr, found: Any, name: str, scope: Scope) -> None:
        if found in (IMAGE, OUTPUT):
            self._note(node, found, name, scope)

    def _note(self, node: ast.expr, what: str, name: str, scope: Scope, made: "Made | None" = None) -> None:
        if what == OUTPUT or not self.done:
            self.steps.append(Step(node, scope.place, what, name, bool(scope.unsure), made))

    def _name(self, name: str, scope: Scope) -> Any:
        if name in scope.env:
            return scope.env[name]
        outer = self._files.get(scope.place.file.path)
        if outer and outer is not scope and name in outer.env:
            return outer.env[name]
        return None

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        owner = self.value(node.value, scope)
        if isinstance(owner, Thing):
            return owner.attrs.get(node.attr)
        return owner if owner in (IMAGE, OUTPUT, MODEL) and node.attr not in FACTS_OF else None

    # ------------------------------------------------------------ calls
    def _call(self, node: ast.Call, scope: Scope) -> Any:
        args = [self.value(a.value if isinstance(a, ast.Starred) else a, scope) for a in node.args]
        kwargs = {k.arg: self.value(k.value, scope) for k in node.keywords}
        owner = self.value(node.func.value, scope) if isinstance(node.func, ast.Attribute) else None
        held = self._name(node.func.id, scope) if isinstance(node.func, ast.Name) else None
        if isinstance(node.func, (ast.Call, ast.Subscript)):
            held = self.value(node.func, scope)
        given = strongest([*args, *kwargs.values()])
        if MODEL in (owner, held):
            return self._of_model(node, MODEL if held == MODEL else owner, given)
        if isinstance(owner, Thing) and isinstance(node.func, ast.Attribute):
            return self._method(owner, node.func.attr, node, args, kwargs, scope)
        if isinstance(held, Thing):
            return self._method(held, "__call__", node, args, kwargs, scope)
        if isinstance(held, Inline):
            return self._inline(held, args)
        made = held if isinstance(held, Made) else owner if isinstance(owner, Made) else None
        if made and given == IMAGE:
            self._note(node, IMAGE, made.name, scope, made)
            return IMAGE
        return self._of_name(node, args, kwargs, owner, given, scope)

    def _inline(self, held: Inline, args: "list[Any]") -> Any:
        names = [a.arg for a in held.node.args.args]
        inner = Scope(held.scope.place, {**held.scope.env, **dict.fromkeys(names), **dict(zip(names, args))})
        inner.unsure = held.scope.unsure
        self._count += 1
        return self.value(held.node.body, inner)

    def _of_model(self, node: ast.Call, model: Any, given: Any) -> Any:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else "__call__"
        direct = not isinstance(node.func, ast.Attribute) or name in CALLS
        if not direct:
            return MODEL if name in STAYS else None
        self.done = True
        self.fed = self.fed or given == IMAGE
        return OUTPUT

    def _of_name(
        self, node: ast.Call, args: "list[Any]", kwargs: "dict[Any, Any]", owner: Any, given: Any, scope: Scope
    ) -> Any:
        thing = self._meaning(node.func, scope)
        if isinstance(thing, Define):
            return self._own(thing, node, args, kwargs, scope)
        name = thing.name if isinstance(thing, Outside) else getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name.startswith("numpy.load") or name in LOADERS:
            return MODEL if name in LOADERS else None
        if name in READERS:
            self._note(node, IMAGE, name, scope)
            return IMAGE if not self.done else None
        if owner in (IMAGE, OUTPUT) or given in (IMAGE, OUTPUT):
            found = owner if owner in (IMAGE, OUTPUT) else given
            known = isinstance(thing, Outside) or owner == found or found == OUTPUT or name in PLAIN
            self._note(node, found, name if known else UNKNOWN, scope)
            return found
        if given == MODEL:
            return MODEL
        return Made(node, scope.place, name) if isinstance(thing, Outside) and "." in name else None

    def _meaning(self, node: ast.expr, scope: Scope) -> Any:
        if isinstance(node, ast.Name) and node.id in scope.env:
            return None
        thing = self.index.dotted(scope.place.file, node)
        return thing if not isinstance(thing, Package) else None

    def _own(self, define: Define, node: ast.Call, args: "list[Any]", kwargs: "dict[Any, Any]", scope: Scope) -> Any:
        given = strongest([*args, *kwargs.values()])
        if given == OUTPUT:
            self._note(node, OUTPUT, define.node.name, scope)
        if define in self.models:
            return MODEL
        if not isinstance(define.node, ast.ClassDef):
            found = self._enter(define, args, kwargs, node, scope)
            return found if found is not None or given not in (OUTPUT,) else OUTPUT
        if is_module(self.index, define, self._known):
            return None
        thing = Thing(define)
        start = self.index.member(define, "__init__")
        if start:
            self._enter(start, [thing, *args], kwargs, node, scope)
        return thing

    def _method(
        self, thing: Thing, name: str, node: ast.Call, args: "list[Any]", kwargs: "dict[Any, Any]", scope: Scope
    ) -> Any:
        held = thing.attrs.get(name)
        given = strongest([*args, *kwargs.values()])
        if held == MODEL:
            return self._of_model(ast.Call(ast.Name(name), node.args, node.keywords), MODEL, given)
        if isinstance(held, Thing):
            return self._method(held, "__call__", node, args, kwargs, scope)
        if isinstance(held, Made) and given == IMAGE:
            self._note(node, IMAGE, held.name, scope, held)
            return IMAGE
        define = self.index.member(thing.define, name)
        if define is None:
            if given == IMAGE:
                self._note(node, IMAGE, UNKNOWN, scope)
            return given if given in (IMAGE, OUTPUT) else None
        return self._enter(define, [thing, *args], kwargs, node, scope)

    def _iterated(self, value: Any) -> Any:
        """Say what a loop over something gives."""
        if not isinstance(value, Thing):
            return strongest(value.items) if isinstance(value, Several) else value
        found = None
        for name in ("__iter__", "__next__", "__getitem__"):
            define = self.index.member(value.define, name)
            result = self._enter(define, [value], {}) if define else None
            found = result if result == IMAGE else found
        return found

    def _enter(
        self,
        define: Define,
        args: "list[Any]",
        kwargs: "dict[Any, Any]",
        node: "ast.Call | None" = None,
        caller: "Scope | None" = None,
    ) -> Any:
        function = define.node
        if isinstance(function, ast.ClassDef) or function in self._running or self._depth >= DEEPEST:
            if node is not None and caller is not None and IMAGE in [*args, *kwargs.values()]:
                self._note(node, IMAGE, UNKNOWN, caller)
            return None
        names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
        env = {**dict(zip(names, args)), **{k: v for k, v in kwargs.items() if k}}
        scope = Scope(Place(define.file, (function,), define.outer), {name: env.get(name) for name in names} | env)
        scope.unsure = caller.unsure if caller else 0
        self._running.add(function)
        self._depth += 1
        try:
            self._block(function.body, scope)
        finally:
            self._depth -= 1
            self._running.discard(function)
        return strongest(scope.returned)


class _Enough(Exception):
    """More statements than a walk may take."""


def _as_binary(node: ast.AugAssign) -> ast.BinOp:
    target = ast.parse(ast.unparse(node.target), mode="eval").body
    return ast.copy_location(ast.BinOp(ast.copy_location(target, node), node.op, node.value), node)


def _asks_for_main(test: ast.expr) -> bool:
    return "__main__" in ast.unparse(test)
