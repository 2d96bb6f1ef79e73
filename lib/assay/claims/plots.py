"""What upstream calls the rows of an answer where it plots them: plot(preds[1], label="P")."""

import ast
from collections.abc import Iterator, Mapping

from assay.claims.decoding import function_named, parsed
from assay.claims.found import cited
from assay.drafts.flow import called
from assay.records import Claim, Evidence, Observation

DRAWN = ("plot", "step", "semilogy")
FEWEST = 2


def rows(seen: "Observation | None", texts: "Mapping[str, str]") -> "list[Claim]":
    """Count the rows of an answer in 0..1 of which upstream plots several, each with a name of its own."""
    draft = seen.draft if seen is not None else None
    if seen is None or draft is None or "postprocess" not in draft.functions or not _likelihoods(seen):
        return []
    function = function_named(ast.parse(draft.text))
    given = _returned(function) if function is not None else {}
    path = seen.attempts[-1].entry.partition(":")[0].partition("#")[0]
    for name, count in given.items():
        for drawing in _drawings(parsed(path, texts), set(given)):
            named = {} if _bound_again(drawing, name) else dict(_labelled(drawing, name))
            told = {label for label, _ in named.values()}
            if len(named) == len(told) >= FEWEST and max(named) < count:
                return [_claim(count, name, named, path, texts)]
    return []


def _likelihoods(seen: Observation) -> bool:
    """Tell whether all that the model answered lay in 0..1; rows of anything else are no classes."""
    facts = [one for run in seen.runs if run.first for one in run.first.outputs]
    ends = [(one.minimum, one.maximum) for one in facts]
    return bool(ends) and all(low is not None and high is not None and low >= 0 and high <= 1 for low, high in ends)


def _claim(count: int, name: str, named: "dict[int, tuple[str, int]]", path: str, texts: "Mapping[str, str]") -> Claim:
    lines = texts[path].splitlines()
    evidence = [Evidence(kind="probe", where="outputs/probe.json", text="postprocess, rehearsed")]
    evidence += [cited(f"{path}:{line}", lines[line - 1].strip()) for _, line in named.values()]
    told = ", ".join(f"row {row} {label!r}" for row, (label, _) in sorted(named.items()))
    return Claim(
        id="labels.count",
        value=count,
        status="observed",
        by="draft",
        evidence=evidence,
        reason=f"rows of {name}, of which upstream plots {told}",
    )


def _returned(function: ast.FunctionDef) -> "dict[str, int]":
    """Give the entries of the answer that were turned into a number of rows: reshape(3, -1); 0 for the others."""
    end = function.body[-1]
    value = end.value if isinstance(end, ast.Return) else None
    if not isinstance(value, ast.Dict):
        return {}
    made: dict[str, ast.expr] = {}
    for node in function.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            made[node.targets[0].id] = node.value
    pairs = [(k.value, v) for k, v in zip(value.keys, value.values) if isinstance(k, ast.Constant)]
    return {str(k): _rows(made.get(v.id, v) if isinstance(v, ast.Name) else v) for k, v in pairs}


def _rows(value: ast.expr) -> int:
    if not isinstance(value, ast.Call) or called(value) not in ("reshape", "view") or len(value.args) != 2:
        return 0
    first = value.args[0].value if isinstance(value.args[0], ast.Constant) else None
    return first if isinstance(first, int) and first > 0 else 0


def _drawings(module: ast.Module, names: "set[str]") -> "Iterator[ast.FunctionDef]":
    """Find the functions that take all entries of the answer by their names."""
    functions = [n for n in ast.walk(module) if isinstance(n, ast.FunctionDef)]
    yield from (f for f in functions if names <= {a.arg for a in (*f.args.args, *f.args.kwonlyargs)})


def _bound_again(function: ast.FunctionDef, name: str) -> bool:
    """Tell whether a function makes something else of an argument: its rows may be no rows then."""
    return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(function))


def _labelled(function: ast.FunctionDef, name: str) -> "Iterator[tuple[int, tuple[str, int]]]":
    """Give each row that is drawn with a label, with the line."""
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or called(call) not in DRAWN:
            continue
        label = next((k.value for k in call.keywords if k.arg == "label"), None)
        for argument in call.args:
            row = _row(argument, name)
            if row is not None and isinstance(label, ast.Constant) and isinstance(label.value, str):
                yield row, (label.value, call.lineno)


def _row(node: ast.expr, name: str) -> "int | None":
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name) or node.value.id != name:
        return None
    first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
    value = first.value if isinstance(first, ast.Constant) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
