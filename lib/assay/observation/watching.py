"""Running upstream's entrypoint, watched; writing an adapter from what was seen; rehearsing it beside that run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from assay import records, trust
from assay.drafts.building import literal, seen_arguments, seen_class
from assay.drafts.draft import Draft as Drafted
from assay.drafts.draft import draft as write
from assay.errors import StageFailed
from assay.observation import alone, own_data, surely, variants
from assay.observation.attempts import Attempt, attempts, home
from assay.observation.judging import PROVED, ended, judged, made
from assay.observation.samples import samples, wanted_suffix
from assay.records import Argument, Draft, Finding, Intervention, Observation, Watched
from assay.upstream.steps import READERS
from assay.upstream.texts import Texts

if TYPE_CHECKING:  # a stage's job is handed in
    from assay.stages.job import Job

SECONDS, OF_SOUND = 25.0, 60.0  # of one run; libraries of sound compile themselves at first
CALLS = 64  # of the model, that tell all of a script on its own that never ends
ALONE = "alone"  # the kind of input of a script that takes none
ENDS = ("hung", "missing-package", "refused")  # another kind of input would end no otherwise


class Own(NamedTuple):
    """A script that works on data of its own, and whether its run had to be ended."""

    way: Attempt
    endless: bool


class Seen(NamedTuple):
    """What was watched: the record of it, and the files that rehearsal and contract probe go on with."""

    observation: Observation
    answer: dict[str, Any]
    adapter: str = ""  # the draft, from the workspace
    example: str = ""  # an .npz of tensors that reached the model


def watch(job: "Job") -> Seen:
    """Start upstream's entrypoint in each likely way until its model is called; draft and rehearse an adapter."""
    source, spec = job.record("source"), job.experiment.source
    ways = _ready(job, attempts(source, job.record("checkpoint").name, spec.options, spec.entry))
    tried: list[records.Attempt] = []
    texts = Texts(job.workspace.at("refs"))
    on_its_own: Own | None = None
    for number, (way, kind) in enumerate((w, k) for w in ways for k in w.kinds[:2]):
        if any(t.outcome in ENDS and (t.entry, t.argv) == (way.where, list(way.argv)) for t in tried):
            continue
        real = samples(job.workspace.path, way, kind)
        suffix = wanted_suffix(texts.get(way.where, ""), kind)
        answer = _behave(job, f"-{number}", way, stimuli=kind, ending=suffix, inputs=[], samples=real)
        tried.append(_tried(way, kind, answer))
        own = "" if _reads(answer) else _own_sample(job, way, answer)
        if own:
            kind, answer = "data", _on_own_sample(job, f"-{number}-own", way, own)
            tried[-1] = _tried(way, kind, answer)
        if _reads(answer):
            return _drafted(job, way, kind, tried, answer)
        on_its_own = on_its_own or (Own(way, tried[-1].outcome == "hung") if alone.ran(answer) else None)
    return _alone(job, on_its_own, tried) if on_its_own else _by_match(job, tried)


def _alone(job: "Job", own: Own, tried: "list[records.Attempt]") -> Seen:
    """Run a script that takes no input of ours twice more: what it gives its model, what it makes of the answer."""
    way, limit = own.way, CALLS if own.endless else 0
    answer = _behave(job, "-alone", way, stimuli="", inputs=["", ""], samples=[], steps=True, until_calls=limit)
    told = alone.findings(answer["runs"], job.record("source").labels, way.tree)
    if not told:
        return _by_match(job, tried)
    seen = _drafted(job, way, ALONE, [*tried, _tried(way, ALONE, answer)], answer)
    reason = f"{way.where} works on data of its own"
    return seen._replace(
        observation=msgspec.structs.replace(seen.observation, status=ALONE, reason=reason, findings=told)
    )


def _by_match(job: "Job", tried: "list[records.Attempt]") -> Seen:
    """Make the model as the match proved it, where upstream's entrypoint could not be watched."""
    reason = next((f"{t.entry}: {t.message or t.outcome}" for t in tried), "nothing in it looks like an entrypoint")
    unseen = Observation(status="not seen", reason=reason, attempts=tried)
    draft = _of_match(job)
    if draft is None:
        return Seen(unseen, {})
    written = _written(job, draft.text, 0)
    said = _rehearsed(job, written, {"runs": [], "first": []}, draft, functions=["build"])
    proved = made(draft, said["build"], job.record("match").outcome)
    return Seen(msgspec.structs.replace(unseen, draft=proved), {}, written)


