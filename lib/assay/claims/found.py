"""What was read in upstream's code, proved on its class and seen in its run: as claims."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from assay.records import (
    Claim,
    Draft,
    Evidence,
    Finding,
    Labels,
    Match,
    MatchArgument,
    Matched,
    Observation,
    Question,
    Source,
    Use,
)
from assay.upstream.anchors import digest

PROVED = Evidence(kind="probe", where="outputs/match.json")
SIZE = re.compile(r"size|width|height|res|scale|dim", re.IGNORECASE)
# which parameter of a decoding function means what, when only one does
POSTS = {
    "post.iou_threshold": r"iou|nms_?thr|nms$|overlap|suppress\w*_?thr",
    "post.score_threshold": r"(score|conf|prob|cls)\w*(thr\w*)?$|^thr(esh(old)?)?$",
    "post.topk": r"^top_?k?$|max_?(det|boxes|num)|^keep_top",
}
NO_SCRIPT = "no script or document of upstream's could be run for it"
OF_SERVICES = f"{NO_SCRIPT}; the lines of its web handler were run without the web"
OF_PAGES = (
    f"{NO_SCRIPT}; the lines of its page were run without the page, its buttons pressed and its choices as it begins"
)
LATER = "numbered from "
CERTAIN = ("exact", "subset", "superset")


def of_source(source: Source) -> "list[Claim]":
    """State what reading alone gave: with its line, and no more than read."""
    return [
        Claim(id=f.id, value=f.value, status="read", by="reading", reason=f.reason,
              evidence=[cited(f"{f.path}:{f.line}", f.text, f.qualname)])
        for f in source.facts
    ]  # fmt: skip


def cited(where: str, text: str, qualname: str = "") -> Evidence:
    """Cite a line of upstream."""
    return Evidence(kind="source", where=where, text=text, sha256=digest(text), qualname=qualname)


# ---------------------------------------------------------------- class and arguments
def of_match(match: Match, seen: "Observation | None" = None) -> "tuple[list[Claim], list[Question]]":
    """State which class the weights belong to, proved by building it, and with which arguments."""
    best = match.best
    if best is None:
        return [], _which(match)
    made = [one for one in (best, *match.twins) if seen is not None and f"{one.path}:{one.qualname}" == seen.made]
    if match.twins and len(made) == 1:
        return [_made(made[0]), *map(_argument, made[0].args)], []
    name = f"{best.module}:{best.qualname}"
    evidence = [PROVED] + ([cited(best.where, best.text, best.qualname)] if best.where else [])
    if match.outcome not in CERTAIN:
        others = [f"{twin.module}:{twin.qualname}" for twin in match.twins]
        return [Claim(id="model.class", value=None, status="unknown", by="match", evidence=evidence,
                      alternatives=[name, *others], reason=f"{match.outcome}: several fit")], _which(match)  # fmt: skip
    kept = [f"{len(match.missing)} missing"] if match.missing else []
    kept += [f"{len(match.unexpected)} unexpected"] if match.unexpected else []
    claims = [Claim(id="model.class", value=name, status="verified", by="match", identified=True, evidence=evidence,
                    reason=", ".join([match.outcome, *kept]))]  # fmt: skip
    return claims + [_argument(one) for one in best.args], []


def _made(one: Matched) -> Claim:
    """State the class that upstream's own run made, where several fit the weights alike."""
    return Claim(
        id="model.class",
        value=f"{one.module}:{one.qualname}",
        status="observed",
        by="probe",
        identified=True,
        evidence=[PROVED, _run(one.where), cited(one.where, one.text, one.qualname)],
        reason="several classes fit; this is the one that upstream's own run makes",
    )


def _argument(one: MatchArgument) -> Claim:
    """State an argument; one that no shape depends on rests on the line that gives it alone."""
    evidence = [cited(one.where, one.text)] if one.where and one.text else []
    proved = one.identified is True
    known = proved or bool(evidence) or one.by == "default"
    return Claim(
        id=f"model.args.{one.name}",
        value=one.value if known else None,
        status="verified" if proved else "read" if known else "unknown",
        identified=one.identified,
        by="match",
        evidence=[*([PROVED] if proved else []), *evidence],
        reason=one.by if proved else f"{one.by}: no shape of the weights depends on it",
    )


