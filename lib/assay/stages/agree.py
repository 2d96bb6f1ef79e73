"""Stage agree: real inputs through the adapter and through upstream's own entrypoint: the same tensors and answers?"""

from typing import Any

from assay import layout
from assay.observation import watching
from assay.records import Agreed, Agreement, Intervention, Status
from assay.stages.job import Job

MOST = 4  # inputs that upstream's entrypoint is run on


def run(job: Job) -> None:
    """Write outputs/agreement.json."""
    status, observation = job.blocked(), job.record("probe").observation
    if status is not None:
        job.write("agreement", Agreement(status=status))
        return
    if observation is None or observation.status != "seen":
        reason = observation.reason if observation else "upstream's own entrypoint was not run"
        job.write("agreement", Agreement(status=Status(reason=f"not compared: {reason}")))
        return
    items = [item for item in job.items() if not item["file"].endswith(".npz")][:MOST]
    if not items:
        job.write("agreement", Agreement(status=Status(reason="not compared: there are no real inputs")))
        return
    answer = watching.watch_again(job, observation, [item["file"] for item in items])
    if answer is None:
        job.write("agreement", Agreement(status=Status(reason="not compared: the entrypoint is not what was probed")))
        return
    contract = job.record("contract")
    functions = [name for name, by in contract.functions.items() if by not in ("default", "none")]
    params = {name: p.value for name, p in job.record("params").params.items()}
    many = observation.draft is not None and observation.draft.many and contract.functions["infer"] == "drafted"
    rehearsed: dict[str, Any] = {"many": many, "functions": functions, "params": params}
    roots = job.model_request()["source_roots"]
    rows = watching.rehearse(job, layout.ADAPTER, answer, roots, **rehearsed)["runs"]
    job.write(
        "agreement",
        Agreement(
            status=Status(),
            entry=observation.attempts[-1].entry,
            argv=observation.attempts[-1].argv,
            items=[_agreed(item["id"], row) for item, row in zip(items, rows)],
            interventions=[Intervention(**one) for one in answer["interventions"]],
        ),
    )


def _agreed(id: str, row: "dict[str, Any]") -> Agreed:
    said = {name: row.get(name, {}) for name in ("preprocess", "infer", "postprocess")}
    outcomes = [part.get("outcome", "not compared") for part in said.values()]
    messages = [part.get("message") or ", ".join(part.get("unseen", ())) for part in said.values()]
    gap = max((part["difference"] for part in said.values() if part.get("difference") is not None), default=None)
    tensors, outputs, answer = outcomes
    return Agreed(id=id, tensors=tensors, outputs=outputs, answer=answer, difference=gap,
                  message="; ".join(filter(None, [*messages, row.get("message", "")])))  # fmt: skip
