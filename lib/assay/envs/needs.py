"""What a model needs installed, each with its reason; pure, from records and from what the interpreter says it has."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assay.envs import names
from assay.envs.interpreter import normal
from assay.records import Import, Source, Use
from assay.upstream import closure, importing
from assay.upstream.entrypoints import PLAIN

FORMATS: dict[str, tuple[str, ...]] = {
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
# By what brought it in; the last two are installed only when asked for: whether they are reached is not known.
RUNTIME, MODEL, UTILITY, ACCELERATION = GROUPS = ("runtime", "model", "utility", "acceleration")
REQUIRED = (RUNTIME, MODEL)
GROUP_OF = {"hard": MODEL, "lazy": UTILITY, "dynamic": UTILITY, "optional": ACCELERATION}


class Wish(NamedTuple):
    """Something that running takes: a package by name, or an import whose package is still to be found."""

    package: str  # "" when only the import is known
    module: str  # dotted; "" of a package
    imported: tuple[str, ...]  # names taken from the module
    file: str
    line: int
    why: str
    group: str


class Need(NamedTuple):
    """A package that the model needs, and what is there."""

    name: str  # "?module" when nothing says which package provides it
    version: str  # what is installed; "" when missing
    why: str
    group: str
    doubt: str = ""  # why no package is known for it

    @property
    def known(self) -> bool:
        """Tell whether it is known what to install."""
        return not self.name.startswith("?")


class Wishes(NamedTuple):
    """All that running takes, and the imports that could not be followed."""

    wishes: tuple[Wish, ...]
    unseen: tuple[str, ...]
    roots: tuple[str, ...]  # upstream's files that running begins at

    @property
    def modules(self) -> list[str]:
        """Name every import and the package that it lies in, to be asked of the interpreter."""
        dotted = {wish.module for wish in self.wishes if wish.module}
        return sorted(dotted | {module.partition(".")[0] for module in dotted})


def wishes(
    form: str,
    carries: str,
    adapter: "Sequence[Import] | None",
    source: Source,
    entry: Sequence[str],
    more: Sequence[str] = (),
) -> Wishes:
    """Gather what running takes: the format's runner, then what the recipe or upstream's entrypoint imports."""
    runners = dict.fromkeys([*FORMATS.get(form, ()), *more])
    found = [Wish(name, "", (), "", 0, f"runs {form}", RUNTIME) for name in runners]
    pages = {use.path: use for use in source.uses if use.paged}
    every = roots_of(carries, adapter is not None, source, entry)
    roots = [root for root in every if root not in pages]
    start = [*(adapter or ()), *(one for root in every if root in pages for one in _of_page(pages[root], source))]
    if not roots and not start:
        return Wishes(tuple(found), (), ())
    reached = closure.closure(list(source.modules), roots, start=start)
    for need in reached.needs:
        file = need.file or ("adapter.py" if adapter else every[0])
        why = f"{file}:{need.line} imports {need.module}"
        called = not need.file and need.kind == "lazy"  # a recipe's functions are called
        group = MODEL if called else GROUP_OF.get(need.kind, UTILITY)
        found.append(Wish("", need.module, tuple(need.names), file, need.line, why, group))
    return Wishes(tuple(found), tuple(reached.unseen), tuple(roots))


def _of_page(page: Use, source: Source) -> list[Import]:
    """Give the imports of a page that its lines need without the page."""
    whole = next((module.imports for module in source.modules if module.path == page.path), [])
    kept = {one.module for one in importing.read(page.text)[0]}
    return [one for one in whole if one.module in kept]


def roots_of(carries: str, has_adapter: bool, source: Source, entry: Sequence[str]) -> list[str]:
    """Name the upstream files that running begins at: as told, else the likeliest one where only upstream builds."""
    if entry:
        paths = [module.path for module in source.modules]
        return [path for path in paths for wanted in entry if path == wanted or path.endswith("/" + wanted)]
    if has_adapter or carries not in ("weights", "pickles"):
        return []
    # to import plain lines is to run them: what they need shows when they are watched
    return [point.path for point in source.entrypoints if PLAIN not in point.reasons][:1]


def needs(
    wanted: Wishes,
    *,
    provided: Mapping[str, list[str]],
    present: Mapping[str, bool],
    versions: Mapping[str, str],
    source: Source,
    chosen: Mapping[str, str],
) -> list[Need]:
    """Find the package of each wish and what is there of it; `versions` by normal name."""
    declared = sorted({r.name for r in source.requirements if r.name and r.kind != "build"} - {"python"})
    found: dict[str, Need] = {}
    for wish in wanted.wishes:
        if wish.package:
            name, doubt = names.present_variant(wish.package, versions), ""
        else:
            named = names.project(
                wish.module, imported=wish.imported, provided=provided, declared=declared, chosen=chosen
            )
            name, doubt = named.name, named.doubt
            if named.by != names.CHOSEN:
                name = names.present_variant(name, versions)
        version = versions.get(normal(name), "")
        if not version and wish.module and present.get(wish.module):
            version = "here"  # without metadata, as a folder on the path is
        key = normal(name)
        old = found.get(key)
        if old is None or GROUPS.index(wish.group) < GROUPS.index(old.group):
            found[key] = Need(old.name if old else name, version, wish.why, wish.group, doubt)
    return sorted(found.values(), key=lambda n: (GROUPS.index(n.group), n.name.lower()))


def missing(found: Sequence[Need], *, optional: bool) -> list[Need]:
    """Pick what is not there; what the model may do without only when asked for and known."""
    return [n for n in found if not n.version and (n.group in REQUIRED or (optional and n.known))]
