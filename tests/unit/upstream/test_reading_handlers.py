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


def is_film(name):
    return name.endswith("4")
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
        "uploaded = sys.argv[2]\n"
        "state_model = load()\n"
        "contents = open(uploaded, 'rb').read()\n"
        "image = Image.open(io.BytesIO(contents)).convert('L')\n"
        "model = state_model\n"
        "with torch.no_grad():\n    scores = model(prepared(image))\n"
        "answered = {'word': words[scores.argmax()]}\n"
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
        "from helpers import load\nfrom service import width\nfrom PIL import Image\nfrom helpers import prepared\n\n"
        "uploaded = sys.argv[2]\n"
        "net = load()\nnet.eval()\n"
        "threshold = 0.5\nsize = width()\ntop = 3\n"
        "image = Image.open(uploaded)\n"
        "scores = net(prepared(image.resize((size, size))))\n"
        "if scores.max() < threshold:\n    answered = {'word': 'nothing'}\nelse:\n    answered = {'words': scores.topk(top)}\n"
    )


FLASK_BODIES = {
    "read": (
        "    if 'file' not in request.files:\n        return jsonify({'error': 'no file'}), 400\n"
        "    file = request.files['file']\n"
        "    if file.filename == '':\n        return redirect(request.url)\n"
        "    image = Image.open(file.stream)\n"
        "    app.logger.info('read')\n"
        "    return jsonify({'word': words[net(prepared(image)).argmax()]})\n",
        "image = Image.open(uploaded)\nanswered = {'word': words[net(prepared(image)).argmax()]}\n",
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
        "image = Image.open(uploaded)\nscores = net(prepared(image))\n"
        "answered = {'word': words[scores.argmax()]}\n",
    ),
    "named": (
        "    image = Image.open(request.files['file'])\n"
        "    limit = float(request.form.get('limit', 0.5))\n"
        "    scores = net(prepared(image))\n"
        "    return jsonify(word=words[scores.argmax()], sure=bool(scores.max() > limit), version='1')\n",
        "image = Image.open(uploaded)\nlimit = float(0.5)\nscores = net(prepared(image))\n"
        "answered = {'word': words[scores.argmax()], 'sure': bool(scores.max() > limit)}\n",
    ),
}


@pytest.mark.parametrize("body", FLASK_BODIES)
def test_flask_uploads_that_are_read_saved_or_opened(tmp_path: Path, body: str) -> None:
    written, wanted = FLASK_BODIES[body]
    head = "@app.route('/predict', methods=['GET', 'POST'])\ndef predict():\n"
    assert lines(tmp_path, FLASK + head + written).partition("uploaded = sys.argv[2]\n")[2] == wanted


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


