"""pixi: finding a project, planning, applying without loss, reading back.

All but the tests marked real_pixi run against tests/pixi_standin.py, which knows pixi's documented command line.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest

import pixi_standin
from assay.domain import IndexSpec
from assay.envs import pixi, pixi_lock, pixi_manifest, pixi_plan
from assay.envs.pixi_lock import Pinned
from assay.envs.pixi_plan import Wanted
from assay.errors import NeedsAnswer, StageFailed, WrongInput

LIB, TESTS = Path(pixi.__file__).parents[2], Path(pixi_standin.__file__).parent
SCHEMA = json.loads((TESTS / "data" / "pixi-schema.json").read_text("utf-8"))
ANY_AGE = IndexSpec(cooldown_days=0)
TOML = """\
# what the team needs
[workspace]
name = "x"   # a comment
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"

[tasks]
  hello   = "echo hello"  # odd layout, and kept
"""
PYPROJECT = """\
[project]
name = "x"
version = "1"
dependencies = ["numpy>=1"]  # its own list

[tool.pixi.workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]

[tool.pixi.dependencies]
python = "3.11.*"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The manifest of a small project."""
    path = tmp_path / "repo" / "pixi.toml"
    path.parent.mkdir()
    path.write_text(TOML)
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return pixi_standin.put(tmp_path / "bin")


def call(program: Path, seconds: float = 60) -> pixi.Call:
    environ = {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(program.parent)}
    return pixi.Call(program, environ, program.parent / "log" / "pixi.log", seconds)


def plan(wanted: Wanted, manifest: Path) -> pixi_plan.Plan:
    return pixi_plan.commands(wanted, pixi_manifest.read(manifest))


def validate(manifest: Path) -> None:
    data = pixi_manifest.loads(manifest.read_text(), manifest)
    jsonschema.validate(data["tool"]["pixi"] if manifest.name == "pyproject.toml" else data, SCHEMA)


# finding a project


@pytest.mark.parametrize(
    ("written", "start", "found"),
    [
        ({"pixi.toml": TOML}, ".", "pixi.toml"),
        ({"pixi.toml": TOML}, "a/b", "pixi.toml"),
        ({"pyproject.toml": PYPROJECT}, "a", "pyproject.toml"),
        ({"pyproject.toml": "[project]\nname = 'x'\n"}, ".", None),
        ({"pyproject.toml": "[project]\ndescription = '''\n[tool.pixi]\n'''\n"}, ".", None),
        ({"pyproject.toml": "tool = {pixi = {workspace = {channels = []}}}\n"}, ".", "pyproject.toml"),
        ({"pyproject.toml": PYPROJECT, "pixi.toml": TOML}, ".", "pixi.toml"),
        ({"pixi.toml": TOML, "a/pyproject.toml": "[project]\nname = 'x'\n"}, "a/b", "pixi.toml"),
        ({"pixi.toml": TOML, "a/pixi.toml": "[package]\nname = 'y'\n"}, "a/b", "pixi.toml"),
        ({"pixi.toml": TOML, "a/pixi.toml": TOML}, "a/b", "a/pixi.toml"),
        ({"pixi.toml": TOML, "a/pyproject.toml": "not [ toml"}, "a/b", "pixi.toml"),
        ({}, ".", None),
    ],
)
def test_the_nearest_workspace_is_found(
    tmp_path: Path, written: dict[str, str], start: str, found: "str | None"
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    assert pixi_manifest.manifest(tmp_path / start, tmp_path) == (tmp_path / found if found else None)


@pytest.mark.parametrize("name", ["pixi.toml", "pyproject.toml"])
def test_a_broken_manifest_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[tool.pixi.workspace\n")
    with pytest.raises(WrongInput, match=rf"{name}: is no TOML: .*line 1"):
        pixi_manifest.manifest(tmp_path)


def test_the_search_stops_where_it_is_told(here: Path) -> None:
    inner = here.parent / "a" / "b"
    inner.mkdir(parents=True)
    assert pixi_manifest.manifest(inner, here.parent / "a") is None
    assert pixi_manifest.manifest(inner) == here


def test_environments(here: Path) -> None:
    here.write_text(TOML + '[environments]\nold = ["a"]\nown = {features = ["b"], no-default-feature = true}\n')
    assert pixi_manifest.environments(here) == {"default": ("default",), "old": ("a", "default"), "own": ("b",)}
    here.write_text("[dependencies]\n")
    with pytest.raises(WrongInput, match=r"has no \[workspace\] table"):
        pixi_manifest.environments(here)
    here.write_text(TOML + '[environments]\nodd = "a"\n')
    with pytest.raises(WrongInput, match=r"environments\.odd is neither"):
        pixi_manifest.environments(here)


def test_pixi_is_found_and_not_started(program: Path, tmp_path: Path) -> None:
    assert pixi.binary({"PATH": str(program.parent)}) == program
    assert pixi.binary({"PATH": "/nowhere"}) is None and pixi.binary({}) is None
    for home in ("home/.pixi", "else"):
        shutil.copytree(program.parent, tmp_path / home / "bin")
    assert pixi.binary({"PATH": "", "HOME": str(tmp_path / "home")}) == tmp_path / "home" / ".pixi" / "bin" / "pixi"
    both = {"HOME": str(tmp_path / "home"), "PIXI_HOME": str(tmp_path / "else")}
    assert pixi.binary(both) == tmp_path / "else" / "bin" / "pixi"
    assert pixi_standin.calls(program) == []


def test_without_pixi_a_person_is_asked(here: Path) -> None:
    with pytest.raises(NeedsAnswer, match=re.escape(f"{here}: pixi project, pixi not on PATH; install it (https://")):
        pixi.needed({"PATH": "/nowhere"}, here)


def test_another_shell_does_not_tell_pixi_what_to_do() -> None:
    kept = {"PATH": "/bin", "PIXI_HOME": "/p", "PIXI_CACHE_DIR": "/c", "HOME": "/h"}
    assert pixi.surroundings({**kept, "PIXI_FROZEN": "1", "PIXI_IN_SHELL": "1", "PIXI_PROJECT_ROOT": "/x"}) == kept


# planning


def words(manifest: Path, *lines: str) -> "tuple[tuple[str, ...], ...]":
    return tuple(tuple(w if w != "M" else str(manifest) for w in line.split(" ")) for line in lines)


def test_add_to_the_default_environment(here: Path) -> None:
    made = plan(Wanted("add", ("numpy>=1", "pillow"), index=ANY_AGE), here)
    assert made.commands == words(
        here,
        "pixi add --pypi --manifest-path M numpy>=1 pillow",
        "pixi install -e default --manifest-path M",
    )
    assert made.edits == {("pypi-options",): {"no-build": ["numpy", "pillow"]}}
    assert made.run == words(here, "pixi run -e default --locked --manifest-path M --")[0]
    assert pixi_plan.run(here, "x", frozen=True) == words(here, "pixi run -e x --frozen --manifest-path M --")[0]
    assert pixi_plan.locked(here, "x") == words(here, "pixi install -e x --locked --manifest-path M")[0]


def test_add_to_a_pyproject_leaves_the_package_s_own_list_alone(tmp_path: Path) -> None:
    manifest = tmp_path / "pyproject.toml"
    manifest.write_text(PYPROJECT)
    made = plan(Wanted("add", ("pillow",), index=ANY_AGE), manifest)
    assert made.commands == words(
        manifest,
        "pixi add --pypi --feature assay --manifest-path M pillow",
        "pixi workspace environment add default --feature assay --force --manifest-path M",
        "pixi install -e default --manifest-path M",
    )
    assert f"# in {manifest}:\n#   [tool.pixi.feature.assay.pypi-options]\n" in made.shown


def test_add_to_another_environment_keeps_what_it_is_made_of(here: Path) -> None:
    here.write_text(
        TOML + '[environments]\nt = {features = ["a", "b"], solve-group = "g", no-default-feature = true}\n'
    )
    made = plan(Wanted("add", ("pillow",), "t"), here)
    assert made.commands[1] == (
        *["pixi", "workspace", "environment", "add", "t", "--feature", "a", "--feature", "b", "--feature", "assay"],
        *["--solve-group", "g", "--no-default-feature", "--force", "--manifest-path"],
        str(here),
    )
    here.write_text(TOML + '[environments]\nt = ["assay"]\n')
    assert len(plan(Wanted("add", ("pillow",), "t"), here).commands) == 2
    here.write_text(TOML + '[environments.t.dependencies]\nx = "*"\n')
    with pytest.raises(NeedsAnswer, match="has settings of its own"):
        plan(Wanted("add", ("pillow",), "t"), here)
    with pytest.raises(NeedsAnswer, match="has no environment 'u'; known: default, t; or answer new"):
        plan(Wanted("add", ("pillow",), "u"), here)


NEW_LINES = (
    "pixi add --feature m --manifest-path M python=3.11.*",
    "pixi add --pypi --feature m --manifest-path M numpy<2,>=1",
    "pixi workspace environment add m --feature m --no-default-feature --manifest-path M",
    "pixi install -e m --manifest-path M",
)


def test_new_and_print(here: Path) -> None:
    wanted = Wanted("new", ("numpy<2,>=1",), "m", "3.11")
    made = plan(wanted, here)
    assert made.commands == words(here, *NEW_LINES)
    assert made.edits == {
        ("feature", "m", "pypi-options"): {"no-build": True},
        ("pypi-exclude-newer",): {"numpy": "7d"},
    }
    printed = plan(wanted._replace(answer="print"), here)
    assert printed.commands == made.commands
    assert printed.shown.splitlines()[-3] == f"pixi add --pypi --feature m --manifest-path {here} 'numpy<2,>=1'"
    assert plan(Wanted("print", ("pillow",)), here).commands == plan(Wanted("add", ("pillow",)), here).commands


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("maybe", ()), "answer 'maybe' is not known"),
        (Wanted("new", (), "My_env", "3.11"), "'My_env' is no name of a pixi environment"),
        (Wanted("new", (), "--force", "3.11"), "'--force' is no name"),
        (Wanted("new", (), "m"), "needs a version of Python"),
        (Wanted("new", (), "m", "3.11; rm"), "is no version of Python"),
        (Wanted("new", (), "default", "3.11"), "'default' is there already"),
        (Wanted("add", ("--index=x",)), "'--index=x' is no requirement"),
        (Wanted("add", ("a @ https://u:p@h/a.whl",)), "https://h/a.whl carries credentials"),
        (Wanted("add", ("a",), index=IndexSpec(extra=("https://u:p@h/simple",))), "carries credentials"),
    ],
)
def test_what_is_not_planned(here: Path, wanted: Wanted, said: str) -> None:
    with pytest.raises((WrongInput, NeedsAnswer)) as caught:
        plan(wanted, here)
    assert said in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_every_index_option_reaches_the_manifest(here: Path) -> None:
    index = IndexSpec(
        "https://a/simple", ("https://b/simple",), ("wheels", "https://c/links", "/elsewhere"), "unsafe-best-match",
        "c.txt", ("opencv-python",), "cpu", ("basicsr",), 3, True,
    )  # fmt: skip
    made = plan(Wanted("new", ("numpy", "basicsr"), "m", "3.11", index, here.parent), here)
    assert made.edits == {
        ("feature", "m", "pypi-options"): {
            "index-url": "https://a/simple",
            "extra-index-urls": ["https://b/simple"],
            "find-links": [{"path": "./wheels"}, {"url": "https://c/links"}, {"path": "/elsewhere"}],
            "index-strategy": "unsafe-best-match",
            "no-build": ["numpy"],
        }
    }
    said = ("constraints", "excludes", "torch_backend", "pip:", "no-build", "newer than 3 days")
    assert len(made.limits) == len(said) and all(word in text for word, text in zip(said, made.limits))
    here.write_text(pixi_manifest.edited(TOML, made.edits, here))
    validate(here)


# editing


def test_an_edit_keeps_every_other_byte(here: Path) -> None:
    tables: pixi_manifest.Tables = {
        ("feature", "m", "pypi-options"): {"no-build": True, "find-links": [{"path": "./w"}]}
    }
    text = pixi_manifest.edited(TOML, tables, here)
    added = '\n[feature.m.pypi-options]\nno-build = true\nfind-links = [{path = "./w"}]\n'
    assert text == TOML + added
    assert pixi_manifest.edited(text, tables, here) == text
    crlf = pixi_manifest.edited(TOML.replace("\n", "\r\n"), tables, here)
    assert crlf == text.replace("\n", "\r\n")


def test_lists_grow_and_nothing_is_overruled(here: Path) -> None:
    own = (
        TOML
        + '\n[pypi-options]  # ours\nextra-index-urls = ["https://z"] # why\n\n[pypi-exclude-newer]\nnumpy = "0d"\n'
    )
    tables: pixi_manifest.Tables = {
        ("pypi-options",): {"extra-index-urls": ["https://b", "https://z"], "index-url": "https://a"},
        ("pypi-exclude-newer",): {"numpy": "7d", "pillow": "7d"},
    }
    text = pixi_manifest.edited(own, tables, here)
    assert 'extra-index-urls = ["https://z", "https://b"] # why\nindex-url = "https://a"\n' in text
    assert 'numpy = "0d"\npillow = "7d"\n' in text and text.startswith(TOML + "\n[pypi-options]  # ours\n")
    here.write_text(text)
    validate(here)
    with pytest.raises(NeedsAnswer, match="index-url is 'https://a', the experiment needs 'https://q'"):
        pixi_manifest.edited(text, {("pypi-options",): {"index-url": "https://q"}}, here)


def test_a_layout_that_cannot_be_added_to_is_said(here: Path) -> None:
    tables: pixi_manifest.Tables = {("feature", "m", "pypi-options"): {"no-build": True}}
    with pytest.raises(
        WrongInput, match=r"so that \[feature.m.pypi-options\] cannot be added without loss; add it by hand"
    ):
        pixi_manifest.edited("feature = {m = {dependencies = {python = '3.11.*'}}}\n" + TOML, tables, here)
    dotted = "feature.m.dependencies.python = '3.11.*'\n" + TOML
    assert pixi_manifest.edited(dotted, tables, here) == dotted + "\n[feature.m.pypi-options]\nno-build = true\n"


@pytest.mark.parametrize(
    "wrong",
    ["[feature.m.pypi-optionz]\nno-build = true\n", "[environments]\nm = 3\n", "[pypi-options]\nindex = 1\n"],
)
def test_the_schema_sees_what_is_wrong(here: Path, wrong: str) -> None:
    validate(here)
    here.write_text(TOML + wrong)
    with pytest.raises(jsonschema.ValidationError):
        validate(here)


# applying


@pytest.mark.parametrize("name", ["pixi.toml", "pyproject.toml"])
def test_a_new_environment_is_made_and_runs(tmp_path: Path, program: Path, name: str) -> None:
    manifest = tmp_path / name
    text = TOML if name == "pixi.toml" else PYPROJECT
    manifest.write_text(text)
    manifest.chmod(0o640)
    made = pixi.apply(plan(Wanted("new", ("onnxruntime>=1",), "m", "3.11"), manifest), call(program))
    assert [("pixi", *argv) for argv in pixi_standin.calls(program)[1:]] == [*map(tuple, made.commands)]
    validate(manifest)
    assert manifest.stat().st_mode & 0o777 == 0o640
    for line in text.splitlines():
        assert line in manifest.read_text().splitlines()
    told = {(p.name, p.version, p.kind) for p in pixi.installed(manifest, "m", call(program))}
    assert told == {("numpy", "2.4.6", "pypi"), ("onnxruntime", "1.20.0", "pypi"), ("python", "3.11.7", "conda")}
    before = manifest.with_name("pixi.lock").read_bytes()
    assert {tuple(p) for p in pixi.installed(manifest, "m")} == told
    facts = pixi_lock.lock_facts(manifest.with_name("pixi.lock"), "m", "linux-64")
    assert [(p.name, p.version, p.kind) for p in facts] == sorted(told) and all(len(p.sha256) == 64 for p in facts)
    done = subprocess.run(
        [program, *made.run[1:], "python", "-c", "print(6*7)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"
    log = call(program).log.read_text()
    assert [line for line in log.splitlines() if line.startswith("$ ")] == ["$ " + shlex.join(c) for c in made.commands]
    assert manifest.with_name("pixi.lock").read_bytes() == before


def test_add_to_the_current_environment(here: Path, program: Path) -> None:
    pixi.apply(plan(Wanted("add", ("numpy<2",)), here), call(program))
    assert {(p.name, p.version) for p in pixi.installed(here, "default")} == {("numpy", "1.26.4"), ("python", "3.11.7")}
    validate(here)
    pixi.apply(plan(Wanted("add", ("pillow",)), here), call(program))
    assert len(pixi.installed(here, "default", call(program))) == 3
    validate(here)
    assert here.read_text().startswith(TOML.partition("[dependencies]")[0])


def test_add_to_a_pyproject(tmp_path: Path, program: Path) -> None:
    manifest = tmp_path / "pyproject.toml"
    manifest.write_text(PYPROJECT)
    pixi.apply(plan(Wanted("add", ("pillow",)), manifest), call(program))
    data = pixi_manifest.loads(manifest.read_text(), manifest)
    assert data["project"]["dependencies"] == ["numpy>=1"] and data["dependency-groups"] == {"assay": ["pillow"]}
    assert pixi_manifest.environments(manifest) == {"default": ("assay", "default")}
    assert len(pixi.installed(manifest, "default")) == 3


def test_the_lock_makes_it_again_and_a_changed_manifest_is_refused(here: Path, program: Path) -> None:
    pixi.apply(plan(Wanted("new", ("numpy",), "m", "3.11"), here), call(program))
    shutil.rmtree(here.parent / ".pixi")
    again = [program, *pixi_plan.locked(here, "m")[1:]]
    assert subprocess.run(again, check=False).returncode == 0
    assert len(pixi.installed(here, "m")) == 2
    here.write_text(here.read_text().replace('numpy = "*"', 'numpy = "<2"'))
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "lock file not up-to-date with the workspace" in done.stderr


def states(manifest: Path) -> "list[tuple[bytes, int] | None]":
    paths = (manifest, manifest.with_name("pixi.lock"))
    return [(p.read_bytes(), p.stat().st_mode) if p.exists() else None for p in paths]


@pytest.mark.parametrize("locked_before", [True, False])
@pytest.mark.parametrize("verb", ["add", "install"])
def test_a_failure_changes_nothing(tmp_path: Path, here: Path, verb: str, locked_before: bool) -> None:
    if locked_before:
        pixi.apply(plan(Wanted("add", ("pillow",)), here), call(pixi_standin.put(tmp_path / "bin")))
        here.with_name("pixi.lock").chmod(0o600)
    before = states(here)
    program = pixi_standin.put(tmp_path / "bad", fail=verb)
    with pytest.raises(StageFailed) as caught:
        pixi.apply(plan(Wanted("new", ("numpy",), "m", "3.11"), here), call(program))
    assert str(caught.value) == (
        f"{here}: pixi {verb}: failed to fetch https://index.example/simple/numpy/: connection refused; "
        f"pixi.toml and pixi.lock are as before; see {call(program).log}"
    )
    assert states(here) == before
    assert ("install" in [argv[0] for argv in pixi_standin.calls(program)]) == (verb == "install")


@pytest.mark.parametrize(
    ("specs", "said"), [(("no-such",), "no version of no-such"), (("numpy>9",), "no version of numpy>9")]
)
def test_pixi_s_own_reason_is_said(here: Path, program: Path, specs: "tuple[str, ...]", said: str) -> None:
    before = states(here)
    with pytest.raises(StageFailed, match=said):
        pixi.apply(plan(Wanted("add", specs), here), call(program))
    assert states(here) == before


def test_a_flag_that_pixi_does_not_know_ends_with_2(here: Path, program: Path) -> None:
    for argv in (["add", "--magic", "x"], ["frobnicate"], ["install", "x"], ["add"], ["run", "-e"]):
        done = subprocess.run([program, *argv], cwd=here.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stderr.startswith("error: ")
    done = subprocess.run([program, "run", "--", "nothing"], cwd=here.parent, capture_output=True, check=False)
    assert done.returncode == 127


def test_a_hang_is_ended_in_time(tmp_path: Path, here: Path) -> None:
    before = states(here)
    program = pixi_standin.put(tmp_path / "slow", hang="add")
    with pytest.raises(StageFailed, match=r"pixi add: was ended after 1\.5 s"):
        pixi.apply(plan(Wanted("add", ("numpy",)), here), call(program, 1.5))
    assert states(here) == before


def test_an_interrupt_puts_everything_back(tmp_path: Path, here: Path) -> None:
    before = states(here)
    program = pixi_standin.put(tmp_path / "bad", hang="install")
    script = (
        "import sys\nfrom pathlib import Path\nfrom assay.envs import pixi, pixi_manifest\n"
        "from assay.envs.pixi_plan import Wanted\nbinary, manifest = map(Path, sys.argv[1:])\n"
        "call = pixi.Call(binary, {'PATH': '/usr/bin:/bin'}, binary.parent / 'log')\n"
        "plan = pixi.commands(Wanted('new', ('numpy',), 'm', '3.11'), pixi_manifest.read(manifest))\npixi.apply(plan, call)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script, program, here],
        env={**os.environ, "PYTHONPATH": str(LIB)},
        stderr=subprocess.PIPE,
    )
    waited = time.monotonic() + 60
    while not program.with_name("pixi.hangs").exists():
        assert running.poll() is None and time.monotonic() < waited
        time.sleep(0.02)
    assert states(here) != before
    running.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in running.communicate(timeout=30)[1]
    assert states(here) == before


def test_two_at_once_wait_for_each_other(tmp_path: Path, here: Path) -> None:
    program = pixi_standin.put(tmp_path / "slow", slow=0.1)
    plans = {name: plan(Wanted("new", ("numpy",), name, "3.11"), here) for name in ("one", "two")}
    waited: list[str] = []
    failed: list[BaseException] = []

    def work(name: str) -> None:
        own = call(program)._replace(log=tmp_path / f"{name}.log")
        try:
            pixi.apply(plans[name], own, waited.append)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(waited) == 1
    assert {"one", "two"} < set(pixi_manifest.environments(here))
    assert len(pixi.installed(here, "one", call(program))) == len(pixi.installed(here, "two", call(program))) == 2
    order = [argv[argv.index("--feature") + 1] for argv in pixi_standin.calls(program) if "--feature" in argv]
    assert order in (["one"] * 3 + ["two"] * 3, ["two"] * 3 + ["one"] * 3)


def test_another_program_by_that_name_is_not_used(tmp_path: Path, here: Path) -> None:
    program = tmp_path / "pixi"
    program.write_text("#!/bin/sh\necho pixels\n")
    program.chmod(0o755)
    with pytest.raises(NeedsAnswer, match=r"is not prefix\.dev's pixi"):
        pixi.apply(plan(Wanted("add", ("numpy",)), here), call(program))
    with pytest.raises(WrongInput, match="nothing is run"):
        pixi.apply(plan(Wanted("print", ("numpy",)), here), call(program))


def test_where_an_environment_lies(here: Path, program: Path, tmp_path: Path) -> None:
    assert pixi.prefix(here, "m") == pixi.prefix(here, "default", call(program)).with_name("m")
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'environments_info': [{'name': 'm', 'prefix': '/far/m'}]})}'\n")
    assert pixi.prefix(here, "m", call(program)) == Path("/far/m")
    with pytest.raises(NeedsAnswer, match="not made yet; run `pixi install`"):
        pixi.installed(here, "m")


# reading a lock

V6 = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: https://joe:pw@host.example/t/tk-12/conda-forge/linux-64/python-3.13.1-ha99a958_105_cp313.conda
      - conda: https://prefix.dev/conda-forge/linux-64/ld_impl_linux-64-2.43-h712a8e2_2.tar.bz2
      - pypi: https://joe:pw@files.example/numpy-2.2.2-cp313-cp313-manylinux_2_17_x86_64.whl?token=x
      - pypi: git+https://github.com/encode/httpx.git?rev=c7c1#c7c1
      - pypi: ./here
packages:
- conda: https://joe:pw@host.example/t/tk-12/conda-forge/linux-64/python-3.13.1-ha99a958_105_cp313.conda
  build_number: 105
  sha256: aa
  md5: 00
- conda: https://prefix.dev/conda-forge/linux-64/ld_impl_linux-64-2.43-h712a8e2_2.tar.bz2
  sha256: bb
- pypi: https://joe:pw@files.example/numpy-2.2.2-cp313-cp313-manylinux_2_17_x86_64.whl?token=x
  name: numpy
  version: 2.2.2
  sha256: cc
  requires_python: '>=3.10'
- pypi: git+https://github.com/encode/httpx.git?rev=c7c1#c7c1
  name: httpx
  version: 0.27.2
- pypi: ./here
  name: here
  version: 0.1.0
"""
V7 = """\
version: 7
platforms:
- name: linux-64
  virtual-packages:
  - __glibc=2.28
- name: mac
  subdir: osx-arm64
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/noarch/tzdata-2025a-h78e105d_0.conda
      - conda_source: v3[bd6b6af2] @ .
      - pypi: https://data.pyg.org/whl/my_dep-1.0.0-py3-none-any.whl
      mac:
      - conda: https://conda.anaconda.org/conda-forge/noarch/tzdata-2025a-h78e105d_0.conda
  empty:
    channels: []
    packages: {}
packages:
- conda: https://conda.anaconda.org/conda-forge/noarch/tzdata-2025a-h78e105d_0.conda
  sha256: dd
- conda_source: v3[bd6b6af2] @ .
  variants:
    target_platform: linux-64
- pypi: https://data.pyg.org/whl/my_dep-1.0.0-py3-none-any.whl
  name: my-dep
  version: 1.0.0
  sha256: ee
  index: https://data.pyg.org/whl/torch-2.8.0+cpu.html
"""


