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
            if "net" not in st.session_state:
                st.session_state.net = load("best.pth")
            if picture is None:
                st.error("no picture")
                st.stop()
            try:
                st.json({"word": WORDS[int(st.session_state["net"](picture).argmax())]})
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
        if 'net' not in session_state:
            session_state['net'] = load('best.pth')
        print({'word': WORDS[int(session_state['net'](picture).argmax())]})
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
        (
            "st.session_state.setdefault('n', net)\nst.write(st.session_state.get('n')(file))",
            "print(session_state.get('n')(open(uploaded, 'rb')))",
        ),
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
        "scores = net(open(uploaded, 'rb'))\nprint(scores)\nif scores.max() > 0:\n    print('bright')\n"
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
PIL = "Image.open(uploaded).convert('RGB')"


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("gr.Interface(fn=tell, inputs=gr.Image(type='pil'), outputs=gr.Label(num_top_classes=2)).launch()", PIL),
        ("gr.Interface(tell, 'image', 'label').launch(share=True)", f"numpy.asarray({PIL})"),
        ("demo = gr.Interface(tell, [gr.Image()], 'label')\nif __name__ == '__main__':\n    demo.launch()", f"numpy.asarray({PIL})"),
        ("gr.Interface(fn=tell, inputs=gr.inputs.Image(type='filepath'), outputs='label').launch()", "uploaded"),
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
        "gr.Interface(fn=lambda x: tell(x), inputs=gr.Image(), outputs='label').launch()",
        "def more(x):\n    raise gr.Error('no')\ngr.Interface(fn=more, inputs=gr.Image(), outputs='label').launch()",
        "def more(x):\n    return tell(x)\ngr.Interface(fn=more, inputs=gr.Image(), outputs='label')\n"
        "gr.Interface(fn=tell, inputs=gr.Image(), outputs='label')",
        "Image = 3\ngr.Interface(fn=tell, inputs=gr.Image(), outputs='label').launch()",
    ],
)
def test_an_interface_that_gives_more_or_something_else_is_not_written(tmp_path: Path, text: str) -> None:
    assert pages(tmp_path, f"{GRADIO}{text}\n") == []
