"""docs/security.md: each promise names the tests that prove it; and no way to load a file unsafely is written down."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIB = ROOT / "lib" / "assay"
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
ALLOWED_IN = {"torch.jit.load": "torch_program.py", "torch.export.load": "torch_program.py"}  # on trust, in the sandbox
LOADERS = {"torch", "onnxruntime", "onnx", "safetensors", "tensorflow", "keras", "tensorrt", "openvino", "transformers"}
# upstream's own code, where upstream's code runs anyway: in the sandbox; and a text of our own
EVALUATES = {"entry.py", "match_arguments.py", "removed.py"}
UNSAFE_WORDS = {("weights_only", False), ("allow_pickle", True), ("trust_remote_code", True)}


def promises() -> dict[str, str]:
    """Give each promise of the page with its row."""
    part = PAGE.read_text("utf-8").split("## The promises", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in part.splitlines() if re.match(r"\| P\d", line)]
    return {row.split("|")[1].strip(): row for row in rows}


def test_every_promise_is_there() -> None:
    assert list(promises()) == [f"P{n}" for n in range(1, 16)]


@pytest.mark.parametrize("name", [f"P{n}" for n in range(1, 16)])
def test_every_promise_names_tests_that_are_there(name: str) -> None:
    named = NAMED.findall(promises()[name])
    assert named
    for file, function in named:
        defined = {n.name for n in ast.walk(ast.parse((ROOT / file).read_bytes())) if isinstance(n, ast.FunctionDef)}
        assert function in defined, f"{file} has no {function}"


@pytest.mark.parametrize("path", sorted(LIB.rglob("*.py")), ids=lambda p: str(p.relative_to(LIB)))
def test_no_unsafe_load_is_written_anywhere(path: Path) -> None:
    """A fallback from a safe load to an unsafe one cannot happen where there is no unsafe one."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            roots = {name.split(".")[0] for name in names}
            assert not roots & UNPICKLERS, f"line {node.lineno}"
            assert not roots & LOADERS or "worker" in path.parts, f"line {node.lineno}: only a worker loads models"
        if isinstance(node, ast.Call):
            said = ast.unparse(node.func)
            if re.fullmatch(r"(torch|pickle|numpy|np)\.(\w+\.)*loads?", said) and said != "numpy.load":
                assert ALLOWED_IN.get(said) == path.name, f"line {node.lineno}: {said}"
            assert said not in ("eval", "builtins.eval") or path.name in EVALUATES, f"line {node.lineno}"
            words = {(k.arg, k.value.value) for k in node.keywords if isinstance(k.value, ast.Constant)}
            assert not words & UNSAFE_WORDS, f"line {node.lineno}"
