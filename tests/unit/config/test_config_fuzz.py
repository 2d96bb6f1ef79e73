"""Any values under the real keys: read, or refused with a line and a cure, never anything else."""

import json
import pathlib
import tempfile

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import domain
from assay.config.keys import GROUPS, KEYS
from assay.config.schema import json_schema
from assay.config.spec import read_experiment
from assay.errors import WrongInputs

WORDS = ["auto", "all", "fp32", "refs", "cpu", "<= 1", "a.onnx", "../x", "https://example.org/a", "true", "is", "by"]
scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.sampled_from(WORDS), st.text(max_size=8))
inner = st.sampled_from(["is", "by", "confirm", "unknown", "date", "map50", "latency_ms.p50[batch=1]", "pre.color", "a"])
anything = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(inner, below, max_size=3), max_leaves=6
)
names = st.sampled_from(sorted({part for key in KEYS for part in key.path.split(".")} | {"x"}))
groups = st.dictionaries(names, anything, max_size=4)
files = st.fixed_dictionaries(
    {"model": st.fixed_dictionaries({"checkpoint": st.just("a.onnx"), "name": st.just("x")}, optional={"task": scalars})},
    optional={
        **{group: groups for group in GROUPS if group != "model"},
        **{k.path: anything for k in KEYS if "." not in k.path},
    },
)
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(files)
def test_any_values_under_the_real_keys(tree: "dict[str, object]") -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "experiments").mkdir()
        text = json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace")
        (root / "experiments" / "x.yaml").write_bytes(text)
        try:
            found = read_experiment(root, "x")
        except WrongInputs as fault:
            assert all(": " in line and "; " in line for line in str(fault).splitlines())
            return
    json.dumps(domain.values(found), allow_nan=False)
    VALIDATOR.validate(tree)
