"""A stand-in for pixi, for machines that have none: strict about what it is told, real about the files it writes.

`put(folder)` writes this file there as the program `pixi`. It takes only the verbs and flags below, which were copied
from docs/reference/cli/pixi/{add,install,run,list,info}.md and .../workspace/environment/{add,index}.md of pixi 0.77.0
(commit 2b25fc76dd3b5cc50a235387d948474975c40d73), and ends with 2 on anything else. It solves against a short list of
packages. pixi.control beside it can tell it to fail, hang or dawdle: {"fail": "install", "hang": "", "slow": 0.2}.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import tomlkit
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOME_CONFIG = {"--no-config": 0, "--config-file": 1}
CONFIG = {
    **SOME_CONFIG, "--auth-file": 1, "--concurrent-downloads": 1, "--concurrent-solves": 1, "--pinning-strategy": 1,
    "--pypi-keyring-provider": 1, "--run-post-link-scripts": 0, "--no-symbolic-links": 0, "--no-hard-links": 0,
    "--no-ref-links": 0, "--tls-no-verify": 0, "--tls-root-certs": 1, "--use-environment-activation-cache": 0,
}  # fmt: skip
GLOBAL = {"--manifest-path": 1, "-m": 1, "--workspace": 1, "-w": 1}
UPDATE = {"--frozen": 0, "--locked": 0, "--no-install": 0}
# verb -> flag -> how many words follow it
TABLE: "dict[tuple[str, ...], dict[str, int]]" = {
    ("add",): {
        "--pypi": 0, "--platform": 1, "-p": 1, "--feature": 1, "-f": 1, "--environment": 1, "-e": 1, "--editable": 0,
        "--index": 1, "--git": 1, "-g": 1, "--branch": 1, "--tag": 1, "--rev": 1, "--subdirectory": 1,
        "--script": 1, "-s": 1, **CONFIG, **UPDATE, **GLOBAL,
    },
    ("install",): {
        "--environment": 1, "-e": 1, "--all": 0, "-a": 0, "--platform": 1, "-p": 1, "--skip": 1, "--skip-with-deps": 1,
        "--only": 1, "--frozen": 0, "--locked": 0, **CONFIG, **GLOBAL,
    },
    ("run",): {
        "--executable": 0, "-x": 0, "--environment": 1, "-e": 1, "--platform": 1, "-p": 1, "--clean-env": 0,
        "--skip-deps": 0, "--templated": 0, "--dry-run": 0, "-n": 0, "--help": 0, "--force-activate": 0,
        "--no-completions": 0, "--as-is": 0, "--script": 1, "-s": 1, **CONFIG, **UPDATE, **GLOBAL,
    },
    ("list",): {
        "--platform": 1, "--json": 0, "--sort-by": 1, "--fields": 1, "--environment": 1, "-e": 1, "--explicit": 0,
        "-x": 0, "--script": 1, "-s": 1, **SOME_CONFIG, **UPDATE, **GLOBAL,
    },
    ("info",): {"--extended": 0, "--json": 0, **SOME_CONFIG, **GLOBAL},
    ("workspace", "environment", "add"): {
        "--feature": 1, "-f": 1, "--solve-group": 1, "--no-default-feature": 0, "--force": 0, **SOME_CONFIG, **GLOBAL,
    },
}  # fmt: skip
OPERANDS = {"add": (1, 99), "install": (0, 0), "run": (0, 99), "list": (0, 1), "info": (0, 0), "workspace": (1, 1)}
LONG = {"-e": "--environment", "-f": "--feature", "-m": "--manifest-path"}
PACKAGES = {"numpy": ("1.26.4", "2.4.6"), "pillow": ("11.0.0",), "onnxruntime": ("1.20.0",), "pyyaml": ("6.0.2",)}
NEEDS = {"onnxruntime": ("numpy",)}
PYTHONS = ("3.10.15", "3.11.7", "3.12.3")
CHANNEL = "https://conda.anaconda.org/conda-forge"


class Failure(Exception):
    """Ends with code 1 and pixi's kind of message."""


class Usage(Exception):
    """Ends with code 2."""


