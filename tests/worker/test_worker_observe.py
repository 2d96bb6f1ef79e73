"""The verb observe: upstream's own script or snippet is run, watched, and told; on small trees made on the spot."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay import bridge

TORCH = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
slow = [pytest.mark.slow, pytest.mark.skipif(not TORCH.exists(), reason="ASSAY_TORCH_PYTHON names none")]
Run = dict[str, Any]
Observe = Callable[..., Run]
HERE = Path(sys.executable)


@pytest.fixture
def observe(ask: Any, workspace: Path) -> Observe:
    """Run a script of a tree that consists of these files; give the first run."""

    def observed(script: str, *argv: str, files: dict[str, str | bytes] | None = None, **keys: Any) -> Run:
        for name, content in {"main.py": script, **(files or {})}.items():
            path = workspace / "refs/net" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        request = {"tree": "refs/net", "entry": {"script": "main.py"}, "argv": list(argv), "seconds": 20, **keys}
        outcome = ask(verb="observe", limits=bridge.Limits(seconds=60.0, memory_mib=8192), **request)
        assert outcome.value is not None, (outcome, bridge.tail(outcome))
        run: Run = outcome.value["runs"][0]
        return {**run, "files_read": outcome.read, "log": bridge.tail(outcome), "runs": outcome.value["runs"]}

    return observed


def events(run: Run, kind: str) -> list[dict[str, Any]]:
    return [event for event in run["events"] if event["is"] == kind]


def said(run: Run) -> list[str]:
    return [one["what"] for one in run["interventions"]]


# ---------------------------------------------------------------- no library at all
def test_what_is_printed_is_told_with_its_place(observe: Observe) -> None:
    script = "def tell(n):\n    print('found', n,\n          [1, (2, 3)])\n\ntell(\n    4)\n"
    run = observe(script)
    [event] = events(run, "sink")
    assert (event["how"], event["args"]) == ("print", ["found", 4, [1, {"tuple": [2, 3]}]])
    frames = [run["frames"][at["frame"]] for at in event["stack"]]
    assert [(f["file"], f["qualname"], f["module"]) for f in frames] == [
        ("net/main.py", "<module>", "__main__"),
        ("net/main.py", "tell", "__main__"),
    ]
    assert [at["line"] for at in event["stack"]] == [5, 2]
    if sys.version_info >= (3, 11):
        assert event["stack"][1] == {**event["stack"][1], "end_line": 3, "col": 4, "end_col": 22}
    assert run["outcome"] == "no-call"


def test_the_tree_is_not_written_into_and_what_is_read_of_it_is_told(observe: Observe, workspace: Path) -> None:
    script = "import os, helper\nopen('made.txt', 'w').write('hello')\nos.remove('names.txt')\n"
    files: dict[str, str | bytes] = {"helper.py": "open('names.txt').read()\n", "names.txt": "a\nb\n"}
    run = observe(script, files=files)
    assert sorted(os.listdir(workspace / "refs/net")) == ["helper.py", "main.py", "names.txt"]
    assert set(run["files_read"]) == {"refs/net/helper.py", "refs/net/main.py", "refs/net/names.txt"}
    assert [e["path"] for e in events(run, "read")] == ["@tree/names.txt"]
    assert events(run, "sink")[0]["args"] == [{"path": "@tree/made.txt"}, "hello"]


def test_every_run_starts_anew_with_its_own_input(observe: Observe, workspace: Path) -> None:
    (workspace / "inputs").mkdir()
    for name in ("a.txt", "b.txt"):
        (workspace / "inputs" / name).write_text(name)
    script = "import sys, os\nprint(open(sys.argv[1]).read(), os.path.exists('mark'))\nopen('mark', 'w')\n"
    run = observe(script, "@input", inputs=["inputs/a.txt", "inputs/b.txt"])
    assert [events(one, "sink")[0]["args"] for one in run["runs"]] == [["a.txt", False], ["b.txt", False]]
    assert [events(one, "read")[0]["path"] for one in run["runs"]] == ["@input", "@input"]
    assert {"inputs/a.txt", "inputs/b.txt"} <= set(run["files_read"])


# ---------------------------------------------------------------- what is only on the author's machine
@pytest.mark.parametrize("folder", ["/home/author/project", "C:\\\\Users\\\\author\\\\project"])
def test_a_folder_of_the_authors_is_left_out(observe: Observe, folder: str) -> None:
    run = observe(f"import os\nos.chdir('{folder}')\nprint(open('names.txt').read())\n", files={"names.txt": "a"})
    assert events(run, "sink")[0]["args"] == ["a"]
    assert "there is no folder" in said(run)[0] and "it stays where it is" in said(run)[0]


@pytest.mark.parametrize("folder", ["data", "missing"])
def test_a_folder_of_the_tree_is_entered_or_is_not_there(observe: Observe, folder: str) -> None:
    run = observe(f"import os\nos.chdir('{folder}')\nprint(os.listdir('.'))\n", files={"data/a.txt": "a"})
    assert said(run) == [] and (run["outcome"] == "failed") == (folder == "missing")


def asked(observe: Observe, workspace: Path, script: str) -> Run:
    (workspace / "inputs").mkdir(exist_ok=True)
    (workspace / "inputs/a.png").write_bytes(b"\x89PNG")
    return observe(script, inputs=["inputs/a.png"])


def test_a_question_for_a_file_is_answered_with_the_input(observe: Observe, workspace: Path) -> None:
    run = asked(observe, workspace, "print(input('Path of the image: '))\n")
    assert events(run, "sink")[0]["args"] == [{"path": "@input"}] and "answered with the given input" in said(run)[0]


@pytest.mark.parametrize("prompt", ["Your name: ", "Path to save the image to: ", ""])
def test_no_other_question_is_answered(observe: Observe, workspace: Path, prompt: str) -> None:
    run = asked(observe, workspace, f"print(input({prompt!r}))\n")
    assert run["outcome"] == "failed" and "EOF" in run["message"] and said(run) == []


def test_a_sample_that_is_looked_for_is_taken_to_be_there(observe: Observe, workspace: Path) -> None:
    run = asked(observe, workspace, "import os\nprint(os.path.exists('data/cat.jpg'), os.path.isfile('data/dog.png'))\n")
    assert events(run, "sink")[0]["args"] == [True, True] and "taken to be there" in said(run)[0]


@pytest.mark.parametrize("path", ["out/result.png", "data/cat.txt", "weights.pth", "predicted.png"])
def test_what_is_no_sample_is_not_taken_to_be_there(observe: Observe, workspace: Path, path: str) -> None:
    run = asked(observe, workspace, f"import os\nprint(os.path.exists({path!r}))\n")
    assert events(run, "sink")[0]["args"] == [False] and said(run) == []


@pytest.mark.parametrize(
    ("script", "outcome", "where"),
    [
        ("x = 1\nraise ValueError('no')\n", "failed", "net/main.py:2"),
        ("import sys\nsys.exit(3)\n", "exited", "net/main.py:2"),
        ("import sys\nsys.exit(0)\n", "no-call", ""),
        ("import os\nos.system('echo hi')\n", "refused", "net/main.py:2"),
        ("import subprocess\nsubprocess.run(['true'])\n", "refused", "net/main.py:2"),
        ("import urllib.request as u\nu.urlopen('http://example.org/w.pth')\n", "refused", "net/main.py:2"),
        ("while True:\n    pass\n", "hung", ""),
    ],
)
def test_how_a_run_ends(observe: Observe, script: str, outcome: str, where: str) -> None:
    run = observe(script, seconds=1.0)
    assert run["outcome"] == outcome, run
    assert run["where"] == where or outcome == "hung"


def test_what_is_missing_is_named_when_it_is_used(observe: Observe) -> None:
    unused = observe("import thop\nfrom thop.more import profile\nclass A(thop.B):\n    pass\nprint('on')\n")
    assert (unused["outcome"], said(unused)) == ("no-call", ["thop is not installed: stood in for until it is used"])
    used = observe("import thop\nthop.profile(1)\n")
    assert (used["outcome"], used["package"], used["where"]) == ("missing-package", "thop", "net/main.py:2")


def test_what_upstream_can_do_without_is_not_stood_in_for(observe: Observe) -> None:
    script = "try:\n    import apex\nexcept ImportError:\n    apex = None\nprint(apex)\n"
    assert events(observe(script), "sink")[0]["args"] == [None]


def test_a_package_of_the_tree_is_found(observe: Observe) -> None:
    files: dict[str, str | bytes] = {"src/kit/__init__.py": "SIZE = 3\n", "__init__.py": "", "setup.py": "name='whole'"}
    run = observe("import kit, whole\nprint(kit.SIZE, whole.__name__)\n", files=files)
    assert events(run, "sink")[0]["args"] == [3, "whole"]
    assert run["interventions"][0]["code"] == "sys.path.insert(0, 'src')"


def test_names_that_are_gone_are_given_back(observe: Observe) -> None:
    run = observe("import collections\nprint(isinstance([], collections.Sequence))\n")
    assert events(run, "sink")[0]["args"] == [True]
    assert [one["code"] for one in run["interventions"]] == ["collections.Sequence = collections.abc.Sequence"]


def test_a_snippet_runs_with_its_prompts_taken_away(observe: Observe, workspace: Path) -> None:
    (workspace / "inputs").mkdir()
    (workspace / "inputs/x.txt").write_text("hello")
    text = ">>> import main\n>>> got = main.read('./doc/sample.ini')\n>>> got.upper()\n'HELLO'\n"
    entry = {"snippet": {"text": text, "path": "net/README.md", "line": 7}}
    script = "def read(path):\n    with open(path, 'rb') as f:\n        return f.read().decode()\n"
    run = observe(script, entry=entry, inputs=["inputs/x.txt"])
    [shown] = events(run, "sink")
    assert (shown["how"], shown["args"]) == ("shown", ["HELLO"])
    read = events(run, "read")[0]
    assert (read["path"], run["frames"][read["stack"][0]["frame"]]["file"]) == ("@input", "net/README.md#7")
    assert run["after"]["got"] == "hello"


def test_values_are_told_plainly_whatever_they_are(observe: Observe) -> None:
    script = """
