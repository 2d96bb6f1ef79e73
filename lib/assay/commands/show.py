"""Verb show: what is known about a model's use, claim by claim, with the lines that say so."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import layout
from assay.canonical import dumps
from assay.commandline import Line, experiments_of
from assay.engines.progress import printable
from assay.errors import DONE, WrongInput, did_you_mean
from assay.session import Session, known_experiments

if TYPE_CHECKING:
    from assay.build import Build

AROUND = 2  # lines of context on either side of a cited one


def run(session: Session, line: Line) -> int:
    """Print the claims of each experiment: all of them in short, the one that is named in full."""
    names = experiments_of(line, known_experiments(session.root))
    for name, build in session.builds(names).items():
        claims = contract_of(name, build)["claims"]
        wanted = line.variables.get("claim", "")
        found = [c for c in claims if not wanted or c["id"] == wanted or c["id"].startswith(wanted + ".")]
        if not found:
            raise WrongInput(f"no claim {wanted!r}", where=name, mend=did_you_mean(wanted, [c["id"] for c in claims]))
        if line.json:
            print(dumps(found), end="")
            continue
        exact = [c for c in found if c["id"] == wanted]
        rows = _full(exact[0], build.workspace.path) if exact else [_short(c) for c in found]
        print("\n".join(printable(row) for row in rows))
    return DONE


def contract_of(name: str, build: "Build") -> "dict[str, Any]":
    """Read an experiment's contract as it was last built."""
    path = build.workspace.at(layout.record("contract"))
    if not path.is_file():
        raise WrongInput("there is no contract yet", where=name, mend=f"doit contract exp={name}")
    contract: dict[str, Any] = json.loads(path.read_bytes())
    return contract


def _short(claim: "dict[str, Any]") -> str:
    where = next((e["where"] for e in claim["evidence"] if e["kind"] == "source"), "")
    where = where or next((e["where"] for e in claim["evidence"]), claim["reason"])
    return f"{claim['id']:<24} {claim['status']:<10} {_value(claim['value']):<28} {where}"


def _value(value: Any, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 1] + "…"


def _full(claim: "dict[str, Any]", workspace: Path) -> "list[str]":
    rows = [f"{claim['id']}: {_value(claim['value'], 2000)}  {claim['unit']}".rstrip()]
    rows.append(f"  {claim['status']}, by {claim['by']}" + (f": {claim['reason']}" if claim["reason"] else ""))
    if claim["identified"] is False:
        rows.append("  another value would fit the checkpoint as well: only the source says so")
    rows += [f"  alternative: {_value(other, 2000)}" for other in claim["alternatives"]]
    rows += [f"  conflict: {text}" for text in claim["conflicts"]]
    for one in claim["evidence"]:
        rows += ["", f"  {one['kind']} {one['where']}{_where(one)}"]
        rows += _lines(one, workspace) or ([f"    {one['text']}"] if one["text"] else [])
    rows += ["", f"  to answer: contract: {{{claim['id']}: {{confirm: {_value(claim['value'], 200)}, by: YOU, "
                 f'against: "{claim["hash"]}"}}}}']  # fmt: skip
    return rows


def _where(one: "dict[str, Any]") -> str:
    inside = f" in {one['qualname']}" if one.get("qualname") else ""
    return inside + (f" ({one['moved']})" if one.get("moved") else "")


def _lines(one: "dict[str, Any]", workspace: Path) -> "list[str]":
    """Print the cited lines with what stands around them, as they are in refs/."""
    path, _, number = one["where"].rpartition(":")
    file = workspace / "refs" / path
    if one["kind"] != "source" or not number.isdigit() or one.get("moved") == "stale" or not file.is_file():
        return []
    lines, first = file.read_text("utf-8", "replace").splitlines(), int(number)
    last = first + one["text"].strip().count("\n")
    shown = range(max(1, first - AROUND), min(len(lines), last + AROUND) + 1)
    return [f"    {'>' if first <= n <= last else ' '} {n:>5}  {lines[n - 1].rstrip()[:160]}" for n in shown]
