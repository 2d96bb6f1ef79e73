"""The code of a TorchScript archive, as text: what goes in, which operators it calls, which of them nobody knows."""

import ast
import re
from collections import Counter
from functools import cached_property

from assay.formats.given import Given
from assay.formats.opening import shown
from assay.formats.pickle_globals import DANGEROUS
from assay.formats.torch_operators import KNOWN_BY, OPERATORS
from assay.formats.zips import Zip
from assay.records import Graph, Named, Tensor

MOST_TEXT = 16 << 20  # of all code together
MOST_FILE = 2 << 20
SPACES = (
    "aten prim prims quantized _quantized c10d _c10d_functional mkldnn mkldnn_prepacked onednn mkl sparse profiler "
    "quantization inductor static_runtime"
)
# Operators that do more than compute: seen to create files, or to load what a path names.
FILES = re.compile(r"from_file|save|load|_load_\w+|dlopen|load_library")


class Code:
    """All Python-like texts under code/, parsed one by one."""

    def __init__(self, given: Given, archive: Zip, folder: str) -> None:
        self.given, self.folder = given, folder
        names = sorted(n for n in archive.members if n.startswith(folder) and n.endswith(".py"))
        if sum(archive.members[n].size for n in names) > MOST_TEXT:
            raise given.damaged(f"holds more than {MOST_TEXT >> 20} MiB of code, which no model does", "do not load it")
        self.trees = {n: self._parse(n, archive.read(n, MOST_FILE)) for n in names}

    def _parse(self, name: str, data: bytes) -> ast.Module:
        try:
            return ast.parse(data.decode())
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f" at line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            what = f"damaged: its code {shown(name)} cannot be parsed{line}"
            raise self.given.damaged(what, "save it again") from None

    @cached_property
    def calls(self) -> "Counter[tuple[str, str]]":
        """Count the operators that are called, by name space and name."""
        found: Counter[tuple[str, str]] = Counter()
        for tree in self.trees.values():
            for node in ast.walk(tree):
                target = _target(node.func) if isinstance(node, ast.Call) else ()
                if len(target) == 2 and target[0] == "torch":
                    found["aten", target[1]] += 1
                elif len(target) == 3 and target[0] == "ops":
                    found[target[1], target[2]] += 1
        return found

    def graph(self, name: str) -> Graph:
        """Give the signature of a class's forward, and the operators of all code."""
        function = self._forward(name)
        inputs, outputs = [], []
        if function is not None:
            arguments = function.args.args[1:]
            inputs = [Tensor(name=a.arg, dtype=_type(a.annotation), shape=None) for a in arguments]
            outputs = [Tensor(name="output", dtype=_type(function.returns), shape=None)]
        ops = {op if space == "aten" else f"{space}::{op}": n for (space, op), n in sorted(self.calls.items())}
        custom = sorted(f"{space}::{op}" for space, op in self.calls if space not in SPACES.split())
        return Graph(
            inputs=inputs, outputs=outputs, nodes=sum(self.calls.values()), ops=ops, custom_ops=custom[:100],
            producer="TorchScript",
        )  # fmt: skip

    def _forward(self, name: str) -> "ast.FunctionDef | None":
        module, _, kind = name.rpartition(".")
        tree = self.trees.get(f"{self.folder}{module.replace('.', '/')}.py")
        for node in tree.body if tree else ():
            if isinstance(node, ast.ClassDef) and node.name == kind:
                found = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
                return found[0] if found else None
        return None

    def unknown(self) -> "list[str]":
        """Say which operators need a library, or are of no torch known here."""
        foreign = sorted({f"{space}::{op}" for space, op in self.calls if space not in SPACES.split()})
        said = [f"operator {shown(name)} needs a library of its own" for name in foreign[:8]]
        odd = sorted(op for space, op in self.calls if space in ("aten", "prim") and op not in OPERATORS)
        return said + [f"its code calls torch.{shown(op)}, which no torch up to {KNOWN_BY} has" for op in odd[:8]]

    def reaches_out(self) -> "list[Named]":
        """Name the operators that touch files."""
        found = sorted((op, n) for (space, op), n in self.calls.items() if space == "aten" and FILES.fullmatch(op))
        why = "can create, read or map files of any name"
        return [Named(name=f"torch.{op}", verdict=DANGEROUS, why=why, times=n, where="code/") for op, n in found]


def _target(node: ast.expr) -> "tuple[str, ...]":
    """Give a called name in parts: ops.prim.NumToTensor."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def _type(annotation: "ast.expr | None") -> str:
    """Name a type; of a tensor the code says nothing more."""
    try:
        name = ast.unparse(annotation)[:100] if annotation is not None else "Tensor"
    except RecursionError:
        name = "a type nested too deep to tell"
    return "unknown" if name == "Tensor" else name
