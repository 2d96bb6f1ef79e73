"""What a script does to an image before the model and to its output after; what is in doubt is not said."""

from pathlib import Path
from typing import Any

import pytest
from reading_trees import NN, read, weights

NET = NN + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(1, 1)\n"
HEAD = "import cv2\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom PIL import Image\nfrom torchvision import transforms\nfrom net import Net\n\n"
MODEL = "    model = Net().eval()\n    model.load_state_dict(torch.load('x.pth'))\n"


def facts(folder: Path, body: str, before: str = "", **files: str) -> "dict[str, Any]":
    inside = "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))
    script = HEAD + before + "\n\ndef main():\n" + MODEL + inside + "\n\nif __name__ == '__main__':\n    main()\n"
    tree = {"net.py": NET, "detect.py": script, **{f"{name}.py": text for name, text in files.items()}}
    return {f.id: f.value for f in read(folder, tree, weights("fc.weight", "fc.bias")).facts}


def test_a_plain_script(tmp_path: Path) -> None:
    body = """
img = cv2.imread('a.jpg')
img = cv2.cvtColor(img, cv2.COLOR_BGR2RGB)
img = cv2.resize(img, (320, 240))
img = (img - 127) / 128
x = torch.from_numpy(img.transpose(2, 0, 1)).float().unsqueeze(0)
out = F.softmax(model(x), dim=1)
"""
    assert facts(tmp_path, body) == {
        "pre.decode": "cv2.imread", "pre.color": "RGB", "pre.size": [240, 320], "pre.resize": "squash", "pre.mean": 127.0,
        "pre.std": 128.0, "pre.layout": "NCHW", "post.activation": "softmax",
    }  # fmt: skip


def test_where_it_stands_and_that_nothing_converts(tmp_path: Path) -> None:
    script = HEAD + "\n\ndef main():\n" + MODEL + "    img = cv2.imread('a')\n    model(torch.from_numpy(img / 255.0))\n\n\nmain()\n"
    found = read(tmp_path, {"net.py": NET, "detect.py": script + "if __name__ == '__main__':\n    pass\n"}, weights("fc.weight", "fc.bias")).facts
    color = next(f for f in found if f.id == "pre.color")
    assert (color.value, color.reason, color.path, color.line, color.qualname) == ("BGR", "absence", "t/detect.py", 14, "main")
    assert color.text == "img = cv2.imread('a')"


def test_torchvisions_transforms(tmp_path: Path) -> None:
    body = """
t = transforms.Compose([transforms.Resize((32, 64)), transforms.ToTensor(), transforms.Normalize([0.5, 0.5, 0.5], (0.25, 0.25, 0.25))])
img = Image.open('a.png').convert('RGB')
model(t(img).unsqueeze(0))
"""
    assert facts(tmp_path, body) == {
        "pre.decode": "PIL.Image.open", "pre.color": "RGB", "pre.size": [32, 64], "pre.resize": "squash", "pre.mean": [127.5] * 3,
        "pre.std": [63.75] * 3, "pre.layout": "NCHW",
    }  # fmt: skip


def test_thresholds_come_from_where_they_are_said(tmp_path: Path) -> None:
    before = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--conf-thres', type=float, default=0.3)\nopt = p.parse_args()\n"
        "def nms(pred, conf_thres, iou_thres=0.45):\n    return pred\n"
    )
    found = facts(tmp_path, "x = cv2.imread('a')\ny = model(x)\nz = nms(y, opt.conf_thres)", before)
    assert (found["post.score_threshold"], found["post.iou_threshold"]) == (0.3, 0.45)


