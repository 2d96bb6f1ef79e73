"""Upstream whose network has steps of its own, or that works on data of its own, by the front door. Needs torch."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from test_claims import record
from test_reading import agreements
from tiny import doit, workspace

TORCH = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TORCH.exists(), reason="ASSAY_TORCH_PYTHON names none")]

BLAZE = '''\
"""A detector of bright spots, with its own steps before and after."""

import numpy as np
import torch
from torch import nn


class Blaze(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_classes = 1
        self.min_score_thresh = 0.5
        self.anchors = None
        self.scores = nn.Conv2d(3, 1, 4, stride=4)
        self.boxes = nn.Conv2d(3, 4, 4, stride=4)

    def forward(self, x):
        scores = self.scores(x).flatten(2).permute(0, 2, 1)
        return [self.boxes(x).flatten(2).permute(0, 2, 1), scores]

    def load_weights(self, path):
        self.load_state_dict(torch.load(path))
        self.eval()

    def load_anchors(self, path):
        self.anchors = torch.tensor(np.load(path), dtype=torch.float32)

    def _preprocess(self, x):
        return x.float() / 127.5 - 1.0

    def predict_on_image(self, img):
        if isinstance(img, np.ndarray):
            img = torch.from_numpy(img).permute((2, 0, 1))
        return self.predict_on_batch(img.unsqueeze(0))[0]

    def predict_on_batch(self, x):
        x = x.to(next(self.parameters()).device)
        x = self._preprocess(x)
        with torch.no_grad():
            out = self.__call__(x)
        return self._decoded(out[0], out[1])

    def _decoded(self, raw_boxes, raw_scores):
        found = []
        centres = raw_boxes[..., :2] / 16.0 + self.anchors
        scores = raw_scores.clamp(-100, 100).sigmoid().squeeze(-1)
        for i in range(raw_boxes.shape[0]):
            mask = scores[i] >= self.min_score_thresh
            found.append(torch.cat([centres[i][mask], scores[i][mask].unsqueeze(-1)], dim=-1))
        return found
'''
RUN_BLAZE = '''\
"""Find bright spots."""

import argparse

import numpy as np
import torch
from PIL import Image

from blaze import Blaze

parser = argparse.ArgumentParser()
parser.add_argument("image")
options = parser.parse_args()
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
net = Blaze().to(device)
net.load_weights("blaze.pth")
net.load_anchors("anchors.npy")
net.min_score_thresh = 0.3
img = np.array(Image.open(options.image).convert("RGB").resize((16, 16)))
found = net.predict_on_image(img)
print(found.tolist())
'''
WORDS = '''\
"""A network that goes on with a text."""

import torch
from torch import nn


class WordRNN(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.width = width
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.out = nn.Linear(width, words)

    def forward(self, x, hidden):
        made, hidden = self.lstm(self.embed(x), hidden)
        return self.out(made[:, -1]), hidden

    def begin(self):
        return torch.zeros(1, 1, self.width), torch.zeros(1, 1, self.width)
'''
RUN_WORDS = '''\
"""Go on with a text."""

import json
import time

import torch
import torch.nn.functional as F

from words import WordRNN


def main():
    begun = time.time()
    with open("data/int2word.json") as file:
        words = json.load(file)
    net = WordRNN(len(words), 8)
    net.load_state_dict(torch.load("words.pth"))
    net.eval()
    hidden = net.begin()
    x = torch.tensor([[0]])
    told = []
    for _ in range(30):
        with torch.no_grad():
            scores, hidden = net(x, hidden)
        chances = F.softmax(scores[0] / 0.8, dim=0)
        {choice}
        told.append(words[str(int(x))])
    print(" ".join(told), "in %.4f s" % (time.time() - begun))


if __name__ == "__main__":
    main()
'''
CHOICES = {
    "drawn": "x = torch.multinomial(chances, 1)[None]",
    "largest": "x = chances.argmax()[None, None]",
    "seeded": "x = torch.multinomial(chances, 1)[None]",
}
LISTED = '''\
"""A network that takes pictures of any size, in a list or by name."""

import torch
from torch import nn


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, images):
        named = isinstance(images, dict)
        every = [images["image"], images["more"][0]] if named else images
        return [self.fc(image.mean((1, 2))) for image in every]
'''
RUN_LISTED = '''\
"""Tell pictures apart."""

import argparse

import numpy as np
import torch
from PIL import Image

from listed import Listed

parser = argparse.ArgumentParser()
parser.add_argument("image")
options = parser.parse_args()
net = Listed()
net.load_state_dict(torch.load("listed.pth"))
net.eval()
image = torch.from_numpy(np.array(Image.open(options.image).convert("RGB"))).permute(2, 0, 1).float() / 255
flipped = image.flip(2) * 0.5
with torch.no_grad():
    out = net({given})
scores = torch.softmax(out[-1], 0)
print(scores.tolist())
'''
GIVEN = {"list": "[image, flipped]", "dict": '{"image": image, "more": (flipped,)}'}
MAKE = """
import torch
from {module} import {name}
torch.manual_seed(1)
torch.save({name}({args}).state_dict(), "{module}.pth")
"""
EXPERIMENT = """\
model: {{name: {module}, checkpoint: {name}/{module}.pth, task: {task}}}
source: {{path: {name}}}
device: cpu
inputs: {{find: [refs, synthetic], count: 2}}
measure: {{batch: [1], threads: [1], precision: [fp32], seconds: 0.05}}
sandbox: plain
env: {{python: {python}}}
"""


def upstream(root: Path, name: str, module: str, task: str, made: str, **files: str) -> None:
    """Write an upstream with its checkpoint, and an experiment with it."""
    (root / name).mkdir()
    for file, text in files.items():
        (root / name / f"{file}.py").write_text(text)
    kind, _, args = made.partition(" ")
    make = MAKE.format(module=module, name=kind, args=args)
    subprocess.run([TORCH, "-c", make], cwd=root / name, check=True)
    tiny.add_experiment(root, name, EXPERIMENT.format(name=name, module=module, task=task, python=TORCH))


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Upstreams with weights made on the spot."""
    root = tiny.make_repo(tmp_path_factory.mktemp("networks") / "repo")
    from PIL import Image

    blaze(root, "blaze", BLAZE, RUN_BLAZE, Image)
    for name, choice in CHOICES.items():
        upstream(root, name, "words", "text", "WordRNN 12, 8", words=WORDS, generate=words(name, choice))
        (root / name / "data").mkdir()
        (root / name / "data/int2word.json").write_text(json.dumps(dict(enumerate(NAMES))))
        (root / name / "README.md").write_text("# Words\n\n```\npython generate.py\n```\n")
    for name, given in GIVEN.items():
        upstream(root, name, "listed", "classification", "Listed ", listed=LISTED, classify=RUN_LISTED.replace("{given}", given))
        pictures(root / name, Image)
        (root / name / "README.md").write_text("# Listed\n\n```\npython classify.py spot1.png\n```\n")
    yield root
    assert tiny.left_behind(root) == []


