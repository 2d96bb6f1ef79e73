"""Requirements in files that are more than a list: TOML, setup.cfg, setup.py, conda's YAML."""

import ast
import configparser
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from assay.upstream.requirements import Read, Unreadable, add, made

CONDA = re.compile(r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<rest>.*)")
MOST = 5_000


class _Lines:
    """Finds the line that says something; the same words twice are found in turn."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self._lines = file, text.splitlines()
        self._used: dict[str, int] = {}

    def find(self, words: str) -> int:
        """Give the number of the next line that holds these words, or 0."""
        return self._next(words, re.compile(re.escape(words)))

    def key(self, name: str) -> int:
        """Give the number of the next line that sets this key, or 0."""
        return self._next(f"{name} =", re.compile(rf"^\s*[\"']?{re.escape(name)}[\"']?\s*[=.]"))

    def _next(self, key: str, pattern: "re.Pattern[str]") -> int:
        for index in range(self._used.get(key, 0), len(self._lines)):
            if pattern.search(self._lines[index]):
                self._used[key] = index + 1
                return index + 1
        return 0


def pyproject(name: str, text: str) -> Read:
    """Read a pyproject.toml: the standard tables, poetry's and pixi's."""
    data, lines, read = _toml(text), _Lines(name, text), Read([], [])
    project, tools = table(data, "project"), table(data, "tool")
    _each(read, lines, project.get("dependencies"), "runtime")
    for extra in table(project, "optional-dependencies").values():
        _each(read, lines, extra, "optional")
    for group in table(data, "dependency-groups").values():
        _each(read, lines, group, "optional")
    _each(read, lines, table(data, "build-system").get("requires"), "build")
    _python(read, lines, project.get("requires-python"), "requires-python")
    _poetry(read, lines, table(tools, "poetry"))
    _pixi(read, lines, table(tools, "pixi"))
    return read


def pixi(name: str, text: str) -> Read:
    """Read a pixi.toml."""
    read = Read([], [])
    _pixi(read, _Lines(name, text), _toml(text))
    return read


def setup_cfg(name: str, text: str) -> Read:
    """Read a setup.cfg."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Unreadable("not a configuration file: " + str(error).splitlines()[0][:80]) from None
    lines, read = _Lines(name, text), Read([], [])
    wanted = [("options", "install_requires", "runtime"), ("options", "setup_requires", "build")]
    if parser.has_section("options.extras_require"):
        wanted += [("options.extras_require", key, "optional") for key in parser.options("options.extras_require")]
    for section, key, kind in wanted:
        value = parser.get(section, key, fallback="")
        _each(
            read,
            lines,
            [line.partition(" #")[0] for line in re.split(r"[\n;](?![^;\n]*_)", value) if line.strip()],
            kind,
        )
    _python(read, lines, parser.get("options", "python_requires", fallback=""), "python_requires")
    return read


def setup_py(name: str, text: str) -> Read:
    """Read the literal requirements of a setup.py; it is parsed, never run."""
    tree, read = parsed(text), Read([], [])
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    kinds = {"install_requires": "runtime", "setup_requires": "build", "extras_require": "optional"}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_setup(node.func)):
        for keyword in call.keywords:
            value = keyword.value
            if isinstance(value, ast.Name):
                value = constants.get(value.id, value)
            if keyword.arg in kinds:
                _from_literal(read, value, name, kinds[keyword.arg], keyword.arg)
            elif keyword.arg == "python_requires" and isinstance(value, ast.Constant):
                text = str(value.value)
                read.requirements.append(
                    made("python", text, "", name, value.lineno, "runtime", f"python_requires {text}")
                )
    return read


def conda(name: str, text: str) -> Read:
    """Read a conda environment.yml."""
    data, lines, read = _yaml(text), _Lines(name, text), Read([], [])
    entries = data.get("dependencies") if isinstance(data, dict) else None
    for entry in _list(entries):
        if isinstance(entry, dict):
            _each(read, lines, entry.get("pip"), "runtime")
        elif isinstance(entry, str):
            _conda_entry(read, lines, entry)
    return read


def parsed(text: str) -> ast.Module:
    """Parse Python source; whatever breaks the parser is one reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise Unreadable(f"not Python 3: line {error.lineno}") from None
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("Python that cannot be parsed") from None


def _toml(text: str) -> "dict[str, Any]":
    try:
        data: dict[str, Any] = tomllib.loads(text)
        return data
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unreadable(f"not TOML: {str(error)[:80]}") from None


def _yaml(text: str) -> Any:
    import yaml  # type: ignore[import-untyped, unused-ignore]

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar stays text
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                raise Unreadable("YAML with aliases")
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Unreadable("not YAML") from None


def table(data: "dict[str, Any]", key: str) -> "dict[str, Any]":
    """Give a table within a table; an empty one where there is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> "list[Any]":
    return value[:MOST] if isinstance(value, list) else []


