"""The verb try proves an environment, and check says who gives which module: on distributions made on the spot."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation
from installed import distribution
from test_worker_tags import interpreter

Results = list[dict[str, Any]]
GONE = "from torchvision.transforms.functional_tensor import rgb_to_grayscale\n"
SIZE = "numpy.dtype size changed, may indicate binary incompatibility. Expected {} from C header, got {} from PyObject"


@pytest.fixture
def site(workspace: Path) -> Path:
    """An overlay in the workspace with some distributions."""
    folder = workspace / "overlay"
    vision = {
        "torchvision/__init__.py": "",
        "torchvision/transforms/__init__.py": "",
        "torchvision/ops.py": "nms = 1\n",
    }
    distribution(folder, "torchvision", "0.28.0", vision, top="torchvision")
    distribution(folder, "basicsr", "1.4.2", {"basicsr/__init__.py": "\n", "basicsr/degradations.py": GONE})
    numpy = "__version__ = '2.4.6'\n\ndef __getattr__(name):\n    raise AttributeError(f\"module 'numpy' has no attribute {name!r}\")\n"
    distribution(folder, "numpy", "2.4.6", {"numpy/__init__.py": numpy})
    return folder


Trying = Callable[..., Results]


@pytest.fixture
def trying(ask: Any) -> Trying:
    """Try statements, written as they stand in a file, in an overlay; give the results."""

    def tried(*statements: str, overlay: str = "overlay", **keys: Any) -> Results:
        asked = []
        for line, text in enumerate(statements, 1):
            words = text.replace(",", " ").split()
            asked.append(
                {"module": words[1], "names": words[3:], "file": "refs/net/x.py", "line": line, "certain": True}
            )
        outcome = ask(verb="try", statements=asked, overlay=overlay, **keys)
        assert outcome.ok, (outcome, bridge.tail(outcome))
        found: Results = outcome.value["results"]
        return found

    return tried


def short(result: dict[str, Any]) -> tuple[str, str, str, str]:
    return tuple(result[key] for key in ("outcome", "culprit", "asked_by", "name"))  # type: ignore[return-value]


# ---------------------------------------------------------------- statements
def test_what_is_there(trying: Any, site: Path) -> None:
    found = trying("import torchvision.ops", "from torchvision import ops, transforms", "from torchvision.ops import nms",
                   "from torchvision import *", "import json", "from os import path")  # fmt: skip
    assert {result["outcome"] for result in found} == {"ok"}
    assert found[0] == {"module": "torchvision.ops", "file": "refs/net/x.py", "line": 1, "outcome": "ok", "message": "",
                        "culprit": "", "asked_by": "", "name": ""}  # fmt: skip


def test_versions_are_those_of_what_was_imported(ask: Any, site: Path) -> None:
    value = ask(verb="try", statements=[{"module": "basicsr"}, {"module": "torchvision"}], overlay="overlay").value
    assert value["imported"] == {"basicsr": "1.4.2", "torchvision": "0.28.0"}


def test_what_an_environment_loads_by_itself_is_not_counted(ask: Any, environment: Path) -> None:
    distribution(
        environment, "setuptools", "84", {"_hack/__init__.py": "", "_hack/deep.py": "", "hack.pth": "import _hack\n"}
    )
    keys = {"verb": "try", "python": python_of(environment)}
    assert ask(**keys, statements=[{"module": "_hack"}]).value["imported"] == {}
    assert ask(**keys, statements=[{"module": "_hack.deep"}]).value["imported"] == {"setuptools": "84"}


def test_missing_and_broken_are_told_apart(trying: Any, site: Path) -> None:
    distribution(site, "facexlib", "0.3", {"facexlib/__init__.py": "import filterpy.kalman\n"})
    (site / "leftover/inner").mkdir(parents=True)
    found = trying("import thop", "import thop.profile", GONE, "import basicsr.degradations", "import facexlib",
                   "from torchvision.ops import gone", "import leftover", "import leftover.inner.deep",
                   "from torchvision import ops")  # fmt: skip
    assert [short(result) for result in found] == [
        ("missing", "", "", "thop"),
        ("missing", "", "", "thop"),
        ("broken", "torchvision", "", "torchvision.transforms.functional_tensor"),
        ("broken", "torchvision", "basicsr", "torchvision.transforms.functional_tensor"),
        ("broken", "", "facexlib", "filterpy"),
        ("broken", "torchvision", "", ""),
        ("missing", "", "", "leftover"),
        ("missing", "", "", "leftover.inner.deep"),
        ("ok", "", "", ""),
    ]
    assert found[0]["message"] == "ModuleNotFoundError: No module named 'thop'"
    assert found[5]["message"] == "ImportError: cannot import name 'gone' from 'torchvision.ops'"
    assert found[2]["line"] == 3


@pytest.mark.parametrize(
    ("code", "blamed"),
    [
        ("import numpy\nkind = numpy.int\n", ("numpy", "net", "")),
        ("from torchvision.ops import gone\n", ("torchvision", "net", "")),
        ("try: import filterpy\nexcept ImportError: raise RuntimeError('net needs filterpy')\n", ("", "net", "filterpy")),
        ("try: import filterpy\nexcept ImportError as e: raise ImportError('net needs filterpy') from e\n", ("", "net", "filterpy")),
        ("import sys\nsys.exit('no GPU')\n", ("net", "", "")),
        ("open('nowhere')\n", ("net", "", "")),
        ("def f(:\n", ("net", "", "")),
        ("import netlib\nnetlib.old()\n", ("netlib", "net", "")),
        (f"raise ValueError({SIZE.format(88, 96)!r})\n", ("numpy", "net", "")),
        (f"raise ValueError({SIZE.format(96, 88)!r})\n", ("net", "numpy", "")),
        ("import numpy\nraise ImportError('numpy.core.multiarray failed to import')\n", ("numpy", "net", "")),
        ("raise ImportError('A module that was compiled using NumPy 1.x cannot be run in\\nNumPy 2.4.6')\n", ("numpy", "net", "")),
        ("raise RuntimeError('module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000')\n", ("numpy", "net", "")),
        ("raise RuntimeError('module compiled against API version 0x10 but this version of numpy is 0xf')\n", ("net", "numpy", "")),
        ("import warnings\nwarnings.warn('Failed to initialize NumPy: _ARRAY_API not found')\n", ("numpy", "net", "")),
    ],
)  # fmt: skip
def test_whoever_is_to_blame(trying: Any, site: Path, code: str, blamed: tuple[str, str, str]) -> None:
    distribution(site, "net", "1", {"net/__init__.py": code})
    distribution(
        site, "netlib", "1", {"netlib.py": "def old():\n    raise TypeError('Descriptors cannot be created')\n"}
    )
    found = trying("import net.inner")[0]
    assert short(found) == ("broken", *blamed), found
    assert "\n" not in found["message"] and found["message"]


def test_a_namespace_that_several_share(trying: Any, site: Path) -> None:
    distribution(site, "protobuf", "6", {"google/protobuf/__init__.py": "raise TypeError('Descriptors')\n"})
    distribution(site, "google-auth", "2", {"google/auth/__init__.py": ""}, top="google")
    found = trying("import google", "import google.auth", "import google.protobuf", "import google.cloud")
    assert [short(r)[:2] for r in found] == [("ok", ""), ("ok", ""), ("broken", "protobuf"), ("broken", "google-auth")]


def test_a_module_that_failed_is_asked_once(trying: Any, site: Path) -> None:
    ops = "import os\nif os.environ.get('ONCE'): raise ValueError('registered twice')\nos.environ['ONCE'] = '1'\nimport gone\n"
    distribution(site, "net", "1", {"net/__init__.py": ops, "net/a.py": "", "net/b.py": ""})
    found = trying("import net.a", "import net.b", "from net import a")
    assert {short(result) for result in found} == {("broken", "", "net", "gone")}


def test_refused(ask: Any, site: Path) -> None:
    install = "import os\ntry: import thop\nexcept ImportError: os.system('pip install thop')\n"
    distribution(site, "pushy", "1", {"pushy.py": install})
    distribution(
        site,
        "sly",
        "1",
        {
            "sly.py": install.replace("os.system", "\n    try: os.system").replace(
                "')\n", "')\n    except Exception: pass\n"
            )
        },
    )
    outcome = ask(verb="try", overlay="overlay", statements=[{"module": "pushy"}, {"module": "sly"}])
    found = outcome.value["results"]
    assert [short(result) for result in found] == [("refused", "pushy", "", "thop"), ("ok", "", "", "")]
    assert found[0]["message"] == "pushy wanted to install packages (pip install thop)"
    assert outcome.warnings == ("overlay/sly.py:4 wanted to run: pip install thop (refused)",)


def test_statements_that_say_nothing(trying: Any, site: Path) -> None:
    assert [short(r)[0] for r in trying("from . import x", "from .net import y")] == ["other", "other"]


# ---------------------------------------------------------------- upstream's code
@pytest.mark.parametrize(
    ("code", "outcome", "line"),
    [
        ("import argparse\nif __name__ == '__main__': 1 / 0\n", ("ok", "", "", ""), 0),
        ("from tools import helper\nimport common, sys\nassert sys.argv == [__file__] and sys.path[0].endswith('/tools')\n", ("ok", "", "", ""), 0),
        ("\nimport thop\n", ("missing", "", "", "thop"), 2),
        ("import basicsr.degradations\n", ("broken", "torchvision", "basicsr", "torchvision.transforms.functional_tensor"), 1),
        ("import common\nfrom torchvision.ops import gone\n", ("broken", "torchvision", "", ""), 2),
        ("import numpy\n\n\nnumpy.gone\n", ("broken", "numpy", "", ""), 4),
        ("import numpy\n\n\nnumpy.int\n", ("ok", "", "", ""), 0),
        ("import oddly\n", ("broken", "oddly", "", ""), 1),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('image')\np.parse_args()\n", ("other", "", "", ""), 4),
        ("open('weights.pt')\n", ("other", "", "", ""), 1),
        ("import calls\ncalls.load('weights.pt')\n", ("other", "calls", "", ""), 2),
        ("from common import gone\n", ("other", "", "", ""), 1),
        ("import common.deep\n", ("other", "", "", "common.deep"), 1),
        ("print 'two'\n", ("other", "", "", ""), 1),
        ("import os\n\nos.system('pip install thop')\n", ("refused", "", "", ""), 3),
    ],
)  # fmt: skip
def test_a_script_of_upstreams(
    trying: Any, site: Path, workspace: Path, code: str, outcome: tuple[str, ...], line: int
) -> None:
    distribution(site, "oddly", "1", {"oddly.py": "open('/nowhere/libsndfile.so')\n"})
    distribution(site, "calls", "1", {"calls.py": "def load(path): open(path)\n"})
    tools = workspace / "refs/net/tools"
    tools.mkdir(parents=True)
    (tools / "common.py").write_text("")
    (tools / "helper.py").write_text("")
    (tools / "detect.py").write_text(code)
    found = trying(upstream=[{"path": "refs/net/tools/detect.py", "root": "refs/net"}])[0]
    assert short(found) == outcome, found
    assert (found["module"], found["file"], found["line"]) == ("refs/net/tools/detect.py",) * 2 + (line,)


def test_a_file_of_a_package_and_two_roots_with_the_same_names(trying: Any, site: Path, workspace: Path) -> None:
    for root in ("a", "b"):
        models = workspace / f"refs/{root}/models"
        models.mkdir(parents=True)
        (models / "__init__.py").write_text("")
        (models / "common.py").write_text(f"root = '{root}'\n")
        (models / "yolo.py").write_text(
            f"from .common import root\nassert root == '{root}' and __name__ == 'models.yolo'\n"
        )
        (workspace / f"refs/{root}/detect.py").write_text(f"from models.common import root\nassert root == '{root}'\n")
    files = [
        {"path": f"refs/{root}/{name}", "root": f"refs/{root}"}
        for root in "ab"
        for name in ("detect.py", "models/yolo.py")
    ]
    assert [short(result)[0] for result in trying(upstream=files)] == ["ok"] * 4


def test_a_name_that_is_gone_is_given_back_where_no_adapter_would_miss_it(ask: Any, site: Path, workspace: Path) -> None:
    (workspace / "refs/net").mkdir(parents=True)
    (workspace / "refs/net/detect.py").write_text("from collections import Mapping\nimport inspect\ninspect.getargspec\n")
    (workspace / "refs/net/other.py").write_text("from collections import Mappings\n")
    asked = {
        "statements": [{"module": "collections", "names": ["Mapping"]}, {"module": "collections", "names": ["Mappings"]}],
        "upstream": [{"path": f"refs/net/{name}.py", "root": "refs/net"} for name in ("detect", "other")],
    }
    found = ask("", verb="try", **asked).value["results"]
    assert [short(result)[0] for result in found] == ["ok", "broken", "ok", "other"]
    found = ask("import json\n", verb="try", **asked).value["results"]
    assert [short(result)[0] for result in found] == ["broken", "broken", "other", "other", "ok"]


def test_the_adapter_too(ask: Any, site: Path, workspace: Path) -> None:
    (workspace / "refs/net").mkdir(parents=True)
    (workspace / "refs/net/detect.py").write_text("import basicsr.degradations\n")
    keys = {"verb": "try", "overlay": "overlay", "source_roots": ["refs/net"]}
    assert ask("import torchvision\n", **keys).value["results"][0]["outcome"] == "ok"
    found = ask("import detect\n", **keys).value["results"][0]
    assert short(found)[:3] == ("broken", "torchvision", "basicsr")
    assert (found["module"], found["file"], found["line"]) == ("scripts/adapter.py", "refs/net/detect.py", 1)
    assert ask("1 / 0\n", **keys).value["results"][0]["outcome"] == "other"


# ---------------------------------------------------------------- the overlay
def test_the_overlay_wins(ask: Any, tmp_path: Path, level: isolation.Isolation) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    installed = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    overlay = tmp_path / "elsewhere"
    for folder, version in ((installed, "0.28.0"), (overlay, "0.16.2")):
        code = f"__version__ = '{version}'\nfrom importlib.metadata import version\nassert version('torchvision') == __version__\n"
        distribution(folder, "torchvision", version, {"torchvision.py": code})
    distribution(installed, "other", "1", {"other.py": ""})
    distribution(overlay, "random2", "1", {"random.py": "raise ValueError('this is no backport')\n"})
    keys = {"verb": "try", "statements": [{"module": name} for name in ("torchvision", "other", "random")]}
    keys.update(python=tmp_path / "venv/bin/python", isolation=level)
    for given, version in (({}, "0.28.0"), ({"overlay": str(overlay), "readable": [overlay]}, "0.16.2")):
        value = ask(**keys, **given).value
        assert [result["outcome"] for result in value["results"]] == ["ok"] * 3, value
        assert value["imported"] == {"other": "1", "torchvision": version}
    assert ask(**keys, overlay=str(overlay)).kind == ("ok" if level.level == "plain" else "refused")


def test_an_overlay_that_is_not_there(ask: Any) -> None:
    outcome = ask(verb="try", overlay="nowhere")
    assert (outcome.kind, outcome.message) == (
        "refused",
        "the overlay nowhere cannot be read: No such file or directory",
    )


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_other_interpreters_try(trying: Any, site: Path, version: str) -> None:
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python"))  # pyenv's are not all on PATH
    python = interpreter(version) or next(iter(beside), None)
    if python is None:
        pytest.skip(f"no Python {version} here")
    distribution(site, "pushy", "1", {"pushy.py": "import os\nos.system('pip install thop')\n"})
    distribution(site, "net", "1", {"net.py": "import numpy\nnumpy.int\n"})
    found = trying(
        "import thop", "import basicsr.degradations", "import net", "import pushy", "import torchvision", python=python
    )
    assert [short(result)[:3] for result in found] == [
        ("missing", "", ""), ("broken", "torchvision", "basicsr"), ("broken", "numpy", "net"), ("refused", "pushy", ""), ("ok", "", ""),
    ]  # fmt: skip


# ---------------------------------------------------------------- check
@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A real environment with made-up distributions."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return next((tmp_path / "venv/lib").glob("python*/site-packages"))


def test_check_says_which_distribution_gives_a_module(ask: Any, environment: Path) -> None:
    distribution(environment, "opencv-python", "4", {"cv2/__init__.py": ""}, top="cv2")
    distribution(environment, "PyYAML", "6", {"yaml/__init__.py": "1 / 0\n", "_yaml.py": ""})
    distribution(environment, "protobuf", "6", {"google/protobuf/__init__.py": ""})
    distribution(environment, "google-auth", "2", {"google/auth/__init__.py": ""})
    (environment / "leftover/inner").mkdir(parents=True)
    (environment / "alone.py").write_text("1 / 0\n")
    (environment / "space/inner").mkdir(parents=True)
    (environment / "space/inner/real.py").write_text("1 / 0\n")
    (environment / "old-1.0.egg-info").write_text("Metadata-Version: 1.0\nName: Old\nVersion: 1.0\n")
    given = {"cv2": ["opencv-python"], "yaml": ["PyYAML"], "_yaml": ["PyYAML"], "google": ["google-auth", "protobuf"],
             "google.protobuf": ["protobuf"], "old": ["Old"], "yaml.gone": [], "google.cloud": [], "thop": [],
             "leftover": [], "leftover.inner": [], "alone": [], "space.inner.real": [], "json": [], "sys": [], "os.path": []}  # fmt: skip
    value = ask(verb="check", packages=["PyYAML", "?yaml"], modules=list(given), python=python_of(environment)).value
    assert value["provided_by"] == given
    absent = {"yaml.gone", "google.cloud", "thop", "leftover", "leftover.inner", "os.path"}
    assert {name for name, there in value["present"].items() if not there} == absent
    assert value["versions"] == {"PyYAML": "6", "?yaml": "6"} and value["provided"] == {"?yaml": "PyYAML"}


def test_check_is_quick(ask: Any, environment: Path) -> None:
    for number in range(150):
        files = {f"package{number}/module{n}.py": "" for n in range(20)}
        distribution(environment, f"package-{number}", "1", files, top=f"package{number}" if number % 3 else "")
        with next(environment.glob(f"package_{number}-*/RECORD")).open("a") as record:
            record.writelines(
                f"package{number}/data/some/long/path/{n}.bin,sha256=0123456789,1234\n" for n in range(400)
            )
    names = [f"package{number}" for number in range(0, 150, 10)] + ["package3.module4", "thop", "json"]
    took = {}
    for asked in ([], names):
        began = time.monotonic()
        value = ask(verb="check", modules=asked, python=python_of(environment)).value
        took[bool(asked)] = time.monotonic() - began
    assert sum(value["present"].values()) == len(names) - 1 and took[True] - took[False] < 0.5


def python_of(site: Path) -> Path:
    return site.parents[2] / "bin/python"


def test_a_look_tells_what_is_here_and_tries_only_when_all_of_it_is(ask: Any, environment: Path) -> None:
    distribution(environment, "whole", "1", {"whole.py": "NAME = 1\n"})
    look = {"packages": [], "modules": ["whole", "gone"]}
    keys = {"verb": "try", "look": look, "python": python_of(environment)}
    value = ask(**keys, statements=[{"module": "whole", "names": ["NAME"]}]).value
    assert value["present"] == {"gone": False, "whole": True} and value["provided_by"]["whole"] == ["whole"]
    assert [result["outcome"] for result in value["results"]] == ["ok"]
    value = ask(**keys, statements=[{"module": "whole"}, {"module": "gone.deep"}]).value
    assert value["present"]["whole"] and "results" not in value
