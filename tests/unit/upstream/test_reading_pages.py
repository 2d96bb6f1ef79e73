"""Pages of Streamlit that take an upload: their lines as Python that starts from a file and prints what is shown."""

import textwrap
from pathlib import Path

import pytest
from reading_trees import NN, read, weights

from assay.records.upstream import Use

NET = (
    NN
    + "class Net(nn.Module):\n    def __init__(self, width=1):\n        super().__init__()\n        self.fc = nn.Linear(1, width)\n"
)
HEAD = """\
import streamlit as st
import torch
from net import Net
from PIL import Image
from torchvision import transforms

WORDS = ["dark", "bright"]


@st.cache_resource
def load(path):
    net = Net()
    net.load_state_dict(torch.load(path))
    return net


"""
ASKED = 'file = st.file_uploader("a picture", type=["png"])\n'
LOAD = """\
def load(path):
    net = Net()
    net.load_state_dict(torch.load(path))
    return net
"""


def pages(folder: Path, text: str, **files: str) -> "list[Use]":
    tree = {"net.py": NET, "app.py": text, **files}
    return [u for u in read(folder, tree, weights("fc.weight", "fc.bias")).uses if u.given == "upload"]


def lines(folder: Path, text: str) -> str:
    """Give the lines of a page after its head, which is the same for all."""
    [use] = pages(folder, HEAD + textwrap.dedent(text))
    imports, _, body = use.text.partition("\n\nuploaded = sys.argv[2]\n")
    assert imports.startswith("import sys\n\n") and "streamlit" not in use.text
    return body.removeprefix("WORDS = ['dark', 'bright']\n").removeprefix(LOAD)


def test_a_page_from_above_to_below(tmp_path: Path) -> None:
    text = """
        st.set_page_config(page_title="Words")
        st.title("Dark or bright?")
        net = load("best.pth")
        least = st.sidebar.slider("least", 0.0, 1.0, 0.5)
        file = st.file_uploader("a picture", type=["png"])
        left, right = st.columns(2)
        if file is not None:
            picture = Image.open(file).convert("L")
            with left:
                st.image(picture, caption="yours")
            if st.button("Tell"):
                with st.spinner("at work"), torch.no_grad():
                    scores = net(picture)
                best = int(scores.argmax())
                right.metric("Word", WORDS[best])
                st.success(f"{WORDS[best]}: {scores.max():.2f}")
                if scores.max() < least:
                    st.warning("not sure")
                    st.write("at", least)
                st.bar_chart(scores)
        else:
            st.info("nothing there")
    """
    assert lines(tmp_path, text) == textwrap.dedent("""\
        net = load('best.pth')
        least = 0.5
        picture = Image.open(uploaded).convert('L')
        with torch.no_grad():
            scores = net(picture)
        best = int(scores.argmax())
        print(WORDS[best])
        print(f'{WORDS[best]}: {scores.max():.2f}')
        if scores.max() < least:
            print(least)
    """)


def test_a_page_that_is_a_function_and_a_way_to_the_upload(tmp_path: Path) -> None:
    text = """
        def main():
            st.header("Dark or bright?")
            way = st.radio("from", ["camera", "file"])
            picture = None
            if way == "camera":
                taken = st.camera_input("smile")
                picture = Image.open(taken)
            elif way == "file":
                file = st.file_uploader("a picture")
                if file:
                    picture = Image.open(file)
            net = load("best.pth")
            if picture is None:
                st.error("no picture")
                st.stop()
            try:
                st.json({"word": WORDS[int(net(picture).argmax())]})
            except Exception as error:
                st.error(error)


        if __name__ == "__main__":
            main()
    """
    [use] = pages(tmp_path, HEAD + textwrap.dedent(text))
    assert use.text.endswith(
        textwrap.dedent("""\
        picture = None
        picture = Image.open(uploaded)
        net = load('best.pth')
        print({'word': WORDS[int(net(picture).argmax())]})
    """)
    ), use.text
    assert (use.where, use.paged, use.kind) == ("t/app.py:page()", True, "image")


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        (
            "st.write(file.name, net(file.read()))",
            "print(os.path.basename(uploaded), net(open(uploaded, 'rb').read()))",
        ),
        ("st.write(net(file.getvalue()))", "print(net(open(uploaded, 'rb').read()))"),
        ("st.write(net(file))", "print(net(open(uploaded, 'rb')))"),
        ("st.write(net(file), st.checkbox('sure', value=True))", "print(net(open(uploaded, 'rb')), True)"),
        ("st.write(net(file), st.text_input('as'))", "print(net(open(uploaded, 'rb')), '')"),
        ("st.write(net(file), st.number_input('n', 1, 9))", "print(net(open(uploaded, 'rb')), 1)"),
        ("other = file\nst.write(net(other))", "print(net(open(uploaded, 'rb')))"),
        ("if st.button('Clear'):\n    net = None\nst.write(net(file))", "print(net(open(uploaded, 'rb')))"),
        ("if not file:\n    st.stop()\nst.write(net(file))", "print(net(open(uploaded, 'rb')))"),
    ],
)
def test_what_is_done_with_an_upload_and_what_a_page_begins_with(tmp_path: Path, shown: str, written: str) -> None:
    found = lines(tmp_path, f"net = load('best.pth')\n{ASKED}{shown}\n")
    assert found.splitlines()[-1] == written and "net = load('best.pth')" in found


