"""Verb rehearse: run a drafted adapter beside upstream's own watched run, and say where they differ."""

from __future__ import annotations

import traceback
from typing import Any, Callable, Dict, List, Optional, Tuple

from assay_worker import answers, answers_probe, infer, load, runner, tensors, witness
from assay_worker.faults import tagged

CLOSE = 1e-4  # relative, of the model's own outputs: another thread count adds up in another order
TRAINING = "upstream calls it in training mode, in which it answers otherwise"
SAME, DIFFERENT, FAILED, UNSEEN = "same", "different", "failed", "unseen"


def run(job: load.Job) -> Dict[str, Any]:
    """Rehearse each function over each watched run; a failure is an answer."""
    found = load.functions(job)
    model: Optional[runner.Runner] = None
    build: Dict[str, Any] = {"outcome": UNSEEN, "message": "", "where": ""}
    if job.request.get("builds", True):
        model, build = _attempt(job, lambda: runner.make(job, found))
    rows = [_one(job, found, model, one) for one in job.request["runs"]]
    findings = _decoding(job, found, rows) if job.request.get("probes") else []
    return {"build": build, "runs": [_shown_row(row) for row in rows], "findings": findings}


def _decoding(job: load.Job, found: Dict[str, Callable[..., Any]], rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Probe how the answers are decoded, from the last run that had one upstream bears out."""
    good = [r for r in rows if r.get("postprocess", {}).get("outcome") == SAME and r["postprocess"].get("seen")]
    if not good or "decoded" not in good[-1]:
        return []
    outputs, ctx = good[-1]["decoded"]
    facts = answers_probe.probe(found["postprocess"], outputs, ctx, job.params, seconds=3.0)
    return [dict(fact) for fact in facts]


def _shown_row(row: Dict[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in row.items() if key != "decoded"}


def _one(job: load.Job, found: Dict[str, Callable[..., Any]], model: Any, one: Dict[str, Any]) -> Dict[str, Any]:
    """Rehearse the functions over one run; where upstream calls the model again and again, the answer counts."""
    seen, _ = tensors.read(one["npz"]) if one.get("npz") else ({}, None)
    given = [seen[name] for name in one["inputs"]]
    seen_out = [seen[name] for name in one["outputs"]]
    row: Dict[str, Any] = {"file": one["file"]}
    ctx: Any = None
    prepared: Dict[str, Any] = {}
    if "preprocess" in found:
        made, row["preprocess"] = _attempt(job, lambda: infer.preparer(job, found)(one["file"]))
        if made is not None:
            prepared, ctx = made
            if not one.get("many"):
                row["preprocess"] = _compared(list(prepared.values()), given, 0.0, loose=bool(one.get("listed")))
    if not seen_out:
        return row
    names = list(prepared) if len(prepared) == len(given) or one.get("many") else one["names"]
    own = one.get("many") or (one.get("listed") and len(prepared) == len(given))  # a list has no type of its own
    into = prepared if own else dict(zip(names, given))
    outputs = _inferred(job, model, into, seen_out, one, row) if model is not None and into else {}
    if "postprocess" in found:
        by_name = outputs if one.get("many") else _observed(outputs, seen_out)
        decode = load.bound(found["postprocess"], job.params, fixed=2)
        made, row["postprocess"] = _attempt(job, lambda: [_plain(decode(by_name, ctx or {}))])
        if made is not None:
            row["postprocess"] = witness.judge(made[0], _shown(one["shown"], seen))._asdict()
            row["result"], row["decoded"] = made[0], (by_name, ctx or {})
    return row


def _inferred(
    job: load.Job, model: Any, into: Dict[str, Any], seen: List[Any], one: Dict[str, Any], row: Dict[str, Any]
) -> Dict[str, Any]:
    """Run the model on what reached it in upstream's run, and compare what it gives."""
    _keep(job, into)
    made, row["infer"] = _attempt(job, lambda: model.run(into))
    if made is None or one.get("many"):
        return made or {}
    row["infer"] = _compared(list(made.values()), seen, CLOSE)
    if one.get("training") and row["infer"]["outcome"] == DIFFERENT:
        row["infer"] = dict(row["infer"], outcome=UNSEEN, message=TRAINING)
    row["outputs"] = tensors.all_facts(made)
    return dict(made)


def _keep(job: load.Job, example: Dict[str, Any]) -> None:
    """Leave what reached the model, in the order in which it is handed over, for the probe that follows."""
    import numpy

    numpy.savez(job.path("raw", "example.npz"), **example)


def _observed(outputs: Dict[str, Any], answers: List[Any]) -> Dict[str, Any]:
    """Give upstream's own outputs under the names that the harness gives them."""
    if outputs and len(outputs) == len(answers):
        return {name: answer.reshape(outputs[name].shape) for name, answer in zip(outputs, answers)}
    names = ["output"] + [f"output{i}" for i in range(1, len(answers))]
    return outputs or dict(zip(names, answers))


def _attempt(job: load.Job, act: Callable[[], Any]) -> Tuple[Any, Dict[str, Any]]:
    try:
        return act(), {"outcome": SAME, "message": "", "where": ""}
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        said = tagged(error, job.places())
        return None, {"outcome": FAILED, "message": said["message"][:500], "where": said["where"], "kind": said["kind"]}


def _compared(made: List[Any], seen: List[Any], close: float, *, loose: bool = False) -> Dict[str, Any]:
    """Compare tensors one by one: number, shape, values, and their type unless upstream gave lists of numbers."""
    import numpy

    if len(made) != len(seen):
        return _differs(f"{len(made)} tensors, upstream has {len(seen)}")
    worst = 0.0
    for a, b in zip(made, seen):
        if a.shape != b.shape or (a.dtype != b.dtype and not loose):
            return _differs(f"{a.dtype} {list(a.shape)}, upstream has {b.dtype} {list(b.shape)}")
        if a.size and a.dtype.kind in "biufc":
            with numpy.errstate(all="ignore"):
                gap = numpy.abs(a.astype("float64") - b.astype("float64"))
                scale = max(1.0, float(numpy.nanmax(numpy.abs(b.astype("float64")))))
            if (numpy.isnan(a.astype("float64")) != numpy.isnan(b.astype("float64"))).any():
                return _differs("not a number at other places than upstream's")
            worst = max(worst, float(numpy.nanmax(gap)) / scale if not numpy.isnan(gap).all() else 0.0)
        elif not numpy.array_equal(a, b):
            return _differs("other values than upstream's")
    if worst > close:
        return _differs(f"the largest difference is {worst:.3g} of upstream's largest value")
    return {"outcome": SAME, "message": "", "where": "", "difference": worst}


def _differs(message: str) -> Dict[str, Any]:
    return {"outcome": DIFFERENT, "message": message, "where": ""}


def _plain(value: Any) -> Any:
    """Turn an answer into JSON; a picture or sound in it becomes what can be compared of one."""
    if answers.is_picture(value):
        return answers.told(value)
    if answers.is_sound(value):
        value = answers.told_sound(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return tensors.plain(value, "the result")


def _shown(shown: List[Any], seen: Dict[str, Any]) -> List[Any]:
    """Resolve what upstream gave out: tensors by their numbers, pictures by what can be compared of one."""
    return [_resolved(value, seen) for value in shown]


def _resolved(value: Any, seen: Dict[str, Any]) -> Any:
    if isinstance(value, dict) and "lib" in value and isinstance(value.get("tensor", 0), (str, type(None))):
        array = seen.get(value["tensor"] or "")
        if array is None:
            return None
        return answers.told(array) if answers.is_picture(array) else array
    if isinstance(value, dict):
        return {k: _resolved(v, seen) for k, v in value.items()}
    return [_resolved(v, seen) for v in value] if isinstance(value, list) else value
