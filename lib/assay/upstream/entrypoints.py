"""Which file of upstream runs its model: a ranking by evidence, each point of it with its reason."""

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence

from assay.records import Entrypoint, Module

MOST = 10
GUARDED, LOADS, TRAINS = "runs as a script", "loads a model", "trains"
PLAIN = "loads a model in lines of its own"  # outside of any function
LOADS_BY = "loads a model by what it imports"
MARKS = {
    GUARDED: re.compile(r"^if\s*\(?\s*__name__\s*==\s*['\"]__main__['\"]", re.MULTILINE),
    LOADS: re.compile(
        r"\btorch\.(jit\.)?load\(|\bload_state_dict\(|\bInferenceSession\(|\.from_pretrained\(|\breadNet"
    ),
    PLAIN: re.compile(
        r"^[A-Za-z_][\w., ]{0,99}[=.][^#\n]{0,400}\b(?:torch\.(?:jit\.)?load|load_state_dict|InferenceSession)\(", re.M
    ),
    TRAINS: re.compile(r"\.backward\(|\boptim\.\w+\(|\blr_scheduler\."),
}
POINTS = {GUARDED: 3, PLAIN: 3, LOADS: 2, LOADS_BY: 2, TRAINS: -4}
WORDS = {
    **dict.fromkeys(("detect", "infer", "inference", "predict", "demo", "prediction", "detection"), 4),
    **dict.fromkeys(("test", "eval", "evaluate", "validate", "val", "image", "images", "img", "imgs"), 2),
    "run": 1,
    **dict.fromkeys(("generate", "sample", "classify", "recognize", "segment", "translate", "enhance"), 2),
    **dict.fromkeys(("train", "training", "trainer", "finetune", "pretrain", "export", "convert", "converter"), -4),
    **dict.fromkeys(("benchmark", "bench", "profile", "flops", "setup", "conftest", "prepare", "download"), -4),
    **dict.fromkeys(("fddb", "widerface", "coco", "voc", "lfw"), -3),
    **dict.fromkeys(("preprocess", "plot", "tune", "anchors", "dataset", "datasets", "utils"), -4),
    **dict.fromkeys(("main", "onnx", "coreml", "tensorrt"), -2),
}
FOLDERS = re.compile(
    r"tests?|docs?|benchmarks?|third_?party|external|data|datasets?|deploy\w*|android|ios|cpp|caffe|tf|tflite|mnn|ncnn|"
    r"tensorrt|onnx|paddle|openvino|\..*",
    re.IGNORECASE,
)  # what is not upstream's own way of running its model
FRAMEWORKS = ("torch", "onnxruntime", "tensorflow", "keras", "jax", "paddle", "tflite_runtime", "cv2", "torchvision")
COMMAND = re.compile(r"\bpython[\d.]*\s+(?:-[a-zA-Z]\s+(?:[a-z:]+\s+)?)*(?P<what>[\w./-]+)")
HUB = "hubconf.py"
COMMANDS = "is the command "
TESTERS = {"unittest", "pytest"}

Evidence = list[tuple[int, str]]


def marks(text: str) -> list[str]:
    """Say what a file's text shows of running a model."""
    return [mark for mark, pattern in MARKS.items() if pattern.search(text)]


def commands(document: str, text: str) -> set[str]:
    """List the files that a document runs with python, as seen from its own folder and from the tree's."""
    folder = posixpath.dirname(document)
    found = set()
    for match in COMMAND.finditer(text):
        what = match["what"]
        path = what if what.endswith(".py") else what.replace(".", "/") + ".py"
        found |= {
            posixpath.normpath(posixpath.join(folder, path)),
            posixpath.normpath(posixpath.join(_top(folder), path)),
        }
    return found


def rank(
    modules: Sequence[Module],
    seen: Mapping[str, Sequence[str]],
    documented: Collection[str],
    installed: Mapping[str, str] = {},
) -> list[Entrypoint]:
    """Rank files by what `marks` saw in them, who runs them, and the command that is `installed` of them."""
    whole = [m for m in modules if not m.broken]
    wanted = {part for m in whole for i in m.imports for part in (*i.module.split("."), *i.names)}
    judged = [
        (m.path, _evidence(m, _own(m, seen, wanted), m.path in documented, installed.get(m.path, ""))) for m in whole
    ]
    found = [_entrypoint(path, evidence) for path, evidence in judged if evidence]
    if not any(e.score > 0 and (GUARDED in e.reasons or e.path in installed) for e in found):
        found += [_entrypoint(m.path, [(1, "is the package itself")]) for m in modules if _is_package(m)]
    likely = [entry for entry in found if entry.score > 0]
    return sorted(likely, key=lambda e: (-e.score, e.path.count("/"), e.path))[:MOST]


def _own(module: Module, seen: Mapping[str, Sequence[str]], wanted: Collection[str]) -> list[str]:
    """Give a file's marks; lines of its own make no script of one that others import, nor more of one that is one."""
    found = seen.get(module.path, ())
    plain = _stem(module.path) not in wanted and GUARDED not in found
    return [mark for mark in found if mark != PLAIN or plain]


def _entrypoint(path: str, evidence: Evidence) -> Entrypoint:
    return Entrypoint(
        path=path, score=sum(points for points, _ in evidence), reasons=[reason for _, reason in evidence]
    )


def named(name: str) -> int:
    """Weigh what a name says of running a model."""
    return sum(points for points, _ in _by_name(name))


def _evidence(module: Module, seen: Sequence[str], documented: bool, command: str) -> Evidence:
    """Weigh a file; one that nothing shows to be a script has no evidence, whatever it is called."""
    path, stem = module.path, _stem(module.path)
    uses = {i.module.partition(".")[0] for i in module.imports if i.kind != "typing"}
    framework = next((name for name in FRAMEWORKS if name in uses), "")
    asks = bool(framework) and "argparse" in uses
    found: Evidence = [(4, "a document runs it")] if documented else []
    if command:
        found.append((POINTS[GUARDED], COMMANDS + command))
    if path.endswith("/" + HUB):
        found.append((6, "is torch.hub's entry"))
    if not (found or GUARDED in seen or PLAIN in seen or asks):
        return []
    found += [(POINTS[mark], mark) for mark in seen]
    if asks:
        found.append((2 if GUARDED in seen else 5, f"imports argparse and {framework}"))
    if uses & TESTERS:
        found.append((-6, f"imports {min(uses & TESTERS)}"))
    found += _by_name(stem)
    folders = path.split("/")[1:-1]
    found += [(-4, f"lies in {folder}/") for folder in folders if FOLDERS.fullmatch(folder)]
    return [*found, (-1, "lies in a folder")] if folders else found


def _stem(path: str) -> str:
    return posixpath.basename(path).removesuffix(".py")


def _by_name(stem: str) -> Evidence:
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", stem).lower())
    points = {word: WORDS[word] for word in words if word in WORDS}
    good = max((word for word in points if points[word] > 0), key=lambda w: points[w], default="")
    bad = min((word for word in points if points[word] < 0), key=lambda w: points[w], default="")
    return [(points[word], f"is named {word}") for word in (good, bad) if word]


def _is_package(module: Module) -> bool:
    """Tell an outermost package from those in it: it lies right in the tree, or in its src/."""
    parts = module.path.split("/")[1:]
    place = parts[1:] if parts[0] == "src" else parts
    return len(place) == 2 and place[1] == "__init__.py" and not FOLDERS.fullmatch(place[0])


def _top(folder: str) -> str:
    return folder.partition("/")[0]
