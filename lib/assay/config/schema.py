"""The table of keys -> a JSON Schema, so that editors complete and check what assay will read."""

from typing import Any

from assay.config.claims import ABOUT, CLAIM
from assay.config.keys import GROUPS, KEYS, Key
from assay.config.scalars import DEVICE, WORD
from assay.config.targets import METRICS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# An editor's YAML types a text by its looks (rev: 0123456 is a number to it), so a text may come as any scalar.
SCALAR = ["string", "number", "boolean", "null"]
LIMIT = r"^\s*(<=|>=|<|>)\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
COUNT = "^(0|[1-9][0-9]*)$"
IN_BRACKETS = r"(\s*\[[^\[\]]+\])?"


def json_schema() -> dict[str, Any]:
    """Describe an experiment file as JSON Schema, draft 2020-12."""
    properties: dict[str, Any] = {}
    for key in KEYS:
        group, _, name = key.path.rpartition(".")
        _below(properties, group)[name] = _key(key)
    return {
        "$schema": DIALECT,
        "title": "assay experiment",
        "description": "experiments/<name>.yaml: one model checkpoint, what is known about it, what is asked of it.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _below(properties: dict[str, Any], group: str) -> dict[str, Any]:
    """Give the properties of a group, which may lie in another one."""
    if not group:
        return properties
    above, _, name = group.rpartition(".")
    inner: dict[str, Any] = _below(properties, above).setdefault(name, _object(GROUPS[group]))["properties"]
    return inner


def _object(doc: str) -> dict[str, Any]:
    return {"description": doc, "type": ["object", "null"], "properties": {}, "additionalProperties": False}


def _key(key: Key) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": key.doc, "examples": [key.example]}
    if key.default not in (None, {}):
        schema["default"] = list(key.default) if isinstance(key.default, tuple) else key.default
    if key.shape == "map":
        return {**schema, **_map(key)}
    if key.shape == "list":
        one = _one(key)
        return {**schema, "anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    return {**schema, **_one(key)}


def _one(key: Key) -> dict[str, Any]:
    return ONE.get(key.kind, _scalar)(key)


def _scalar(key: Key) -> dict[str, Any]:
    return {"type": SCALAR}


def _range(key: Key) -> dict[str, Any]:
    limits = {"minimum": key.minimum, "maximum": key.maximum}
    return {name: value for name, value in limits.items() if value is not None}


def _int(key: Key) -> dict[str, Any]:
    return {"type": ["integer", "string", "null"], "pattern": COUNT, **_range(key)}


def _number(key: Key) -> dict[str, Any]:
    return {"type": ["number", "string", "null"], "pattern": r"^[0-9.eE+-]+$", **_range(key)}


def _threads(key: Key) -> dict[str, Any]:
    return {"anyOf": [{"enum": ["all"]}, _int(key)]}


def _bool(key: Key) -> dict[str, Any]:
    return {"type": ["boolean", "null"]}


def _enum(key: Key) -> dict[str, Any]:
    return {"enum": [*key.choices, None]}


def _device(key: Key) -> dict[str, Any]:
    return {"type": ["string", "null"], "pattern": _anchored(DEVICE.pattern)}


def _word(key: Key) -> dict[str, Any]:
    return {"type": SCALAR, "pattern": _anchored(WORD.pattern)}


def _https(key: Key) -> dict[str, Any]:
    return {"type": ["string", "null"], "pattern": "^https://[^@?#\\s]+$"}


def _path(key: Key) -> dict[str, Any]:
    return {"type": SCALAR, "not": {"type": "string", "pattern": r"://|^-"}}


def _checkpoint(key: Key) -> dict[str, Any]:
    return {"type": SCALAR, "not": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*://"}}


ONE = {
    "int": _int,
    "number": _number,
    "threads": _threads,
    "bool": _bool,
    "enum": _enum,
    "device": _device,
    "word": _word,
    "url": _https,
    "inside": _path,
    "workspace": _path,
    "checkpoint": _checkpoint,
}


def _anchored(pattern: str) -> str:
    """Turn a Python pattern with \\Z into a schema's."""
    return "^(" + pattern.replace(r"\Z", "") + ")$"


def _map(key: Key) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": False, "patternProperties": MAPS[key.kind](key)}


def _params(key: Key) -> dict[str, Any]:
    return {"^[^\\W0-9]\\w*$": {"type": [*SCALAR, "array"]}}


def _claims(key: Key) -> dict[str, Any]:
    value = {"type": [*SCALAR, "array"]}
    said = {"is": value, "confirm": value, "unknown": {"enum": [True, None]}}
    about = {name: {"type": SCALAR} for name in ABOUT}
    one = {"properties": {**said, **about}, "required": ["by"], "additionalProperties": False}
    return {_anchored(CLAIM.pattern): {"type": ["object", "null"], **one}}


def _targets(key: Key) -> dict[str, Any]:
    limit = {"type": ["string", "null"], "pattern": LIMIT}
    return {f"^{metric.replace('.', '[.]')}{IN_BRACKETS if where else ''}$": limit for metric, where in METRICS.items()}


def _texts(key: Key) -> dict[str, Any]:
    return {_anchored(WORD.pattern): _one(key)}


MAPS = {"param": _params, "claim": _claims, "target": _targets, "text": _texts, "project": _texts}
