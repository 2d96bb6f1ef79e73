"""What an adapter has to set right before upstream's files are imported, as it was set right when they were watched."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from assay.drafts import layout
from assay.drafts.reading import names

ABSENT = re.compile(r"^(\w+) is not installed: stood in for")
STAND_IN = '''class Absent(types.ModuleType):
    """Stands for a package that is not installed, until something of it is called."""

    def __getattr__(self, name):
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        return "0.0.0" if name == "__version__" else Absent(f"{self.__name__}.{name}")


def missing(name):
    """Tell whether a package is not installed."""
    return importlib.util.find_spec(name.partition(".")[0]) is None


ABSENT = [name for name in (%s,) if missing(name)]
sys.modules.update({name: Absent(name) for name in ABSENT})  # upstream imports them; nothing here calls them'''


AUDIO = "torchaudio is not usable here"
SOUND = '''def load_sound(path):
    """Read a file as torchaudio does: a tensor of channels by samples, and its rate."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate


if "torchaudio" in ABSENT:  # its load() goes through soundfile
    sys.modules["torchaudio"].load, sys.modules["torchaudio"].__version__ = load_sound, "2.8.0"'''


ITSELF = re.compile(r"^the tree itself is the package (\w+)$")
PACKAGE = """# the tree itself is this package
root = Path(__file__).resolve().parent.parent / "refs" / "{tree}"
spec = importlib.util.spec_from_file_location("{name}", root / "__init__.py")
sys.modules["{name}"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["{name}"])"""


class Compat(NamedTuple):
    """Imports that the lines need, and the lines."""

    imports: list[str]
    lines: list[str]


def compat(interventions: Iterable[Mapping[str, Any]], tree: str, below: Callable[[str], list[str]]) -> Compat:
    """Write what was answered in upstream's stead as lines of an adapter, as far as lines can do it."""
    given = list(interventions)
    said = [str(one.get("what", "")) for one in given]
    absent = list(dict.fromkeys(m.group(1) for m in map(ABSENT.match, said) if m))
    imports: dict[str, None] = {}
    lines: dict[str, None] = {}
    if absent:
        names = ", ".join(f'"{module}"' for name in absent for module in below(name))
        lines[STAND_IN % names] = None
        imports.update(dict.fromkeys(["import importlib.util", "import sys", "import types"]))
    if "torchaudio" in absent and any(s.startswith(AUDIO) for s in said):
        lines[SOUND] = None
        imports.update(dict.fromkeys(["import soundfile", "import torch"]))
    for itself in filter(None, map(ITSELF.match, said)):
        lines[PACKAGE.format(name=itself.group(1), tree=tree)] = None
        imports.update(dict.fromkeys(["import importlib.util", "import sys", "from pathlib import Path"]))
    for one in given:
        made = _assignment(str(one.get("code", "")))
        if made is not None and not made & set(absent):
            lines[f"# {one.get('what', '')}\n{_fitted(str(one['code']))}"] = None
            imports.update(dict.fromkeys(f"import {name}" for name in sorted(made)))
    return Compat(list(imports), list(lines))


def _fitted(code: str) -> str:
    return "\n".join(layout.fitted(code, 116))


def _assignment(code: str) -> set[str] | None:
    """Give the modules of `package.name = ...`; None when the code is something else."""
    try:
        body = ast.parse(code).body
    except SyntaxError:
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Assign) or not isinstance(body[0].targets[0], ast.Attribute):
        return None
    target = body[0].targets[0]
    roots = names(body[0])
    dotted = {ast.unparse(n.value) for n in ast.walk(body[0]) if isinstance(n, ast.Attribute)}
    return {ast.unparse(target.value)} | {
        _module(root, dotted) for root in roots if root not in ("str", "int", "float")
    }


def _module(root: str, dotted: set[str]) -> str:
    """Name the module that a root stands for: PIL.Image of PIL.Image.open."""
    below = [d for d in dotted if d.startswith(root + ".") and d.replace(".", "").isidentifier() and d != root]
    return min(below, key=len) if root == "PIL" and below else root
