"""What model code can see, touch and reach at each level of isolation that works here; and that it can still work."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation
from levels import LANDLOCK, LINUX
from survivors import holding, left_after
from test_worker_deaths import DAEMON

GPU = any(os.path.exists(p) for p in ("/dev/nvidiactl", "/dev/dri", "/dev/kfd", "/dev/dxg"))
WORKS = "def build(*, checkpoint, device): return device\ndef infer(model, tensors): return tensors\n"
SPY = """
import json, os, socket
found = {}
def attempt(name, act):
    try: found[name] = str(act())
    except BaseException as error: found[name] = type(error).__name__
def read(path): return open(path).read()
def write(path): return open(path, "w").write("x")
"""
TOLD = "\njson.dump(found, open('.stage/found.json', 'w'))\n" + WORKS
Spy = Callable[..., dict[str, str]]


@pytest.fixture
def spy(ask: Any, level: isolation.Isolation, workspace: Path) -> Spy:
    """Run attempts as an adapter at a level; say how each went."""

    def spied(code: str, **keys: Any) -> dict[str, str]:
        outcome = ask(SPY + code + TOLD, isolation=level, **keys)
        assert outcome.ok, (outcome, bridge.tail(outcome))
        found: dict[str, str] = json.loads((workspace / ".stage/found.json").read_text())
        return found

    return spied


@pytest.fixture
def in_home() -> Iterator[Path]:
    """A folder of its own in the real home folder."""
    folder = Path(tempfile.mkdtemp(prefix=".assay test-", dir=Path.home()))
    yield folder
    shutil.rmtree(folder)


# ---------------------------------------------------------------- files
def test_files_that_are_none_of_its_business(
    spy: Spy, level: isolation.Isolation, tmp_path: Path, in_home: Path, workspace: Path
) -> None:
    places = {
        "home": in_home,
        "repository": tmp_path,
        "workspace": workspace,
        "tmp": Path("/tmp"),
        "var": Path("/var/tmp"),
    }
    for name in ("home", "repository"):
        (places[name] / "secret").write_text("the secret")
    made = {name: folder / f"evil-{os.getpid()}" for name, folder in places.items()}
    code = "".join(f"attempt('write {name}', lambda: write({str(path)!r}))\n" for name, path in made.items())
    for name in ("home", "repository"):
        secret = str(places[name] / "secret")
        code += f"attempt('read {name}', lambda: read({secret!r}))\n"
        code += f"attempt('remove {name}', lambda: os.remove({secret + '2'!r}))\n"
        shutil.copy(secret, secret + "2")
    found = spy(code + "attempt('above', lambda: os.listdir('..'))\n")
    left = [name for name, path in made.items() if path.exists()]
    for path in made.values():
        path.unlink(missing_ok=True)
    if level.level == "plain":
        assert found["read home"] == found["read repository"] == "the secret" and len(left) == len(made)
        return
    assert "the secret" not in found.values() and left == []
    assert (in_home / "secret2").exists() and (tmp_path / "secret2").exists()
    assert found["write workspace"] in ("OSError", "PermissionError")
    assert "secret" not in found["above"]


@pytest.mark.skipif(not os.path.exists("/etc/shadow"), reason="no /etc/shadow here")
def test_the_passwords_of_the_machine(spy: Spy, level: isolation.Isolation) -> None:
    code = "for p in ('shadow', 'gshadow', 'passwd'): attempt(p, lambda: len(read('/etc/' + p)))\n"
    found = spy(code + "attempt('etc', lambda: 'passwd' in os.listdir('/etc'))\n")
    assert found["passwd"].isdigit() and found["etc"] == "True"
    if level.level != "plain" or os.geteuid():
        assert not found["shadow"].isdigit() and not found["gshadow"].isdigit()


def test_what_root_could_set_by_proc(spy: Spy, level: isolation.Isolation) -> None:
    if level.level == "plain":
        pytest.skip("nothing shuts it in")
    code = "for p in ('sys/kernel/core_pattern', 'sysrq-trigger', 'mtrr'):\n"
    code += "    attempt(p, lambda: os.open('/proc/' + p, os.O_WRONLY))\n"
    assert not any(word.isdigit() for word in spy(code).values())


def test_only_named_files_beside_the_checkpoint_are_seen(
    spy: Spy, level: isolation.Isolation, tmp_path: Path, in_home: Path
) -> None:
    for name in ("model.bin", "model.data", "other.bin"):
        (in_home / name).write_text(name)
    (tmp_path / "linked").symlink_to(in_home)
    seen = tmp_path / "linked"
    code = "".join(
        f"attempt({n!r}, lambda: read({str(seen / n)!r}))\n" for n in ("model.bin", "model.data", "other.bin")
    )
    found = spy(code, checkpoint_file=seen / "model.bin", readable=[seen / "model.data"])
    assert found["model.bin"] == "model.bin" and found["model.data"] == "model.data"
    assert level.level == "plain" or found["other.bin"] in ("FileNotFoundError", "PermissionError")
    found = spy(code.replace("lambda: read", "lambda: write"), checkpoint_file=seen)
    assert level.level == "plain" or all(word in ("OSError", "PermissionError") for word in found.values())


def test_links_that_it_leaves_lead_nobody_astray(
    ask: Any, level: isolation.Isolation, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").write_text("mine")
    code = f"import os, shutil\nos.makedirs('.stage/outputs')\nos.symlink({str(tmp_path / 'victim')!r}, '.stage/outputs/a.json')\n"
    outcome = ask(code + "os.symlink('/', '.stage/raw')\nos.mkfifo('.stage/pipe')\n" + WORKS, isolation=level)
    assert outcome.ok and [w for w in outcome.warnings if "outputs/a.json, which is no file" in w]
    assert [p for p in (workspace / ".stage").rglob("*") if p.is_symlink() or not (p.is_dir() or p.is_file())] == []
    code += f"shutil.rmtree('.stage/.worker')\nos.symlink({str(tmp_path)!r}, '.stage/.worker')\n"
    assert ask(code.replace("outputs", "other"), isolation=level).kind != "ok"
    assert ask(WORKS, isolation=level).ok, "and the next run is not led astray either"
    assert (tmp_path / "victim").read_text() == "mine"
    assert level.level == "plain" or not list(tmp_path.glob("answer*"))


# ---------------------------------------------------------------- network
@contextlib.contextmanager
def listening(kind: socket.SocketKind) -> Iterator[socket.socket]:
    """Wait on a port of this machine."""
    with socket.socket(socket.AF_INET, kind) as own:
        own.bind(("127.0.0.1", 0))
        own.settimeout(0.3)
        if kind == socket.SOCK_STREAM:
            own.listen()
        yield own


def came(tcp: socket.socket, udp: socket.socket) -> set[str]:
    """Say what arrived."""
    found = set()
    with contextlib.suppress(TimeoutError):
        tcp.accept()[0].close()
        found.add("tcp")
    with contextlib.suppress(TimeoutError):
        udp.recv(10)
        found.add("udp")
    return found


@pytest.mark.skipif(not LINUX, reason="nothing shuts the network off here")
@pytest.mark.parametrize("granted", [False, True])
def test_the_network(spy: Spy, level: isolation.Isolation, granted: bool) -> None:
    with listening(socket.SOCK_STREAM) as tcp, listening(socket.SOCK_DGRAM) as udp:
        code = f"attempt('tcp', lambda: socket.create_connection({tcp.getsockname()!r}, 2))\n"
        code += f"attempt('udp', lambda: socket.socket(2, 2).sendto(b'x', {udp.getsockname()!r}))\n"
        code += "attempt('pair', lambda: (lambda ends: ends[0].send(b'x'))(socket.socketpair()))\n"
        found = spy(code, network=granted)
        assert came(tcp, udp) == ({"tcp", "udp"} if granted else set()), found
    assert found["pair"] == "1"


@pytest.mark.skipif(not LINUX, reason="Linux only")
def test_ways_around_a_closed_network(spy: Spy, level: isolation.Isolation) -> None:
    code = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    code += (
        "for family in (10, 16, 17, 38, 40): attempt(family, lambda: socket.socket(family, 3 if family == 17 else 1))\n"
    )
    code += "def number(n):\n    if libc.syscall(n, 1, 0, 0, 0, 0) < 0: raise OSError(ctypes.get_errno(), '')\n"
    code += "attempt('io_uring', lambda: number(425))\nattempt('x32', lambda: number(0x40000000 + 39))\n"
    code += "attempt('resolves', lambda: socket.getaddrinfo('127.0.0.1', 80)[0][4])\n"
    found = spy(code)
    refused = {str(f) for f in ((17, 38, 40) if level.level == "bubblewrap" else (10, 16, 17, 38, 40))}
    assert {found[f] for f in refused} == {"PermissionError"} and found["io_uring"] == "PermissionError"
    assert found["x32"] == "OSError" and found["resolves"] == "('127.0.0.1', 80)"


@pytest.mark.skipif(not LINUX, reason="Linux only")
def test_sockets_without_a_file(spy: Spy, level: isolation.Isolation) -> None:
    name = f"\0assay-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(name)
        own.listen()
        found = spy(f"attempt('abstract', lambda: socket.socket(socket.AF_UNIX).connect({name!r}))\n")
    if level.level == "bubblewrap" or (level.level == "landlock" and LANDLOCK >= 6):
        assert found["abstract"] in ("ConnectionRefusedError", "PermissionError")


# ---------------------------------------------------------------- processes
def test_processes_outside(spy: Spy, level: isolation.Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "canary-4711")
    me = os.getpid()
    code = f"attempt('see', lambda: os.path.exists('/proc/{me}/stat'))\nattempt('kill', lambda: os.kill({me}, 0))\n"
    code += f"attempt('root', lambda: os.listdir('/proc/{me}/root/'))\n"
    code += "attempt('supervisor', lambda: read('/proc/%d/environ' % os.getppid()))\n"
    code += "attempt('environ', lambda: dict(os.environ))\n"
    code += "attempt('all', lambda: [open(f'/proc/{p}/environ', 'rb').read() for p in os.listdir('/proc') if p.isdigit()])\n"
    found = spy(code)
    assert "canary" not in found["environ"] + found["supervisor"]
    if level.level == "plain":
        return
    assert "canary" not in str(found) and found["root"] in ("FileNotFoundError", "PermissionError")
    if level.level == "bubblewrap" and not GPU:
        assert (found["see"], found["kill"]) == ("False", "ProcessLookupError")
    elif LANDLOCK >= 6:
        assert found["kill"] == "PermissionError"


def test_a_daemon_of_the_model(ask: Any, level: isolation.Isolation, workspace: Path) -> None:
    held = workspace / ".stage/held"
    assert ask(DAEMON.format(held=str(held)) + WORKS, isolation=level).ok
    assert held.exists() and left_after(workspace, seconds=2.0, extra=holding(held)) == []


@pytest.mark.parametrize(
    ("code", "limits", "kind"),
    [
        ("import ctypes; ctypes.string_at(0)", {}, "killed"),
        ("import os, time; os.kill(os.getpid(), 9); time.sleep(9)", {}, "killed"),
        ("import os; os._exit(7)", {}, "no-answer"),
        ("import signal\nsignal.signal(15, signal.SIG_IGN)\nwhile True: pass", {"seconds": 1}, "timeout"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", {"log_mib": 2}, "log-limit"),
        (
            "import os, time\nfor _ in range(600):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)",
            {},
            "process-limit",
        ),
        (
            "import time\nkept = []\nwhile True: kept.append(bytearray(10 << 20)); time.sleep(0.01)",
            {"memory_mib": 200},
            "memory-limit",
        ),
    ],
)
def test_each_end_is_told_as_it_was(
    ask: Any, level: isolation.Isolation, code: str, limits: dict[str, int], kind: str
) -> None:
    outcome = ask(code, isolation=level, limits=bridge.Limits(**{"seconds": 20, **limits}))
    assert outcome.kind == kind, (outcome, bridge.tail(outcome))
    if kind == "killed":
        assert outcome.message.endswith("SIGSEGV" if "ctypes" in code else "SIGKILL")
    if kind == "memory-limit":
        assert outcome.peak_mib is not None and 200 <= outcome.peak_mib < 1000


def test_the_peak_of_memory_is_the_models(ask: Any, level: isolation.Isolation) -> None:
    outcome = ask("kept = bytearray(b'x') * (150 << 20)\ndel kept\n" + WORKS, isolation=level)
    assert outcome.ok and 150 <= outcome.peak_mib < 300


# ---------------------------------------------------------------- work that must go on
def test_numeric_code_works(ask: Any, level: isolation.Isolation, workspace: Path) -> None:
    pytest.importorskip("numpy")
    code = """
