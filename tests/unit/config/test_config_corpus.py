"""The shared corpus of bad inputs, where it is there: YAML files, git URLs and revisions."""

import json
import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any

import pytest

from assay.config import places, yamlfile
from assay.config.spec import read_experiment
from assay.errors import WrongInputs

ROOT = pathlib.Path(__file__).parents[3]
MAKER = ROOT.parent / "shared" / "badinputs" / "make_corpus.py"
pytestmark = pytest.mark.skipif(not MAKER.is_file(), reason="the shared corpus is not here")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("corpus")
    command = [sys.executable, "-W", "ignore", str(MAKER), str(out), "--no-git", "--mutations", "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    yield out, json.loads((out / "manifest.json").read_text())["items"]
    shutil.rmtree(out, ignore_errors=True)


def test_yaml(corpus: Any, tmp_path: pathlib.Path) -> None:
    out, items = corpus
    (tmp_path / "experiments").mkdir()
    chosen = [item for item in items if item["kind"] == "yaml"]
    assert len(chosen) >= 40
    for item in chosen:
        text = (out / item["path"]).read_bytes()
        if item["action"] == "accept":
            assert yamlfile.parse(text, item["path"]).kind == "map"
            continue
        (tmp_path / "experiments" / "x.yaml").write_bytes(text)
        before = time.process_time()
        with pytest.raises(WrongInputs) as caught:
            read_experiment(tmp_path, "x")
        assert time.process_time() - before < 2, item["id"]
        assert "s3cr3t" not in str(caught.value)
        assert all("; " in line for line in str(caught.value).splitlines()), item["id"]


def test_values_of_the_corpus_in_our_own_keys(corpus: Any, tmp_path: pathlib.Path) -> None:
    ours = {
        "norway": "inputs: {find: [refs, no]}",
        "sexagesimal": "measure: {seconds: 1:30}",
        "octal": "inputs: {count: 010}",
        "huge_int": "inputs: {count: " + "9" * 10_000 + "}",
        "neg": "inputs: {count: -1}",
        "nan": "targets: {map50: '>= .nan'}",
        "inf": "measure: {seconds: .inf}",
        "out_escape": "workspace: ../../other",
        "secret": "source: {repo: 'https://user:s3cr3t-token@example.invalid/a.git'}",
    }
    (tmp_path / "experiments").mkdir()
    for name, text in ours.items():
        (tmp_path / "experiments" / "x.yaml").write_text(f"model: {{checkpoint: a.pt, name: x}}\n{text}\n")
        with pytest.raises(WrongInputs) as caught:
            read_experiment(tmp_path, "x")
        assert len(caught.value.faults) == 1, name
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(("kind", "check"), [("giturl", places.check_url), ("gitref", places.check_rev)])
def test_git(corpus: Any, kind: str, check: Any) -> None:
    chosen = [item for item in corpus[1] if item["kind"] == kind]
    assert len(chosen) >= 9
    for item in chosen:
        assert bool(check(item["value"])) == (item["action"] == "refuse"), item["value"]


def test_legal_names_are_legal_checkpoints(corpus: Any, tmp_path: pathlib.Path) -> None:
    chosen = [item for item in corpus[1] if item["kind"] == "name"]
    for item in chosen:
        assert places.check_checkpoint(item["path"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")) == ""
