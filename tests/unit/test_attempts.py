"""How upstream's entrypoint is started: documented commands and defaults, our files in the place of theirs."""

from typing import Any

import msgspec
import pytest

from assay.observation.attempts import attempts, home, role_of
from assay.records import Command, Entrypoint, Import, Module, Option, Script, Snippet, Source


def option(*flags: str, **more: Any) -> Option:
    dest = more.pop("dest", flags[-1].lstrip("-").replace("-", "_"))
    named = [f for f in flags if f.startswith("-")]
    return Option(flags=named, dest=dest, **{"type": "str", "action": "store", **more})


def source(*options: Option, commands: Any = (), snippets: Any = (), imports: Any = ("cv2", "torch"), path: str = "net/detect.py") -> Source:
    module = Module(path=path, imports=[Import(module=m, names=[], line=1, kind="hard") for m in imports])
    return Source(
        files=1, by_suffix={}, python_files=[path], documents=[], requirements=[], unreadable=[], modules=[module],
        entrypoints=[Entrypoint(path=path, score=9, reasons=[])],
        scripts=[Script(path=path, options=list(options), commands=list(commands))], snippets=list(snippets),
    )  # fmt: skip


def argvs(found: Source, checkpoint: str = "a.pth", given: Any = None) -> "list[list[str]]":
    return [list(a.argv) for a in attempts(found, checkpoint, given or {}, ())]


def test_defaults_put_the_checkpoint_and_the_input_in_their_places():
    found = source(option("--weights", default="weights/best.pth"), option("--img", default="img/a.jpg"),
                   option("--conf", default=0.3, type="float"))  # fmt: skip
    assert argvs(found) == [["--weights", "@checkpoint", "--img", "@input"]]


def test_a_documented_command_is_tried_before_the_defaults():
    command = Command(argv=["--weights", "x/y.pth", "--img", "img/000139.jpg", "--data", "data/coco.data"], where="net/README.md:3")
    found = source(option("--weights", default=""), option("--img", default=""), option("--data", default=""), commands=[command])
    assert argvs(found)[0] == ["--weights", "@checkpoint", "--img", "@input", "--data", "data/coco.data"]


def test_what_a_command_leaves_to_its_default_is_still_our_checkpoint():
    command = Command(argv=["--img", "a.png"], where="net/README.md:3")
    found = source(option("--trained_model", default="weights/old.pth"), option("--img", default=""), commands=[command])
    assert argvs(found)[0] == ["--img", "@input", "--trained_model", "@checkpoint"]


def test_of_several_commands_the_one_that_names_this_checkpoint_comes_first():
    commands = [Command(argv=["--m", "b.pth"], where="R:1"), Command(argv=["--m", "w/a.pth", "--size", "640"], where="R:2")]
    found = source(option("--m", default=""), option("--size", default=320, type="int"), commands=commands)
    assert argvs(found)[0] == ["--m", "@checkpoint", "--size", "640"]


def test_a_person_s_options_come_last_and_win():
    found = source(option("--weights", default="a.pth"), option("--input-size", dest="input_size", default=640, type="int"),
                   option("--cpu", action="store_true", default=False))  # fmt: skip
    assert argvs(found, given={"input_size": 320, "cpu": True}) == [
        ["--weights", "@checkpoint", "--input-size", "320", "--cpu"]
    ]


def test_a_script_that_trains_by_default_is_told_to_infer():
    mode = option("--mode", default="train", choices=["train", "test"])
    assert argvs(source(mode, option("--img", default="a.png"))) == [["--mode", "test", "--img", "@input"]]
    other = option("--mode", default="fast", choices=["fast", "test"])
    assert argvs(source(other, option("--img", default="a.png"))) == [["--img", "@input"]]


@pytest.mark.parametrize(
    ("text", "files", "cwd"),
    [
        ("open('models/names.json')", {"net/models/names.json"}, ""),
        ("open('models/names.json')", {"net/models/names.json", "net/src/models/names.json"}, "src"),
        ("open('./models/names.json')", {"net/models/names.json"}, ""),
        ("open('names.json')", {"net/names.json"}, "src"),  # by its name alone it may be anything
        ("", set(), "src"),
    ],
)
def test_a_script_is_started_where_the_files_that_it_names_are(text: str, files: Any, cwd: str):
    [way] = [a._replace(cwd="src") for a in attempts(source(option("--img", default="a.png")), "a.pth", {}, ())]
    assert home(way, text, files) == cwd


def test_folders_are_given_a_folder():
    found = source(option("--test_path", default="./imgs"), option("--input_dir", default=""))
    assert argvs(found) == [["--test_path", "@inputdir"]]


def test_a_required_option_that_nothing_tells_leaves_no_way():
    assert argvs(source(option("--secret", default=None, required=True))) == []