import argparse, pathlib
class Odd:
    def __init__(self): self.size, self._own = 3, 4
    def __repr__(self): return 'long' * 1000
class Worse:
    @property
    def __dict__(self): raise RuntimeError
loop = []; loop.append(loop)
print(argparse.Namespace(a=1, p='main.py'), Odd(), Worse(), float('nan'), 1 << 80, {1: 'x'}, b'ab', list(range(99)), loop)
print(argparse, Odd, Odd.__init__, 'word', pathlib.Path('main.py'), {'k': None})
"""
    run = observe(script)
    first, second = (event["args"] for event in events(run, "sink"))
    assert first[0] == {"namespace": {"a": 1, "p": {"path": "@tree/main.py"}}}
    assert first[1] == {"opaque": "__main__.Odd", "repr": "", "attrs": {"size": 3}}
    assert first[2]["opaque"] == "__main__.Worse"
    assert [one["opaque"] for one in first[3:5]] == ["builtins.float", "builtins.int"]
    assert first[5] == {"dict": [[1, "x"]]}
    assert [one["attrs"]["length"] for one in first[6:8]] == [2, 99]
    assert second[:3] == [{"import": "argparse"}, {"object": "__main__:Odd"}, {"object": "__main__:Odd.__init__"}]
    assert second[3:] == ["word", {"path": "@tree/main.py"}, {"k": None}]


# ---------------------------------------------------------------- numpy, Pillow, ONNX Runtime
DETECT = """
import sys
import numpy as np
import onnxruntime
from PIL import Image, ImageDraw

