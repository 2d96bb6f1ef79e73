"""The JSON Schema and the reference say what the reader does."""

import pathlib
from typing import Any

import jsonschema
import pytest
import yaml

from assay.config.docs import write_docs, written
from assay.config.keys import GROUPS, KEYS, RESERVED
from assay.config.newfile import quoted, template
from assay.config.reference import reference
from assay.config.schema import json_schema
from assay.config.spec import experiment_names, read_experiment
from assay.config.targets import METRICS
from assay.config.yamlfile import Map, parse
from assay.errors import WrongInput, WrongInputs

ROOT = pathlib.Path(__file__).parents[3]
MINIMAL = "model: {checkpoint: a.onnx, name: x}\n"
GOOD = (
    "model: {checkpoint: 12, name: 3, task: 1.5, claimed: {version: 1.10, date: 2026-11-20}}",
    MINIMAL + "source: {repo: https://example.org/a.git, rev: 0123456}",
    MINIMAL + "inputs: {count: '8', find: synthetic}\nmeasure: {batch: 1, threads: [all], seconds: 0.5}\nmodel2: ~",
    MINIMAL + "targets: {'latency_ms.p50[batch=1]': '<= 1', map50: '>=0.5'}\nparams: {a: [1, [2]]}",
    MINIMAL + "contract: {pre.color: {is: [1], by: ada, date: 2026-11-20}, a: {unknown: true, by: 1}}",
    MINIMAL + "train:\nmeasure:\nrecipe: null\ndevice: cuda:0",
)
BAD = (
    MINIMAL + "zzz: 1",
    MINIMAL + "measure: {warmpu: 1}",
    MINIMAL + "inputs: {count: -1}",
    MINIMAL + "inputs: {count: some}",
    MINIMAL + "inputs: {find: [everywhere]}",
    MINIMAL + "device: gpu",
    MINIMAL + "train: maybe",
    MINIMAL + "targets: {latency: '<= 1'}",
    MINIMAL + "targets: {map50: 5}",
    MINIMAL + "targets: {'map50[batch=1]': '>= 0.5'}",
    MINIMAL + "params: {'a b': 1}",
    MINIMAL + "contract: {pre.color: {is: 1}}",
    MINIMAL + "source: {repo: http://example.org/a.git}",
    "model: {checkpoint: https://example.org/a.pt, name: x}",
    "model: {checkpoint: [1], name: x}",
)


def accepted(root: pathlib.Path, text: str) -> bool:
    (root / "experiments").mkdir(exist_ok=True)
    (root / "experiments" / "x.yaml").write_text(text)
    try:
        read_experiment(root, "x")
    except WrongInputs:
        return False
    return True


def as_editors_see(text: str) -> Any:
    """Load YAML as an editor does: typed, dates left as text."""
    return yaml.load(text.replace("2026-11-20", "'2026-11-20'"), Loader=yaml.SafeLoader)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("text", [text.removesuffix("\nmodel2: ~") for text in GOOD])
def test_what_is_read_is_valid(tmp_path: pathlib.Path, text: str) -> None:
    assert accepted(tmp_path, text)
    jsonschema.Draft202012Validator(json_schema()).validate(as_editors_see(text))


@pytest.mark.parametrize("text", BAD)
def test_what_is_refused_is_invalid(tmp_path: pathlib.Path, text: str) -> None:
    assert not accepted(tmp_path, text)
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(as_editors_see(text))


def test_every_example_and_default_is_valid(tmp_path: pathlib.Path) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for key in KEYS:
        group, _, name = key.path.rpartition(".")
        extra = "\nmeasure: {batch: [1, 8]}" if key.path == "targets" else ""
        recipe = "\nrecipe: ~" if key.path != "recipe" else ""
        repo = ", repo: https://example.org/a.git" if key.path == "source.rev" else ""
        own = f"{name}: {key.example}{repo}"
        for above in reversed(group.split(".") if group else []):
            own = f"{above}: {{{own}}}"
        if group == "model":
            rest = {"checkpoint": "name: x", "name": "checkpoint: a"}.get(name, "name: x, checkpoint: a")
            own = f"model: {{{name}: {key.example}, {rest}}}"
            text = own
        else:
            text = MINIMAL + own + extra + recipe
        (tmp_path / "recipes" / "yolo").mkdir(parents=True, exist_ok=True)
        (tmp_path / "recipes" / "yolo" / "adapter.py").touch()
        assert accepted(tmp_path, text), text
        validator.validate(as_editors_see(text))


