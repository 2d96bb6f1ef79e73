"""The top of an adapter: imports of what upstream's statements use, and copies of what cannot be imported."""

from __future__ import annotations

import ast
import builtins
import itertools
import re
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from assay.drafts import modules
from assay.drafts.compat import Compat
from assay.drafts.cut import CannotCut, parsed
from assay.drafts.observed import MISSING, Values, ident, plain_name
from assay.drafts.program import Program
from assay.drafts.seen import expression, is_json

RESERVED = {
    "build", "preprocess", "infer", "postprocess", "draw", "prepared_before", "prepared_after", "as_picture",
    "saved_picture", "written_sound", "path", "outputs", "ctx", "model", "tensors", "checkpoint", "device",
}  # fmt: skip
OWN_IMPORTS = {
    "Path": "from pathlib import Path",
    "SOURCE": "",
    "argparse": "import argparse",
    "functools": "import functools",
    "np": "import numpy as np",
    "os": "import os",
    "soundfile": "import soundfile",
    "tempfile": "import tempfile",
    "torch": "import torch",
    "wave": "import wave",
    "wavfile": "from scipy.io import wavfile",
}


class Header:
    """Gathers what an adapter needs above its functions, and gives each global its name there."""

    def __init__(
        self,
        texts: Mapping[str, str],
        names: Mapping[str, str],
        scripts: Mapping[str, int],
        values: Values,
        files: list[str],
    ) -> None:
        self.files = files
        self.texts, self.modules, self.scripts, self.values = texts, dict(names), dict(scripts), values
        self.imports: dict[str, str] = {}  # name -> statement
        self.copies: dict[str, tuple[str, str]] = {}  # name -> text, where
        self.source = False
        self.compat = Compat([], [])
        self.prologue: list[tuple[str, str]] = []  # statement, module that it has to come after
        self.roots: set[str] = set()

    @classmethod
    def of_program(cls, program: Program | None, texts: Mapping[str, str]) -> Header:
        """Make the header for a program; without one only what build needs can be had."""
        if program is None:
            return cls(texts, {}, {}, Values([], [], set()), [])
        steps = [p.step for p in program.pieces]
        names = {s.file: s.module for s in steps if s.module and s.module != "__main__"}
        scripts = {p.step.file: i for i, p in enumerate(program.pieces) if p.function is None}
        return cls(texts, names, scripts, program.values, program.scopes.files)

    def own(self, name: str) -> str:
        """Give a name of the adapter's own; what it comes from is imported."""
        if name == "SOURCE":
            self.source = True
            return self.own("Path") and name
        if OWN_IMPORTS.get(name):
            self._take(name, OWN_IMPORTS[name])
        return name

    def of(self, name: str, file: str) -> str:
        """Give the name under which a global of a file can be had."""
        if hasattr(builtins, name):
            return name
        tree = parsed(file, self.texts)
        node = modules.binding(tree, name)
        if isinstance(node, ast.Import):
            taken = self._import(node, name)
            self.also(name, file)
            return taken
        if isinstance(node, ast.ImportFrom):
            return self._import_from(node, name, file)
        if node is None:
            return self._star(tree, name, file)
        return self._defined(node, name, file, tree)

    def _import(self, node: ast.Import, name: str) -> str:
        found = [a for a in node.names if (a.asname or a.name.split(".")[0]) == name]
        for alias in found:
            text = f"import {alias.name} as {alias.asname}" if alias.asname else f"import {alias.name}"
            self._note_root(alias.name)
            taken = self._take(name, text, several=True)
        return taken

    def also(self, dotted: str, file: str) -> None:
        """Import every module that a file names below the same package: `import a.b` and `import a.c`."""
        for node in ast.walk(parsed(file, self.texts)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if not alias.asname and alias.name.split(".")[0] == dotted and alias.name != dotted:
                        self._take(dotted, f"import {alias.name}", several=True)

    def _import_from(self, node: ast.ImportFrom, name: str, file: str) -> str:
        alias = next(a for a in node.names if (a.asname or a.name.split(".")[0]) == name)
        base = modules.absolute(node, self._module(file), file.endswith("/__init__.py"))
        copied = self._copied(name, self._file_of(base)) if alias.name == name else ""
        if copied:
            return copied
        self._note_root(base)
        return self._take(name, _from(base, alias.name, name))

    def import_from(self, module: str, name: str, path: str = "") -> str:
        """Import a name from a module of upstream's."""
        if module == "__main__":
            return self.of(name, path)
        copied = self._copied(name, path or self._file_of(module))
        if copied:
            return copied
        self._note_root(module, path)
        return self._take(name, _from(module, name, name))

    def _copied(self, name: str, file: str | None) -> str:
        """Copy what a file defines that does more than that when it is imported; "" where that cannot be."""
        if file is None:
            return ""
        tree = parsed(file, self.texts)
        node = modules.binding(tree, name)
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign)) or node not in tree.body:
            return ""
        if name in RESERVED or not modules.acts(tree) or modules.changes(tree, name):
            return ""
        before = dict(self.imports), dict(self.copies)
        try:
            return self._copy(node, name, file)
        except CannotCut:
            self.imports, self.copies = before
            return ""

    def _star(self, tree: ast.Module, name: str, file: str) -> str:
        unknown = []
        for node in modules.stars(tree):
            base = modules.absolute(node, self._module(file), file.endswith("/__init__.py"))
            place = self._file_of(base)
            if place is None:
                unknown.append(base)
            elif self._has(place, name, 0):
                self._note_root(base)
                return self._take(name, _from(base, name, name))
        if len(unknown) == 1:
            return self._take(name, _from(unknown[0], name, name))
        raise CannotCut(f"where {name} comes from in {file} could not be told")

    def _has(self, file: str, name: str, depth: int) -> bool:
        tree = parsed(file, self.texts)
        if modules.binding(tree, name) is not None:
            return True
        inner = [modules.absolute(n, self._module(file), file.endswith("/__init__.py")) for n in modules.stars(tree)]
        places = [p for p in map(self._file_of, inner) if p]
        return depth < 4 and any(self._has(p, name, depth + 1) for p in places)

    def _defined(self, node: ast.stmt, name: str, file: str, tree: ast.Module) -> str:
        script = file in self.scripts
        if not script or modules.importable(file, tree):
            copied = "" if script else self._copied(name, file)
            if copied:
                return copied
            module = self._module(file)
            self._note_root(module)
            return self._take(name, _from(module, name, name))
        return self._copy(node, name, file)

    def _copy(self, node: ast.stmt, name: str, file: str) -> str:
        """Copy a definition of a script that cannot be imported, with what it rests on."""
        where = f"{file}:{node.lineno}"
        known = self.copies.get(name)
        if known and _alike(known[0], self._text(node, name, file)):
            return name  # a page's lines define what its file does
        if known:
            return self._same(known[1], where, name)
        if name in self.imports:
            raise CannotCut(f"{name} means one thing in {file} and another elsewhere")
        text = self._text(node, name, file)
        self.copies[name] = (text, where)
        for other in sorted(_globals_of(ast.parse(text))):
            if other != name and not hasattr(builtins, other) and self.of(other, file) != other:
                raise CannotCut(f"{other} means one thing in {file} and another elsewhere")
        self.copies[name] = self.copies.pop(name)  # after what it rests on
        return name

    @staticmethod
    def _same(one: str, other: str, name: str) -> str:
        if one != other:
            raise CannotCut(f"{name} is defined twice: {one} and {other}")
        return name

    def _text(self, node: ast.stmt, name: str, file: str) -> str:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            lines = self.texts[file].splitlines()
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            return "\n".join(line.expandtabs(4).rstrip() for line in lines[first - 1 : node.end_lineno])
        value: Any = self.values.one(ident(name, self.scripts[file])) if file in self.scripts else MISSING
        written = expression(value) if value is not MISSING and is_json(value) else None
        if written is not None:
            return f"{name} = {ast.unparse(written)}"
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            return ast.unparse(node)
        raise CannotCut(f"{name} of {file}:{node.lineno} cannot be had without running the script")

    # ------------------------------------------------------------ books
    def _take(self, name: str, text: str, several: bool = False) -> str:
        if name in RESERVED:
            return self._take(f"upstream_{name}", _aliased(text, f"upstream_{name}"))
        known = self.imports.get(name)
        if known is None and name not in self.copies:
            self.imports[name] = text
            return name
        if known is not None and text in known.split("\n"):
            return name
        if several and known is not None and known.startswith("import ") and " as " not in known + text:
            self.imports[name] = f"{known}\n{text}"
            return name
        number = 2
        while self.imports.get(f"{name}_{number}", _aliased(text, f"{name}_{number}")) != _aliased(
            text, f"{name}_{number}"
        ):
            number += 1
        other = f"{name}_{number}"
        self.imports[other] = _aliased(text, other)
        return other

    def _module(self, file: str) -> str:
        """Name a file as a module."""
        if file in self.modules:
            return self.modules[file]
        inside = PurePosixPath(file.partition("/")[2]).with_suffix("")
        parts = inside.parts[:-1] if inside.name == "__init__" else inside.parts
        return ".".join(parts)

    def _file_of(self, module: str) -> str | None:
        """Find the file of a module of the tree."""
        if module.split(".")[0] in sys.stdlib_module_names:
            return None
        seen = next((file for file, one in self.modules.items() if one == module), None)
        if seen is not None:
            return seen
        path = module.replace(".", "/")
        ends = (f"/{path}.py", f"/{path}/__init__.py")
        found = [f for f in self.texts if f.endswith(ends)]
        return min(found, key=len) if found else None

    def imported_below(self, top: str) -> list[str]:
        """Name a package and every module of it that a file of the tree imports."""
        pattern = re.compile(rf"^\s*(?:from|import)\s+({top}(?:\.\w+)*)", re.M)
        found = {m for text in self.texts.values() if top in text for m in pattern.findall(text)}
        parts = {".".join(m.split(".")[: i + 1]) for m in found | {top} for i in range(m.count(".") + 1)}
        return sorted(parts)

    def reachable(self, module: str) -> None:
        """Let a module of the tree be importable without importing it."""
        self._note_root(module)

    def _note_root(self, module: str, path: str = "") -> None:
        """Remember the folder from which a module of the tree is imported."""
        file = path or self._file_of(module)
        root = root_of(file, module) if file is not None else "."
        if root != ".":  # else the tree itself is the package
            self.roots.add(root)

    def text(self) -> str:
        """Write the imports, the standard library's first."""
        lines = [line for text in self.imports.values() for line in text.split("\n")]
        own = _merged([line for line in lines if _library(line)])
        others = _merged([line for line in lines if not _library(line)])
        first = {module for _, module in self.prologue}
        late = [x for x in others if self.prologue and x.split()[1] not in first and self._file_of(x.split()[1])]
        early = [x for x in others if x not in late]
        if self.compat.lines:
            return self._mended(own, early, late)
        parts = [own, early, [text for text, _ in self.prologue], [f"{x}  # noqa: E402" for x in late]]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def _mended(self, own: list[str], early: list[str], late: list[str]) -> str:
        """Put what sets things right between its own imports and all others."""
        first = _merged(self.compat.imports + own)
        ours = [x for x in first if _library(x)]
        theirs = [x for x in first if not _library(x)]
        before = [ours, theirs, self.compat.lines]
        after = [[f"{x}  # noqa: E402" for x in early if x not in theirs], [text for text, _ in self.prologue]]
        parts = [*before, *after, [f"{x}  # noqa: E402" for x in late]]
        gap = "\n\n\n" if any("\n" in line for line in self.compat.lines) else "\n\n"
        texts = ["\n\n\n".join(p) if p is self.compat.lines and gap == "\n\n\n" else "\n".join(p) for p in parts if p]
        return _gaps(texts, gap)

    def before_imports(self, node: ast.Call, where: str, renamed: str) -> None:
        """Keep a call that upstream's script makes before it imports more of its tree."""
        script = parsed(where.rpartition(":")[0], self.texts)
        line = int(where.rpartition(":")[2])
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        found = modules.binding(script, plain_name(name)) if name else None
        if not isinstance(found, ast.ImportFrom) or self._file_of(found.module or "") is None:
            return
        later = [n for n in script.body if isinstance(n, ast.ImportFrom) and n.lineno > line]
        if any(self._file_of(n.module or "") for n in later):
            self.prologue.append((f"{renamed}  # {where.partition('/')[2]}", found.module or ""))


