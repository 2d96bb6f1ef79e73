"""What a review found: results once believed fresh that were not, words of people once lost, tracebacks once shown."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from test_robustness_kills import BUILT
from tiny import built, doit, edit, ended, journal, start, status, to_run, tool, wait_for, workspace

ADAPTER = "recipes/tiny/adapter.py"
YAML = "experiments/tiny.yaml"


def _raw(repo: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(workspace(repo).glob("raw/*.npz")))


def _stamped(repo: Path) -> None:
    """Build until the next run would decide at a glance."""
    assert doit(repo, "report", "exp=tiny").code == 0
    assert (repo / "tmp/.cache/stamp-tiny.txt").exists()


# ---------------------------------------------------------------- believed fresh
def test_another_template_makes_the_report_anew(built_repo: Path, tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    shutil.copytree(tiny.LIB, lib, ignore=shutil.ignore_patterns("__pycache__"))
    template = lib / "assay/report/templates/experiment.md.j2"
    template.write_text(template.read_text() + "\nThe last line.\n")
    done = doit(built_repo, "report", "exp=tiny", PYTHONPATH=str(lib))
    assert f"built 1, kept {len(BUILT) - 1}" in done.out, done.text
    assert "The last line." in (workspace(built_repo) / "reports/experiment-report.md").read_text()


def test_an_environment_that_appears_is_the_one_to_use(built_repo: Path) -> None:
    _stamped(built_repo)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", built_repo / ".venv"], check=True)
    assert "deps" in to_run(built_repo)


@pytest.mark.parametrize("name", ["recipe.yaml", "adapter.py"])
def test_a_recipe_that_grows_a_file_counts_from_then_on(repo: Path, name: str) -> None:
    edit(repo / "recipes/tiny/recipe.yaml", "params: {gain: 1.0, bias: 0.0}\n", "")
    edit(repo / YAML, "params: {bias: 0.0, gain: 1.0}\n", "")
    file = repo / "recipes/tiny" / name
    text = file.read_text()
    file.unlink()
    _stamped(repo)
    file.write_text(text if name == "adapter.py" else "params: {gain: 2.0}\n")
    assert "contract" in to_run(repo) | set(built(repo))


@pytest.mark.parametrize(
    ("was", "takes", "bias"),
    [("path, *, gain=1.0", "path, *, gain=1.0, **rest", 'rest["bias"]'), ("path, *, gain=1.0", "path, bias=0.0, *, gain=1.0", "bias")],
    ids=["any keyword", "by place"],
)  # fmt: skip
def test_every_parameter_that_a_function_is_given_is_one_it_rests_on(
    repo: Path, was: str, takes: str, bias: str
) -> None:
    edit(repo / ADAPTER, was, takes)
    edit(repo / ADAPTER, "* np.float32(gain)", f"* np.float32(gain) + np.float32({bias})")
    built(repo)
    before = _raw(repo)
    edit(repo / YAML, "bias: 0.0", "bias: 3.0")
    assert "infer" in built(repo)
    assert _raw(repo) != before


@pytest.mark.parametrize("value", ["1", "true"])
def test_one_is_not_one_point_nought(built_repo: Path, value: str) -> None:
    edit(built_repo / YAML, "gain: 1.0", f"gain: {value}")
    assert "contract" in to_run(built_repo)
    assert "infer" in built(built_repo)


def test_an_import_for_what_it_does_counts(repo: Path) -> None:
    (repo / "upstream/patch.py").write_text("import scale\n\nscale.FULL = 100.0\n")
    edit(repo / ADAPTER, "from scale import", "import patch\nfrom scale import")
    built(repo)
    before = _raw(repo)
    edit(repo / ADAPTER, "import patch\n", "")
    assert "infer" in built(repo)
    assert _raw(repo) != before


def test_a_star_import_counts(repo: Path) -> None:
    (repo / "upstream/tenth.py").write_text("def to_unit(grey):\n    return grey / 10.0\n")
    edit(repo / ADAPTER, "from scale import to_unit", "from scale import *")
    built(repo)
    before = _raw(repo)
    edit(repo / ADAPTER, "from scale import *", "from tenth import *")
    assert "infer" in built(repo)
    assert _raw(repo) != before


def test_measured_elsewhere_with_other_code_is_not_valid(built_repo: Path) -> None:
    log = workspace(built_repo) / "journal.jsonl"
    log.write_text(log.read_text().replace(f'"host":"{os.uname().nodename}"', '"host":"another"'))
    assert status(built_repo)["measure"] == "elsewhere"
    edit(built_repo / "upstream/scale.py", "255.0", "128.0")
    assert "measure" in built(built_repo)


def test_a_file_of_the_repository_that_an_adapter_alone_opens_is_an_input(repo: Path) -> None:
    """One that imports upstream's code sees its workspace only."""
    edit(repo / ADAPTER, "from scale import to_unit\n", "\n\ndef to_unit(grey):\n    return grey / 255.0\n")
    edit(repo / ADAPTER, "    from names import NAMES\n", '    NAMES = ["dark", "bright"]\n')
    (repo / "offset.txt").write_text("0")
    edit(repo / ADAPTER, "* np.float32(gain)", '* np.float32(gain) + np.float32(open("../../offset.txt").read())')
    _stamped(repo)
    before = _raw(repo)
    (repo / "offset.txt").write_text("5")
    assert "infer" in to_run(repo)
    assert "measure" in built(repo)
    assert _raw(repo) != before
    assert str(repo) not in (workspace(repo) / "journal.jsonl").read_text()