UPLOAD = "@app.post('/p')\nasync def predict(file: UploadFile = File(...), extra: int = 3):\n"
KEPT = {
    "what is changed in place": (
        "    image = Image.open(file.file)\n"
        "    if max(image.size) > 64:\n        image.thumbnail((64, 64))\n"
        "    found = []\n    for i, score in enumerate(load()(image)):\n        found.append((words[i], score))\n"
        "    return {'found': found}\n",
        "image = Image.open(uploaded)\nif max(image.size) > 64:\n    image.thumbnail((64, 64))\n"
        "found = []\nfor i, score in enumerate(load()(image)):\n    found.append((words[i], score))\nanswered = {'found': found}\n",
    ),
    "another name for it": (
        "    image = Image.open(file.file)\n    view = prepared(image)\n    view.paste(0)\n    return load()(image)\n",
        "image = Image.open(uploaded)\nview = prepared(image)\nview.paste(0)\nanswered = load()(image)\n",
    ),
    "every early answer": (
        "    scores = load()(Image.open(file.file))\n"
        "    if scores.max() < 0.5:\n        if scores.min() < 0.1:\n            return {'word': words[0]}\n"
        "    return {'word': words[scores.argmax()]}\n",
        "scores = load()(Image.open(uploaded))\n"
        "if scores.max() < 0.5:\n    if scores.min() < 0.1:\n        answered = {'word': words[0]}\n"
        "    else:\n        answered = {'word': words[scores.argmax()]}\nelse:\n    answered = {'word': words[scores.argmax()]}\n",
    ),
    "a name used again": (
        "    file = await file.read()\n    file = Image.open(io.BytesIO(file))\n    return load()(file)\n",
        "file = open(uploaded, 'rb').read()\nfile = Image.open(io.BytesIO(file))\nanswered = load()(file)\n",
    ),
    "what its name decides": (
        "    image = Image.open(file.file)\n"
        "    if file.filename.endswith('.gif'):\n        image = image.convert('P')\n    return load()(image)\n",
        "image = Image.open(uploaded)\n"
        "if os.path.basename(uploaded).endswith('.gif'):\n    image = image.convert('P')\nanswered = load()(image)\n",
    ),
    "what is done at last": (
        "    image = Image.open(file.file)\n    try:\n        image = prepared(image)\n"
        "    except Exception:\n        image = None\n    finally:\n        image = image.rotate(90)\n    return load()(image)\n",
        "image = Image.open(uploaded)\nimage = prepared(image)\nimage = image.rotate(90)\nanswered = load()(image)\n",
    ),
    "a view of it": (
        "    image = load()(Image.open(file.file))\n    red = image[0]\n    red -= 3\n    return prepared(image)\n",
        "image = load()(Image.open(uploaded))\nred = image[0]\nred -= 3\nanswered = prepared(image)\n",
    ),
    "a switch of the library's": (
        "    torch.set_grad_enabled(False)\n    return load()(Image.open(file.file))\n",
        "torch.set_grad_enabled(False)\nanswered = load()(Image.open(uploaded))\n",
    ),
    "a test of the name that is no check": (
        "    if is_film(file.filename):\n        return load()(file.file)\n    return load()(Image.open(file.file))\n",
        "if is_film(os.path.basename(uploaded)):\n    answered = load()(open(uploaded, 'rb'))\n"
        "else:\n    answered = load()(Image.open(uploaded))\n",
    ),
    "an answer with a message": (
        "    image = Image.open(file.file)\n    if file.filename.endswith('.png'):\n        y = load()(image.crop((0, 0, 9, 9)))\n"
        "        return {'message': 'done', 'y': y}\n    return {'message': 'done', 'y': load()(image)}\n",
        "image = Image.open(uploaded)\nif os.path.basename(uploaded).endswith('.png'):\n    y = load()(image.crop((0, 0, 9, 9)))\n"
        "    answered = {'y': y}\nelse:\n    answered = {'y': load()(image)}\n",
    ),
    "a print that loads": (
        "    net = load()\n    print(net.load_state_dict(words))\n    return net(Image.open(file.file))\n",
        "net = load()\nprint(net.load_state_dict(words))\nanswered = net(Image.open(uploaded))\n",
    ),
    "a list that loses a word": (
        "    names = ['none', 'dark']\n    names.remove('none')\n    return names[load()(Image.open(file.file)).argmax()]\n",
        "names = ['none', 'dark']\nnames.remove('none')\nanswered = names[load()(Image.open(uploaded)).argmax()]\n",
    ),
}


@pytest.mark.parametrize("kept", KEPT)
def test_nothing_is_left_out_on_which_the_answer_may_rest(tmp_path: Path, kept: str) -> None:
    body, wanted = KEPT[kept]
    assert lines(tmp_path, FASTAPI + UPLOAD + body).partition("uploaded = sys.argv[2]\n")[2] == wanted


@pytest.mark.parametrize(
    "body",
    [
        "    with torch.no_grad():\n        if load():\n            return words[0]\n    return load()(Image.open(file.file))\n",
        "    data = await file.read()\n    with open('x.png', 'wb') as f:\n        f.write(prepared(data))\n    return load()(Image.open('x.png'))\n",
        "    head = file.file.read(44)\n    return load()(Image.open(file.file)), head\n",
        "    file.file.seek(44)\n    return load()(Image.open(file.file))\n",
        "    return await asyncio.to_thread(func=load)\n",
        "    args = [load, file]\n    return await asyncio.to_thread(*args)\n",
        "    answered = load()(Image.open(file.file))\n    return answered\n",
        "    image = Image.open(file.file)\n    return [load()(file) for file in prepared(image)]\n",
        "    out = []\n    for file in prepared(Image.open(file.file)):\n        out.append(load()(file))\n    return out\n",
        "    with Image.open(file.file) as file:\n        return load()(file)\n",
        "    path = file.filename\n    with open(path, 'wb') as f:\n        f.write(await file.read())\n"
        "    prepared(Image.open(path)).save(path)\n    return load()(Image.open(path))\n",
        "    if file.content_type.startswith('video/'):\n        image = load()(file.file)\n    else:\n        image = prepared(file.file)\n"
        "    return image\n",
        "    if (image := prepared(file.file)) is None:\n        raise HTTPException(400)\n    return load()(image)\n",
        "    async for one in load()(file.file):\n        return one\n",
        "    contents = await file.read()\n    return {'size': len(contents)}\n",
        "    found = load()(Image.open(file.file))\n" + "".join(
            f"    if found == {i}:\n        return {{'word': found + {i}}}\n" for i in range(300)) + "    return found\n",
    ],
)  # fmt: skip
def test_what_could_mean_something_else_is_not_written(tmp_path: Path, body: str) -> None:
    assert handlers(tmp_path, FASTAPI + UPLOAD + body) == []


