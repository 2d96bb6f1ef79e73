"""From an import's name to the project that provides it: only ever by a source that says so, never by likeness."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from assay.envs.interpreter import normal

# Import name: the project that provides it. Reviewed by hand; a name that is not here is asked for, never installed.
PROJECTS = {
    "Cython": "cython",
    "IPython": "ipython",
    "Levenshtein": "Levenshtein",
    "OpenGL": "PyOpenGL",
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cpuinfo": "py-cpuinfo",
    "ctranslate2": "ctranslate2",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
    "flash_attn": "flash-attn",
    "flask": "Flask",
    "flask_cors": "flask-cors",
    "git": "GitPython",
    "google.protobuf": "protobuf",
    "huggingface_hub": "huggingface-hub",
    "hydra": "hydra-core",
    "jinja2": "Jinja2",
    "imgaug": "imgaug",
    "lightning_fabric": "lightning-fabric",
    "magic": "python-magic",
    "mpl_toolkits": "matplotlib",
    "multipart": "python-multipart",
    "onnx_graphsurgeon": "onnx-graphsurgeon",
    "onnxscript": "onnxscript",
    "open_clip": "open-clip-torch",
    "paddle": "paddlepaddle",
    "pkg_resources": "setuptools",
    "pyclipper": "pyclipper",
    "pylab": "matplotlib",
    "pynvml": "nvidia-ml-py",
    "pytesseract": "pytesseract",
    "pytorch_lightning": "pytorch-lightning",
    "pytorch_msssim": "pytorch-msssim",
    "pywt": "PyWavelets",
    "sacremoses": "sacremoses",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "sqlalchemy": "SQLAlchemy",
    "tensorflow_addons": "tensorflow-addons",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_hub": "tensorflow-hub",
    "tensorflow_probability": "tensorflow-probability",
    "tf2onnx": "tf2onnx",
    "tf_keras": "tf-keras",
    "tflite_runtime": "tflite-runtime",
    "thop": "thop",
    "torch_geometric": "torch-geometric",
    "torch_scatter": "torch-scatter",
    "werkzeug": "Werkzeug",
    "yacs": "yacs",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# Projects whose import name is their own.
SAME = (
    "accelerate", "addict", "aiohttp", "albumentations", "attrs", "av", "basicsr", "bitsandbytes", "click", "cupy",
    "datasets", "decord", "diffusers", "dlib", "easydict", "einops", "evaluate", "facexlib", "fastapi", "filterpy",
    "fire", "flax", "fsspec", "ftfy", "fvcore", "gdown", "gfpgan", "gradio", "gym", "gymnasium", "h5py", "httpx",
    "imageio", "imutils", "iopath", "jax", "jaxlib", "joblib", "keras", "kornia", "lap", "librosa", "lightning", "lmdb",
    "loguru", "lpips", "matplotlib", "mediapipe", "mmcv", "mmdet", "mmengine", "motmetrics", "moviepy", "msgspec",
    "ncnn", "networkx", "nltk", "numba", "numexpr", "numpy", "omegaconf", "onnx", "onnxruntime", "onnxsim", "open3d",
    "openvino", "optax", "packaging", "pandas", "peft", "plotly", "polars", "psutil", "pyarrow", "pycocotools",
    "pycuda", "pydantic", "pydub", "pygame", "PyQt5", "pytest", "regex", "requests", "rich", "sacrebleu", "safetensors",
    "scipy", "seaborn", "sentencepiece", "setuptools", "shapely", "six", "soundfile", "soxr", "spacy", "starlette",
    "streamlit", "supervision", "sympy", "tabulate", "tensorboard", "tensorboardX", "tensorflow", "tensorrt",
    "termcolor", "tifffile", "tiktoken", "timm", "tokenizers", "torch", "torchaudio", "torchinfo", "torchmetrics",
    "torchsummary", "torchtext", "torchvision", "tqdm", "transformers", "triton", "ultralytics", "uvicorn", "visdom",
    "wandb", "xformers", "xxhash", "yolov5",
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
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel"),
    "thop": ("thop", "ultralytics-thop"),
    "nvidia-ml-py": ("nvidia-ml-py", "pynvml"),
    "mmcv": ("mmcv", "mmcv-full", "mmcv-lite"),
    "cupy": ("cupy", "cupy-cuda11x", "cupy-cuda12x"),
    "paddlepaddle": ("paddlepaddle", "paddlepaddle-gpu"),
    "Levenshtein": ("Levenshtein", "python-Levenshtein"),
}
# Projects that are not what their name says; the import of that name comes from elsewhere.
IMPOSTORS = {
    "apex": "an unrelated project; NVIDIA's apex is built from its repository",
    "bs4": "a stand-in for beautifulsoup4",
    "caffe": "not the framework, which is built from its repository",
    "caffe2": "not the framework, which came inside torch",
    "clip": "an unrelated project; OpenAI's CLIP is built from its repository",
    "cv2": "not OpenCV, which is opencv-python",
    "dateutil": "not python-dateutil",
    "dotenv": "not python-dotenv",
    "lazyaml": "not PyYAML",
    "opencovis-python": "not OpenCV, which is opencv-python",
    "opencv": "not OpenCV, which is opencv-python",
    "pil": "not the imaging library, which is pillow",
    "pytorch": "a stand-in that refuses to install; the project is torch",
    "skimage": "a stand-in for scikit-image",
    "sklearn": "a stand-in for scikit-learn",
    "testcv2": "not OpenCV, which is opencv-python",
    "yaml": "not PyYAML",
}
# Modules that no project provides any more.
GONE = {
    "caffe2": "was inside torch's wheels, and is gone from torch 2.x: use the model's ONNX file instead",
    "torch._six": "gone since torch 2.0",
    "torchvision.transforms.functional_tensor": "gone since torchvision 0.17",
    "torchvision.models.utils": "gone since torchvision 0.13, now torch.hub",
    "pytorch_lightning.metrics": "gone since pytorch-lightning 1.5, now torchmetrics",
    "tensorflow.contrib": "gone since tensorflow 2.0",
    "sklearn.externals.joblib": "gone since scikit-learn 0.23, now joblib",
    "skimage.measure.compare_ssim": "gone since scikit-image 0.18, now skimage.metrics",
    "skimage.measure.compare_psnr": "gone since scikit-image 0.18, now skimage.metrics",
    "scipy.misc.imread": "gone since scipy 1.2",
    "scipy.misc.imresize": "gone since scipy 1.3",
}
# What a thousand projects carry along by mistake; an import of such a name means a file of one's own.
GENERIC = frozenset(
    ["common", "config", "configs", "core", "data", "dataset", "lib", "model", "models", "src", "test", "tests",
    "tools", "util", "utils"]
)  # fmt: skip
# Names that many projects share: that one of them is installed says nothing about the others.
SHARED = frozenset(["azure", "backports", "google", "nvidia", "ruamel", "zope"])
CHOSEN, INSTALLED, DECLARED, TABLE = "env.map", "installed", "declared", "table"


class Named(NamedTuple):
    """The project that provides an import, or `?module`; a doubt beside a name is to be told, beside a ? answered."""

    name: str
    by: str = ""  # env.map | installed | declared | table; "" when nothing tells
    doubt: str = ""


def project(
    module: str,
    *,
    provided: Mapping[str, Sequence[str]],
    declared: Sequence[str],
    chosen: Mapping[str, str],
    imported: Sequence[str] = (),
) -> Named:
    """Name the project that provides a module: as chosen, as installed, as upstream declares, as our table says."""
    top, gone = module.partition(".")[0], lost(module, imported)
    asked = _first(chosen, module, imported)
    if asked:
        doubt = impostor(asked)
        return Named(f"?{top}", CHOSEN, doubt) if doubt else Named(asked, CHOSEN, gone)
    if top in GENERIC:
        return Named(f"?{top}", "", f"{top} is what files of one's own are called; no project is meant")
    curated = _first(PROJECTS, module, imported)
    if top in GONE:
        return Named(f"?{top}", "", gone)
    have = [] if top in SHARED else list(provided.get(top, ()))
    if top in SHARED and curated:
        have = [name for name in provided.get(top, ()) if normal(name) == normal(curated)]
    if have:
        return Named(_installed(have, curated, declared), INSTALLED, gone)
    return _declared(top, curated, declared, gone) or _from_table(top, curated, gone)


def present_variant(name: str, have: Collection[str]) -> str:
    """Prefer the variant of a project that is there; `have` holds normal names."""
    return next((other for other in family(name) if normal(other) in have), name)


def family(name: str) -> "tuple[str, ...]":
    """List the projects any of which satisfies a need for this one."""
    return _FAMILIES.get(normal(name), (name,))


def impostor(name: str) -> str:
    """Say why a project's name is not to be trusted; "" of one that is known, or like no known one."""
    plain = normal(name)
    if plain in GENERIC:
        return f"{name} is what files of one's own are called; no project is meant"
    if plain in IMPOSTORS:
        return f"{name} is {IMPOSTORS[plain]}"
    if plain in KNOWN:
        return ""
    like = next((known for known in KNOWN if _alike(plain, known)), "")
    return f"{name} is close to {KNOWN[like]}, but not it" if like else ""


