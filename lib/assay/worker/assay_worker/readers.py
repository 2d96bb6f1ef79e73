"""Watching what reads pictures, sound, arrays and files."""

from __future__ import annotations

import builtins
import io
import os
import re
from typing import Any, Callable, Dict, Set, Tuple

from assay_worker import loaders
from assay_worker.choosing import chosen, may_be
from assay_worker.patching import Function, first, replace, with_first
from assay_worker.tree_copy import full
from assay_worker.watching import Watch

NAMES = ("filename", "fname", "uri", "fp", "path", "file", "filepath", "im", "filepath_or_buffer")
PICTURES = ("cv2.imread", "PIL.Image.open", "matplotlib.image.imread", "matplotlib.pyplot.imread", "skimage.io.imread")
PICTURES += ("imageio.imread", "imageio.v2.imread", "imageio.v3.imread", "torchvision.io.read_image")
SOUND = ("soundfile.read", "librosa.load", "torchaudio.load", "torchaudio.info", "scipy.io.wavfile.read", "wave.open")
SOUND += ("soundfile.info", "librosa.core.load", "torchaudio.sox_effects.apply_effects_file")
TABLES = ("pandas.read_csv",)
WRITTEN = 2000
TO_WRITE = re.compile(r"save|output|write|export|result|model|weight|checkpoint", re.IGNORECASE)
ASKS = re.compile(r"\b(file|path|image|picture|photo|img|audio|wav|sound|recording)", re.IGNORECASE)


def reading(watch: Watch, how: str, original: Function) -> Function:
    """Make a reader that is watched of one that is not."""
    wanted = "sound" if how in SOUND else "image" if how in PICTURES else "table" if how in TABLES else ""

    def read(*args: Any, **kwargs: Any) -> Any:
        given = first(args, kwargs, NAMES)
        if watch.busy or (how == "wave.open" and _mode(args, kwargs) not in ("r", "rb", None)):
            return original(*args, **kwargs)
        args, kwargs = with_first(chosen(watch, how, given, wanted), args, kwargs, NAMES)
        with watch.inside():
            return original(*args, **kwargs)

    return read