NAMES = ["once", "upon", "a", "time", "there", "was", "no", "king", "and", "two", "queens", "more"]


def words(name: str, choice: str) -> str:
    script = RUN_WORDS.replace("{choice}", choice)
    return script.replace("    hidden = net", "    torch.manual_seed(7)\n    hidden = net") if name == "seeded" else script


def pictures(folder: Path, image: Any) -> None:
    for number in (1, 2):
        levels = np.random.default_rng(number).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        image.fromarray(levels).save(folder / f"spot{number}.png")


def blaze(root: Path, name: str, net: str, run: str, image: Any) -> None:
    upstream(root, name, "blaze", "detection", "Blaze ", blaze=net, detect=run)
    np.save(root / name / "anchors.npy", np.random.default_rng(0).random((16, 2)))
    pictures(root / name, image)
    (root / name / "README.md").write_text("# Blaze\n\n```\npython detect.py spot1.png\n```\n")


def said(repo: Path, name: str) -> dict[str, Any]:
    return {claim["id"]: claim["value"] for claim in record(repo, "contract", name)["claims"]}


def test_a_network_with_steps_of_its_own_is_asked_for_them(repo: Path) -> None:
    done = doit(repo, "report", "exp=blaze")
    assert done.code in (0, 1) and "Traceback" not in done.text, done.text
    by = record(repo, "contract", "blaze")["functions"]
    assert (by["build"], by["preprocess"], by["postprocess"]) == ("drafted",) * 3, record(repo, "probe", "blaze")["observation"]["draft"]
    assert agreements(repo, "blaze") == {("same", "same", "same")}
    text = (workspace(repo, "blaze") / "scripts/adapter.py").read_text()
    assert "def prepared_before():" in text and "load_weights" not in text
    params = record(repo, "params", "blaze")["params"]
    assert params["min_score_thresh"]["value"] == 0.3
    assert said(repo, "blaze")["post.score_threshold"] == 0.3


