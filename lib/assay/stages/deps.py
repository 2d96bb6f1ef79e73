"""Stage deps: what the model needs, in which interpreter it runs, and a lock that has it again."""

import shutil
from collections.abc import Sequence
from typing import Any

from assay import code, isolation, layout, trust
from assay.envs import installed, interpreter, ladder, lock, needs, overlay, pylock
from assay.envs.pixi_work import PixiWork
from assay.envs.resolving import Resolution
from assay.envs.survey import Decision, Survey
from assay.envs.trial import PYLOCK, Trial, Work, locked_text, sealed, with_earlier
from assay.errors import NeedsAnswer, StageFailed, WrongInput
from assay.huggingface import supply as folder
from assay.records import Environment, Import, Package, Rung
from assay.stages.job import Job
from assay.upstream import importing

TRYING = ".partial/trying"  # in the workspace: packages on trial


def look(job: Job) -> Survey:
    """Find out what the model needs and what is there; nothing is changed but what a killed run left half added."""
    if overlay.mend(job.requests.python.python, job.waiting):
        job.requests.forget_interpreter()
    checkpoint, source, spec = job.record("checkpoint"), job.record("source"), job.experiment
    trust.check(checkpoint, spec.trust, spec.file)
    supplies = job.request["files"]["supplies"]
    takes_file = bool({"checkpoint", "**"} & set(supplies["build"]))
    of_folder = folder.supplied(job.requests.checkpoint_path, checkpoint, spec.trust)
    functions = supplies["functions"] or list(of_folder.functions)
    hoped = bool(source.python_files)
    status = trust.gate(checkpoint, spec.trust, functions, takes_file or bool(of_folder.functions), hoped=hoped)
    form = checkpoint.format
    more = () if "build" in supplies["functions"] else of_folder.packages
    wishes = needs.wishes(form.name, form.carries, _adapter_imports(job), source, spec.source.entry, more)
    chosen = job.requests.python
    usable = chosen.manager != "none"  # of the system's own Python nothing counts
    answer, proof = _seen(job, wishes, proving=usable and (status.word != "blocked" or job.asked))
    versions = interpreter.versions(job.requests.interpreter_facts["packages"])
    found = needs.needs(
        wishes,
        provided=answer["provided_by"] if usable else {},
        present=answer["present"] if usable else {},
        versions=versions if usable else {},
        source=source,
        chosen=spec.env.map,
    )
    facts = {key: answer[key] for key in ("python", "implementation", "platform")}
    survey = Survey(
        chosen=chosen,
        status=status,
        wishes=wishes,
        needs=tuple(found),
        versions=versions,
        optional=spec.env.optional,
        **facts,
    )
    return survey if survey.missing else survey._replace(proof=proof)


def _seen(job: Job, wishes: needs.Wishes, *, proving: bool) -> "tuple[dict[str, Any], ladder.Tried | None]":
    """Ask the interpreter what it has, and in the same breath, when it has all, whether that serves."""
    asked: dict[str, Any] = {"packages": [], "modules": wishes.modules}
    if not proving:
        return job.ask("check", **asked), None
    try:
        answer = job.ask("try", look=asked, overlay="", **_proof(job, wishes))
    except StageFailed as fault:  # importing it ended the worker
        return job.ask("check", suffix="-alone", **asked), ladder.Tried(ladder.AS_INSTALLED, ladder.BROKEN, fault.what)
    return answer, _judged(ladder.AS_INSTALLED, answer["results"]) if "results" in answer else None


def run(job: Job) -> None:
    """Write outputs/environment.json and deps.lock; install only what was agreed to."""
    survey = job.looked or look(job)
    decision: Decision | None = job.decision
    if job.asked or survey.status.word != "blocked":
        # What upstream's own script trips over may be given back when it is watched: match and probe find out.
        tolerable = survey.status.reason == trust.HOPED and not survey.missing and not job.asked
        if decision is None and not survey.serves and not tolerable:
            raise NeedsAnswer(_lack(survey), where=survey.place, mend="run again on a terminal, or set env.on_missing")
        if decision is not None and decision.choice == "stop":
            raise NeedsAnswer(_lack(survey), where=survey.place, mend=decision.why)
    tried = [survey.proof] if survey.proof else []
    made = _installed(job, survey, decision, tried) if decision else None
    if made:
        chosen = survey.chosen
        if made.made == lock.NEW:
            chosen = chosen._replace(python=made.python, because="it was made for this model", note="")
            chosen = chosen if made.environment.startswith(lock.PIXI) else chosen._replace(manager="venv")
        job.requests.take_interpreter(chosen)
        survey = look(job)
        if decision and decision.choice == "locked":
            tried += [survey.proof] if survey.proof else []
            if not survey.serves:
                raise NeedsAnswer(_lack(survey), where=layout.DEPS_LOCK, mend="run doit deps without --locked")
    _write(job, survey, tried, made)


