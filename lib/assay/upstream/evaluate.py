"""Evaluates an expression of upstream as far as its parts are known; names and calls are looked up by the caller."""

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from assay.upstream.abstract import UNKNOWN, Either, Items, Node, Pattern, Tensor, Unknown, either, mapped, plain

Look = Callable[[ast.expr], Any]
MOST_ITEMS, LARGEST, LONGEST = 2_000, 10**15, 10_000
WIDE = re.compile(r"%[^%a-zA-Z]*(\d{4}|\*)")
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b or (plain(a) and a == b), ast.IsNot: lambda a, b: not (a is b or (plain(a) and a == b)),
}  # fmt: skip
PURE: dict[str, Callable[..., Any]] = {
    "len": len, "int": int, "float": float, "bool": bool, "str": str, "max": max, "min": min, "sum": sum, "abs": abs,
    "round": round, "list": Items, "tuple": tuple, "set": set, "dict": dict, "frozenset": frozenset,
    "range": lambda *a: _range(*a), "reversed": lambda v: Items(reversed(v)), "sorted": lambda v: Items(sorted(v)),
    "enumerate": lambda v, start=0: Items((i + start, x) for i, x in enumerate(v)),
    "zip": lambda *v: Items(zip(*v)), "OrderedDict": dict, "collections.OrderedDict": dict,
    "math.ceil": math.ceil, "math.floor": math.floor, "math.sqrt": math.sqrt, "math.log2": math.log2,
    "math.log": math.log, "math.pow": math.pow, "math.prod": math.prod, "numpy.prod": math.prod, "numpy.array": Items,
    "numpy.log2": math.log2, "numpy.sqrt": math.sqrt, "numpy.ceil": math.ceil, "numpy.floor": math.floor,
    "numpy.arange": lambda *a: _range(*a),
}  # fmt: skip


def evaluate(node: ast.expr, look: Look) -> Any:
    """Evaluate an expression; UNKNOWN when a part that matters is not known."""
    kind = KINDS.get(type(node))
    return kind(node, look) if kind else look(node)


def constant(node: ast.expr) -> Any:
    """Evaluate an expression that nothing has to be looked up for; UNKNOWN of any other."""
    try:
        return evaluate(node, lambda _: UNKNOWN)
    except RecursionError:
        return UNKNOWN


def _range(*args: Any) -> Items:
    found = range(*(int(a) for a in args))
    if len(found) > MOST_ITEMS:
        raise ValueError("too long")
    return Items(found)


def _binary(node: ast.BinOp, look: Look) -> Any:
    left, right = evaluate(node.left, look), evaluate(node.right, look)
    return combined(node.op, left, right)


def combined(op: ast.operator, left: Any, right: Any) -> Any:
    """Combine two values by an operator."""
    if isinstance(left, Either) or isinstance(right, Either):
        return UNKNOWN
    special = SPECIAL.get(type(op))
    joined = special(left, right) if special else None
    if joined is not None:
        return joined
    if isinstance(left, Unknown) or isinstance(right, Unknown) or type(op) not in BINARY:
        return UNKNOWN
    try:
        found = BINARY[type(op)](left, right)
    except Exception:  # a sum of what cannot be summed is upstream's mistake, or ours: unknown either way
        return UNKNOWN
    return Items(found, getattr(left, "rest", ())) if isinstance(found, list) else found


def _repeated(left: Any, right: Any) -> Any:
    if isinstance(left, (list, tuple)) and not isinstance(right, int):
        return Items(rest=left)
    return UNKNOWN if _huge(left, right) else None


def _shifted(left: Any, right: Any) -> Any:
    return None if isinstance(right, int) and right < 64 else UNKNOWN


def _huge(left: Any, right: Any) -> bool:
    sizes = [
        len(v) if isinstance(v, (str, list, tuple)) else abs(v) if isinstance(v, (int, float)) else 0
        for v in (left, right)
    ]
    plural = any(isinstance(v, (str, list, tuple)) for v in (left, right))
    return sizes[0] * sizes[1] > (LONGEST if plural else LARGEST)


def _power(left: Any, right: Any) -> Any:
    if all(isinstance(v, (int, float)) for v in (left, right)) and abs(left) < 1e6 and -64 < right < 64:
        try:
            return left**right
        except (ArithmeticError, ValueError):
            return UNKNOWN
    return UNKNOWN


