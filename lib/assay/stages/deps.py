"""Stage deps: what the model needs, and what its interpreter has."""

from assay import code, layout, trust
from assay.canonical import dumps
from assay.envs import interpreter
from assay.errors import NeedsAnswer
from assay.records import Environment, Match, Package
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/environment.json, outputs/match.json and deps.lock."""
    checkpoint = job.record("checkpoint")
    trust.check(checkpoint, job.experiment.trust, job.experiment.file)
    supplies = job.request["files"]["supplies"]
    takes_file = bool({"checkpoint", "**"} & set(supplies["build"]))
    status = trust.gate(checkpoint, job.experiment.trust, supplies["functions"], takes_file)
    recipe = job.experiment.adapter
    adapter = code.text_of(job.root / recipe, recipe) if recipe else None
    local = {p.rsplit("/", 1)[-1].removesuffix(".py") for p in job.record("source").python_files}
    local |= set(job.request["files"]["modules"])
    chosen, installed = job.requests.python, tuple(job.request["facts"]["interpreter"]["packages"])
    needs = interpreter.runtime_packages(checkpoint.format.name, adapter, installed)
    needs = [need for need in needs if need[0].lstrip("?") not in local and not _unknown_extra(need)]
    answer = job.ask("check", packages=[name for name, _, _ in needs])
    found: dict[str, Package] = {}
    for need, why, group in needs:
        name = answer["provided"].get(need) or need.lstrip("?")
        found.setdefault(name, Package(name=name, version=answer["versions"].get(need, ""), why=why, group=group))
    packages = list(found.values())
    missing = [p.name for p in packages if not p.version and p.group != "acceleration"]
    if missing and status.word != "blocked":
        where = f"{chosen.manager}, Python {answer['python']}"
        raise NeedsAnswer(
            f"{', '.join(missing)} missing in the model's environment ({where})",
            mend=_cure(missing, {need[1:] for need, _, _ in needs if need[0] == "?"}, chosen.manager_command),
        )
    facts = {key: answer[key] for key in ("python", "implementation", "platform")}
    record = Environment(
        manager=chosen.manager, chosen_because=chosen.because, packages=packages, missing=missing, **facts
    )
    job.write("environment", record)
    job.write("match", Match(status=status, trusted=trust.given(checkpoint, job.experiment.trust)))
    lock = {"schema": 1, "manager": chosen.manager, **facts, "packages": {p.name: p.version for p in packages}}
    job.out(layout.DEPS_LOCK).write_text(dumps(lock), "utf-8")


def _cure(missing: list[str], imports: set[str], command: str) -> str:
    """Say what to install; which package provides an import that we do not know is not guessed."""
    known = [name for name in missing if name not in imports]
    cures = [f"install with: {command} {' '.join(known)}"] if known else []
    unknown = [name for name in missing if name in imports]
    if unknown:
        cures.append(f"install whatever provides import {', '.join(unknown)} with: {command} PACKAGE")
    return "; ".join(cures)


def _unknown_extra(need: tuple[str, str, str]) -> bool:
    """Tell an optional import that no package is known for: what is not there and not needed says nothing."""
    name, _, group = need
    return name.startswith("?") and group == "acceleration"
