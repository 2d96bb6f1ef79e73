"""What upstream declares, from every kind of file; broken ones are named, none is fatal."""

from pathlib import Path

import pytest

from assay.records import Requirement
from assay.upstream.requirements import survey


def read(tree: Path, files: "dict[str, str | bytes]") -> tuple[list[Requirement], list[str]]:
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = survey(tree)
    return found.requirements, found.unreadable


def short(requirements: list[Requirement]) -> list[tuple[str, str, int, str]]:
    return [(r.name, r.specifier, r.line, r.kind) for r in requirements]


def test_a_requirements_file(tmp_path: Path) -> None:
    text = (
        "# a comment\n"
        "torch>=1.9,<3  # why\n"
        "\n"
        'numpy ; python_version < "3.12"\n'
        "uvicorn[standard]==0.1\\\n"
        "  --hash=sha256:00\n"
        "--extra-index-url https://user:s3cr3t@example.invalid/simple\n"
        "-e git+https://example.invalid/a#egg=alpha\n"
        "../elsewhere\n"
        "beta @ https://example.invalid/b.whl\n"
        "-r requirements-dev.txt\n"
        "-r ../../../etc/passwd\n"
        "not a requirement!\n"
    )
    found, unreadable = read(tmp_path, {"requirements.txt": text, "requirements-dev.txt": "\ufeffpytest\n"})
    main = [r for r in found if r.file == "requirements.txt"]
    assert short(main) == [
        ("torch", "<3,>=1.9", 2, "runtime"), ("numpy", "", 4, "runtime"), ("uvicorn", "==0.1", 5, "runtime"),
        ("", "", 7, "option"), ("alpha", "", 8, "option"), ("", "", 9, "option"), ("beta", "", 10, "option"),
        ("", "", 12, "option"),
    ]  # fmt: skip
    assert main[1].marker == 'python_version < "3.12"'
    assert "s3cr3t" not in str(found)
    assert short([r for r in found if r.file == "requirements-dev.txt"]) == [("pytest", "", 1, "optional")]
    assert unreadable == ["requirements.txt:13 (not a requirement: not a requirement!)"]


def test_a_pyproject(tmp_path: Path) -> None:
    text = """
[build-system]
requires = ["setuptools>=61"]
[project]
name = "x"
requires-python = ">=3.8"
dependencies = [
  "torch>=2",
  "numpy",
]
[project.optional-dependencies]
onnx = ["onnxruntime"]
[dependency-groups]
dev = ["ruff", {include-group = "x"}]
[tool.poetry.dependencies]
python = "^3.9"
scipy = "^1.2.3"
timm = "~0.6"
einops = "*"
mine = {path = "../mine"}
extra = {version = "1.0", optional = true}
[tool.poetry.group.dev.dependencies]
black = "^0.1"
[tool.pixi.pypi-dependencies]
kornia = ">=0.7, <1"
"""
    found, unreadable = read(tmp_path, {"pyproject.toml": text})
    assert unreadable == []
    assert short(found) == [
        ("setuptools", ">=61", 3, "build"), ("python", ">=3.8", 6, "runtime"), ("torch", ">=2", 8, "runtime"),
        ("numpy", "", 9, "runtime"), ("onnxruntime", "", 12, "optional"), ("ruff", "", 14, "optional"),
        ("python", "<4,>=3.9", 16, "runtime"), ("scipy", "<2,>=1.2.3", 17, "runtime"),
        ("timm", "<0.7,>=0.6", 18, "runtime"),
        ("einops", "", 19, "runtime"), ("mine", "", 20, "option"), ("extra", "==1.0", 21, "optional"),
        ("black", "<0.2,>=0.1", 23, "optional"), ("kornia", ">=0.7,<1", 25, "runtime"),
    ]  # fmt: skip


def test_setup_py_is_parsed_and_never_run(tmp_path: Path) -> None:
    text = (
        "import os\nfrom setuptools import setup\n"
        f"open({str(tmp_path / 'ran')!r}, 'w')\n"
        "NEEDS = ['torch', 'numpy>=1.20']\n"
        "setup(\n    name='x',\n    install_requires=NEEDS,\n    python_requires='>=3.7',\n"
        "    extras_require={'a': ['scipy'],\n 'b': 'timm'},\n    setup_requires=open('r.txt').read(),\n)\n"
    )
    found, unreadable = read(tmp_path, {"setup.py": text})
    assert not (tmp_path / "ran").exists()
    assert short(found) == [
        ("numpy", ">=1.20", 4, "runtime"), ("torch", "", 4, "runtime"), ("python", ">=3.7", 8, "runtime"),
        ("scipy", "", 9, "optional"), ("timm", "", 10, "optional"),
    ]  # fmt: skip
    assert unreadable == ["setup.py:11 (setup_requires is computed)"]


