"""What both doors share: a command line comes in, a verb answers or doit builds."""

import os
import sys
from pathlib import Path
from typing import Any

from assay import errors, plan
from assay.commandline import BUILDING, PLACES, Line, check_options, experiments_of, read
from assay.commands import VERBS
from assay.engines.progress import say
from assay.errors import Fault, WrongInput, did_you_mean

# doit's own commands that would tell or change a state that is not kept here
NOT_HERE = {
    "ignore": "edit the experiment instead",
    "reset-dep": "use doit verify",
    "dumpdb": "read journal.jsonl in the workspace",
    "strace": "files that a run reads are found by themselves",
    "tabcompletion": "use assay completion bash",
    "info": "use doit why",
    "auto": "run doit report again",
}


def members(dodo_file: str) -> dict[str, Any]:
    """Give doit its tasks for its command line; a verb of ours is answered here and ends the process."""
    root = Path(dodo_file).resolve().parent
    argv = sys.argv[1:]
    os.chdir(root)  # doit's -d moves elsewhere, and targets are named from the repository
    if "--debug" in argv:
        return _members(root, argv)
    try:
        return _members(root, argv)
    except Fault as fault:
        say(fault)
        raise SystemExit(fault.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(errors.INTERRUPTED) from None
    except BrokenPipeError:  # the reader has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(errors.DONE) from None


def _members(root: Path, argv: list[str]) -> dict[str, Any]:
    line = read(argv)
    if line.words and line.words[0] in VERBS:
        check_options(line, PLACES)
        raise SystemExit(answer(root, line))
    if line.words and line.words[0] == "help":
        return {"DOIT_CONFIG": {"backend": "sqlite3", "dep_file": ":memory:"}, "task_report": _described}
    return building(root, without_run(line), argv)


def _described() -> dict[str, Any]:
    return {"actions": None, "doc": plan.BY_NAME[plan.REPORT].does}


def without_run(line: Line) -> Line:
    """Drop doit's word for building, which is what happens anyway."""
    return line._replace(words=line.words[1:]) if line.words[:1] == ("run",) else line


def answer(root: Path, line: Line) -> int:
    """Answer one of our verbs."""
    from importlib import import_module

    from assay.session import Session

    verb, rest = line.words[0], line._replace(words=line.words[1:])
    if verb in ("init", "completion"):
        from assay.commands import completion, init

        code = init.run_in(root) if verb == "init" else completion.run_for(rest)
        sys.stdout.flush()
        return code
    reads_only = verb not in ("fresh", "clean")
    if verb not in ("new", "inspect"):
        rest = _experiments_as_words(root, rest)
    module = import_module(f"assay.commands.{verb}")
    code = int(module.run(Session(root, reads_only=reads_only), rest))
    sys.stdout.flush()
    return code


def _experiments_as_words(root: Path, line: Line) -> Line:
    """Let a bare word name an experiment where no stage is meant: assay list yolo."""
    from assay.session import known_experiments

    known = known_experiments(root)
    words, names = [], [n for n in line.variables.get("exp", "").split(",") if n]
    for word in line.words:
        stage, _, name = word.partition(":")
        if stage in plan.BY_NAME:
            words.append(word)
            names += [name] if name else []
        elif word in known:
            names.append(word)
        else:
            raise WrongInput(f"no stage or experiment {word!r}", mend=did_you_mean(word, [*plan.NAMES, *known]))
    variables = {**line.variables, "exp": ",".join(names)} if names else line.variables
    return line._replace(words=tuple(words), variables=variables)


def building(root: Path, line: Line, argv: list[str]) -> dict[str, Any]:
    """Check what is asked for, then turn the plan into doit's tasks."""
    from assay.engines import doit
    from assay.session import Session, known_experiments

    _check_options(argv)
    known = known_experiments(root)
    if not known:
        raise WrongInput(
            "no experiments yet", where="experiments/", mend="doit new exp=NAME checkpoint=FILE name=MODEL"
        )
    paths = [w for w in line.words if "/" in w]
    for word in line.words:
        if word not in paths:
            _check_word(word, known)
    names = experiments_of(line, known)
    if paths and "exp" not in line.variables:
        names = _owners(root, paths, names)
    return doit.members(Session(root), line, names)


def _check_options(argv: list[str]) -> None:
    """Say where doit wants its options, before it complains in its own way."""
    seen_word = False
    for word in argv:
        if word in ("-n", "-P", "-v", "-a", "-c", "-s") and seen_word:
            raise WrongInput(
                f"{word} stands after the stage", mend=f"options come first: doit {word} ... STAGE exp=NAME"
            )
        seen_word = seen_word or (
            not word.startswith("-") and "=" not in word and not word.isdigit() and word != "thread"
        )


def _check_word(word: str, known: list[str]) -> None:
    stage = word.partition(":")[0]
    if stage in NOT_HERE:
        raise WrongInput(f"doit {stage} has no meaning here", mend=NOT_HERE[stage])
    if stage not in plan.BY_NAME:
        mend = did_you_mean(stage, [*plan.NAMES, *VERBS])
        if stage in known:
            mend = f"did you mean report exp={stage}?"
        if stage in VERBS:
            mend = f"did you mean {stage} exp={word.partition(':')[2]}?"
        raise WrongInput(f"no stage {stage!r}", mend=mend)


def _owners(root: Path, paths: list[str], names: list[str]) -> list[str]:
    """Name the experiments whose workspaces hold the asked files."""
    from assay import workspace
    from assay.config.spec import read_experiment

    found = []
    for path in paths:
        owners = []
        for name in names:
            place = workspace.current(root, name, read_experiment(root, name).workspace)
            made = {f"{place.folder}/{p}" for s in plan.STAGES for p in s.writes} if place else set()
            owners += [name] if path in made else []
        if not owners:
            raise WrongInput(
                "no stage makes this file", where=path, mend="ask for a record, as <workspace>/outputs/stats.json"
            )
        found += owners
    return sorted(set(found))


def command(root: Path, argv: list[str]) -> int:
    """Run a command line through assay's own door."""
    try:
        line = read(argv)
        verb = line.words[:1] and line.words[0] in VERBS
        check_options(line, () if verb else BUILDING)
        if verb:
            return answer(root, line)
        line = without_run(line)
        argv = _for_doit(line)
        tasks = building(root, line, argv)
    except Fault as fault:
        if "--debug" in argv:
            raise
        say(fault)
        return fault.exit_code
    from doit.cmd_base import ModuleTaskLoader
    from doit.doit_cmd import DoitMain

    os.chdir(root)
    return int(DoitMain(ModuleTaskLoader(tasks), config_filenames=()).run(["run", *argv]))


def _for_doit(line: Line) -> list[str]:
    """Put options first, as doit wants them, and leave out what is ours."""
    return [*line.options, *line.words]
