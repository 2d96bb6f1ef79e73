"""Choose the interpreter that runs a model, and read what is installed there without starting it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assay.errors import NeedsAnswer, WrongInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assay.domain import EnvSpec

MANAGERS = ("auto", "pixi", "venv")
COMMANDS = {"pixi": "pixi add --pypi", "conda": "conda install", "venv": "{python} -m pip install"}


PROJECTS = (  # a lock that a tool keeps: it would remove what is added beside it
    ("uv.lock", "uv sync", "uv add"),
    ("poetry.lock", "poetry sync", "poetry add"),
    ("pdm.lock", "pdm sync", "pdm add"),
)


class Chosen(NamedTuple):
    """An interpreter, who manages its packages, and why it was chosen."""

    python: Path
    manager: str  # venv | pixi | conda | none
    because: str
    note: str = ""  # what whoever adds packages there should know

    @property
    def manager_command(self) -> str:
        """Give the command that installs a package there."""
        return COMMANDS.get(self.manager, COMMANDS["venv"]).format(python=self.python)


class InterpreterFacts(NamedTuple):
    """What an interpreter is, by its files alone."""

    version: str  # "3.11.7", or "3.11" where only the folder tells
    site_packages: tuple[str, ...]
    packages: tuple[str, ...]  # "numpy-2.4.6", sorted


def choose(root: Path, env: "EnvSpec", running: Path, active: "Mapping[str, str]" = os.environ) -> Chosen:
    """Choose the interpreter: as told, else the environment found at the root, else the one in use."""
    if env.manager not in MANAGERS:
        raise WrongInput(f"env.manager {env.manager!r} is not known", mend="known: " + ", ".join(MANAGERS))
    if env.python:
        told = root / Path(env.python).expanduser()
        return Chosen(_executable(told, "env.python"), manager_of(told), "env.python names it")
    pixi, venv = _pixi(root), _venv(root)
    found = [c for c in (pixi, venv) if c and env.manager in ("auto", "pixi" if c is pixi else "venv")]
    if len(found) == 2:
        return _of_both(found, running)
    if found:
        return found[0]._replace(note=_of_project(root))
    if env.manager == "pixi" or (env.manager == "auto" and _pixi_manifest(root)):
        raise _no_pixi(root)
    return _active(env.manager, running, active)


def facts(python: Path) -> InterpreterFacts:
    """Tell an interpreter's version and packages from its folders; nothing is started."""
    prefix = prefix_of(python)
    config = config_of(prefix / "pyvenv.cfg")
    version = config.get("version_info") or config.get("version") or ""
    sites = _sites(prefix)
    if config and not sites:
        raise WrongInput("has no site-packages folder", where=str(prefix), mend="make the environment again")
    if config.get("include-system-site-packages", "").lower() == "true" and config.get("home"):
        sites += [site for site in _sites(Path(config["home"]).parent) if site not in sites]
    if not version and sites:
        version = os.path.basename(os.path.dirname(sites[0])).removeprefix("python")
    packages = {name for site in sites for name in _distributions(site)}
    return InterpreterFacts(".".join(version.split(".")[:3]), tuple(sites), tuple(sorted(packages)))


def manager_of(python: Path) -> str:
    """Say who manages the packages of an interpreter."""
    prefix = prefix_of(python)
    if ".pixi" in prefix.parts:
        return "pixi"
    if (prefix / "conda-meta").is_dir():
        return "conda"
    return "venv" if (prefix / "pyvenv.cfg").is_file() else "none"


def _of_project(root: Path) -> str:
    for lock, sync, add in PROJECTS:
        if (root / lock).is_file():
            return f"{lock} is here: `{sync}` removes what it does not list; `{add} PACKAGE` lists it"
    return ""


def _of_both(found: "list[Chosen]", running: Path) -> Chosen:
    here = prefix_of(running)
    for chosen in found:
        if _same(prefix_of(chosen.python), here):
            return chosen._replace(because=f"{chosen.because}; of the two it is the one that is running")
    raise NeedsAnswer(
        "both a pixi environment and a .venv are there", where="env.manager", mend="set env.manager to pixi or venv"
    )


def _pixi(root: Path) -> "Chosen | None":
    python = root / ".pixi" / "envs" / "default" / "bin" / "python"
    if not _pixi_manifest(root) or not python.exists():
        return None
    return Chosen(_executable(python, ".pixi"), "pixi", "a pixi manifest and its default environment are here")


