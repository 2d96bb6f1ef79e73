"""Handlers of web services that take an upload: their lines as Python that starts from a file."""

from pathlib import Path

import pytest
from reading_trees import NN, read, weights

from assay.records.upstream import Use

NET = NN + "class Net(nn.Module):\n    def __init__(self, width=1):\n        super().__init__()\n        self.fc = nn.Linear(1, width)\n"
HELPERS = (
    "from PIL import Image\nfrom net import Net\n\n\n"
    "def load():\n    return Net()\n\n\ndef prepared(image):\n    return image\n"
)
FASTAPI = """\
import asyncio
import io

import torch
from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, UploadFile
from helpers import load, prepared
from PIL import Image

app = FastAPI()
net = None
words = ["dark", "bright"]
"""
FLASK = """\
import os

import torch
from flask import Flask, jsonify, redirect, render_template, request
from helpers import load, prepared
from PIL import Image

app = Flask(__name__)
net = load()
words = ["dark", "bright"]
"""


def handlers(folder: Path, text: str) -> "list[Use]":
    tree = {"net.py": NET, "helpers.py": HELPERS, "service.py": text}
    return [u for u in read(folder, tree, weights("fc.weight", "fc.bias")).uses if u.given == "upload"]


def lines(folder: Path, text: str) -> str:
    [use] = handlers(folder, text)
    head, _, rest = use.text.partition("\n\n")
    assert head == "import sys"
    return rest


def test_fastapi_an_upload_read_into_bytes_and_a_model_at_the_applications_state(tmp_path: Path) -> None:
    text = FASTAPI + (
        "async def lifespan(app):\n    app.state.model = load()\n    print('ready')\n    yield\n    print('over')\n\n\n"
        "@app.post('/predict')\n"
        "async def predict(request: Request, file: UploadFile = File(...)):\n"
        "    if not file.content_type.startswith('image/'):\n        raise HTTPException(400)\n"
        "    try:\n"
        "        contents = await file.read()\n"
        "        image = Image.open(io.BytesIO(contents)).convert('L')\n"
        "    except Exception as e:\n        raise HTTPException(400, str(e))\n"
        "    model = request.app.state.model\n"
        "    with torch.no_grad():\n        scores = model(prepared(image))\n"
        "    return {'word': words[scores.argmax()]}\n"
    )
    [use] = handlers(tmp_path, text)
    assert (use.function, use.module, use.kind, use.open, use.doubted) == ("predict", "service", "image", [], False)
    assert (use.head, use.path) == ("async def predict(request: Request, file: UploadFile = File(...)):", "t/service.py")
    assert lines(tmp_path / "again", text) == (
        "from helpers import load\nfrom PIL import Image\nimport io\nimport torch\nfrom helpers import prepared\n"
        "from service import words\n\n"
        "weights, sample = sys.argv[1:]\n"
        "model = load()\n"
        "contents = open(sample, 'rb').read()\n"
        "image = Image.open(io.BytesIO(contents)).convert('L')\n"
        "with torch.no_grad():\n    scores = model(prepared(image))\n"
        "answer = {'word': words[scores.argmax()]}\n"
    )


def test_fastapi_a_model_of_a_start_up_function_and_what_a_request_may_leave_out(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        FASTAPI + "@app.on_event('startup')\ndef start():\n    global net\n    net = load()\n    net.eval()\n\n\n"
        "def width():\n    return 4\n\n\n"
        "@app.post('/predict')\n"
        "def predict(file: UploadFile, threshold: float = Form(0.5), size: int = Depends(width), top: int = 3):\n"
        "    image = Image.open(file.file)\n"
        "    scores = net(prepared(image.resize((size, size))))\n"
        "    if scores.max() < threshold:\n        return {'word': 'nothing'}\n"
        "    return {'words': scores.topk(top)}\n",
    )
    assert found == (
        "from service import width\nfrom PIL import Image\nfrom helpers import load\nfrom helpers import prepared\n\n"
        "weights, sample = sys.argv[1:]\n"
        "net = load()\nnet.eval()\n"
        "threshold = 0.5\nsize = width()\ntop = 3\n"
        "image = Image.open(sample)\n"
        "scores = net(prepared(image.resize((size, size))))\n"
        "if scores.max() < threshold:\n    answer = {'word': 'nothing'}\nelse:\n    answer = {'words': scores.topk(top)}\n"
    )


