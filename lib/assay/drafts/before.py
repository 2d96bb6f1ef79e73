"""The drafted preprocess: from the path of an input to what the model is called with."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from assay.drafts.cut import CannotCut
from assay.drafts.depends import PATH, WEIGHTS
from assay.drafts.flow import Line, writes
from assay.drafts.observed import plain_name
from assay.drafts.program import Program
from assay.drafts.reading import names
from assay.drafts.resolve import Slice, making
from assay.drafts.seen import leaves, parse_own, special


class Feed(NamedTuple):
    """What the model is called with: tensors by name, and what else is given."""

    tensors: dict[str, ast.expr]
    whole: ast.expr | None  # a dict of tensors made by upstream as it is
    shape: list[Any]  # positional arguments: a tensor's name, or {"value": plain}
    keywords: dict[str, Any]


def feed(program: Program, dtypes: dict[str, str]) -> Feed:
    """Read the model's call: which of its arguments are tensors, and under which names."""
    facts, call = program.call.facts, program.hole
    if facts.get("module") == "session" or (facts.get("method") == "run" and _dict_given(facts)):
        return _session(call, facts, dtypes)
    if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
        raise CannotCut(f"the model is called with a packed list of arguments ({ast.unparse(call.func)})")
    tensors: dict[str, ast.expr] = {}
    known = [*dtypes, *[""] * len(call.args)]  # a graph's inputs have names of their own
    placed = zip(call.args, facts.get("args", []), known)
    shape = [_argument(node, value, tensors, name) for node, value, name in placed]
    given = {str(k.arg): k.value for k in call.keywords}
    keywords = {}
    for name, value in dict(facts.get("kwargs", {})).items():
        if name in given:
            keywords[name] = _argument(given[name], value, tensors, name)
    if not tensors:
        raise CannotCut("the model's call takes no tensor that could be told")
    return Feed(tensors, None, shape, keywords)


def _dict_given(facts: Any) -> bool:
    args = facts.get("args", [])
    return len(args) > 1 and isinstance(args[1], dict)


def _argument(node: ast.expr, value: Any, tensors: dict[str, ast.expr], name: str) -> Any:
    if special(value, "tensor") is not None or (isinstance(value, dict) and "tensor" in value):
        return _named(_bare(node), name, tensors)
    if any(True for _ in leaves(value)):
        base = name or (plain_name(node.id) if isinstance(node, ast.Name) else "")
        return {"nested": _nested(node, value, base, tensors)}
    return {"value": value, "node": node}


def _named(node: ast.expr, name: str, tensors: dict[str, ast.expr]) -> str:
    base = name or (plain_name(node.id) if isinstance(node, ast.Name) else "input")
    number, chosen = 1, base
    while chosen in tensors:
        number += 1
        chosen = f"{base}{number}"
    tensors[chosen] = node
    return chosen


def _nested(node: ast.expr, value: Any, name: str, tensors: dict[str, ast.expr]) -> Any:
    """Name the tensors in a tuple, list or dict that the model is given, each as a part of it."""
    if isinstance(value, dict) and "tensor" in value:
        return _named(_bare(node), name, tensors)
    if not isinstance(node, (ast.Name, ast.Subscript, ast.Attribute, ast.List, ast.Tuple, ast.Dict)):
        raise CannotCut("the model is given tensors inside a list or a dict that is made in the call")
    inner = value.get("tuple", value) if isinstance(value, dict) else value
    pairs = list(inner.items()) if isinstance(inner, dict) else list(enumerate(inner))
    if not isinstance(inner, (dict, list)) or not all(any(True for _ in leaves(v)) for _, v in pairs):
        raise CannotCut("the model is given tensors inside a list or a dict, and more than tensors in it")
    written = _elements(node)
    whole: list[ast.expr] = [ast.Subscript(node, ast.Constant(k), ast.Load()) for k, _ in pairs]
    parts = list(written.values()) if list(written) == [k for k, _ in pairs] else whole
    made = [_nested(part, v, name, tensors) for part, (_, v) in zip(parts, pairs)]
    if isinstance(inner, dict):
        return dict(zip(inner, made))
    return made if isinstance(value, list) else tuple(made)