def test_a_lock_of_version_6(tmp_path: Path) -> None:
    (tmp_path / "pixi.lock").write_text(V6)
    numpy = "https://files.example/numpy-2.2.2-cp313-cp313-manylinux_2_17_x86_64.whl"
    assert pixi_lock.lock_facts(tmp_path / "pixi.lock", "default", "linux-64") == (
        Pinned("here", "0.1.0", "pypi", "", "./here"),
        Pinned("httpx", "0.27.2", "pypi", "", "git+https://github.com/encode/httpx.git?rev=c7c1#c7c1"),
        Pinned("ld_impl_linux-64", "2.43", "conda", "bb", V6.split("conda: ")[2].split("\n")[0]),
        Pinned("numpy", "2.2.2", "pypi", "cc", numpy),
        Pinned(
            "python", "3.13.1", "conda", "aa",
            "https://host.example/conda-forge/linux-64/python-3.13.1-ha99a958_105_cp313.conda",
        ),
    )  # fmt: skip


def test_a_lock_of_version_7(tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text(V7)
    facts = pixi_lock.lock_facts(path, "default", "linux-64")
    assert [(p.name, p.version, p.kind, p.sha256) for p in facts] == [
        ("my-dep", "1.0.0", "pypi", "ee"), ("tzdata", "2025a", "conda", "dd"), ("v3", "", "conda", ""),
    ]  # fmt: skip
    assert [p.name for p in pixi_lock.lock_facts(path, "default", "osx-arm64")] == ["tzdata"]
    with pytest.raises(WrongInput, match="'default' is not locked for win-64; locked for: linux-64, mac"):
        pixi_lock.lock_facts(path, "default", "win-64")
    with pytest.raises(WrongInput, match="'empty' is not locked for linux-64; locked for: none"):
        pixi_lock.lock_facts(path, "empty", "linux-64")
    with pytest.raises(WrongInput, match="has no environment 'm'; known: default, empty; pixi install -e m adds it"):
        pixi_lock.lock_facts(path, "m")
    assert re.fullmatch(r"(linux|osx|win)-\w+", pixi_lock.here())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 5\n", "is of version 5; known are 6 and 7"),
        ("[1]\n", "is of version None"),
        ("a: [\n", "cannot be read"),
        ("version: 6\nenvironments: []\n", "is not laid out"),
        ("version: 6\nenvironments: {default: {packages: {linux-64: [x]}}}\n", "is not laid out"),
        ("!!python/object/apply:os.system [echo]\n", "cannot be read"),
        (None, "is not there"),
    ],
)
def test_a_lock_that_is_none(tmp_path: Path, text: "str | None", said: str) -> None:
    if text is not None:
        (tmp_path / "pixi.lock").write_text(text)
    with pytest.raises(WrongInput, match=said):
        pixi_lock.lock_facts(tmp_path / "pixi.lock", "default")