@pytest.mark.parametrize(
    "text",
    [
        "net = load('best.pth')\nst.write(net(1))\n",  # nothing is uploaded
        f"{ASKED}st.write('thank you')\n",  # nothing of it is shown
        f"net = load('best.pth')\n{ASKED}file = 3\nst.write(net(file))\n",
        f"net = load('best.pth')\n{ASKED}st.write(net(file.size))\n",
        f"net = load('best.pth')\n{ASKED}other = st.file_uploader('weights')\nst.write(net(file), net(other))\n",
        f"import requests\n{ASKED}st.write(requests.post('http://there', files={{'a': file}}).json())\n",
        f"net = load('best.pth')\n{ASKED}st.write(net(file.readline()))\n",
        f"net = load('best.pth')\n{ASKED}st.write([net(file) for file in [file]])\n",
        f"net = load('best.pth')\n{ASKED}st.write((lambda file: net(file))(1))\n",
        f"net = load('best.pth')\n{ASKED}when = st.date_input('when')\nst.write(net(file), when)\n",
        f"net = load('best.pth')\n{ASKED}show(st, net(file))\n",
        f"net = load('best.pth')\n{ASKED}st.write(net(file), beyond)\n",
        f"net = load('best.pth')\n{ASKED}uploaded = 3\nst.write(net(file))\n",
        f"net = load('best.pth')\nif net(1) > 3:\n    st.stop()\n{ASKED}st.write(net(file))\n",
        "net = load('best.pth')\nfiles = st.file_uploader('x', accept_multiple_files=True)\nst.write(net(files))\n",
        "def main(net):\n    file = st.file_uploader('x')\n    st.write(net(file))\nmain(load('best.pth'))\n",
        "net = None\ndef main():\n    net = load('best.pth')\n    file = st.file_uploader('x')\n    st.write(net(file))\nmain()\n",
        f"net = load('best.pth')\n{ASKED}ok = bool(net(file) > 0.5)\nif not ok:\n    st.error('no')\n    st.stop()\nst.write(net(file))\n",
        f"net = load('best.pth')\n{ASKED}img = Image.open(file)\nif st.button('Turn'):\n    img = img.rotate(90)\n"
        "if st.button('Tell'):\n    best = net(img)\n    st.write(best)\n",
        f"net = load('best.pth')\n{ASKED}if st.button(WORDS[0]):\n    best = net(file)\n    st.write(best)\n",
        f"net = load('best.pth')\n{ASKED}st.session_state.n = 3\nst.write(net(file), st.session_state.n)\n",
        f"net = load('best.pth')\n{ASKED}if st.button('Tell', on_click=load):\n    st.write(net(file))\n",
        f"net = load('best.pth')\n{ASKED}st.write(net(file), st.slider('t', **SIZES))\n",
        f"net = load('best.pth')\n{ASKED}st.write(net(file), st.number_input('t', 0, 9, 'min'))\n",
        f"net = load('best.pth')\n{ASKED}with open('a.json') as file:\n    names = file.read()\nst.write(net(file), names)\n",
        f"net = load('best.pth')\n{ASKED}class Run:\n    def go(self, file):\n        return file\nst.write(net(Run().go(file)))\n",
        "net = load('best.pth')\nfor side in 'ab':\n    file = st.file_uploader(side)\n    st.write(net(file))\n",
        "net = load('best.pth')\nfile = st.file_uploader('a', ['png'], True)\nst.write(net(file))\n",
        f"net = load('best.pth')\n{ASKED}try:\n    best = net(file)\nexcept ValueError:\n    best = 3\nst.write(best)\n",
        "net = load('best.pth')\nway = st.radio('from', ['Sample', 'File'])\nsize = 128 if way == 'Sample' else 224\n"
        "if way == 'File':\n    file = st.file_uploader('a')\n    st.write(net(file, size))\n",
        "def main():\n    net = load('best.pth')\n    mode = st.radio('m', ['Describe', 'Tell'])\n    file = st.file_uploader('a')\n"
        "    if mode == 'Describe':\n        return\n    st.write(net(file))\nmain()\n",
        f"from other import prepare\nnet = load('best.pth')\ndef tell(x):\n    from better import prepare\n    return net(prepare(x))\n"
        f"{ASKED}st.write(tell(file))\n",
        f"net = load('best.pth')\n{ASKED}for i in range(3):\n    st.write(net(file))\nelse:\n    st.write('over')\n",
    ],
)
def test_what_could_mean_something_else_is_not_written(tmp_path: Path, text: str) -> None:
    assert pages(tmp_path, HEAD + text) == []


