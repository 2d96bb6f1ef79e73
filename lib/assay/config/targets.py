"""`latency_ms.p50[batch=8,scope=model]: "<= 90"` -> a Target."""

import re

from assay.config.faults import shown
from assay.config.keys import PRECISIONS
from assay.config.scalars import choose, number
from assay.domain import Target
from assay.errors import WrongInput

TIMED = ("batch", "threads", "precision")
QUANTILES = ("p50", "p90", "p95", "p99", "min", "max")
SCOPES = ("end_to_end", "preprocess", "model", "postprocess")

# metric -> the configuration keys that it depends on
METRICS: dict[str, tuple[str, ...]] = {
    **{f"latency_ms.{quantile}": (*TIMED, "scope") for quantile in QUANTILES},
    "uncontended_ms": (*TIMED, "scope"),
    "throughput_per_s": TIMED,
    "peak_ram_mib": TIMED,
    "peak_vram_mib": TIMED,
    "cold_start_ms": TIMED,
    "map50": (),
    "precision": (),
    "recall": (),
    "accuracy": (),
}
LONGEST_KEY = 200
KEY = re.compile(r"(?P<metric>[^\[\]]*?)\s*(?:\[(?P<where>[^\[\]]*)\])?\Z")
LIMIT = re.compile(r"(?P<op><=|>=|<|>)\s*(?P<limit>\S+)\Z")
COUNT = re.compile(r"[1-9][0-9]{0,6}\Z")
VALUES = {
    "batch": (COUNT, "a batch size, as batch=8"),
    "threads": (re.compile(r"all\Z|" + COUNT.pattern), "a thread count or all, as threads=1"),
    "precision": (re.compile("(" + "|".join(PRECISIONS) + r")\Z"), "precision=" + ", precision=".join(PRECISIONS)),
    "scope": (re.compile("(" + "|".join(SCOPES) + r")\Z"), "scope=" + ", scope=".join(SCOPES)),
}


def read_target(key: str, limit: str) -> Target:
    """Read one target, or raise what is wrong with it."""
    metric, where = read_key(key)
    op, value = read_limit(limit, metric)
    return Target(key=key, metric=metric, where=where, op=op, limit=value)


def read_key(key: str) -> tuple[str, dict[str, str]]:
    """Split a target's key into metric and configuration."""
    match = KEY.match(key) if len(key) <= LONGEST_KEY else None
    if match is None:
        raise WrongInput("is no metric", mend="write metric or metric[batch=8,scope=model]")
    metric, inside = match["metric"], match["where"]
    if metric not in METRICS:
        raise WrongInput("unknown metric", mend=choose(metric, tuple(METRICS)))
    return metric, {} if inside is None else _read_where(metric, inside)


def _read_where(metric: str, inside: str) -> dict[str, str]:
    where: dict[str, str] = {}
    allowed = METRICS[metric]
    if not allowed:
        raise WrongInput(f"{metric} is measured once, not per configuration", mend=f"write {metric} without brackets")
    for part in inside.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in allowed:
            raise WrongInput(f"{shown(name)} does not configure {metric}", mend=choose(name, allowed))
        if name in where:
            raise WrongInput(f"{name} stands twice in the brackets", mend="keep one")
        pattern, right = VALUES[name]
        if not pattern.match(value):
            raise WrongInput(f"{shown(part.strip())} is no configuration", mend=f"write {right}")
        where[name] = value
    return where


def read_limit(text: str, metric: str) -> tuple[str, float]:
    """Split a limit into its sign and its number."""
    match = LIMIT.match(text.strip())
    if match is None:
        better = ">=" if metric in ("map50", "precision", "recall", "accuracy", "throughput_per_s") else "<="
        plain = text.strip() if re.fullmatch(r"[0-9.]{1,20}", text.strip()) else "20" if better == "<=" else "0.5"
        raise WrongInput(f"{shown(text)} is no limit", mend=f'write sign and number, as "{better} {plain}"')
    return match["op"], number(match["limit"])
