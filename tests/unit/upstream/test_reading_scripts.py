"""How scripts are run, what documents show, which names and settings lie about."""

from pathlib import Path

from reading_trees import read, weights

from assay.records.upstream import Script

LOADS = "import torch\n\nif __name__ == '__main__':\n    torch.load('x')\n"


def script(folder: Path, files: "dict[str, str]") -> Script:
    return read(folder, files, []).scripts[0]


def test_options_of_argparse(tmp_path: Path) -> None:
    text = (
        "import argparse\ndef get():\n    p = argparse.ArgumentParser()\n"
        "    p.add_argument('--conf-thres', '-c', type=float, default=0.25, help='least score')\n"
        "    p.add_argument('image')\n    p.add_argument('--save', action='store_true')\n"
        "    p.add_argument('--size', nargs='+', type=int, default=[64, 32], choices=[[1], [2]], dest='imgsz')\n"
        "    p.add_argument('--device', default=pick())\n    return p.parse_args()\n"
    )  # fmt: skip
    found = script(tmp_path, {"detect.py": text + LOADS})
    shown = [(o.flags, o.dest, o.default, o.type, o.action, o.required, o.nargs, o.line) for o in found.options]
    assert shown == [
        (["--conf-thres", "-c"], "conf_thres", 0.25, "float", "", False, None, 4),
        (["image"], "image", None, "", "", True, None, 5),
        (["--save"], "save", False, "bool", "store_true", False, None, 6),
        (["--size"], "imgsz", [64, 32], "int", "", False, "+", 7),
        (["--device"], "device", {"unknown": "pick()"}, "", "", False, None, 8),
    ]
    assert found.guarded and found.options[0].help == "least score"


def test_options_of_click_of_sys_argv_and_of_what_is_imported(tmp_path: Path) -> None:
    click = "import click\n@click.command()\n@click.option('--n', default=3)\n@click.option('--v', is_flag=True)\ndef main(n, v): pass\n"
    assert [(o.dest, o.default, o.action) for o in script(tmp_path / "a", {"detect.py": click + LOADS}).options] == [
        ("n", 3, ""), ("v", False, "store_true"),
    ]  # fmt: skip
    argv = "import sys\npath = sys.argv[2]\nmodel = sys.argv[1]\n"
    assert [(o.dest, o.required) for o in script(tmp_path / "b", {"detect.py": argv + LOADS}).options] == [("argv1", True), ("argv2", True)]
    files = {
        "opts.py": "import argparse\ndef parse():\n    p = argparse.ArgumentParser()\n    p.add_argument('--w', default='a.pth')\n    return p\n",
        "detect.py": "from opts import parse\nargs = parse()\n" + LOADS,
    }  # fmt: skip
    assert [o.flags for o in script(tmp_path / "c", files).options] == [["--w"]]


def test_commands_in_documents(tmp_path: Path) -> None:
    readme = (
        "# Use\n```sh\n$ cd tools && python detect.py --img a.jpg \\\n    --out 'b c'\n```\n"
        "```\npython3 -W ignore tools/detect.py x > log  # quick\npython -m tools.detect y | tee z\n```\n"
        "Or `CUDA_VISIBLE_DEVICES=0 python tools/detect.py --k=1`. Not python other.py.\n"
    )  # fmt: skip
    found = script(tmp_path, {"tools/detect.py": LOADS, "README.md": readme})
    assert [(c.argv, c.where, c.cd) for c in found.commands] == [
        (["--img", "a.jpg", "--out", "b c"], "t/README.md:3", "tools"),
        (["x"], "t/README.md:7", ""),
        (["y"], "t/README.md:8", ""),
        (["--k=1"], "t/README.md:10", ""),
    ]


def test_snippets_that_use_the_tree(tmp_path: Path) -> None:
    readme = (
        "```python\nimport pkg\npkg.run()\n```\n```python\nimport torch\n```\n```\n>>> from pkg import net\n>>> net(1)\n2\n```\n"
        "```python\nimport pkg\nthis is no python\n```\n"
    )
    found = read(tmp_path, {"pkg/__init__.py": "", "README.md": readme}, []).snippets
    assert [(s.path, s.line, s.text) for s in found] == [
        ("t/README.md", 2, "import pkg\npkg.run()\n"),
        ("t/README.md", 9, "from pkg import net\nnet(1)\n"),
    ]


