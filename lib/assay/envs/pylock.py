"""Locks as PEP 751 writes them, without a path of this machine and without a password."""

import datetime
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from assay import files
from assay.envs.interpreter import normal
from assay.envs.pipconfig import bare
from assay.errors import StageFailed, WrongInput

WHERE = "pylock.toml"
EMPTY = 'lock-version = "1.0"\ncreated-by = "assay"\npackages = []\n'
SHA256 = re.compile(r"[0-9a-f]{64}")
NAMED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")
ONE = ("archive", "sdist")  # keys that hold one file; `wheels` holds several
NOT_HERE = {"vcs": "from version control", "directory": "from a folder"}  # nothing of these could be verified
Find = Callable[[str, str], "list[Path]"]  # file name, project: where it lies here


class Item(NamedTuple):
    """One file to install."""

    name: str
    version: str
    size: int | None
    uploaded: str  # a date, or ""
    file: str
    url_shown: str  # no credentials; of a local file the name alone
    sha256: str


def canonical(version: str) -> str:
    """Write a version so that two spellings of it are equal."""
    from packaging.utils import canonicalize_version

    return canonicalize_version(version, strip_trailing_zero=False)


def portable(text: str) -> str:
    """Rewrite uv's lock: file names for local paths, no credentials, no sdist where a wheel is, no patch release."""
    lock = _parsed(text)
    packages = [_portable(package) for package in lock.get("packages", ())]
    found = re.search(r"(\d+)\.(\d+)", str(lock.get("requires-python", "")))
    stored = _written(packages, f"=={found[1]}.{found[2]}.*" if found else "")
    checked(stored)
    return stored


def items(text: str) -> tuple[Item, ...]:
    """List what a stored lock installs; of several files for one package the most specific."""
    return tuple(_item(package) for package in checked(text))


def only(text: str, names: Collection[str]) -> str:
    """Cut a stored lock to some of its packages."""
    kept = [package for package in checked(text) if normal(package["name"]) in names]
    return _written(kept, _parsed(text).get("requires-python", ""))


def joined(text: str, other: str) -> str:
    """Put the packages of two stored locks into one."""
    packages = sorted([*checked(text), *checked(other)], key=lambda package: str(package["name"]))
    return _written(packages, _parsed(text).get("requires-python", ""))


def hashes(text: str) -> dict[str, dict[str, str]]:
    """Give every file of every package with its SHA-256."""
    return {
        normal(package["name"]): {_filename(entry): entry["hashes"]["sha256"] for entry in _entries(package)}
        for package in checked(text)
    }


def bind(text: str, find: Find) -> str:
    """Give local files their path on this machine; a file that is not here is named."""
    packages = [_bound(package, find) for package in checked(text)]
    return _written(packages, _parsed(text).get("requires-python", ""))


def sources(text: str) -> list[str]:
    """Name the packages of a stored lock that have to be built, which runs their code."""
    return [package["name"] for package in checked(text) if _is_source(package)]


def checked(text: str) -> list[dict[str, Any]]:
    """Give a stored lock's packages; what is unnamed, unhashed, or leads out of the package folders is refused."""
    packages = _parsed(text).get("packages", [])
    if not isinstance(packages, list) or not all(isinstance(package, dict) for package in packages):
        raise _wrong("packages is not a list of tables")
    for package in packages:
        _check(package)
    return [_clean(package) for package in packages]


def _clean(package: dict[str, Any]) -> dict[str, Any]:
    """Keep what is known: an unknown key would be written again as it is."""
    kept = {key: package[key] for key in ("name", "version") if key in package}
    if "wheels" in package:
        return kept | {"wheels": [_clean_entry(entry) for entry in package["wheels"]]}
    key = next(key for key in ONE if key in package)
    return kept | {key: _clean_entry(package[key])}


def _clean_entry(entry: dict[str, Any]) -> dict[str, Any]:
    place = {key: entry[key] for key in ("path", "url") if key in entry}
    when, size = entry.get("upload-time"), entry.get("size")
    known: dict[str, Any] = {"upload-time": when} if isinstance(when, datetime.datetime) else {}
    known |= {"size": size} if isinstance(size, int) else {}
    return dict([*place.items()][:1]) | known | {"hashes": {"sha256": entry["hashes"]["sha256"]}}


def _check(package: dict[str, Any]) -> None:
    name, version = package.get("name"), package.get("version", "")
    if not isinstance(name, str) or not NAMED.fullmatch(name):
        raise _wrong("a package has no proper name")
    if not isinstance(version, str) or (version and not VERSION.fullmatch(version)):
        raise _wrong(f"{name} has no proper version")
    for key, how in NOT_HERE.items():
        if key in package:
            raise WrongInput(f"{name} comes {how}, which has no hash", where=WHERE, mend="take it from a package index")
    entries = list(_entries(package))
    if not entries or not isinstance(package.get("wheels", []), list):
        raise _wrong(f"{name} names no file")
    for entry in entries:
        _check_entry(name, entry)


