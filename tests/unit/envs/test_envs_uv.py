"""Asking uv what to install: a real uv against an index on 127.0.0.1."""

import datetime
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wheels
from assay.domain import IndexSpec
from assay.envs import faults, options, overlay, pylock, resolving, uv
from assay.envs.faults import Unreachable, Unsolvable
from assay.errors import StageFailed, WrongInput

NOW = datetime.datetime(2024, 6, 20, 15, tzinfo=datetime.timezone.utc)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[wheels.Index]:
    one = wheels.Index(tmp_path / "packages")
    yield one
    one.close()


@pytest.fixture
def python(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    uv.call(["venv", "--no-project", "--python", sys.executable, folder], scratch=scratch, log=tmp_path / "log")
    return folder / "bin" / "python"


class Ask:
    """resolve() with what every test has in common."""

    def __init__(self, python: Path, index: wheels.Index, tmp_path: Path) -> None:
        self.python, self.index, self.tmp = python, index, tmp_path

    def options(self, **spec: Any) -> list[str]:
        return options.arguments(
            IndexSpec(**{"url": self.index.url, "cooldown_days": 0, **spec}), self.tmp, {}, self.tmp / "scratch", NOW
        )

    def __call__(self, *wanted: str, keep: tuple[str, ...] = (), **more: Any) -> resolving.Resolution:
        told = {k: more.pop(k) for k in ("cutoff", "cutoffs", "alone") if k in more}
        given = more.pop("options", None) or self.options(**more)
        return resolving.resolve(
            python=self.python,
            wanted=wanted,
            keep=keep,
            options=given,
            scratch=self.tmp / "scratch",
            log=self.tmp / "log",
            **told,
        )

    def install(self, path: Path) -> None:
        words: list[str | Path] = ["pip", "install", "--offline", "--no-deps", "--python", self.python, path]
        uv.call(words, scratch=self.tmp / "scratch", log=self.tmp / "log")


@pytest.fixture
def ask(python: Path, index: wheels.Index, tmp_path: Path) -> Ask:
    return Ask(python, index, tmp_path)


def pins(found: resolving.Resolution) -> list[str]:
    return [f"{item.name}=={item.version}" for item in found.items]


def test_what_is_there_stays_and_the_rest_is_added(ask: Ask, tmp_path: Path) -> None:
    packages = ask.index.folder
    ask.install(wheels.wheel(tmp_path / "own", "torch", "2.13.0+cpu"))
    wheels.wheel(packages, "torch", "2.15.0")
    wheels.wheel(packages, "user", "1.0", requires=["torch", "Help.er>=1"])
    helper = wheels.wheel(packages, "help-er", "1.5")
    found = ask("user", keep=("torch==2.13.0+cpu",))
    assert pins(found) == ["help-er==1.5", "user==1.0"]
    item = found.items[0]
    assert (item.size, item.uploaded, item.file) == (helper.stat().st_size, "2024-01-01", helper.name)
    assert item.url_shown.endswith(f"/files/{helper.name}")
    assert pylock.items(found.lock) == found.items
    assert "==3." in found.lock
    assert pins(ask("torch", keep=("torch==2.13.0+cpu",))) == []


def test_nothing_is_replaced(ask: Ask) -> None:
    ask.install(wheels.wheel(ask.index.folder, "alpha", "1.0"))
    wheels.wheel(ask.index.folder, "alpha", "2.0")
    with pytest.raises(Unsolvable, match=r"alpha 1\.0 would be replaced by 2\.0; take a new environment"):
        ask("alpha>=2")
    with pytest.raises(Unsolvable, match=r"alpha==1\.0"):
        ask("alpha>=2", keep=("alpha==1.0",))


def test_a_whole_environment(ask: Ask) -> None:
    ask.install(wheels.wheel(ask.index.folder, "alpha", "1.0"))
    wheels.wheel(ask.index.folder, "alpha", "2.0", requires=["beta"])
    wheels.wheel(ask.index.folder, "beta", "1.0")
    wheels.wheel(ask.index.folder, "beta", "1.1")
    assert pins(ask("alpha", alone=True)) == ["alpha==2.0", "beta==1.1"]
    assert pins(ask("alpha", alone=True, keep=("beta==1.0",))) == ["alpha==2.0", "beta==1.0"]


@pytest.mark.parametrize("alone", [False, True])
def test_unsolvable(ask: Ask, alone: bool) -> None:
    packages = ask.index.folder
    wheels.wheel(packages, "alpha", "1.0")
    wheels.wheel(packages, "one", "1.0", requires=["alpha<1"])
    wheels.wheel(packages, "two", "1.0", requires=["alpha>=1"])
    wheels.wheel(packages, "future", "1.0", python=">=3.99")
    wheels.wheel(packages, "windows", "1.0", tag="cp311-cp311-win_amd64")
    for wanted, said in (
        (("alpha==3",), "there is no version of alpha==3"),
        (("nowhere",), "nowhere was not found in the package registry"),
        (("one", "two"), "one depend"),
        (("future",), r"current Python version \(3\.\d+\.\d+\) does not satisfy Python>=3\.99"),
        (("windows",), "win_amd64"),
    ):
        with pytest.raises(Unsolvable, match=said) as caught:
            ask(*wanted, alone=alone)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    with pytest.raises(Unsolvable) as caught:
        ask("future", alone=alone)
    assert faults.best_python([caught.value], ["3.11.7", "3.8.1"]) == ""


def test_an_older_python_is_named(ask: Ask) -> None:
    for tag in ("cp36-cp36m", "cp38-cp38", "cp39-cp39"):
        wheels.wheel(ask.index.folder, "old", "1.0", tag=f"{tag}-manylinux_2_17_x86_64")
    wheels.wheel(ask.index.folder, "older", "1.0", tag="cp36-cp36m-manylinux_2_17_x86_64")
    wheels.wheel(ask.index.folder, "older", "1.0", tag="cp38-cp38-manylinux_2_17_x86_64")
    caught = []
    for name in ("old", "older"):
        with pytest.raises(Unsolvable, match=r"`cp36m?`, `cp38`") as one:
            ask(f"{name}==1.0")
        caught.append(one.value)
    assert caught[0].pythons == ("3.6", "3.8", "3.9")
    assert faults.best_python(caught[:1]) == "3.9"
    assert faults.best_python(caught) == "3.8"
    assert faults.best_python(caught[:1], ["3.11.2", "3.8.18"]) == "3.8"


def test_source_only(ask: Ask, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    wheels.sdist(ask.index.folder, "source", "1.0", mark)
    wheels.wheel(ask.index.folder, "other", "1.0")
    with pytest.raises(Unsolvable, match=r"source: there as source only.*env\.index\.build"):
        ask("source")
    with pytest.raises(Unsolvable, match="source: there as source only"):
        ask("source", build=("other",))
    assert not mark.exists()
    found = ask("source", "other", build=("source", "other"))
    assert pins(found) == ["other==1.0", "source==1.0"]
    assert found.notes == ("source is built from source: its code runs",)
    assert pylock.sources(found.lock) == ["source"]
    mark.unlink(missing_ok=True)
    put = {"options": ask.options(), "scratch": tmp_path / "scratch", "log": tmp_path / "log"}
    with pytest.raises(StageFailed, match="source is there as source only, and building it runs its code"):
        overlay.overlay(found, ask.python, tmp_path / "over", **put)
    assert not mark.exists()
    overlay.overlay(found, ask.python, tmp_path / "over", build=["source"], **put)
    assert (tmp_path / "over" / "source" / "__init__.py").exists()


def test_a_wheel_is_taken_before_a_source_that_may_be_built(ask: Ask, tmp_path: Path) -> None:
    wheels.sdist(ask.index.folder, "both", "1.0", tmp_path / "ran")
    wheels.wheel(ask.index.folder, "both", "1.0")
    found = ask("both", build=("both",))
    assert found.items[0].file.endswith(".whl") and "tar.gz" not in found.lock
    assert not (tmp_path / "ran").exists()


def test_unreachable(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels.wheel(ask.index.folder, "alpha", "1.0")
    ask.index.broken = True
    with pytest.raises(Unreachable, match=r"it answers 500 Internal Server Error"):
        ask("alpha")
    ask.index.broken, ask.index.user = False, "bob:sesame"
    with pytest.raises(Unreachable, match="wants a password"):
        ask("alpha")
    ask.index.user = ""
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(Unreachable, match="network is switched off"):
        ask("alpha")
    monkeypatch.delenv("UV_OFFLINE")
    with pytest.raises(Unreachable, match=r"/simple/alpha/: cannot be reached: Connection refused"):
        ask("alpha", url="http://127.0.0.1:9/simple")


def test_a_password_is_used_and_never_written(ask: Ask, tmp_path: Path) -> None:
    wheels.wheel(ask.index.folder, "alpha", "1.0", padding=20000)
    ask.index.user = "bob:sesame"
    given = ask.options(url=ask.index.url.replace("//", "//bob:sesame@"))
    found = ask("alpha", options=given)
    overlay.overlay(
        found, ask.python, tmp_path / "over", options=given, scratch=tmp_path / "scratch", log=tmp_path / "log"
    )
    bad = ask.options(url="http://bob:sesame@127.0.0.1:9/simple")
    with pytest.raises(Unreachable) as caught:
        ask("alpha", options=bad)
    assert "sesame" not in found.lock + str(found.items) + str(caught.value)
    for path in [*(tmp_path / "scratch").rglob("*"), tmp_path / "log"]:
        assert not path.is_file() or b"sesame" not in path.read_bytes(), path
    assert options.hidden(given)[0] == options.without(given, ["--default-index"])


def test_the_cooldown(ask: Ask, tmp_path: Path) -> None:
    wheels.wheel(ask.index.folder, "alpha", "1.0")
    new = wheels.wheel(ask.index.folder, "alpha", "2.0")
    ask.index.uploaded[new.name] = "2024-06-18T00:00:00Z"
    assert pins(ask("alpha", cooldown_days=7)) == ["alpha==1.0"]
    assert pins(ask("alpha", cooldown_days=1)) == ["alpha==2.0"]
    assert pins(ask("alpha", cooldown_days=1, cutoff="2024-06-01")) == ["alpha==1.0"]
    assert pins(ask("alpha", cutoffs={"Alpha": "2024-06-01"})) == ["alpha==1.0"]
    with pytest.raises(Unsolvable, match="exclude-newer"):
        ask("alpha==2.0", cooldown_days=7)
    wheels.wheel(tmp_path / "flat", "alpha", "3.0")  # a folder of wheels has no dates, and no limit
    assert pins(ask("alpha", cooldown_days=7, find_links=("flat",))) == ["alpha==3.0"]


def test_an_index_without_dates(ask: Ask) -> None:
    wheels.wheel(ask.index.folder, "alpha", "1.0", requires=["beta"])
    new = wheels.wheel(ask.index.folder, "beta", "2.0")
    ask.index.uploaded[new.name] = ""
    found = ask("alpha", cooldown_days=7)
    assert pins(found) == ["alpha==1.0", "beta==2.0"]
    assert found.notes == ("the index gives no upload date for beta: taken without the cool-down",)
    assert found.items[1].uploaded == ""
    with pytest.raises(StageFailed, match="no upload dates for beta, so there is no going back"):
        ask("alpha", cutoff="2024-06-01")


def test_excludes_and_constraints(ask: Ask, tmp_path: Path) -> None:
    wheels.wheel(ask.index.folder, "alpha", "1.0", requires=["beta", "gamma"])
    for version in ("1.0", "2.0"):
        wheels.wheel(ask.index.folder, "beta", version)
    (tmp_path / "limits.txt").write_text("beta<2\n")
    assert pins(ask("alpha", excludes=("Gamma",), constraints="limits.txt")) == ["alpha==1.0", "beta==1.0"]
    with pytest.raises(WrongInput, match=r"env\.index\.constraints: none\.txt: is not there"):
        ask("alpha", constraints="none.txt")
    with pytest.raises(WrongInput, match=r"env\.index\.find_links: none: is not there"):
        ask("alpha", find_links=("none",))


def test_a_requirement_cannot_be_an_option(ask: Ask) -> None:
    for wrong in ("--index-url=http://x", "./here", "al pha", "alpha\n--pre"):
        with pytest.raises(WrongInput, match="is no requirement"):
            ask(wrong)


def test_arguments(tmp_path: Path) -> None:
    spec = IndexSpec(extra=("https://two/simple",), torch_backend="cpu", build=("Ba_sic",))
    (tmp_path / "wheels").mkdir()
    pip = {"index-url": ("https://one/simple",), "find-links": ("wheels", "gone"), "constraint": ("/c.txt",)}
    words = options.arguments(spec, tmp_path, pip, tmp_path, NOW)
    assert words == [
        *("--default-index", "https://one/simple", "--index", "https://two/simple"),
        *("--find-links", str(tmp_path / "wheels"), "--constraints", "/c.txt", "--index-strategy", "first-index"),
        *("--torch-backend", "cpu", "--only-binary", ":all:", "--no-binary", "ba-sic"),
        *("--exclude-newer", "2024-06-13T00:00:00Z"),
    ]
    later = options.arguments(spec, tmp_path, pip, tmp_path, NOW + datetime.timedelta(hours=8))
    assert later == words
    with pytest.raises(WrongInput, match="no strategy 'best'"):
        options.arguments(IndexSpec(strategy="best"), tmp_path, {}, tmp_path)


def test_a_lock_names_no_local_path(ask: Ask, tmp_path: Path) -> None:
    local = wheels.wheel(tmp_path / "flat", "torch", "2.13.0+cpu")
    given = ask.options(find_links=("flat",))
    found = ask("torch", options=given)
    assert str(tmp_path) not in found.lock and f'path = "{local.name}"' in found.lock
    assert found.items[0].url_shown == found.items[0].file == local.name
    there = pylock.bind(found.lock, lambda file, project: options.find(given, "", file, project))
    assert str(local) in there
    with pytest.raises(StageFailed, match=r"torch: torch-2\.13\.0.*is in no package folder here"):
        pylock.bind(found.lock, lambda file, project: options.find(ask.options(), "", file, project))


def test_an_index_that_is_a_folder(ask: Ask, tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path / "local" / "files", "alpha", "1.0")
    page = tmp_path / "local" / "simple" / "alpha" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../files/{path.name}">{path.name}</a>')
    given = ask.options(url=(tmp_path / "local" / "simple").as_uri())
    found = ask("alpha", options=given)
    assert str(tmp_path) not in found.lock
    assert options.find(given, "", path.name, "alpha") == [path]


def wheel_entry(place: str, digest: str = "a" * 64) -> str:
    return f'[[packages]]\nname = "a"\nversion = "1"\nwheels = [{{ {place}, hashes = {{ sha256 = "{digest}" }} }}]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[", "is no TOML"),
        (wheel_entry('path = "../../etc/a-1-py3-none-any.whl"'), "outside the package folders"),
        (wheel_entry('path = "/etc/a-1-py3-none-any.whl"'), "outside the package folders"),
        (wheel_entry('url = "file:///etc/a-1-py3-none-any.whl"'), "not on the web"),
        (wheel_entry('url = "https://x/a-1-py3-none-any.whl"', "aa"), "without a SHA-256"),
        ('[[packages]]\nname = "a"\nvcs = { type = "git", url = "x" }\n', "comes from version control"),
        ('[[packages]]\nname = "a"\ndirectory = { path = "x" }\n', "comes from a folder"),
        ('[[packages]]\nname = "a"\nversion = "1"\n', "names no file"),
        ('[[packages]]\nname = "-r x"\n', "no proper name"),
        ("packages = 3\n", "not a list of tables"),
    ],
)
def test_a_lock_that_is_refused(text: str, said: str) -> None:
    with pytest.raises(WrongInput, match=said):
        pylock.items(text)


def test_interpreters_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = uv.pythons(here, scratch=tmp_path / "scratch", log=tmp_path / "log")
    assert found and all(version.startswith(here) and path.exists() for version, path in found)
    assert uv.pythons("3.99", scratch=tmp_path / "scratch", log=tmp_path / "log") == []


def test_what_uv_is_given(tmp_path: Path) -> None:
    source = {"HOME": "/h", "AWS_SECRET": "x", "UV_NO_VERIFY_HASHES": "1", "UV_INDEX": "u", "HTTPS_PROXY": "p"}
    given = uv.environment(source | {"UV_NO_CACHE": "1", "SSL_CERT_FILE": "c"}, tmp_path)
    assert given == {
        "HOME": "/h",
        "UV_INDEX": "u",
        "HTTPS_PROXY": "p",
        "SSL_CERT_FILE": "c",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        **uv.SWITCHES,
    }
    assert uv.binary().exists()
