"""Upstream's code installs nothing, however it goes about it; what is no installer runs as ever."""

import ensurepip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation
from installed import distribution

WORKS = "def build(*, checkpoint, device): return device\ndef infer(model, tensors): return tensors\n"
INSTALLERS = ("pip", "pip3", "uv", "conda", "python3-pip")
SPY = """
import json, os, runpy, subprocess, sys
found = {}
def attempt(name, act):
    try:
        act()
        found[name] = "done"
    except BaseException as error: found[name] = type(error).__name__
"""
TOLD = "\njson.dump(found, open('.stage/found.json', 'w'))\n" + WORKS
TO_SHELL = (
    "pip install thop",
    "cd /tmp && pip3.11 install -q thop > /dev/null 2>&1",
    "echo 'a;b' ; /usr/local/bin/pip install 'thop>=1'",
    "false || sudo -H -u nobody pip install thop",
    "A=1 PIP_NO_INDEX= env -i B=2 nice -n 5 timeout 20 pip install thop",
    "yes | pip uninstall numpy",
    "if pip download thop; then true; fi",
    'sh -c "cd x; pip install thop"',
    "echo $(pip install thop)",
    'echo "and `pip install thop`"',
    "python -m pip install thop",
    "python3.11 -W ignore -Im pip --quiet install thop",
    "python -mensurepip",
    "python /somewhere/bin/pip install thop",
    'python -c \'import pip; pip.main(["install", "thop"])\'',
    "uv pip install thop",
    "uvx ruff",
    "conda create -n x",
    "micromamba install x",
    "pixi add x",
    "poetry add x",
    "pdm add x",
    "easy_install-3.11 x",
    "ls\npip install \\\n thop",
    "pip install 'never closed",
)
HARMLESS = (
    "pip --version",
    "python -m pip list --format=json",
    "pip freeze | grep -i numpy",
    "uv pip list",
    "conda info",
    "pipe-viewer install pip",
    "fc-list : pip install",
    "echo pip install thop",
    "echo 'x; pip install thop'",
    "sudo -u pip true",
    "ls pip; grep pip install",
    "python -c 'print(\"pip\")'",
    "python pip_install.py install",
    "git clone https://x/pip install",
    "# pip install thop",
)