CHANGES: dict[str, tuple[dict[str, str], dict[str, str]]] = {  # of the network, of the script
    "rebound": ({}, {"net = Blaze().to(device)": "net = Blaze()\nnet = net.to(device)"}),
    "parallel": ({}, {"net.min_score": "net = torch.nn.DataParallel(net)\nnet.module.min_score", "net.predict": "net.module.predict"}),
    "factory": (
        {},
        {
            "parser = ": "def make(path):\n    net = Blaze()\n    net.load_weights(path)\n    return net\n\n\nparser = ",
            "net = Blaze().to(device)": "net = make('blaze.pth')",
            'net.load_weights("blaze.pth")\n': "",
        },
    ),
    "late": ({}, {"print(": "net.min_score_thresh = 0.9\nprint("}),
    "two": ({}, {"net.min_score": "other = Blaze()\nother.min_score_thresh = 0.8\nnet.min_score"}),
    "counting": ({"        self.num_classes = 1\n": "        print('made')\n        self.num_classes = 1\n"}, {}),
    "weighed": (
        {
            "        self.anchors = None\n": "        self.anchors = None\n        self.gain = nn.Parameter(5 * torch.rand(1) + 1)\n",
            ".clamp(-100, 100)": ".clamp(-100, 100).mul(self.gain)",
        },
        {},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_ways_to_use_such_a_network(repo: Path, name: str) -> None:
    from PIL import Image

    net, run = BLAZE, RUN_BLAZE
    for old, new in CHANGES[name][0].items():
        net = net.replace(old, new)
    for old, new in CHANGES[name][1].items():
        run = run.replace(old, new)
    blaze(repo, name, net, run, Image)
    done = doit(repo, "agree", f"exp={name}")
    assert done.code in (0, 1) and "Traceback" not in done.text, done.text
    draft = record(repo, "probe", name)["observation"]["draft"]
    assert {"build", "preprocess"} <= set(draft["functions"]), draft
    told = {one["function"]: one["outcome"] for one in draft["rehearsals"]}["postprocess"]
    assert told == ("not written" if name == "weighed" else "same"), draft
    assert said(repo, name).get("post.score_threshold") == (0.3 if told == "same" else None)
    assert said(repo, name).get("post.activation") == ("sigmoid" if told == "same" else None)


@pytest.mark.parametrize("name", CHOICES)
def test_a_text_that_goes_on_from_its_own_words(repo: Path, name: str) -> None:
    done = doit(repo, "report", f"exp={name}")
    assert done.code in (0, 1) and "Traceback" not in done.text, done.text
    seen = record(repo, "probe", name)["observation"]
    assert (seen["status"], seen["reason"]) == ("alone", f"{name}/generate.py works on data of its own")
    claims = said(repo, name)
    assert (claims["labels.names"], claims["labels.count"], claims["pre.dtype"]) == (NAMES, 12, "int64")
    assert claims["post.activation"] == ("softmax, argmax" if name == "largest" else "softmax, sample")
    assert claims["io.stateful"] is True
    assert claims["io.deterministic"] is (name != "drawn")
    assert record(repo, "contract", name)["functions"]["infer"] == "drafted", seen["draft"]


@pytest.mark.parametrize("name", GIVEN)
def test_pictures_in_a_list_or_a_dict(repo: Path, name: str) -> None:
    done = doit(repo, "report", f"exp={name}")
    assert done.code in (0, 1) and "Traceback" not in done.text, done.text
    draft = record(repo, "probe", name)["observation"]["draft"]
    assert {"build", "preprocess", "infer", "postprocess"} <= set(draft["functions"]), draft
    assert agreements(repo, name) == {("same", "same", "same")}
    assert said(repo, name)["post.activation"] == "softmax"
