"""What a drafted decoding does to the model's answer, read off the lines that stood the rehearsal."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from assay.claims.found import cited
from assay.drafts.flow import called
from assay.records import Claim, Draft, Evidence, Match, Observation

KNOWN = {
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
    "expit": "sigmoid",
    "tanh": "tanh",
    "argmax": "argmax",
    "multinomial": "sample",
}
KEEPS = {"softmax", "log_softmax", "sigmoid", "cpu", "detach", "float", "numpy", "from_numpy", "asarray"}
RANKS = {"topk", "sort", "argsort", "sorted", "argmin", "argpartition", "nonzero"}  # a choice, by no word for it here
DEEPEST, MOST_FILES = 6, 400
OF_Y = re.compile(r"YCrCb|YCbCr|YUV|LAB|HSV", re.I)  # lines that may make the same numbers another way
PASSED = {"", "postprocess", "prepared_after", "saved_picture", "as_picture", "written_sound"}  # ours


def activation(
    seen: "Observation | None", texts: "Mapping[str, str]", files: "Collection[str] | None" = None
) -> "list[Claim]":
    """Name what is done to the answer's numbers, in order; nothing where a function of upstream's hides it.

    `files` names upstream's Python files among the texts; without it all of them are.
    """
    files = texts.keys() if files is None else files
    draft = _decodes(seen)
    if draft is None or seen is None or any(f.id == "post.activation" and f.value is not None for f in seen.findings):
        return []
    function = function_named(ast.parse(draft.text))
    if function is None:
        return []
    rest: set[str] = set()
    words = list(dict.fromkeys(_words(function, _upstream(draft, texts, files), rest)))
    if _defined(rest, texts, files) or (not words and rest & RANKS):
        return []
    reason = "" if words else "nothing of the kind is done to the model's answer"
    return [_of_postprocess("post.activation", ", ".join(words) or "none", reason)]


def choices(seen: "Observation | None") -> "list[Claim]":
    """Name what the answer is chosen from, or count it: the length of the axis whose largest entry is taken."""
    draft = _decodes(seen)
    function = function_named(ast.parse(draft.text)) if draft else None
    lists = [names for node in ast.walk(function) if (names := _listed(node))] if function else []
    if len(lists) == 1:
        return [_of_postprocess("labels.names", lists[0]), _of_postprocess("labels.count", len(lists[0]))]
    call = next((run.first for run in seen.runs if run.first), None) if seen else None
    if function is None or call is None:
        return []
    shapes = {f"output{i or ''}": one.shape for i, one in enumerate(call.outputs)}
    counts = {shapes[name][axis] for name, axis in _chosen(function) if _fits(shapes.get(name), axis)}
    return [_of_postprocess("labels.count", counts.pop())] if len(counts) == 1 else []


def classes(seen: "Observation | None", match: Match, texts: "Mapping[str, str]", words: str) -> "list[Claim]":
    """Count the classes as the network's own num_classes says, where an output has an axis of that length.

    Only where each is decided by a sigmoid of its own: beside a softmax one of them may stand for none.
    """
    best, call = match.best, next((run.first for run in seen.runs if run.first), None) if seen else None
    if best is None or call is None or "sigmoid" not in words or "softmax" in words:
        return []
    body = next((n for n in ast.walk(parsed(best.path, texts)) if _is_class(n, best.qualname)), None)
    stated = [n for n in ast.walk(body) if isinstance(n, ast.Assign) and _named_so(n.targets[0])] if body else []
    value = _number(stated[0].value) if len(stated) == 1 else None
    if value is None or value not in {one.shape[-1] for one in call.outputs if one.shape}:
        return []
    line = texts.get(best.path, "").splitlines()[stated[0].lineno - 1].strip()
    evidence = [cited(f"{best.path}:{stated[0].lineno}", line, best.qualname)]
    return [Claim(id="labels.count", value=value, status="read", by="reading", evidence=evidence)]


def _is_class(node: ast.AST, qualname: str) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == qualname.rpartition(".")[2]


def _named_so(target: ast.expr) -> bool:
    """Tell self.num_classes, or num_classes of a class, by any of its usual spellings."""
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name in ("num_classes", "n_classes", "nb_classes", "nclasses")


def grey(seen: "Observation | None") -> "list[Claim]":
    """Say that a picture is made grey where its lines say so: the numbers could as well be the Y of a conversion."""
    draft = seen.draft if seen is not None else None
    findings = seen.findings if seen is not None else []
    either = any(f.id == "pre.color" and f.value is None and f.alternatives == ["GRAY", "Y"] for f in findings)
    if draft is None or not either or "preprocess" not in draft.functions:
        return []
    function = function_named(ast.parse(draft.text), "preprocess")
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)] if function else []
    unsure = function is None or OF_Y.search(ast.unparse(function))
    if unsure or not any(_is_grey(call) for call in calls):
        return []
    evidence = [Evidence(kind="probe", where="outputs/probe.json", text="preprocess, rehearsed")]
    return [Claim(id="pre.color", value="GRAY", status="observed", by="draft", evidence=evidence)]


def _is_grey(call: ast.Call) -> bool:
    """Tell Pillow's convert("L") and OpenCV's way of saying the same."""
    first = call.args[0] if call.args else None
    to_grey = called(call) == "convert" and isinstance(first, ast.Constant) and first.value == "L"
    return to_grey or (called(call) == "cvtColor" and any("2GRAY" in ast.unparse(one) for one in call.args[1:]))


def _listed(node: ast.AST) -> "list[str]":
    """Give the names of a list that one is picked from."""
    items = node.value.elts if isinstance(node, ast.Subscript) and isinstance(node.value, ast.List) else []
    names = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return names if len(names) == len(items) > 1 else []


def _of_postprocess(name: str, value: Any, reason: str = "") -> Claim:
    evidence = [Evidence(kind="probe", where="outputs/probe.json", text="postprocess, rehearsed")]
    return Claim(id=name, value=value, status="observed", by="draft", evidence=evidence, reason=reason)


def _decodes(seen: "Observation | None") -> "Draft | None":
    draft = seen.draft if seen is not None else None
    return draft if draft is not None and "postprocess" in draft.functions else None


def _fits(shape: "list[int] | None", axis: int) -> bool:
    return shape is not None and -len(shape) <= axis < len(shape)


def function_named(module: ast.Module, name: str = "postprocess") -> "ast.FunctionDef | None":
    return next((n for n in ast.walk(module) if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _upstream(draft: Draft, texts: "Mapping[str, str]", files: "Collection[str]") -> "dict[str, ast.FunctionDef]":
    """Find the functions of the files that the draft imports from, by name."""
    modules = [n.module for n in ast.walk(ast.parse(draft.text)) if isinstance(n, ast.ImportFrom) and n.module]
    ends = tuple(f"/{m.replace('.', '/')}{tail}" for m in modules for tail in (".py", "/__init__.py"))
    paths = [p for p in files if p.endswith(ends)]
    found: dict[str, ast.FunctionDef] = {}
    for path in paths:
        found.update(_handed_on(path, texts, files))
    for path in paths:
        found.update(_functions(path, texts))
    return found


def _functions(path: str, texts: "Mapping[str, str]") -> "dict[str, ast.FunctionDef]":
    return {n.name: n for n in ast.walk(parsed(path, texts)) if isinstance(n, ast.FunctionDef)}


def _handed_on(path: str, texts: "Mapping[str, str]", files: "Collection[str]") -> "dict[str, ast.FunctionDef]":
    """Give the functions that an __init__.py takes by name from files beside it, to hand them on."""
    found: dict[str, ast.FunctionDef] = {}
    for node in parsed(path, texts).body if path.endswith("/__init__.py") else ():
        if not isinstance(node, ast.ImportFrom) or node.level != 1 or not node.module:
            continue
        beside = path.replace("__init__", node.module.replace(".", "/"))
        top = parsed(beside, texts).body if beside in files else []
        taken = {alias.name: alias.asname or alias.name for alias in node.names}
        every = "*" in taken
        found |= {
            taken.get(f.name, f.name): f for f in top if isinstance(f, ast.FunctionDef) and (every or f.name in taken)
        }
    return found


def parsed(path: str, texts: "Mapping[str, str]") -> ast.Module:
    try:
        return ast.parse(texts.get(path, ""))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _defined(names: "set[str]", texts: "Mapping[str, str]", files: "Collection[str]") -> bool:
    """Tell whether upstream defines anything that was called and could not be looked into."""
    if not names or len(files) > MOST_FILES:
        return bool(names)
    pattern = re.compile(rf"^\s*(?:async )?def ({'|'.join(map(re.escape, sorted(names)))})\(", re.MULTILINE)
    return any(pattern.search(texts.get(path, "")) for path in files)


def _words(
    function: ast.FunctionDef,
    upstream: "Mapping[str, ast.FunctionDef]",
    rest: "set[str]",
    depth: int = 0,
    met: "dict[str, int] | None" = None,
) -> "Iterator[str]":
    """Give the words for what is called in order; `rest` gets the names of what is neither known nor upstream's.

    `met` says how deep each function was looked into: again only from further out.
    """
    met = {} if met is None else met
    for node in _ordered(function):
        if _is_largest(node):
            yield "argmax"
        name = called(node)
        if name in KNOWN:
            yield KNOWN[name]
        elif name in upstream and name not in PASSED and depth < DEEPEST and upstream[name] is not function:
            if met.setdefault(name, DEEPEST) > depth:
                met[name] = depth
                yield from _words(upstream[name], upstream, rest, depth + 1, met)
        elif name not in PASSED:
            rest.add(name)


def _ordered(function: ast.FunctionDef) -> "list[ast.Call | ast.Assign | ast.Attribute | ast.Subscript]":
    """Give the calls as they are evaluated, and what is taken of them: what stands inside comes first."""
    inner = [n for n in ast.walk(function) if isinstance(n, (ast.Call, ast.Assign, ast.Attribute, ast.Subscript))]
    return sorted(inner, key=lambda n: (n.end_lineno or 0, n.end_col_offset or 0))


def _is_largest(node: ast.AST) -> bool:
    """Tell `_, index = torch.max(x, 1)`, whose second is where the largest entry stands, or that second alone."""
    if isinstance(node, ast.Assign):
        pair = isinstance(node.targets[0], ast.Tuple) and len(node.targets[0].elts) == 2
    elif isinstance(node, ast.Subscript):
        pair = isinstance(node.slice, ast.Constant) and node.slice.value == 1
    else:
        pair = isinstance(node, ast.Attribute) and node.attr == "indices"
    return pair and called(node.value) == "max"  # type: ignore[attr-defined]


def _chosen(function: ast.FunctionDef) -> "Iterator[tuple[str, int]]":
    """Give each output whose largest entry along an axis is taken, with the axis."""
    held: dict[str, str] = {}
    for node in _ordered(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, parts = node.targets[0].id, getattr(node.value, "elts", [])
            held.update({f"{name}[{i}]": _output(part, held) for i, part in enumerate(parts)})
            held[name] = _output(node.value, held)
        call: Any = node.value if _is_largest(node) else node  # type: ignore[union-attr]
        if called(call) == "argmax" or call is not node:
            of_method = isinstance(call.func, ast.Attribute) and _output(call.func.value, held)
            args = call.args if of_method else call.args[1:]
            of = of_method or (_output(call.args[0], held) if call.args else "")
            axis = next((k.value for k in call.keywords if k.arg in ("dim", "axis")), args[0] if args else None)
            number = _number(axis)
            if of and number is not None:
                yield of, number


def _number(node: "ast.expr | None") -> "int | None":
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _output(node: ast.expr, held: "Mapping[str, str]") -> str:
    """Name the output that an expression is, its shape as it was; "" for anything else."""
    if isinstance(node, ast.Name):
        return held.get(node.id, "")
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "outputs":
        key = node.slice.value if isinstance(node.slice, ast.Constant) else ""
        return str(key) if re.fullmatch(r"output\d*", str(key)) else ""
    if isinstance(node, ast.Subscript):
        return held.get(ast.unparse(node), "")
    if isinstance(node, ast.Call) and called(node) in KEEPS:
        of_method = isinstance(node.func, ast.Attribute) and _output(node.func.value, held)
        return of_method or (_output(node.args[0], held) if node.args else "")
    return ""
