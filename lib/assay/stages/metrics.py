"""Stage metrics: quality against the labels, targets against what was measured, the verdict."""

from assay import quality
from assay.records import Metrics
from assay.report.doubts import doubts
from assay.report.verdict import judge, verdict
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/metrics.json."""
    contract, stats, predictions, inputs = (job.record(n) for n in ("contract", "stats", "predictions", "inputs"))
    results = {p.id: p.result for p in predictions.items}
    params = job.record("params").params
    threshold = params.get("score_threshold")
    found = quality.measure(contract.task, results, inputs.labels, threshold=threshold.value if threshold else None)
    judged = judge(job.experiment.targets, stats, found)
    match = job.record("match")
    statuses = {"match": match.status, "infer": predictions.status, "measure": stats.status}
    held = doubts(match, job.record("agreement"), contract, params)
    word, because = verdict(judged, contract, statuses, inputs, held)
    job.write("metrics", Metrics(metrics=found, targets=judged, verdict=word, because=because))