def prepare(image):
    return np.asarray(image.resize((4, 4), Image.ANTIALIAS), dtype=np.float)[..., 0].reshape(1, 16).astype('float32')

session = onnxruntime.InferenceSession('weights/best.onnx', providers=['CPUExecutionProvider'])
for name in ['samples/1.png', 'samples/2.png']:
    image = Image.open(name)
    x = prepare(image)
    scores = session.run(None, {'x': x})[0]
    pen = ImageDraw.Draw(image)
    pen.text((1, 2), 'score %.2f' % scores.max())
    image.save('out.png')
"""


def linear(path: Path) -> None:
    """Write a graph of one product."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    weight = onnx.numpy_helper.from_array(np.full((16, 3), 0.5, np.float32), "w")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [given], [made], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def picture(path: Path, shade: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7), (shade, 0, 0)).save(path)


def test_a_graph_is_called_once_on_the_given_input(observe: Observe, workspace: Path, tmp_path: Path) -> None:
    import numpy as np

    linear(tmp_path / "other-name.onnx")
    picture(workspace / "inputs/a.png", 100)
    for name in ("1", "2"):
        picture(workspace / f"refs/net/samples/{name}.png", 7)
    named = {"name": "other-name.onnx", "sha256": "", "format": "onnx"}
    more: dict[str, Any] = {"checkpoint": named, "checkpoint_file": tmp_path / "other-name.onnx", "python": HERE}
    run = observe(DETECT, inputs=["inputs/a.png"], **more)
    assert (run["outcome"], run["message"]) == ("ok", "stopped before the next item"), run["log"]
    assert [e["path"] for e in events(run, "load")] == ["@checkpoint"]
    assert [e["path"] for e in events(run, "read")] == ["@input"]
    [call] = events(run, "call")
    assert (call["module"], call["method"], call["main"]) == ("session", "run", True)
    saved = np.load(workspace / ".stage/raw/observe-0.npz")
    given, made = saved[call["args"][1]["x"]["tensor"]], saved[call["outputs"][0]["tensor"]]
    assert given.shape == (1, 16) and np.allclose(made, given.sum() / 2)
    held = run["frames"][call["stack"][0]["frame"]]["locals"]
    assert held["x"]["tensor"] == call["args"][1]["x"]["tensor"] and held["name"] == {"path": "@tree/samples/1.png"}
    assert [e["how"] for e in events(run, "sink")] == ["PIL.ImageDraw.text", "PIL.Image.save"]
    assert events(run, "sink")[1]["args"][1] == "out.png"  # not there yet when it is named
    codes = [one["code"] for one in run["interventions"] if one["code"]]
    assert codes == ["PIL.Image.ANTIALIAS = PIL.Image.LANCZOS", "numpy.float = float"]
    assert said(run)[:1] == ["weights 'weights/best.onnx' -> the given checkpoint"]


