"""What speaks against trusting a model's run although nothing is missing: keys left over, answers that differ."""

from assay.records import Agreement, Match

LOOSE = ("subset", "superset")
PARTS = {"tensors": "the tensors that reach the model", "outputs": "what the model gives", "answer": "the answer"}


def doubts(match: Match, agreement: Agreement) -> "list[str]":
    """List the reasons to decide nothing yet."""
    found = []
    if match.outcome in LOOSE and match.best is not None:
        counts = {"missing in the checkpoint": len(match.missing), "not in the class": len(match.unexpected)}
        said = " and ".join(f"{n} {what}" for what, n in counts.items() if n)
        found.append(f"the weights fit {match.best.qualname} only in part: {said or match.outcome}")
    for part, what in PARTS.items():
        bad = [item.id for item in agreement.items if getattr(item, part) in ("different", "failed")]
        if bad:
            found.append(f"{what}: not as in upstream's own run, for {len(bad)} of {len(agreement.items)} inputs")
    return found
