"""A model that upstream calls again and again for one input: upstream's own loop, its calls kept or played back."""

from __future__ import annotations

import ast
import copy
from typing import Any, NamedTuple

from assay.drafts.before import Feed
from assay.drafts.cut import CannotCut, Piece
from assay.drafts.localise import THRESHOLD
from assay.drafts.observed import ident, plain_name
from assay.drafts.program import Program
from assay.drafts.reading import names
from assay.drafts.seen import OWN, is_json, parse_own

CLASSES = '''class Calls:
    """The model, which remembers each answer that it gives."""

    def __init__(self, model):
        self.model, self.answers = model, []

    def __call__(self, *args, **kwargs):
        with torch.inference_mode():
            self.answers.append(self.model(*args, **kwargs))
        return self.answers[-1]

    forward = __call__

    def __getattr__(self, name):
        return getattr(self.model, name)


class Replay:
    """What stands for the model afterwards: it gives the same answers again, in order."""

    def __init__(self, answers):
        self.answers = iter(answers)

    def __call__(self, *args, **kwargs):
        return torch.from_numpy(next(self.answers))

    forward = __call__

    def __getattr__(self, name):
        return lambda *args, **kwargs: self


'''


class Loop(NamedTuple):
    """The call of upstream's function that calls the model in a loop."""

    feed: Feed
    recorded: ast.expr  # over `model` and `tensors`
    replayed: ast.expr  # over `outputs` and upstream's variables
    params: dict[str, tuple[Any, str]]


def loop(program: Program, inner: Piece) -> Loop:
    """Read the call of the function whose frame, the innermost, was left out of the program."""
    function = inner.function
    if not isinstance(function, ast.FunctionDef) or inner.owner:
        raise CannotCut("the model is called again and again for one input, in no function that could be called alone")
    outputs = program.call.facts.get("outputs")
    if not isinstance(outputs, dict) or "tensor" not in outputs or outputs.get("lib") != "torch":
        raise CannotCut("the model is called again and again for one input, and answers with more than one tensor")
    call = program.hole
    tensors: dict[str, ast.expr] = {}
    recorded, replayed = copy.deepcopy(call), copy.deepcopy(call)
    for left, right in zip(_places(recorded), _places(replayed)):
        node = left.value
        left.value, right.value = _recorded(node, program, tensors), _replayed(node, program)
    params = {}
    given = {k.arg for k in call.keywords} | {a.arg for a, _ in zip(function.args.args, call.args)}
    for name, default in _numbers(function).items():
        if name not in given and THRESHOLD.search(name):
            params[name] = (default, f"{inner.step.file}:{function.lineno}")
            replayed.keywords.append(ast.keyword(arg=name, value=ast.Name(ident(name, "p"), ast.Load())))
    if not tensors or "calls" + OWN not in names(recorded):
        raise CannotCut("the model is called again and again for one input, and what is given to the loop was not told")
    return Loop(Feed(tensors, None, [], {}), _put_back(recorded, call), _put_back(replayed, call), params)


def _places(call: ast.Call) -> list[Any]:
    """Give the arguments of a call as places that can be written."""
    call.keywords = [ast.keyword(arg=None, value=a) for a in call.args] + call.keywords
    return list(call.keywords)


def _put_back(call: ast.Call, original: ast.Call) -> ast.expr:
    count = len(original.args)
    call.args, call.keywords = [k.value for k in call.keywords[:count]], call.keywords[count:]
    return ast.fix_missing_locations(call)


def _recorded(node: ast.expr, program: Program, tensors: dict[str, ast.expr]) -> ast.expr:
    if isinstance(node, ast.Name):
        if program.values.is_model(node.id):
            return parse_own("calls")
        found = program.values.of(node.id)
        if found and isinstance(found[0], dict) and "tensor" in found[0]:
            name = plain_name(node.id)
            tensors[name] = node
            text = f"tensors[{name!r}]"
            return parse_own(f"torch.from_numpy({text})" if found[0].get("lib") == "torch" else text)
        made = program.values.constant(node.id) if found and all(map(is_json, found)) else None
        if made is None:
            raise CannotCut(f"{plain_name(node.id)}, which the loop is given, is neither a tensor nor a plain value")
        return made
    if any(n for n in names(node) if "§" in n and not n.endswith(OWN)):
        raise CannotCut(f"what the loop is given could not be told: {ast.unparse(node)}")
    return node


def _replayed(node: ast.expr, program: Program) -> ast.expr:
    if isinstance(node, ast.Name) and program.values.is_model(node.id):
        return parse_own("Replay(outputs['output'])")
    return node


def _numbers(function: ast.FunctionDef) -> dict[str, Any]:
    """Give the parameters whose default is a number."""
    args = function.args.args
    pairs = zip(reversed(args), reversed(function.args.defaults))
    found = {a.arg: d.value for a, d in pairs if isinstance(d, ast.Constant)}
    return {n: v for n, v in reversed(found.items()) if isinstance(v, (int, float)) and not isinstance(v, bool)}


def infer(recorded: str) -> str:
    """Write infer around the recorded call."""
    return "\n".join(
        [
            "def infer(model, tensors):",
            '    """Let upstream call the model as often as it does, and keep all its answers."""',
            "    calls = Calls(model)",
            f"    {recorded}",
            '    return {"output": torch.stack(calls.answers)}',
        ]
    )