import multiprocessing, os, subprocess, sys, tempfile
from multiprocessing import shared_memory
import numpy
fork = multiprocessing.get_context("fork")
def count(lock, total):
    for _ in range(100):
        with lock: total.value += 1
lock, total = fork.Lock(), fork.Value("i", 0, lock=False)
workers = [fork.Process(target=count, args=(lock, total)) for _ in range(2)]
[w.start() for w in workers]; [w.join() for w in workers]
shared = shared_memory.SharedMemory(create=True, size=4096)
shared.close(); shared.unlink()
with tempfile.NamedTemporaryFile("w") as f: f.write("x")
os.makedirs(".stage/raw", exist_ok=True)
numpy.savez(".stage/raw/made.npz", total=total.value)
open("/dev/null", "w").write("x"); open("/dev/urandom", "rb").read(4); open("/dev/stdout", "w").write("by name")
subprocess.run([sys.executable, "-c", "import numpy"], check=True)
print("adjusted", open("/proc/self/oom_score_adj").read())
open("/proc/self/clear_refs", "w").write("5")
"""
    outcome = ask(code + WORKS, isolation=level, python=Path(sys.executable))
    assert outcome.ok, (outcome, bridge.tail(outcome, 40))
    import numpy

    assert numpy.load(workspace / ".stage/raw/made.npz")["total"] == 200
    assert "adjusted 800" in outcome.log.read_text() and "by name" in outcome.log.read_text()


def test_an_interpreter_at_home_and_a_workspace_with_spaces(
    level: isolation.Isolation, in_home: Path, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", in_home / "my venv"], check=True)
    (in_home / "bin").mkdir()
    (in_home / "bin/python").symlink_to(in_home / "my venv/bin/python")  # a link to the link that makes the venv
    package = next((in_home / "my venv").glob("lib/python*/site-packages"))
    (in_home / "sources").mkdir()
    (in_home / "sources/developed.py").write_text("WORD = 'installed as a link'\n")
    (package / "developed.pth").write_text(f"{in_home / 'sources'}\n")
    workspace = tmp_path / "a work space"
    (workspace / "scripts").mkdir(parents=True)
    (workspace / "scripts/adapter.py").write_text(f"import developed, sys\nprint(developed.WORD, sys.prefix)\n{WORKS}")
    request = {"protocol": 1, "verb": "infer", "adapter": "scripts/adapter.py", "items": [],
               "checkpoint": {"name": "m", "sha256": "", "format": "adapter"}}  # fmt: skip
    outcome = bridge.run(
        python=in_home / "my venv/bin/python", workspace=workspace, request=request, request_file="scripts/infer.json",
        out=workspace / ".partial/infer-1", log=workspace / "logs/infer.log", isolation=level,
    )  # fmt: skip
    assert outcome.ok, (outcome, bridge.tail(outcome))
    assert f"installed as a link {in_home / 'my venv'}" in outcome.log.read_text()
    assert sorted(p.name for p in (workspace / ".partial").iterdir()) == ["infer-1"]


SOMEBODY = """
import json, os, sys
from pathlib import Path
from assay import bridge, isolation
here = Path.cwd()
request = {"protocol": 1, "verb": "infer", "adapter": "scripts/adapter.py", "items": [],
           "checkpoint": {"name": "m", "sha256": "", "format": "adapter"}}