def test_an_answer_that_is_a_fault_to_the_page_stays_a_question(tmp_path: Path) -> None:
    """What the model says is no reason to leave a branch out."""
    text = f"net = load('best.pth')\n{ASKED}best = net(file)\nif best < 0.5:\n    st.error('not sure')\nelse:\n    st.write(best)\n"
    assert lines(tmp_path, text).endswith("if best < 0.5:\n    pass\nelse:\n    print(best)\n")


def test_a_functions_own_names_are_its_own(tmp_path: Path) -> None:
    text = f"net = load('best.pth')\n{ASKED}def tell(file):\n    return net(file)\nst.write(tell(file))\n"
    assert lines(tmp_path, text).endswith("def tell(file):\n    return net(file)\nprint(tell(open(uploaded, 'rb')))\n")


def test_charts_and_what_only_they_are_made_of_are_left_out(tmp_path: Path) -> None:
    text = f"""\
import pandas as pd
import plotly.graph_objects as go
net = load('best.pth')
{ASKED}scores = net(file)
st.write(scores)
table = pd.DataFrame({{'score': scores}})
figure = go.Figure(go.Bar(y=scores))
figure.update_layout(height=3)
st.plotly_chart(figure)
if scores.max() > 0:
    print('bright')
    figure.add_trace(table)
    for score in scores:
        figure.add_trace(score)
"""
    assert lines(tmp_path, text).endswith(
        "print(scores)\ntable = pd.DataFrame({'score': scores})\nif scores.max() > 0:\n    print('bright')\n"
    )


def test_an_upload_is_held_in_memory_where_upstream_asks_it_for_its_memory(tmp_path: Path) -> None:
    text = f"{HEAD}from reads import read\nnet = load('best.pth')\n{ASKED}st.write(net(read(file)))\n"
    [use] = pages(tmp_path, text, **{"reads.py": "def read(file):\n    return file.getvalue()\n"})
    assert "import io\n" in use.text
    assert use.text.endswith("print(net(read(io.BytesIO(open(uploaded, 'rb').read()))))\n")


# ---------------------------------------------------------------- Gradio
GRADIO = """\
import gradio as gr
import torch
from net import Net

WORDS = ["dark", "bright"]
net = Net()
net.load_state_dict(torch.load("best.pth"))


def tell(picture):
    scores = net(picture)
    return {word: float(score) for word, score in zip(WORDS, scores)}


"""
MADE = """\
net = Net()
net.load_state_dict(torch.load('best.pth'))
def tell(picture):
    scores = net(picture)
    return {word: float(score) for word, score in zip(WORDS, scores)}
"""
PIL = "ImageOps.exif_transpose(Image.open(uploaded)).convert('RGB')"


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("gr.Interface(fn=tell, inputs=gr.Image(type='pil'), outputs=gr.Label(num_top_classes=2)).launch()", PIL),
        ("gr.Interface(tell, 'image', 'label').launch(share=True)", f"numpy.asarray({PIL})"),
        ("demo = gr.Interface(tell, [gr.Image()], 'label')\nif __name__ == '__main__':\n    demo.launch()", f"numpy.asarray({PIL})"),
        ("gr.Interface(fn=tell, inputs=gr.inputs.Image(type='pil'), outputs='label').launch()", PIL),
        ("gr.Interface(fn=tell, inputs=gr.Audio(type='filepath'), outputs='label').launch()", "uploaded"),
        (
            "with gr.Blocks() as demo:\n    gr.Markdown('Words')\n    with gr.Row():\n        seen = gr.Image(type='pil')\n"
            "        said = gr.Label()\n    gr.Button('Tell').click(fn=tell, inputs=seen, outputs=said)\ndemo.launch()",
            PIL,
        ),
    ],
)  # fmt: skip
def test_the_function_of_an_interface_is_called_with_what_its_component_gives(
    tmp_path: Path, text: str, given: str
) -> None:
    [use] = pages(tmp_path, f"{GRADIO}{text}\n")
    assert "gradio" not in use.text and use.text.endswith(f"{MADE}answered = tell({given})\nprint(answered)\n"), use.text
    assert ("from PIL import Image" in use.text, "import numpy\n" in use.text) == ("Image" in given, "numpy" in given)


