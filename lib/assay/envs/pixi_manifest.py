"""Find a pixi manifest, read its environments, and write the few settings that pixi's commands cannot.

Read and written by pixi 0.77.0's docs/reference/pixi_manifest.md; nothing here starts pixi.
"""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from assay.errors import NeedsAnswer, WrongInput

NAMES = ("pixi.toml", "pyproject.toml")  # in a folder that holds both, pixi takes the first
WORKSPACE = ("workspace", "project")  # the second is its old name
PLAIN = frozenset({"features", "solve-group", "no-default-feature"})  # what `environment add` can write
Tables = dict[tuple[str, ...], dict[str, Any]]  # a table's path below the manifest's root -> its keys


class Environment(NamedTuple):
    """An environment as the manifest declares it."""

    features: tuple[str, ...] = ()  # as written: "default" is not among them
    solve_group: str = ""
    no_default: bool = False
    inline: bool = False  # has packages or settings of its own, which `environment add --force` would drop

    @property
    def all_features(self) -> "tuple[str, ...]":
        """Name the features it is made of, the default one included."""
        return self.features if self.no_default else (*self.features, "default")


class Project(NamedTuple):
    """A pixi manifest and the environments in it."""

    manifest: Path
    environments: dict[str, Environment]

    @property
    def pyproject(self) -> bool:
        """Tell whether pixi's tables lie under [tool.pixi]."""
        return self.manifest.name == "pyproject.toml"


def manifest(start: Path, stop: "Path | None" = None) -> "Path | None":
    """Walk up to the nearest manifest that makes a workspace; `stop` is the last folder looked at."""
    folder = Path(os.path.abspath(start))
    last = None if stop is None else Path(os.path.abspath(stop))
    for place in (folder, *folder.parents):
        for name in NAMES:
            if (place / name).is_file() and _is_workspace(place / name):
                return place / name
        if place == last:
            return None
    return None


def environments(path: Path) -> "dict[str, tuple[str, ...]]":
    """List the environments with their features; there always is a default one."""
    return {name: one.all_features for name, one in read(path).environments.items()}


def read(path: Path) -> Project:
    """Read a manifest's environments."""
    root = _root(path, loads(_text(path), path))
    if not any(key in root for key in WORKSPACE):
        table = "[tool.pixi.workspace]" if path.name == "pyproject.toml" else "[workspace]"
        raise WrongInput(f"has no {table} table", where=str(path), mend="see https://pixi.sh for the manifest")
    declared = root.get("environments", {})
    if not isinstance(declared, dict):
        raise WrongInput("environments is not a table", where=str(path), mend="see https://pixi.sh for the manifest")
    found = {str(name): _environment(name, value, path) for name, value in declared.items()}
    return Project(path, {"default": Environment(), **found})


