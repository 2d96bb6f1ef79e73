"""Stage contract: what goes in, what comes out, and who says so; and the adapter that will run."""

import shutil
from typing import Any

from assay import code, contracts, layout, trust
from assay.errors import WrongInput, did_you_mean
from assay.records import Contract, Param, Params
from assay.stages.job import Job

GIVEN = ("checkpoint", "weights", "device", "threads", "precision")  # to build, by the worker
EMPTY = '"""No function of its own: the graph runs as it is, on tensors."""\n'


def run(job: Job) -> None:
    """Write outputs/contract.json, outputs/params.json and scripts/adapter.py."""
    checkpoint, probe = job.record("checkpoint"), job.record("probe")
    text, origin = _adapter(job)
    module = code.parse_text(text, origin)
    by_itself = checkpoint.format.carries in trust.RUNS and job.record("match").status.word != "blocked"
    functions = _functions(job, module, by_itself)
    task, claims = contracts.task(job.experiment.model.task, checkpoint)
    names, named = contracts.labels(checkpoint)
    supplied, questions = contracts.function_claims(functions, _places(module, origin))
    claims += contracts.graph_claims(checkpoint, probe) + named + supplied
    claims, questions = contracts.said(claims, questions, job.experiment.contract)
    axis, most = contracts.batching(checkpoint, probe)
    graph = checkpoint.graph
    for name in job.request["files"]["beside"]:
        shutil.copyfile(job.root / job.experiment.recipe / name, job.out(f"scripts/{name}"))
    job.write("params", Params(params=_params(job, module)))
    job.write(
        "contract",
        Contract(
            task=task,
            inputs=graph.inputs if graph else [],
            outputs=graph.outputs if graph else [],
            batch_axis=axis,
            max_batch=most,
            labels=names,
            functions=functions,
            claims=claims,
            questions=questions,
        ),
    )


def _adapter(job: Job) -> tuple[str, str]:
    """Settle which adapter runs: one edited in place stays, else the recipe's is laid there."""
    if job.request["files"]["in_place"] is not None:
        job.kept.add(layout.ADAPTER)
        return code.text_of(job.workspace.at(layout.ADAPTER), layout.ADAPTER), layout.ADAPTER
    recipe = job.experiment.adapter
    text = code.text_of(job.root / recipe, recipe) if recipe else EMPTY
    head = f"# assay: copied from {recipe}; edit it there, or edit here and: doit adopt\n" if recipe else ""
    job.out(layout.ADAPTER).write_text(head + text, "utf-8")
    return text, recipe or layout.ADAPTER


def _functions(job: Job, module: Any, by_itself: bool) -> dict[str, str]:
    here = code.functions(module)
    edited = job.request["files"]["in_place"]
    recipe = job.request["adapter"]
    found = {}
    for name in code.ADAPTER_FUNCTIONS:
        if name in here:
            found[name] = "edited" if edited is not None and here[name] != recipe.get(name) else "recipe"
        else:
            ours = (name == "build" and by_itself) or (name == "infer" and (by_itself or "build" in here))
            found[name] = "default" if ours else "none"
    return found


def _places(module: Any, origin: str) -> dict[str, tuple[str, str]]:
    lines = code.lines(module)
    digests = code.functions(module)
    return {name: (f"{origin}:{lines[name]}", digest) for name, digest in digests.items()}


def _no_adapter(recipe: str) -> str:
    return f"there is no {recipe}/adapter.py that could: put one there" if recipe else "remove it: there is no adapter"


def _params(job: Job, module: Any) -> dict[str, Param]:
    """Give every parameter of the adapter's functions its value: experiment, then recipe, then signature."""
    taken: dict[str, list[str]] = {}
    values: dict[str, tuple[Any, str]] = {}
    for function in code.functions(module):
        for name, default in code.keywords(module, function).items():
            if name in GIVEN and function == "build":
                continue
            taken.setdefault(name, []).append(function)
            if default is not ...:
                values[name] = (default, "signature")
    given = job.experiment.params
    greedy = [f for f in code.functions(module) if code.takes_any(module, f)]
    for name in [*taken, *given] if greedy else ():
        taken[name] = sorted({*taken.get(name, ()), *greedy}, key=code.ADAPTER_FUNCTIONS.index)
    unknown = [n for n in given if n not in taken]
    if unknown:
        known = sorted(taken)
        mend = did_you_mean(unknown[0], known) if known else _no_adapter(job.experiment.recipe)
        raise WrongInput(f"no adapter function takes params.{unknown[0]}", where=job.experiment.file, mend=mend)
    defaults = job.experiment.defaults
    for name, value in given.items():
        values[name] = (value, "recipe" if name in defaults and defaults[name] == value else "yaml")
    return {name: Param(value=value, origin=origin, used_by=taken[name]) for name, (value, origin) in values.items()}