@pytest.mark.parametrize(
    "text",
    [
        "gr.Interface(fn=tell, inputs=gr.Textbox(), outputs='label').launch()",
        "gr.Interface(fn=tell, inputs=[gr.Image(), gr.Slider()], outputs='label').launch()",
        "gr.Interface(fn=tell, inputs=gr.Image(shape=(28, 28)), outputs='label').launch()",
        "gr.Interface(fn=tell, inputs=gr.Image(type=KIND), outputs='label').launch()",
        "gr.Interface(fn=tell, inputs=gr.Sketchpad(), outputs='label').launch()",
        "gr.Interface(fn=tell, inputs=gr.Image(type='filepath'), outputs='label').launch()",  # it may be saved anew
        "gr.Interface(fn=tell, inputs=gr.Image(**HOW), outputs='label').launch()",
        "gr.Interface(fn=tell, inputs=gr.Image(), outputs='label', batch=True).launch()",
        "with gr.Blocks() as demo:\n    seen = gr.Image()\n    seen.upload(cropped, seen, seen)\n"
        "    gr.Button('Tell').click(fn=tell, inputs=seen, outputs=gr.Label())\n",
        "gr.Interface(fn=lambda x: tell(x), inputs=gr.Image(), outputs='label').launch()",
        "def more(x):\n    raise gr.Error('no')\ngr.Interface(fn=more, inputs=gr.Image(), outputs='label').launch()",
        "def more(x):\n    return tell(x)\ngr.Interface(fn=more, inputs=gr.Image(), outputs='label')\n"
        "gr.Interface(fn=tell, inputs=gr.Image(), outputs='label')",
        "Image = 3\ngr.Interface(fn=tell, inputs=gr.Image(), outputs='label').launch()",
    ],
)
def test_an_interface_that_gives_more_or_something_else_is_not_written(tmp_path: Path, text: str) -> None:
    assert pages(tmp_path, f"{GRADIO}{text}\n") == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("import os\nos.environ['SIZE'] = 'large'\n", "os.environ['SIZE'] = 'large'"),
        ("_ = torch.manual_seed(3)\n", "_ = torch.manual_seed(3)"),
        ("import pandas as pd\nWORDS = pd.Series(WORDS).tolist()\n", "WORDS = pd.Series(WORDS).tolist()"),
    ],
)
def test_what_the_answer_may_rest_on_is_kept(tmp_path: Path, text: str, kept: str) -> None:
    [use] = pages(tmp_path, f"{HEAD}net = load('best.pth')\n{text}{ASKED}st.write(WORDS[net(file)])\n")
    assert f"\n{kept}\n" in use.text, use.text


@pytest.mark.parametrize("label", ["Find closest match", "Against", "Predict"])
def test_a_word_within_another_does_not_hold_a_button_back(tmp_path: Path, label: str) -> None:
    text = f"net = load('best.pth')\n{ASKED}best = None\nif st.button(label={label!r}):\n    best = net(file)\nst.write(best)\n"
    assert "best = net(open(uploaded, 'rb'))" in lines(tmp_path, text)


def test_what_an_interface_does_before_it_begins_is_done(tmp_path: Path) -> None:
    text = "if __name__ == '__main__':\n    net.load_state_dict(torch.load('better.pth'))\n    gr.Interface(tell, 'image', 'label').launch()\n"
    [use] = pages(tmp_path, GRADIO + text)
    assert "net.load_state_dict(torch.load('better.pth'))\nanswered = tell(" in use.text
