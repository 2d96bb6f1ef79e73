"""Options of the command line that stand for keys of the experiment, for one run."""

from collections.abc import Sequence
from typing import Any

from assay.config.keys import BY_PATH
from assay.config.scalars import read_scalar
from assay.config.yamlfile import Text
from assay.domain import Experiment
from assay.errors import WrongInput, WrongInputs


def overridden(experiment: Experiment, given: Sequence[tuple[str, str]]) -> Experiment:
    """Put what the command line says in place of what the experiment's file says."""
    faults = []
    for path, text in given:
        try:
            experiment = _replaced(experiment, path.split("."), _value(path, text))
        except WrongInput as fault:
            faults.append(WrongInput(fault.what, where=f"command line: {path}", mend=fault.mend))
    if faults:
        raise WrongInputs(faults)
    return experiment


def _value(path: str, text: str) -> Any:
    key = BY_PATH[path]
    if key.shape == "list":
        return tuple(read_scalar(Text(0, 0, part.strip()), key) for part in text.split(","))
    return read_scalar(Text(0, 0, text), key)


def _replaced(part: Any, path: list[str], value: Any) -> Any:
    """Replace a value deep in frozen parts; what is listed is added to."""
    name, *rest = path
    old = getattr(part, name)
    if rest:
        return part._replace(**{name: _replaced(old, rest, value)})
    return part._replace(**{name: (*old, *value) if isinstance(value, tuple) else value})