def put(folder: Path, **control: object) -> Path:
    """Write the stand-in as `pixi`, and what it shall do besides."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "pixi"
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text('utf-8')}", "utf-8")
    program.chmod(0o755)
    (folder / "pixi.control").write_text(json.dumps(control))
    return program


def calls(program: Path) -> "list[list[str]]":
    """List what the stand-in was told."""
    log = program.with_name("pixi.calls")
    return [json.loads(line)["argv"] for line in log.read_text().splitlines()] if log.exists() else []


class Told:
    """A command line, taken apart by the table."""

    def __init__(self, argv: "list[str]") -> None:
        self.verb = next((v for v in TABLE if tuple(argv[: len(v)]) == v), ())
        if not self.verb:
            raise Usage(f"unrecognized subcommand '{' '.join(argv[:3])}'")
        self.flags: dict[str, list[str]] = {}
        self.operands: list[str] = []
        self.rest: list[str] = []
        words = argv[len(self.verb) :]
        while words:
            word = words.pop(0)
            if word == "--":
                self.rest, words = words, []
            elif word.startswith("-"):
                self._flag(word, words)
            else:
                self.operands.append(word)
        least, most = OPERANDS[self.verb[0]]
        if not least <= len(self.operands) <= most:
            raise Usage("unexpected or missing argument")

    def _flag(self, word: str, words: "list[str]") -> None:
        if word not in TABLE[self.verb]:
            raise Usage(f"unexpected argument '{word}' found")
        values = self.flags.setdefault(LONG.get(word, word), [])
        for _ in range(TABLE[self.verb][word]):
            if not words:
                raise Usage(f"a value is required for '{word}' but none was supplied")
            values.append(words.pop(0))

    def one(self, flag: str, default: str = "") -> str:
        return self.flags.get(flag, [default])[-1]


class Workspace:
    """A manifest, its lock, and its environments."""

    def __init__(self, place: str) -> None:
        self.path = Path(os.path.realpath(place))
        if not self.path.is_file():
            raise Failure(f"could not find '{self.path}'")
        self.pyproject = self.path.name == "pyproject.toml"
        self.document = tomlkit.parse(self.path.read_text("utf-8"))
        self.root = self.document["tool"]["pixi"] if self.pyproject else self.document
        if "workspace" not in self.root and "project" not in self.root:
            raise Failure("Missing table in manifest")
        self.lock = self.path.with_name("pixi.lock")

    def table(self, *path: str, plain: bool = False):
        at = self.document if plain else self.root
        for depth, key in enumerate(path):
            if key not in at:
                at[key] = tomlkit.table(is_super_table=depth < len(path) - 1)
            at = at[key]
        return at

    def save(self) -> None:
        self.path.write_text(tomlkit.dumps(self.document), "utf-8")

    def features(self) -> "dict[str, tuple[list[str], bool]]":
        found = {"default": ([], False)}
        for name, value in self.root.get("environments", {}).items():
            listed = isinstance(value, list)
            found[name] = (
                list(value if listed else value.get("features", [])),
                False if listed else bool(value.get("no-default-feature")),
            )
        return found

    def wanted(self, environment: str) -> "tuple[list[str], list[str]]":
        """Give an environment's conda specs and its PyPI specs."""
        features, bare = self.features()[environment]
        conda, pypi = [], []
        for feature in [*features, *([] if bare else [None])]:
            at = self.root if feature is None else self.root.get("feature", {}).get(feature, {})
            conda += [f"{k}={v}" for k, v in at.get("dependencies", {}).items()]
            pypi += [f"{k}{'' if v == '*' else v}" for k, v in at.get("pypi-dependencies", {}).items()]
            if self.pyproject:
                project = self.document.get("project", {}).get("dependencies", [])
                pypi += list(
                    project if feature is None else self.document.get("dependency-groups", {}).get(feature, [])
                )
        return conda, pypi

    def solve(self, environment: str) -> "dict[str, tuple[str, str]]":
        conda, pypi = self.wanted(environment)
        found = {}
        for spec in conda:
            name, _, version = spec.partition("=")
            fit = [v for v in PYTHONS if v.startswith(version.removesuffix("*"))] if name == "python" else []
            if not fit:
                raise Failure(f"failed to solve the environment '{environment}'\nNo candidates were found for {spec}")
            found[name] = (fit[-1], "conda")
        queue = [Requirement(one) for one in pypi]
        if queue and "python" not in found:
            raise Failure(f"No Python interpreter found in the dependencies of environment '{environment}'")
        while queue:
            one = queue.pop(0)
            name = str(canonicalize_name(one.name))
            fit = [v for v in PACKAGES.get(name, ()) if v in one.specifier]
            if not fit:
                raise Failure(
                    f"failed to solve the pypi requirements of environment '{environment}'\nno version of {one}"
                )
            if found.get(name, ("", ""))[0] not in fit:
                found[name] = (fit[-1], "pypi")
                queue += [Requirement(need) for need in NEEDS.get(name, ())]
        return found

    def locked(self) -> "dict[str, dict[str, tuple[str, str]]] | None":
        """Read the lock; None when it does not give what the manifest asks for."""
        if not self.lock.exists():
            return None
        data = yaml.safe_load(self.lock.read_text("utf-8"))
        found = {}
        for name, environment in data["environments"].items():
            urls = [tuple(*entry.items()) for entry in environment["packages"]["linux-64"]]
            files = [(kind, url.rpartition("/")[2].split("-")) for kind, url in urls]
            found[name] = {parts[0]: (parts[1], kind) for kind, parts in files}
        return found if found == {name: self.solve(name) for name in self.features()} else None

    def update(self, usage: "dict[str, list[str]]") -> "dict[str, dict[str, tuple[str, str]]]":
        locked = self.locked()
        if locked is None:
            if "--locked" in usage:
                raise Failure("lock file not up-to-date with the workspace")
            if "--frozen" in usage and not self.lock.exists():
                raise Failure("the lock file does not exist")
            locked = {name: self.solve(name) for name in self.features()}
            if "--frozen" not in usage:
                self.lock.write_text(lock_text(locked), "utf-8")
        return locked

    def prefix(self, environment: str) -> Path:
        return self.path.parent / ".pixi" / "envs" / environment

    def install(self, environment: str, packages: "dict[str, tuple[str, str]]") -> None:
        prefix = self.prefix(environment)
        minor = packages.get("python", ("3.11", ""))[0].rpartition(".")[0]
        site = prefix / "lib" / f"python{minor}" / "site-packages"
        for folder in (prefix / "bin", prefix / "conda-meta", site):
            folder.mkdir(parents=True, exist_ok=True)
        python = prefix / "bin" / "python"
        if not python.exists():
            python.symlink_to(os.path.realpath(sys.executable))
        real = json.loads(Path(__file__).with_name("pixi.control").read_text()).get("real", "")
        if real:  # so that models run there: a prefix of conda's own has its Python in it
            (prefix / "pyvenv.cfg").write_text(
                f"home = {Path(os.path.realpath(sys.executable)).parent}\ninclude-system-site-packages = false\n"
            )
        for name, (version, kind) in packages.items():
            if real and kind == "pypi":
                link(Path(real), name, site)
            elif kind == "conda":
                record = {"name": name, "version": version, "url": url_of(name, version, kind)}
                (prefix / "conda-meta" / f"{name}-{version}-0.json").write_text(json.dumps(record))
            else:
                (site / f"{name}-{version}.dist-info").mkdir(exist_ok=True)


