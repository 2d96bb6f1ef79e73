"""assay's own door: the same program as doit's, under its own name."""

import os
import sys
from pathlib import Path

from assay import VERSION, commandline, door, errors, plan
from assay.commands import VERBS
from assay.engines.progress import say
from assay.errors import Fault, WrongInput
from assay.session import find_root

HELP = """assay: what a model checkpoint is made of, what it is worth, and how that was found out

  assay report NAME           build what is stale; NAME is experiments/NAME.yaml
  assay STAGE NAME            build one stage and what it rests on: {stages}
{verbs}
  -d DIR  work there      -n N  run stages side by side      -a  build even what is fresh
  --json  for machines    --strict  exit 4 when a target is missed    --debug  tracebacks

exit codes: 0 done, 1 a stage failed, 2 the input is wrong, 3 an answer is needed, 4 a target is missed (--strict),
            130 / 143 interrupted
"""


def run(argv: list[str]) -> int:
    """Run one command line; give the exit code."""
    try:
        if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
            print(_help(), end="")
            return 0
        if argv[0] in ("--version", "version"):
            print(f"assay {VERSION}")
            return 0
        argv, start = _start(argv)
        words = [w for w in argv if not w.startswith("-")]
        if words[:1] in (["init"], ["completion"]):
            return door.answer(start, commandline.read(argv))
        root = _root_or_here(start) if words[:1] == ["inspect"] else find_root(start)
        return door.command(root, _named(root, argv))
    except Fault as fault:
        if "--debug" in argv:
            raise
        say(fault)
        return fault.exit_code
    except KeyboardInterrupt:
        return errors.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _root_or_here(start: Path) -> Path:
    """Find the repository; a file can be inspected where there is none."""
    try:
        return find_root(start)
    except WrongInput:
        return start


def _start(argv: list[str]) -> tuple[list[str], Path]:
    """Take -d DIR off the line."""
    for i, word in enumerate(argv):
        if word in ("-d", "--dir"):
            folder = Path(argv[i + 1]) if i + 1 < len(argv) else None
            if folder is None or not folder.is_dir():
                raise WrongInput(
                    "-d needs a folder that is there", where=str(folder or ""), mend="assay -d DIR report NAME"
                )
            os.chdir(folder)  # a file that is named lies there, too
            return argv[:i] + argv[i + 2 :], Path.cwd()
    return argv, Path.cwd()


def _named(root: Path, argv: list[str]) -> list[str]:
    """Let a bare experiment name stand for exp=NAME: assay report yolo."""
    places = _bare(argv)
    if not places or argv[places[0]] in VERBS:
        return argv
    from assay.session import known_experiments

    known = known_experiments(root)
    named = [i for i in places[1:] if argv[i] not in plan.BY_NAME and ":" not in argv[i] and "/" not in argv[i]]
    if not named:
        return argv
    names = [argv[i] for i in named]
    unknown = [n for n in names if n not in known]
    if unknown:
        mend = errors.did_you_mean(unknown[0], [*known, *plan.NAMES])
        raise WrongInput(f"no experiment {unknown[0]!r}", where=f"experiments/{unknown[0]}.yaml", mend=mend)
    return [w for i, w in enumerate(argv) if i not in named] + [f"exp={','.join(names)}"]


def _bare(argv: list[str]) -> list[int]:
    """Find the words that are neither options, nor their values, nor variables."""
    found = []
    rest = iter(enumerate(argv))
    for i, word in rest:
        if word in commandline.WITH_VALUE or word in commandline.GIVEN:
            next(rest, None)
        elif not word.startswith("-") and "=" not in word:
            found.append(i)
    return found


def _help() -> str:
    verbs = "\n".join(f"  assay {verb:<22}{does}" for verb, does in VERBS.items())
    return HELP.format(stages=" ".join(plan.NAMES[:-1]), verbs=verbs)