def loads(text: str, where: Path) -> "dict[str, Any]":
    """Parse TOML, or say where it breaks."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WrongInput(f"is no TOML: {str(error).splitlines()[0]}", where=str(where), mend="mend it") from None
    return data


def edited(text: str, tables: Tables, where: Path) -> str:
    """Set keys of tables; what else the text holds stays as it is, to the byte.

    What the manifest says already is never overruled: a list grows, another value is asked about.
    """
    prefix = ("tool", "pixi") if where.name == "pyproject.toml" else ()
    before = loads(text, where)
    for short, keys in tables.items():
        path = (*prefix, *short)
        present = _at(loads(text, where), path)
        keys = {key: value for key, value in _merged(present or {}, keys, path, where).items() if keys}
        if keys:
            text = _appended(text, path, keys) if present is None else _inserted(text, path, keys)
    _prove(before, text, {(*prefix, *short): keys for short, keys in tables.items()}, where)
    return text


def _is_workspace(path: Path) -> bool:
    """Say whether pixi would stop here: it walks on past a manifest that only describes a package."""
    text = _text(path)
    try:
        root = _root(path, loads(text, path))
    except WrongInput:
        if path.name == "pyproject.toml" and "tool.pixi" not in text:
            return False  # somebody else's broken file
        raise
    if path.name == "pyproject.toml" and not root:
        return False
    return "package" not in root or any(key in root for key in WORKSPACE)


def _root(path: Path, data: "dict[str, Any]") -> "dict[str, Any]":
    if path.name != "pyproject.toml":
        return data
    tool = data.get("tool", {})
    root = tool.get("pixi", {}) if isinstance(tool, dict) else {}
    return root if isinstance(root, dict) else {}


def _text(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:  # the ends of lines stay as they are
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"cannot be read: {error}", where=str(path), mend="mend that and run again") from None


def _environment(name: str, value: Any, path: Path) -> Environment:
    if isinstance(value, list):
        return Environment(tuple(map(str, value)))
    if not isinstance(value, dict) or not isinstance(value.get("features", []), list):
        raise WrongInput(
            f"environments.{name} is neither a list of features nor a table", where=str(path), mend="mend it"
        )
    return Environment(
        tuple(map(str, value.get("features", []))),
        str(value.get("solve-group", "")),
        value.get("no-default-feature") is True,
        bool(set(value) - PLAIN),
    )


def _at(data: Any, path: "tuple[str, ...]") -> "dict[str, Any] | None":
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    return data if isinstance(data, dict) else None


def _merged(
    present: "dict[str, Any]", wanted: "dict[str, Any]", path: "tuple[str, ...]", where: Path
) -> "dict[str, Any]":
    """Give the keys that have to be written."""
    written = {}
    for key, value in wanted.items():
        old = present.get(key)
        if path[-1] == "pypi-exclude-newer" and old is not None:
            continue  # whoever set a date for a package meant it
        if isinstance(value, list) and isinstance(old, list):
            value = old + [item for item in value if item not in old]
        if value == old or (key == "no-build" and old is True):
            continue
        if old is not None and not isinstance(old, list):
            what = f"{'.'.join(path)}.{key} is {shown(str(old))!r}, the experiment needs {value!r}"
            raise NeedsAnswer(what, where=str(where), mend="take an environment of its own (answer new), or edit it")
        written[key] = value
    return written


def _appended(text: str, path: "tuple[str, ...]", keys: "dict[str, Any]") -> str:
    """Write a new table at the end, where no layout is disturbed."""
    import tomlkit

    newline = "\r\n" if "\r\n" in text else "\n"
    header = ".".join(tomlkit.key(part).as_string() for part in path)
    lines = [f"[{header}]", *(f"{tomlkit.key(k).as_string()} = {_value(v).as_string()}" for k, v in keys.items())]
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return text + gap + newline.join(lines) + newline


def _inserted(text: str, path: "tuple[str, ...]", keys: "dict[str, Any]") -> str:
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for part in path:
        table = table[part]
    for key, value in keys.items():
        if isinstance(table.get(key), list):
            for item in value:
                if item not in table[key].unwrap():
                    table[key].append(_value(item))
        else:
            table[key] = _value(value)
    return tomlkit.dumps(document)


def _value(value: Any) -> Any:
    """Make a value of TOML; the tables inside a list stay on its line."""
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(_value(item))
        return array
    return tomlkit.item(value)


def _prove(before: "dict[str, Any]", text: str, tables: Tables, where: Path) -> None:
    """Refuse an edit that changed more or less than was asked for."""
    try:
        after = loads(text, where)
    except WrongInput:  # the tables above it are written inline or with dots
        after = {}
    for path, keys in tables.items():
        table, old = _at(after, path) or {}, _at(before, path) or {}
        for key in keys:
            table.pop(key, None)
            old.pop(key, None)
    if not after or _without_empty(before) != _without_empty(after):
        names = ", ".join(f"[{'.'.join(path)}]" for path in tables)
        what = f"is laid out so that {names} cannot be added without loss"
        raise WrongInput(what, where=str(where), mend="add it by hand")


def _without_empty(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    kept = {key: _without_empty(value) for key, value in data.items()}
    return {key: value for key, value in kept.items() if value != {}}


def shown(url: str) -> str:
    """Give a URL without what could be a secret: user, password, conda's token, all of the query but a revision."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    pieces = parts.path.split("/")
    if len(pieces) > 3 and pieces[1] == "t":  # https://host/t/<token>/channel
        parts = parts._replace(path="/".join(["", *pieces[3:]]))
    kept = "&".join(q for q in parts.query.split("&") if q.split("=")[0] in ("rev", "tag", "branch", "subdirectory"))
    return parts._replace(query=kept).geturl()
