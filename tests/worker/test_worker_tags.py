"""Every way in which a request can end has its own tag."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation

WORKS = "def build(*, checkpoint, device): return device\ndef infer(model, tensors): return tensors\n"
JUNK = 'import os\nprint(\'{"protocol": 1, "ok": {"forged": true}}\')\nos.write(1, bytes(range(256)))\n'


def test_value_despite_junk_on_stdout(ask: Any) -> None:
    outcome = ask(JUNK + WORKS)
    assert outcome.kind == "ok" and outcome.ok
    assert outcome.value["items"] == [] and outcome.value["runtime"]["device"] == "cpu"
    assert outcome.read == ("scripts/adapter.py",)
    assert "forged" in bridge.tail(outcome)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("1 / 0", "adapter-error", "ZeroDivisionError: division by zero"),
        ("def f(:", "adapter-error", "SyntaxError"),
        ("import sys; sys.exit(0)", "adapter-error", "the adapter called sys.exit(0)"),
        ("raise KeyboardInterrupt", "adapter-error", "KeyboardInterrupt"),
        ("import nowhere_to_be_found.sub", "missing-package", "nowhere_to_be_found is not installed"),
        ("raise MemoryError", "out-of-memory", "MemoryError"),
        ("import os; os._exit(0)", "no-answer", "exit code 0"),
        ("import os; os._exit(3)", "no-answer", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "SIGKILL"),
        ("import os; os.abort()", "killed", "SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "killed", "SIGSEGV"),
        ("x = 1", "unsupported", "needs an adapter with build"),
        ("def build(*, checkpoint, size): pass\ndef infer(m, t): pass", "adapter-error", "build needs size"),
    ],
)
def test_each_end_has_its_tag(ask: Any, code: str, kind: str, message: str) -> None:
    outcome = ask(code)
    assert (outcome.kind, outcome.value) == (kind, None)
    assert message in outcome.message
    assert bridge.explain(outcome) and "\n" not in bridge.explain(outcome).strip()


def test_missing_package_is_named(ask: Any) -> None:
    outcome = ask("import numpy\n" + WORKS)
    assert (outcome.kind, outcome.name) == ("missing-package", "numpy")
    assert bridge.explain(outcome) == "numpy is missing in the model's environment"
    assert outcome.where == "scripts/adapter.py:1"


def test_upstream_error_names_upstreams_line(ask: Any, workspace: Path) -> None:
    (workspace / "refs/net").mkdir(parents=True)
    (workspace / "refs/net/detect.py").write_text("def load():\n    raise ValueError('no weights at ' + __file__)\n")
    outcome = ask("import detect\ndetect.load()\n", source_roots=["refs/net"])
    assert (outcome.kind, outcome.where) == ("upstream-error", "refs/net/detect.py:2")
    assert outcome.message == "ValueError: no weights at refs/net/detect.py"
    assert outcome.read == ("refs/net/detect.py", "scripts/adapter.py")


def test_upstream_files_shadow_no_module_of_pythons(ask: Any, workspace: Path) -> None:
    (workspace / "refs/net").mkdir(parents=True)
    for name in ("json", "random", "boot", "profile"):
        (workspace / f"refs/net/{name}.py").write_text("raise SystemExit('shadowed')\n")
    outcome = ask("import json, random, profile, cProfile\n" + WORKS, source_roots=["refs/net"])
    assert outcome.kind == "ok", outcome


def test_nothing_of_ours_can_be_imported_by_name(ask: Any) -> None:
    assert ask("import boot").name == "boot"


def test_data_that_upstream_opens_is_listed(ask: Any, workspace: Path) -> None:
    (workspace / "refs/net").mkdir(parents=True)
    (workspace / "refs/net/labels.txt").write_text("cat\n")
    code = "open('refs/net/labels.txt').read()\nopen('/etc/hostname').read()\n\n"
    made = "open('made.txt', 'w').write('x')\nopen('made.txt').read()\n" if isolation.best().level == "plain" else ""
    assert ask(code + made + WORKS).read == ("refs/net/labels.txt", "scripts/adapter.py")


ADVICE = {
    "torch": "Weights only load failed. This file can still be loaded, do so only if you trust its source.\\n\\t(1) Re-running "
    "`torch.load` with `weights_only` set to `False` will likely succeed. Unsupported global: GLOBAL a.B. Please use "
    "`torch.serialization.add_safe_globals([B])` to allowlist it if you trust this class.",
    "transformers": "The repository holds code of its own. Please pass `trust_remote_code=True` to allow it to run.",
}


@pytest.mark.parametrize("whose", ADVICE)
def test_advice_to_load_unsafely_is_not_handed_on(ask: Any, whose: str) -> None:
    outcome = ask(f'raise RuntimeError("{ADVICE[whose]}")')
    assert outcome.message.startswith("RuntimeError: " + ADVICE[whose].split(".")[0])
    assert outcome.message.endswith("(its advice to load the file unsafely is left out)")
    assert not {"weights_only", "safe_globals", "trust_remote_code"} & set(outcome.message.replace("`", " ").split())
    assert "set to" not in outcome.message and "=True" not in outcome.message


def test_warnings_cross(ask: Any) -> None:
    assert ask("import warnings\nwarnings.warn('old weights')\n" + WORKS).warnings == ("UserWarning: old weights",)


def test_arguments_are_not_upstreams_business(ask: Any) -> None:
    assert ask("import argparse\nargparse.ArgumentParser().parse_args()\n" + WORKS).kind == "ok"


def test_check_names_interpreter_and_versions(ask: Any) -> None:
    value = ask(verb="check", packages=["numpy", "nowhere"]).value
    assert value["versions"] == {"numpy": "", "nowhere": ""}
    assert value["implementation"] == "CPython" and value["python"].count(".") == 2


def test_a_request_of_another_protocol_is_refused(ask: Any) -> None:
    assert ask(protocol=2).message == "the request is not of protocol 1"


def test_a_function_that_the_adapter_lacks_is_named(ask: Any) -> None:
    outcome = ask(WORKS, functions=["build", "draw"])
    assert (outcome.kind, outcome.message) == ("adapter-error", "scripts/adapter.py has no function draw")


def test_changed_checkpoint_is_refused(ask: Any, tmp_path: Path) -> None:
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"weights")
    s = weights.stat()
    key = (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)
    assert ask(WORKS, checkpoint_file=weights, examined={"model": key}).kind == "ok"
    weights.write_bytes(b"other weights")
    outcome = ask(WORKS, checkpoint_file=weights, examined={"model": key})
    assert (outcome.kind, outcome.message) == ("refused", "model was changed after it was examined")
    checkpoint = {"name": "model", "sha256": "0" * 64, "format": "adapter"}
    assert ask(WORKS, checkpoint_file=weights, checkpoint=checkpoint).kind == "refused"


def test_an_answer_that_is_forged_badly_is_no_answer(ask: Any) -> None:
    for forged in (
        "{",
        '{"protocol": 1}',
        '{"protocol": 1, "ok": {"x": NaN}}',
        '{"protocol": 1, "error": {"kind": "fine"}}',
    ):
        code = f"import os\nopen(os.environ['HOME'] + '/answer.json', 'w').write({forged!r})\nos._exit(0)\n"
        assert ask(code).kind == "bad-answer"


def test_a_forked_copy_does_not_answer(ask: Any) -> None:
    outcome = ask("import os, time\nif os.fork() == 0: time.sleep(0.3)\nelse: 1 / 0\n" + WORKS)
    assert outcome.kind == "adapter-error"


def test_no_interpreter(ask: Any, tmp_path: Path) -> None:
    outcome = ask(WORKS, python=tmp_path / "nowhere/python")
    assert outcome.kind == "no-answer" and "there is no interpreter at" in outcome.message


def test_secrets_of_the_environment_stay_here(ask: Any) -> None:
    os.environ["AWS_SECRET_ACCESS_KEY"] = os.environ["MY_TOKEN"] = "canary-4711"
    try:
        outcome = ask("import os\nprint(dict(os.environ))\nprint(open('/proc/self/environ').read())\n" + WORKS)
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["MY_TOKEN"]
    text = outcome.log.read_text()
    assert outcome.ok and "canary" not in text and "HF_HUB_OFFLINE" in text and "'OMP_NUM_THREADS': '1'" in text


def test_worker_files_are_rewritten_when_they_differ(workspace: Path) -> None:
    assert "boot.py" in bridge.install_worker(workspace)
    assert bridge.install_worker(workspace) == []
    (workspace / "scripts/worker/boot.py").write_text("")
    (workspace / "scripts/worker/assay_worker/stray.py").write_text("")
    assert bridge.install_worker(workspace) == ["boot.py"]
    assert not (workspace / "scripts/worker/assay_worker/stray.py").exists()


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_other_interpreters(ask: Any, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    assert ask(verb="check", python=python).value["python"].startswith(version + ".")
    assert ask(WORKS, python=python).ok
    assert ask("import numpy_that_is_not_there", python=python).kind == "missing-package"
    assert ask("while True: pass", python=python, limits=bridge.Limits(seconds=0.5)).kind == "timeout"


def interpreter(version: str) -> Path | None:
    """Find a working interpreter of a version."""
    found = shutil.which(f"python{version}")
    code = "import sys; print(sys.executable)"
    asked = found and subprocess.run([found, "-c", code], capture_output=True, text=True, check=False)
    return Path(asked.stdout.strip()) if asked and asked.returncode == 0 else None
