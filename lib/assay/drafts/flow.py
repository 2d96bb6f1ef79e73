"""What a statement changes, and the backward slice over statements that follow one another."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias, TypeGuard

from assay.drafts.reading import exposed, names, stored

MUTATORS = frozenset(
    (
        "append", "extend", "insert", "add", "update", "pop", "popitem", "remove", "discard", "clear", "sort",
        "reverse", "setdefault", "fill", "resize", "put", "paste", "putalpha", "thumbnail", "load", "setflags",
    )
)  # fmt: skip
OUTLETS = frozenset(
    (
        "print", "write", "writelines", "flush", "close", "imshow", "show", "waitKey", "imwrite", "imsave", "save",
        "savefig", "info", "debug", "warning", "warn", "error", "critical", "log", "tic", "toc", "start", "end",
        "synchronize", "empty_cache", "collect", "sleep", "destroyAllWindows", "exit", "perf_counter", "time",
        "makedirs", "mkdir", "isdir", "title", "axis", "figure", "subplot", "set_description", "save_image", "mimsave",
        "savetxt", "savez", "savez_compressed", "dump", "echo", "tofile", "to_csv", "namedWindow", "moveWindow",
        "resizeWindow", "destroyWindow", "exception",
    )
)  # fmt: skip
DRAWING = frozenset(
    (
        "rectangle", "putText", "circle", "line", "ellipse", "polylines", "arrowedLine", "drawMarker", "text",
        "add_patch", "add_artist", "scatter", "plot", "rounded_rectangle", "polygon", "annotate",
    )
)  # fmt: skip
Compound: TypeAlias = ast.If | ast.For | ast.While | ast.With | ast.Try
COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try)
IDLE = (ast.Break, ast.Continue, ast.Pass, ast.Raise)
LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)
SCOPES = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Line(NamedTuple):
    """One statement of upstream's, and where it stands."""

    node: ast.stmt
    where: str


def base(node: ast.expr) -> str | None:
    """Name what an attribute, a subscript or a chain of calls is taken of."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def called(node: ast.AST) -> str:
    """Give the last word of what a call calls: "imread" of cv2.imread(...)."""
    if not isinstance(node, ast.Call):
        return ""
    return (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id.split("§")[0]
        if isinstance(node.func, ast.Name)
        else ""
    )


def writes(node: ast.AST, filled: frozenset[str] = frozenset()) -> set[str]:
    """Name what a statement binds or changes, at any depth; a call may fill the lists and dicts that it is given."""
    found: set[str] = set()
    if filled:
        found |= {a.id for n in ast.walk(node) if _may_fill(n) for a in n.args if isinstance(a, ast.Name)} & filled
    for inner in _outside_comprehensions(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, (ast.Store, ast.Del)):
            found.add(inner.id)
        elif isinstance(inner, (ast.Attribute, ast.Subscript)) and isinstance(inner.ctx, (ast.Store, ast.Del)):
            found |= {b for b in [base(inner)] if b}
        elif isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            found |= _changed(inner.value)
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and _mutates(inner.func.attr):
            found |= {b for b in [base(inner.func.value)] if b and is_variable(b)}
        elif isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            found.add(inner.name)
    return found


def _outside_comprehensions(node: ast.AST) -> Iterable[ast.AST]:
    targets = {id(m) for n in ast.walk(node) for g in getattr(n, "generators", []) for m in ast.walk(g.target)}
    ahead = [node]
    while ahead:
        current = ahead.pop()
        if id(current) in targets:
            continue
        yield current
        if not isinstance(current, SCOPES) or (current is node and isinstance(node, ast.Lambda)):
            ahead.extend(ast.iter_child_nodes(current))


def _may_fill(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and "§" in node.func.id
        and called(node) not in OUTLETS
    )


def containers(lines: list[Line]) -> frozenset[str]:
    """Name the variables that begin as an empty list or dict."""
    found = set()
    for line in lines:
        node = line.node
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            empty = (isinstance(value, ast.List) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)
            if empty or called(value) in ("list", "dict", "set", "OrderedDict", "defaultdict", "deque"):
                found.add(node.targets[0].id)
    return frozenset(found)


def _mutates(method: str) -> bool:
    return method in MUTATORS or (method.endswith("_") and not method.endswith("__"))


def _changed(call: ast.Call) -> set[str]:
    """Name what a call that stands alone may change: its receiver and its arguments, unless it only shows them."""
    if called(call) in OUTLETS:
        return set()
    receiver = base(call.func.value) if isinstance(call.func, ast.Attribute) else None
    given = [base(a) for a in [*call.args, *(k.value for k in call.keywords)]]
    if called(call) in DRAWING:
        given = given[:1]
    return {n for n in [receiver, *given] if n and is_variable(n)}


def is_variable(name: str) -> bool:
    """Tell whether a name is a variable of a frame: neither a builtin nor a global of a file."""
    return "§" in name and "§g" not in name


def kills(node: ast.stmt) -> set[str]:
    """Name what a statement binds anew for certain, so that its earlier value no longer counts."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    elif isinstance(node, ast.If) and node.orelse:
        return _killed_by_all(node.body) & _killed_by_all(node.orelse)
    elif isinstance(node, ast.With):
        targets = [i.optional_vars for i in node.items if i.optional_vars is not None]
        return {n for t in targets for n in _bound(t)} | _killed_by_all(node.body)
    return {n for t in targets for n in _bound(t)}