def _joined(left: Any, right: Any) -> Any:
    """Join lists and texts of which a part is not known; None when they are neither."""
    if isinstance(left, str) and isinstance(right, Unknown):
        return Pattern(_escaped(left) + ".*")
    if isinstance(left, Unknown) and isinstance(right, str):
        return Pattern(".*" + _escaped(right))
    if isinstance(left, Pattern) or isinstance(right, Pattern):
        both = isinstance(left, str) and isinstance(right, str)
        return Pattern(_escaped(left) + _escaped(right)) if both else UNKNOWN
    if isinstance(left, list) and isinstance(right, (list, Unknown)):
        more: Any = Items() if isinstance(right, Unknown) else right
        rest = [*getattr(left, "rest", ()), *getattr(more, "rest", ())]
        if isinstance(right, Unknown):
            rest.append(UNKNOWN)
        return Items([*left, *more], rest) if not getattr(left, "rest", ()) else Items(left, [*rest, *more])
    if isinstance(left, Unknown) and isinstance(right, list):
        return Items((), [UNKNOWN, *right])
    return None


def _escaped(text: str) -> str:
    return str(text) if isinstance(text, Pattern) else re.escape(text)


def formatted(form: str, values: Any) -> Any:
    """Put values into a text by %; with holes where they are not known."""
    given = values if isinstance(values, tuple) else (values,)
    if plain(tuple(given)) and not isinstance(form, Pattern) and not WIDE.search(form):
        try:
            return form % values
        except (TypeError, ValueError, KeyError):
            return UNKNOWN
    return Pattern(re.sub(r"%[-+ #0-9.]*[a-z]", ".*", _escaped(form).replace(r"\%", "%")))


def filled(form: str, args: "list[Any]", kwargs: "dict[str, Any]") -> Any:
    """Put values into a text by str.format; with holes where they are not known."""
    if plain(args) and plain(kwargs) and not isinstance(form, Pattern):
        try:
            return form.format(*args, **kwargs)[:LONGEST]
        except (IndexError, KeyError, ValueError, TypeError, AttributeError):
            return UNKNOWN
    parts = re.split(r"\{[^{}]*\}", str(form))
    return Pattern(".*".join(_escaped(part) for part in parts))


SPECIAL: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Mod: lambda left, right: formatted(left, right) if isinstance(left, str) else None,
    ast.Add: _joined,
    ast.Mult: _repeated,
    ast.Pow: _power,
    ast.LShift: _shifted,
}


def _text(node: ast.JoinedStr, look: Look) -> Any:
    parts: list[tuple[str, bool]] = []
    for piece in node.values:
        if isinstance(piece, ast.Constant):
            parts.append((str(piece.value), True))
            continue
        value = evaluate(piece.value, look) if isinstance(piece, ast.FormattedValue) else UNKNOWN
        known = isinstance(value, (int, float, str)) and not isinstance(value, Pattern)
        spec = getattr(piece, "format_spec", None)
        parts.append((str(value), True) if known and spec is None else (".*", False))
    if all(known for _, known in parts):
        return "".join(text for text, _ in parts)
    return Pattern("".join(re.escape(text) if known else text for text, known in parts))


def _unary(node: ast.UnaryOp, look: Look) -> Any:
    value = evaluate(node.operand, look)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is None else not known
    if isinstance(value, (int, float)) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return -value if isinstance(node.op, ast.USub) else value
    return UNKNOWN


def truth(value: Any) -> "bool | None":
    """Tell whether a value counts as true; None when it is not known."""
    if isinstance(value, Either):
        found = {truth(v) for v in value.options}
        return found.pop() if len(found) == 1 else None
    if isinstance(value, (Unknown, Pattern, Tensor)) or (isinstance(value, Items) and value.rest and not value):
        return None
    return True if isinstance(value, Node) else bool(value)


def _boolean(node: ast.BoolOp, look: Look) -> Any:
    stops = isinstance(node.op, ast.Or)
    seen: list[Any] = []
    for part in node.values:
        value = evaluate(part, look)
        known = truth(value)
        seen.append(value)
        if known is stops:
            break
        if known is None:
            continue
        seen.pop()
    if not seen:
        return not stops
    return seen[0] if len(seen) == 1 else (either(seen) if stops else UNKNOWN)


def _compare(node: ast.Compare, look: Look) -> Any:
    left = evaluate(node.left, look)
    for op, right_node in zip(node.ops, node.comparators):
        right = look(right_node) if is_choice(right_node) else evaluate(right_node, look)
        found = _compared(op, left, right)
        if found is not True:
            return found
        left = right
    return True