WARMED_UP = """
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession('best.onnx', providers=['CPUExecutionProvider'])
def detect(x):
    return session.run(None, {'x': x})[0]

for _ in range(2):
    detect(np.zeros((1, 16), 'float32'))
for name in ['1.png', '2.png']:
    image = Image.open(name).convert('L').resize((4, 4))
    scores = detect(np.asarray(image, 'float32').reshape(1, 16))
    print(scores.max())
"""


@pytest.mark.parametrize("stop", ["enter", "call"])
def test_calls_before_the_input_is_read_warm_the_model_up(
    observe: Observe, workspace: Path, tmp_path: Path, stop: str
) -> None:
    linear(tmp_path / "best.onnx")
    picture(workspace / "inputs/a.png", 100)
    named = {"name": "best.onnx", "sha256": "", "format": "onnx"}
    more: dict[str, Any] = {"checkpoint": named, "checkpoint_file": tmp_path / "best.onnx", "python": HERE}
    run = observe(WARMED_UP, inputs=["inputs/a.png"], stop=stop, **more)
    assert (run["outcome"], run["message"]) == ("ok", "stopped before the next item"), run["log"]
    told = [e["is"] for e in run["events"] if e["is"] != "load"]
    assert told == ["call", "call", "read", "call", *(["sink"] if stop == "call" else [])]
    last = events(run, "call")[-1]
    held = run["frames"][last["stack"][-1]["frame"]]["locals"]
    assert held["x"]["tensor"] == last["args"][1]["x"]["tensor"]  # as they were at the call that counts


