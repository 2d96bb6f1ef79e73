"""Every fault text of experiment files, compared with tests/golden/yaml_errors.txt."""

import os
import pathlib
import re
import time

import pytest

from assay.config.spec import read_experiment
from assay.errors import WrongInputs

GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
BYTES = {
    "latin1": b"model: {name: caf\xe9}\n",
    "utf16": "model: {name: x}\n".encode("utf-16"),
    "nul": b"model: {name: a}\n# \x00\n",
    "control": b"device: cpu\nmodel: {name: \x1b[31m}\n",
    "too_large": b"# " + b"a" * (1 << 20),
    "deep_list": b"a: " + b"[" * 20_000 + b"]" * 20_000,
    "deep_map": b"a: " + b"{a: " * 20_000 + b"1" + b"}" * 20_000,
    "deep_block": "".join(" " * n + "a:\n" for n in range(300)).encode(),
    "many_values": b"a: [" + b"1," * 100_000 + b"1]",
    "long_value": b"device: " + b"x" * 100_000,
    "many_digits": b"model: {name: x, checkpoint: a.onnx}\nmeasure: {batch: " + b"9" * 10_000 + b"}\n",
}


def cases() -> dict[str, bytes]:
    text = (GOLDEN / "yaml_errors_cases.txt").read_text(encoding="utf-8")
    named = dict(part.split("\n", 1) for part in text.split("=== ")[1:])
    return {**{name: body.encode() for name, body in named.items()}, **BYTES}


def said(root: pathlib.Path, text: bytes) -> str:
    (root / "experiments").mkdir(exist_ok=True)
    (root / "experiments" / "x.yaml").write_bytes(text)
    with pytest.raises(WrongInputs) as caught:
        read_experiment(root, "x")
    return str(caught.value)


def test_every_fault_text(tmp_path: pathlib.Path) -> None:
    found = "".join(f"=== {name}\n{said(tmp_path, text)}\n" for name, text in cases().items())
    golden = GOLDEN / "yaml_errors.txt"
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_every_line_names_its_place_and_a_cure(tmp_path: pathlib.Path) -> None:
    for name, text in cases().items():
        for line in said(tmp_path, text).splitlines():
            assert re.match(r"experiments/x\.yaml:\d+(:\d+)?: ", line), (name, line)
            assert "; " in line, (name, line)
            assert "s3cr3t" not in line, (name, line)
            assert line.isprintable(), (name, line)
            assert len(line) < 320, (name, line)


def test_faults_come_in_the_order_of_lines(tmp_path: pathlib.Path) -> None:
    numbers = [int(line.split(":")[1]) for line in said(tmp_path, cases()["everything_at_once"]).splitlines()]
    assert numbers == sorted(numbers)
    assert len(numbers) >= 5


@pytest.mark.parametrize(
    "text",
    (
        "".join(f"warmup{n}: 1\n" for n in range(9000)),
        "inputs: {find: [" + ", ".join(f"ref{n}" for n in range(9000)) + "]}",
        "targets:\n" + "".join(f"  latency{n}: <= 1\n" for n in range(9000)),
        "contract: {a: {" + ", ".join(f"why{n}: x" for n in range(9000)) + "}}",
        "targets:\n  ? '" + " " * 900_000 + "x'\n  : <= 1",
        "source: {repo: 'https://" + "a" * 900_000 + "!'}",
        "params: {a: 'a" + "://a" * 200_000 + "'}",
        "model: {task: '" + "a-" * 400_000 + "!'}",
        "params: {a: " + "1" * 900_000 + "x}",
    ),
    ids=range(9),
)
def test_large_wrong_files_are_refused_quickly(tmp_path: pathlib.Path, text: str) -> None:
    before = time.process_time()
    said(tmp_path, text.encode())
    assert time.process_time() - before < 2


def test_very_many_faults_are_cut(tmp_path: pathlib.Path) -> None:
    lines = said(tmp_path, b"".join(b"k%d: 1\n" % n for n in range(200))).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "experiments/x.yaml: there are more faults; mend these first"
