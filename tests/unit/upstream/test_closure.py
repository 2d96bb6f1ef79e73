"""What a file of upstream runs: the shapes of seven repositories and every way in which scanners went wrong."""

from assay.records import Import, Module
from assay.upstream.closure import Closure, closure
from assay.upstream.importing import read

Tree = dict[str, str]


def modules(tree: Tree, name: str = "t") -> list[Module]:
    found = []
    for path, text in tree.items():
        imports, broken = read(text)
        found.append(Module(path=f"{name}/{path}", imports=imports, broken=broken))
    return found


def reach(tree: Tree, *roots: str, start: str = "") -> Closure:
    return closure(modules(tree), [f"t/{root}" for root in roots], start=read(start)[0])


def tops(found: Closure, kind: str = "hard") -> set[str]:
    return {need.module.partition(".")[0] for need in found.needs if need.kind == kind}


# ---------------------------------------------------------------- the shape of seven repositories
def test_folders_without_init_that_are_called_like_projects() -> None:
    tree = {
        "test.py": "import os, cv2, argparse, torch\nimport model.detector\nimport utils.utils",
        "model/detector.py": "import torch.nn as nn\nfrom model.fpn import *\nfrom model.backbone.net import Net",
        "model/fpn.py": "import torch",
        "model/backbone/net.py": "import torch",
        "utils/utils.py": "import torchvision, numpy as np\nfrom tqdm import tqdm\nfrom torchsummary import summary",
        "utils/datasets.py": "import imgaug",
        "train.py": "import tensorboard\nfrom utils import datasets",
    }
    found = reach(tree, "test.py")
    assert tops(found) == {"cv2", "torch", "torchvision", "numpy", "tqdm", "torchsummary"}
    assert found.files == [
        "t/test.py",
        "t/model/detector.py",
        "t/utils/utils.py",
        "t/model/fpn.py",
        "t/model/backbone/net.py",
    ]
    assert not found.unseen


def test_one_file_whose_guard_imports_more() -> None:
    tree = {
        "resnet.py": "import torch\ndef test(net):\n    import numpy as np\nif __name__ == '__main__':\n    import tabulate",
        "hubconf.py": "import torch\nimport resnet",
    }
    assert tops(reach(tree, "hubconf.py")) == {"torch"}
    assert tops(reach(tree, "hubconf.py"), "lazy") == {"numpy"}
    assert tops(reach(tree, "resnet.py")) == {"torch", "tabulate"}


def test_the_same_tree_twice_and_other_frameworks_beside() -> None:
    tree = {
        "detect.py": "import cv2\nfrom vision.ssd.config.fd import define\nfrom vision.ssd.mb import create",
        "vision/__init__.py": "",
        "vision/ssd/__init__.py": "",
        "vision/ssd/config/__init__.py": "",
        "vision/ssd/config/fd.py": "import numpy",
        "vision/ssd/mb.py": "import torch\nfrom vision.utils import box\nfrom ..transforms import *",
        "vision/utils/__init__.py": "from .misc import *",
        "vision/utils/misc.py": "import torch",
        "vision/utils/box.py": "import collections",
        "vision/transforms/__init__.py": "from .transforms import *",
        "vision/transforms/transforms.py": "import types\nfrom torchvision import transforms",
        "paddle/train.py": "import paddle\nfrom vision.ssd.mb import create",
        "paddle/vision/__init__.py": "",
        "paddle/vision/ssd/__init__.py": "",
        "paddle/vision/ssd/mb.py": "import paddle.nn as nn",
        "onnx_demo.py": "import onnx\nimport caffe2.python.onnx.backend as backend",
    }
    assert tops(reach(tree, "detect.py")) == {"cv2", "numpy", "torch", "torchvision"}
    assert tops(reach(tree, "onnx_demo.py")) == {"onnx", "caffe2"}
    other = reach(tree, "paddle/train.py")
    assert tops(other) == {"paddle"}  # the folder of that name holds no file to import
    assert "t/paddle/vision/ssd/mb.py" in other.files and "t/vision/ssd/mb.py" not in other.files