WRITING = """
import wave
import numpy as np

LEVELS = np.array([[0, 16384], [-32768, 8192], [5, -5]], dtype='<i2')

def save(path, levels, rate=8000):
    file = wave.open(path, 'wb')
    file.setnchannels(levels.shape[1])
    file.setsampwidth(2)
    file.setframerate(rate)
    file.writeframes(levels.tobytes())
    file.close()
    file.close()

"""


def levels_told(channels: int = 2, rate: int = 8000) -> dict[str, Any]:
    import numpy as np

    sys.path.insert(0, str(Path(bridge.__file__).parent / "worker"))
    from assay_worker import answers

    levels = np.array([[0, 16384], [-32768, 8192], [5, -5]], dtype="<i2")[:, :channels]
    return answers.told_sound({"sound": levels.astype(np.float32) / 32768, "rate": rate})


def test_a_sound_that_the_standard_library_writes_is_told_when_it_is_closed(observe: Observe) -> None:
    script = WRITING + "save('out.wav', LEVELS)\nsave('mono.wav', LEVELS[:, :1], 16000)\n"
    run = observe(script, python=HERE)
    wrote = [e for e in events(run, "sink") if e["how"] == "wave.write"]
    assert [e["sound"] for e in wrote] == [levels_told(), levels_told(1, 16000)]
    assert [e["args"] for e in wrote] == [[{"path": "@tree/out.wav"}], [{"path": "@tree/mono.wav"}]]
    frames = [run["frames"][at["frame"]] for at in wrote[0]["stack"]]
    assert [f["qualname"] for f in frames] == ["<module>", "save"]


def test_a_sound_in_memory_or_not_yet_ended_is_not_told(observe: Observe) -> None:
    script = WRITING + (
        "import io\nsave(io.BytesIO(), LEVELS)\nopened = wave.open('open.wav', 'wb')\nopened.setnchannels(1)\n"
        "opened.setsampwidth(2)\nopened.setframerate(8000)\nopened.writeframes(bytes(20))\nprint('here')\n"
    )
    run = observe(script, python=HERE)
    assert [e["args"] for e in events(run, "sink") if e["how"] == "print"] == [["here"]], run["log"]
    assert not any("sound" in e for e in events(run, "sink"))


LIBRARIES = [
    ("soundfile", "import soundfile as sf\nsf.write('out.wav', LEVELS, 8000)\n", "soundfile.write"),
    ("soundfile", "import soundfile as sf\nsf.write(file='out.wav', data=LEVELS, samplerate=8000)\n", "soundfile.write"),
    ("scipy", "from scipy.io import wavfile\nwavfile.write('out.wav', 8000, LEVELS)\n", "scipy.io.wavfile.write"),
    ("scipy", "from scipy.io.wavfile import write\nwrite('out.wav', 8000, LEVELS / np.float32(32768))\n", "scipy.io.wavfile.write"),
    ("scipy", "from scipy.io.wavfile import write\nwrite(filename='out.wav', rate=8000, data=LEVELS)\n", "scipy.io.wavfile.write"),
]


@pytest.mark.parametrize(("library", "end", "how"), LIBRARIES)
def test_a_sound_that_a_library_writes_is_told(observe: Observe, library: str, end: str, how: str) -> None:
    python = HERE if importlib.util.find_spec(library) else TORCH
    if not python.exists() or subprocess.run([python, "-c", f"import {library}"], capture_output=True).returncode:
        pytest.skip(f"no {library} here")
    run = observe(WRITING + end, python=python)
    [wrote] = [e for e in events(run, "sink") if e["how"] == how]
    assert wrote["sound"] == levels_told(), run["log"]


