"""Names that libraries had when upstream's code was written and have no more: given back, and said so."""

from __future__ import annotations

import builtins
import importlib
import sys
from types import ModuleType
from typing import Any, Callable, Dict

from assay_worker.patching import give, replace
from assay_worker.watching import Watch

Given = Dict[str, str]  # a name that is gone -> the expression that it was

NUMPY: Given = {name: name for name in ("int", "float", "bool", "object", "str", "complex")}
NUMPY.update(long="int", unicode="str", float_="numpy.float64", unicode_="numpy.str_", string_="numpy.bytes_")
NUMPY.update(NaN="numpy.nan", Inf="numpy.inf", infty="numpy.inf", PINF="numpy.inf", NINF="-numpy.inf")
NUMPY.update(product="numpy.prod", cumproduct="numpy.cumprod", alltrue="numpy.all", sometrue="numpy.any")
NUMPY.update(row_stack="numpy.vstack", in1d="numpy.isin", trapz="numpy.trapezoid", complex_="numpy.complex128")
NUMPY.update(asfarray="lambda a, dtype=float: numpy.asarray(a, dtype=dtype)")
IMAGE: Given = {"ANTIALIAS": "PIL.Image.LANCZOS", "LINEAR": "PIL.Image.BILINEAR", "CUBIC": "PIL.Image.BICUBIC"}
ABSTRACT = ("Mapping", "MutableMapping", "Sequence", "MutableSequence", "Iterable", "Iterator", "Callable", "Set")
ABSTRACT += ("Hashable", "Sized", "Container", "Generator", "MutableSet", "Awaitable", "Coroutine")
COLLECTIONS: Given = {name: f"collections.abc.{name}" for name in ABSTRACT}
TIME: Given = {"clock": "time.perf_counter"}
FRACTIONS: Given = {"gcd": "math.gcd"}
INSPECT: Given = {"getargspec": "inspect.getfullargspec"}
SIX: Given = {"string_classes": "(str, bytes)", "int_classes": "int", "container_abcs": "collections.abc"}
OPENED = "numpy.asarray(PIL.Image.open(path).convert(mode or ('F' if flatten else None)))"
INTEGRATE: Given = {"simps": "scipy.integrate.simpson", "trapz": "scipy.integrate.trapezoid"}
INTEGRATE.update(cumtrapz="scipy.integrate.cumulative_trapezoid")
WINDOWS = ("hann", "hamming", "blackman", "gaussian", "boxcar", "bartlett", "kaiser")
SIGNAL: Given = {name: f"scipy.signal.windows.{name}" for name in WINDOWS}
MEASURE: Given = {
    "compare_psnr": "skimage.metrics.peak_signal_noise_ratio",
    "compare_ssim": "skimage.metrics.structural_similarity",
    "compare_mse": "skimage.metrics.mean_squared_error",
}
READ = f"lambda path, flatten=False, mode=None: {OPENED}"


MODELS = ("vgg", "resnet", "alexnet", "densenet", "squeezenet", "inception", "mobilenet", "googlenet", "segmentation")
URLS: Given = {"model_urls": "collections.defaultdict(str)"}


GONE: Dict[str, Given] = {
    "numpy": NUMPY,
    "PIL.Image": IMAGE,
    "collections": COLLECTIONS,
    "time": TIME,
    "fractions": FRACTIONS,
    "inspect": INSPECT,
    "scipy.integrate": INTEGRATE,
    "scipy.signal": SIGNAL,
    "skimage.measure": MEASURE,
}


def names(module: str, given: Given) -> Callable[[Watch, Any], None]:
    """Make the patch that gives a module its former names back, when upstream asks for one."""
    return lambda watch, owner: _by_name(watch, owner, module, given)