def test_a_hubconf_and_what_only_training_imports() -> None:
    tree = {
        "hubconf.py": "import torch\nfrom models.net import Net\ndependencies = ['torch']",
        "models/__init__.py": "from .net import build",
        "models/net.py": "import torch\nfrom util.misc import x\nfrom .segmentation import Seg",
        "models/segmentation.py": (
            "import io\nfrom PIL import Image\ntry:\n    from panopticapi.utils import id2rgb\nexcept ImportError:\n    pass"
        ),
        "util/__init__.py": "",
        "util/misc.py": "from packaging import version\nimport torchvision",
        "util/plot.py": "import pandas, seaborn",
        "datasets/__init__.py": "from .coco import build",
        "datasets/coco.py": "from pycocotools import mask",
        "main.py": "import datasets",
    }
    found = reach(tree, "hubconf.py")
    assert tops(found) == {"torch", "PIL", "packaging", "torchvision"}
    assert tops(found, "optional") == {"panopticapi"}
    assert tops(reach(tree, "main.py")) == {"pycocotools"}


def test_a_package_as_the_root() -> None:
    tree = {
        "clip/__init__.py": "from .clip import *",
        "clip/clip.py": "import torch\nfrom pkg_resources import packaging\nfrom .model import build\nfrom .tokenizer import T",
        "clip/model.py": "import numpy",
        "clip/tokenizer.py": "import ftfy, regex as re",
        "setup.py": "import setuptools",
        "tests/test_it.py": "import pytest, clip",
    }
    found = reach(tree, "clip/__init__.py")
    assert tops(found) == {"torch", "pkg_resources", "numpy", "ftfy", "regex"}
    assert found.files[0] == "t/clip/__init__.py"
    assert reach(tree, "clip/model.py").files == ["t/clip/model.py"]  # nothing in it says that it is the package's
    assert reach(tree, "clip/clip.py").files[:2] == ["t/clip/__init__.py", "t/clip/clip.py"]


def test_a_large_package_with_lazy_and_optional_parts() -> None:
    tree = {
        "tm/__init__.py": "from .models import create\nfrom .layers import norm",
        "tm/models/__init__.py": "from .a import *\nfrom ._hub import load",
        "tm/models/a.py": "import torch\nfrom tm.layers.norm import Norm",
        "tm/models/_hub.py": (
            "try:\n    import safetensors.torch\n    OK = True\nexcept ImportError:\n    OK = False\n"
            "def load():\n    from tm.data import reader\n"
        ),
        "tm/layers/__init__.py": "",
        "tm/layers/norm.py": "from torch import nn\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jax",
        "tm/data/__init__.py": "import PIL",
        "tm/data/reader.py": "import tensorflow_datasets\ntry:\n    import webdataset\nexcept ImportError:\n    pass",
        "inference.py": "import pandas",
    }
    found = reach(tree, "tm/__init__.py")
    assert tops(found) == {"torch"}
    assert tops(found, "lazy") == {"PIL", "tensorflow_datasets"}
    assert tops(found, "optional") == {"safetensors", "webdataset"}


def test_a_script_over_namespace_folders_that_have_init_and_lazy_parts() -> None:
    tree = {
        "detect.py": "import cv2, torch\nfrom models.exp import load\nfrom utils.general import check",
        "models/__init__.py": "",
        "models/exp.py": "import random\nfrom models.common import Conv",
        "models/common.py": "import pandas as pd\nfrom PIL import Image",
        "utils/__init__.py": "",
        "utils/general.py": "import yaml\ndef check():\n    import pkg_resources as pkg",
        "utils/wandb/__init__.py": "",
        "utils/wandb/log.py": "import wandb",
        "train.py": "import tensorboard",
    }
    found = reach(tree, "detect.py")
    assert tops(found) == {"cv2", "torch", "pandas", "PIL", "yaml"}
    assert tops(found, "lazy") == {"pkg_resources"}


# ---------------------------------------------------------------- what is local, and what is not
def test_local_files_win_over_the_standard_library_only_where_python_looks() -> None:
    tree = {
        "run.py": "import test\nfrom data import cfg\nimport lib.net\nimport typing",
        "test.py": "import torch",
        "data/__init__.py": "",
        "data/cfg.py": "import numpy",
        "lib/net.py": "import scipy",
        "odd/typing/__init__.py": "import nothing_else",
    }
    assert tops(reach(tree, "run.py")) == {"torch", "numpy", "scipy"}


