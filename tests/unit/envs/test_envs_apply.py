"""Adding to an environment, all of it or nothing, and making new ones from a lock; a real uv, a local index."""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import assay
import wheels
from assay.domain import IndexSpec
from assay.envs import fresh, options, overlay, place, pylock, resolving, uv
from assay.envs.faults import Unreachable
from assay.errors import StageFailed, WrongInput

LIB = Path(assay.__file__).parents[1]
TESTS = Path(wheels.__file__).parent


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_OFFLINE", "UV_LINK_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[wheels.Index]:
    one = wheels.Index(tmp_path / "packages")
    wheels.wheel(one.folder, "alpha", "1.0", requires=["beta"], padding=50_000)
    many = {f"beta/part{n}.py": f"n = {n}\n" * 50 for n in range(300)}
    entry = {"beta-1.0.dist-info/entry_points.txt": "[console_scripts]\nbeta = beta:main\n"}
    data = {"beta-1.0.data/data/share/beta/text": "some", "beta-1.0.data/scripts/beta-script": "#!python\nprint(1)\n"}
    wheels.wheel(one.folder, "beta", "1.0", padding=200_000, files=many | entry | data)
    yield one
    one.close()


class Desk:
    """An environment that others use, and what every call has in common."""

    def __init__(self, tmp_path: Path, url: str) -> None:
        self.tmp, self.url = tmp_path, url
        self.scratch = tmp_path / "scratch"
        self.scratch.mkdir(exist_ok=True)
        self.python = tmp_path / "env" / "bin" / "python"
        self.options = options.arguments(IndexSpec(url=url, cooldown_days=0), tmp_path, {}, self.scratch)

    @property
    def common(self) -> dict[str, Any]:
        return {"options": self.options, "scratch": self.scratch, "log": self.tmp / "log"}

    def make(self) -> None:
        words: list[str | Path] = ["venv", "--no-project", "--python", sys.executable, self.tmp / "env"]
        uv.call(words, scratch=self.scratch, log=self.tmp / "log")
        present = wheels.wheel(self.tmp / "own", "present", "1.0", files={"shared/__init__.py": "here = 1\n"})
        words = ["pip", "install", "--offline", "--no-deps", "--python", self.python, present]
        uv.call(words, scratch=self.scratch, log=self.tmp / "log")

    def resolve(self, *wanted: str, **more: Any) -> resolving.Resolution:
        return resolving.resolve(python=self.python, wanted=wanted, **self.common, **more)

    def overlay(self, found: resolving.Resolution, **more: Any) -> Path:
        return overlay.overlay(found, self.python, self.tmp / "over", **{**self.common, **more})

    def apply(self, found: resolving.Resolution) -> tuple[str, ...]:
        return overlay.apply(found, self.python, self.tmp / "over", **self.common)

    def sync(self, lock: "str | resolving.Resolution", folder: str = "new", **more: Any) -> Path:
        return fresh.sync(lock, self.tmp / folder, python=sys.executable, **{**self.common, **more})

    def imports(self, module: str) -> bool:
        return subprocess.run([self.python, "-B", "-c", f"import {module}"], capture_output=True).returncode == 0


@pytest.fixture
def desk(tmp_path: Path, index: wheels.Index) -> Desk:
    one = Desk(tmp_path, index.url)
    one.make()
    return one


def tree(folder: Path) -> dict[str, str]:
    """Hash every byte of an environment, but for uv's own lock file."""
    held = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name == ".lock":
            continue
        if path.is_symlink():
            held[name] = os.readlink(path)
        else:
            held[name] = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return held


def freeze(python: Path, scratch: Path) -> str:
    return uv.call(["pip", "freeze", "--python", python], scratch=scratch, log=scratch / "log").output


@contextlib.contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    before = tree(folder)
    yield
    assert tree(folder) == before
    assert not [*folder.parent.glob("*.assay-lock"), *folder.parent.glob(".*assay-*")]