def is_choice(node: ast.expr) -> bool:
    """Tell a long list of names, which is the same at every look, from other lists."""
    named = isinstance(node, (ast.List, ast.Tuple, ast.Set)) and len(node.elts) > 6
    return named and all(isinstance(e, (ast.Name, ast.Attribute)) for e in node.elts)  # type: ignore[attr-defined]


def _compared(op: ast.cmpop, left: Any, right: Any) -> Any:
    for side in (left, right):
        if isinstance(side, (Unknown, Either, Pattern, Tensor)) or (isinstance(side, Items) and side.rest):
            return UNKNOWN
    try:
        return bool(COMPARE[type(op)](left, right))
    except Exception:  # see combined
        return UNKNOWN


def _choice(node: ast.IfExp, look: Look) -> Any:
    known = truth(evaluate(node.test, look))
    if known is None:
        return either([evaluate(node.body, look), evaluate(node.orelse, look)])
    return evaluate(node.body if known else node.orelse, look)


def _list(node: "ast.List | ast.Tuple | ast.Set", look: Look) -> Any:
    found = Items()
    for part in node.elts:
        if isinstance(part, ast.Starred):
            inner = spread(evaluate(part.value, look))
            found = (
                Items([*found, *inner], inner.rest)
                if not found.rest
                else Items(found, [*found.rest, *inner, *inner.rest])
            )
        else:
            found.add(evaluate(part, look), maybe=False)
    if isinstance(node, ast.Tuple) and not found.rest:
        return tuple(found)
    return found


def spread(value: Any) -> Items:
    """Give the elements of what is looped over; of what is not known, any number of anything."""
    if isinstance(value, Items):
        return value
    if isinstance(value, Node):
        return value.elements() if not value.open else Items(rest=[UNKNOWN])
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return Items(value)
    return Items(rest=[UNKNOWN])


def _dict(node: ast.Dict, look: Look) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values):
        if key is None:
            inner = evaluate(value, look)
            if not isinstance(inner, dict):
                return UNKNOWN
            found.update(inner)
            continue
        name = evaluate(key, look)
        if not isinstance(name, (int, float, str, tuple, bool, type(None))) or isinstance(name, Pattern):
            return UNKNOWN
        found[name] = evaluate(value, look)
    return found


def _subscript(node: ast.Subscript, look: Look) -> Any:
    base = evaluate(node.value, look)
    if isinstance(node.slice, ast.Slice):
        bounds = [
            evaluate(b, look) if b is not None else None for b in (node.slice.lower, node.slice.upper, node.slice.step)
        ]
        return mapped(lambda v: _sliced(v, bounds), base)
    index = evaluate(node.slice, look)
    return mapped(lambda v: item(v, index), base)


def item(value: Any, index: Any) -> Any:
    """Give an element."""
    if isinstance(value, Node):
        value = value.elements() if isinstance(index, int) else value.get(str(index))
        if not isinstance(value, list):
            return value
    if isinstance(value, (list, tuple)) and isinstance(index, int) and -len(value) <= index < len(value):
        return value[index] if index >= 0 or not getattr(value, "rest", ()) else either([*value, *value.rest])  # type: ignore[union-attr]
    if isinstance(value, dict) and isinstance(index, (str, int, tuple)) and not isinstance(index, Pattern):
        return value.get(index, UNKNOWN)
    if isinstance(value, (list, tuple)) and value and isinstance(index, Unknown):
        return either([*value[:20], *getattr(value, "rest", ())[:20]])
    if isinstance(value, dict) and value and isinstance(index, Unknown):
        return either(list(value.values())[:20])
    return either(value.rest) if isinstance(value, Items) and value.rest else UNKNOWN


def _sliced(value: Any, bounds: "list[Any]") -> Any:
    if isinstance(value, Node) and not value.open:
        value = value.elements()
    if isinstance(value, (list, tuple, str)) and all(b is None or isinstance(b, int) for b in bounds):
        found = value[slice(*bounds)]
        return Items(found, getattr(value, "rest", ())) if isinstance(found, list) else found
    return Items(rest=value) if isinstance(value, (list, tuple)) else UNKNOWN


KINDS: dict[type[ast.expr], Callable[[Any, Look], Any]] = {
    ast.Constant: lambda node, _: node.value if node.value is not Ellipsis else UNKNOWN,
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.BoolOp: _boolean, ast.Compare: _compare, ast.IfExp: _choice,
    ast.JoinedStr: _text, ast.List: _list, ast.Tuple: _list, ast.Set: _list, ast.Dict: _dict,
    ast.Subscript: _subscript,
}  # fmt: skip