@pytest.fixture
def marked(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installers on PATH that leave a mark if anybody starts them."""
    programs, mark = workspace / "bin", workspace / ".stage/mark"
    programs.mkdir()
    for name in INSTALLERS:
        (programs / name).write_text(f"#!/bin/sh\necho \"$0 $@\" >> '{mark}'\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return mark


def tried(ask: Any, workspace: Path, code: str, **keys: Any) -> tuple[dict[str, str], bridge.Outcome]:
    """Run attempts as an adapter that swallows every refusal; say how each went."""
    outcome = ask(SPY + code + TOLD, **keys)
    assert outcome.ok, (outcome, bridge.tail(outcome))
    return json.loads((workspace / ".stage/found.json").read_text()), outcome


def test_a_module_that_installs_at_import(ask: Any, workspace: Path, marked: Path, level: isolation.Isolation) -> None:
    hub = workspace / "refs/yolov7/hubconf.py"
    hub.parent.mkdir(parents=True)
    hub.write_text("import subprocess\n\nsubprocess.check_output('pip install thop', shell=True)\n")
    outcome = ask("import hubconf\n" + WORKS, source_roots=["refs/yolov7"], isolation=level)
    assert (outcome.kind, outcome.where) == ("refused", "refs/yolov7/hubconf.py:3")
    assert outcome.message == "upstream's code wanted to install packages (pip install thop)"
    assert outcome.warnings == () and not marked.exists()


def test_one_that_swallows_the_refusal_goes_on_and_is_reported(ask: Any, workspace: Path, marked: Path) -> None:
    hub = workspace / "refs/yolov7/hubconf.py"
    hub.parent.mkdir(parents=True)
    hub.write_text(
        "import os\nfor _ in range(3):\n    try: os.system('pip install thop')\n    except Exception: pass\n"
    )
    outcome = ask("import hubconf\n" + WORKS, source_roots=["refs/yolov7"])
    assert outcome.ok and not marked.exists()
    assert outcome.warnings == ("refs/yolov7/hubconf.py:3 wanted to run: pip install thop (refused)",)


@pytest.mark.parametrize(
    ("then", "kind"),
    [
        ("raise RuntimeError('please install thop')", "refused"),
        ("sys.exit('please install thop')", "refused"),
        ("import thop", "missing-package"),
        ("pass\n1 / 0", "adapter-error"),
    ],
)
def test_what_follows_from_a_refusal(ask: Any, then: str, kind: str) -> None:
    code = f"import os, sys\ntry:\n    os.system('pip install thop')\nexcept Exception:\n    {then}\n"
    outcome = ask(code)
    assert outcome.kind == kind and len(outcome.warnings) == (kind != "refused")


def test_every_line_of_a_shell(ask: Any, workspace: Path, marked: Path) -> None:
    code = f"for line in {TO_SHELL!r}:\n"
    code += "    attempt('system: ' + line, lambda: os.system(line))\n"
    code += "    attempt('shell: ' + line, lambda: subprocess.run(line, shell=True, timeout=5))\n"
    code += "    attempt('bash: ' + line, lambda: subprocess.run(['/bin/bash', '-lc', line], timeout=5))\n"
    found, _ = tried(ask, workspace, code)
    assert {name: word for name, word in found.items() if word != "Refusal"} == {}
    assert not marked.exists()


def test_what_is_no_installer_or_installs_nothing(ask: Any, workspace: Path, marked: Path) -> None:
    code = f"for line in {HARMLESS!r}: attempt(line, lambda: subprocess.run(line, shell=True, timeout=20))\n"
    found, outcome = tried(ask, workspace, code)
    assert {name: word for name, word in found.items() if word != "done"} == {} and outcome.warnings == ()
    calls = [line.rpartition("/")[2] for line in marked.read_text().splitlines()]
    assert calls == ["pip --version", "pip freeze", "uv pip list", "conda info"]


def test_every_way_to_start_a_program(ask: Any, workspace: Path, marked: Path) -> None:
    ways = {
        "Popen": "subprocess.Popen(['pip', 'install', 'x'])",
        "bytes": "subprocess.run([b'pip', b'install', b'x'])",
        "executable": "subprocess.run(['harmless', 'install', 'x'], executable='pip')",
        "by this python": "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])",
        "popen": "os.popen('pip install x')",
        "posix_spawnp": "os.posix_spawnp('pip', ['pip', 'install', 'x'], dict(os.environ))",
        "execvp": "os.execvp('pip', ['pip', 'install', 'x'])",
        "execl": "os.execl('/bin/sh', 'sh', '-c', 'pip install x')",
        "asyncio": "__import__('asyncio').run(__import__('asyncio').create_subprocess_shell('pip install x'))",
    }
    code = "".join(f"attempt({name!r}, lambda: {call})\n" for name, call in ways.items())
    found, outcome = tried(ask, workspace, code)
    assert found == dict.fromkeys(ways, "Refusal")
    assert len(outcome.warnings) == len(ways) and not marked.exists()


def test_what_a_forked_process_wants_is_reported_too(ask: Any, workspace: Path, marked: Path) -> None:
    code = "assert os.spawnlp(os.P_WAIT, 'pip', 'pip', 'install', 'thop') == 127\n"
    _, outcome = tried(ask, workspace, code)
    assert outcome.warnings == ("scripts/adapter.py:9 wanted to run: pip install thop (refused)",)
    assert not marked.exists()


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ("import pip\npip.main(['install', 'thop'])", "pip install thop"),
        ("from pip._internal import main\nmain(['install', 'thop'])", "pip install thop"),
        ("import sys, runpy\nsys.argv = ['pip', 'install', 'thop']\nrunpy.run_module('pip', run_name='__main__')", "pip install thop"),
        ("from pip._internal.commands.install import InstallCommand", "import pip._internal.commands"),
        ("import ensurepip\nensurepip.bootstrap(root='/tmp/x')", "python"),
    ],
)  # fmt: skip
def test_pip_within_the_process(ask: Any, call: str, command: str) -> None:
    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"), None)
    if bundled is None:
        pytest.skip("this Python brings no pip")
    outcome = ask(f"import sys\nsys.path.insert(0, {str(bundled)!r})\n{call}\n{WORKS}")
    assert outcome.kind == "refused", (outcome, bridge.tail(outcome))
    assert outcome.message.startswith(f"the adapter wanted to install packages ({command}")
    assert outcome.where.startswith("scripts/adapter.py:")


def test_that_pip_is_there_is_nobodys_fault(ask: Any) -> None:
    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"), None)
    if bundled is None:
        pytest.skip("this Python brings no pip")
    code = f"import sys\nsys.path.insert(0, {str(bundled)!r})\nimport pip\nfrom pip._internal.utils.misc import strtobool\n"
    assert ask(code + WORKS).warnings == ()


def test_a_package_that_installs_is_named(ask: Any, workspace: Path, marked: Path) -> None:
    distribution(
        workspace / "site",
        "helpful-utils",
        "1.0",
        {"helpful/__init__.py": "import os\n\nos.system('uv pip install x')\n"},
    )
    outcome = ask(f"import sys\nsys.path.append({str(workspace / 'site')!r})\nimport helpful\n{WORKS}")
    assert outcome.message == "helpful-utils wanted to install packages (uv pip install x)"
    assert outcome.where == "scripts/adapter.py:3"


@pytest.mark.parametrize("network", [False, True])
def test_the_environment_says_so_as_well(ask: Any, workspace: Path, network: bool) -> None:
    names = (
        "YOLO_AUTOINSTALL",
        "UV_OFFLINE",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_NO_INDEX",
        "PIP_DISABLE_PIP_VERSION_CHECK",
    )
    found, _ = tried(
        ask, workspace, f"found.update({{name: os.environ[name] for name in {names!r}}})\n", network=network
    )
    assert set(found.values()) == {"1", "false"}