def _of_match(job: "Job") -> "Drafted | None":
    """Write build as the match proved it; None when there is nothing to write."""
    match, trees = job.record("match"), job.record("refs").trees
    if match.outcome not in PROVED or not trees:
        return None
    texts = Texts(job.workspace.at("refs"))
    draft = write([], texts, _facts(job), msgspec.to_builtins(match), trees[0].name, "the match of its class")[0]
    return draft if draft.functions["build"] else None


def _ready(job: "Job", ways: "list[Attempt]") -> "list[Attempt]":
    """Start each where its files lie; write the build of the match before what works with a model, if there is one."""
    files = set(_files(job))
    texts = Texts(job.workspace.at("refs"))
    ways = [way._replace(cwd=home(way, texts.get(way.where, ""), files)) for way in ways]
    draft = _of_match(job) if any(way.builds for way in ways) else None
    return [_with_build(way, draft.text) if way.builds and draft else way for way in ways if draft or not way.builds]


def _with_build(way: Attempt, build: str) -> Attempt:
    shown = way.entry["snippet"]
    return way._replace(entry={"snippet": {**shown, "text": f"{build}\n\n{shown['text']}"}})


def _files(job: "Job") -> "list[str]":
    """List the files of all trees, "tree/path"."""
    return [f"{tree.name}/{file.path}" for tree in job.record("refs").trees for file in tree.files]


def _reads(answer: "dict[str, Any]") -> bool:
    """Tell whether what was given reached the model."""
    return any(first["npz"] and first["reads"] for first in answer["first"])


def _own_sample(job: "Job", way: Attempt, answer: "dict[str, Any]") -> str:
    """Name the data file of its own that a script read before it called the model; "" when there is none."""
    found = ""
    for run, first in zip(answer["runs"][:1], answer["first"]):
        for event in run["events"] if first["npz"] else ():
            if event["is"] == "call" and event.get("main"):
                break
            path = str(event.get("path", "")).removeprefix("@tree/")
            if event["is"] == "read" and path != event["path"] and path.lower().endswith(variants.SUFFIXES):
                found = f"refs/{way.tree}/{path}"
    return found if found and job.workspace.at(found).is_file() else ""


def _on_own_sample(job: "Job", suffix: str, way: Attempt, sample: str) -> "dict[str, Any]":
    """Run a script on the sample of its own, and on others made from it."""
    folder = job.workspace.at(job.kept_folder()) / "variants"
    made = variants.variants(job.workspace.at(sample), folder)
    others = [path.relative_to(job.workspace.path).as_posix() for path in made]
    if not others:
        return _nothing()
    return _behave(job, suffix, way, stimuli="", inputs=[sample, *others], samples=[], varied=made[0].suffix == ".npy")


def _nothing(failed: str = "") -> "dict[str, Any]":
    return {"runs": [], "first": [], "findings": [], "interventions": [], "failed": failed}


def watch_again(job: "Job", before: Observation, files: "Sequence[str]") -> "dict[str, Any] | None":
    """Run the same entrypoint, started the same way, over real inputs; None when there is no such way any more."""
    last = before.attempts[-1]
    spec = job.experiment.source
    ways = _ready(job, attempts(job.record("source"), job.record("checkpoint").name, spec.options, spec.entry))
    way = next((w for w in ways if w.where == last.entry and list(w.argv) == last.argv), None)
    return _behave(job, "-watched", way, stimuli="", inputs=list(files), samples=[]) if way else None


def _behave(job: "Job", suffix: str, way: Attempt, **more: Any) -> "dict[str, Any]":
    """Have it run; a run that ends the worker is an answer, too."""
    request: dict[str, Any] = {
        "checkpoint": job.named_checkpoint(),
        "tree": f"refs/{way.tree}",
        "entry": way.entry,
        "argv": list(way.argv),
        "cwd": way.cwd,
        "source_roots": [f"refs/{root}" for root in (way.tree, *way.roots)],
        "reachable": trust.reachable(job.record("checkpoint"), job.experiment.trust),
        "stop": "call",
        "seconds": OF_SOUND if "audio" in way.kinds else SECONDS,
        "until_calls": 0,
        "threads": 1,
        "warm": surely.imported(job.record("source"), way, Texts(job.workspace.at("refs"))),
    }
    try:
        answer: dict[str, Any] = job.ask("behave", suffix=suffix, **(request | more))
    except StageFailed as fault:
        return _nothing(fault.what)
    return answer