def test_every_key_is_in_the_reference() -> None:
    text = reference()
    for key in KEYS:
        assert f"# {key.path}\n" in text
        assert key.doc in text
    for word in (*GROUPS.values(), *RESERVED, *METRICS):
        assert word in text


def test_the_committed_documents_are_current() -> None:
    for name, text in written().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, "run python -m assay.config.docs ."


def test_the_experiments_of_this_repository_are_valid() -> None:
    for name in experiment_names(ROOT):
        assert read_experiment(ROOT, name).name == name
        text = (ROOT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
        jsonschema.Draft202012Validator(json_schema()).validate(as_editors_see(text))


def test_write_docs(tmp_path: pathlib.Path) -> None:
    assert write_docs(tmp_path) == ["docs/experiment.schema.json", "docs/yaml-reference.md"]
    assert (tmp_path / "docs" / "yaml-reference.md").read_text() == reference()


def test_a_new_file_reads_back(tmp_path: pathlib.Path) -> None:
    answers = {
        "model.checkpoint": "~/a b/[x] é😀\x1b'\"\\.pt",
        "source.path": "examples/x",
        "measure.batch": "1, 8",
        "params.score": "0.25",
        "params.word": "null",
        "targets.latency_ms.p50[batch=8]": "<= 20",
        "contract.pre.color": "{is: BGR, by: ada}",
    }
    text = template("new", answers)
    assert text.startswith("# yaml-language-server: $schema=../docs/experiment.schema.json\n")
    assert accepted(tmp_path, text)
    found = read_experiment(tmp_path, "x")
    assert found.model.checkpoint == answers["model.checkpoint"]
    assert (found.source.path, found.measure.batch) == ("examples/x", (1, 8))
    assert found.params == {"score": 0.25, "word": "null"}
    assert [(t.metric, t.where, t.limit) for t in found.targets] == [("latency_ms.p50", {"batch": "8"}, 20.0)]
    assert found.contract[0].value == "BGR"


def test_a_new_file_explains_every_key() -> None:
    text = template("new", {})
    assert isinstance(parse(text.encode(), "x"), Map)
    for key in KEYS:
        assert f"{key.path.rpartition('.')[2]}:" in text
    assert all(len(line) <= 121 for line in text.splitlines())


def test_a_new_file_without_answers_asks_for_them(tmp_path: pathlib.Path) -> None:
    assert not accepted(tmp_path, template("new", {}))
    assert accepted(tmp_path, template("new", {"model.checkpoint": "a.pt", "model.name": "a"}))


def test_every_comment_of_a_new_file_can_be_taken_away(tmp_path: pathlib.Path) -> None:
    lines = template("new", {"model.checkpoint": "a.pt", "source.path": "src"}).splitlines()
    keys = {key.path.rpartition(".")[2] for key in KEYS} - {"repo", "rev", "recipe"}
    for n, line in enumerate(lines):
        name = line.strip().removeprefix("# ").split(":")[0]
        if line.strip().startswith("# ") and name in keys and "examples" not in line[:9]:
            lines[n] = line.replace("# ", "", 1)
    assert accepted(tmp_path, "\n".join(lines) + "\n"), "\n".join(lines)


def test_unknown_answers_are_refused() -> None:
    with pytest.raises(WrongInput, match=r"did you mean model\.checkpoint"):
        template("new", {"model.chekpoint": "a"})
    with pytest.raises(WrongInput, match="rename the file"):
        template("new", {"model.checkpoint": "bad\udcff.pt"})


@pytest.mark.parametrize(
    "text", ("a", "on", "null", "~", "", "1.10", " a", "a: b", "#x", "<= 2", "a\tb", "\x85", "\u2028", "\ufeff")
)
def test_quoted_reads_back(text: str) -> None:
    node = parse(f"a: {quoted(text)}\n".encode(), "x")
    assert isinstance(node, Map)
    assert node.value[0][1].value == text