def _each(read: Read, lines: _Lines, values: Any, kind: str) -> None:
    for value in _list(values):
        if isinstance(value, str) and value.strip():
            add(read, value.strip(), lines.file, lines.find(value.strip()), kind)


def _python(read: Read, lines: _Lines, value: Any, key: str) -> None:
    if isinstance(value, str) and value:
        read.requirements.append(made("python", value, "", lines.file, lines.find(key), "runtime", f"{key} {value}"))


def _poetry(read: Read, lines: _Lines, poetry: "dict[str, Any]") -> None:
    _versions(read, lines, table(poetry, "dependencies"), "runtime", _caret)
    _versions(read, lines, table(poetry, "dev-dependencies"), "optional", _caret)
    for group in table(poetry, "group").values():
        if isinstance(group, dict):
            _versions(read, lines, table(group, "dependencies"), "optional", _caret)


def _pixi(read: Read, lines: _Lines, data: "dict[str, Any]") -> None:
    for key in ("dependencies", "pypi-dependencies"):
        _versions(read, lines, table(data, key), "runtime", _loose)
        for feature in table(data, "feature").values():
            if isinstance(feature, dict):
                _versions(read, lines, table(feature, key), "optional", _loose)


def _versions(read: Read, lines: _Lines, wanted: "dict[str, Any]", kind: str, convert: Callable[[str], str]) -> None:
    """Read a table of name = version, or name = {version = ..., ...}."""
    for name, value in list(wanted.items())[:MOST]:
        said = kind
        version = value
        if isinstance(value, dict):
            version = value.get("version", "")
            if {"git", "path", "url", "file"} & value.keys():
                said = "option"
            elif value.get("optional") is True:
                said = "optional"
        specifier = convert(version) if isinstance(version, str) else ""
        line = lines.key(name)
        text = f"{name} = {value if isinstance(value, str) else version or '{...}'}"
        read.requirements.append(made(name, specifier, "", lines.file, line, said, text))


def _caret(version: str) -> str:
    """Turn poetry's ^ and ~ into ordinary bounds."""
    match = re.fullmatch(r"([\^~])\s*(\d+(?:\.\d+)*)\S*", version.strip())
    if not match:
        return _loose(version)
    parts = [int(part) for part in match[2].split(".")]
    if match[1] == "~":
        keep = min(2, len(parts))
    else:
        keep = next((i for i, part in enumerate(parts) if part), len(parts) - 1) + 1
    upper = [*parts[: keep - 1], parts[keep - 1] + 1]
    return f"<{'.'.join(map(str, upper))},>={match[2]}"


def _loose(version: str) -> str:
    """Turn * into nothing and a bare version into ==."""
    text = version.strip()
    if text in ("", "*"):
        return ""
    if text[0].isdigit():
        return f"=={text}"
    return text.replace(" ", "")


def _conda_entry(read: Read, lines: _Lines, entry: str) -> None:
    match = CONDA.fullmatch(entry.strip())
    if not match:
        read.unreadable.append(f"{lines.file} (not a conda requirement: {entry[:80]})")
        return
    specifier = _conda_version(match["rest"].strip())
    read.requirements.append(made(match["name"], specifier, "", lines.file, lines.find(entry), "runtime", entry))


def _conda_version(rest: str) -> str:
    exact = re.fullmatch(r"==?\s*([\w.*+!]+)(?:=[\w.*]+)?", rest)
    if not exact:
        return rest.replace(" ", "")
    fuzzy = not rest.startswith("==") and rest.count("=") == 1 and "*" not in exact[1]
    return f"=={exact[1]}{'.*' if fuzzy else ''}"


def _is_setup(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "setup"


def _from_literal(read: Read, value: ast.expr, file: str, kind: str, key: str) -> None:
    for text, line in _strings(value):
        add(read, text.strip(), file, line, kind)
    if not isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.Constant)):
        read.unreadable.append(f"{file}:{value.lineno} ({key} is computed)")


def _strings(value: ast.expr) -> Iterator["tuple[str, int]"]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        for offset, line in enumerate(value.value.splitlines()):
            if line.strip():
                yield line, value.lineno + offset
    elif isinstance(value, (ast.List, ast.Tuple)):
        for element in value.elts[:MOST]:
            yield from _strings(element)
    elif isinstance(value, ast.Dict):
        for inner in value.values[:MOST]:
            yield from _strings(inner)


READERS: "dict[str, Callable[[str, str], Read]]" = {
    "pyproject.toml": pyproject,
    "pixi.toml": pixi,
    "setup.cfg": setup_cfg,
    "setup.py": setup_py,
    "environment.yml": conda,
    "environment.yaml": conda,
    "conda.yaml": conda,
}
