"""What a global that a pickle names would be good for: the judgement on code that loading would reach.

An allow list: what is on none of the lists below is `unknown`, never clean. `dangerous` is what can run a command,
code, or another pickle, or write a file, by a call with arguments that the file gives.
"""

import re
import sys
from functools import lru_cache

from assay.formats.pickle_values import COMPUTED, Global
from assay.formats.torch_classes import TORCH_CLASSES
from assay.records import Named

TENSORS, HARMLESS, UNKNOWN, DANGEROUS = "tensors", "harmless", "unknown", "dangerous"
JOBLIB = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
INSIDE = Global("torch.storage", "_load_from_bytes")  # opens the pickle that its argument is
LONGEST_NAME = 200  # characters written down
TRICK = "(a trick)"
ORDER = (DANGEROUS, UNKNOWN, HARMLESS, TENSORS)

_REBUILD = re.compile(
    r"_rebuild_(?:tensor|tensor_v2|tensor_v3|parameter|parameter_with_state|qtensor|sparse_tensor|sparse_csr_tensor"
    r"|meta_tensor_no_storage|device_tensor_from_cpu_tensor|device_tensor_from_numpy|nested_tensor)"
)
_STORAGE = re.compile(
    r"(?:Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool|ComplexFloat|ComplexDouble|ComplexHalf|QInt8|QInt32"
    r"|QUInt8|QUInt4x2|QUInt2x4|Typed|Untyped)Storage"
)
_DTYPE = re.compile(r"(?:bool|b?float\d+(?:_e\d+m\d+\w*)?|float4_e2m1fn_x2|u?int\d+|complex\d+|q?u?int\d+(?:x\d)?)")
_LAYOUT = r"per_(?:tensor|channel)_\w+|strided|sparse_\w+|\w+_format|channels_last(?:_3d)?"
_NUMPY = r"numpy(?:\._?core)?"
# module, name: both patterns must cover the whole of it
TENSOR_MAKERS = (
    (r"torch\._utils", _REBUILD.pattern),
    (r"torch(?:\.cuda|\.storage)?", _STORAGE.pattern),
    (r"torch", rf"Size|device|Tensor|dtype|{_DTYPE.pattern}|{_LAYOUT}"),
    (r"torch(?:\.cuda)?", r"(?:Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Tensor"),
    (r"torch\._tensor", r"Tensor"),
    (r"torch\.serialization", r"_get_layout"),
    (r"torch\.nn\.parameter", r"Parameter|Buffer|UninitializedParameter"),
    (r"collections", r"OrderedDict"),
    (r"_codecs", r"encode"),
)
# What unpicklers may reach in a run that nobody trusted: less than torch's own `weights_only` allows, for nothing there
# sees how a name is called. Storages are no part of it: torch finds those by itself.
REACHABLE = (
    (r"torch\._utils", r"_rebuild_(?:tensor|tensor_v2|tensor_v3|parameter|parameter_with_state|qtensor)"),
    (r"torch", rf"Size|device|{_DTYPE.pattern}|{_LAYOUT}"),
    (r"torch\.serialization", r"_get_layout"),
    (r"torch\.nn\.parameter", r"Parameter"),
    (r"collections", r"OrderedDict"),
    (r"_codecs", r"encode"),
    (r"builtins|__builtin__", r"set|frozenset|complex|bytearray"),
    (r"argparse", r"Namespace"),
)
ARRAY_MAKERS = (
    (r"torch\._tensor", r"_rebuild_from_type_v2"),
    (rf"{_NUMPY}\.multiarray", r"_reconstruct|scalar"),
    (rf"{_NUMPY}\.numeric", r"_frombuffer"),
    (r"numpy", r"ndarray|dtype"),
    (r"numpy\.dtypes", r"\w+DType"),
)
_PLAIN = r"int|float|complex|bool|str|bytes|bytearray|list|tuple|dict|set|frozenset|object|slice|x?range|long|unicode"
_CONSTANTS = r"Ellipsis|NotImplemented|[A-Z][A-Za-z]*(?:Error|Exception|Warning)|StopIteration"
PLAIN_MAKERS = (
    (r"builtins|__builtin__|exceptions", rf"{_PLAIN}|{_CONSTANTS}"),
    (r"collections", r"defaultdict|deque|Counter"),
    (r"copyreg|copy_reg", r"_reconstructor"),
    (r"argparse", r"Namespace"),
    (r"types", r"SimpleNamespace"),
    (r"datetime", r"datetime|date|time|timedelta|timezone"),
    (r"pathlib(?:\._local)?", r"(?:Pure)?(?:Posix|Windows)?Path"),
    (r"decimal|fractions", r"Decimal|Fraction"),
    (r"uuid", r"UUID|SafeUUID"),
    (r"_?io", r"BytesIO|StringIO"),
    (r"re", r"_compile"),
    (r"random", r"Random"),
    (r"array", r"array|_array_reconstructor"),
    (r"typing", r"Any|Optional|Union|List|Dict|Tuple"),
    (r"numpy", r"(?:u?int|float|complex)\d+|bool_?|str_|bytes_|longdouble|matrix|recarray|record"),
    (r"numpy\.matrixlib\.defmatrix", r"matrix"),
    (rf"{_NUMPY}\.records|numpy\.rec", r"recarray|record"),
    (rf"{_NUMPY}\._internal", r"_reconstruct"),
    (r"numpy\.ma(?:\.core)?", r"_mareconstruct|MaskedArray|MaskedConstant"),
    (r"numpy\.random(?:\._pickle)?", r"__(?:randomstate|RandomState|generator|bit_generator)_ctor"),
    (r"numpy\.random\.(?:mtrand|_\w+)", r"RandomState|MT19937|PCG64(?:DXSM)?|Philox|SFC64"),
    (r"numpy\.random\.bit_generator", r"SeedSequence|__pyx_unpickle_SeedSequence"),
)
# Functions of Python's own that only compute: no checkpoint needs them, and they do no harm.
_PURE = (
    (r"builtins|__builtin__", r"len|abs|max|min|sum|sorted|hash|round|ord|chr|id|bin|hex|oct|divmod|pow|zip|enumerate"),
    (r"itertools|math|cmath|statistics", r"[a-z]\w*"),
)
_RUNNERS = """
__builtin__ _ctypes _interpreters _io _lsprof _operator _pickle _posixsubprocess _thread _xxsubinterpreters aifc
antigravity ast asyncio bdb builtins cPickle cProfile cloudpickle code codeop commands concurrent ctypes dbm dill
distutils doctest ensurepip fcntl fileinput ftplib gc glob http idlelib imaplib imp importlib inspect io joblib
lib2to3 linecache logging marshal mmap multiprocessing nt nturl2path operator os pdb pickle pip pkgutil platform
popen2 posix profile pty pydoc runpy setuptools shelve shutil signal smtplib socket sqlite3 subprocess sys telnetlib
tempfile test threading timeit tkinter trace turtle types urllib uuid venv webbrowser xmlrpc zipimport
"""
_WHOLE_MODULES = frozenset(_RUNNERS.split())
_DANGEROUS = (
    (r"numpy(?:\.\w+)*", r"load|save|fromfile|tofile|memmap|loads|runstring|myeval|exec_\w+|fromregex|genfromtxt"),
    (r"numpy\.(?:f2py|testing|distutils|lib)(?:\..+)?", r".*"),
    (r"torch", r"load|save|compile|classes|ops|hub"),
    (r"torch\.(?:hub|jit|fx|utils|_dynamo|_inductor|distributed|testing|package|onnx|cuda|storage)(?:\..+)?", r".*"),
    (r"torch\.serialization", r"load|save|_load|_legacy_load|.*\..*"),
    (r"pandas(?:\..+)?", r"read_\w+|to_\w+|eval|query"),
    (r"sklearn\.(?:utils|datasets)(?:\..+)?", r"load\w*|fetch\w*|eval\w*"),
    (r"requests(?:\..+)?|httpx|aiohttp|boto3|paramiko|git", r".*"),
)
_ROOTS = frozenset(("torch", "numpy", "scipy", "sklearn", "pandas"))
_WHY = {
    TENSORS: "makes tensors and arrays",
    HARMLESS: "holds data; making it runs nothing of the file",
    UNKNOWN: "code that is not known here: loading imports it and may call it",
    DANGEROUS: "can run commands, code or another pickle, or write files",
}
_LISTS = (  # the first that has it
    (TENSORS, _WHY[TENSORS], (*TENSOR_MAKERS, *ARRAY_MAKERS)),
    (HARMLESS, _WHY[HARMLESS], PLAIN_MAKERS),
    (UNKNOWN, "torch's own: loading it runs torch's code on what the file says", TORCH_CLASSES),
    (UNKNOWN, "reads the middle of the file, which other readers take for instructions", (JOBLIB,)),
    (UNKNOWN, "keeps a call for later; what it calls is named too", (("functools", "partial"),)),
    (UNKNOWN, "computes, and is nothing that a checkpoint needs", _PURE),
)


