"""The house keeps its shape: small files, small functions, imports that go one way, a worker on its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "lib" / "assay"
FILES = sorted(LIB.rglob("*.py"))
MOST_LINES, LONGEST_FUNCTION = 400, 50
# from the ground up; a module may import its own layer and those before it, stages and commands never one another
LAYERS = (
    ("errors", "canonical", "units", "layout", "plan", "freshness", "projection", "stamp", "commands"),
    ("files", "proc", "domain", "records", "hardware", "commandline", "stopping", "terminal"),
    ("digests", "config", "formats", "envs", "upstream", "statistics", "quality", "claims", "drafts",
     "huggingface", "truth", "examination", "trust"),
    ("code", "report", "isolation", "bridge", "adapters", "observation"),
    ("journal",),
    ("workspace",),
    ("requests", "scripts"),
    ("stages",),
    ("build",),
    ("session",),
    ("engines.progress", "summary", "consent"),
    ("engines", "commands.*"),
    ("door",),
    ("cli", "fast", "__main__", "engines.doit_list"),
)
FRAMEWORKS = {"numpy", "onnxruntime", "PIL", "torch", "pynvml", "assay_worker", "soundfile"}
HEAVY = ("numpy", "jinja2", "tabulate", "PIL", "onnx", "onnxruntime", "torch", "packaging", "tomllib")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(LIB).with_suffix("").parts).removesuffix(".__init__")


def layer(module: str) -> int:
    for depth, names in enumerate(LAYERS):
        for name in names:
            if module == name or (name.endswith(".*") and module.startswith(name[:-1])):
                return depth
    for depth, names in enumerate(LAYERS):
        if module.split(".")[0] in names:
            return depth
    raise AssertionError(f"{module} has no layer: give it one in LAYERS")


def own_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    hints = [s for s in tree.body if isinstance(s, ast.If) and ast.unparse(s.test) == "TYPE_CHECKING"]
    skipped = {id(n) for s in hints for n in ast.walk(s)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and (node.module or "").split(".")[0] == "assay":
            base = str(node.module).removeprefix("assay").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                place = LIB.joinpath(*inner.split("."))
                found.add(inner if place.with_suffix(".py").exists() or place.is_dir() else base)
    return found - {""}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, f"{node.name} is too long"


@pytest.mark.parametrize("path", [f for f in FILES if "worker" not in f.parts], ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    module = name_of(path)
    for other in own_imports(path):
        assert layer(other) <= layer(module), f"{module} may not import {other}"
        if module.startswith("stages.") and other.startswith("stages."):
            assert other == "stages.job"


@pytest.mark.parametrize("path", sorted((LIB / "worker").rglob("*.py")), ids=lambda p: p.name)
def test_the_worker_stands_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top in FRAMEWORKS, f"{path.name} imports {name}"


def test_only_the_engine_imports_doit() -> None:
    for path in FILES:
        if any(line.lstrip().startswith(("import doit", "from doit")) for line in path.read_text("utf-8").splitlines()):
            assert name_of(path) in ("engines.doit", "engines.doit_list", "door"), path


def test_looking_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "a.yaml").write_text("model: {checkpoint: a.onnx, name: a}\n")
    (tmp_path / "a.onnx").write_bytes(b"x")
    code = (
        f"import sys; from assay import cli; cli.run(['-d', {str(tmp_path)!r}, 'list']); "
        f"cli.run(['-d', {str(tmp_path)!r}, 'why']); print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_fast_path_loads_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import assay.fast, assay.stamp; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    allowed = {"assay", "assay.fast", "assay.stamp", "json", "json.decoder", "json.encoder", "json.scanner", "_json",
               "re", "re._casefix", "re._compiler", "re._constants", "re._parser", "_sre", "enum", "functools", "types",
               "operator", "_operator", "collections", "_collections", "keyword", "reprlib", "copyreg", "itertools",
               "_functools"}  # fmt: skip
    assert set(ast.literal_eval(done.stdout)) <= allowed


def test_style() -> None:
    root = LIB.parents[1]
    for command in (["ruff", "check", "lib", "tests", "dodo.py"], ["ruff", "format", "--check", "lib", "dodo.py"], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
