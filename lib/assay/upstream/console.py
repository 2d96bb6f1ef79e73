"""The commands that installing upstream would make, and the files that define them; nothing is installed or run."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from assay.records import Module
from assay.upstream import entrypoints
from assay.upstream.finding import Finding
from assay.upstream.index import File
from assay.upstream.manifests import parsed, table
from assay.upstream.requirements import Unreadable, content

ENTRY = re.compile(r"\s*(?P<name>[\w.-]+)\s*=\s*(?P<module>[\w.]+)\s*:\s*(?P<function>[\w.]+)\s*(\[.*\])?\s*")
GROUP = "console_scripts"
MOST = 100
Parsed = Mapping[str, "tuple[str, ast.Module]"]


class Console(NamedTuple):
    """A command, what it calls, and the file that defines that."""

    name: str
    call: str  # module:function, as it is imported
    path: str


def find(trees: Mapping[str, Path], modules: Sequence[Module], files: Parsed) -> "dict[str, Console]":
    """Find the command that each file defines, the likeliest of several."""
    finding = Finding(modules)
    found: dict[str, Console] = {}
    for tree, folder in trees.items():
        for line in list(_declared(folder))[:MOST]:
            entry = ENTRY.fullmatch(line)
            path = _defining(entry["module"], entry["function"], tree, finding, files) if entry else ""
            if entry and path:
                one = Console(entry["name"], f"{entry['module']}:{entry['function']}", path)
                found[path] = max((found.get(path, one), one), key=lambda c: entrypoints.named(c.name))
    return found


def _declared(tree: Path) -> "Iterator[str]":
    """Give what the files at a tree's top declare, each as `name = module:function`."""
    for name, reader in (("pyproject.toml", _pyproject), ("setup.cfg", _setup_cfg), ("setup.py", _setup_py)):
        if (tree / name).is_file():
            try:
                yield from reader(content(tree / name))
            except (Unreadable, tomllib.TOMLDecodeError, configparser.Error, RecursionError):
                continue  # the survey tells of what cannot be read


def _pyproject(text: str) -> "Iterator[str]":
    data = tomllib.loads(text)
    poetry = table(table(data, "tool"), "poetry")
    for scripts in (table(table(data, "project"), "scripts"), table(poetry, "scripts")):
        yield from (f"{name} = {value}" for name, value in scripts.items() if isinstance(value, str))


def _setup_cfg(text: str, section: str = "options.entry_points") -> "Iterator[str]":
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    parser.read_string(text)
    yield from parser.get(section, GROUP, fallback="").splitlines()


def _setup_py(text: str) -> "Iterator[str]":
    tree = parsed(text)
    names = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "entry_points":
            yield from _grouped(_value(node.value, names), names)


def _grouped(value: ast.expr, names: "Mapping[str, ast.expr]") -> "Iterator[str]":
    if isinstance(value, ast.Dict):
        for key, inner in zip(value.keys, value.values):
            if isinstance(key, ast.Constant) and key.value == GROUP:
                yield from _lines(_value(inner, names), names)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), allow_no_value=True)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string("\n".join(line.strip() for line in value.value.splitlines()))
        if parser.has_section(GROUP):
            yield from (f"{name} = {called}" for name, called in parser.items(GROUP))


def _lines(value: ast.expr, names: "Mapping[str, ast.expr]") -> "Iterator[str]":
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield from value.value.splitlines()
    elif isinstance(value, (ast.List, ast.Tuple)):
        for element in value.elts:
            one = _value(element, names)
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value


def _value(node: ast.expr, names: "Mapping[str, ast.expr]") -> ast.expr:
    return names.get(node.id, node) if isinstance(node, ast.Name) else node


def _defining(module: str, function: str, tree: str, finding: Finding, files: Parsed) -> str:
    """Name the file that defines what a command calls: the module's own, or one that it takes it from."""
    path = module_file(list(files), tree, module)
    name = function.partition(".")[0]
    if not path:
        return ""
    file = File(path, *files[path])
    if name in file.defs or name not in file.imports:
        return path if name in file.defs else ""
    bound = file.imports[name]
    local = finding.find(tree, file.inner, bound.module, [bound.name] if bound.name else [])
    further = [f"{tree}/{inner}" for inner in reversed(local.files)] if local else []
    return next((p for p in further if p in files and bound.name in File(p, *files[p]).defs), "")


def module_file(python_files: Sequence[str], tree: str, module: str) -> str:
    """Find the file of a module in a tree, wherever its packages begin; "" when several may be it."""
    inner = "/" + module.replace(".", "/")
    ends = (inner + ".py", inner + "/__init__.py")
    found = [path for path in python_files if path.startswith(tree + "/") and path.endswith(ends)]
    least = min((path.count("/") for path in found), default=0)
    outermost = [path for path in found if path.count("/") == least]
    return outermost[0] if len(outermost) == 1 else ""