def test_two_weights_files_that_are_not_there_are_too_many(observe: Observe, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx")
    script = "import onnxruntime as o\no.InferenceSession('a.onnx')\no.InferenceSession('b.onnx')\n"
    named = {"name": "m.onnx", "sha256": "", "format": "onnx"}
    run = observe(script, checkpoint=named, checkpoint_file=tmp_path / "m.onnx", python=HERE)
    assert (run["outcome"], run["where"]) == ("refused", "net/main.py:3")


def test_samples_of_the_tree_stay_when_the_script_was_told_its_input(observe: Observe, workspace: Path) -> None:
    picture(workspace / "inputs/a.png", 100)
    picture(workspace / "refs/net/mean.png", 7)
    script = "import sys\nfrom PIL import Image\nfor n in (sys.argv[1], 'mean.png'):\n    print(Image.open(n).getpixel((0, 0)))\n"
    run = observe(script, "@input", inputs=["inputs/a.png"], python=HERE)
    assert [e["args"][0]["tuple"][0] for e in events(run, "sink")] == [100, 7]
    assert [e["path"] for e in events(run, "read")] == ["@input", "@tree/mean.png"]


def test_a_pickle_that_nobody_trusted_is_not_opened(observe: Observe, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"cposix\nsystem\n(S'echo never'\ntR.")
    script = "import pickle, sys\nwith open(sys.argv[1], 'rb') as f:\n    pickle.load(f)\n"
    named = {"name": "m.pkl", "sha256": "", "format": "pickle"}
    run = observe(script, "@checkpoint", checkpoint=named, checkpoint_file=tmp_path / "m.pkl")
    assert (run["outcome"], run["where"]) == ("refused", "net/main.py:3")
    assert "never" not in run["log"].splitlines()


# ---------------------------------------------------------------- torch
NET = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(3, width)

    def forward(self, x):
        return self.fc(x)

class Net(nn.Module):
    def __init__(self, width, *, depth=1):
        super(Net, self).__init__()
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))

    def forward(self, x):
        return self.blocks[0](x).sigmoid()

    def detect(self, path, threshold=0.5):
        rows = torch.tensor([[float(n) for n in open(path).read().split()]])
        return self.forward(rows) > threshold
"""
MAKE = "import torch\nfrom net import Net\ntorch.manual_seed(0)\ntorch.save(Net(2).state_dict(), 'w.pth')\n"


@pytest.fixture
def weights(workspace: Path) -> Path:
    """The weights of a Net, made by torch."""
    import subprocess

    folder = workspace.parent / "made"
    folder.mkdir()
    (folder / "net.py").write_text(NET)
    (folder / "make.py").write_text(MAKE + "torch.save(Net(2), 'whole.pth')\n")
    subprocess.run([TORCH, "make.py"], cwd=folder, check=True)
    (workspace / "inputs").mkdir()
    (workspace / "inputs/a.txt").write_text("1 2 3")
    return folder / "w.pth"


@pytest.fixture
def torched(observe: Observe, weights: Path) -> Observe:
    """Run a script of a tree that has a Net, with its weights."""

    def run(script: str, *argv: str, **keys: Any) -> Run:
        named = {"name": "w.pth", "sha256": "", "format": "torch-zip", **keys.pop("named", {})}
        files = {"net.py": NET, **keys.pop("files", {})}
        more = {"checkpoint": named, "checkpoint_file": keys.pop("file", weights), "python": TORCH, **keys}
        return observe(script, *argv, files=files, inputs=["inputs/a.txt"], **more)

    return run


class TestTorch:
    pytestmark = slow

    def test_building_loading_and_calling_are_told(self, torched: Observe) -> None:
        script = """
import sys, torch
from net import Net
def make(width):
    return Net(width, depth=1).cuda()
model = make(2)
model.load_state_dict(torch.load(sys.argv[1], map_location=torch.device('cuda')))
x = torch.ones(1, 3, device='cuda:0')
y = model(x.to('cuda'))
"""
        run = torched(script, "@checkpoint")
        assert run["outcome"] == "ok", run["log"]
        [built] = events(run, "construct")
        assert (built["class"]["qualname"], built["class"]["file"], built["args"]) == (
            "Net",
            "net/net.py",
            {"width": 2, "depth": 1},
        )
        assert [run["frames"][at["frame"]]["qualname"] for at in built["stack"]] == ["<module>", "make"]
        loads = [(e["how"], e["into"], e["path"]) for e in events(run, "load")]
        assert loads == [("torch.load", "", "@checkpoint"), ("load_state_dict", built["id"], "@checkpoint")]
        [call] = events(run, "call")
        assert (call["module"], call["method"], call["main"]) == (built["id"], "forward", True)
        assert call["outputs"]["shape"] == [1, 2]
        assert all("CPU" in what for what in said(run)) and len(said(run)) == 4

    def test_a_method_that_makes_the_tensors_itself_is_not_the_call(self, torched: Observe) -> None:
        script = """
