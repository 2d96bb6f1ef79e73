"""Stage contract: what goes in, what comes out, and who says so; and the adapter that will run."""

import shutil
from typing import Any

from assay import adapters, code, layout, trust
from assay.adapters import Adapter, Supply
from assay.claims import decoding, found, graph, merging, people, plots
from assay.errors import WrongInput, did_you_mean
from assay.huggingface import supply as huggingface
from assay.records import Claim, Contract, Draft, Observation, Param, Params, Question, Tensor
from assay.stages.job import Job
from assay.upstream.anchors import Anchors
from assay.upstream.texts import Texts

GIVEN = {"build": ("checkpoint", "weights", "device", "threads", "precision"), "preprocess": ("checkpoint",)}  # always


def run(job: Job) -> None:
    """Write outputs/contract.json, outputs/params.json and scripts/adapter.py."""
    adapter, origin = _adapter(job)
    module = code.parse_text(adapter.text, origin)
    functions = _functions(job, module, adapter)
    claims, questions = _claims(job, module, origin, functions)
    checkpoint, probe = job.record("checkpoint"), job.record("probe")
    looped = functions["infer"] == adapters.DRAFTED and _draft(probe.observation).many
    axis, most = (0, 1) if functions["build"] == "transformers" else graph.batching(checkpoint, probe)
    axis, most = (None, None) if looped else (axis, most)
    job.write("params", Params(params=_params(job, module)))
    job.write(
        "contract",
        Contract(
            task=next((str(c.value) for c in claims if c.id == "model.task"), ""),
            inputs=_fed(probe.observation, looped) or (checkpoint.graph or probe).inputs,
            outputs=[] if looped else (checkpoint.graph or probe).outputs,
            batch_axis=axis,
            max_batch=most,
            labels=found.in_order(claims),
            functions=functions,
            roots=sorted(adapter.roots),
            reads=_reads(probe.observation) if functions["preprocess"] == adapters.DRAFTED else "",
            claims=claims,
            questions=questions,
        ),
    )


def _draft(seen: "Observation | None") -> Draft:
    return seen.draft if seen and seen.draft else Draft(text="", by="", functions=[], rehearsals=[])


def _fed(seen: "Observation | None", looped: bool) -> list[Tensor]:
    """Name what infer is given where it runs upstream's whole loop: not what the model is given in it."""
    return [Tensor(name=name, dtype="unknown", shape=None) for name in _draft(seen).names] if looped else []


def _reads(seen: "Observation | None") -> str:
    return seen.attempts[-1].kind if seen is not None and seen.attempts else ""


# ---------------------------------------------------------------- the adapter
def _adapter(job: Job) -> tuple[Adapter, str]:
    """Settle which adapter runs: one edited in place stays, else the recipe's and what was drafted is laid there."""
    for name in job.request["files"]["beside"]:
        shutil.copyfile(job.root / job.experiment.recipe / name, job.out(f"scripts/{name}"))
    if job.request["files"]["in_place"] is not None:
        job.kept.add(layout.ADAPTER)
        text = code.text_of(job.workspace.at(layout.ADAPTER), layout.ADAPTER)
        return Adapter(text, dict.fromkeys(code.functions(code.parse_text(text, layout.ADAPTER)), "")), layout.ADAPTER
    recipe, supply = job.experiment.adapter, _supply(job)
    text = code.text_of(job.root / recipe, recipe) if recipe else ""
    made = adapters.composed(text, recipe, supply)
    head = f"# assay: copied from {recipe}; edit it there, or edit here and: doit adopt\n" if recipe else ""
    job.out(layout.ADAPTER).write_text(head + made.text, "utf-8")
    if made.beside:
        job.out(f"scripts/{adapters.DRAFTED}.py").write_text(made.beside, "utf-8")
    return made, recipe or layout.ADAPTER


def _supply(job: Job) -> Supply:
    """Give what needs no person: transformers' way for its folders, else what was drafted from upstream's own run."""
    place, checkpoint = job.requests.checkpoint_path, job.record("checkpoint")
    folder = huggingface.supplied(place, checkpoint, job.experiment.trust)
    for name in folder.beside:
        shutil.copyfile(place / name, job.out(f"{huggingface.PROCESSOR}/{name}"))
    if folder.text:
        return Supply(folder.text, folder.functions, "transformers")
    draft = _draft(job.record("probe").observation)
    return Supply(draft.text, tuple(draft.functions), roots=tuple(draft.roots))