@lru_cache(maxsize=4096)
def judge(found: Global) -> "tuple[str, str]":
    """Give the verdict on one global, and why."""
    module, name = found
    if module == COMPUTED:
        return DANGEROUS, "its name is computed while loading, which hides what is called"
    for verdict, why, patterns in _LISTS:
        if among(patterns, module, name):
            return verdict, why
    root = module.partition(".")[0]
    if root in _WHOLE_MODULES or among(_DANGEROUS, module, name):
        return DANGEROUS, _WHY[DANGEROUS]
    standard = root in sys.stdlib_module_names
    if "." in name and (standard or root in _ROOTS):
        return DANGEROUS, "reaches through a module for something inside it"
    if standard and name[:1].islower():
        return DANGEROUS, "a function of Python's own library that no checkpoint needs"
    if standard or root in _ROOTS:
        return UNKNOWN, f"not among what a checkpoint needs of {root}"
    return UNKNOWN, _WHY[UNKNOWN]


def judged(found: "list[tuple[Global, str]]", odd: "list[tuple[str, str]]", read_inside: bool = False) -> "list[Named]":
    """Judge every global once, the worst first; `found` and `odd` say where each was seen."""
    times: dict[Global, int] = {}
    where: dict[Global, str] = {}
    for one, place in found:
        times[one] = times.get(one, 0) + 1
        where.setdefault(one, place)
    rows = []
    for one, count in times.items():
        verdict, why = judge(one)
        if one == INSIDE and read_inside:
            verdict, why = HARMLESS, "opens a pickle inside this one, which was read like this one"
        name = one.module if one.module == COMPUTED else f"{one.module}.{one.name}"
        rows.append(Named(name=name[:LONGEST_NAME], verdict=verdict, why=why, times=count, where=where[one]))
    for trick, place in dict.fromkeys(odd):
        rows.append(Named(name=TRICK, verdict=DANGEROUS, why=f"it {trick}, as no honest writer does", where=place))
    return sorted(rows, key=lambda row: (ORDER.index(row.verdict), row.name))


def among(patterns: "tuple[tuple[str, str], ...]", module: str, name: str) -> bool:
    """Tell whether a pattern of module and name covers the whole of both."""
    return any(re.fullmatch(m, module) and re.fullmatch(n, name) for m, n in patterns)