outcome = bridge.run(
    python=Path(sys.executable), workspace=here / "workspace", request=request, request_file="scripts/infer.json",
    out=here / "workspace/.stage", log=here / "log", isolation=isolation.best(sys.argv[1]),
    limits=bridge.Limits(seconds=20, memory_mib=500))
assert outcome.ok, (outcome, bridge.tail(outcome))
print(outcome.isolation)
"""


@pytest.mark.skipif(not LINUX or os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_is_not_root(level: isolation.Isolation) -> None:
    python, lib = shutil.which("python3", path="/usr/bin"), str(Path(bridge.__file__).parent.parent)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder, be = Path(name), {"user": 65534, "group": 65534, "extra_groups": []}
        (folder / "workspace/scripts").mkdir(parents=True)
        (folder / "secret").write_text("mine")
        code = f"attempt('secret', lambda: read({str(folder / 'secret')!r}))\n"
        code += f"attempt('kill', lambda: os.kill({os.getpid()}, 0))\n"
        code += "import multiprocessing\nattempt('lock', multiprocessing.Lock)\n"
        code += "attempt('peak', lambda: open('/proc/self/clear_refs', 'w').write('5'))\n"
        (folder / "workspace/scripts/adapter.py").write_text(SPY + code + TOLD)
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, 65534, 65534)
        environment = {"PATH": "/usr/bin:/bin", "HOME": name, "PYTHONPATH": lib}
        ready = "import sys, assay.bridge; sys.exit(sys.version_info < (3, 10))"
        if not python or subprocess.run([python, "-c", ready], env=environment, cwd="/", check=False, **be).returncode:
            pytest.skip("no interpreter that others may use")
        command = [python, "-c", SOMEBODY, level.level]
        done = subprocess.run(command, cwd=name, env=environment, capture_output=True, text=True, check=False, **be)
        assert done.stdout.strip() == level.level, done.stderr
        found = json.loads((folder / "workspace/.stage/found.json").read_text())
    assert found["peak"] == "1" and found["lock"].startswith("<Lock") and found["kill"] != "None"
    assert level.level == "plain" or found["secret"] in ("FileNotFoundError", "PermissionError")
