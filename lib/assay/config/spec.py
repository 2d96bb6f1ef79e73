"""experiments/<name>.yaml and its recipe -> one Experiment, or every fault of both."""

import pathlib
from typing import Any

from assay.config import places
from assay.config.faults import Faults, refuse, shown
from assay.config.keys import BY_PATH, KEYS
from assay.config.reading import Found, read_keys
from assay.config.recipes import FILE, Recipe, merged, read_recipe
from assay.config.sourcefile import load
from assay.config.yamlfile import Map
from assay.domain import EnvSpec, Experiment, IndexSpec, InputSpec, MeasureSpec, Model, SourceSpec, Target
from assay.errors import WrongInput, WrongInputs, did_you_mean

FOLDER = "experiments"
SUFFIX = ".yaml"
CLASS = "model.class"  # a claim that decides between classes that fit the weights alike
RUN = "run."  # a claim about an option of upstream's entrypoint: it is run with what a person says
SOURCES = {"model.name", "source.repo", "source.path"}
PARTS: dict[str, type[Any]] = {
    "model": Model,
    "source": SourceSpec,
    "env.index": IndexSpec,  # before what it is a part of
    "env": EnvSpec,
    "inputs": InputSpec,
    "measure": MeasureSpec,
}


def experiment_names(root: pathlib.Path) -> list[str]:
    """List the experiments of a repository by name, sorted, hidden files left out."""
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    return sorted(p.name.removesuffix(SUFFIX) for p in folder.iterdir() if p.suffix == SUFFIX and p.name[0] not in "._")


def read_experiment(root: pathlib.Path, name: str) -> Experiment:
    """Read an experiment with its recipe's defaults; raise all faults at once."""
    file = _existing(root, name)
    faults = Faults(file)
    top = load(root / file, faults)
    own = read_keys(top, faults) if isinstance(top, Map) else {}
    recipe, recipe_faults = Recipe(), Faults("")
    asked = own.get("recipe")
    if asked is not None and asked.value is not None:
        recipe, recipe_faults = read_recipe(root, asked.value, faults, asked.line)
    found = merged(recipe.found, own)
    if isinstance(top, Map):
        _check_together(top, own, found, faults)
    refuse(faults, recipe_faults)
    notes = f"{FOLDER}/{name}.notes.md"
    return _built(name, file, found, recipe, notes if (root / notes).is_file() else "")


def files_of(root: pathlib.Path, experiment: Experiment) -> list[str]:
    """List the files that an experiment was read from, from the repository."""
    recipe = f"{experiment.recipe}/{FILE}" if experiment.recipe else ""
    if recipe and not (root / recipe).is_file():
        recipe = ""
    return [file for file in (experiment.file, recipe, experiment.adapter, experiment.notes) if file]


def _existing(root: pathlib.Path, name: str) -> str:
    fault = places.check_name(name)
    if fault:
        what, _, mend = fault.partition("; ")
        raise WrongInputs([WrongInput(f"{shown(name)} {what}", where=f"{FOLDER}/", mend=mend)])
    file = f"{FOLDER}/{name}{SUFFIX}"
    if not (root / file).exists() and not (root / file).is_symlink():
        other = f"{FOLDER}/{name}.yml"
        mend = f"rename {other}" if (root / other).exists() else did_you_mean(name, experiment_names(root))
        mend = mend or f"write it: doit new exp={name} checkpoint=FILE source=FOLDER"
        raise WrongInputs([WrongInput(f"there is no experiment {name}", where=file, mend=mend)])
    return file


def _check_together(top: Map, own: dict[str, Found], found: dict[str, Found], faults: Faults) -> None:
    """Note what is wrong only when keys are seen side by side."""
    _check_minimum(top, found, faults)
    if "source.rev" in own and "source.repo" not in found:
        mend = "add source.repo, or delete it: a local folder is taken as it lies there"
        faults.add(own["source.rev"].line, "source.rev: belongs to source.repo, which is not given", mend)
    if "targets" in own and isinstance(own["targets"].value, dict):
        for key, target in own["targets"].value.items():
            _check_measured(target, own["targets"].lines[key], found, faults)


def _check_minimum(top: Map, found: dict[str, Found], faults: Faults) -> None:
    missing = [] if "model.checkpoint" in found else ["model.checkpoint (a local file or folder)"]
    if not found.keys() & SOURCES:
        missing.append("one of model.name, source.repo, source.path")
    if missing:
        line = next((key.line for key, _ in top.value if key.value == "model"), top.line)
        name = "" if found.keys() & SOURCES else "name: NAME"
        file = "" if "model.checkpoint" in found else "checkpoint: checkpoints/FILE"
        mend = f"write model: {{{', '.join(filter(None, (file, name)))}}}"
        faults.add(line, f"needs {' and '.join(missing)}", mend)


def _check_measured(target: Target, line: int, found: dict[str, Found], faults: Faults) -> None:
    """Refuse a limit for a configuration that is never measured."""
    for name in ("batch", "threads", "precision"):
        path = f"measure.{name}"
        values = found[path].value if path in found else BY_PATH[path].default
        if name in target.where and values is not None and target.where[name] not in map(str, values):
            what = f"targets.{shown(target.key)[1:-1]}: {path} has no {target.where[name]}"
            faults.add(line, what, f"add it: {path}: [{', '.join(map(str, values))}, {target.where[name]}]")


def _built(name: str, file: str, found: dict[str, Found], recipe: Recipe, notes: str) -> Experiment:
    """Put typed values and defaults together; everything here has been checked."""
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    rest: dict[str, Any] = {}
    for key in KEYS:
        value = found[key.path].value if key.path in found else key.default
        if value is None:
            continue
        part, _, field = key.path.rpartition(".")
        if part:
            parts[part][field] = value
        else:
            rest[field] = value
    rest["contract"] = tuple(rest["contract"].values())
    said = [c for c in rest["contract"] if c.id.startswith(RUN) and c.kind != "unknown"]
    options = {c.id.removeprefix(RUN): c.value for c in said}
    parts["source"]["options"] = {**parts["source"]["options"], **options}
    classes = [c.value for c in rest["contract"] if c.id == CLASS and c.kind != "unknown" and isinstance(c.value, str)]
    parts["source"]["meant"] = classes[0] if classes else ""
    rest["targets"] = tuple(rest["targets"].values())
    rest["recipe"] = recipe.folder
    defaults = recipe.found["params"].value if "params" in recipe.found else {}
    for part, values in parts.items():
        above, _, field = part.rpartition(".")
        (parts[above] if above else rest)[field] = PARTS[part](**values)
    return Experiment(name=name, file=file, adapter=recipe.adapter, notes=notes, defaults=defaults, **rest)
