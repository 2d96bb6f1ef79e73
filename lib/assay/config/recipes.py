"""recipes/<name>/: defaults that a family of models shares, and its adapter."""

import pathlib
from typing import NamedTuple

from assay.config.faults import Faults, shown
from assay.config.reading import Found, read_keys
from assay.config.sourcefile import load
from assay.config.yamlfile import Map
from assay.errors import did_you_mean

FILE = "recipe.yaml"
ADAPTER = "adapter.py"


class Recipe(NamedTuple):
    """What a recipe's folder holds; paths from the repository."""

    folder: str = ""
    file: str = ""
    adapter: str = ""
    found: dict[str, Found] = {}


def recipe_names(root: pathlib.Path) -> list[str]:
    """List the recipes of a repository."""
    folder = root / "recipes"
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))


def read_recipe(root: pathlib.Path, name: str, asked: Faults, line: int) -> tuple[Recipe, Faults]:
    """Read a recipe; a missing one is a fault of the line that asked for it, its own faults are its file's."""
    folder = f"recipes/{name}"
    faults = Faults(f"{folder}/{FILE}")
    if not (root / folder).is_dir():
        mend = did_you_mean(name, recipe_names(root)) or "there are no recipes yet; leave the key out"
        asked.add(line, f"recipe: there is no folder {shown(folder)}", mend)
        return Recipe(), faults
    file = root / folder / FILE
    adapter = f"{folder}/{ADAPTER}" if (root / folder / ADAPTER).is_file() else ""
    if not file.exists() and not file.is_symlink():
        if not adapter:
            asked.add(line, f"recipe: {shown(folder)} holds neither {FILE} nor {ADAPTER}", "write one of them")
        return Recipe(folder=folder, adapter=adapter), faults
    top = load(file, faults, empty_is_fine=True)
    found = read_keys(top, faults, recipe=name) if isinstance(top, Map) else {}
    return Recipe(folder=folder, file=faults.file, adapter=adapter, found=found), faults


def merged(recipe: dict[str, Found], experiment: dict[str, Found]) -> dict[str, Found]:
    """Lay an experiment's keys over its recipe's: key by key, maps entry by entry."""
    below = {path: found for path, found in recipe.items() if not _displaced(path, experiment)}
    both = {**below, **experiment}
    for path in below.keys() & experiment.keys():
        old, new = recipe[path].value, experiment[path].value
        if isinstance(old, dict) and isinstance(new, dict):
            both[path] = experiment[path]._replace(value={**old, **new})
    return both


def _displaced(path: str, experiment: dict[str, Found]) -> bool:
    """Tell whether the experiment names another source, so that the recipe's does not count."""
    if path == "source.path":
        return "source.repo" in experiment
    return path in ("source.repo", "source.rev") and bool({"source.path", "source.repo"} & experiment.keys())