def _which(match: Match) -> "list[Question]":
    if match.best is None or not match.twins:
        return []
    options = [f"{one.module}:{one.qualname}" for one in (match.best, *match.twins)]
    ask = "several classes of upstream fit these weights exactly: which one do they belong to?"
    return [Question(id="model.class", ask=ask, options=options)]


# ---------------------------------------------------------------- upstream's own run
def of_observation(seen: "Observation | None", uses: "Sequence[Use]" = ()) -> "list[Claim]":
    """State what running upstream's own entrypoint showed."""
    if seen is None or seen.status not in ("seen", "alone"):
        return []
    last, use = seen.attempts[-1], _use(seen, uses)
    if use is not None:
        opened = () if use.given == "path" or use.served else ("pre.decode",)
        ours = {*use.open, *opened}  # decided by the call that assay wrote
        return [_called(use), *(_finding(one, use.where) for one in seen.findings if one.id not in ours)]
    command = " ".join([last.entry, *last.argv])
    entry = Claim(id="run.entry", value=last.entry, status="observed", by="probe", evidence=[_run(command)])
    argv = Claim(id="run.argv", value=last.argv, status="observed", by="probe", evidence=[_run(command)])
    passed = [
        Claim(id=f"model.args.{name}", value=one.value, status="observed", by="probe", evidence=[_run(command)])
        for name, one in seen.arguments.items()
    ]
    return [entry, argv, *passed, *(_finding(one, command) for one in seen.findings)]


def _use(seen: "Observation | None", uses: "Sequence[Use]") -> "Use | None":
    """Find the function that was called, where none of upstream's scripts was run."""
    entry = seen.attempts[-1].entry if seen is not None and seen.status == "seen" else ""
    return next((one for one in uses if one.where == entry), None)


def _called(use: Use) -> Claim:
    """State which function of upstream's was called: that its caller is not upstream's own is said with it."""
    return Claim(
        id="run.call",
        value=f"{use.module}:{use.function}",
        status="observed",
        by="probe",
        evidence=[_run(use.where), cited(f"{use.path}:{use.line}", use.head, use.function)],
        reason=OF_PAGES
        if use.paged
        else OF_SERVICES
        if use.served
        else f"{NO_SCRIPT}; assay wrote the call and gives it the {use.given}",
    )


def of_uses(seen: "Observation | None", uses: "Sequence[Use]") -> "tuple[list[Claim], list[Question]]":
    """Ask what the caller of a function decides, where nothing of upstream's says it."""
    use = _use(seen, uses)
    if use is None:
        return [], []
    claims, questions = [], []
    if use.made_before:
        reason = f"{use.function} is given what {use.made_before} made before"
        claims.append(Claim(id="pre.decode", value=None, status="unknown", by="probe", reason=reason,
                            evidence=[cited(use.made_before, "")]))  # fmt: skip
        questions.append(Question(id="pre.decode", ask=f"{reason}: what has to be done to a file first?"))
    if "pre.color" in use.open:
        reason = f"{use.function} is given an array, and no line of upstream's says in which order its colours are"
        claims.append(Claim(id="pre.color", value=None, status="unknown", by="probe", reason=reason, evidence=[]))
        questions.append(Question(id="pre.color", ask=reason, options=["BGR", "RGB"]))
    return claims, questions


def of_draft(
    seen: "Observation | None", source: Source, params: "Mapping[str, Any]", texts: "Mapping[str, str]"
) -> "list[Claim]":
    """State the thresholds and labels that the drafted decoding works with, each with the line that it came from."""
    draft = seen.draft if seen is not None else None
    if draft is None or "postprocess" not in draft.functions:
        return []
    return [*_thresholds(draft, params, texts), *_labels(draft, source, texts)]