def _pixi_manifest(root: Path) -> str:
    if not ((root / "pixi.toml").is_file() or (root / "pyproject.toml").is_file()):
        return ""  # before anything is loaded for it
    from assay.envs import pixi_manifest

    found = pixi_manifest.manifest(root, root)
    return found.name if found else ""


def _no_pixi(root: Path) -> NeedsAnswer:
    manifest = _pixi_manifest(root)
    if manifest:
        return NeedsAnswer(
            f"{manifest} is here, its environment is not made yet", where="env", mend="run `pixi install`"
        )
    return NeedsAnswer("env.manager is pixi, and no pixi manifest is here", where="env.manager", mend="set it to venv")


def _venv(root: Path) -> "Chosen | None":
    folder = root / ".venv"
    if not os.path.lexists(folder):
        return None
    if not (folder / "pyvenv.cfg").is_file():
        raise WrongInput(
            ".venv is there and is no environment: pyvenv.cfg is missing", where=str(folder), mend="make it again"
        )
    return Chosen(_executable(folder / "bin" / "python", ".venv"), "venv", ".venv is here")


def _active(manager: str, running: Path, active: "Mapping[str, str]") -> Chosen:
    """Fall back to the environment that is active, then to the one that runs this program."""
    for variable, kind in (("VIRTUAL_ENV", "venv"), ("CONDA_PREFIX", "conda")):
        prefix = active.get(variable, "")
        if prefix and not (kind == "conda" and manager == "venv"):
            python = _executable(Path(prefix) / "bin" / "python", variable)
            return Chosen(python, manager_of(python), f"{variable} names it")
    kind = manager_of(running)
    if kind != "none" and not (manager == "venv" and kind != "venv"):
        return Chosen(running, kind, "it runs this program, and no other environment is here")
    return Chosen(running, "none", "no environment is here, and none is active: this is the system's own Python")


def _executable(python: Path, said_by: str) -> Path:
    if not os.path.exists(python):
        what = "leads to an interpreter that is gone" if os.path.islink(python) else "is not there"
        raise WrongInput(f"{said_by}: {what}", where=str(python), mend="make the environment again, or set env.python")
    if not os.path.isfile(python) or not os.access(python, os.X_OK):
        raise WrongInput(f"{said_by}: is not a program", where=str(python), mend="set env.python to an interpreter")
    return python


def prefix_of(python: Path) -> Path:
    """Give an environment's folder; its interpreter's link is not followed, since it leads out of it."""
    folder = Path(os.path.abspath(python)).parent
    if (folder / "pyvenv.cfg").is_file():
        return folder
    prefix = folder.parent
    if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir() or not os.path.islink(python):
        return prefix
    return Path(os.path.realpath(python)).parent.parent


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def config_of(path: Path) -> "dict[str, str]":
    """Read pyvenv.cfg; nothing where there is none."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise WrongInput("cannot be read", where=str(path), mend="make the environment again") from None
    pairs = (line.partition("=") for line in text.splitlines())
    config = {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}
    if not config.get("home"):
        raise WrongInput("names no home: it is broken", where=str(path), mend="make the environment again")
    return config


def _sites(prefix: Path) -> "list[str]":
    found = []
    for library in ("lib", "lib64"):
        try:
            names = sorted(os.listdir(prefix / library))
        except OSError:
            continue
        for name in names:
            site = prefix / library / name / "site-packages"
            if name.startswith("python3") and site.is_dir():
                found.append(os.fspath(site))
    unique = {os.path.realpath(site): site for site in reversed(found)}
    return sorted(unique.values())


def _distributions(site: str) -> "list[str]":
    try:
        names = os.listdir(site)
    except OSError:
        return []
    return [
        n.removesuffix(".dist-info").removesuffix(".egg-info") for n in names if n.endswith((".dist-info", ".egg-info"))
    ]


def versions(packages: "Sequence[str]") -> "dict[str, str]":
    """Turn folder names, as numpy-2.4.6, into versions by normal name; what has no version is left out."""
    pairs = (entry.partition("-")[::2] for entry in sorted(packages))
    return {normal(name): version.partition("-")[0] for name, version in pairs if version}


def normal(name: str) -> str:
    """Write a project's name as the index compares it."""
    plain = name.lower().replace("_", "-").replace(".", "-")
    while "--" in plain:
        plain = plain.replace("--", "-")
    return plain