def _killed_by_all(body: list[ast.stmt]) -> set[str]:
    if any(isinstance(n, ast.Raise) for n in body):
        return set().union(*(kills(s) for s in body)) if body else set()
    return {n for s in body for n in kills(s)}


def _bound(target: ast.expr) -> set[str]:
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, (ast.Tuple, ast.List)):
        return {n for e in target.elts for n in _bound(e)}
    return _bound(target.value) if isinstance(target, ast.Starred) else set()


def apart(line: Line) -> list[Line]:
    """Take `a, b = c, d` apart where no name stands on both sides."""
    node = line.node
    if (
        not isinstance(node, ast.Assign)
        or not isinstance(node.targets[0], ast.Tuple)
        or not isinstance(node.value, ast.Tuple)
    ):
        return [line]
    targets, values = node.targets[0].elts, node.value.elts
    plain = all(isinstance(t, ast.Name) for t in targets) and not any(isinstance(v, ast.Starred) for v in values)
    if not plain or len(targets) != len(values) or stored(node) & names(node.value):
        return [line]
    pairs = [ast.Assign(targets=[t], value=v, lineno=node.lineno) for t, v in zip(targets, values)]
    return [Line(ast.fix_missing_locations(ast.copy_location(p, node)), line.where) for p in pairs]


# ---------------------------------------------------------------- slicing
Stop: TypeAlias = Callable[[Line, set[str]], "Line | None"]


def backward(lines: list[Line], needed: set[str], stop: Stop | None = None) -> tuple[list[Line], set[str]]:
    """Keep the lines that the needed names rest on; also give the names that no line binds.

    `stop` may put another line in place of one, so that what that one reads is not followed.
    """
    kept: list[Line] = []
    wanted = set(needed)
    filled = containers(lines)
    for line in reversed(lines):
        if not wanted & writes(line.node, filled) and not _leaves(line.node):
            continue
        line = (stop(line, wanted) if stop else None) or line
        pruned = prune(line.node, wanted, filled)
        if pruned is None:
            continue
        kept.append(Line(pruned, line.where))
        wanted -= kills(pruned)
        wanted |= exposed(pruned)
    return kept[::-1], wanted


def _leaves(node: ast.stmt) -> bool:
    """Tell whether a statement may end the function: what comes after rests on it."""
    return any(isinstance(n, ast.Return) for n in _outside_comprehensions(node))


def prune(node: ast.stmt, wanted: set[str], filled: frozenset[str] = frozenset()) -> ast.stmt | None:
    """Drop from a block what the wanted names do not rest on; None when nothing is left."""
    if not isinstance(node, COMPOUND):
        return node
    if not writes(node, filled) & wanted and not _leaves(node):
        return None
    inside = set(wanted)
    while True:
        pruned = _pruned(node, inside, filled)
        more = inside | names(pruned)
        if more == inside:
            return pruned
        inside = more


def _pruned(node: ast.stmt, wanted: set[str], filled: frozenset[str]) -> ast.stmt | None:
    if not isinstance(node, COMPOUND):
        keep = isinstance(node, LEAVING) or bool(writes(node, filled) & wanted)
        return node if keep else None
    made = copy.copy(node)
    for field in ("body", "orelse", "finalbody"):
        if getattr(made, field, None):
            setattr(made, field, _block(getattr(made, field), wanted, filled))
    if isinstance(made, ast.Try):
        made.handlers = [_handler(h, wanted, filled) for h in made.handlers]
    if not (_counts(made, wanted) or _only_leaves(node)):
        return None
    if not made.body:
        made.body = [ast.Pass()]
    return made


def _only_leaves(node: ast.stmt) -> bool:
    """Tell whether a block is a guard: `if ...: continue`."""
    return isinstance(node, ast.If) and any(isinstance(s, LEAVING) for s in _inner(node))


def _handler(handler: ast.ExceptHandler, wanted: set[str], filled: frozenset[str]) -> ast.ExceptHandler:
    made = copy.copy(handler)
    made.body = _block(made.body, wanted, filled) or [ast.Pass()]
    return made


def _block(body: list[ast.stmt], wanted: set[str], filled: frozenset[str]) -> list[ast.stmt]:
    return [p for p in (_pruned(s, wanted, filled) for s in body) if p is not None]


def _counts(node: ast.stmt, wanted: set[str]) -> bool:
    """Tell whether a block does anything for the wanted names, or leaves the function."""
    heads = [node.target] if isinstance(node, ast.For) else []
    heads += [i.optional_vars for i in getattr(node, "items", []) if i.optional_vars is not None]
    if any(n in wanted for h in heads for n in _bound(h)) and not isinstance(node, ast.For):
        return True
    return any(_does(s) for s in _inner(node))


def _does(node: ast.stmt) -> bool:
    return any(_does(s) for s in _inner(node)) if isinstance(node, COMPOUND) else not isinstance(node, IDLE)


def _inner(node: ast.stmt) -> list[ast.stmt]:
    found = [s for field in ("body", "orelse", "finalbody") for s in getattr(node, field, [])]
    return found + [s for h in getattr(node, "handlers", []) for s in h.body]
