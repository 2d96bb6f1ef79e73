"""Inspect through the front door: any file, without an experiment or a repository; nothing run, nothing waited for."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.records import from_json
from door_said import same_as_golden
from tiny import BIN, Done, built, doit, environment, tool, workspace

DATA = Path(__file__).parents[1] / "data"
SHOWN = (
    "torch/checkpoint.pt", "torch/ema.pt", "torch/kinds.pt", "torch/program.pt2", "torch/script.pt", "torch/state.pth",
    "pickle/arrays.joblib",
)  # fmt: skip
LIMIT = 20  # seconds: a hang, not a measurement


class Evil:
    """A payload that would leave a mark."""

    def __reduce__(self) -> "tuple[object, tuple[str]]":
        return os.system, ("touch executed",)


def inspect(folder: Path, *words: str, seconds: int = LIMIT) -> Done:
    """Run assay inspect where there is no repository."""
    done = subprocess.run(
        [str(BIN / "assay"), "inspect", *words], cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
        capture_output=True, timeout=seconds, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_on_one_screen(name: str, tmp_path: Path) -> None:
    shutil.copy(DATA / name, tmp_path)
    done = inspect(tmp_path, name.rpartition("/")[2])
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) <= 30 and max(map(len, done.out.splitlines())) <= 100
    same_as_golden("inspect", name, done, tmp_path)


def test_a_payload_is_shown_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weights": Evil()}))
    done = inspect(tmp_path, "model.pkl")
    assert done.code == 0
    assert "DANGEROUS posix.system: can run commands" in done.out
    assert "only after the experiment says" in done.out
    assert [p.name for p in tmp_path.iterdir()] == ["model.pkl"]


def test_the_record_for_machines(tmp_path: Path) -> None:
    shutil.copy(DATA / "torch/state.pt", tmp_path)
    done = inspect(tmp_path, "state.pt", "--json")
    found = from_json("checkpoint", json.loads(done.out))
    assert (found.format.name, len(found.tensors), found.parameters) == ("torch-zip", 9, 47)
    assert len(found.sha256) == 64 and found.values is not None
    quick = from_json("checkpoint", json.loads(inspect(tmp_path, "state.pt", "--json", "--quick").out))
    assert (quick.sha256, quick.values, quick.tensors) == ("", None, found.tensors)


def test_every_tensor_when_asked(tmp_path: Path) -> None:
    shutil.copy(DATA / "torch/state.pt", tmp_path)
    lines = inspect(tmp_path, "state.pt", "--tensors").out.splitlines()
    assert "3.weight float32 [2, 8]" in lines and len(lines) > 18


def test_several_files_each_with_its_answer(tmp_path: Path) -> None:
    shutil.copy(DATA / "torch/state.pt", tmp_path)
    (tmp_path / "page.pt").write_text("<!DOCTYPE html><html>404</html>")
    done = inspect(tmp_path, "page.pt", "state.pt", "gone.pt")
    assert done.code == 2 and "state.pt\n" in done.out
    assert done.err.splitlines() == [
        "assay: page.pt: this is an HTML page of 31 bytes, not the weights; fetch the file itself, not the page about it",
        "assay: gone.pt: no such file; check the path",
    ]


def test_what_is_described_and_still_cannot_be_used(tmp_path: Path) -> None:
    shutil.copy(DATA / "torch/state.pt", tmp_path / "state.onnx")
    done = inspect(tmp_path, "state.onnx")
    assert (done.code, "9 tensors" in done.out) == (2, True)
    assert done.err == (
        "assay: state.onnx: its name says onnx, its bytes are a torch archive; "
        "rename it, or name it by a link that says what it is\n"
    )


def test_a_link_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    shutil.copy(DATA / "torch/state.pt", tmp_path / "weights")
    (tmp_path / "best.pt").symlink_to("weights/state.pt")
    said = "".join(inspect(tmp_path, "best.pt").out.split())  # a long path is broken into lines
    assert f"linkto{tmp_path.resolve()}/weights/state.pt" in said


@pytest.mark.parametrize("kind", ["fifo", "device", "sparse", "sparse_pickle", "sparse_safetensors"])
def test_what_would_hang_or_fill_memory_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("model.safetensors" if kind == "sparse_safetensors" else "model.pt")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        head = {"sparse_pickle": b"\x80\x02", "sparse_safetensors": (90_000_000).to_bytes(8, "little")}
        path.write_bytes(head.get(kind, b""))
        os.truncate(path, 6 << 30)
    code = f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20)); from assay.cli import run; sys.exit(run(['inspect', {str(path)!r}]))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, timeout=LIMIT, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("assay: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_an_experiment_as_it_was_recorded_or_as_it_lies_there(repo: Path) -> None:
    before = doit(repo, "inspect", "exp=tiny")
    assert before.code == 0 and "not built yet: as the file lies there" in before.out
    assert not (repo / "tmp").exists() or not list((repo / "tmp").glob("tiny-*"))
    assert "checkpoint" in built(repo, "tiny", "checkpoint")
    after = tool(repo, "inspect", "tiny")
    assert "not built yet" not in after.out
    assert before.out.replace("            not built yet: as the file lies there\n", "") == after.out
    record = json.loads((workspace(repo) / "outputs/checkpoint.json").read_text())
    assert json.loads(doit(repo, "inspect", "exp=tiny", "--json").out) == record


def test_usage(tmp_path: Path) -> None:
    done = inspect(tmp_path)
    assert done.code == 2
    assert done.err == (
        "assay: inspect needs a file or an experiment; assay inspect FILE, or assay inspect EXPERIMENT\n"
    )