def link(real: Path, name: str, site: Path) -> None:
    """Give an environment a package that another one has."""
    for record in real.glob("*.dist-info/RECORD"):
        if canonicalize_name(record.parent.name.partition("-")[0]) == name:
            tops = {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}
            for top in tops - {"..", "bin", "__pycache__"}:
                if not (site / top).exists():
                    copy(real / top, site / top)


def copy(source: Path, target: Path) -> None:
    """Copy a module without copying its bytes where the file system can; a sandbox follows no link out of a prefix."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=linked)
    else:
        linked(str(source), str(target))


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def url_of(name: str, version: str, kind: str) -> str:
    if kind == "conda":
        return f"{CHANNEL}/linux-64/{name}-{version}-h0_0.conda"
    return f"https://files.pythonhosted.org/packages/00/{name}-{version}-py3-none-any.whl"


def lock_text(solved: "dict[str, dict[str, tuple[str, str]]]") -> str:
    """Write a lock of version 6, in pixi's order."""
    entry = {(n, v, k): {k: url_of(n, v, k)} for packages in solved.values() for n, (v, k) in packages.items()}
    environments = {
        name: {
            "channels": [{"url": CHANNEL + "/"}],
            "indexes": ["https://pypi.org/simple"],
            "packages": {"linux-64": [{k: url_of(n, v, k)} for n, (v, k) in sorted(packages.items())]},
        }
        for name, packages in sorted(solved.items())
    }
    records = []
    for (name, version, kind), record in sorted(entry.items()):
        named = {"name": name, "version": version} if kind == "pypi" else {}
        records.append({**record, **named, "sha256": hashlib.sha256(f"{name}{version}".encode()).hexdigest()})
    return yaml.safe_dump({"version": 6, "environments": environments, "packages": records}, sort_keys=False)


def add(told: Told, space: Workspace) -> int:
    feature = told.one("--feature", "default")
    path = () if feature == "default" else ("feature", feature)
    for spec in told.operands:
        if "--pypi" not in told.flags:
            name, _, version = spec.partition("=")
            space.table(*path, "dependencies")[name] = version or "*"
        elif space.pyproject:
            where = ("project", "dependencies") if feature == "default" else ("dependency-groups", feature)
            holder = space.table(where[0], plain=True)
            holder[where[1]] = [*holder.get(where[1], []), spec]
        else:
            one = Requirement(spec)
            space.table(*path, "pypi-dependencies")[one.name] = str(one.specifier) or "*"
    return changed(space, told)


