"""Traces made by hand: the calls are named by their text, their places are looked up in the source."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

from assay.drafts.draft import Draft, draft

TENSOR = {"tensor": "t1", "lib": "torch", "dtype": "float32", "shape": [1, 3, 8, 8], "device": "cpu"}
ARRAY = {**TENSOR, "lib": "numpy"}


def source(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


class Watched:
    """One tree, and runs of it that are written down step by step."""

    def __init__(self, **files: str) -> None:
        self.texts = {f"tree/{name.replace('__', '/')}.py": source(text) for name, text in files.items()}
        self.frames: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.interventions: list[dict[str, str]] = []

    def frame(self, name: str, file: str, qualname: str, /, **values: Any) -> None:
        first = 1 if qualname == "<module>" else min(_first(self._function(file, qualname)))
        module = "__main__" if qualname == "<module>" else file.replace("/", ".")
        self.frames[name] = {
            "file": f"tree/{file}.py", "qualname": qualname, "first_line": first, "module": module, "locals": values,
        }  # fmt: skip

    def _function(self, file: str, qualname: str) -> ast.AST:
        tree = ast.parse(self.texts[f"tree/{file}.py"])
        if qualname == "<module>":
            return tree
        *_, name = qualname.split(".")
        kinds = (ast.FunctionDef, ast.Lambda)
        return next(n for n in ast.walk(tree) if isinstance(n, kinds) and getattr(n, "name", "<lambda>") == name)

    def steps(self, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
        found = []
        for frame, text in pairs:
            facts = self.frames[frame]
            scope = self._function(facts["file"].removeprefix("tree/").removesuffix(".py"), facts["qualname"])
            calls = [n for n in ast.walk(scope) if isinstance(n, ast.Call) and ast.unparse(n).startswith(text)]
            node = calls[0]
            found.append({"frame": frame, "line": node.lineno, "end_line": node.end_lineno,
                          "col": node.col_offset, "end_col": node.end_col_offset})  # fmt: skip
        return found

    def read(self, *pairs: tuple[str, str], path: str = "@input") -> None:
        self.events.append({"is": "read", "how": "open", "path": path, "stack": self.steps(*pairs)})

    def construct(self, module: str, qualname: str, *pairs: tuple[str, str], **args: Any) -> None:
        made = {"module": module, "qualname": qualname, "file": f"tree/{module.replace('.', '/')}.py", "line": 1}
        self.events.append({"is": "construct", "id": "m1", "class": made, "args": args, "stack": self.steps(*pairs)})

    def call(self, *pairs: tuple[str, str], args: Any = None, outputs: Any = TENSOR, **more: Any) -> None:
        facts = {"is": "call", "id": "c1", "module": "m1", "main": True, "method": "forward", "kwargs": {}, **more}
        self.events.append(
            {**facts, "args": [TENSOR] if args is None else args, "outputs": outputs, "stack": self.steps(*pairs)}
        )

    def sink(self, how: str, *pairs: tuple[str, str], **more: Any) -> None:
        facts = {"is": "sink", "how": how, "args": [], "kwargs": {}, **more}
        self.events.append({**facts, "stack": self.steps(*pairs)})

    def run(self, **more: Any) -> dict[str, Any]:
        return {"input": "inputs/a.png", "outcome": "ok", "frames": self.frames, "events": self.events,
                "interventions": self.interventions, **more}  # fmt: skip

    def draft(self, checkpoint: dict[str, Any] | None = None, match: dict[str, Any] | None = None) -> Draft:
        made = draft([self.run()], self.texts, checkpoint or {}, match, "tree", "detect.py at 1a2b3c4")[0]
        compile(made.text, "adapter.py", "exec")
        return made


def _first(node: ast.AST) -> list[int]:
    return [getattr(node, "lineno", 1), *(d.lineno for d in getattr(node, "decorator_list", []))]


def function(text: str, name: str) -> str:
    """Give one function of an adapter, without docstring and comments."""
    node = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == name)
    node.body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    node.decorator_list = []
    return ast.unparse(node)