def test_tried_first_then_added(desk: Desk, index: wheels.Index) -> None:
    found = desk.resolve("alpha")
    with unchanged(desk.tmp / "env"):
        folder = desk.overlay(found)
        assert (folder / "alpha" / "__init__.py").exists() and (folder / "beta" / "part7.py").exists()
    before = tree(desk.tmp / "env")
    index.close()
    assert desk.apply(found) == ("alpha==1.0", "beta==1.0")  # the last step asks nobody
    after = tree(desk.tmp / "env")
    assert before.items() <= after.items()
    assert (desk.tmp / "env" / "bin" / "beta").exists() and (desk.tmp / "env/share/beta/text").exists()
    assert desk.imports("alpha, beta, present")
    assert desk.apply(found) == ()
    assert tree(desk.tmp / "env") == after


def test_all_that_was_added_can_be_taken_away(desk: Desk) -> None:
    found = desk.resolve("alpha")
    folder = desk.overlay(found)
    there = place.checked(desk.python)
    with unchanged(desk.tmp / "env"):
        adding = overlay._planned(there, folder, [(i.name, i.version) for i in found.items])
        desk.apply(found)
        assert subprocess.run([desk.python, "-c", "import alpha, beta.part3"]).returncode == 0  # leaves bytecode
        assert overlay.undo(there, adding) == ""


def test_a_connection_cut_while_fetching(desk: Desk, index: wheels.Index) -> None:
    found = desk.resolve("alpha")
    index.die_after["beta-1.0-py3-none-any.whl"] = 90_000
    with unchanged(desk.tmp / "env"), pytest.raises(Unreachable, match="cannot be reached"):
        desk.overlay(found)
    assert not (desk.tmp / "over").exists()
    with unchanged(desk.tmp / "env"), pytest.raises(StageFailed, match="was not fetched"):
        desk.apply(found)
    index.die_after.clear()
    desk.overlay(found)
    assert desk.apply(found)


def test_the_index_serves_other_bytes(desk: Desk, index: wheels.Index) -> None:
    found = desk.resolve("alpha")
    path = index.folder / "alpha-1.0-py3-none-any.whl"
    size = path.stat().st_size
    wheels.wheel(index.folder, "alpha", "1.0", requires=["beta"], padding=50_000, code="VERSION = '6.6'\n")
    assert path.stat().st_size == size
    with unchanged(desk.tmp / "env"), pytest.raises(StageFailed, match=r"alpha==1\.0 .* locked: its SHA-256 is"):
        desk.overlay(found)
    wheels.wheel(index.folder, "beta", "1.0", padding=100_000, code="evil = 1\n")
    with unchanged(desk.tmp / "env"), pytest.raises(StageFailed, match="is not the file that was locked"):
        desk.overlay(desk.resolve("beta")._replace(lock=pylock.only(found.lock, {"beta"})))


def test_the_cache_is_gone_when_it_is_needed(desk: Desk) -> None:
    found = desk.resolve("alpha")
    desk.overlay(found)
    shutil.rmtree(desk.tmp / "cache")
    with unchanged(desk.tmp / "env"), pytest.raises(Unreachable, match="not in uv's cache"):
        desk.apply(found)