FLASK_BODIES = {
    "read": (
        "    if 'file' not in request.files:\n        return jsonify({'error': 'no file'}), 400\n"
        "    file = request.files['file']\n"
        "    if file.filename == '':\n        return redirect(request.url)\n"
        "    image = Image.open(file.stream)\n"
        "    app.logger.info('read')\n"
        "    return jsonify({'word': words[net(prepared(image)).argmax()]})\n",
        "image = Image.open(sample)\nanswer = {'word': words[net(prepared(image)).argmax()]}\n",
    ),
    "saved": (
        "    if request.method == 'POST':\n"
        "        f = request.files.get('image')\n"
        "        path = os.path.join('static', f.filename)\n"
        "        f.save(path)\n"
        "        image = Image.open(path)\n"
        "        scores = net(prepared(image))\n"
        "        os.remove(path)\n"
        "        return render_template('result.html', word=words[scores.argmax()], title='Result')\n"
        "    return render_template('index.html')\n",
        "image = Image.open(sample)\nscores = net(prepared(image))\n"
        "answer = {'word': words[scores.argmax()]}\n",
    ),
    "named": (
        "    image = Image.open(request.files['file'])\n"
        "    limit = float(request.form.get('limit', 0.5))\n"
        "    scores = net(prepared(image))\n"
        "    return jsonify(word=words[scores.argmax()], sure=bool(scores.max() > limit), version='1')\n",
        "image = Image.open(sample)\nlimit = float(0.5)\nscores = net(prepared(image))\n"
        "answer = {'word': words[scores.argmax()], 'sure': bool(scores.max() > limit)}\n",
    ),
}


@pytest.mark.parametrize("body", FLASK_BODIES)
def test_flask_uploads_that_are_read_saved_or_opened(tmp_path: Path, body: str) -> None:
    written, wanted = FLASK_BODIES[body]
    head = "@app.route('/predict', methods=['GET', 'POST'])\ndef predict():\n"
    assert lines(tmp_path, FLASK + head + written).partition("weights, sample = sys.argv[1:]\n")[2] == wanted


@pytest.mark.parametrize(
    "body",
    [
        "    return jsonify(words[net(prepared(Image.open(request.files['file']))).argmax()], request.headers['x'])\n",
        "    name = request.form['name']\n    return jsonify(net(prepared(Image.open(request.files['file']))), name)\n",
        "    image = Image.open(request.files['file'])\n    for word in words:\n        return jsonify(net(image))\n",
        "    image = Image.open(request.files['file'])\n    return jsonify(net(unheard_of(image)))\n",
    ],
)
def test_what_needs_more_than_an_upload_is_not_written(tmp_path: Path, body: str) -> None:
    assert handlers(tmp_path, FLASK + "@app.route('/p', methods=['POST'])\ndef predict():\n" + body) == []


@pytest.mark.parametrize("more", ["name: str", "name: str = Form(...)"])
def test_a_request_that_has_to_say_more_is_not_written(tmp_path: Path, more: str) -> None:
    head = f"@app.post('/p')\ndef predict(file: UploadFile, {more}):\n"
    assert handlers(tmp_path, FASTAPI + head + "    return load()(Image.open(file.file))\n") == []


def test_a_function_that_no_address_leads_to_is_none(tmp_path: Path) -> None:
    assert handlers(tmp_path, FASTAPI + "def predict(file: UploadFile):\n    return load()(Image.open(file.file))\n") == []
