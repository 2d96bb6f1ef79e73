"""Stage measure: latency, throughput and memory, one fresh process a configuration, alone on the machine."""

from itertools import product
from typing import Any

import msgspec

from assay import hardware, statistics
from assay.canonical import dumps
from assay.records import Hardware, Stats
from assay.stages.job import Job


def run(job: Job) -> None:
    """Write outputs/stats.json and outputs/samples.json."""
    status = job.blocked()
    if status is not None:
        _write(
            job,
            Stats(status=status, hardware=None, configurations=[], noise=None, method=statistics.METHOD, samples=""),
            {},
        )
        return
    spec, machine = job.experiment.measure, hardware.facts()
    configurations, answers = [], {}
    for batch, threads, precision in product(spec.batch, spec.threads, spec.precision):
        count = machine["cores"] if threads == "all" else int(threads)
        name = statistics.configuration_id(batch, count, precision)
        answer = answers[name] = _answer(job, name, batch, count, precision)
        configurations.append(statistics.summarise(answer, batch=batch, threads=count, precision=precision))
    stats = statistics.stats(configurations, list(answers.values()), msgspec.convert(machine, Hardware))
    _write(job, stats, statistics.samples(answers))


def _answer(job: Job, name: str, batch: int, threads: int, precision: str) -> Any:
    if precision != "fp32":
        return {"blocked": f"{precision} is not offered for this format yet"}
    how: dict[str, Any] = {
        "threads": threads,
        "batch": batch,
        "precision": precision,
        "seconds": job.experiment.measure.seconds,
    }
    return job.ask("measure", suffix=f"-{name}", **job.model_request(), items=job.items(), **how)


def _write(job: Job, stats: Stats, series: dict[str, Any]) -> None:
    job.write("stats", stats)
    job.out("outputs/samples.json").write_text(dumps(series or {"schema": 1, "configurations": {}}), "utf-8")
