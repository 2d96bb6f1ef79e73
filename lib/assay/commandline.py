"""Reading a command line the way doit reads it: words, name=value pairs, options."""

from collections.abc import Iterator
from typing import NamedTuple

from assay.errors import WrongInput, did_you_mean

# doit's own options that take a value, so that the value is not taken for a word
WITH_VALUE = (
    *("-f", "--file", "-d", "--dir", "-n", "--process", "-P", "--parallel-type", "-v", "--verbosity"),
    *("-o", "--output-file", "-r", "--reporter", "--db-file", "--backend", "--check_file_uptodate", "--codec"),
    "--failure-verbosity",
)
BUILDING = (
    *("-a", "--always-execute", "-c", "--continue", "-s", "--single", "--pdb", "--auto-delayed-regex"),
    *(w for w in WITH_VALUE if w not in ("-f", "--file", "-d", "--dir")),
)
PLACES = ("-f", "--file", "-d", "--dir", "-k", "--seek-file")
VARIABLES = ("exp", "checkpoint", "source", "name", "json", "strict", "rev", "claim")
OURS = ("--json", "--strict", "--debug", "--update", "--quick", "--tensors", "--locked", "--pip-config")
# options of ours with a value: the key of the experiment that each one stands for, on this line only
GIVEN = {
    "--on-missing": "env.on_missing",
    "--index-url": "env.index.url",
    "--extra-index-url": "env.index.extra",
    "--find-links": "env.index.find_links",
    "--index-strategy": "env.index.strategy",
    "--constraint": "env.index.constraints",
    "--exclude": "env.index.excludes",
    "--torch-backend": "env.index.torch_backend",
    "--build": "env.index.build",
    "--cooldown-days": "env.index.cooldown_days",
}


class Line(NamedTuple):
    """A command line, taken apart."""

    words: tuple[str, ...]
    variables: dict[str, str]
    flags: tuple[str, ...]  # ours
    options: tuple[str, ...]  # doit's
    given: tuple[tuple[str, str], ...] = ()  # (key of the experiment, text), from options of ours with a value

    @property
    def json(self) -> bool:
        """Tell whether the answer is wanted for a machine."""
        return "--json" in self.flags or self.variables.get("json", "") not in ("", "0", "false")

    @property
    def strict(self) -> bool:
        """Tell whether a missed target is an error."""
        return "--strict" in self.flags or self.variables.get("strict", "") not in ("", "0", "false")


def read(argv: "list[str]") -> Line:
    """Take a command line apart; a misspelt variable is refused, never ignored."""
    words, variables, flags, options, given = [], {}, [], [], []
    rest = iter(argv)
    for word in rest:
        if word in OURS:
            flags.append(word)
            given += [("env.index.pip", "true")] if word == "--pip-config" else []
        elif word.partition("=")[0] in GIVEN:
            given.append(_given(word, rest))
        elif word.startswith("-"):
            options.append(word)
            if word in WITH_VALUE:
                options.append(next(rest, ""))
        elif "=" in word and "/" not in word.split("=", 1)[0]:
            name, _, value = word.partition("=")
            if name not in VARIABLES:
                raise WrongInput(f"no variable {name!r}", mend=did_you_mean(name, VARIABLES))
            if name in variables:
                raise WrongInput(f"{name}= stands twice", mend="write exp=a,b" if name == "exp" else "write it once")
            variables[name] = value
        elif word:
            words.append(word)
    return Line(tuple(words), variables, tuple(flags), tuple(options), tuple(given))


def _given(word: str, rest: "Iterator[str]") -> "tuple[str, str]":
    name, glued, value = word.partition("=")
    value = value if glued else next(rest, "")
    if not value or value.startswith("--"):
        raise WrongInput(f"{name} needs a value", mend=f"as {name}=VALUE")
    return GIVEN[name], value


def check_options(line: Line, known: "tuple[str, ...]") -> None:
    """Refuse an option that means nothing here, and one without its value."""
    rest = iter(line.options)
    for word in rest:
        name, glued, value = word.partition("=")
        if not name.startswith("--"):
            name, value = word[:2], word[2:]
        if name not in known:
            near = did_you_mean(name, [*OURS, *known])
            raise WrongInput(f"no option {word!r}", mend=near if near.startswith("did") else "assay help lists them")
        if name in WITH_VALUE:
            value = value if glued or value else next(rest, "")
            if not value or (name in ("-n", "--process") and not value.isdecimal()):
                raise WrongInput(f"{name} needs a {'number' if name in ('-n', '--process') else 'value'}")


def experiments_of(line: Line, known: "list[str]") -> list[str]:
    """Name the experiments that a line is about; every one of them when it names none."""
    asked = [n for n in line.variables.get("exp", "").split(",") if n]
    asked += [w.split(":", 1)[1] for w in line.words if ":" in w and "/" not in w]
    for name in asked:
        if name not in known:
            mend = (
                did_you_mean(name, known) if known else "write one with: doit new exp=NAME checkpoint=FILE name=MODEL"
            )
            raise WrongInput(f"no experiment {name!r}", where=f"experiments/{name}.yaml", mend=mend)
    if not asked and "exp" in line.variables:
        raise WrongInput("exp= names no experiment", mend=did_you_mean("", known))
    return sorted(dict.fromkeys(asked)) or known
