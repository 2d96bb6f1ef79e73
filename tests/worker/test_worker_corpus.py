"""The shared corpus of misbehaving programs, where it is at hand: each as an adapter."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, isolation

GENERATOR = Path(__file__).parents[3] / "shared" / "badinputs" / "make_corpus.py"
WORKS = "def build(*, checkpoint, device): return device\ndef infer(model, tensors): return tensors\n"
EXPECTED = {
    "hang": "timeout", "hang_sigterm": "timeout", "hang_native": "timeout", "oom": "memory-limit",
    "stdout_flood": "log-limit", "stderr_flood": "log-limit", "one_long_line": "log-limit",
    "segv": "killed", "abort": "killed", "kill_parent": "killed", "disk": "adapter-error",
    "exit0_no_result": "no-answer", "exit0_half_result": "no-answer", "chdir_rm": "no-answer",
    "sys_exit_import": "adapter-error", "stdin": "adapter-error", "net": "adapter-error|timeout",
}  # fmt: skip
if isolation.best().level != "plain":  # they write where they work, read what they may not, or reach for their parent
    EXPECTED |= dict.fromkeys(("exit0_half_result", "nan_result", "read_secret"), "adapter-error")
    EXPECTED |= {"kill_parent": "adapter-error|killed|ok", "chdir_rm": "no-answer|ok", "edit_outputs": "adapter-error|ok"}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The programs by name."""
    if not GENERATOR.exists():
        pytest.skip("the shared corpus is not here")
    out = tmp_path_factory.mktemp("corpus") / "out"
    code = f"import sys; sys.path.insert(0, {str(GENERATOR.parent)!r})\nimport make_corpus\n"
    code += f"make_corpus.Corpus({str(out)!r}, 0, 0, False).programs()"
    subprocess.run([sys.executable, "-B", "-c", code], check=True)
    return {p.stem: p.read_text() for p in sorted((out / "programs").glob("*.py"))}


def test_every_program_ends_as_it_should(ask: Any, programs: dict[str, str], workspace: Path) -> None:
    assert len(programs) >= 30
    for name, code in programs.items():
        outcome = ask(code + "\n" + WORKS, limits=bridge.Limits(seconds=2, memory_mib=512, log_mib=1, file_mib=64))
        assert outcome.kind in EXPECTED.get(name, "ok").split("|"), (name, outcome)
        (workspace / "scripts").mkdir(parents=True, exist_ok=True)
