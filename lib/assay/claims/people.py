"""What people said about claims: it takes effect, the tool's own value stays beside it, a contradiction is shown."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from assay import files
from assay.canonical import dumps
from assay.claims.merging import same
from assay.domain import Confirmation
from assay.records import Claim, Evidence, Match, Question


def fingerprint(claim: Claim) -> str:
    """Digest what a person looks at when confirming a claim: its value and what supports it, without the lines."""
    support = sorted(f"{e.kind} {e.text} {e.sha256}" for e in claim.evidence if e.kind != "person")
    return files.text_sha256(dumps([claim.value, support]))[:8]


def settle(
    claims: "Iterable[Claim]", questions: "Iterable[Question]", people: "Sequence[Confirmation]"
) -> "tuple[list[Claim], list[Question]]":
    """Let what people said take effect: the tool's own value stays beside it, a contradiction is shown."""
    kept = {c.id: msgspec.structs.replace(c, hash=fingerprint(c)) for c in claims}
    for person in people:
        kept[person.id] = _answered(kept.get(person.id), person)
    open_still = [q for q in questions if q.id not in {p.id for p in people}]
    open_still += [_asked_again(kept[p.id]) for p in people if kept[p.id].status == "stale"]
    return [kept[name] for name in sorted(kept)], open_still


def _answered(old: "Claim | None", person: Confirmation) -> Claim:
    said = " ".join(filter(None, (person.date, person.why)))
    evidence = [Evidence(kind="person", where=f"contract: {person.id}", text=said), *(old.evidence if old else [])]
    digest = old.hash if old else ""
    given: dict[str, Any] = {"id": person.id, "by": person.by or "experiment", "evidence": evidence, "hash": digest}
    if person.kind == "unknown":
        return Claim(value=None, status="unknown", alternatives=[old.value] if old else [], **given)
    known = old is not None and old.value is not None
    others = [old.value] if old is not None and known and not same(old.value, person.value) else []
    moved = bool(person.against) and old is not None and not digest.startswith(person.against)
    if person.kind == "confirm" and others and old is not None:
        conflict = f"{given['by']} confirmed {person.value!r}, but {old.by} says {old.value!r}"
        return Claim(value=old.value, status="conflict", alternatives=[person.value], conflicts=[conflict],
                     **given | {"by": old.by})  # fmt: skip
    if moved:
        why = f"said against {person.against}; the evidence is {digest} now"
        return Claim(value=person.value, status="stale", alternatives=others, reason=why, **given)
    agrees = not known or person.kind == "confirm" or not others
    why = old.reason if old is not None and known and not others else ""  # how it is meant: numbered from 1 on
    status = "confirmed" if agrees else "corrected"
    return Claim(value=person.value, status=status, alternatives=others, reason=why, **given)


def unproved(claims: "Iterable[Claim]", match: Match) -> "list[Claim]":
    """Do not let a class that a person named pass for the model's when the weights do not fit it."""
    if match.best is not None or match.missing_package:
        return list(claims)
    why = match.status.reason or match.why
    return [
        msgspec.structs.replace(c, status="conflict", conflicts=[f"{c.by} said {c.value!r}; the match says: {why}"])
        if c.id == "model.class" and c.status in ("confirmed", "corrected") and why
        else c
        for c in claims
    ]


def _asked_again(claim: Claim) -> Question:
    ask = f"{claim.by} said {claim.value!r} about {claim.id} on other evidence ({claim.reason}): does it still hold?"
    return Question(id=claim.id, ask=ask, options=[claim.value, *claim.alternatives])
