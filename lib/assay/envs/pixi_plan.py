"""Plan what pixi is told, in its documented verbs and flags; pure.

They are those of pixi 0.77.0's docs/reference/cli/pixi/{add,install,run}.md and
docs/reference/cli/pixi/workspace/environment/{add,index}.md; docs/pixi.md says more.
"""

import os
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from assay.domain import IndexSpec
from assay.envs import pixi_manifest
from assay.envs.pixi_manifest import Environment, Project, Tables
from assay.errors import NeedsAnswer, WrongInput

ADD, NEW, PRINT = ANSWERS = ("add", "new", "print")
FEATURE = "assay"  # what is added to an environment that is there already
NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")  # pixi's own rule, less a dash in front, which would be a flag
PYTHON = re.compile(r"3\.\d+\Z")
Command = tuple[str, ...]


class Wanted(NamedTuple):
    """What a person answered, and for which packages."""

    answer: str  # add | new | print
    specs: tuple[str, ...]  # PEP 508
    environment: str = "default"
    python: str = ""  # 3.11; a new environment needs it
    index: IndexSpec = IndexSpec()  # type: ignore[assignment]  # hides tuple.index, likewise unneeded
    root: Path = Path()  # what the index's folders are relative to


class Plan(NamedTuple):
    """What will be written and run, in this order."""

    wanted: Wanted
    manifest: Path
    edits: Tables  # what pixi has no command for
    commands: tuple[Command, ...]
    run: Command  # goes before a command that is to run there
    limits: tuple[str, ...]  # what the experiment asks for and pixi cannot do

    @property
    def shown(self) -> str:
        """Give it as text for a shell."""
        lines = []
        for path, keys in self.edits.items():
            text = pixi_manifest.edited("", {path: keys}, Path(self.manifest.name))
            lines += [f"# in {self.manifest}:", *(f"#   {line}" for line in text.splitlines())]
        return "\n".join([*lines, *(shlex.join(command) for command in self.commands)])


def commands(wanted: Wanted, project: Project) -> Plan:
    """Plan what a wish takes; pure."""
    _check(wanted)
    name, known = wanted.environment, project.environments.get(wanted.environment)
    adds = wanted.answer == ADD or (wanted.answer == PRINT and known is not None)
    at = ("--manifest-path", str(project.manifest))
    if adds:
        feature, steps = _added(name, known, project)
    else:
        feature, steps = _made(wanted, known, project)
    flags = ("--feature", feature) if feature else ()
    lines: list[Command] = []
    if not adds and wanted.python:  # python itself comes from conda: its solve runs before PyPI's
        lines.append(("pixi", "add", *flags, *at, f"python={wanted.python}.*"))
    if wanted.specs:
        lines.append(("pixi", "add", "--pypi", *flags, *at, *wanted.specs))
    lines += [*steps, ("pixi", "install", "-e", name, *at)]
    limits = _limits(wanted.index, adds)
    edits = _edits(wanted, feature, project, adds)
    return Plan(wanted, project.manifest, edits, tuple(lines), run(project.manifest, name), limits)


def run(manifest: Path, environment: str, *, frozen: bool = False) -> Command:
    """Give what goes before a command that runs in an environment; the lock is not touched."""
    how = "--frozen" if frozen else "--locked"
    return ("pixi", "run", "-e", environment, how, "--manifest-path", str(manifest), "--")


def locked(manifest: Path, environment: str) -> Command:
    """Give the command that makes an environment from its lock; pixi refuses when the manifest says otherwise."""
    return ("pixi", "install", "-e", environment, "--locked", "--manifest-path", str(manifest))


def _check(wanted: Wanted) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    if wanted.answer not in ANSWERS:
        raise WrongInput(f"answer {wanted.answer!r} is not known", mend="known: " + ", ".join(ANSWERS))
    if not NAME.match(wanted.environment):
        mend = "lowercase letters, digits and dashes"
        raise WrongInput(f"{wanted.environment!r} is no name of a pixi environment", where="env", mend=mend)
    if wanted.python and not PYTHON.match(wanted.python):
        raise WrongInput(f"{wanted.python!r} is no version of Python", where="env.python", mend="say it as 3.11")
    for spec in wanted.specs:
        try:
            url = Requirement(spec).url or ""
        except InvalidRequirement:
            raise WrongInput(f"{spec!r} is no requirement", where="env", mend="say it as numpy>=1.26") from None
        _no_secret(url)
    for url in (wanted.index.url, *wanted.index.extra, *wanted.index.find_links):
        _no_secret(url)


