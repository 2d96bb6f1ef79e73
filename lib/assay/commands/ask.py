"""Verb ask: what only a person can answer, put once; the answers go into the experiment, under contract:."""

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from assay import files
from assay.canonical import dumps
from assay.commandline import Line, experiments_of
from assay.commands.show import contract_of
from assay.config.answers import with_answer
from assay.config.spec import read_experiment
from assay.engines.progress import printable
from assay.errors import DONE, NEEDS_ANSWER
from assay.session import Session, known_experiments
from assay.terminal import Terminal, opened
from assay.upstream import git

if TYPE_CHECKING:
    from assay.build import Build

HOW = "  answer: the number of an option, a value of your own, ? for unknown, or Enter to leave it open: "


def run(session: Session, line: Line) -> int:
    """Ask the open questions of each experiment on the terminal; without one, print them and how to answer."""
    names = experiments_of(line, known_experiments(session.root))
    if line.json:
        return _told(session, names)
    left = 0
    with opened() as screen:
        for name, build in session.builds(names).items():
            contract = contract_of(name, build)
            questions = contract["questions"]
            print(f"{name}: {len(questions) or 'no'} open question{'' if len(questions) == 1 else 's'}", flush=True)
            hashes = {claim["id"]: claim["hash"] for claim in contract["claims"]}
            for number, question in enumerate(questions, 1):
                asked = Asked(number, question, hashes.get(question["id"], ""))
                left += 0 if screen and _answered(screen, build, asked) else 1
                if screen is None:
                    print("\n".join([*_question(asked), _how(asked, build.experiment.file)]))
    return NEEDS_ANSWER if left else DONE


def _told(session: Session, names: "list[str]") -> int:
    """Print the open questions of each experiment for a machine; nothing is asked."""
    found = {name: contract_of(name, build)["questions"] for name, build in session.builds(names).items()}
    print(dumps(found), end="")
    return NEEDS_ANSWER if any(found.values()) else DONE


class Asked(NamedTuple):
    """A question, its number, and the digest of what is known about it."""

    number: int
    question: "dict[str, Any]"
    hash: str


def _answered(screen: Terminal, build: "Build", asked: Asked) -> bool:
    """Put a question on the terminal and write the answer down; false when it was left open."""
    screen.write("\n".join([*_question(asked), HOW]))
    answer = screen.readline().strip()
    if answer:
        _write(build, asked.question["id"], _said(answer, asked.question["options"]), asked.hash)
    return bool(answer)


def _question(asked: Asked) -> "list[str]":
    rows = [f"{asked.number}. {asked.question['id']}: {printable(asked.question['ask'])}"]
    return rows + [f"   {n}) {_value(option)}" for n, option in enumerate(asked.question["options"], 1)]


def _how(asked: Asked, file: str) -> str:
    options = asked.question["options"]
    example = _value(options[0]) if options else "VALUE"
    against = f', against: "{asked.hash}"' if asked.hash else ""
    return f"   in {file}: contract: {{{asked.question['id']}: {{is: {example}, by: YOU{against}}}}}"


def _value(option: Any) -> str:
    return option if isinstance(option, str) else json.dumps(option)


def _said(answer: str, options: "list[Any]") -> str:
    """Write an answer as a claim's entry holds it."""
    if answer == "?":
        return "unknown: true"
    if answer.isdecimal() and 1 <= int(answer) <= len(options):
        return f"is: {json.dumps(options[int(answer) - 1])}"
    return f"is: {json.dumps(_typed(answer))}"


def _typed(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def _write(build: "Build", claim: str, said: str, against: str) -> None:
    """Put the answer into the YAML; a file that would not read back stays as it was."""
    path = build.root / build.experiment.file
    before = path.read_text("utf-8")
    about = f"by: {json.dumps(git.person() or 'experiment')}, date: {time.strftime('%Y-%m-%d')}"
    about += f', against: "{against}"' if against else ""
    files.write(path, with_answer(before, claim, f"{{{said}, {about}}}", build.experiment.file))
    try:
        read_experiment(build.root, build.experiment.name)
    except Exception:
        files.write(path, before)
        raise