TRAPS = {
    "a ToTensor of the tree's own": ("x = ToTensor()(cv2.imread('a'))\nmodel(x)", "from own import ToTensor", {"pre.mean", "pre.std"}),
    "a constant that is changed later": (
        "x = cv2.resize(cv2.imread('a'), tuple(SIZE))\nmodel(x)", "SIZE = [32, 24]\ndef define():\n    SIZE[:] = [64, 48]", {"pre.size"},
    ),
    "a global that is set elsewhere": (
        "x = cv2.imread('a') / SCALE\nmodel(x)", "SCALE = 255.0\ndef define(n):\n    global SCALE\n    SCALE = n", {"pre.mean", "pre.std"},
    ),
    "the maximum of the image": ("x = cv2.imread('a')\nx = x / np.max(x)\nmodel(x)", "", {"pre.mean", "pre.std"}),
    "a condition": ("x = cv2.imread('a')\nif flag():\n    x = cv2.cvtColor(x, cv2.COLOR_BGR2RGB)\nmodel(x)", "", {"pre.color"}),
    "an order turned round that may be no color": ("x = cv2.imread('a')\nmodel(x[::-1])", "", {"pre.color"}),
    "two sizes": ("x = cv2.resize(cv2.resize(cv2.imread('a'), (8, 8)), (4, 4))\nmodel(x)", "", {"pre.size", "pre.resize"}),
    "what scales by a ratio": ("x = cv2.resize(cv2.imread('a'), (0, 0), fx=2, fy=2)\nmodel(x)", "", {"pre.size", "pre.resize"}),
    "a border": ("x = cv2.copyMakeBorder(cv2.resize(cv2.imread('a'), (8, 8)), 1, 1, 1, 1, 0)\nmodel(x)", "", {"pre.resize"}),
    "what a choice may turn": ("x = cv2.imread('a')\nx = x[:, :, ::-1] if flag() else x\nmodel(x)", "", {"pre.color"}),
    "a call of which nothing is known": (
        "x = prepare(cv2.imread('a'))\nmodel(x / 255)", "", {"pre.color", "pre.mean", "pre.std", "pre.size", "pre.layout"},
    ),
    "a blob": ("x = cv2.dnn.blobFromImage(cv2.imread('a'), 1 / 255, swapRB=True)\nmodel(x)", "", {"pre.color", "pre.mean", "pre.std"}),
    "an unknown one among transforms": ("x = Both([Keep(), odd])(cv2.imread('a'))\nmodel(x)", "from own import Both, Keep", {"pre.color"}),
    "a changed constant that flows through an object": (
        "x = Sized()(cv2.imread('a'))\nmodel(x)", "from own import Sized\nimport own\nown.SIZE = [8, 8]", {"pre.size", "pre.resize"},
    ),
    "a default that a caller may not keep": (
        "x = scaled(cv2.imread('a'), mystery())\nmodel(x)", "def scaled(x, by=255.0):\n    return x / by", {"pre.mean", "pre.std"},
    ),
    "a name of the function's own": (
        "size, other = mystery()\nx = cv2.resize(cv2.imread('a'), size)\nmodel(x)", "size = (8, 4)", {"pre.size", "pre.resize"},
    ),
    "ToTensor of what is no longer whole": (
        "x = transforms.ToTensor()(np.array(Image.open('a')).astype(np.float32))\nmodel(x)", "", {"pre.mean", "pre.std"},
    ),
    "channels that change places after each got its own number": (
        "x = cv2.imread('a') - (1, 2, 3)\nmodel(x[:, :, ::-1])", "", {"pre.mean", "pre.std"},
    ),
    "a sigmoid of a part": ("y = model(cv2.imread('a'))\nz = y[..., 4].sigmoid()", "", {"post.activation"}),
}  # fmt: skip


@pytest.mark.parametrize("what", TRAPS)
def test_what_is_in_doubt_is_not_said(what: str, tmp_path: Path) -> None:
    body, before, absent = TRAPS[what]
    own = (
        "import cv2\nSIZE = [4, 4]\n\n\nclass ToTensor:\n    def __call__(self, x):\n        return mystery(x)\n\n\n"
        "class Both:\n    def __init__(self, steps):\n        self.steps = steps\n\n    def __call__(self, x):\n"
        "        for step in self.steps:\n            x = step(x)\n        return x\n\n\n"
        "class Keep:\n    def __call__(self, x):\n        return x\n\n\nclass Turn:\n    def __call__(self, x):\n"
        "        return cv2.cvtColor(x, cv2.COLOR_BGR2RGB)\n\n\nclass Sized:\n    def __init__(self):\n        self.size = SIZE\n\n"
        "    def __call__(self, x):\n        return cv2.resize(x, (self.size[0], self.size[1]))\n"
    )
    found = facts(tmp_path, body, before, own=own)
    assert "pre.decode" in found and not absent & set(found)


def test_drawing_after_the_model_is_no_preprocessing(tmp_path: Path) -> None:
    body = "img = cv2.imread('a')\ny = model(img)\nshown = cv2.cvtColor(cv2.resize(img, (8, 8)), cv2.COLOR_BGR2RGB) / 255"
    assert facts(tmp_path, body) == {"pre.decode": "cv2.imread", "pre.color": "BGR"}


def test_nothing_is_said_when_no_image_reaches_the_model(tmp_path: Path) -> None:
    assert facts(tmp_path, "img = cv2.imread('a') / 255\nmodel(torch.zeros(1))") == {}
    assert facts(tmp_path, "img = cv2.imread('a') / 255") == {}


def test_transforms_of_the_trees_own_are_walked_through(tmp_path: Path) -> None:
    own = (
        "import cv2\n\n\nclass Both:\n    def __init__(self, steps):\n        self.steps = steps\n\n    def __call__(self, x):\n"
        "        for step in self.steps:\n            x = step(x)\n        return x\n\n\nclass Turn:\n    def __call__(self, x):\n"
        "        return cv2.cvtColor(x, cv2.COLOR_BGR2RGB)\n"
    )
    before = "from own import Both, Turn"
    found = facts(tmp_path, "t = Both([Turn(), lambda x: x / 255.0])\nmodel(t(cv2.imread('a')))", before, own=own)
    assert found == {"pre.decode": "cv2.imread", "pre.color": "RGB", "pre.mean": 0.0, "pre.std": 255.0}


def test_a_script_of_another_size_of_the_model_says_nothing(tmp_path: Path) -> None:
    net = NET.replace("nn.Linear(1, 1)", "nn.Linear(8, 8)") + "\n\nclass Small(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(1, 1)\n"
    script = HEAD + "\n\ndef main():\n" + MODEL + "    model(cv2.imread('a'))\n\n\nif __name__ == '__main__':\n    main()\n"
    big, small = weights(fc__weight=[8, 8], fc__bias=[8]), weights(fc__weight=[1, 1], fc__bias=[1])
    files = {"net.py": net, "detect.py": script}
    assert read(tmp_path, files, big).facts and not read(tmp_path, files, small).facts
