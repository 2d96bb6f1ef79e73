"""How upstream's own code builds a candidate: its calls, and the values that each parameter may take."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from assay.records import Labels
from assay.records.upstream import Call, Candidate, CandidateParameter, Value
from assay.upstream.abstract import UNKNOWN, plain
from assay.upstream.callers import Calling, Place, arguments
from assay.upstream.classes import Ranked, parameters, segment
from assay.upstream.evaluate import constant
from assay.upstream.imported import imported_as
from assay.upstream.index import Define, Function, unparsed
from assay.upstream.origins import Origin, Origins
from assay.upstream.spelling import spelled

MOST_CALLS, MOST_HEIRS, MOST_VALUES, LONGEST, LARGEST = 12, 12, 16, 300, 4_000
COUNTS = re.compile(r"class|label|categor|(^|_)(nc|chars?|vocab|outputs?|n_?out|num_out)($|_)", re.IGNORECASE)


class Callsites:
    """Finds the calls of candidates, and what their arguments are."""

    def __init__(self, origins: Origins, near: Mapping[str, int], labels: "list[Labels]") -> None:
        self.origins, self.near, self.labels = origins, near, labels
        self.index = origins.index

    def candidate(self, ranked: Ranked) -> Candidate:
        """Write down a candidate with its parameters and calls."""
        define = ranked.define
        calls = self._calls(define)
        root, module = imported_as(self.index, define.file)
        traced = [(call, self._arguments(define, call)) for call in calls]
        return Candidate(
            path=define.file.path,
            module=module,
            root=root,
            qualname=define.qualname,
            kind=ranked.kind,
            line=define.node.lineno,
            matched=ranked.fit.matched,
            total=ranked.fit.total,
            parameters=self._parameters(ranked, [given for _, given in traced]),
            calls=_distinct([self._call(call, given) for call, given in traced]),
        )

    def _calls(self, define: Define) -> "list[Calling]":
        inside = {define.node.name}
        found = [c for c in self.origins.callers.of(define) if not inside & {f.name for f in c.place.functions}]
        ordered = sorted(found, key=self._order)[:MOST_CALLS]
        return [one for call in ordered for one in self._variants(call)]

    def _variants(self, call: Calling) -> "list[Calling]":
        """See a call in a method also as the classes do that inherit the method and set other values."""
        owner = call.place.owner
        if owner is None or "self." not in "".join(map(unparsed, _passed(self.origins, call))):
            return [call]
        heirs = [d for d in self._heirs(owner) if self.index.member(d, call.place.functions[0].name)]
        return [call, *(call._replace(place=call.place._replace(owner=heir)) for heir in heirs)]

    def _heirs(self, owner: Define) -> "list[Define]":
        own = Define(owner.file, owner.node, owner.qualname)
        classes = [d for d in self.index.definitions() if isinstance(d.node, ast.ClassDef) and d.node.bases]
        heirs = [d for d in classes if d != own and own in self.index.lineage(d)]
        return heirs[:MOST_HEIRS]

    def _order(self, call: Calling) -> "tuple[int, str, int]":
        path = call.place.file.path
        return self.near.get(path, 99), path, call.node.lineno

    def _call(self, call: Calling, given: "dict[str, tuple[ast.expr, list[Origin]]]") -> Call:
        args = {}
        for name, (node, origins) in given.items():
            told = _json(origins[0].value) if origins else {"unknown": ""}
            unknown = isinstance(told, dict) and set(told) == {"unknown"}
            args[name] = {"unknown": spelled(self.origins, node, call.place)} if unknown else told
        file = call.place.file
        return Call(
            where=file.where(call.node),
            text=file.line(call.node.lineno),
            args=args,
            entry=file.path in self.near,
        )

    def _arguments(self, define: Define, call: Calling) -> "dict[str, tuple[ast.expr, list[Origin]]]":
        function = self._function(define)
        if function is None:
            return {}
        given = arguments(call.node, function, bound=isinstance(define.node, ast.ClassDef))
        found = {name: (node, self.origins.of(node, call.place)) for name, node in given.items()}
        for keyword in call.node.keywords:
            if keyword.arg is None:
                found["**"] = (keyword.value, [])
        return found

    def _function(self, define: Define) -> "Function | None":
        if not isinstance(define.node, ast.ClassDef):
            return define.node
        start = self.index.member(define, "__init__")
        return start.node if start and not isinstance(start.node, ast.ClassDef) else None

    # ------------------------------------------------------------ parameters
    def _parameters(
        self, ranked: Ranked, calls: "list[dict[str, tuple[ast.expr, list[Origin]]]]"
    ) -> "list[CandidateParameter]":
        define = ranked.define
        function = self._function(define)
        if function is None:
            return []
        keywords = {a.arg for a in function.args.kwonlyargs}
        found = []
        for name, default in parameters(self.index, define).items():
            values = [o for given in calls for o in given.get(name, (None, []))[1]]
            if name in ranked.given:
                values.insert(0, self._configured(define, ranked.given[name]))
            values += self._further(define, function, name)
            found.append(
                CandidateParameter(
                    name=name,
                    default=self._default(default, define, function),
                    has_default=default is not None,
                    kind="keyword" if name in keywords else "positional",
                    values=_values(values),
                )
            )
        for kind, extra in (("*args", function.args.vararg), ("**kwargs", function.args.kwarg)):
            found += [CandidateParameter(name=extra.arg, kind=kind)] if extra else []
        return found

    def _configured(self, define: Define, value: str) -> Origin:
        return Origin(value, "config", f"{define.file.name}/{value}:1", "")

    def _default(self, node: "ast.expr | None", define: Define, function: Function) -> Any:
        if node is None:
            return None
        value = constant(node)
        if plain(value):
            return _json(value)
        found = self.origins.of(node, Place(define.file))
        return _json(found[0].value) if len(found) == 1 else {"unknown": unparsed(node)[:LONGEST]}

    def _further(self, define: Define, function: Function, name: str) -> "list[Origin]":
        found = self._compared(define, name)
        found += self._tables(define, function, name)
        found += self.origins.setting(name, "")
        if COUNTS.search(name):
            found += [Origin(one.count, "labels", one.where, ", ".join(one.names[:5])) for one in self.labels[:8]]
        return found

    def _files(self, define: Define, keys: "set[Any]") -> "list[Origin]":
        """Find the files of settings that have every key."""
        settings, found = self.origins.settings, []
        for path in settings.used:
            value = settings.values(path) if path.startswith(define.file.name + "/") else UNKNOWN
            if isinstance(value, dict) and keys <= set(value) and plain(value):
                found.append(Origin(value, "config", f"{path}:1", settings.text(path).partition("\n")[0].strip()))
        return found[:4]

    def _compared(self, define: Define, name: str) -> "list[Origin]":
        """List what the code compares a parameter with: the values that it knows of."""
        found = []
        owners = self.index.lineage(define) if isinstance(define.node, ast.ClassDef) else [define]
        for owner in owners:
            for node in ast.walk(owner.node) if name in segment(owner) else ():
                if isinstance(node, ast.Compare) and _is(node.left, name):
                    for right in node.comparators:
                        found += [
                            Origin(v, "literal", owner.file.where(node), owner.file.line(node.lineno))
                            for v in _constants(right)
                        ]
        return found

    def _tables(self, define: Define, function: Function, name: str) -> "list[Origin]":
        """Find the tables of the trees that have every key that is asked of a parameter."""
        keys = _keys(define.node, name)
        if not keys:
            return []
        found = self._files(define, keys)
        for file in self.index.files.values():
            tables = [v for values in file.assigned.values() for v in values if isinstance(v, ast.Dict)]
            for table in tables:
                value = constant(table)
                if isinstance(value, dict) and plain(value) and keys <= set(value):
                    found.append(Origin(value, "constant", file.where(table), file.line(table.lineno)))
        return sorted(found, key=lambda o: self.near.get(o.where.rpartition(":")[0], 99))[:6]


def _distinct(calls: "list[Call]") -> "list[Call]":
    """Leave out a call that passes what an earlier one of the same place passes."""
    found: dict[str, Call] = {}
    for call in calls:
        found.setdefault(json.dumps([call.where, call.args], sort_keys=True), call)
    return list(found.values())[: 2 * MOST_CALLS]


def _keys(node: ast.AST, name: str) -> "set[Any]":
    """List what is asked of a parameter by key or, of more than one, by attribute."""
    by_key, by_name = set(), set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Subscript) and _is(inner.value, name) and isinstance(inner.slice, ast.Constant):
            by_key.add(inner.slice.value)
        elif isinstance(inner, ast.Attribute) and _is(inner.value, name):
            by_name.add(inner.attr)
    return by_key or (by_name if len(by_name) > 1 else set())


def _passed(origins: Origins, call: Calling) -> "list[ast.expr]":
    """List what a call passes; of a name of the function's own, what it is given."""
    found: list[ast.expr] = []
    for node in [*call.node.args, *(k.value for k in call.node.keywords)]:
        local = [origins.locals(f).get(node.id, []) for f in call.place.functions] if isinstance(node, ast.Name) else []
        found += [node, *(g.value for given in local for g in given if g.value is not None)]
    return found


def _is(node: ast.expr, name: str) -> bool:
    """Tell whether an expression is a parameter, or the attribute of its name."""
    if isinstance(node, ast.Attribute):
        return node.attr == name and getattr(node.value, "id", "") == "self"
    return isinstance(node, ast.Name) and node.id == name


def _constants(node: ast.expr) -> "list[Any]":
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [node]
    return [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, (str, int, float))]


def _values(origins: "list[Origin]") -> "list[Value]":
    found: dict[str, Value] = {}
    for origin in origins:
        value = _json(origin.value)
        if not (isinstance(value, dict) and "unknown" in value):
            told = Value(value=value, by=origin.by, where=origin.where, text=origin.text[:LONGEST])
            found.setdefault(json.dumps(value, sort_keys=True), told)
    return list(found.values())[:MOST_VALUES]


def _json(value: Any) -> Any:
    """Turn a plain value into JSON; what JSON cannot say is unknown."""
    if isinstance(value, (list, tuple, set, frozenset)):
        value = [_json(v) for v in value]
    elif isinstance(value, dict):
        value = {str(k): _json(v) for k, v in value.items()}
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError):
        return {"unknown": repr(value)[:LONGEST]}
    return value if len(text) <= LARGEST else {"unknown": text[:80]}
