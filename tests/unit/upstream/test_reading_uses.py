"""Functions that run the model for whoever calls them: found, with the call that their parameters ask for."""

from pathlib import Path

import pytest
from reading_trees import NN, read, weights

from assay.records.upstream import Use

NET = NN + "class Net(nn.Module):\n    def __init__(self, width=1):\n        super().__init__()\n        self.fc = nn.Linear(1, width)\n"
HEAD = "import cv2\nimport librosa\nimport numpy as np\nimport torch\nfrom PIL import Image\nfrom net import Net\n\n\n"
OPENS = """\
class Engine:
    def __init__(self, weights, device):
        self.model = Net()
        self.model.load_state_dict(torch.load(weights, map_location=device))

    def tensor(self, image):
        return torch.from_numpy(image / 255.0)

"""


def uses(folder: Path, text: str, **files: str) -> "list[Use]":
    tree = {"net.py": NET, "engine.py": HEAD + text, **{f"{name}.py": HEAD + one for name, one in files.items()}}
    return read(folder, tree, weights("fc.weight", "fc.bias")).uses


def method(body: str, head: str = "predict(self, image)") -> str:
    return OPENS + f"    def {head}:\n        {body}\n"


def test_a_method_that_opens_its_file(tmp_path: Path) -> None:
    [use] = uses(tmp_path, method("return self.model(self.tensor(cv2.imread(path)))", "predict(self, path)"))
    assert (use.function, use.module, use.path, use.given, use.kind) == ("Engine.predict", "engine", "t/engine.py", "path", "image")
    assert (use.open, use.doubted, use.builds) == (["pre.batch"], False, False)
    assert use.head == "def predict(self, path):" and use.line == 17
    assert use.text == (
        "import sys\n\nfrom engine import Engine\n\nweights, sample = sys.argv[1:]\n"
        'engine = Engine(weights=weights, device="cpu")\nanswer = engine.predict(path=sample)\n'
    )


@pytest.mark.parametrize(
    ("head", "body", "given", "opened"),
    [
        ("predict(self, image)", "return self.model(self.tensor(np.asarray(image.convert('L'))))", "picture", "Image.open(sample)"),
        ("predict(self, data)", "return self.model(self.tensor(cv2.imdecode(np.frombuffer(data, np.uint8), 1)))", "bytes", "open(sample,"),
        ("predict(self, data: bytes)", "return self.model(decode(data))", "bytes", "open(sample,"),
        ("predict(self, bgr)", "return self.model(self.tensor(cv2.resize(bgr, (4, 4))))", "array", "=cv2.imread(sample)"),
        ("predict(self, image)", "return self.model(self.tensor(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))", "array", "=cv2.imread(sample)"),
        ("predict(self, rgb)", "return self.model(self.tensor(cv2.resize(rgb, (4, 4))))", "array", "cv2.COLOR_BGR2RGB"),
        ("predict(self, wav)", "return self.model(torch.tensor(librosa.load(wav, sr=16000)[0]))", "path", "wav=sample"),
        ("predict(self, bgrs)", "return [self.model(self.tensor(cv2.resize(b, (4, 4)))) for b in bgrs]  # BGR", "array", "=[cv2.imread(sample)]"),
    ],
)  # fmt: skip
def test_in_which_form_it_takes_its_input(tmp_path: Path, head: str, body: str, given: str, opened: str) -> None:
    [use] = uses(tmp_path, method(body, head))
    assert use.given == given and opened in use.text and not use.doubted
    assert use.kind == ("audio" if "wav" in head else "image")


def test_an_array_of_unknown_order_is_doubted(tmp_path: Path) -> None:
    [use] = uses(tmp_path, method("return self.model(self.tensor(cv2.resize(image, (4, 4))))"))
    assert use.doubted and use.open == ["pre.batch", "pre.color"] and use.made_before == ""


@pytest.mark.parametrize(
    ("caller", "before"),
    [
        ("frame = cv2.imread('a.png')\nEngine('w').predict(frame)\n", ""),
        ("ok, frame = cv2.VideoCapture(0).read()\nEngine('w').predict(frame[1:, 1:])\n", "t/app.py:11"),
        ("def main(frame):\n    Engine('w').predict(frame)\n\n\nmain(cv2.imread('a.png'))\n", ""),
        ("def main(frame):\n    Engine('w').predict(frame)\n\n\nmain(cv2.imread('a.png')[:9])\n", "t/app.py:11"),
    ],
)
def test_what_upstreams_own_callers_hand_over(tmp_path: Path, caller: str, before: str) -> None:
    text = method("return self.model(self.tensor(cv2.resize(bgr, (4, 4))))", "predict(self, bgr)")
    [use] = uses(tmp_path, text, app="from engine import Engine\n" + caller)
    assert (use.made_before, use.doubted) == (before, bool(before))


def test_a_function_is_given_the_model(tmp_path: Path) -> None:
    text = "def denoise(model, path, strength):\n    return model(torch.from_numpy(cv2.imread(path) * strength))\n"
    [use] = uses(tmp_path, text, app="from engine import denoise\ndenoise(Net(), 'a.png', 0.5)\n")
    assert use.builds and "denoise(model=model, path=sample, strength=0.5)" in use.text


@pytest.mark.parametrize(
    "text",
    [
        method("return self.tensor(cv2.imread(path))", "predict(self, path)"),  # never comes to the model
        method("return self.model(self.tensor(cv2.imread(path)) * strength)", "predict(self, path, strength)"),  # of what strength?
        method("return self.model(self.tensor(cv2.imread(path)))", "train(self, path)"),
        method("return self.model(self.tensor(cv2.imread(path)))", "_predict(self, path)"),
        method("return self.model(self.tensor(image))", "predict(self, image)"),  # nothing shows its form
        "def predict(path):\n    return Net()\n",
    ],
)
def test_what_is_no_use(tmp_path: Path, text: str) -> None:
    assert uses(tmp_path, text) == []