def root_of(file: str, module: str) -> str:
    """Give the folder that a file's module name counts from."""
    up = len(module.split(".")) - (0 if file.endswith("/__init__.py") else 1)
    parent = PurePosixPath(file).parent
    for _ in range(up):
        parent = parent.parent
    return str(parent)


def _from(base: str, name: str, alias: str) -> str:
    return f"from {base} import {name}" if name == alias else f"from {base} import {name} as {alias}"


def _gaps(texts: list[str], gap: str) -> str:
    """Join parts; around definitions two lines are left free."""
    made = texts[0] if texts else ""
    for before, text in itertools.pairwise(texts):
        wide = before.startswith(("class ", "def ")) or text.startswith(("class ", "def "))
        made += (gap if wide and not before.startswith(("class ", "def ")) else "\n\n") + text
    return made


def _aliased(text: str, alias: str) -> str:
    return f"{text.split(' as ')[0]} as {alias}"


def _merged(lines: list[str]) -> list[str]:
    """Sort imports, and join those from one module."""
    plain = sorted({line for line in lines if line.startswith("import ")}, key=_order)
    whole = sorted({line for line in lines if " as " in line and line.startswith("from ")}, key=_order)
    by_module: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("from ") and " as " not in line:
            by_module.setdefault(line.split()[1], set()).add(line.split(" import ")[1])
    joined = [f"from {m} import {', '.join(sorted(n))}" for m, n in by_module.items()]
    return plain + sorted([*whole, *joined], key=_order)


def _library(line: str) -> bool:
    return line.split()[1].split(".")[0] in sys.stdlib_module_names


def _order(line: str) -> tuple[bool, str, str]:
    words = line.split()
    return words[0] == "from", words[1].lower(), line


def _alike(one: str, other: str) -> bool:
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


def _globals_of(tree: ast.Module) -> set[str]:
    from assay.drafts.reading import names

    bound = {
        n.id for s in tree.body for n in ast.walk(s) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    }
    inner = {n.name for s in tree.body for n in ast.walk(s) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    top = bound if not inner else set()
    return {plain_name(n) for n in names(tree)} - inner - top