def _mode(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else kwargs.get("mode")


def of(how: str) -> Callable[[Watch, Any], None]:
    """Make the patch of a module whose function of that name reads."""
    return lambda watch, module: replace(module, how.rpartition(".")[2], lambda original: reading(watch, how, original))


# ---------------------------------------------------------------- OpenCV
def patch_cv2(watch: Watch, cv2: Any) -> None:
    """Watch OpenCV's readers."""
    of("cv2.imread")(watch, cv2)
    of("cv2.imdecode")(watch, cv2)
    replace(cv2, "VideoCapture", lambda original: lambda *args, **kwargs: OneFrame(watch, cv2, original, args))


class OneFrame:
    """A film of which only the first frame is seen; of an input that is a picture, that picture."""

    def __init__(self, watch: Watch, cv2: Any, original: Function, args: Tuple[Any, ...]) -> None:
        self.watch, self.cv2, self.left, self.frame = watch, cv2, 1, None
        with watch.inside():
            frame = cv2.imread(watch.tree.given) if watch.tree.given else None
            if frame is None and watch.tree.given:
                frame = original(watch.tree.given).read()[1]
        self.frame, self.asked = frame, str(args[0]) if args else ""
        if self.asked and watch.tree.named(full(self.asked) or "") != "@input":
            watch.intervene(f"film {self.asked[:100]!r} -> the given input")

    def isOpened(self) -> bool:
        """Tell whether there is anything to see."""
        return self.frame is not None

    def read(self, *args: Any) -> Tuple[bool, Any]:
        """Give the frame once."""
        self.watch.reading("@input", f"{self.asked}:{self.left}", "cv2.VideoCapture")
        if not self.left or self.frame is None:
            return False, None
        self.left = 0
        self.watch.event({"is": "read", "how": "cv2.VideoCapture", "path": "@input"})
        return True, self.frame.copy()

    def grab(self) -> bool:
        """Tell whether there is one more."""
        return bool(self.left)

    def retrieve(self, *args: Any) -> Tuple[bool, Any]:
        """Give the frame that was grabbed."""
        return self.read()

    def get(self, number: int) -> float:
        """Tell the width, height, rate or number of frames."""
        if self.frame is None:
            return 0.0
        height, width = self.frame.shape[:2]
        return {3: float(width), 4: float(height), 5: 25.0, 7: 1.0}.get(int(number), 0.0)

    def set(self, *args: Any) -> bool:
        """Take a setting and do nothing."""
        return True

    def open(self, *args: Any) -> bool:
        """Open nothing else."""
        return self.isOpened()

    def release(self) -> None:
        """Let go of nothing."""


# ---------------------------------------------------------------- numpy
def patch_numpy(watch: Watch, numpy: Any) -> None:
    """Watch what reads arrays; they may be the checkpoint's."""
    for name in ("load", "fromfile"):
        replace(numpy, name, lambda original, how=f"numpy.{name}": _array(watch, how, original))


def _array(watch: Watch, how: str, original: Function) -> Function:
    def read(*args: Any, **kwargs: Any) -> Any:
        given = first(args, kwargs, NAMES)
        if watch.busy or not isinstance(given, (str, os.PathLike)):
            return original(*args, **kwargs)
        found = loaders.place(watch, given, weights=how == "numpy.load")
        if found:
            loaders.seen_weights(watch, how, found)
            if kwargs.get("allow_pickle") and not loaders.trusted(watch):
                kwargs["allow_pickle"] = False
        elif may_be(watch, full(given) or ""):
            found = chosen(watch, how, given, "")
        elif watch.by_tree():
            watch.event({"is": "read", "how": how, "path": watch.tree.named(full(given) or "")})
        args, kwargs = with_first(found or given, args, kwargs, NAMES)
        with watch.inside():
            return original(*args, **kwargs)

    return read


# ---------------------------------------------------------------- input()
def patch_input(watch: Watch) -> None:
    """Answer a question for a file with the given input; there is nobody who could answer another."""
    asked: Set[str] = set()

    def answering(original: Function) -> Function:
        def answer(prompt: Any = "") -> str:
            given = watch.tree.given
            if not given or prompt in asked or not ASKS.search(str(prompt)) or TO_WRITE.search(str(prompt)):
                return str(original(prompt))
            asked.add(prompt)
            watch.intervene(f"asked {str(prompt)[:100]!r}: answered with the given input")
            return given

        return answer

    replace(builtins, "input", answering)


# ---------------------------------------------------------------- open()
def patch_open(watch: Watch) -> None:
    """Watch files that are opened by name."""
    replace(builtins, "open", lambda original: _opening(watch, original))
    io.open = builtins.open  # what pathlib calls


def _opening(watch: Watch, original: Function) -> Function:
    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if watch.busy or not isinstance(file, (str, os.PathLike)) or not isinstance(mode, str):
            return original(file, mode, *args, **kwargs)
        if set(mode) & set("wax+"):
            return _written(watch, original(file, mode, *args, **kwargs), file, mode)
        return original(_to_open(watch, file, mode), mode, *args, **kwargs)

    return opened


def _to_open(watch: Watch, file: Any, mode: str) -> Any:
    path, theirs = full(file) or "", watch.by_tree("pathlib")
    name = watch.tree.named(path)
    if theirs and name not in ("@input", "@checkpoint"):
        found = loaders.place(watch, file, weights="b" in mode)
        if found:
            file, name = found, "@checkpoint"
    if name == "@checkpoint":
        loaders.seen_weights(watch, "open", str(file))
    elif name == "@input" or (may_be(watch, path) and ("b" in mode or theirs)):
        return chosen(watch, "open", file, "")
    elif name and theirs:
        watch.event({"is": "read", "how": "open", "path": name})
    return file


def _written(watch: Watch, opened: Any, file: Any, mode: str) -> Any:
    """Hear what text is written into a file."""
    if "b" in mode or not watch.by_tree("pathlib"):
        return opened
    write, name = opened.write, watch.tree.named(full(file) or "")
    left = [WRITTEN]

    def written(text: str) -> Any:
        if not watch.busy and left[0] > 0 and isinstance(text, str):
            shown = {"path": name} if name else ""
            watch.event({"is": "sink", "how": "open(w).write", "args": [shown, text[: left[0]]], "kwargs": {}})
            left[0] -= len(text)
        return write(text)

    try:
        opened.write = written
    except AttributeError:
        pass
    return opened