@contextlib.contextmanager
def files_at_most(size: int) -> Iterator[None]:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_uv_is_killed_in_the_middle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = desk.resolve("alpha")
    desk.overlay(found)
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    with unchanged(desk.tmp / "env"), files_at_most(100_000), pytest.raises(StageFailed):
        desk.apply(found)
    assert desk.apply(found)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
        ).returncode
    ):
        pytest.skip("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_the_disk_is_full(tmp_path: Path, index: wheels.Index) -> None:
    with small_disk(tmp_path / "env", "400k"):
        desk = Desk(tmp_path, index.url)
        words: list[str | Path] = [
            "venv",
            "--no-project",
            "--allow-existing",
            "--python",
            sys.executable,
            desk.tmp / "env",
        ]
        uv.call(words, scratch=desk.scratch, log=tmp_path / "log")
        found = desk.resolve("alpha")
        desk.overlay(found)
        with unchanged(tmp_path / "env"), pytest.raises(StageFailed, match="the disk is full; free some space"):
            desk.apply(found)
        with pytest.raises(StageFailed, match="the disk is full"):
            overlay.overlay(found, desk.python, tmp_path / "env" / "over", **desk.common)
        assert not (tmp_path / "env" / "over").exists()


def test_a_read_only_environment_is_refused_before_anything_is_fetched(tmp_path: Path, index: wheels.Index) -> None:
    desk = Desk(tmp_path, index.url)
    desk.make()
    found = desk.resolve("alpha")
    desk.overlay(found)
    env = tmp_path / "env"
    bound = subprocess.run(["mount", "--bind", env, env], capture_output=True).returncode == 0
    try:
        if bound:
            subprocess.run(["mount", "-o", "remount,bind,ro", env], check=True)
        elif os.geteuid() == 0:
            pytest.skip("permission bits do not bind root, and nothing may be mounted")
        else:
            (env / "bin").chmod(0o555)
        asked = len(index.asked)
        with unchanged(env), pytest.raises(StageFailed, match="the environment is read-only"):
            desk.apply(found)
        assert len(index.asked) == asked
    finally:
        subprocess.run(["umount", env], check=True) if bound else (env / "bin").chmod(0o755)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda env: (env / "conda-meta").mkdir(), "belongs to conda"),
        (lambda env: (env / "pyvenv.cfg").write_text("garbage"), "names no home: it is broken"),
        (lambda env: (env / "pyvenv.cfg").write_text("home = /nowhere\n"), r"a Python that is gone \(/nowhere\)"),
        (lambda env: shutil.rmtree(env / "lib"), "has no site-packages folder"),
    ],
)
def test_environments_that_are_not_ours_to_change(desk: Desk, spoil: Any, said: str) -> None:
    spoil(desk.tmp / "env")
    with pytest.raises(WrongInput, match=said):
        place.checked(desk.python)


def test_pixi_and_the_systems_python(tmp_path: Path) -> None:
    python = tmp_path / ".pixi" / "envs" / "default" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (python.parents[1] / "pyvenv.cfg").write_text("home = /usr/bin\n")
    with pytest.raises(WrongInput, match="belongs to pixi, which alone may change it; use `pixi add --pypi`"):
        place.checked(python)
    system = tmp_path / "usr" / "bin" / "python3"
    system.parent.mkdir(parents=True)
    system.write_text("")
    (tmp_path / "usr/lib/python3.11").mkdir(parents=True)
    (tmp_path / "usr/lib/python3.11/EXTERNALLY-MANAGED").touch()
    with pytest.raises(WrongInput, match="belongs to the system"):
        place.checked(system)


def test_a_file_of_another_package_is_not_overwritten(desk: Desk, index: wheels.Index) -> None:
    wheels.wheel(index.folder, "same", "1.0", files={"shared/__init__.py": "here = 1\n"})
    wheels.wheel(index.folder, "other", "1.0", files={"shared/__init__.py": "here = 2\n"})
    found = desk.resolve("other")
    desk.overlay(found)
    with unchanged(desk.tmp / "env"), pytest.raises(StageFailed, match=r"shared/__init__\.py is there already"):
        desk.apply(found)
    found = desk.resolve("same")
    desk.overlay(found)
    assert desk.apply(found) == ("same==1.0",)


def test_added_by_somebody_else_since_the_plan(desk: Desk, index: wheels.Index) -> None:
    found = desk.resolve("alpha")
    desk.overlay(found)
    newer = wheels.wheel(desk.tmp / "own", "beta", "2.0")
    words: list[str | Path] = ["pip", "install", "--offline", "--no-deps", "--python", desk.python, newer]
    uv.call(words, scratch=desk.scratch, log=desk.tmp / "log")
    with unchanged(desk.tmp / "env"), pytest.raises(StageFailed, match=r"beta 2\.0 is there by now, 1\.0 was planned"):
        desk.apply(found)


