"""From a format and an adapter's imports to the packages that running needs."""

import ast
import sys
import warnings
from collections.abc import Iterator

from assay.errors import WrongInput

FORMATS: "dict[str, tuple[str, ...]]" = {
    "onnx": ("onnxruntime", "numpy"),
    "torch-zip": ("torch", "numpy"),
    "torch-legacy": ("torch", "numpy"),
    "torchscript": ("torch", "numpy"),
    "pt2": ("torch", "numpy"),
    "safetensors": ("numpy",),
    "huggingface": ("numpy",),
    "npz": ("numpy",),
    "npy": ("numpy",),
}
# Import name: the project that provides it. Reviewed by hand; a name that is not here is asked for, never installed.
PROJECTS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "attr": "attrs",
    "yaml": "PyYAML",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "onnxruntime": "onnxruntime",
    "dateutil": "python-dateutil",
    "google.protobuf": "protobuf",
    "pkg_resources": "setuptools",
    "bs4": "beautifulsoup4",
    "pycocotools": "pycocotools",
    "hydra": "hydra-core",
    "Levenshtein": "Levenshtein",
    "faiss": "faiss-cpu",
    "imageio": "imageio",
    "huggingface_hub": "huggingface-hub",
    "sentencepiece": "sentencepiece",
    "pytorch_lightning": "pytorch-lightning",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "torchaudio": "torchaudio",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "ai_edge_litert": "ai-edge-litert",
}
# Projects whose import name is their own.
SAME = (
    "accelerate", "albumentations", "attrs", "click", "datasets", "diffusers", "einops", "h5py", "joblib", "kornia",
    "librosa", "lightning", "matplotlib", "msgspec", "numba", "numpy", "onnx", "openvino", "pandas", "polars",
    "psutil", "pyarrow", "pydantic", "regex", "requests", "rich", "safetensors", "scipy", "seaborn", "shapely",
    "soundfile", "soxr", "supervision", "tabulate", "tensorrt", "tiktoken", "timm", "tokenizers", "torch",
    "torchmetrics", "torchvision", "tqdm", "transformers", "ultralytics",
)  # fmt: skip
PROJECTS |= {name: name for name in SAME}
# Any of these provides the module; the first is the one to install.
VARIANTS = {
    "opencv-python": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
    "faiss-cpu": ("faiss-cpu", "faiss-gpu"),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}
OWN = ("assay_worker", "boot", "adapter")
STDLIB = sys.stdlib_module_names


def needed(format_name: str, source: "str | None", installed: "tuple[str, ...]") -> "list[tuple[str, str, str]]":
    """List what the format's runner and the adapter import need."""
    have = {normal(entry.rpartition("-")[0]) for entry in installed}
    found: dict[str, tuple[str, str]] = {}
    for name in FORMATS.get(format_name, ()):
        found[_present(name, have)] = (f"runs {format_name}", "runtime")
    for module, line, certain in imported(source or ""):
        project = PROJECTS.get(module) or PROJECTS.get(module.partition(".")[0])
        name = _present(project, have) if project else "?" + module.partition(".")[0]
        found.setdefault(name, (f"adapter.py:{line} imports {module}", "model" if certain else "acceleration"))
    return [(name, why, group) for name, (why, group) in found.items()]


def imported(source: str) -> "list[tuple[str, int, bool]]":
    """List the modules that a file imports from outside, where, and whether it cannot do without."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise WrongInput("cannot be parsed as Python", where=f"adapter.py:{line or 1}", mend="correct it") from None
    return [(m, n, c) for m, n, c in _walk(tree.body, True) if m.partition(".")[0] not in STDLIB and m not in OWN]


def _walk(body: "list[ast.stmt]", certain: bool) -> "Iterator[tuple[str, int, bool]]":
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((_known_part(name), node.lineno, certain) for name in _names(node))
        elif isinstance(node, ast.Try):
            surely = certain and not any(_catches_import(handler) for handler in node.handlers)
            yield from _walk(node.body, surely)
            for handler in node.handlers:
                yield from _walk(handler.body, surely)
            yield from _walk([*node.orelse, *node.finalbody], certain)
        elif isinstance(node, ast.If) and _is_typing(node.test):
            yield from _walk(node.orelse, certain)
        else:
            for field in ("body", "orelse"):
                inner = getattr(node, field, None)
                if isinstance(inner, list):
                    yield from _walk(inner, certain)


def _names(node: "ast.Import | ast.ImportFrom") -> "list[str]":
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if node.level == 0 else []


def _known_part(module: str) -> str:
    """Cut a module's name to the part that decides which project provides it."""
    for length in (2, 1):
        part = ".".join(module.split(".")[:length])
        if part in PROJECTS:
            return part
    return module.partition(".")[0]


def _catches_import(handler: ast.ExceptHandler) -> bool:
    names = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else {"Exception"}
    )
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}) and not raises


def _is_typing(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _present(project: str, have: "set[str]") -> str:
    """Prefer the variant of a project that is installed."""
    return next((name for name in VARIANTS.get(project, ()) if normal(name) in have), project)


def normal(name: str) -> str:
    """Write a project's name as the index compares it."""
    return name.lower().replace("_", "-").replace(".", "-")
