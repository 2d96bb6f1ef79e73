"""A script that works on data of its own: what its two runs show, though no input of ours went in."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from assay.drafts.seen import leaves
from assay.records import Finding, Labels

OTHER = "other"  # something else than what has a word here
Run = Mapping[str, Any]


def findings(runs: "Sequence[Run]", labels: "Sequence[Labels]", tree: str) -> "list[Finding]":
    """Tell what upstream gives its model, what it does with the answer, and whether it comes out the same twice."""
    calls = _calls(runs[0]) if runs else []
    given = [next(leaves([c["args"], c["kwargs"]]), None) for c in calls]
    if not given or None in given:
        return []
    found = [*_given(given), *_names(runs[0], calls[0], labels, tree)]
    steps = list(dict.fromkeys(e["how"] for e in runs[0]["events"] if e["is"] == "step"))
    found += _activation(steps)
    if _fed_back(calls):
        reason = "what the model answers beside its output is given back to it at the next call"
        found.append(Finding(id="io.stateful", value=True, tries=len(calls), identified=True, reason=reason))
    if "sample" in steps and len(runs) > 1 and _shown(runs[0]) != _shown(runs[1]):
        reason = "upstream draws at random from the answer, and two runs of it showed different things"
        found.append(Finding(id="io.deterministic", value=False, tries=2, identified=True, reason=reason))
    return found


def _activation(steps: "Sequence[str]") -> "list[Finding]":
    """Name what upstream's own lines do with the answer, in order; "none" only where all of it was plain arithmetic."""
    known = [word for word in steps if word != OTHER]
    if not known and steps:
        return []
    reason = "in this order, of what upstream's own lines do with the model's answer"
    reason = reason if known else "upstream's own lines do nothing with the answer but arithmetic and reshaping"
    return [Finding(id="post.activation", value=", ".join(known) or "none", tries=1, identified=True, reason=reason)]


def ran(answer: Mapping[str, Any]) -> bool:
    """Tell whether a run called the checkpoint's model with tensors, and failed at nothing."""
    runs = answer["runs"]
    return bool(runs) and runs[0]["outcome"] in ("ok", "hung") and any(_holds_tensor(call) for call in _calls(runs[0]))


def _holds_tensor(call: Mapping[str, Any]) -> bool:
    return next(leaves([call["args"], call["kwargs"]]), None) is not None


def _calls(run: Run) -> "list[Mapping[str, Any]]":
    return [e for e in run["events"] if e["is"] == "call" and e.get("main") and "within" not in e]


def _given(tensors: "Sequence[Any]") -> "Iterator[Finding]":
    """Tell type and size of the first tensor, where it is the same at each call."""
    reason = (
        f"of upstream's own data, at each of {len(tensors)} calls" if len(tensors) > 1 else "of upstream's own data"
    )
    types, shapes = {t["dtype"] for t in tensors}, {tuple(t["shape"]) for t in tensors}
    if len(types) == 1:
        yield Finding(id="pre.dtype", value=types.pop(), tries=len(tensors), identified=True, reason=reason)
    shape = shapes.pop() if len(shapes) == 1 else ()
    if len(shape) > 1:
        size = list(shape[2:] or shape[1:])
        yield Finding(id="pre.size", value=size, tries=len(tensors), identified=True, reason=reason)


def _names(run: Run, call: "Mapping[str, Any]", labels: "Sequence[Labels]", tree: str) -> "Iterator[Finding]":
    """Name what the answer chooses from: a list of names that the run read, as long as the answer's last axis."""
    answer = next(leaves(call["outputs"]), None)
    count = answer["shape"][-1] if answer and answer["shape"] else 0
    read = {str(e["path"]).replace("@tree/", f"{tree}/", 1) for e in run["events"] if e["is"] == "read"}
    fitting = [one for one in labels if one.count == count and one.where.rpartition(":")[0] in read]
    if len({tuple(one.names) for one in fitting}) == 1:
        reason = f"{fitting[0].where} is read by the run, and has as many as the answer's last axis"
        for name, value in (("labels.names", fitting[0].names), ("labels.count", count)):
            yield Finding(id=name, value=value, tries=1, identified=True, reason=reason)


def _fed_back(calls: "Sequence[Mapping[str, Any]]") -> bool:
    """Tell whether each answer's further tensors go in again at the next call, beside the first one."""
    pairs = [(_numbers(a["outputs"]), _numbers([b["args"], b["kwargs"]])) for a, b in pairwise(calls)]
    return bool(pairs) and all(set(out[1:]) & set(given[1:]) for out, given in pairs)


def _numbers(value: Any) -> "list[Any]":
    """Name the tensors in a value; tensors of the same numbers have one name."""
    return [one["tensor"] for one in leaves(value) if one["tensor"]]


def _shown(run: Run) -> "list[Any]":
    return [[e["how"], e["args"]] for e in run["events"] if e["is"] == "sink"]
