"""What is known about a model's use: the strongest word counts, and what disagrees stays in sight."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from assay.records import Claim, Evidence

LADDER = ("unknown", "stale", "blocked", "read", "observed", "verified", "confirmed", "corrected", "conflict")
SURE = frozenset(("observed", "verified", "confirmed", "corrected"))  # from here on a claim may run the model


def merge(said: "Iterable[Claim]") -> "list[Claim]":
    """Put together what was said about each thing; in order of name."""
    by_id: dict[str, list[Claim]] = {}
    for claim in said:
        by_id.setdefault(claim.id, []).append(claim)
    return [_one(by_id[name]) for name in sorted(by_id)]


def _one(said: "Sequence[Claim]") -> Claim:
    ordered = sorted(said, key=lambda c: -LADDER.index(c.status))  # stable: of equals the first said
    best = ordered[0]
    agreeing = [c for c in ordered if same(c.value, best.value)]
    others = [c for c in ordered if not same(c.value, best.value) and c.value is not None]
    evidence = _joined(e for c in agreeing for e in c.evidence)
    rivals = [c for c in others if c.status in SURE]
    conflicts = [f"{best.by} says {best.value!r}, {c.by} says {c.value!r}" for c in rivals if best.status in SURE]
    changed: dict[str, Any] = {
        "evidence": evidence,
        "alternatives": _values([*best.alternatives, *(c.value for c in others)], best.value),
        "conflicts": [*best.conflicts, *conflicts],
        "status": "conflict" if conflicts else _raised(best, agreeing),
        "identified": next((c.identified for c in agreeing if c.identified is not None), None),
    }
    return msgspec.structs.replace(best, **changed)


def _raised(best: Claim, agreeing: "Sequence[Claim]") -> str:
    """Call verified what was both read, with a line to cite, and seen to happen."""
    kinds = {e.kind for c in agreeing for e in c.evidence}
    return "verified" if best.status == "observed" and {"source", "probe"} <= kinds else best.status


def same(a: Any, b: Any) -> bool:
    """Tell whether two values mean the same: numbers within rounding, a list of equals like one of them."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-6 * max(1.0, abs(a), abs(b))
    if isinstance(a, (int, float)) and isinstance(b, (list, tuple)):  # one number for every channel
        return bool(b) and all(same(a, one) for one in b)
    if isinstance(b, (int, float)) and isinstance(a, (list, tuple)):
        return same(b, a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def _joined(evidence: "Iterable[Evidence]") -> "list[Evidence]":
    kept: dict[tuple[str, str, str], Evidence] = {}
    for one in evidence:
        kept.setdefault((one.kind, one.where, one.text), one)
    return list(kept.values())


def _values(found: "Iterable[Any]", but: Any) -> "list[Any]":
    kept: list[Any] = []
    for value in found:
        if not same(value, but) and not any(same(value, k) for k in kept):
            kept.append(value)
    return kept