def _no_secret(url: str) -> None:
    if "://" in url and pixi_manifest.shown(url) != url:
        what = f"{pixi_manifest.shown(url)} carries credentials, which the manifest would hold"
        raise WrongInput(what, where="env.index", mend="take them out; `pixi auth login` or ~/.netrc keeps them")


def _added(name: str, known: "Environment | None", project: Project) -> "tuple[str, list[Command]]":
    """Choose the feature that is added to, and how it comes into the environment."""
    if known is None:
        raise NeedsAnswer(
            f"has no environment {name!r}",
            where=str(project.manifest),
            mend=f"known: {', '.join(project.environments)}; or answer new",
        )
    if name == "default" and not project.pyproject and not known.no_default:
        return "", []
    # in a pyproject.toml, without a feature it would go into project.dependencies, which is the package's own list
    if FEATURE in known.features:
        return FEATURE, []
    if known.inline:
        what = f"environment {name!r} has settings of its own, which pixi drops when a feature is added"
        raise NeedsAnswer(what, where=str(project.manifest), mend="move them into a feature, or answer new")
    features = [word for one in (*known.features, FEATURE) for word in ("--feature", one)]
    group = ["--solve-group", known.solve_group] if known.solve_group else []
    flags = [*features, *group, *(["--no-default-feature"] if known.no_default else []), "--force"]
    return FEATURE, [_environment_add(name, flags, project)]


def _made(wanted: Wanted, known: "Environment | None", project: Project) -> "tuple[str, list[Command]]":
    """Name the feature of a new environment; without the default one, whose packages could be at odds with it."""
    name = wanted.environment
    if name == "default" or (known is not None and known != Environment((name,), no_default=True)):
        raise NeedsAnswer(
            f"environment {name!r} is there already", where=str(project.manifest), mend="choose another name"
        )
    if not wanted.python:
        raise WrongInput("a new environment needs a version of Python", where="env.python", mend="say it as 3.11")
    flags = ["--feature", name, "--no-default-feature"]
    return name, [] if known else [_environment_add(name, flags, project)]


def _environment_add(name: str, flags: "list[str]", project: Project) -> Command:
    at = ("--manifest-path", str(project.manifest))  # of `workspace environment`, and global: pixi's tests put it here
    return ("pixi", "workspace", "environment", "add", name, *flags, *at)


def _edits(wanted: Wanted, feature: str, project: Project, adds: bool) -> Tables:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    index = wanted.index
    names = sorted({str(canonicalize_name(Requirement(spec).name)) for spec in wanted.specs})
    forbidden = [name for name in names if name not in {canonicalize_name(one) for one in index.build}]
    options: dict[str, Any] = {
        "index-url": index.url,
        "extra-index-urls": list(index.extra),
        "find-links": [_link(link, wanted.root, project.manifest.parent) for link in index.find_links],
        "index-strategy": "" if index.strategy == "first-index" else index.strategy,
        # true would hold for all of the environment: only where all of it is ours
        "no-build": forbidden if adds or index.build else True,
    }
    options = {key: value for key, value in options.items() if value}
    tables: Tables = {(*(("feature", feature) if feature else ()), "pypi-options"): options} if options else {}
    if _cools(index) and names:
        tables[("pypi-exclude-newer",)] = {name: f"{index.cooldown_days}d" for name in names}
    return tables


def _cools(index: IndexSpec) -> bool:
    """Say whether a cool-down may be written: a release without an upload time would count as not there."""
    return index.cooldown_days > 0 and not (index.url or index.extra or index.find_links)


def _limits(index: IndexSpec, adds: bool) -> "tuple[str, ...]":
    cool = "releases may be newer than {} days: pixi drops what an index gives no upload time for"
    told = (
        (index.constraints, f"env.index.constraints: pixi reads no constraints file ({index.constraints})"),
        (index.excludes, "env.index.excludes: pixi has no list of packages that are never installed"),
        (index.torch_backend, "env.index.torch_backend: choose PyTorch's own index by env.index.url"),
        (index.pip, "env.index.pip: pixi does not read pip's configuration"),
        (adds or index.build, "no-build covers the packages named, and not those that they need"),
        (index.cooldown_days > 0 and not _cools(index), f"env.index: {cool.format(index.cooldown_days)}"),
        (_cools(index), "the cool-down covers the packages named, and not those that they need"),
    )
    return tuple(text for is_so, text in told if is_so)


def _link(link: str, root: Path, folder: Path) -> "dict[str, str]":
    if "://" in link:
        return {"url": link}
    path = os.path.abspath(root / Path(link).expanduser())
    inside = os.path.relpath(path, folder)
    return {"path": path if inside.startswith("..") else f"./{inside}"}
