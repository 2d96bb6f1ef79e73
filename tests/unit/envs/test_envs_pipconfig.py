"""Reading pip's configuration as pip reads it; compared with pip itself where it is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.envs import pipconfig
from assay.errors import WrongInput


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def read(tmp_path: Path, **environ: str) -> pipconfig.Settings:
    return pipconfig.read({"HOME": str(tmp_path / "home"), **environ}, tmp_path / "env", tmp_path / "etc")


def test_nothing_is_there(tmp_path: Path) -> None:
    assert read(tmp_path) == {}


def test_files_from_the_weakest_to_the_strongest(tmp_path: Path, home: Path) -> None:
    places = [
        tmp_path / "etc/xdg/pip/pip.conf",
        tmp_path / "etc/pip.conf",
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        tmp_path / "env/pip.conf",
    ]
    for number, place in enumerate(places):
        put(place, f"[global]\nindex-url = https://{number}/simple\n")
        assert read(tmp_path) == {"index-url": (f"https://{number}/simple",)}
    told = put(tmp_path / "told", "[install]\nindex_url = https://told/simple\nno-index = no\n")
    assert read(tmp_path, PIP_CONFIG_FILE=str(told))["index-url"] == ("https://told/simple",)
    assert read(tmp_path, PIP_INDEX_URL="https://env/simple", PIP_CONFIG_FILE=str(told))["index-url"] == (
        "https://env/simple",
    )
    assert read(tmp_path, PIP_CONFIG_FILE=os.devnull) == {}


def test_lists_sections_and_switches(tmp_path: Path, home: Path) -> None:
    put(
        home / ".config/pip/pip.conf",
        "[global]\nextra-index-url =\n    https://a\n    https://b\nfind-links = /one /two\nno-index = yes\n"
        "[install]\nfind-links = /three\nconstraint = /c.txt\n[list]\nindex-url = https://not\n",
    )
    assert read(tmp_path) == {
        "extra-index-url": ("https://a", "https://b"),
        "find-links": ("/three",),
        "constraint": ("/c.txt",),
        "no-index": ("true",),
    }
    assert read(tmp_path, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="https://c") == {
        "extra-index-url": ("https://c",),
        "constraint": ("/c.txt",),
    }


def test_the_users_folder_may_be_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://xdg\n")
    assert read(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg")) == {"index-url": ("https://xdg",)}


def test_credentials_are_not_shown(tmp_path: Path) -> None:
    found = read(tmp_path, PIP_INDEX_URL="https://bob:sesame@host/simple?token=x", PIP_FIND_LINKS="/opt/a@b")
    assert found["index-url"] == ("https://bob:sesame@host/simple?token=x",)
    assert pipconfig.shown(found) == {"index-url": ("https://host/simple",), "find-links": ("/opt/a@b",)}
    assert pipconfig.secrets("https://bob:sesame@host https://key@host") == ["bob:sesame", "key"]


@pytest.mark.parametrize("text", ["no section = sesame\n", "[global]\nindex-url = a\nindex-url = sesame\n"])
def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path, home: Path, text: str) -> None:
    path = put(home / ".config/pip/pip.conf", text)
    with pytest.raises(WrongInput, match="pip's configuration cannot be read") as caught:
        read(tmp_path)
    assert caught.value.where == str(path) and "sesame" not in str(caught.value)


def test_as_pip_reads_it(tmp_path: Path, home: Path) -> None:
    put(home / ".pip/pip.conf", "[global]\nindex-url = https://old/simple\nfind-links = /a\n   /b\n")
    put(home / ".config/pip/pip.conf", "[install]\nindex-url = https://new/simple\n[global]\nindex-url = https://g\n")
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PIP_EXTRA_INDEX_URL": "https://x https://y"}
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], env=environ, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("pip is not here")
    said = dict(line.split("=", 1) for line in done.stdout.splitlines())
    found = pipconfig.read(environ, Path(sys.prefix))
    assert found["index-url"][0] == said["install.index-url"].strip("'")
    assert list(found["find-links"]) == said["global.find-links"].strip("'").replace("\\n", " ").split()
    assert " ".join(found["extra-index-url"]) == said[":env:.extra-index-url"].strip("'")