def _tried(way: Attempt, kind: str, answer: "dict[str, Any]") -> records.Attempt:
    run: dict[str, Any] = next(iter(answer["runs"]), {})
    return records.Attempt(
        entry=way.where,
        argv=list(way.argv),
        cwd=way.cwd,
        kind=kind,
        outcome=run.get("outcome", "failed"),
        message=(run.get("message") or answer.get("failed", ""))[:400],
        where=run.get("where", ""),
    )


# ---------------------------------------------------------------- drafting
def _drafted(job: "Job", way: Attempt, kind: str, tried: "list[records.Attempt]", answer: "dict[str, Any]") -> Seen:
    snippets = {f["file"]: run["source"] for run in answer["runs"] if run.get("source") for f in run["frames"].values()}
    texts = Texts(job.workspace.at("refs"), {file: text for file, text in snippets.items() if "#" in file})
    runs = [run for run, first in zip(answer["runs"], answer["first"]) if first["npz"]]
    constructed = seen_class(runs)
    match = _settled(msgspec.to_builtins(job.record("match")), constructed)
    checkpoint = _facts(job)
    best: Draft | None = None
    place = ""
    decoding: list[dict[str, Any]] = []
    started = f"function {way.where}" if way.called else " ".join(["entrypoint", way.where, *way.argv])
    files = _files(job) if not way.cwd else []  # paths in the code are as seen from where it was started
    for number, draft in enumerate(write(runs, texts, checkpoint, match, way.tree, started, files, kind == ALONE)):
        written = _written(job, draft.text, number)
        functions = [name for name, there in draft.functions.items() if there]
        how: dict[str, Any] = {"suffix": f"-rehearse-{number}", "functions": functions, "probes": not draft.many}
        said = _rehearsed(job, written, answer, draft, many=draft.many, names=draft.inputs, **how)
        found = judged(draft, said, match["outcome"], doubted=way.doubted)
        if best is None or set(found.functions) > set(best.functions):
            best, place, decoding = found, written, said["findings"]
        if set(found.functions) >= {"build", "preprocess", "postprocess"}:
            break
    watched = [_watched(run, first) for run, first in zip(answer["runs"], answer["first"])]
    fitted = [msgspec.convert(one, Finding) for one in (*answer["findings"], *decoding)]
    fitted += [] if any(one.id == "pre.decode" for one in fitted) else _reader(runs)
    example = f"{job.kept_folder()}/raw/example.npz"
    observation = Observation(
        status="seen",
        attempts=tried,
        runs=watched,
        interventions=[Intervention(**one) for one in answer["interventions"]],
        findings=[*fitted, *(own_data.findings(watched) if kind == "data" else [])],
        arguments=_arguments(match, runs),
        made=constructed,
        draft=best,
    )
    return Seen(observation, answer, place, example if job.workspace.at(example).is_file() else "")


def _settled(match: "dict[str, Any]", constructed: str) -> "dict[str, Any]":
    """Of classes that fit alike take the one that upstream's own run made."""
    several = [one for one in (match["best"], *match["twins"]) if one]
    made = [one for one in several if f"{one['path']}:{one['qualname']}" == constructed]
    return {**match, "best": made[0]} if len(made) == 1 else match


def _reader(runs: "list[dict[str, Any]]") -> "list[Finding]":
    """Name the function that reads the input before the model is called, when it is the same in every run."""
    found: set[str] = set()
    for run in runs:
        called = next((i for i, e in enumerate(run["events"]) if e["is"] == "call" and e.get("main")), 0)
        found |= {str(e["how"]) for e in run["events"][:called] if e["is"] == "read" and e["path"] == "@input"}
    found -= {"open"} if len(found) > 1 else set()  # its bytes went on to another
    known = [how for how in found if how in (*READERS, "cv2.imdecode")]
    if len(found) != 1 or not known:
        return []
    return [Finding(id="pre.decode", value=known[0], tries=len(runs), identified=True)]


