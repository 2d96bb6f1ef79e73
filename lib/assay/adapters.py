"""The adapter that runs: a recipe's functions, and for what it lacks those written from upstream's own run."""

import ast
from collections.abc import Sequence
from typing import NamedTuple

from assay import code

DRAFTED = "drafted"  # scripts/drafted.py
EMPTY = '"""No function of its own: the graph runs as it is, on tensors."""\n'
BESIDE = """

# assay: not in the recipe; written from upstream's own run, see drafted.py
import drafted  # noqa: E402
"""


class Supply(NamedTuple):
    """Functions that nobody wrote by hand, and who gives them."""

    text: str = ""
    functions: tuple[str, ...] = ()
    by: str = DRAFTED
    roots: tuple[str, ...] = ()  # folders of refs/ that it imports from


class Adapter(NamedTuple):
    """The text of scripts/adapter.py, who gives each function, and what lies beside it."""

    text: str
    by: dict[str, str]  # of the functions that are there: recipe | drafted
    beside: str = ""  # scripts/drafted.py
    roots: tuple[str, ...] = ()


def composed(recipe: str, shown: str, supply: Supply) -> Adapter:
    """Put the adapter together, function by function: the recipe's own word first."""
    own = _functions(recipe, shown) if recipe else []
    taken = [name for name in code.ADAPTER_FUNCTIONS if name in supply.functions and name not in own]
    if "infer" in taken and "build" in own:
        taken.remove("infer")  # it runs the model that its own build makes
    by = {**dict.fromkeys(own, "recipe"), **dict.fromkeys(taken, supply.by)}
    if not taken:
        return Adapter(recipe or EMPTY, by)
    if not recipe:
        return Adapter(_only(supply.text, taken), by, roots=supply.roots)
    module = code.parse_text(supply.text, "drafted.py")
    return Adapter(
        recipe.rstrip() + BESIDE + "".join(_forward(module, name) for name in taken), by, supply.text, supply.roots
    )


def _functions(text: str, shown: str) -> "list[str]":
    return list(code.functions(code.parse_text(text, shown)))


def _only(text: str, taken: "Sequence[str]") -> str:
    """Leave out the adapter functions that did not stand their rehearsal, with the blank lines before them."""
    tree, lines = ast.parse(text), text.splitlines()
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name in code.ADAPTER_FUNCTIONS and node.name not in taken:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            while first > 0 and (not lines[first - 1].strip() or lines[first - 1].startswith("#")):
                first -= 1
            del lines[first : node.end_lineno]
    return "\n".join(lines) + "\n"


def _forward(module: ast.Module, name: str) -> str:
    """Write a function that calls the drafted one, by the same signature: that is the grain of staleness."""
    node = next(n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == name)
    by_place = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    given = [*by_place, *(f"{a.arg}={a.arg}" for a in node.args.kwonlyargs)]
    return f"\n\ndef {name}({ast.unparse(node.args)}):\n    return drafted.{name}({', '.join(given)})\n"