def lost(module: str, imported: Sequence[str] = ()) -> str:
    """Say since when an import is provided by nothing."""
    return next((f"{part}: {GONE[part]}" for part in _parts(module, imported) if part in GONE), "")


def _first(table: Mapping[str, str], module: str, imported: Sequence[str]) -> str:
    return next((table[part] for part in _parts(module, imported) if part in table), "")


def _parts(module: str, imported: Sequence[str]) -> "Iterator[str]":
    """Give the dotted names that an import reaches, the longest first."""
    yield from (f"{module}.{name}" for name in imported)
    while module:
        yield module
        module = module.rpartition(".")[0]


def _installed(have: "list[str]", curated: str, declared: Sequence[str]) -> str:
    """Choose among several installed projects that provide a module."""
    wanted = [normal(name) for name in declared] + [normal(name) for name in family(curated)]
    return min(have, key=lambda n: (wanted.index(normal(n)) if normal(n) in wanted else len(wanted), n))


def _declared(top: str, curated: str, declared: Sequence[str], gone: str) -> "Named | None":
    """Take the declared project that is known for the module, or else the one of its very name."""
    known = {normal(name) for name in family(curated)} if curated else set()
    for name in declared:
        if normal(name) in known:
            return Named(name, DECLARED, gone)
    same = next((name for name in declared if normal(name) == normal(top)), "")
    if not same or curated:
        return None
    doubt = impostor(same)
    return Named(f"?{top}", "", doubt) if doubt else Named(same, DECLARED, gone)


def _from_table(top: str, curated: str, gone: str) -> Named:
    if curated:
        return Named(curated, TABLE, gone)
    reason = IMPOSTORS.get(normal(top), "")
    return Named(f"?{top}", "", f"the project {top} is {reason}" if reason else "")


def _alike(name: str, known: str) -> bool:
    """Tell a slip of the pen, or the same words in another order, from a name of its own."""
    if sorted(name.split("-")) == sorted(known.split("-")):
        return True
    most = 0 if len(known) <= 4 else 1 if len(known) <= 7 else 2
    return abs(len(name) - len(known)) <= most and 0 < _distance(name, known) <= most


def _distance(one: str, other: str) -> int:
    """Count the letters to change, add, leave out or swap with their neighbour."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


_FAMILIES = {normal(name): names for names in VARIANTS.values() for name in names}
KNOWN = {normal(name): name for names in ([*PROJECTS.values()], *VARIANTS.values()) for name in names}