def _elements(node: ast.expr) -> dict[Any, ast.expr]:
    """Give what a list, tuple or dict is written out of, by place or key; nothing where that cannot be told."""
    if isinstance(node, ast.Dict):
        plain = all(isinstance(key, ast.Constant) for key in node.keys)
        return {k.value: v for k, v in zip(node.keys, node.values) if isinstance(k, ast.Constant)} if plain else {}
    elements = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
    return {} if any(isinstance(e, ast.Starred) for e in elements) else dict(enumerate(elements))


def _bare(node: ast.expr) -> ast.expr:
    """Leave out torch.from_numpy(...): an adapter gives arrays."""
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        return node
    return node.args[0] if ast.unparse(node.func).endswith("from_numpy") else node


def _as_array(node: ast.expr, value: Any, dtype: str) -> ast.expr:
    """Make an array, of the type that the model takes, of what upstream gives as a list."""
    if not isinstance(value, dict) or value.get("lib") not in ("list", "tuple", "scalar"):
        return node
    made = parse_own(f"np.asarray(x, dtype=np.{dtype or value['dtype']})")
    assert isinstance(made, ast.Call)
    made.args = [node]
    return made


def _session(call: ast.Call, facts: Any, dtypes: dict[str, str]) -> Feed:
    args, kwargs = facts.get("args", []), dict(facts.get("kwargs", {}))
    given = args[1] if len(args) > 1 else kwargs.get("input_feed")
    keyword = next((k.value for k in call.keywords if k.arg == "input_feed"), None)
    node = call.args[1] if len(call.args) > 1 else keyword
    if node is None or not isinstance(given, dict):
        raise CannotCut("the session's inputs could not be read")
    if isinstance(node, ast.Dict) and len(node.values) == len(given):
        pairs = zip(given.items(), node.values)
        return Feed({name: _as_array(v, value, dtypes.get(name, "")) for (name, value), v in pairs}, None, [], {})
    return Feed({}, node, [], {})


def slice_of(program: Program, fed: Feed, carried: list[ast.expr]) -> Slice:
    """Give the lines that make the tensors and what is carried over to the decoding."""
    parts = [*fed.tensors.values(), *([fed.whole] if fed.whole is not None else []), *carried]
    wanted = set().union(*(names(p) for p in parts))
    made = making(program, wanted, given=True)
    if not made.reads_input and PATH not in wanted:  # it may be read within the very expression
        raise CannotCut("what the model is given does not rest on the input")
    return made._replace(lines=[part for line in made.lines for part in _without_model(program, line)])


def _without_model(program: Program, line: Line) -> list[Line]:
    """Let an object of upstream's that is made from the checkpoint go without the model: build makes that."""
    if not isinstance(line.node, ast.Assign) or WEIGHTS not in names(line.node):
        return [line]
    held = [(name, attr) for name in sorted(writes(line.node)) for attr in program.values.holders(name)]
    targets: list[ast.expr] = [ast.Attribute(ast.Name(n, ast.Load()), attr, ast.Store()) for n, attr in held]
    freed = ast.Assign(targets=targets, value=ast.Constant(None), lineno=1)
    return [line, Line(ast.fix_missing_locations(freed), "")] if held else [line]


def result(fed: Feed, carried: dict[str, ast.expr], path: bool) -> ast.Return:
    """Write the return of preprocess."""
    keys: list[ast.expr | None] = [ast.Constant(n) for n in fed.tensors]
    tensors: ast.expr = ast.Dict(keys=keys, values=list(fed.tensors.values())) if fed.whole is None else fed.whole
    ctx = dict(carried)
    if path:
        ctx = {"path": parse_own("str(path)"), **ctx}
    context = ast.Dict(keys=[ast.Constant(n) for n in ctx], values=list(ctx.values()))
    return ast.fix_missing_locations(ast.Return(ast.Tuple([tensors, context], ast.Load())))


def input_names(fed: Feed, facts: Any) -> list[str]:
    """Name the tensors in order."""
    if fed.whole is None:
        return list(fed.tensors)
    args = facts.get("args", [])
    return list(args[1]) if len(args) > 1 and isinstance(args[1], dict) else []
