"""What speaks against trusting a model's run although nothing is missing: keys left over, answers that differ."""

from collections.abc import Mapping

from assay.records import Agreement, Contract, Match, Param

LOOSE = ("subset", "superset")
PARTS = {"tensors": "the tensors that reach the model", "outputs": "what the model gives", "answer": "the answer"}


FUNCTIONS = {"pre": "preprocess", "post": "postprocess"}


def doubts(
    match: Match, agreement: Agreement, contract: "Contract | None" = None, params: "Mapping[str, Param] | None" = None
) -> "list[str]":
    """List the reasons to decide nothing yet."""
    found = _unheeded(contract, params or {}) if contract is not None else []
    if match.outcome in LOOSE and match.best is not None:
        counts = {"missing in the checkpoint": len(match.missing), "not in the class": len(match.unexpected)}
        said = " and ".join(f"{n} {what}" for what, n in counts.items() if n)
        found.append(f"the weights fit {match.best.qualname} only in part: {said or match.outcome}")
    for part, what in PARTS.items():
        bad = [item.id for item in agreement.items if getattr(item, part) in ("different", "failed")]
        if bad:
            found.append(f"{what}: not as in upstream's own run, for {len(bad)} of {len(agreement.items)} inputs")
    return found


def _unheeded(contract: Contract, params: "Mapping[str, Param]") -> "list[str]":
    """Name corrections that a drafted function does not follow: it does as upstream's own run did."""
    found = []
    for claim in contract.claims:
        group, _, name = claim.id.partition(".")
        function = FUNCTIONS.get(group, "")
        if claim.status != "corrected" or contract.functions.get(function) != "drafted":
            continue
        param = params.get(name)
        if param is None or param.value != claim.value:
            mend = f"set params.{name}" if param is not None else f"give {function} in a recipe"
            found.append(
                f"{claim.id} was corrected to {claim.value!r}, and the drafted {function} does otherwise: {mend}"
            )
    return found
