"""The shape of every outputs/*.json; a record is read and written only through here."""

from typing import Any

import msgspec

from assay.records.base import SCHEMA, Measured, Part, Quantity, Record, Skipped, Status
from assay.records.checkpoint import (
    Checkpoint,
    CheckpointFile,
    Document,
    Format,
    Graph,
    Hint,
    Named,
    Tensor,
    Total,
    Values,
    Weight,
)
from assay.records.claim import Claim, Evidence, Question
from assay.records.contract import Axis, Contract, Observed, Param, Params, Probe, Range
from assay.records.environment import Environment, Package, Rung
from assay.records.match import Match, MatchArgument, Matched, MatchTried, MatchValue
from assay.records.measuring import (
    Cold,
    Configuration,
    Hardware,
    Judged,
    Latency,
    Memory,
    Metric,
    Metrics,
    Noise,
    Stats,
)
from assay.records.observing import (
    Agreed,
    Agreement,
    Argument,
    Attempt,
    Draft,
    Finding,
    Intervention,
    ModelCall,
    Observation,
    Rehearsal,
    Watched,
)
from assay.records.running import (
    ArrayFacts,
    Artifact,
    Artifacts,
    Infer,
    InputItem,
    Inputs,
    Prediction,
    Predictions,
    RawItem,
    Runtime,
)
from assay.records.upstream import (
    Call,
    Candidate,
    CandidateParameter,
    Command,
    Entrypoint,
    Fact,
    Import,
    Labels,
    License,
    Module,
    Option,
    Refs,
    Requirement,
    Script,
    Snippet,
    Source,
    SourceFile,
    SourceTree,
    Use,
    Value,
)

RECORDS = {
    "checkpoint": Checkpoint,
    "refs": Refs,
    "source": Source,
    "environment": Environment,
    "match": Match,
    "probe": Probe,
    "contract": Contract,
    "params": Params,
    "inputs": Inputs,
    "infer": Infer,
    "predictions": Predictions,
    "artifacts": Artifacts,
    "stats": Stats,
    "metrics": Metrics,
    "agreement": Agreement,
}


def to_json(record: Record) -> Any:
    """Turn a record into plain JSON values."""
    return msgspec.to_builtins(record)


def from_json(name: str, value: Any) -> Any:
    """Read a record; refuse another schema version by name."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"schema {schema}, this version reads schema {SCHEMA}")
    return msgspec.convert(value, RECORDS[name])


def json_schema() -> dict[str, Any]:
    """Write down the shape of every record as one JSON Schema."""
    _, components = msgspec.json.schema_components(RECORDS.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "assay records",
        "$defs": components,
        "properties": {name: {"$ref": f"#/$defs/{kind.__name__}"} for name, kind in RECORDS.items()},
    }


__all__ = [
    "RECORDS",
    "SCHEMA",
    "Agreed",
    "Agreement",
    "Argument",
    "ArrayFacts",
    "Artifact",
    "Artifacts",
    "Attempt",
    "Axis",
    "Call",
    "Candidate",
    "CandidateParameter",
    "Checkpoint",
    "CheckpointFile",
    "Claim",
    "Cold",
    "Command",
    "Configuration",
    "Contract",
    "Document",
    "Draft",
    "Entrypoint",
    "Environment",
    "Evidence",
    "Fact",
    "Finding",
    "Format",
    "Graph",
    "Hardware",
    "Hint",
    "Import",
    "Infer",
    "InputItem",
    "Inputs",
    "Intervention",
    "Judged",
    "Labels",
    "Latency",
    "License",
    "Match",
    "MatchArgument",
    "MatchTried",
    "MatchValue",
    "Matched",
    "Measured",
    "Memory",
    "Metric",
    "Metrics",
    "ModelCall",
    "Module",
    "Named",
    "Noise",
    "Observation",
    "Observed",
    "Option",
    "Package",
    "Param",
    "Params",
    "Part",
    "Prediction",
    "Predictions",
    "Probe",
    "Quantity",
    "Question",
    "Range",
    "RawItem",
    "Record",
    "Refs",
    "Rehearsal",
    "Requirement",
    "Rung",
    "Runtime",
    "Script",
    "Skipped",
    "Snippet",
    "Source",
    "SourceFile",
    "SourceTree",
    "Stats",
    "Status",
    "Tensor",
    "Total",
    "Use",
    "Value",
    "Values",
    "Watched",
    "Weight",
    "from_json",
    "json_schema",
    "to_json",
]