def environment_add(told: Told, space: Workspace) -> int:
    name, features = told.operands[0], told.flags.get("--feature", [])
    if not re.fullmatch("[a-z0-9-]+", name):
        raise Usage("please use only lowercase letters, numbers and dashes")
    if name in space.root.get("environments", {}) and "--force" not in told.flags:
        raise Failure(f"the environment '{name}' already exists")
    known = {*space.root.get("feature", {}), *space.document.get("dependency-groups", {})}
    for feature in features:
        if feature not in known:
            raise Failure(f"the feature '{feature}' is not defined")
    value = tomlkit.inline_table()
    value["features"] = features
    if "--solve-group" in told.flags:
        value["solve-group"] = told.one("--solve-group")
    if "--no-default-feature" in told.flags:
        value["no-default-feature"] = True
    space.table("environments")[name] = value if len(value) > 1 else features
    space.save()
    return 0


def changed(space: Workspace, told: Told) -> int:
    """Save a manifest, then solve: a failure in between leaves it edited, which pixi itself takes more care of."""
    space.save()
    misbehave(told.verb[-1])
    space.update(told.flags)
    return 0


def install(told: Told, space: Workspace) -> int:
    name = told.one("--environment", "default")
    if name not in space.features():
        raise Failure(f"unknown environment '{name}'")
    packages = space.update(told.flags)
    misbehave("install")
    space.install(name, packages[name])
    return 0


def run(told: Told, space: Workspace) -> int:
    name = told.one("--environment", "default")
    space.install(name, space.update(told.flags)[name])
    words = told.operands + told.rest
    program = space.prefix(name) / "bin" / words[0]
    if not program.exists():
        sys.stderr.write(f"{words[0]}: command not found\n")
        return 127
    sys.stdout.flush()
    return os.spawnv(os.P_WAIT, program, [str(program), *words[1:]])


def listing(told: Told, space: Workspace) -> int:
    name = told.one("--environment", "default")
    packages = space.update(told.flags)[name]
    rows = [
        {"name": n, "version": v, "build": None, "size_bytes": None, "kind": k, "source": None, "is_explicit": False,
         "sha256": None, "url": url_of(n, v, k), "requested_spec": None, "constrains": [], "depends": []}
        for n, (v, k) in sorted(packages.items())
    ]  # fmt: skip
    print(json.dumps(rows, indent=2))
    return 0


def info(told: Told, space: Workspace) -> int:
    sys.stderr.write(" WARN something is to be said on the way\n")
    sys.stderr.flush()
    rows = [
        {"name": name, "features": [*features, *([] if bare else ["default"])], "solve_group": None,
         "dependencies": [], "pypi_dependencies": [], "platforms": [], "prefix": str(space.prefix(name))}
        for name, (features, bare) in space.features().items()
    ]  # fmt: skip
    project = {"name": "x", "manifest_path": str(space.path), "last_updated": None, "version": None}
    print(json.dumps({"platform": "linux-64", "version": "0.77.0", "project_info": project, "environments_info": rows}))
    return 0


def misbehave(verb: str) -> None:
    control = json.loads(Path(__file__).with_name("pixi.control").read_text())
    time.sleep(control.get("slow", 0))
    if control.get("hang") == verb:
        Path(__file__).with_name("pixi.hangs").touch()
        time.sleep(600)
    if control.get("fail") == verb:
        raise Failure("failed to fetch https://joe:secret@index.example/simple/numpy/?token=abc\nconnection refused")


def main(argv: "list[str]") -> int:
    """Do as pixi would, and end as pixi would."""
    with open(Path(__file__).with_name("pixi.calls"), "a") as log:
        log.write(json.dumps({"argv": argv}) + "\n")
    do = {"add": add, "install": install, "run": run, "list": listing, "info": info, "workspace": environment_add}
    try:
        told = Told(argv)
        return do[told.verb[0]](told, Workspace(told.one("--manifest-path", "pixi.toml")))
    except Usage as error:
        sys.stderr.write(f"error: {error}\n\nUsage: pixi [OPTIONS] [COMMAND]\n\nFor more information, try '--help'.\n")
        return 2
    except Failure as error:
        first, *others = str(error).splitlines()
        sys.stderr.write("\n".join([f"Error:   × {first}", *(f"  ╰─▶ {other}" for other in others)]) + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
