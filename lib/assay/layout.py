"""Every path of an experiment's workspace, spelled here and nowhere else."""

FOLDERS = {
    "refs": "upstream's code, copied or fetched by the refs stage; read here, edited where it came from",
    "scripts": "exactly what ran: the worker, the adapter, one request per step, and reproduce.sh",
    "inputs": "what the model was run on, with their digests in outputs/inputs.json",
    "raw": "the model's answers before decoding, one .npz per input",
    "outputs": "one JSON record per stage; every reported number stands in one of them",
    "pictures": "decoded answers drawn on their inputs",
    "sounds": "decoded answers that are sounds, of 16 bits, to listen to",
    "logs": "what each stage's worker printed",
    "reports": "the two reports, written from outputs/ alone",
}
JOURNAL = "journal.jsonl"
DEPS_LOCK = "deps.lock"
ADAPTER = "scripts/adapter.py"
WORKER = "scripts/worker"
EXPERIMENT_REPORT = "reports/experiment-report.md"
STAKEHOLDER_REPORT = "reports/stakeholder-report.md"


def record(name: str) -> str:
    """Name a record's file."""
    return f"outputs/{name}.json"


def workspace_of(closing: str) -> str:
    """Name the workspace of which a run's closing line tells, by the place of its last report."""
    return closing.rpartition("\n  ")[2].removesuffix(f"/{STAKEHOLDER_REPORT}")