def _thresholds(draft: Draft, params: "Mapping[str, Any]", texts: "Mapping[str, str]") -> "Iterator[Claim]":
    for name, pattern in POSTS.items():
        found = [p for p in params if re.search(pattern, p, re.IGNORECASE) and isinstance(params[p], (int, float))]
        where = draft.cited.get(f"params.{found[0]}", "") if len(found) == 1 else ""
        text = _line(texts, where)
        if text:
            yield Claim(id=name, value=params[found[0]], status="observed", by="draft",
                        evidence=[_run(f"postprocess({found[0]}=...)"), cited(where, text)])  # fmt: skip


def _labels(draft: Draft, source: Source, texts: "Mapping[str, str]") -> "Iterator[Claim]":
    """Name the one list of names that the decoding uses: its file is read, or its variable imported."""
    used = {(one.first, tuple(one.names)): one for one in source.labels if _is_used(one, draft.text, texts)}
    for (_, names), one in used.items() if len(used) == 1 else ():
        text = _line(texts, one.where)
        evidence = [_run("postprocess"), cited(one.where, text)]
        later = f"{LATER}{one.first} on" if one.first else ""
        yield Claim(
            id="labels.names", value=list(names), status="observed", by="draft", evidence=evidence, reason=later
        )
        yield Claim(id="labels.count", value=len(names), status="observed", by="draft", evidence=evidence)


def in_order(claims: "Iterable[Claim]") -> "list[str]":
    """Give the names by their numbers; none where these do not begin at nought."""
    names = next((c for c in claims if c.id == "labels.names" and c.value), None)
    return list(names.value) if names is not None and not names.reason.startswith(LATER) else []


def _is_used(one: Labels, text: str, texts: "Mapping[str, str]") -> bool:
    path = one.where.rpartition(":")[0].partition("/")[2]
    if repr(one.names) in text.replace('"', "'"):
        return True
    if not path.endswith(".py"):
        return f'{path}"' in text or f"{path}'" in text
    assigned = re.match(r"\s*([A-Za-z_]\w*)\s*(?::[^=]+)?=", _line(texts, one.where))
    return assigned is not None and bool(re.search(rf"\b{assigned[1]}\b", text))


def _line(texts: "Mapping[str, str]", where: str) -> str:
    path, _, number = where.rpartition(":")
    lines = texts.get(path, "").splitlines()
    return lines[int(number) - 1].strip() if number.isdigit() and 0 < int(number) <= len(lines) else ""


def of_options(
    source: Source, seen: "Observation | None", checkpoint: str, given: "Mapping[str, Any]"
) -> "list[Question]":
    """Ask about a size of the entrypoint's whose default is not the one that the checkpoint is named after."""
    entry = seen.attempts[-1].entry if seen is not None and seen.attempts else ""
    script = next((one for one in source.scripts if one.path == entry), None)
    numbers = {int(n) for n in re.findall(r"(?<![\d.])\d{2,4}(?![\d.]\d)", checkpoint)}
    asked = []
    for option in script.options if script is not None else ():
        if type(option.default) is not int or not SIZE.search(option.dest) or option.dest in given:
            continue
        known = {int(n) for n in re.findall(r"\d{2,4}", f"{option.help} {option.choices}")}
        named = sorted(numbers & known - {option.default})
        if named:
            ask = f"upstream's {entry} runs with {option.dest} {option.default}, the checkpoint is called {checkpoint}"
            options = [option.default, *named]
            asked.append(Question(id=f"run.{option.dest}", ask=f"{ask}: which is meant?", options=options))
    return asked


def _run(command: str) -> Evidence:
    return Evidence(kind="probe", where="outputs/probe.json", text=command)


def _finding(one: Finding, command: str) -> Claim:
    known = one.value is not None
    return Claim(
        id=one.id,
        value=one.value,
        unit=one.unit,
        status="observed" if known else "unknown",
        identified=one.identified,
        by="probe",
        evidence=[_run(command)],
        alternatives=one.alternatives,
        reason=one.reason,
    )