def test_a_renamed_checkpoint_is_cited_by_its_new_name(built_repo: Path) -> None:
    (built_repo / "weights/tiny.onnx").rename(built_repo / "weights/other.onnx")
    edit(built_repo / YAML, "weights/tiny.onnx", "weights/other.onnx")
    ran = built(built_repo)
    assert {"probe", "contract"} <= set(ran) and not {"infer", "measure"} & set(ran)
    report = workspace(built_repo) / "reports/experiment-report.md"
    assert "other.onnx" in report.read_text()
    assert "tiny.onnx" not in (workspace(built_repo) / "outputs/contract.json").read_text()


# ---------------------------------------------------------------- nothing for nothing
def test_a_repository_that_moves_stays_fresh(built_repo: Path, tmp_path: Path) -> None:
    built_repo.rename(tmp_path / "moved")
    assert to_run(tmp_path / "moved") == set()


# ---------------------------------------------------------------- people's own words
def test_a_readme_in_another_encoding_keeps_its_bytes(built_repo: Path) -> None:
    readme = workspace(built_repo) / "README.md"
    readme.write_bytes(b"my caf\xe9\r\n" + readme.read_bytes())
    edit(built_repo / YAML, ">= 0.5", ">= 0.6")
    built(built_repo)
    assert readme.read_bytes().startswith(b"my caf\xe9\r\n")


def test_every_edit_of_a_report_is_kept(built_repo: Path) -> None:
    report = workspace(built_repo) / "reports/experiment-report.md"
    for words in ("first", "second"):
        report.write_text(words)
        doit(built_repo, "forget", "report", "exp=tiny")
        built(built_repo)
    assert sorted(p.read_text() for p in report.parent.glob("*.edited*.md")) == ["first", "second"]


# ---------------------------------------------------------------- ways out
def test_reproduce_needs_no_run_that_ended_well(built_repo: Path) -> None:
    (workspace(built_repo) / "scripts/reproduce.sh").unlink()
    done = tool(built_repo, "reproduce", "tiny")
    assert "byte for byte the same" in done.out, done.text


def test_an_adapter_with_an_editors_mark_is_read(repo: Path) -> None:
    (repo / ADAPTER).write_bytes(b"\xef\xbb\xbf" + (repo / ADAPTER).read_bytes())
    built(repo)


def test_an_adapter_that_is_not_utf8_is_one_line(repo: Path) -> None:
    (repo / ADAPTER).write_bytes(b'# coding: latin-1\nX = "\xe9"\n' + (repo / ADAPTER).read_bytes())
    done = doit(repo, "report", "exp=tiny")
    assert done.code == 2
    assert "is not UTF-8 at byte" in done.err
    assert "bug of assay" not in done.err


@pytest.mark.parametrize(
    "words", [("report", "tiny"), ("report", "tiny", "--json"), ("why", "tiny"), ("list",), ("help",)]
)
@pytest.mark.parametrize("where", ["> /dev/full", ">&-"])
def test_an_answer_that_cannot_be_written_is_no_traceback(built_repo: Path, words: tuple[str, ...], where: str) -> None:
    done = subprocess.run(
        f"{tiny.BIN}/assay {' '.join(words)} {where}",
        shell=True, cwd=built_repo, env=tiny.environment(), capture_output=True, text=True, timeout=tiny.HANG, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if where == ">&-" else 1)


def test_a_workspace_given_up_while_a_run_waits_is_not_built_into(repo: Path, made_repo: Callable[..., Path]) -> None:
    assert doit(repo, "checkpoint", "exp=tiny").code == 0
    place = workspace(repo)
    with open(place / ".lock", "a") as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        waits = start(repo, "refs", "exp=tiny")
        wait_for(lambda: _is_waiting(place / ".lock"), "the second run at the lock")
        shutil.rmtree(place)
        (repo / "tmp/.current/tiny").unlink()
    done = ended(waits)
    assert done.code == 1
    assert "given up while we waited" in done.err
    assert built(repo)
    assert len(journal(repo)) == len(BUILT)


def _is_waiting(lock: Path) -> bool:
    time.sleep(0.01)
    number = f":{lock.stat().st_ino} "
    return any("->" in line and number in line for line in Path("/proc/locks").read_text().splitlines())
