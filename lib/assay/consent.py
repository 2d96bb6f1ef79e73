"""One question for all experiments that miss packages: what, how large, from when, why; and what the answer means."""

import shlex
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from assay import layout, plan, terminal
from assay.envs import ladder, lock, needs
from assay.envs.interpreter import normal
from assay.envs.pixi_work import PixiWork
from assay.envs.survey import Decision, Survey
from assay.errors import Fault
from assay.stages import deps

if TYPE_CHECKING:
    from assay.build import Build
    from assay.engines.doit import Run
    from assay.envs.resolving import Resolution

ADD, NEW, STOP, LOCKED = "add", "new", "stop", "locked"
MAY_ADD = ("venv", "pixi")  # into a conda prefix or the system's Python nothing is put
HUGE = 200 << 20  # bytes; a download to be pointed out


class Wanted(NamedTuple):
    """What one experiment misses, and what could be done about it."""

    name: str
    survey: Survey
    found: "Resolution | None"  # the files, where they could be found
    shown: str  # the choice that they are for
    notes: tuple[str, ...]
    choices: tuple[str, ...]
    commands: dict[str, tuple[str, ...]]


def settle(run: "Run", names: "list[str]") -> None:
    """Look at what each of these experiments misses; decide by the command line, its file, or by asking once."""
    waiting = {}
    for name in names:
        build = run.builds[name]
        began = time.monotonic()
        try:
            survey = _looked(run, name, build)
            decision = _told(run, build, survey)
        except Fault as fault:
            run.faults[f"deps:{name}"] = fault
            continue
        build.looked, build.decision = survey, decision
        build.looking = time.monotonic() - began
        if decision is None and not survey.serves and (survey.status.word != "blocked" or "deps" in run.asked):
            waiting[name] = _wanted(run, name, build, survey)
    if waiting:
        _decide(run, waiting)


def _looked(run: "Run", name: str, build: "Build") -> Survey:
    stage = plan.BY_NAME["deps"]
    with run.machine(stage):
        job = build.job(stage)
        job.asked = "deps" in run.asked
        survey = deps.look(job)
        build.read_before = job.discovered
        return survey


def _told(run: "Run", build: "Build", survey: Survey) -> Decision | None:
    """Give the decision that needs no question: told to take the lock, or agreed to when the lock was made."""
    if "--locked" in run.line.flags:
        return Decision(LOCKED)
    kept = lock.read(build.workspace.at(layout.DEPS_LOCK))
    env = build.experiment.env
    if kept is None or kept.made != lock.NEW or not kept.files or env.on_missing == "fail":
        return None
    same = kept.asked == {"manager": env.manager, "python": env.python}
    gone = same and {n.name for n in survey.missing} <= {*kept.wanted}
    return Decision(LOCKED) if gone and not lock.is_there(run.session.root, kept.environment) else None


def _wanted(run: "Run", name: str, build: "Build", survey: Survey, choice: str = "") -> Wanted:
    """See what could be done for an experiment; `choice`: what is to be shown, else what would be done first."""
    shared = (run.session.root / lock.CACHE) in survey.chosen.python.parents  # named by what is in it: that stays
    choices = (ADD, NEW) if survey.chosen.manager in MAY_ADD and not shared else (NEW,)
    policy = choice or build.experiment.env.on_missing
    first = policy if policy in choices else choices[0]
    if not survey.missing:
        choices = (NEW,)  # all is there and does not serve: adding would have to replace what others use
        first = NEW
    notes = [survey.chosen.note] if survey.chosen.note else []
    if not survey.missing and survey.proof:
        notes.append(f"what is installed does not serve: {survey.proof.message}")
    notes += _unknown(survey)
    commands = _by_uv(survey, None, [])
    found = None
    try:
        work = deps.work(build.job(plan.BY_NAME["deps"]), survey, first)
        if isinstance(work, PixiWork):
            shown = {c: work if c == first else deps.work(build.job(plan.BY_NAME["deps"]), survey, c) for c in choices}
            plans = {c: one.plan() for c, one in shown.items() if isinstance(one, PixiWork)}
            commands = {c: tuple(one.shown.splitlines()) for c, one in plans.items()}
            notes += plans[first].limits
        elif not survey.unknown:
            notes += [work.offer] if work.offer else []
            found = work.resolve(ladder.following([], alone=first == NEW, pins=(), older=()) or ladder.AS_INSTALLED)
            notes += found.notes
            commands = _by_uv(survey, found if first == ADD else None, work.shown)
    except Fault as fault:
        notes.append(str(fault))
    commands = {c: commands[c] for c in choices if c in commands}
    return Wanted(name, survey, found, first, tuple(notes), choices, commands)