PROGRAM = """
import json, sys
from pathlib import Path
sys.path[:0] = {path!r}
from assay.envs import overlay, pylock, resolving
said = json.loads(Path(sys.argv[1]).read_text())
found = resolving.Resolution(pylock.items(said["lock"]), said["lock"])
scratch = Path(sys.argv[2])
common = dict(options=said["options"], scratch=scratch, log=scratch / "log")
python = Path(said["python"])
try:
    folder = overlay.overlay(found, python, scratch / "over", **common) if sys.argv[3] == "both" else Path(said["over"])
    print("ready", flush=True)
    print(json.dumps(overlay.apply(found, python, folder, **common)))
except KeyboardInterrupt:
    print("interrupted")
"""


def start(desk: Desk, found: resolving.Resolution, name: str, what: str = "apply") -> "subprocess.Popen[str]":
    said = {"lock": found.lock, "options": desk.options, "python": str(desk.python), "over": str(desk.tmp / "over")}
    (desk.tmp / "said.json").write_text(json.dumps(said))
    program = PROGRAM.format(path=[str(LIB), str(TESTS)])
    words: Sequence[str | Path] = [sys.executable, "-c", program, desk.tmp / "said.json", desk.tmp / name, what]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_two_at_once(desk: Desk) -> None:
    found = desk.resolve("alpha")
    both = [start(desk, found, name, "both") for name in ("one", "two")]
    said = sorted(process.communicate(timeout=30)[0].splitlines()[-1] for process in both)
    assert said == ['["alpha==1.0", "beta==1.0"]', "[]"]
    assert desk.imports("alpha, beta")
    assert not [*desk.tmp.glob(".*assay-*"), *(desk.tmp / "env").glob(".assay-*")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_while_files_are_written(desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    found = desk.resolve("alpha")
    desk.overlay(found)
    before = tree(desk.tmp / "env")
    process = start(desk, found, "one")
    while process.poll() is None and not [*desk.tmp.glob("env/lib/python*/site-packages/beta/part1*.py")]:
        time.sleep(0.001)
    process.send_signal(number)
    said = process.communicate(timeout=30)[0]
    if number == signal.SIGKILL:  # nobody could clean up: whoever comes next does
        with place.lock(desk.tmp / "env"):
            overlay.recover(place.checked(desk.python))
        assert "==" not in said
    assert "==" in said or tree(desk.tmp / "env") == before


def test_interrupted_while_fetching(desk: Desk, index: wheels.Index) -> None:
    index.slow["beta-1.0-py3-none-any.whl"] = 0.2
    found = desk.resolve("alpha")
    with unchanged(desk.tmp / "env"):
        timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            desk.overlay(found)
        assert time.monotonic() - began < 4
        assert not (desk.tmp / "over").exists()


def test_a_journal_that_cannot_be_read(desk: Desk) -> None:
    found = desk.resolve("alpha")
    desk.overlay(found)
    for text in (
        "{",
        '{"files": ["../log"], "folders": [], "before": {}}',
        '{"files": [1], "folders": [], "before": {}}',
    ):
        (desk.tmp / "env" / overlay.JOURNAL).write_text(text)
        with pytest.raises(StageFailed, match=r"\.assay-adding: cannot be read"):
            desk.apply(found)
    assert (desk.tmp / "log").exists()


def test_a_version_may_be_spelt_in_two_ways(desk: Desk, index: wheels.Index) -> None:
    wheels.wheel(index.folder, "dated", "2024.01.05")
    found = desk.resolve("dated", alone=True)
    assert desk.sync(found) == desk.sync(found)
    desk.overlay(found)
    assert len(desk.apply(found)) == 1 and desk.apply(found) == ()


def test_a_lock_makes_the_same_environment_twice(desk: Desk) -> None:
    local = wheels.wheel(desk.tmp / "flat", "local", "1.0+cpu")
    desk.options += ["--find-links", str(local.parent)]
    found = desk.resolve("alpha", "local", alone=True)
    first, second = desk.sync(found, "first"), desk.sync(found.lock, "second")
    assert fresh.complete(desk.tmp / "first") == fresh.complete(desk.tmp / "second") != ""
    one, two = (freeze(python, desk.scratch) for python in (first, second))
    assert one == two and [line.split("=")[0].split(" ")[0] for line in one.splitlines()] == ["alpha", "beta", "local"]
    began = time.monotonic()
    with unchanged(desk.tmp / "first"):
        assert desk.sync(found, "first") == first
    assert time.monotonic() - began < 0.5
    assert not [*(desk.tmp / "first").rglob("pip")]


def spoiled(found: resolving.Resolution) -> str:
    digest = found.items[-1].sha256
    return found.lock.replace(digest, ("0" if digest[0] != "0" else "1") + digest[1:])


def test_one_digit_of_a_hash(desk: Desk) -> None:
    found = desk.resolve("alpha", alone=True)
    desk.sync(found)
    with unchanged(desk.tmp / "new"), pytest.raises(StageFailed, match=r"beta==1\.0 is not the file that was locked"):
        desk.sync(spoiled(found))
    with pytest.raises(StageFailed, match=r"expected [0-9a-f]{12}\.\.\., is [0-9a-f]{12}"):
        desk.sync(spoiled(found), "never")
    assert not (desk.tmp / "never").exists()


def test_another_lock_replaces_an_environment(desk: Desk, index: wheels.Index) -> None:
    desk.sync(desk.resolve("alpha", alone=True))
    other = desk.resolve("beta", alone=True)
    python = desk.sync(other)
    assert [line.split("=")[0] for line in freeze(python, desk.scratch).splitlines()] == ["beta"]
    assert [path.name for path in desk.tmp.glob(".*")] == []
    for left in (desk.tmp / "new" / "lib").glob("python*/site-packages/beta-*"):
        shutil.rmtree(left)
    assert "beta" in freeze(desk.sync(other), desk.scratch)  # what was taken out by hand is seen


def test_an_unfinished_environment_is_made_again(desk: Desk, index: wheels.Index) -> None:
    found = desk.resolve("alpha", alone=True)
    index.broken = True
    with pytest.raises(StageFailed):
        desk.sync(found)
    assert not (desk.tmp / "new").exists()
    index.broken = False
    fresh.create(sys.executable, desk.tmp / "new", scratch=desk.scratch, log=desk.tmp / "log")  # killed here
    assert fresh.complete(desk.tmp / "new") == ""
    desk.sync(found)
    assert fresh.complete(desk.tmp / "new")
    os.rename(desk.tmp / "new", desk.tmp / ".new.assay-before")  # killed while it was replaced
    asked = len(index.asked)
    desk.sync(found)
    assert len(index.asked) == asked


def test_what_is_there_and_not_ours_stays(desk: Desk) -> None:
    found = desk.resolve("alpha", alone=True)
    with unchanged(desk.tmp / "env"), pytest.raises(WrongInput, match="something is there already"):
        desk.sync(found, "env")
    (desk.tmp / "mine").mkdir()
    (desk.tmp / "mine" / "paper.txt").write_text("x")
    with pytest.raises(WrongInput, match="is a folder of somebody else"):
        overlay.overlay(found, desk.python, desk.tmp / "mine", **desk.common)
    assert (desk.tmp / "mine" / "paper.txt").exists()


def test_a_python_that_is_not_here(desk: Desk) -> None:
    with pytest.raises(StageFailed, match=r"no Python 3\.99 is on this machine"):
        fresh.create("3.99", desk.tmp / "new", scratch=desk.scratch, log=desk.tmp / "log")


def test_without_a_cache_it_works_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(desk.tmp / "unused"))
    found = desk.resolve("alpha")
    desk.overlay(found)
    assert desk.apply(found) == ("alpha==1.0", "beta==1.0")
    assert (desk.scratch / "cache").is_dir() and not (desk.tmp / "unused").exists()
