"""Upstream that writes sound, by the front door: what it writes is the answer, kept as a file to listen to."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from test_claims import record
from test_reading import agreements
from tiny import built, doit, workspace

onnx = pytest.importorskip("onnx")

ENHANCE = '''\
"""Make a sound softer."""

import argparse
import wave

import numpy as np
import onnxruntime


def load(path):
    with wave.open(path, "rb") as file:
        rate = file.getframerate()
        levels = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())
    return levels.mean(axis=1, dtype=np.float32) / 32768.0, rate


def save(path, samples, rate):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("--output", default="out.wav")
    parser.add_argument("--weights", default="soft.onnx")
    options = parser.parse_args()
    session = onnxruntime.InferenceSession(options.weights, providers=["CPUExecutionProvider"])
    samples, rate = load(options.input)
    softer = session.run(None, {"sound": samples[None]})[0][0]
    save(options.output, np.clip(softer, -1.0, 1.0), rate)
    print("wrote", options.output)


if __name__ == "__main__":
    main()
'''
README = "# Softer\n\n```\npython enhance.py data/a.wav --output out.wav --weights soft.onnx\n```\n"
EXPERIMENT = """\
model: {name: soft, checkpoint: weights/soft.onnx, task: audio}
source: {path: upstream}
device: cpu
inputs: {find: [refs], count: 2}
measure: {batch: [1], threads: [1], precision: [fp32], seconds: 0.05}
sandbox: plain
"""


def graph(path: Path) -> None:
    """Write a network that halves what goes in."""
    from onnx import TensorProto, helper

    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "samples"]) for name in ("sound", "softer")]
    half = onnx.numpy_helper.from_array(np.array(0.5, np.float32), "half")
    made = helper.make_graph([helper.make_node("Mul", ["sound", "half"], ["softer"])], "g", sides[:1], sides[1:], [half])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def tone(path: Path, hertz: float, rate: int) -> None:
    """Write a second of a tone."""
    levels = (np.sin(np.arange(rate) * 2 * np.pi * hertz / rate) * 20000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(levels.tobytes())


def sound(path: Path) -> "tuple[int, np.ndarray]":
    with wave.open(str(path)) as file:
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An upstream that makes sounds softer; there is no recipe."""
    root = tiny.make_repo(tmp_path_factory.mktemp("sounds") / "repo", experiment=EXPERIMENT)
    shutil.rmtree(root / "recipes/tiny")
    shutil.rmtree(root / "upstream")
    (root / "upstream/data").mkdir(parents=True)
    graph(root / "weights/soft.onnx")
    for name, hertz in (("a", 440.0), ("b", 700.0)):
        tone(root / f"upstream/data/{name}.wav", hertz, 8000)
    (root / "upstream/enhance.py").write_text(ENHANCE)
    (root / "upstream/README.md").write_text(README)
    yield root
    assert tiny.left_behind(root) == []


def test_what_upstream_writes_is_the_answer_and_is_kept(repo: Path) -> None:
    done = doit(repo, "report", "exp=tiny")
    assert done.code in (0, 1) and "Traceback" not in done.text, done.text
    by = record(repo, "contract")["functions"]
    assert (by["preprocess"], by["postprocess"]) == ("drafted", "drafted"), record(repo, "probe")["observation"]
    assert agreements(repo, "tiny") == {("same", "same", "same")}
    place = workspace(repo, "tiny")
    text = (place / "scripts/adapter.py").read_text()
    assert "return written_sound(lambda file: save(file, np.clip(softer, -1.0, 1.0), rate))" in text
    items: list[dict[str, Any]] = record(repo, "artifacts")["items"]
    assert [item["sound"] for item in items] == ["sounds/000.wav", "sounds/001.wav"]
    for item in items:
        assert hashlib.sha256((place / item["sound"]).read_bytes()).hexdigest() == item["sound_sha256"]
        assert item["picture"] == item["picture_sha256"] == ""
        (rate, given), (same, wrote) = sound(place / item["input"]), sound(place / item["sound"])
        assert rate == same == 8000 and np.abs(given / 2 - wrote).max() <= 2
    report = (place / "reports/experiment-report.md").read_text()
    assert items[0]["sound_sha256"] in report and "sounds/000.wav" in report


def test_a_sound_that_changed_on_the_disk_is_made_again(repo: Path) -> None:
    built(repo, "tiny", "decode")
    file = workspace(repo, "tiny") / "sounds/000.wav"
    whole = file.read_bytes()
    file.write_bytes(whole[:-2] + b"\x01\x02")
    assert "decode" in built(repo, "tiny", "decode") and file.read_bytes() == whole


def test_numbers_tell_the_sound_in_the_answers(repo: Path) -> None:
    built(repo, "tiny", "decode")
    result = json.loads((workspace(repo, "tiny") / "outputs/predictions.json").read_bytes())["items"][0]["result"]
    assert result["rate"] == 8000 and result["sound"]["shape"] == [8000, 1]
    assert result["sound"]["maximum"] == pytest.approx(20000 / 65536, rel=1e-3)


TORCH = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
LIBRARIES = {
    "soundfile": ("import soundfile as sf", "sf.write(options.output, np.clip(softer, -1.0, 1.0), rate, subtype='FLOAT')"),
    "scipy": ("from scipy.io import wavfile", "wavfile.write(options.output, rate, np.clip(softer, -1.0, 1.0))"),
    "scipy, whole numbers": ("from scipy.io.wavfile import write", "write(options.output, rate, (softer * 32767).astype(np.int16))"),
}


@pytest.mark.slow
@pytest.mark.skipif(not TORCH.exists(), reason="ASSAY_TORCH_PYTHON names none")
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_a_library_writes_is_the_answer(repo: Path, library: str) -> None:
    name, (imported, call) = library.partition(",")[0] + str(len(library)), LIBRARIES[library]
    if subprocess.run([TORCH, "-c", f"import onnxruntime; {imported}"], capture_output=True).returncode:
        pytest.skip(f"no {library} there")
    shutil.copytree(repo / "upstream", repo / name)
    script = ENHANCE.replace("import wave\n", f"import wave\n{imported}\n", 1)
    (repo / name / "enhance.py").write_text(script.replace("save(options.output, np.clip(softer, -1.0, 1.0), rate)", call))
    tiny.add_experiment(repo, name, EXPERIMENT.replace("path: upstream", f"path: {name}") + f"env: {{python: {TORCH}}}\n")
    built(repo, name, "agree")
    assert record(repo, "contract", name)["functions"]["postprocess"] == "drafted", record(repo, "probe", name)["observation"]["draft"]
    assert agreements(repo, name) == {("same", "same", "same")}
    for item in record(repo, "artifacts", name)["items"]:
        (rate, given), (same, wrote) = sound(workspace(repo, name) / item["input"]), sound(workspace(repo, name) / item["sound"])
        assert rate == same == 8000 and np.abs(given / 2 - wrote).max() <= 2


def test_the_sound_is_reproduced_without_assay(repo: Path) -> None:
    built(repo, "tiny", "report")
    place = workspace(repo, "tiny")
    command = ["sh", "scripts/reproduce.sh", str(repo / "weights/soft.onnx"), sys.executable]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