def prove(job: Job, survey: Survey, attempt: ladder.Attempt, trial: Trial) -> ladder.Tried:
    """Import what the model's code imports with packages that are on trial, and say how it went."""
    proof = _proof(job, survey.wishes)
    try:
        answer = job.ask("try", suffix=f"-{attempt.rung}", python=trial.python, overlay=trial.overlay, **proof)
    except StageFailed as fault:
        return ladder.Tried(attempt, ladder.BROKEN, fault.what)
    return _judged(attempt, answer["results"])


def _proof(job: Job, wishes: needs.Wishes) -> "dict[str, Any]":
    """Compose what is imported as a proof: statement by statement, then upstream's own files."""
    statements = [
        {"module": w.module or w.package.replace("-", "_"), "names": list(w.imported), "file": w.file, "line": w.line}
        for w in wishes.wishes
        if w.group in needs.REQUIRED
    ]
    modules = _upstream_modules(job, wishes)
    roots = sorted({module["root"] for module in modules})
    return {"statements": statements, "upstream": modules, "source_roots": roots}


def _judged(attempt: ladder.Attempt, results: "list[dict[str, Any]]") -> ladder.Tried:
    bad = next((r for r in results if r["outcome"] in ("missing", "broken", "refused")), None)
    if bad is None:
        return ladder.Tried(attempt, ladder.OK)
    where = f"{bad['file']}:{bad['line']}: " if bad["file"] else ""
    return ladder.Tried(attempt, ladder.BROKEN, f"{where}{bad['message']}", bad["culprit"], bad["asked_by"])


def work(job: Job, survey: Survey, choice: str) -> "Work | PixiWork":
    """Open what installs for this experiment, by what a person chose."""
    log = job.log.with_name(f"{job.step}-install.log")
    env, root, alone = job.experiment.env, job.root, choice != "add"
    if survey.chosen.manager == "pixi":
        return PixiWork(root, env, survey, log, alone=alone, name=job.experiment.name, waiting=job.waiting)
    return Work(root, env, survey, job.workspace.at(TRYING), log, alone=alone, waiting=job.waiting)


def _installed(job: Job, survey: Survey, decision: Decision, tried: "list[ladder.Tried]") -> "Trial | None":
    """Go up the ladder until a rung serves; None when nothing has to be installed."""
    if decision.choice == "stop" or (survey.serves and decision.choice != "locked"):
        return None
    try:
        if decision.choice == "locked":
            return _from_lock(job, survey)
        survey = survey._replace(optional=survey.optional or decision.optional)
        return _climbed(job, survey, decision, tried)
    finally:
        shutil.rmtree(job.workspace.at(TRYING), ignore_errors=True)


def _climbed(job: Job, survey: Survey, decision: Decision, tried: "list[ladder.Tried]") -> Trial:
    at_work = work(job, survey, decision.choice)
    pins = installed.pins(job.record("source"))
    shown = Resolution(pylock.items(decision.lock), decision.lock) if decision.lock else None
    older = at_work.older(pins)
    while attempt := ladder.following(tried, alone=at_work.alone, pins=pins, older=older):
        trial = at_work.attempt(attempt, shown)
        shown = None
        if isinstance(trial, ladder.Tried):  # no versions fit together
            tried.append(trial)
            continue
        kept = False
        try:
            proof = prove(job, survey, attempt, trial)
            tried.append(proof._replace(packages=trial.packages, dates=trial.dates))
            if proof.outcome == ladder.OK:
                at_work.keep(trial)
                kept = True
                return trial
        finally:
            at_work.drop(trial, kept=kept)
    raise StageFailed(
        f"no versions serve: {ladder.table(tried)}", where=survey.place, mend="pin what works in env.index.constraints"
    )


def _from_lock(job: Job, survey: Survey) -> Trial:
    """Make what deps.lock says again."""
    kept = lock.read(job.workspace.at(layout.DEPS_LOCK), strict=True)
    if kept is None:
        raise StageFailed("is not there", where=layout.DEPS_LOCK, mend="run doit deps first, without --locked")
    return work(job, survey, "new").from_lock(kept, locked_text(kept, job.workspace.path))