def test_labels(tmp_path: Path) -> None:
    files = {
        "data/coco.names": "person\ncar\n", "cfg/d.yaml": "nc: 2\nnames: [cat, dog]\n", "id.json": '{"id2label": {"0": "no", "1": "yes"}}',
        "a.py": "CLASSES = ('x', 'y')\nnames = ['out.png', 'p/q.jpg']\nopen('d.yaml'), open('id.json')\nlabels = [1, 2]\n",
    }  # fmt: skip
    found = read(tmp_path, files, []).labels
    assert [(one.where, one.names, one.count) for one in found] == [
        ("t/data/coco.names:1", ["person", "car"], 2), ("t/id.json:1", ["no", "yes"], 2),
        ("t/cfg/d.yaml:2", ["cat", "dog"], 2), ("t/a.py:1", ["x", "y"], 2),
    ]  # fmt: skip


def test_settings_are_those_that_something_names(tmp_path: Path) -> None:
    files = {"a.yaml": "x: 1", "b.yaml": "x: 1", "run.py": "open('a.yaml')", "c.json": "{}", "README.md": "see c.json"}
    assert read(tmp_path, files, []).configs == ["t/a.yaml", "t/c.json"]


def test_a_script_that_loads_by_what_it_imports(tmp_path: Path) -> None:
    files = {
        "test.py": "from lib.model import load\n\nif __name__ == '__main__':\n    load()\n",
        "lib/model.py": "import torch\ndef load():\n    return torch.load('x')\n",
        "test_other.py": "print()\n\nif __name__ == '__main__':\n    pass\n",
    }
    found = read(tmp_path, files, []).entrypoints
    assert found[0].path == "t/test.py" and "loads a model by what it imports" in found[0].reasons


def test_broken_files_are_told(tmp_path: Path) -> None:
    deep = "x = " + "(" * 150 + "1" + ")" * 150 + "\nY = " + " + ".join(["'a'"] * 3_000) + "\nCLASSES = " + "-" * 2_000 + "1\n"
    long = " + ".join(["a"] * 900)
    deep += f"import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self, a={long}):\n        self.fc = nn.Linear({long}, 1)\nNet({long})\n"
    script = f"import argparse\np = argparse.ArgumentParser()\np.add_argument('--a', default={long})\n"
    found = read(tmp_path, {"old.py": "print 'x'\n", "deep.py": deep, "detect.py": script + LOADS}, weights("fc.weight"))
    assert "t/old.py: not Python 3: line 1" in found.notes
    assert [entry.path for entry in found.entrypoints] == ["t/detect.py"]


def test_what_no_record_can_hold_is_unknown(tmp_path: Path) -> None:
    text = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--a', default=float('inf'))\n"
        "p.add_argument('--b', default='\\ud800')\np.add_argument('--c', default=10 ** 40)\nCLASSES = ['\\ud800', 'x']\n"
    )
    found = read(tmp_path, {"detect.py": text + LOADS}, [])
    assert [o.default for o in found.scripts[0].options] == [{"unknown": s} for s in ("float('inf')", "'\\ud800'", "10 ** 40")]
    assert found.labels == []
    from assay.canonical import dumps
    from assay.records import Source, from_json, to_json

    whole = Source(files=1, by_suffix={}, python_files=[], documents=[], requirements=[], unreadable=[], scripts=found.scripts)
    assert from_json("source", to_json(whole)) == whole and dumps(to_json(whole)).encode()


def test_ten_thousand_files_are_not_all_read(tmp_path: Path) -> None:
    from assay.records import Module
    from assay.upstream import reading, scripts

    modules = [Module(path=f"t/f{n}.py", imports=[]) for n in range(10_000)]
    found = reading.read({"t": tmp_path}, scripts.Scripts(modules, {}, set(), [], {}, {}, {}), [])
    assert found.notes == ["10000 of 10000 Python files, the farthest from the entrypoints, were not looked into"]