def _check_entry(name: str, entry: Any) -> None:
    hashes = entry.get("hashes") if isinstance(entry, dict) else None
    if not isinstance(hashes, dict) or not SHA256.fullmatch(str(hashes.get("sha256", ""))):
        raise _wrong(f"{name} has a file without a SHA-256")
    url, path = entry.get("url"), entry.get("path")
    if url is None and path is None:
        raise _wrong(f"{name} has a file that is nowhere")
    if url is not None and not re.match(r"https?://[^\s\"\\]+$", str(url)):
        raise _wrong(f"{name} has a file that is not on the web")
    if path is not None and (not str(path) or str(path).startswith(".") or re.search(r"[/\\\0\n]", str(path))):
        raise _wrong(f"{name} has a file outside the package folders")


def _wrong(what: str) -> WrongInput:
    return WrongInput(what, where=WHERE, mend="lock again")


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise _wrong("is no TOML") from None


def _entries(package: dict[str, Any]) -> Iterator[Any]:
    wheels = package.get("wheels", [])
    yield from wheels if isinstance(wheels, list) else ()
    yield from (package[key] for key in ONE if key in package)


def _portable(package: dict[str, Any]) -> dict[str, Any]:
    kept = {key: package[key] for key in ("name", "version", *NOT_HERE) if key in package}
    if wheels := package.get("wheels"):
        return kept | {"wheels": [_elsewhere(entry) for entry in wheels]}
    return kept | {key: _elsewhere(package[key]) for key in ONE if key in package}


def _elsewhere(entry: dict[str, Any]) -> dict[str, Any]:
    url, path = str(entry.get("url", "")), str(entry.get("path", ""))
    if path or url.startswith("file:"):
        place = {"path": os.path.basename(unquote(bare(url)) if url else path)}
    else:
        place = {"url": bare(url)}
    return place | {key: entry[key] for key in ("upload-time", "size", "hashes") if key in entry}


def _bound(package: dict[str, Any], find: Find) -> dict[str, Any]:
    """Take the file that lies here, else the one on the web."""
    entries = package.get("wheels") or [next(_entries(package))]
    here = {}
    for entry in entries:
        if "path" in entry and (found := find(entry["path"], package["name"])):
            here[entry["path"]] = entry | {"path": str(_fitting(found, entry["hashes"]["sha256"]))}
    web = [e for e in entries if "url" in e and _filename(e) not in here]
    if not here and not web:
        name = entries[0]["path"]
        raise StageFailed(
            f"{name} is in no package folder here", where=package["name"], mend="add env.index.find_links"
        )
    bound = [*here.values(), *web]
    key = next((k for k in ONE if k in package), "wheels")
    rest = {k: v for k, v in package.items() if k not in ("wheels", *ONE)}
    return rest | {key: bound if key == "wheels" else bound[0]}


def _fitting(found: list[Path], sha256: str) -> Path:
    """Of several files of one name take the one that is meant; of one alone uv checks the hash."""
    if len(found) > 1:
        return next((path for path in found if files.sha256(str(path)) == sha256), found[0])
    return found[0]


def _item(package: dict[str, Any]) -> Item:
    wheels = package.get("wheels") or [next(_entries(package))]
    entry = min(wheels, key=lambda e: (_filename(e).endswith("-any.whl"), "path" in e))  # the web's has size and date
    file = _filename(entry)
    uploaded = entry.get("upload-time")
    return Item(
        normal(package["name"]),
        package.get("version") or (file.split("-")[1] if file.endswith(".whl") else ""),
        entry.get("size"),
        uploaded.date().isoformat() if uploaded else "",
        file,
        entry.get("url") or file,
        entry["hashes"]["sha256"],
    )


def _filename(entry: dict[str, Any]) -> str:
    return str(entry.get("path") or unquote(str(entry["url"]).rpartition("/")[2]))


def _is_source(package: dict[str, Any]) -> bool:
    return not any(_filename(entry).endswith(".whl") for entry in _entries(package))


def _written(packages: Sequence[dict[str, Any]], python: str) -> str:
    lines = ['lock-version = "1.0"', 'created-by = "assay"']
    lines += [f"requires-python = {_value(python)}"] if python else []
    if not packages:
        return "\n".join([*lines, "packages = []", ""])
    for package in sorted(packages, key=lambda p: normal(p["name"])):
        lines += ["", "[[packages]]"]
        for key, value in package.items():
            lines += _listed(key, value) if isinstance(value, list) else [f"{key} = {_value(value)}"]
    return "\n".join([*lines, ""])


def _listed(key: str, values: list[Any]) -> list[str]:
    return [f"{key} = [", *(f"    {_value(value)}," for value in values), "]"]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return json.dumps(value, ensure_ascii=False)