def _upstream_modules(job: Job, wishes: needs.Wishes) -> "list[dict[str, str]]":
    """Name upstream's files that are imported as a proof, where its code may run at all."""
    if isolation.LEVELS.index(isolation.best().level) > isolation.LEVELS.index(job.experiment.sandbox):
        return []
    return [{"path": f"refs/{path}", "root": f"refs/{path.partition('/')[0]}"} for path in wishes.roots]


def _adapter_imports(job: Job) -> "list[Import] | None":
    """Read what the recipe's adapter imports from elsewhere than beside it; None when there is no adapter."""
    recipe = job.experiment.adapter
    if not recipe:
        return None
    found, broken = importing.read(code.text_of(job.root / recipe, recipe))
    if broken:
        raise WrongInput(f"cannot be parsed as Python: {broken}", where=recipe, mend="correct it")
    beside = {*job.request["files"]["modules"], "assay_worker"}
    return [one for one in found if one.module.partition(".")[0] not in beside]


def _lack(survey: Survey) -> str:
    if survey.missing:
        return f"{', '.join(n.name.lstrip('?') for n in survey.missing)} missing in the model's environment"
    return f"what is installed does not serve: {survey.proof.message if survey.proof else 'it is no environment'}"


def _write(job: Job, survey: Survey, tried: "Sequence[ladder.Tried]", made: "Trial | None") -> None:
    job.write("environment", _environment(survey, tried, made))
    kept, text = _locked(job, survey, made)
    for name in kept.files:
        job.out(name).write_text(text, "utf-8")
    job.out(layout.DEPS_LOCK).write_text(lock.text(kept), "utf-8")


def _environment(survey: Survey, tried: "Sequence[ladder.Tried]", made: "Trial | None") -> Environment:
    unknown = [n for n in survey.needs if not n.known and not n.version]
    return Environment(
        manager=survey.chosen.manager,
        chosen_because=survey.chosen.because,
        made=made.made if made else lock.AS_INSTALLED,
        note=survey.chosen.note,
        rungs=[_rung(one) for one in tried],
        packages=[Package(name=n.name, version=n.version, why=n.why, group=n.group) for n in survey.needs],
        missing=[n.name for n in survey.missing],
        unseen=list(survey.wishes.unseen),
        unknown=[f"{n.name[1:]}: {n.doubt or 'no package is known that provides it'}" for n in unknown],
        python=survey.python,
        implementation=survey.implementation,
        platform=survey.platform,
    )


def _rung(one: ladder.Tried) -> Rung:
    return Rung(
        number=one.attempt.rung,
        what=one.attempt.what,
        packages=list(one.packages),
        outcome=one.outcome,
        message=one.message,
        culprit=one.culprit,
    )


def _locked(job: Job, survey: Survey, made: "Trial | None") -> "tuple[lock.Lock, str]":
    """Compose deps.lock, and the lock file beside it."""
    env = job.experiment.env
    kept = lock.Lock(
        manager=survey.chosen.manager,
        packages=installed.closure(job.requests.python.python, [n.name for n in survey.needs if n.version]),
        asked={"manager": env.manager, "python": env.python},
        python=survey.python,
        implementation=survey.implementation,
        platform=survey.platform,
    )
    if made is None:
        return _as_before(job, kept)
    before, text = _as_before(job, kept._replace(packages={}))  # what was added earlier keeps its hashes
    if made.made == lock.ADDED == before.made and text and made.lock_file == PYLOCK:
        made = with_earlier(made, text, before.wanted, kept.packages)
    return sealed(kept, made, env, job.root), made.resolution.lock


def _as_before(job: Job, kept: lock.Lock) -> "tuple[lock.Lock, str]":
    """Keep naming the environment that was made for the model, and its hashes as long as they hold."""
    old = lock.read(job.workspace.at(layout.DEPS_LOCK))
    if old is None:
        return kept, ""
    if old.environment and job.requests.python.python == lock.interpreter(job.root, old.environment):
        kept = kept._replace(environment=old.environment)
    same = all(getattr(old, name) == getattr(kept, name) for name in ("python", "platform", "asked"))
    if old.made == lock.AS_INSTALLED or not same or not kept.packages.items() <= old.packages.items():
        return kept, ""
    try:
        return old._replace(packages=kept.packages), locked_text(old, job.workspace.path)
    except WrongInput:
        return kept, ""
