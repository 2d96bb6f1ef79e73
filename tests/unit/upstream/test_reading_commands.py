"""The commands that installing upstream would make: where they are declared, what they call, who shows them."""

from pathlib import Path

import pytest
from reading_trees import read

APP = {
    "src/__init__.py": "",
    "src/pkg/__init__.py": "",
    "src/pkg/app/__init__.py": "from .main import main\n",
    "src/pkg/app/args.py": "def add_args(p):\n    p.add_argument('--wav', type=str)\n    return p\n",
    "src/pkg/app/main.py": "import argparse\nimport torch\nfrom .args import add_args\n\ndef main():\n"
    "    args = add_args(argparse.ArgumentParser()).parse_args()\n    torch.load(args.wav)\n",
    "README.md": "pkg removes noise.\n\n    pkg --wav a.wav\n\n    pkg is small\n\n```\n$ pkg --wav b.wav | less\n```\n`pkg` too.\n",
}  # fmt: skip
DECLARED = {
    "setup.py": "from setuptools import setup\nraise SystemExit\nmade = ['pkg=pkg.app:main']\nsetup(entry_points={'console_scripts': made})\n",
    "setup.cfg": "[options.entry_points]\nconsole_scripts =\n    pkg = pkg.app:main\n",
    "pyproject.toml": "[project.scripts]\npkg = 'pkg.app:main'\n",
}  # fmt: skip


@pytest.mark.parametrize("file", DECLARED)
def test_an_installed_command_is_read_to_the_file_that_defines_it(tmp_path: Path, file: str) -> None:
    found = read(tmp_path, {**APP, file: DECLARED[file]}, [])
    assert found.entrypoints[0].path == "t/src/pkg/app/main.py"
    assert {"a document runs it", "is the command pkg"} <= set(found.entrypoints[0].reasons)
    first = found.scripts[0]
    assert (first.path, first.call, first.guarded) == ("t/src/pkg/app/main.py", "pkg.app:main", False)
    assert [option.flags for option in first.options] == [["--wav"]]
    assert [(c.argv, c.where) for c in first.commands] == [
        (["--wav", "a.wav"], "t/README.md:3"),
        (["--wav", "b.wav"], "t/README.md:8"),
    ]


@pytest.mark.parametrize(
    "setup",
    [
        "setup(entry_points='''\n[console_scripts]\npkg = pkg.app:main\n''')",
        "setup(entry_points={'console_scripts': 'pkg = pkg.app:main [extra]'})",
        "entry = 'pkg = pkg.app:main'\nsetup(entry_points={'gui': [], 'console_scripts': (entry,)})",
    ],
)
def test_ways_to_declare_a_command_in_setup_py(tmp_path: Path, setup: str) -> None:
    assert read(tmp_path, {**APP, "setup.py": setup}, []).scripts[0].call == "pkg.app:main"


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": "setup(entry_points={'console_scripts': ['pkg=' + name]})"},
        {"setup.py": "setup(entry_points='not an ini')"},
        {"setup.py": "print 'x'"},
        {"pyproject.toml": "[project.scripts\n"},
        {"pyproject.toml": "[project.scripts]\npkg = 'pkg.app:gone'\n"},
        {"pyproject.toml": "[project.scripts]\npkg = 'gone.app:main'\n"},
        {"pyproject.toml": "[project.scripts]\npkg = 'lib.cli:main'\n", "old/lib/cli.py": "def main(): pass\n", "new/lib/cli.py": "def main(): pass\n"},
    ],
)  # fmt: skip
def test_a_command_that_leads_nowhere_is_none(tmp_path: Path, files: "dict[str, str]") -> None:
    found = read(tmp_path, {**APP, **files}, [])
    assert not any(one.call for one in found.scripts)
    assert not any("is the command" in reason for entry in found.entrypoints for reason in entry.reasons)


def test_of_several_commands_of_a_file_the_one_that_infers(tmp_path: Path) -> None:
    text = "import argparse, torch\ndef train(): pass\ndef detect(): torch.load('x')\n"
    declared = "[project.scripts]\nnet-train = 'cli:train'\nnet-detect = 'cli:detect'\n"
    readme = "```\nnet-train x\nnet-detect y\n```\n"
    found = read(tmp_path, {"cli.py": text, "pyproject.toml": declared, "README.md": readme}, []).scripts[0]
    assert (found.call, [c.argv for c in found.commands]) == ("cli:detect", [["y"]])