def test_src_and_the_folder_of_the_script_and_odd_places() -> None:
    tree = {
        "tools/run.py": "import helper\nimport pkg\nimport vendored\nimport yaml",
        "tools/helper.py": "import torch",
        "src/pkg/__init__.py": "from . import sub",
        "src/pkg/sub.py": "import numpy",
        "third_party/a/vendored/__init__.py": "import scipy",
        "third_party/a/yaml/__init__.py": "",
    }
    found = reach(tree, "tools/run.py")
    assert tops(found) == {"torch", "numpy", "scipy", "yaml"}  # what is well known is not taken from an odd place
    assert "t/src/pkg/__init__.py" in found.files


def test_a_neighbour_that_only_a_changed_path_finds() -> None:
    tree = {
        "run.py": "import net.a",
        "net/a.py": "import ops\nimport timm",
        "net/ops.py": "import torch",
        "net/timm.py": "x",
    }
    found = reach(tree, "run.py")
    assert tops(found) == {"torch", "timm"} and "t/net/timm.py" not in found.files


def test_a_folder_called_like_a_well_known_project() -> None:
    tree = {"run.py": "import onnx\nfrom onnx import helper\nfrom models.gone import x\nimport models", "onnx/export.py": "",
            "models/a.py": ""}  # fmt: skip
    found = reach(tree, "run.py")
    assert tops(found) == {"onnx"}
    assert found.unseen == ["t/run.py:3 (imports models.gone, which is no Python file of the tree)"]


def test_every_package_on_the_way_runs() -> None:
    tree = {
        "run.py": "import a.b.c",
        "a/__init__.py": "import one",
        "a/b/__init__.py": "import two",
        "a/b/c.py": "import three",
    }
    assert tops(reach(tree, "run.py")) == {"one", "two", "three"}


def test_a_name_may_be_a_submodule_or_not() -> None:
    tree = {"run.py": "from a import sub, thing", "a/__init__.py": "thing = 1", "a/sub.py": "import one"}
    found = reach(tree, "run.py")
    assert tops(found) == {"one"} and not found.unseen


def test_what_cannot_be_followed_is_said() -> None:
    tree = {
        "a/__init__.py": "from . import _C\nfrom .gone import x\nfrom ...above import y\nimport a.ext\nimport a.old",
        "a/old.py": "print 'old'",
    }
    found = reach(tree, "a/__init__.py", "no.py")
    assert found.unseen == [
        "t/a/__init__.py:2 (imports .gone, which is no Python file of the tree)",
        "t/a/__init__.py:3 (imports ...above, which is no Python file of the tree)",
        "t/a/__init__.py:4 (imports a.ext, which is no Python file of the tree)",
        "t/a/old.py:1 (cannot be followed: not Python 3: line 1)",
        "t/no.py:1 (no such Python file)",
    ]
    assert reach({"n/run.py": "from . import ext"}, "n/run.py").unseen == [
        "t/n/run.py:1 (imports .ext, which is no Python file of the tree)"
    ]


# ---------------------------------------------------------------- how surely
def test_kinds_combine_along_the_way() -> None:
    tree = {
        "run.py": "def f():\n    import a\ntry:\n    import b\nexcept ImportError:\n    pass\nif TYPE_CHECKING:\n    import c",
        "a.py": "import one\ntry:\n    import two\nexcept ImportError:\n    pass\nif __name__ == '__main__':\n    import never",
        "b.py": "import three\ndef g():\n    import four",
        "c.py": "import never_either",
    }
    found = reach(tree, "run.py")
    assert {n.module: n.kind for n in found.needs} == {
        "one": "lazy", "two": "optional", "three": "optional", "four": "optional",
    }  # fmt: skip


def test_the_strongest_way_counts_and_the_first_line_of_it() -> None:
    tree = {
        "run.py": "def f():\n    import torch\nimport a\nimport b",
        "a.py": "\nfrom torch import nn",
        "b.py": "import torch",
    }
    (need,) = [n for n in reach(tree, "run.py").needs if n.module == "torch"]
    assert need == ("torch", ["nn"], "t/a.py", 2, "hard")


def test_a_file_first_reached_weakly_counts_strongly() -> None:
    tree = {"run.py": "def f():\n    import a\nimport b", "a.py": "import one", "b.py": "import c", "c.py": "import a"}
    assert tops(reach(tree, "run.py")) == {"one"}


def test_several_roots() -> None:
    tree = {
        "x/run.py": "import u",
        "x/u.py": "import one",
        "y/run.py": "import u",
        "y/u.py": "def f():\n    import one\nimport two",
    }
    found = reach(tree, "y/run.py", "x/run.py")
    assert tops(found) == {"one", "two"} and len(found.files) == 4


