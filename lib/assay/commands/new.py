"""Verb new: write an experiment file, every key explained, answers filled in where known."""

from pathlib import Path

from assay import files
from assay.commandline import Line
from assay.config.newfile import template
from assay.config.places import check_name, located
from assay.config.spec import read_experiment
from assay.errors import WrongInput, WrongInputs
from assay.session import Session

SCHEMA = "../docs/experiment.schema.json"


def run(session: Session, line: Line) -> int:
    """Write experiments/NAME.yaml; refuse to write over one."""
    name = line.variables.get("exp", "") or (line.words[0] if line.words else "")
    if not name:
        raise WrongInput("new needs a name", mend="doit new exp=NAME checkpoint=FILE name=MODEL")
    fault = check_name(name)
    if fault:
        raise WrongInput(f"{name!r} {fault}", where="exp=")
    path = session.root / "experiments" / f"{name}.yaml"
    if path.exists():
        raise WrongInput("exists already", where=f"experiments/{name}.yaml", mend="edit it, or choose another name")
    text = template(name, _answers(line.variables))
    files.write(path, text.replace(SCHEMA, _schema(session.root)))
    print(f"experiments/{name}.yaml")
    return _check(session.root, name)


def _schema(root: Path) -> str:
    """Name the schema for editors; a repository without one gets its own copy beside the experiments."""
    if (root / "docs" / "experiment.schema.json").exists():
        return SCHEMA
    from assay.canonical import dumps
    from assay.config.schema import json_schema

    files.write(root / "experiments" / ".schema.json", dumps(json_schema()), durable=False)
    return ".schema.json"


def _answers(variables: dict[str, str]) -> dict[str, str]:
    """Put what the command line says where it belongs in the file."""
    keys = {"checkpoint": "model.checkpoint", "name": "model.name", "rev": "source.rev"}
    answers = {keys[k]: v for k, v in variables.items() if k in keys}
    if "source" in variables:
        answers["source.repo" if "://" in variables["source"] else "source.path"] = variables["source"]
    return answers


def _check(root: Path, name: str) -> int:
    try:
        experiment = read_experiment(root, name)
    except WrongInputs as faults:
        for fault in faults.faults:
            print(f"  still to do: {fault}")
        return 0
    checkpoint = located(root, experiment.model.checkpoint)
    if not checkpoint.exists():
        print(f"  still to do: {experiment.model.checkpoint} is not there; put the weights there")
    print(f"  next: doit report exp={name}")
    return 0