# with a real pixi, or with the library that it is made of


@pytest.fixture
def real() -> Path:
    found = pixi.binary(os.environ)
    if found is None:
        pytest.skip("no pixi on PATH")
    return found


@pytest.mark.real_pixi
def test_the_same_with_a_real_pixi(real: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "pixi.toml"
    manifest.write_text(TOML.replace('"linux-64"', f'"{pixi_lock.here()}"'))
    how = pixi.Call(real, os.environ, tmp_path / "log", 900)
    made = pixi.apply(plan(Wanted("new", ("packaging<26",), "m", "3.11"), manifest), how)
    validate(manifest)
    assert {"packaging", "python"} <= {p.name for p in pixi.installed(manifest, "m", how)}
    by_files = {p.name: p.version for p in pixi.installed(manifest, "m")}
    facts = {p.name: p.version for p in pixi_lock.lock_facts(tmp_path / "pixi.lock", "m")}
    assert facts["packaging"] == by_files["packaging"] and facts["python"] == by_files["python"]
    done = subprocess.run(
        [real, *made.run[1:], "python", "-c", "import packaging; print(6*7)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "42"
    pixi.apply(plan(Wanted("add", ("tomli",)), manifest), how)
    assert "tomli" in {p.name for p in pixi.installed(manifest, "default")}
    before = states(manifest)
    with pytest.raises(StageFailed, match=r"pixi add: .+; pixi\.toml and pixi\.lock are as before"):
        pixi.apply(plan(Wanted("add", ("packaging>900",)), manifest), how)
    assert states(manifest) == before
    manifest.write_text(manifest.read_text().replace("<26", "<25"))
    done = subprocess.run([real, *pixi_plan.locked(manifest, "m")[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "lock file not up-to-date" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("rattler") is None, reason="py-rattler is not installed")
@pytest.mark.parametrize("text", [V6, V7])
def test_pixi_s_own_library_reads_these_locks_alike(tmp_path: Path, text: str) -> None:
    import rattler

    path = tmp_path / "pixi.lock"
    sums = {short: f"{int(short, 16) % 16:x}" * 64 for short in ("aa", "bb", "cc", "dd", "ee")}
    path.write_text(
        re.sub("sha256: (..)\n", lambda found: f"sha256: {sums[found[1]]}\n", text).replace("  md5: 00\n", "")
    )
    environment = rattler.LockFile.from_path(path).environment("default")
    theirs = environment.packages(next(p for p in environment.platforms() if str(p.name) == "linux-64"))
    assert sorted(p.name for p in theirs) == [p.name for p in pixi_lock.lock_facts(path, "default", "linux-64")]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("rattler") is None, reason="py-rattler is not installed")
def test_a_lock_that_pixi_s_own_library_solved_and_wrote(tmp_path: Path) -> None:
    import asyncio

    import rattler

    channel = tmp_path / "channel"
    packages = {}
    for name, version, depends in (("low", "1.0", []), ("low", "2.0", []), ("top", "1.0", ["low <2"])):
        record = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": depends}
        packages[f"{name}-{version}-0.tar.bz2"] = {**record, "subdir": "linux-64", "sha256": version[0] * 64, "size": 1}
    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True)
        repodata = {"info": {"subdir": subdir}, "packages": packages if subdir == "linux-64" else {}}
        (channel / subdir / "repodata.json").write_text(json.dumps({**repodata, "repodata_version": 1}))

    def solve(*specs: str) -> "list[rattler.RepoDataRecord]":
        return asyncio.run(rattler.solve([channel.as_uri()], list(specs), platforms=["linux-64", "noarch"]))

    records = solve("top")
    with pytest.raises(Exception, match="low"):
        solve("top", "low >=2")
    path = tmp_path / "pixi.lock"
    platform = rattler.LockPlatform("linux-64")
    lock = rattler.LockFile([platform])
    lock.set_channels("default", [rattler.LockChannel(channel.as_uri())])
    for record in records:
        lock.add_conda_package("default", platform, record)
    lock.to_path(path)
    facts = pixi_lock.lock_facts(path, "default", "linux-64")
    assert [(p.name, p.version, p.kind, p.sha256) for p in facts] == [
        ("low", "1.0", "conda", "1" * 64),
        ("top", "1.0", "conda", "1" * 64),
    ]