def test_circles_end() -> None:
    assert reach({"a.py": "import b", "b.py": "import a"}, "a.py").files == ["t/a.py", "t/b.py"]


def test_what_stands_in_from_the_same_package_makes_it_needed() -> None:
    shared = "try:\n    from {0}.new import x\nexcept ImportError:\n    from {0}.old import x"
    tree = {
        "run.py": shared.format("skimage") + "\n" + shared.format("nets") + "\n" + shared.format("plain"),
        "nets/__init__.py": "import torch",
        "nets/old.py": "import numpy",
        "plain/old.py": "import numpy",
    }
    found = reach(tree, "run.py")
    assert tops(found) == {"skimage", "torch"} and tops(found, "optional") == {"skimage", "numpy"}
    assert found.unseen == [
        f"t/run.py:{n} (imports {m}.new, which is no Python file of the tree)" for n, m in ((6, "nets"), (10, "plain"))
    ]


# ---------------------------------------------------------------- computed imports
def test_a_computed_import_of_a_local_package_means_all_of_it() -> None:
    tree = {
        "run.py": "import pkg.archs",
        "pkg/__init__.py": "",
        "pkg/archs/__init__.py": "for f in names:\n    importlib.import_module(f'pkg.archs.{f}')\nimport_module(f'.{x}', __package__)",
        "pkg/archs/a_arch.py": "import torch",
        "pkg/archs/sub/__init__.py": "import numpy",
        "pkg/archs/sub/deep.py": "import never",
    }
    found = reach(tree, "run.py")
    assert tops(found, "dynamic") == {"torch", "numpy"} and not tops(found) and not found.unseen


def test_a_computed_import_by_the_start_of_a_name() -> None:
    tree = {
        "run.py": "import_module('nets.net_' + x)",
        "nets/net_a.py": "import torch",
        "nets/other.py": "import never",
    }
    assert tops(reach(tree, "run.py"), "dynamic") == {"torch"}


def test_a_computed_import_by_a_name_put_together_before() -> None:
    tree = {
        "run.py": "def load(x):\n    name = '.'.join(['pkg', 'nets', x])\n    return import_module(name)",
        "pkg/__init__.py": "",
        "pkg/nets/__init__.py": "import numpy",
        "pkg/nets/a.py": "import torch",
    }
    found = reach(tree, "run.py")
    assert tops(found, "dynamic") == {"numpy", "torch"} and not found.unseen


def test_a_computed_import_of_modules_that_are_not_there_is_not_seen() -> None:
    tree = {"run.py": "import_module(f'pkg.nets.{x}')", "pkg/__init__.py": "", "pkg/nets/__init__.py": "import torch"}
    found = reach(tree, "run.py")
    assert tops(found, "dynamic") == {"torch"}
    assert found.unseen == ["t/run.py:1 (imports pkg.nets.*, which is no Python file of the tree)"]


def test_a_computed_import_of_anything_is_not_seen() -> None:
    tree = {"run.py": "import_module(name)\nimport_module(f'plugins.{name}')\nimport_module('torch')"}
    found = reach(tree, "run.py")
    assert found.unseen == [
        "t/run.py:1 (imports a module by a computed name)",
        "t/run.py:2 (imports a module by a computed name: plugins....)",
    ]
    assert tops(found, "dynamic") == {"torch"}


# ---------------------------------------------------------------- an adapter outside the tree
def test_an_adapter_imports_from_the_tree_as_if_at_its_root() -> None:
    tree = {"model/net.py": "import torch", "src/pkg/__init__.py": "import numpy"}
    start = "import cv2, os\nfrom model.net import Net\ndef build():\n    import pkg\nfrom . import helper"
    found = reach(tree, start=start)
    assert tops(found) == {"cv2", "torch"} and tops(found, "lazy") == {"numpy"}
    assert found.needs[0] == ("cv2", [], "", 1, "hard")
    assert not reach(tree, start="import torch").files


def test_trees_are_apart() -> None:
    both = [*modules({"a.py": "import b", "c.py": "import one"}, "x"), *modules({"b.py": "import two"}, "y")]
    assert tops(closure(both, ["x/a.py"])) == {"b"}
    start = [Import(module=m, names=[], line=1, kind="hard") for m in ("c", "b")]
    assert tops(closure(both, [], start=start)) == {"one", "two"}
    assert closure([], [], start=start[:1]).needs[0].module == "c"
    assert closure([], []) == ([], [], [])