import sys, torch
from net import Net
model = Net(2)
model.load_state_dict(torch.load(sys.argv[1]))
print(model.detect(sys.argv[2], threshold=0.25))
"""
        run = torched(script, "@checkpoint", "@input")
        assert run["outcome"] == "ok", run["log"]
        [call] = events(run, "call")
        assert (call["method"], call["main"], call["args"][0]["shape"]) == ("forward", True, [1, 3])
        assert "within" not in call and call["outputs"]["shape"] == [1, 2]
        assert [e["path"] for e in events(run, "read")] == ["@input"]

    def test_a_pickled_module_needs_trust(self, torched: Observe, weights: Path) -> None:
        script = "import torch\nmodel = torch.load('best.pth', weights_only=False)\nmodel(torch.ones(1, 3))\n"
        whole = weights.with_name("whole.pth")
        refused = torched(script, file=whole)
        assert (refused["outcome"], events(refused, "call")) == ("refused", [])
        trusted = torched(script, file=whole, named={"trusted": True})
        assert trusted["outcome"] == "ok", trusted["log"]
        assert trusted["classes"]["m1"]["qualname"] == "Net"
        assert events(trusted, "call")[0]["main"]

    def test_weights_that_would_be_downloaded_have_to_be_covered(self, torched: Observe) -> None:
        script = """
import sys, torch
from net import Net
model, other = Net(2), Net(2)
for one in (model, other):
    one.load_state_dict(torch.hub.load_state_dict_from_url('https://example.org/backbone.pth'))
model.load_state_dict(torch.load(sys.argv[1]))
model(torch.ones(1, 3))
other(torch.ones(1, 3))
"""
        run = torched(script, "@checkpoint")
        assert (run["outcome"], run["where"]) == ("refused", "net/main.py:9")
        assert run["message"] == "wants to download https://example.org/backbone.pth"
        assert len(events(run, "call")) == 1

    def test_a_failure_after_the_call_keeps_what_was_seen(self, torched: Observe) -> None:
        script = """
import sys, torch
from net import Net
torch.nn.Dropout(0.5)(torch.ones(2))
model = torch.nn.DataParallel(Net(2)).cuda()
model.module.load_state_dict(torch.load(sys.argv[1]))
model(torch.ones(1, 3))
raise RuntimeError('later')
"""
        run = torched(script, "@checkpoint")
        assert (run["outcome"], run["where"]) == ("failed", "net/main.py:8")
        [call] = events(run, "call")
        assert call["main"] and run["classes"][call["module"]]["qualname"] == "DataParallel"

    def test_a_data_set_that_is_not_here_is_there_until_it_is_used(self, torched: Observe) -> None:
        if subprocess.run([TORCH, "-c", "import torchvision"], capture_output=True).returncode:
            pytest.skip("no torchvision there")
        script = """
import sys, torch
from torch.utils.data import DataLoader
from torchvision import datasets
from net import Net
test = DataLoader(datasets.MNIST('data', train=False, download=True), shuffle=True)
other = datasets.ImageFolder('pictures')
model = Net(2)
model.load_state_dict(torch.load(sys.argv[1]))
print(model(torch.ones(1, 3)))
"""
        run = torched(script, "@checkpoint")
        assert run["outcome"] == "ok" and len(events(run, "call")) == 1, run["log"]
        told = [what for what in said(run) if what.startswith("the data set")]
        assert [what.split()[3] for what in told] == ["MNIST", "ImageFolder"]
        run = torched(script + "for x, y in test:\n    print(model(x))\n", "@checkpoint", stop="end")
        assert (run["outcome"], run["where"]) == ("failed", "net/main.py:11"), run["log"]
        assert "an item of the data set MNIST was used, which is not here" in run["message"]
