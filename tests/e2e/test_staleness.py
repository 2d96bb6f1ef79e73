"""One edit at a time: exactly the stages that read it run again, and `why` said so before."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import plan
from assay.config.keys import KEYS
from assay.session import Session
from test_robustness_kills import BUILT
from test_robustness_outputs import copied_code
from tiny import ADAPTER, built, doit, edit, journal, make_model, status, to_run, workspace

# key -> (the edit of experiments/tiny.yaml, the stages that read the key)
YAML: dict[str, tuple[str, str, set[str]]] = {
    "model.checkpoint": ("weights/tiny.onnx", "weights/again.onnx", {"checkpoint"}),
    "model.name": ("name: tiny", "name: other", set()),
    "model.task": ("task: classification", "task: words", {"contract", "inputs", "metrics"}),
    "model.claimed": ("task: classification}", 'task: classification, claimed: {version: "2"}}', {"checkpoint"}),
    "source.repo": ("source: {path: upstream}", "source: {repo: https://example.org/a/b}", {"refs"}),
    "source.rev": ("source: {path: upstream}", "source: {repo: https://example.org/a/b, rev: v1}", {"refs"}),
    "source.path": ("source: {path: upstream}", "source: {path: elsewhere}", {"refs"}),
    "source.entry": ("source: {path: upstream}", "source: {path: upstream, entry: [names.py]}", {"source", "deps", "probe", "agree"}),
    "source.options": ("source: {path: upstream}", "source: {path: upstream, options: {size: 3}}", {"probe", "contract", "agree"}),
    "recipe": ("recipe: tiny", "recipe: twin", {"contract"}),
    "env.manager": ("device: cpu", "device: cpu\nenv: {manager: venv}", {"deps"}),
    "env.python": ("device: cpu", "device: cpu\nenv: {python: PYTHON}", {"deps"}),
    "env.on_missing": ("device: cpu", "device: cpu\nenv: {on_missing: fail}", set()),
    "env.optional": ("device: cpu", "device: cpu\nenv: {optional: true}", {"deps"}),
    "env.map": ("device: cpu", "device: cpu\nenv: {map: {thing: things}}", {"deps"}),
    **{  # how packages are come by changes nothing about those that are there
        f"env.index.{name}": ("device: cpu", f"device: cpu\nenv: {{index: {{{name}: {value}}}}}", set())
        for name, value in {
            "url": "https://example.org/simple", "extra": "[https://example.org/cpu]", "find_links": "[wheels]",
            "strategy": "unsafe-best-match", "constraints": "limits.txt", "excludes": "[torch]", "pip": "true",
            "torch_backend": "cpu", "build": "[basicsr]", "cooldown_days": "0",
        }.items()
    },
    "device": ("device: cpu", "device: auto", {"probe", "infer", "agree", "measure"}),
    "inputs.find": ("find: [refs]", "find: [refs, datasets]", {"inputs"}),
    "inputs.count": ("count: 4", "count: 3", {"inputs"}),
    "inputs.labels": ("labels: labels/tiny.json", "labels: labels/again.json", {"inputs"}),
    "contract": ("device: cpu", "device: cpu\ncontract: {pre.color: {unknown: true, by: ada, date: 2026-11-20}}", {"contract"}),
    "params": ("bias: 0.0", "bias: 0.25", {"contract"}),
    "measure.batch": ("batch: [1]", "batch: [1, 2]", {"measure"}),
    "measure.threads": ("threads: [1]", "threads: [2]", {"measure"}),
    "measure.precision": ("precision: [fp32]", "precision: [fp32, fp16]", {"measure"}),
    "measure.seconds": ("seconds: 0.05", "seconds: 0.06", {"measure"}),
    "trust": ("device: cpu", f"device: cpu\ntrust: {'a' * 64}", {"deps", "match", "probe", "infer", "decode", "agree", "measure"}),
    "sandbox": ("sandbox: plain", "sandbox: landlock", {"deps", "match", "probe", "infer", "decode", "agree", "measure"}),
    "network": ("sandbox: plain", "sandbox: plain\nnetwork: true", {"match", "probe", "infer", "decode", "agree", "measure"}),
    "train": ("device: cpu", "device: cpu\ntrain: true", set()),
    "targets": (">= 0.5", ">= 0.6", {"metrics"}),
    "workspace": ("device: cpu", "device: cpu\nworkspace: tmp/other", set(BUILT)),
}


def directly(repo: Path) -> set[str]:
    """Name the stages that are stale whether or not one below them is."""
    build = Session(repo, reads_only=True).builds(["tiny"])["tiny"]
    return {s.name for s in plan.STAGES if build.why(s).status in ("stale", "never", "failed")}


def test_the_table_names_every_key() -> None:
    assert set(YAML) == {key.path for key in KEYS}


@pytest.mark.parametrize("key", YAML)
def test_one_yaml_key_concerns_only_the_stages_that_read_it(built_repo: Path, key: str) -> None:
    import sys

    for old, new in (("weights/tiny.onnx", "weights/again.onnx"), ("labels/tiny.json", "labels/again.json")):
        shutil.copy(built_repo / old, built_repo / new)
    shutil.copytree(built_repo / "upstream", built_repo / "elsewhere")
    shutil.copytree(built_repo / "recipes/tiny", built_repo / "recipes/twin")
    old, new, readers = YAML[key]
    edit(built_repo / "experiments/tiny.yaml", old, new.replace("PYTHON", sys.executable))
    assert directly(built_repo) == readers
    if key == "workspace":
        return
    top = key.split(".")[0]
    planned = {s.name for s in plan.STAGES if any(key == y or key.startswith(y + ".") for y in s.yaml)}
    assert planned == readers, f"the plan says who reads {top}"


# ---------------------------------------------------------------- what then runs, and whether why foretold it
REST = ["metrics", "report"]
EDITS: dict[str, tuple[str, str, str, list[str]]] = {
    "target": ("experiments/tiny.yaml", ">= 0.5", ">= 0.6", REST),
    "decoding parameter": (
        "experiments/tiny.yaml", "bias: 0.0", "bias: 0.25", ["contract", "decode", "agree", "measure", *REST],
    ),
    "parameter of preprocess": (
        "experiments/tiny.yaml", "gain: 1.0", "gain: 0.5", ["contract", "infer", "decode", "agree", "measure", *REST],
    ),
    "postprocess": (
        "recipes/tiny/adapter.py", "float(chances[best]), 6", "float(chances[best]), 3", ["contract", "decode", "agree", "measure", *REST],
    ),
    "a helper of postprocess": (
        "recipes/tiny/adapter.py", "logits - logits.max()", "logits - logits.min()", ["contract", "decode", "agree", "measure", *REST],
    ),
    "draw": ("recipes/tiny/adapter.py", 'fill="red"', 'fill="blue"', ["contract", "decode", *REST]),
    "comment in the adapter": ("recipes/tiny/adapter.py", "    best = int", "    # the likelier\n    best = int", []),
    "blank lines in the adapter": ("recipes/tiny/adapter.py", "def draw", "\n\n\ndef draw", []),
    "comment in the yaml": ("experiments/tiny.yaml", "device: cpu", "device: cpu  # asked for", []),
    "order of the yaml": ("experiments/tiny.yaml", "bias: 0.0, gain: 1.0", "gain: 1.0, bias: 0.0", []),
    "upstream file that infer imports": (
        "upstream/scale.py", "FULL = 255.0", "FULL = 250.0", ["refs", "source", "contract", "infer", "decode", "measure", *REST],
    ),
    "upstream file that only decoding imports": (
        "upstream/names.py", '"dark"', '"dim"', ["refs", "source", "contract", "decode", "measure", *REST],
    ),
    "upstream file that nothing imports": ("upstream/unused.py", "return 1", "return 2", ["refs", "source", "contract", "report"]),
    "labels": ("labels/tiny.json", '"d.png": "bright"', '"d.png": "dark"', ["inputs", *REST]),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_why_agrees_with_what_then_runs(built_repo: Path, name: str) -> None:
    path, old, new, ran = EDITS[name]
    edit(built_repo / path, old, new)
    planned = json.loads(doit(built_repo, "plan", "exp=tiny", "--json").out)["tiny"]["stages"]
    said = to_run(built_repo)
    after = {s for s, seen in planned.items() if seen["status"] == "after"}
    assert said == {s for s, seen in planned.items() if seen["status"] in ("stale", "never", "failed")}
    found = built(built_repo)
    assert said <= set(found) <= said | after
    assert (found == []) == (said == set())
    missing, surplus = set(ran) - {"report", "metrics"} - set(found), set(found) - set(ran)
    assert not missing and not surplus, found
    assert built(built_repo) == [], "one run is enough"
    assert "stale" not in status(built_repo).values()


def test_two_facts_of_one_stage_are_both_remembered(built_repo: Path) -> None:
    experiment = built_repo / "experiments/tiny.yaml"
    edit(experiment, "seconds: 0.05", "seconds: 0.06")
    edit(experiment, "batch: [1]", "batch: [2]")
    why = doit(built_repo, "why", "exp=tiny").out
    assert "measure.batch" in why and "measure.seconds 0.05 -> 0.06" in why
    assert "measure" in built(built_repo, "tiny", "measure")
    assert built(built_repo, "tiny", "measure") == []
    edit(experiment, "seconds: 0.06", "seconds: 0.05")
    why = doit(built_repo, "why", "exp=tiny").out
    assert "measure.seconds 0.06 -> 0.05" in why and "measure.batch" not in why


# ---------------------------------------------------------------- assay's own code
OWN = {
    "a stage": ("stages/metrics.py", "def run(job: Job) -> None:", "def unused() -> None: ...\n\n\ndef run(job: Job) -> None:", {"metrics"}),
    "a comment in a stage": ("stages/metrics.py", "def run(", "# a comment\ndef run(", set()),
    "the worker's verb": ("worker/assay_worker/decode.py", "\ndef ", "\ndef unused():\n    return 1\n\n\ndef ", {"decode"}),
    "the command line": ("commands/why.py", "\ndef run", "\ndef unused() -> None: ...\n\n\ndef run", set()),
}


@pytest.mark.parametrize("what", OWN)
def test_an_edited_stage_is_stale_and_nothing_else_is(built_repo: Path, tmp_path: Path, what: str) -> None:
    path, old, new, stale = OWN[what]
    own = copied_code(tmp_path)
    text = (own / "assay" / path).read_text()
    assert old in text
    (own / "assay" / path).write_text(text.replace(old, new, 1))
    done = doit(built_repo, "report", "exp=tiny", "--json", PYTHONPATH=str(own))
    assert done.code == 0, done.text
    ran = set(json.loads(done.out)["experiments"]["tiny"]["built"])
    assert stale <= ran <= stale | {"measure", "metrics", "report"} and bool(ran) == bool(stale), ran


# ---------------------------------------------------------------- files that a run finds by itself
def test_a_discovered_file_costs_no_second_run_and_may_vanish(made_repo: Callable[..., Path]) -> None:
    optional = ADAPTER.replace(
        "    from names import NAMES\n", "    from names import NAMES\n    try:\n        import extra\n    except ImportError:\n        extra = None\n"
    )
    repo = made_repo(adapter=optional)
    extra = repo / "upstream/extra.py"
    extra.write_text("VALUE = 1\n")
    built(repo)
    reads = {line["stage"]: set(line["read"]) for line in journal(repo)}
    assert "refs/upstream/extra.py" in reads["decode"] and "refs/upstream/extra.py" not in reads["infer"]
    assert "refs/upstream/unused.py" not in set().union(*reads.values())
    assert built(repo) == [], "what was found needs no second run"
    extra.write_text("VALUE = 2\n")
    ran = built(repo)
    assert "decode" in ran and "infer" not in ran
    extra.unlink()
    ran = built(repo)
    assert "decode" in ran, "gone is stale, not an error"  # deps too: the import may now mean a package
    assert built(repo) == []


def test_a_discovered_file_deleted_in_the_workspace_comes_back(built_repo: Path) -> None:
    (workspace(built_repo) / "refs/upstream/scale.py").unlink()
    said = status(built_repo)
    assert said["refs"] == "stale"
    assert built(built_repo) == ["refs"]
    assert built(built_repo) == []


# ---------------------------------------------------------------- another machine; a hand at the adapter
def test_measured_elsewhere_stays_valid_until_measured_here(built_repo: Path) -> None:
    path = workspace(built_repo) / "journal.jsonl"
    lines = journal(built_repo)
    for line in lines:
        if line["stage"] == "measure":
            line["request"]["facts"]["hardware"] |= {"host": "faraway", "cpu": "Another CPU", "cores": 96}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = doit(built_repo, "report", "exp=tiny")
    assert done.code == 0 and "measured on faraway" in done.err
    assert status(built_repo)["measure"] == "elsewhere"
    assert built(built_repo) == []
    assert built(built_repo, "tiny", "measure") == ["measure"]
    assert status(built_repo)["measure"] == "fresh"
    assert set(built(built_repo)) <= {"metrics", "report"}


def test_an_adapter_edited_in_place_is_used_and_named_until_adopted(built_repo: Path) -> None:
    adapter = workspace(built_repo) / "scripts/adapter.py"
    report = workspace(built_repo) / "reports/experiment-report.md"
    assert "edited" not in adapter.read_text()
    edit(adapter, "float(chances[best]), 6", "float(chances[best]), 2")
    ran = built(built_repo)
    assert "contract" in ran and "decode" in ran and "infer" not in ran
    scores = [item["result"]["score"] for item in json.loads((workspace(built_repo) / "outputs/predictions.json").read_bytes())["items"]]
    assert scores == [round(score, 2) for score in scores]
    assert "edited" in report.read_text() and "adapter" in report.read_text()
    assert "6)" not in adapter.read_text().split("score")[1], "the edit is kept"
    assert built(built_repo) == []
    assert doit(built_repo, "adopt", "exp=tiny").code == 0
    assert "float(chances[best]), 2" in (built_repo / "recipes/tiny/adapter.py").read_text()
    built(built_repo)
    said = json.loads((workspace(built_repo) / "outputs/contract.json").read_bytes())["functions"]
    assert said["postprocess"] == "recipe", "from now on it is a recipe like any other"
    assert built(built_repo) == []


def test_other_weights_run_what_rests_on_them(built_repo: Path) -> None:
    make_model(built_repo / "weights/tiny.onnx", weight=0.75)
    ran = built(built_repo)
    assert {"checkpoint", "probe", "infer", "decode", "measure", "report"} <= set(ran)
    assert not {"refs", "deps", "inputs"} & set(ran)