def _arguments(match: "dict[str, Any]", runs: "list[dict[str, Any]]") -> "dict[str, Argument]":
    """Give what upstream's own run passed to the class or factory of the match; a device is this machine's affair."""
    if not match["best"]:
        return {}
    passed = seen_arguments(match["best"], runs)
    known = {name: literal(text) for name, (text, _) in passed.items() if not name.endswith("device")}
    return {name: Argument(value=value, where=passed[name][1]) for name, value in known.items() if value is not ...}


def _facts(job: "Job") -> "dict[str, Any]":
    """Say of the checkpoint what an adapter's build has to know; its tensors are the match's affair."""
    record = job.record("checkpoint")
    checkpoint = msgspec.to_builtins(msgspec.structs.replace(record, tensors=[]))
    words = sorted({word for tensor in record.tensors for word in tensor.name.split(".")})
    return {**job.named_checkpoint(), **checkpoint, "words": words}


def _written(job: "Job", text: str, number: int) -> str:
    """Lay a draft where it finds refs/ as it will from scripts/."""
    folder = job.workspace.at(job.kept_folder()) / f"{number}"
    (folder / "scripts").mkdir(parents=True, exist_ok=True)
    refs = folder / "refs"
    if not refs.is_symlink():
        refs.symlink_to(os.path.relpath(job.workspace.at("refs"), folder), target_is_directory=True)
    adapter: Path = folder / "scripts" / "adapter.py"
    adapter.write_text(text, "utf-8")
    return adapter.relative_to(job.workspace.path).as_posix()


def _rehearsed(job: "Job", adapter: str, answer: "dict[str, Any]", draft: Drafted, **how: Any) -> "dict[str, Any]":
    """Rehearse a draft; what it imports of upstream's may end the worker, and that is an answer, too."""
    try:
        return rehearse(job, adapter, answer, [f"refs/{root}" for root in draft.roots], **how)
    except StageFailed as fault:
        return ended(fault.what)


def rehearse(
    job: "Job",
    adapter: str,
    answer: "dict[str, Any]",
    roots: "Sequence[str]",
    *,
    many: bool = False,
    suffix: str = "-rehearse",
    functions: "Sequence[str] | None" = None,
    names: "Sequence[str]" = (),
    **more: Any,
) -> "dict[str, Any]":
    """Run an adapter over the inputs of watched runs, beside what was seen in them: {build, runs, findings}."""
    runs = [
        {
            "file": _where_it_lies(job, run["input"]),
            "npz": f"{job.kept_folder()}/{first['npz']}",
            "inputs": first["inputs"],
            "outputs": first["outputs"],
            "names": names or [f"input{i or ''}" for i in range(len(first["inputs"]))],
            "shown": first["shown"],
            "training": first["training"],
            "listed": first["listed"],
            "many": many,
        }
        for run, first in zip(answer["runs"], answer["first"])
        if first["npz"]
    ]
    request: dict[str, Any] = {
        "checkpoint": job.named_checkpoint(),
        "adapter": adapter,
        "reachable": trust.reachable(job.record("checkpoint"), job.experiment.trust),
        "functions": list(functions or ()),
        "source_roots": list(dict.fromkeys([*roots, *(f"refs/{tree.name}" for tree in job.record("refs").trees)])),
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "params": {},
        "inputs": [],
        "outputs": [],
        "runs": runs,
    }
    said: dict[str, Any] = job.ask("rehearse", suffix=suffix, **(request | more))
    return said


def _where_it_lies(job: "Job", file: str) -> str:
    """Name an input of a watched run; one that was made up was kept when its worker had ended."""
    inside = file.partition("/.out/")[2]
    return f"{job.kept_folder()}/{inside}" if inside else file


def _watched(run: "dict[str, Any]", first: "dict[str, Any]") -> Watched:
    call = None
    if first["npz"]:
        last = first["stack"][-1] if first["stack"] else {}
        frame = run["frames"].get(last.get("frame", ""), {})
        call = records.ModelCall(
            method=first["method"],
            training=first["training"],
            where=f"{frame.get('file', '')}:{last.get('line', '')}" if frame else "",
            inputs=msgspec.convert(first["input_facts"], list[records.ArrayFacts]),
            outputs=msgspec.convert(first["output_facts"], list[records.ArrayFacts]),
        )
    return Watched(
        input=os.path.basename(run["input"]),
        outcome=run["outcome"],
        message=run.get("message", "")[:400],
        where=run.get("where", ""),
        calls=first["calls"],
        first=call,
    )
