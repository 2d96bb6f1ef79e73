"""A script that works on data of its own: what its two runs show, though no input of ours went in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.drafts.seen import leaves, mentions
from assay.records import Finding, Labels

OTHER = "other"  # something else than what has a word here
CHOICES = ("argmax", "sample")
CHANNELS = (1, 2, 3, 4)
Run = Mapping[str, Any]


def findings(runs: "Sequence[Run]", labels: "Sequence[Labels]", tree: str) -> "list[Finding]":
    """Tell what upstream gives its model, what it does with the answer, and whether it comes out the same twice."""
    calls = _calls(runs[0]) if runs and runs[0]["outcome"] == "ok" else []
    given = [next(leaves([c["args"], c["kwargs"]]), None) for c in calls]
    if not given or None in given:
        return []
    found = [*_given(given), *_names(runs[0], calls[0], labels, tree), *_activation(runs[0], calls)]
    if _fed_back(calls):
        reason = "what the model answers beside its output is given back to it at the next call"
        found.append(Finding(id="io.stateful", value=True, tries=len(calls), identified=True, reason=reason))
    drawn = any(step["how"] == "sample" for step in _steps(runs[0]))
    return found + (_chance(runs) if drawn else [])


def _chance(runs: "Sequence[Run]") -> "list[Finding]":
    """Say that chance decides, where two runs drew and showed different things; nothing where they drew the same."""
    ended = len(runs) > 1 and runs[1]["outcome"] == "ok"
    if ended and _steps(runs[1]) and not _drew_others(*runs[:2]):
        return []
    if ended and _drew_others(*runs[:2]) and _shown(runs[0]) != _shown(runs[1]):
        reason = "upstream draws at random from the answer, and two runs of it showed different things"
        return [Finding(id="io.deterministic", value=False, tries=2, identified=True, reason=reason)]
    reason = "upstream draws from the answer, and its two runs do not tell whether at random"
    return [Finding(id="io.deterministic", value=None, tries=2, reason=reason)]


def _libraries(calls: "Sequence[Mapping[str, Any]]") -> "set[str]":
    return {tensor["lib"] for tensor in leaves([call["outputs"] for call in calls])}


def _all_heard(run: Run, calls: "Sequence[Mapping[str, Any]]") -> bool:
    """Tell whether all that is done with the answer was heard: tensors, and nothing else beside them."""
    whole = _libraries(calls) == {"torch"} and not mentions([call["outputs"] for call in calls], "opaque")
    return whole and (bool(_steps(run)) or not any(kind.startswith("step:") for kind in run["counts"]))


def _activation(run: Run, calls: "Sequence[Mapping[str, Any]]") -> "Iterator[Finding]":
    """Name what upstream's own lines do with the answer, in order; "none" only where all of it was plain arithmetic."""
    if not run["counts"].get("hearing") or "torch" not in _libraries(calls):
        return
    steps = list(dict.fromkeys(e["how"] for e in _steps(run)))
    known = [word for word in steps if word != OTHER]
    if not known and (steps or not _all_heard(run, calls)):
        return
    reason = "in this order, of what upstream's own lines do with the model's answer"
    reason += ", beside other functions" if OTHER in steps else ""
    reason = reason if known else "upstream's own lines do nothing with the answer but arithmetic and reshaping"
    yield Finding(id="post.activation", value=", ".join(known) or "none", tries=1, identified=True, reason=reason)


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
    size = _size(list(shapes.pop())) if len(shapes) == 1 else []
    telling = len(tensors) > 1 or (any(length > 1 for length in size) and "int" not in str(tensors[0]["dtype"]))
    if size and telling:  # one sentence tells nothing of others
        yield Finding(id="pre.size", value=size, tries=len(tensors), identified=True, reason=reason)


def _size(shape: "list[int]") -> "list[int]":
    """Give what a shape has beside samples and channels, empty where these cannot be told."""
    if len(shape) == 4 and shape[1] not in CHANNELS and shape[3] in CHANNELS:
        return shape[1:3]
    if len(shape) == 3 and shape[1] not in CHANNELS:  # a picture of its own, or steps in time
        return []
    return shape[2:] or shape[1:]


def _names(run: Run, call: "Mapping[str, Any]", labels: "Sequence[Labels]", tree: str) -> "Iterator[Finding]":
    """Name what is chosen by the answer: a table by number that the run read, as long as the answer's last axis."""
    answer = next(leaves(call["outputs"]), None)
    count = answer["shape"][-1] if answer and answer["shape"] else 0
    read = {str(e["path"]).replace("@tree/", f"{tree}/", 1) for e in run["events"] if e["is"] == "read"}
    chosen = any(step["how"] in CHOICES for step in _steps(run))  # else a list of that length may be of anything
    whole = [one for one in labels if one.keyed and one.count == count and not one.first] if chosen else []
    fitting = [one for one in whole if one.where.rpartition(":")[0] in read]
    if len({tuple(one.names) for one in fitting}) == 1:
        reason = f"{fitting[0].where} is read by the run, and has as many as the answer's last axis"
        for name, value in (("labels.names", fitting[0].names), ("labels.count", count)):
            yield Finding(id=name, value=value, tries=1, identified=True, reason=reason)


def _fed_back(calls: "Sequence[Mapping[str, Any]]") -> bool:
    """Tell whether each answer's further tensors go in again at the next call, beside the first one.

    What a call only hands on, as it was given it, is no state.
    """
    given = [_numbers([call["args"], call["kwargs"]]) for call in calls]
    made = [set(_numbers(call["outputs"])[1:]) - set(before) for call, before in zip(calls, given)]
    return len(calls) > 1 and all(out & set(after[1:]) for out, after in zip(made, given[1:]))


def _numbers(value: Any) -> "list[Any]":
    """Name the tensors in a value; tensors of the same numbers have one name."""
    return [one["tensor"] for one in leaves(value) if one["tensor"]]


def _steps(run: Run) -> "list[Mapping[str, Any]]":
    return [e for e in run["events"] if e["is"] == "step"]


def _drew_others(one: Run, other: Run) -> bool:
    """Tell whether two runs drew different things from the answer, as far as both went."""
    drawn = [[e["drawn"] for e in _steps(run) if "drawn" in e] for run in (one, other)]
    return any(a != b for a, b in zip(*drawn))


def _shown(run: Run) -> "list[Any]":
    return [[e["how"], e["args"]] for e in run["events"] if e["is"] == "sink"]
