"""An answer written into an experiment's text, under contract:, everything else left as it stands."""

import re

from assay.errors import WrongInput

KEY = re.compile(r"contract:[ \t]*(\{[ \t]*\})?[ \t]*(#.*)?")
INSIDE = re.compile(r"(?P<indent>[ \t]+)[^\s#]")


def with_answer(text: str, claim: str, entry: str, where: str) -> str:
    """Put `claim: entry` under contract:, in place of what was said about that claim before."""
    lines = text.splitlines()
    place = next((i for i, line in enumerate(lines) if line.startswith("contract:")), None)
    if place is None:
        return "\n".join([*lines, "contract:", f"  {claim}: {entry}"]) + "\n"
    if not KEY.fullmatch(lines[place]):
        raise WrongInput(
            "contract: is written on one line", where=f"{where}:{place + 1}", mend=f"add {claim}: {entry} there"
        )
    lines[place] = re.sub(r"\{[ \t]*\}", "", lines[place]).rstrip()
    inside = _inside(lines, place)
    indent = next((m["indent"] for i in inside if (m := INSIDE.match(lines[i]))), "  ")
    row = f"{indent}{claim}: {entry}"
    old = [i for i in inside if lines[i].startswith(f"{indent}{claim}:")]
    if not old:
        return "\n".join([*lines[: place + 1], row, *lines[place + 1 :]]) + "\n"
    end = next((i for i in range(old[0] + 1, inside[-1] + 2) if i not in inside or _depth(lines[i]) <= len(indent)), 0)
    return "\n".join([*lines[: old[0]], row, *lines[end:]]) + "\n"


def _inside(lines: "list[str]", place: int) -> "list[int]":
    """List the lines that belong to the block which begins at `place`."""
    found = []
    for i in range(place + 1, len(lines)):
        if lines[i].strip() and not lines[i].startswith((" ", "\t", "#")):
            break
        found.append(i)
    while found and not lines[found[-1]].strip():
        found.pop()
    return found


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else 0