def test_setup_cfg_conda_and_pixi(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "setup.cfg": "[options]\npython_requires = >=3.8\ninstall_requires =\n    torch\n    numpy>1 # why\n"
        "[options.extras_require]\ndocs =\n    sphinx\n",
        "environment.yml": "name: x\ndependencies:\n  - python=3.8\n  - pytorch=1.9.0=py3.8_cuda\n"
        "  - conda-forge::scipy>=1\n  - pip\n  - pip:\n    - timm==0.4\n    - git+https://example.invalid/a\n",
        "pixi.toml": '[dependencies]\npython = "3.11.*"\n[feature.gpu.pypi-dependencies]\ncupy = {version = ">=13"}\n',
    }
    found, unreadable = read(tmp_path, files)
    assert unreadable == []
    assert short([r for r in found if r.file == "setup.cfg"]) == [
        ("python", ">=3.8", 2, "runtime"), ("torch", "", 4, "runtime"), ("numpy", ">1", 5, "runtime"),
        ("sphinx", "", 8, "optional"),
    ]  # fmt: skip
    assert short([r for r in found if r.file == "environment.yml"]) == [
        ("python", "==3.8.*", 3, "runtime"), ("pytorch", "==1.9.0", 4, "runtime"), ("scipy", ">=1", 5, "runtime"),
        ("pip", "", 6, "runtime"), ("timm", "==0.4", 8, "runtime"), ("", "", 9, "option"),
    ]  # fmt: skip
    assert short([r for r in found if r.file == "pixi.toml"]) == [
        ("python", "==3.11.*", 2, "runtime"), ("cupy", ">=13", 4, "optional"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("setup.py", b"print 'x'\n"),
        ("setup.py", b"x = " + b"-" * 100_000 + b"1\n"),
        ("setup.py", b"x = 1\0\n"),
        ("setup.py", b"\xff\xfe\xff"),
        ("setup.cfg", b"no section\n"),
        ("pyproject.toml", b"[project\n"),
        ("pyproject.toml", b"a = " + b"[" * 5000),
        ("environment.yml", b"a: &a [x]\nb: *a\n"),
        ("environment.yml", b"[" * 20_000),
        ("environment.yml", b"a: [\n"),
        ("requirements.txt", b"\xff\xfe\xff"),
        ("requirements.txt", b"a" * (2 << 20)),
    ],
)
def test_a_broken_file_is_named_and_the_others_are_read(tmp_path: Path, name: str, data: bytes) -> None:
    found, unreadable = read(tmp_path, {name: data, "sub/requirements.txt": "numpy\n"})
    assert short(found) == [("numpy", "", 1, "runtime")]
    assert [entry.partition(" ")[0] for entry in unreadable] == [name]


@pytest.mark.parametrize("text", ["project = 1\n", "[project]\ndependencies = 'x'\n", "[tool]\npoetry = []\n"])
def test_tables_of_another_shape_are_passed_over(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, {"pyproject.toml": text}) == ([], [])


def test_a_utf16_requirements_file_is_read(tmp_path: Path) -> None:
    assert short(read(tmp_path, {"requirements.txt": "torch\r\n".encode("utf-16")})[0]) == [("torch", "", 1, "runtime")]


def test_what_a_tree_holds(tmp_path: Path) -> None:
    read(
        tmp_path, {"README.md": "", "a.py": "", "pkg/b.py": "", "docs/guide.rst": "", "Makefile": "", ".git/config": ""}
    )
    (tmp_path / "link.py").symlink_to("a.py")
    found = survey(tmp_path)
    assert found.files == 5
    assert found.by_suffix == {"(none)": 1, ".md": 1, ".py": 2, ".rst": 1}
    assert found.python_files == ["a.py", "pkg/b.py"]
    assert found.documents == ["README.md", "docs/guide.rst"]