@pytest.mark.parametrize(
    ("one", "value", "role"),
    [
        (option("--output", default="out.jpg"), "out.jpg", "@out"),
        (option("--data", default="data/coco.data"), "data/coco.data", ""),
        (option("--model", default="resnet50"), "resnet50", ""),
        (option("--model", default="m/net.pth"), "m/net.pth", "@checkpoint"),
        (option("--backbone", default="vgg", choices=["vgg", "resnet"]), "vgg", ""),
        (option("--gpu", default=0, type="int"), 0, ""),
        (option("--save_model", default="save/a.pth"), "save/a.pth", "@checkpoint"),
        (option("--denoised_wav", default="a.wav"), "a.wav", "@out"),
        (option("--noisy_wav", default="a.wav"), "a.wav", "@input"),
        (option("--images", default=None), None, "@inputdir"),
        (option("--image", default=None), None, "@input"),
    ],
)
def test_roles(one: Option, value: Any, role: str) -> None:
    assert role_of(one, value, source(), "net") == role


def test_kinds_follow_the_libraries_that_are_reached():
    assert attempts(source(option("--wav", default="a.wav"), imports=("soundfile",)), "a.pt", {}, ())[0].kinds == ("audio",)
    assert attempts(source(option("--wav", default="a.wav"), imports=("wave", "numpy")), "a.pt", {}, ())[0].kinds == ("audio",)
    assert attempts(source(option("--f", default=""), imports=("numpy",)), "a.pt", {}, ())[0].kinds == ("bytes",)


def test_a_documented_use_in_python_comes_before_a_script_that_no_document_names():
    found = source(snippets=[Snippet(path="net/README.md", line=7, text="wav = read_audio('path.wav')\n")])
    ways = attempts(found, "a.jit", {}, ())
    assert [w.where for w in ways] == ["net/README.md:7", "net/detect.py"]
    assert ways[0].kinds == ("audio",)


# ---------------------------------------------------------------- installed commands and the choice between commands
def installed(*commands: Command, guarded: bool = False) -> Source:
    found = source(option("--task", default="train"), option("--noisy_wav", default=None), option("--denoised_wav", default="out.wav"),
                   option("--pretrained", default=None), path="net/src/pkg/app/main.py", imports=("librosa", "matplotlib"))  # fmt: skip
    made = msgspec.structs.replace(found.scripts[0], commands=list(commands), call="pkg.app:main", guarded=guarded)
    files = ["net/src/__init__.py", "net/src/pkg/__init__.py", "net/src/pkg/app/__init__.py", *found.python_files]
    return msgspec.structs.replace(found, python_files=files, scripts=[made])


TRAIN = Command(argv=["--task", "train", "--noisy_wav", "x.wav"], where="net/README.md:3")
DENOISE = Command(
    argv=["--task", "denoise", "--noisy_wav", "./train/a.wav", "--denoised_wav", "b/c.wav", "--pretrained", "d.pth"], where="net/README.md:5"
)  # fmt: skip


def test_an_installed_command_is_called_as_its_package_is_imported():
    way, by_defaults = attempts(installed(TRAIN, DENOISE), "a.pth", {}, ())
    text = "from pkg.app import main\n\nmain()\n"
    assert way.entry == {"snippet": {"path": "net/README.md", "line": 5, "text": text}}
    assert (way.where, way.roots, way.cwd, way.kinds) == ("net/README.md:5", ("net/src",), "", ("audio", "image"))
    assert list(way.argv) == [
        "--task", "denoise", "--noisy_wav", "@input", "--denoised_wav", "@out/c.wav", "--pretrained", "@checkpoint",
    ]  # fmt: skip
    assert by_defaults.where == "net/src/pkg/app/main.py:1"


def test_a_command_that_is_a_script_too_is_run_as_one():
    assert attempts(installed(DENOISE, guarded=True), "a.pth", {}, ())[0].entry == {"script": "src/pkg/app/main.py"}


def test_a_command_that_trains_is_the_last_resort():
    by_defaults, documented = attempts(installed(TRAIN), "a.pth", {}, ())
    assert "--task" not in by_defaults.argv and documented.argv[1] == "train"
    shown = [a.argv[1] for a in attempts(installed(TRAIN, DENOISE), "a.pth", {}, ()) if "--task" in a.argv]
    assert shown == ["denoise"]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([["--mode", "x"], ["--mode", "demo"]], "demo"),
        ([["--mode=train"], ["--mode", "x"]], "x"),
        ([["--mode", "x"], ["--mode", "y", "--img", "a.jpg"]], "y"),
        ([["--mode", "demo"], ["--mode", "test", "--img", "a.jpg"]], "test"),
        ([["--help"], ["--mode", "x"]], "x"),
        ([["--mode", "x", "--img", "train/a.jpg"], ["--mode", "y", "--img", "b.jpg"]], "x"),
    ],
)
def test_of_several_commands_the_one_that_infers_and_takes_our_input_comes_first(words: Any, first: str) -> None:
    commands = [Command(argv=argv, where=f"net/README.md:{n}") for n, argv in enumerate(words, 1)]
    found = source(option("--mode", default=""), option("--img", default=""), commands=commands)
    assert first in next(argv for argv in argvs(found) if argv != ["--img", "@input"])