def _unknown(survey: Survey) -> list[str]:
    return [
        f"no package is known for {n.name[1:]}: {n.doubt or 'nothing says which provides it'} ({n.why}); "
        f"write env.map: {{{n.name[1:]}: PACKAGE}}"
        for n in survey.unknown
    ]


def _by_uv(survey: Survey, found: "Resolution | None", options: "list[str]") -> dict[str, tuple[str, ...]]:
    """Say what a person would type to the same end, where uv is to look included."""
    names = [f"{i.name}=={i.version}" for i in found.items] if found else survey.to_install(alone=False)
    return {
        ADD: (shlex.join(["uv", "pip", "install", "--python", str(survey.chosen.python), *options, *names]),),
        NEW: (
            f"uv venv --python {survey.python} NEW",
            shlex.join(["uv", "pip", "install", "--python", "NEW", *options, *survey.to_install(alone=True)]),
        ),
    }


# ---------------------------------------------------------------- deciding
def _decide(run: "Run", waiting: dict[str, Wanted]) -> None:
    asking = {}
    for name, wanted in waiting.items():
        policy = run.builds[name].experiment.env.on_missing
        if wanted.survey.unknown:
            _stop(run, wanted, "; ".join(_unknown(wanted.survey)))
        elif policy in (ADD, NEW) and policy not in wanted.choices:
            _stop(run, wanted, _no_adding(wanted))
        elif policy in (ADD, NEW):
            run.builds[name].decision = _decision(wanted, policy)
        elif policy == "ask" and not run.line.json:
            asking[name] = wanted
        else:
            _stop(run, wanted, _how(wanted))
    asked = _asked(run, asking) if asking else None
    for name, wanted in asking.items():
        if asked is None:
            _stop(run, wanted, _how(wanted))  # nobody was there
        elif asked[0] in wanted.choices:
            run.builds[name].decision = _decision(wanted, *asked)
        else:
            run.builds[name].decision = Decision(STOP, why=_no_adding(wanted) if asked[0] == ADD else _how(wanted))


def _no_adding(wanted: Wanted) -> str:
    if wanted.survey.missing:
        return f"nothing is added to {wanted.survey.chosen.manager} here: take a new environment (env.on_missing: new)"
    return "adding would have to replace what is there: take a new environment (env.on_missing: new)"


def _decision(wanted: Wanted, choice: str, optional: bool = False) -> Decision:
    shown = choice == wanted.shown and optional in (False, wanted.survey.optional) and wanted.found is not None
    return Decision(choice, optional, wanted.found.lock if shown and wanted.found else "")


def _stop(run: "Run", wanted: Wanted, why: str) -> None:
    run.builds[wanted.name].decision = Decision(STOP, why=why)
    run.plans[wanted.name] = as_json(wanted)


def _how(wanted: Wanted) -> str:
    if not wanted.commands:
        return wanted.notes[-1]
    return f"answer on a terminal, or set env.on_missing to {' or '.join(wanted.choices)}; the plan has the commands"


def as_json(wanted: Wanted) -> dict[str, Any]:
    """Give the plan for a machine."""
    survey = wanted.survey
    return {
        "manager": survey.chosen.manager,
        "because": survey.chosen.because,
        "python": survey.python,
        "missing": [
            {"name": n.name.lstrip("?"), "known": n.known, "why": n.why, "group": n.group} for n in survey.missing
        ],
        "optional": [{"name": n.name.lstrip("?"), "why": n.why} for n in _optional(survey)],
        "install": [
            {
                "name": i.name,
                "version": i.version,
                "bytes": i.size,
                "uploaded": i.uploaded,
                "file": i.file,
                "from": i.url_shown,
                "sha256": i.sha256,
            }
            for i in (wanted.found.items if wanted.found else ())
        ],
        "choices": list(wanted.choices),
        "commands": {choice: list(lines) for choice, lines in wanted.commands.items()},
        "notes": list(wanted.notes),
    }


