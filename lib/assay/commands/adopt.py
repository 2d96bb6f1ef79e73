"""Verb adopt: the workspace's adapter becomes a recipe of the user's own."""

import re

from assay import files, layout
from assay.adapters import DRAFTED
from assay.commandline import Line, experiments_of
from assay.errors import WrongInput
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Copy scripts/adapter.py to recipes/NAME/ and name that recipe in the experiment."""
    if not line.variables.get("exp"):
        raise WrongInput("adopt needs an experiment", mend="doit adopt exp=NAME")
    for name, build in session.builds(experiments_of(line, known_experiments(session.root))).items():
        adapter = build.workspace.at(layout.ADAPTER)
        if not adapter.is_file():
            raise WrongInput(
                "there is no adapter yet",
                where=f"{build.workspace.folder}/{layout.ADAPTER}",
                mend=f"doit contract exp={name}",
            )
        recipe = build.experiment.recipe.removeprefix("recipes/") or name
        own = session.root / "recipes" / recipe / "adapter.py"
        text = adapter.read_text("utf-8")
        own.parent.mkdir(parents=True, exist_ok=True)
        files.write(own, re.sub(r"\A# assay: .*\n", "", text))
        drafted = build.workspace.at(f"scripts/{DRAFTED}.py")
        if drafted.is_file() and f"import {DRAFTED}" in text:
            files.write(own.with_name(drafted.name), drafted.read_text("utf-8"))
        if not (own.parent / "recipe.yaml").exists():
            files.write(
                own.parent / "recipe.yaml",
                "# defaults for every experiment that names this recipe; the same keys as an experiment\n",
            )
        if not build.experiment.recipe:
            experiment = session.root / build.experiment.file
            files.write(experiment, _with_recipe(experiment.read_text("utf-8"), recipe))
        print(f"{name}: recipes/{recipe}/adapter.py is yours now")
        build.close()
    return 0


def _with_recipe(text: str, recipe: str) -> str:
    line = f"recipe: {recipe}"
    changed, count = re.subn(r"(?m)^recipe:.*$", line, text, count=1)
    return changed if count else f"{text.rstrip()}\n{line}\n"
