"""Read what a pixi.lock pins (versions 6 and 7), for deps.lock."""

import platform as machine
import sys
from pathlib import Path
from typing import Any, NamedTuple

from assay.envs.pixi_manifest import shown
from assay.errors import WrongInput

VERSIONS = (6, 7)
MOST_BYTES = 64 << 20
KINDS = ("conda", "pypi", "conda_source")
ARCHITECTURES = {"x86_64": "64", "amd64": "64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}


class Pinned(NamedTuple):
    """A package as a lock pins it."""

    name: str
    version: str  # "" where the lock leaves it to the source
    kind: str  # conda | pypi
    sha256: str
    url: str  # without credentials


def lock_facts(path: Path, environment: str, subdir: str = "") -> "tuple[Pinned, ...]":
    """List what a lock pins for one environment on one platform, this machine's where none is named."""
    data = _load(path)
    found = data.get("environments", {})
    if environment not in found:
        raise WrongInput(
            f"has no environment {environment!r}",
            where=str(path),
            mend=f"known: {', '.join(found)}; pixi install -e {environment} adds it",
        )
    wanted = subdir or here()
    per_platform = found[environment].get("packages") or {}
    name = next((n for n in _platforms(data, wanted) if n in per_platform), "")
    if not name:
        known = ", ".join(per_platform) or "none"
        raise WrongInput(
            f"environment {environment!r} is not locked for {wanted}", where=str(path), mend=f"locked for: {known}"
        )
    records = {_key(record): record for record in data.get("packages", [])}
    return tuple(sorted(_pinned(entry, records.get(_key(entry), entry)) for entry in per_platform[name] or []))


def here() -> str:
    """Name this machine's platform as conda does."""
    system = {"linux": "linux", "darwin": "osx", "win32": "win"}.get(sys.platform, sys.platform)
    architecture = machine.machine().lower()
    return f"{system}-{ARCHITECTURES.get(architecture, architecture)}"


def _load(path: Path) -> "dict[str, Any]":
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WrongInput(f"is larger than {MOST_BYTES >> 20} MiB", where=str(path), mend="is it a pixi.lock?")
        data = yaml.load(path.read_bytes(), loader)
    except FileNotFoundError:
        raise WrongInput("is not there", where=str(path), mend="pixi lock writes it") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).splitlines()[0]
        raise WrongInput(f"cannot be read: {why}", where=str(path), mend="pixi lock writes it anew") from None
    version = data.get("version") if isinstance(data, dict) else None
    if version not in VERSIONS:
        what = f"is of version {version!r}; known are {' and '.join(map(str, VERSIONS))}"
        raise WrongInput(what, where=str(path), mend="pixi lock writes it anew")
    if not _formed(data):
        raise WrongInput("is not laid out as a pixi.lock", where=str(path), mend="pixi lock writes it anew")
    return data  # type: ignore[no-any-return]


def _formed(data: "dict[str, Any]") -> bool:
    places, packages = data.get("environments"), data.get("packages", [])
    if not isinstance(places, dict) or not isinstance(packages, list):
        return False
    lists = [one.get("packages") or {} if isinstance(one, dict) else None for one in places.values()]
    if not all(isinstance(one, dict) for one in lists):
        return False
    entries = [entry for one in lists if one for many in one.values() for entry in many or []]
    return all(isinstance(entry, dict) and _key(entry)[0] for entry in [*entries, *packages])


def _platforms(data: "dict[str, Any]", subdir: str) -> "list[str]":
    """Name the platforms that mean this one: version 7 may give them names of their own."""
    declared = data.get("platforms") or []
    named = [p["name"] for p in declared if isinstance(p, dict) and p.get("subdir", p.get("name")) == subdir]
    return [subdir, *named]


def _key(record: "dict[str, Any]") -> "tuple[str, str]":
    for kind in KINDS:
        if kind in record:
            return kind, str(record[kind])
    return "", ""


def _pinned(entry: "dict[str, Any]", record: "dict[str, Any]") -> Pinned:
    kind, place = _key(entry)
    name, version = str(record.get("name", "")), str(record.get("version", ""))
    if kind == "conda_source":  # name[hash] @ path
        name, _, place = place.partition("[")[0], "", place.partition(" @ ")[2]
    elif kind == "conda" and not (name and version):
        told = _of_file(place)
        name, version = name or told[0], version or told[1]
    return Pinned(name, version, kind.split("_")[0], str(record.get("sha256", "")), shown(place))


def _of_file(url: str) -> "tuple[str, str]":
    """Take name and version out of <name>-<version>-<build>.conda."""
    file = url.partition("#")[0].rpartition("/")[2].removesuffix(".conda").removesuffix(".tar.bz2")
    parts = file.rsplit("-", 2)
    return (parts[0], parts[1]) if len(parts) == 3 else (file, "")