def _optional(survey: Survey) -> "list[needs.Need]":
    return [n for n in survey.needs if n.group not in needs.REQUIRED and not n.version]


# ---------------------------------------------------------------- asking
WORDS = {"add": "a", "new": "n", "print": "p", "optional": "o", "quit": "q", "no": "q", "": "q"}


def _asked(run: "Run", asking: dict[str, Wanted]) -> tuple[str, bool] | None:
    """Ask on the terminal; "" when the answer is to change nothing, None where nobody sits."""
    with terminal.opened() as screen:
        if screen is None:
            return None
        run.progress.clear()
        shown, optional = {one.shown for one in asking.values()}, False
        seen = (shown.pop(), False) if len(shown) == 1 else None  # lists for both answers are a list for neither
        _show(screen, asking)
        while True:
            screen.write(_question(list(asking.values()), optional))
            typed = screen.readline()
            word = WORDS.get(typed.strip().lower(), typed.strip().lower())
            choice = {"a": ADD, "n": NEW}.get(word, "")
            if word == "q":
                return "", optional
            if word == "p":
                screen.write("".join(f"  {c}\n" for one in asking.values() for cs in one.commands.values() for c in cs))
            elif word == "o" and any(_optional(one.survey) for one in asking.values()):
                optional = not optional
            elif not choice:
                screen.write(f"  {word!r} is none of these\n")
            elif (choice, optional) == seen:
                return seen
            else:  # not what was shown: that comes first
                seen = (choice, optional)
                _look_again(run, asking, *seen)
                _show(screen, asking)
                screen.write(f"  [{word}] takes this; {word} once more goes on\n")


def _look_again(run: "Run", asking: dict[str, Wanted], choice: str, optional: bool) -> None:
    for name in asking:
        build = run.builds[name]
        survey = build.looked._replace(optional=optional or build.experiment.env.optional) if build.looked else None
        if survey:
            asking[name] = _wanted(run, name, build, survey, choice)


def _show(screen: terminal.Terminal, asking: dict[str, Wanted]) -> None:
    screen.write("\n" + "\n".join(line for one in asking.values() for line in table(one)) + "\n\n")


def _question(wanted: list[Wanted], optional: bool) -> str:
    choices = {choice for one in wanted for choice in one.choices}
    lines = ["[a] add to the environment in use"] if ADD in choices else []
    lines.append("[n] new environments for these models" if len(wanted) > 1 else "[n] a new environment for this model")
    lines.append("[p] print the commands")
    if any(_optional(one.survey) for one in wanted):
        lines.append(f"[o] {'leave the optional ones out again' if optional else 'the optional ones too'}")
    lines.append("[q] quit, change nothing")
    return "  " + "\n  ".join(lines) + "\nanswer [q]: "


def table(wanted: Wanted) -> list[str]:
    """Show what would be installed for one experiment."""
    survey = wanted.survey
    lines = [f"{wanted.name}: packages are missing; {survey.place} ({survey.chosen.because})"]
    items = {i.name: i for i in wanted.found.items} if wanted.found else {}
    rows = []
    for need in survey.missing if wanted.shown == ADD else survey.asked_for(alone=True):
        item = items.pop(normal(need.name), None)
        facts = (item.version, _size(item.size), item.uploaded) if item else ("", "", "")
        rows.append((need.group, need.name, *facts, need.why))
    rows += [("with them", i.name, i.version, _size(i.size), i.uploaded, "") for i in items.values()]
    rows += [("optional", n.name.lstrip("?"), "", "", "", n.why) for n in _optional(survey)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)] if rows else []
    lines += ["  " + "  ".join([*(t.ljust(w) for t, w in zip(row, widths)), row[5]]).rstrip() for row in rows]
    total = sum(i.size or 0 for i in wanted.found.items) if wanted.found else 0
    if total:
        lines.append(f"  {_size(total)} to fetch" + (", which is a lot" if total > HUGE else ""))
    return lines + [f"  ! {note}" for note in wanted.notes]


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / (1 << 20):.1f} MiB" if count >= 100_000 else f"{count / 1024:.1f} KiB"