def _functions(job: Job, module: Any, adapter: Adapter) -> dict[str, str]:
    checkpoint, here = job.record("checkpoint"), code.functions(module)
    by_itself = checkpoint.format.carries in trust.RUNS and job.record("match").status.word != "blocked"
    edited, recipe = job.request["files"]["in_place"], job.request["adapter"]
    found = {}
    for name in code.ADAPTER_FUNCTIONS:
        if name in here:
            same = edited is None or here[name] == recipe.get(name)
            found[name] = adapter.by.get(name) or ("recipe" if same else "edited")
        else:
            ours = (name == "build" and by_itself) or (name == "infer" and (by_itself or "build" in here))
            found[name] = "default" if ours else "none"
    return found


# ---------------------------------------------------------------- claims
def _claims(job: Job, module: Any, origin: str, functions: dict[str, str]) -> tuple[list[Claim], list[Question]]:
    """Merge what everybody says; follow cited lines to where they stand now."""
    checkpoint, probe = job.record("checkpoint"), job.record("probe")
    _, said = graph.task(job.experiment.model.task, checkpoint)
    _, named = graph.labels(checkpoint)
    supplied, questions = graph.function_claims(functions, _places(module, origin))
    matched, which = found.of_match(job.record("match"), probe.observation)
    uses = job.record("source").uses
    opened, order = found.of_uses(probe.observation, uses)
    said += opened + graph.graph_claims(checkpoint, probe) + named + supplied + matched
    said += found.of_source(job.record("source")) + found.of_observation(probe.observation, uses)
    said += huggingface.claims(job.requests.checkpoint_path, checkpoint)
    pieces = {f"{one.path}#{one.line}": one.text for one in job.record("source").snippets}
    texts = Texts(job.workspace.at("refs"), pieces)
    drafted = functions["postprocess"] == adapters.DRAFTED
    defaults = code.keywords(module, "postprocess") if drafted else {}
    said += found.of_draft(probe.observation, job.record("source"), defaults, texts) if drafted else []
    given = job.experiment.source.options
    sizes = found.of_options(job.record("source"), probe.observation, checkpoint.name, given)
    said += [] if any(c.id == "pre.layout" for c in said) else graph.layout(probe)
    said += decoding.grey(probe.observation) if functions["preprocess"] == adapters.DRAFTED else []
    if drafted:
        said += decoding.activation(probe.observation, texts, job.record("source").python_files)
        said += [] if any(c.id == "labels.count" for c in said) else _counted(job, said, texts)
    claims, asked = people.settle(merging.merge(said), [*which, *sizes, *order, *questions], job.experiment.contract)
    claims = people.unproved(claims, job.record("match"))
    anchors = Anchors(texts, {tree.name for tree in job.record("refs").trees})
    return [anchors.claim(c) for c in claims], asked


def _counted(job: Job, said: list[Claim], texts: Texts) -> list[Claim]:
    """Count the labels by the first way that tells: what is chosen from, what is plotted, what the network says."""
    seen = job.record("probe").observation
    words = next((str(c.value) for c in said if c.id == "post.activation" and c.value), "")
    ways = (decoding.choices(seen), plots.rows(seen, texts), decoding.classes(seen, job.record("match"), texts, words))
    return next((claims for claims in ways if claims), [])


def _places(module: Any, origin: str) -> dict[str, tuple[str, str]]:
    lines = code.lines(module)
    digests = code.functions(module)
    return {name: (f"{origin}:{lines[name]}", digest) for name, digest in digests.items()}


# ---------------------------------------------------------------- parameters
def _no_taker(module: Any, recipe: str) -> str:
    if code.functions(module):
        return "remove it: no function of the adapter has a parameter"
    return f"there is no {recipe}/adapter.py that could: put one there" if recipe else "remove it: there is no adapter"


def _params(job: Job, module: Any) -> dict[str, Param]:
    """Give every parameter of the adapter's functions its value: experiment, then recipe, then signature."""
    taken: dict[str, list[str]] = {}
    values: dict[str, tuple[Any, str]] = {}
    for function in code.functions(module):
        for name, default in code.keywords(module, function).items():
            if name in GIVEN.get(function, ()):
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
        mend = did_you_mean(unknown[0], known) if known else _no_taker(module, job.experiment.recipe)
        raise WrongInput(f"no adapter function takes params.{unknown[0]}", where=job.experiment.file, mend=mend)
    defaults = job.experiment.defaults
    for name, value in given.items():
        values[name] = (value, "recipe" if name in defaults and defaults[name] == value else "yaml")
    return {name: Param(value=value, origin=origin, used_by=taken[name]) for name, (value, origin) in values.items()}