def test_a_list_of_uploads_is_not_one(tmp_path: Path) -> None:
    head = "@app.post('/p')\ndef predict(files: list[UploadFile]):\n"
    assert handlers(tmp_path, FASTAPI + head + "    return [load()(Image.open(f.file)) for f in files]\n") == []


def test_a_text_that_names_the_saved_file_is_no_fault(tmp_path: Path) -> None:
    body = "    f = request.files['file']\n    f.save('in.jpg')\n    return jsonify(y=load()(Image.open(f'in.jpg')))\n"
    assert handlers(tmp_path, FLASK + "@app.route('/p', methods=['POST'])\ndef predict():\n" + body) == []


def test_two_uploads_are_not_one(tmp_path: Path) -> None:
    head = "@app.post('/p')\ndef predict(content: UploadFile, style: UploadFile):\n"
    assert handlers(tmp_path, FASTAPI + head + "    return load()(Image.open(content.file), Image.open(style.file))\n") == []


STARTED = {
    "a constant that is set again": ("limit = 0.5\n", "    global limit\n    limit = 0.9\n", "limit", "limit = 0.9\n"),
    "a model that gets its weights": ("mdl = load()\n", "    mdl.eval()\n", "mdl", "mdl.eval()\n"),
    "a dict that is filled": ("models = {}\n", "    models['net'] = load()\n", "models['net']", "models['net'] = load()\n"),
    "what is made once": (
        "mdl = None\n",
        "    global mdl\n    if mdl is None:\n        mdl = load()\n",
        "mdl",
        "if mdl is None:\n    mdl = load()\n",
    ),
}


@pytest.mark.parametrize("started", STARTED)
def test_what_a_start_changes_is_changed_before(tmp_path: Path, started: str) -> None:
    top, start, used, early = STARTED[started]
    text = FASTAPI + top + "@app.on_event('startup')\ndef start():\n" + start
    written = lines(tmp_path, text + f"@app.post('/p')\ndef predict(file: UploadFile):\n    return prepared({used}, file.file)\n")
    assert written.partition("uploaded = sys.argv[2]\n")[2] == early + f"answered = prepared({used}, open(uploaded, 'rb'))\n"


UNTOLD = {
    "a setter that another address calls": "def strict():\n    global words\n    words = []\n",
    "a local of the start's that is a global elsewhere": (
        "@app.on_event('startup')\ndef start():\n    words = ['x']\n    app.state.net = load(len(words))\n"
    ),
    "a start with arguments": "@app.on_event('startup')\ndef start(words=3):\n    print(load(words))\n",
    "a function that looks at what the start makes": (
        "@app.on_event('startup')\ndef start():\n    global net\n    net = load()\n\n\ndef asked(x):\n    return net(x)\n"
    ),
}


@pytest.mark.parametrize("untold", UNTOLD)
def test_where_a_global_may_be_another_nothing_is_written(tmp_path: Path, untold: str) -> None:
    used = "asked" if "asked" in UNTOLD[untold] else "load()"
    handler = f"@app.post('/p')\ndef predict(file: UploadFile):\n    return words[{used}(file.file)]\n"
    assert handlers(tmp_path, FASTAPI + UNTOLD[untold] + handler) == []


def test_the_end_of_a_service_is_no_start(tmp_path: Path) -> None:
    text = FASTAPI + "@app.on_event('shutdown')\ndef stop():\n    words.clear()\n"
    assert "clear" not in lines(tmp_path, text + UPLOAD + "    return words[load()(Image.open(file.file))]\n")


def test_several_handlers_and_states_are_each_written_from_the_code_as_it_stands(tmp_path: Path) -> None:
    text = FASTAPI + (
        "async def lifespan(app):\n    app.state.net = load()\n    app.state.words = ['a']\n    yield\n\n\n"
        "@app.post('/p')\ndef predict(request: Request, file: UploadFile):\n"
        "    return request.app.state.words[request.app.state.net(file.file)]\n\n\n"
        "@app.post('/q')\ndef scores(request: Request, file: UploadFile):\n    return request.app.state.net(file.file)\n"
    )
    first, second = handlers(tmp_path, text)
    assert first.text.endswith(
        "state_net = load()\nstate_words = ['a']\nanswered = state_words[state_net(open(uploaded, 'rb'))]\n"
    )
    assert "state_net = load()\n" in second.text and second.text.endswith("answered = state_net(open(uploaded, 'rb'))\n")


def test_a_name_that_is_given_another_value_after_its_import_comes_from_the_service(tmp_path: Path) -> None:
    text = FASTAPI + "from helpers import size\nsize = size * 2\n" + UPLOAD + "    return load()(Image.open(file.file).resize(size))\n"
    assert "from service import size\n" in lines(tmp_path, text)