def _by_name(watch: Watch, owner: Any, module: str, given: Given) -> None:
    former = owner.__dict__.get("__getattr__")

    def __getattr__(name: str) -> Any:
        if name in given and watch.by_tree():
            watch.intervene(f"{module}.{name} is gone: given back", f"{module}.{name} = {given[name]}")
            return evaluated(given[name])
        if former is not None:
            return former(name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    owner.__dict__["__getattr__"] = __getattr__


def evaluated(expression: str) -> Any:
    """Evaluate an expression of ours, importing what it names."""
    import collections.abc
    import inspect
    import math
    import time

    known: Dict[str, Any] = {"collections": collections, "math": math, "time": time, "inspect": inspect}
    if "numpy" in expression:
        import numpy

        known["numpy"] = numpy
    if "PIL" in expression:
        import PIL.Image

        known["PIL"] = PIL
    top, _, _ = expression.partition(".")
    if top in ("scipy", "skimage"):
        known[top] = importlib.import_module(top)
        importlib.import_module(expression.rpartition(".")[0])
    return eval(expression, {"__builtins__": builtins, **known})  # a text of this file


# ---------------------------------------------------------------- functions that are gone
def patch_pens(watch: Watch, module: Any) -> None:
    """Give ImageDraw its way to measure a text back."""

    def textsize(self: Any, text: str, font: Any = None, *args: Any, **kwargs: Any) -> Any:
        right, bottom = self.textbbox((0, 0), text, font=font)[2:]
        watch.intervene("ImageDraw.textsize is gone: textbbox in its place", "ImageDraw.ImageDraw.textsize = ...")
        return right, bottom

    give(module.ImageDraw, "textsize", textsize)


def patch_fonts(watch: Watch, module: Any) -> None:
    """Give fonts their way to measure a text back."""

    def getsize(self: Any, text: str, *args: Any, **kwargs: Any) -> Any:
        watch.intervene("ImageFont.getsize is gone: getbbox in its place", "ImageFont.FreeTypeFont.getsize = ...")
        return self.getbbox(text)[2:]

    for name in ("FreeTypeFont", "ImageFont"):
        give(getattr(module, name), "getsize", getsize)


def scipy_images(name: str) -> Callable[[Watch, Any], None]:
    """Make the patch that gives scipy.misc or scipy.ndimage its imread, imresize and imsave back."""

    def patch(watch: Watch, module: Any) -> None:
        from assay_worker import readers

        imread = readers.reading(watch, f"{name}.imread", _imread)
        replace_missing(watch, module, name, "imread", imread, READ)
        if name == "scipy.misc":
            replace_missing(watch, module, name, "imresize", _imresize, "lambda a, size, interp='bilinear': ...")
            replace_missing(watch, module, name, "imsave", _imsave, "lambda path, a: PIL.Image.fromarray(a).save(path)")

    return patch


def replace_missing(watch: Watch, module: Any, owner: str, name: str, made: Any, code: str) -> None:
    """Give a function back that is gone."""
    if hasattr(module, name):
        return

    def used(*args: Any, **kwargs: Any) -> Any:
        watch.intervene(f"{owner}.{name} is gone: Pillow in its place", f"{owner}.{name} = {code}")
        return made(*args, **kwargs)

    setattr(module, name, used)


def _imread(path: Any, flatten: bool = False, mode: Any = None) -> Any:
    import numpy
    import PIL.Image

    picture = PIL.Image.open(path)
    wanted = mode or ("F" if flatten else None)
    return numpy.asarray(picture.convert(wanted) if wanted else picture)


def _imresize(array: Any, size: Any, interp: str = "bilinear", mode: Any = None) -> Any:
    import numpy
    import PIL.Image

    picture = PIL.Image.fromarray(array, mode) if mode else PIL.Image.fromarray(array)
    if isinstance(size, (int, float)):
        factor = size / 100.0 if isinstance(size, int) else size
        size = (int(picture.height * factor), int(picture.width * factor))
    kind = getattr(
        PIL.Image, {"bilinear": "BILINEAR", "bicubic": "BICUBIC", "nearest": "NEAREST"}.get(interp, "LANCZOS")
    )
    return numpy.asarray(picture.resize((int(size[1]), int(size[0])), kind))


def _imsave(path: Any, array: Any) -> None:
    import PIL.Image

    PIL.Image.fromarray(array).save(path)


def patch_yaml(watch: Watch, yaml: Any) -> None:
    """Let yaml.load be called without a loader, as it could be."""

    def lenient(original: Any) -> Any:
        def load(stream: Any, Loader: Any = None, **kwargs: Any) -> Any:
            if Loader is None:
                watch.intervene("yaml.load is called without a loader", "yaml.load = yaml.safe_load")
            return original(stream, Loader or yaml.SafeLoader)

        return load

    replace(yaml, "load", lenient)


def modules(watch: Watch) -> None:
    """Give upstream modules back that are gone as a whole, under the names they had."""
    former = {"torch._six": SIX}
    for name, given in former.items():
        module = ModuleType(name)
        for key, expression in {**given, "inf": "math.inf", "nan": "math.nan"}.items():
            setattr(module, key, evaluated(expression))
        sys.modules.setdefault(name, module)
