"""Tiny Hugging Face folders run by the adapters written for them: the same numbers and answers as transformers gives.

Needs an interpreter with torch and transformers, named in ASSAY_TORCH_PYTHON.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, trust
from assay.digests import Digests
from assay.examination import Examination
from assay.huggingface import adapter, folder, reading

np = pytest.importorskip("numpy")

PYTHON = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
MAKER = Path(__file__).parents[1] / "data" / "huggingface" / "make.py"
HAS = PYTHON.exists() and not subprocess.run([PYTHON, "-c", "import transformers"], capture_output=True).returncode
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS, reason="ASSAY_TORCH_PYTHON has no transformers")]

PICTURES = ("vit", "vit_model", "convnext", "yolos", "detr", "rt_detr", "segformer", "depth")
TEXTS = ("bert_classes", "bert_several", "bert_nameless", "bert_tags", "bert_mask", "bert_model", "gpt2", "llama")
SOUNDS = ("wav2vec2", "wav2vec2_classes", "whisper")
PARAMS = {"score_threshold": 0.3, "new_tokens": 16}
ROUNDED = 1e-6  # answers are rounded to six digits


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, inputs, and what transformers makes of them."""
    root = tmp_path_factory.mktemp("huggingface")
    done = subprocess.run([PYTHON, MAKER, root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


class Workspace:
    """A workspace with the adapter that was written for a folder."""

    def __init__(self, place: Path, model: Path, *, trusted: bool = False) -> None:
        self.place, self.model = place, model
        self.record = Examination(model).record(Digests(), {})
        self.seen = folder.read(model, self.record)
        self.written = adapter.write(self.seen, trusted=trusted)
        self.trust = self.record.sha256 if trusted else ""
        assert self.written.text, self.written.reason
        (place / "scripts/processor").mkdir(parents=True)
        (place / "scripts/adapter.py").write_text(self.written.text)
        for name in self.written.beside:
            shutil.copyfile(model / name, place / "scripts/processor" / name)

    def ask(self, verb: str, **keys: Any) -> bridge.Outcome:
        """Ask the worker as the stages do."""
        request = {
            "protocol": 1,
            "verb": verb,
            "adapter": "scripts/adapter.py",
            "functions": list(self.written.functions),
            "checkpoint": {"name": self.model.name, "sha256": self.record.sha256, "format": "huggingface",
                           "files": {f.path: f.sha256 for f in self.record.files}},
            "reachable": trust.reachable(self.record, self.trust),
            "device": "cpu",
            "params": PARAMS,
            **keys,
        }  # fmt: skip
        return bridge.run(
            python=PYTHON, workspace=self.place, request=request, request_file=f"scripts/{verb}.json",
            out=self.place / ".stage", log=self.place / "logs" / f"{verb}.log", checkpoint=self.model,
            limits=bridge.Limits(seconds=300),
        )  # fmt: skip

    def run(self, file: Path) -> "tuple[Any, dict[str, Any], Any]":
        """Infer and decode one input: the facts of its tensors, the outputs by name, the answer."""
        (self.place / "inputs").mkdir(exist_ok=True)
        shutil.copyfile(file, self.place / "inputs" / file.name)
        item = {"id": "one", "file": f"inputs/{file.name}"}
        inferred = self.ask("infer", items=[item])
        assert inferred.value is not None, (inferred, bridge.tail(inferred))
        shutil.copytree(self.place / ".stage/raw", self.place / "raw", dirs_exist_ok=True)
        decoded = self.ask("decode", items=[{**item, "raw": "raw/one.npz"}])
        assert decoded.value is not None, (decoded, bridge.tail(decoded))
        with np.load(self.place / "raw/one.npz") as raw:
            outputs = {name: raw[name] for name in raw.files if name != "__ctx__"}
        said = json.loads((self.place / ".stage/outputs/predictions.json").read_text())
        assert bool(decoded.value["pictures"]) == ("draw" in self.written.functions)
        return inferred.value["items"][0]["tensors"], outputs, said["items"][0]["result"]


def input_of(made: Path, name: str) -> Path:
    """Name the input of a model."""
    kind = "wav" if name in SOUNDS else "png" if name in PICTURES else "txt"
    return made / ("masked.txt" if name == "bert_mask" else f"input.{kind}")


@pytest.mark.parametrize("name", [*PICTURES, *TEXTS, *SOUNDS])
def test_tensors_and_answers_are_those_of_transformers(made: Path, tmp_path: Path, name: str) -> None:
    ready = Workspace(tmp_path / "workspace", made / name)
    assert [c for c in reading.claims(ready.seen) if c.status == "conflict"] == []
    tensors, outputs, answer = ready.run(input_of(made, name))
    with np.load(made / f"truth/{name}.npz") as truth:
        expected = {key: truth[key] for key in truth.files}
    given = {key[3:]: value for key, value in expected.items() if key.startswith("in.")}
    assert [t["name"] for t in tensors] == sorted(given)
    for one in tensors:
        value = given[one["name"]]
        assert (one["dtype"], one["shape"]) == (str(value.dtype), list(value.shape))
        assert (one["minimum"], one["maximum"]) == (float(value.min()), float(value.max()))
        assert one["mean"] == pytest.approx(float(value.mean(dtype=np.float64)), rel=1e-8)
    for key, value in outputs.items():
        if key != "written":
            whole = expected[f"out.{key}"]
            assert np.array_equal(value, whole[:, -1] if name in ("gpt2", "llama") else whole), key
    compared(name, answer, json.loads((made / f"truth/{name}.json").read_text()))


def compared(name: str, answer: Any, told: Any) -> None:
    """Compare an answer with the pipeline's, which writes the same things in another form."""
    if name in ("yolos", "detr", "rt_detr"):
        boxes(answer, told)
    elif name in FORMS:
        mine, theirs = FORMS[name]
        assert [mine(a) for a in rows(name, answer)] == [theirs(t) for t in rows(name, told)] != []
    elif name == "depth":
        assert (near(answer["minimum"]), near(answer["maximum"])) == (told["minimum"], told["maximum"])
    elif name in ("gpt2", "llama"):
        assert answer["text"] == told[0]["generated_text"]
    elif name in ("wav2vec2", "whisper"):
        assert answer["text"] == told["text"] != ""
    else:
        assert told is None and all(value["shape"] for value in answer.values())


def boxes(answer: Any, told: Any) -> None:
    """Compare boxes; the pipeline cuts their corners' fractions off."""
    told = sorted(told, key=lambda thing: -thing["score"])
    assert [(a["label"], near(a["score"])) for a in answer] == [(t["label"], t["score"]) for t in told] != []
    for mine, theirs in zip(answer, told):
        assert all(abs(a - t) < 1.01 for a, t in zip(mine["box"], theirs["box"].values()))


def rows(name: str, answer: Any) -> "list[Any]":
    """List what an answer consists of."""
    if name == "bert_mask":
        return [one for row in answer for one in row]
    if name == "segformer":
        listed = answer["classes"] if isinstance(answer, dict) else answer
        return sorted(listed, key=lambda one: one["label"])
    return answer["top"] if isinstance(answer, dict) else answer


def scored(one: Any) -> Any:
    return one["label"], near(one["score"])


def named(one: Any) -> Any:
    return one["label"], one["score"]


FORMS = {
    **dict.fromkeys(("vit", "convnext", "bert_classes", "bert_several", "wav2vec2_classes"), (scored, named)),
    "bert_nameless": (lambda a: (a["label"].replace("class ", "LABEL_"), near(a["score"])), named),
    "bert_tags": (
        lambda a: (a["label"], near(a["score"]), *a["at"]),
        lambda t: (t["entity"], t["score"], t["start"], t["end"]),
    ),
    "bert_mask": (
        lambda a: (a["token"], a["text"], near(a["score"])),
        lambda t: (t["token"], t["token_str"], t["score"]),
    ),
    "segformer": (lambda a: (a["label"], a["pixels"]), lambda t: (t["label"], t["pixels"])),
}


def near(number: float) -> Any:
    """Allow for the rounding of an answer, and for what single precision loses."""
    return pytest.approx(number, abs=ROUNDED, rel=1e-5)


# ---------------------------------------------------------------- what must not run
def test_weights_that_leave_a_part_to_chance_are_refused(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "bert_model", tmp_path / "bare")
    config = json.loads((tmp_path / "bare/config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (tmp_path / "bare/config.json").write_text(json.dumps(config))
    ready = Workspace(tmp_path / "workspace", tmp_path / "bare")
    outcome = ready.ask("infer", items=[])
    assert not outcome.ok and "do not fill the model: classifier" in outcome.message, outcome


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("wav2vec2", "soundfile.write(path, numpy.zeros(8000), 8000)", "8000 samples a second; the model takes 16000"),
        ("wav2vec2", "soundfile.write(path, numpy.zeros((16000, 2)), 16000)", "2 channels"),
        ("whisper", "soundfile.write(path, numpy.zeros(16000 * 31), 16000)", "longer than the 30 seconds"),
        ("bert_classes", "open(path, 'w').write('dog ' * 70)", "72 tokens; the model takes 64"),
        ("bert_mask", "open(path, 'w').write('dog')", "no [MASK] to fill"),
    ],
)
def test_inputs_that_would_be_cut_or_misread_are_refused(
    made: Path, tmp_path: Path, name: str, make: str, why: str
) -> None:
    ready = Workspace(tmp_path / "workspace", made / name)
    file = ready.place / ("odd.wav" if name in SOUNDS else "odd.txt")
    subprocess.run([PYTHON, "-c", f"import numpy, soundfile; path = {str(file)!r}; {make}"], check=True)
    outcome = ready.ask("infer", items=[{"id": "one", "file": file.name}])
    assert not outcome.ok and why in outcome.message, outcome


OWN = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

class OwnConfig(PretrainedConfig):
    model_type = "own"

class OwnForImageClassification(PreTrainedModel):
    config_class = OwnConfig
    def __init__(self, config):
        super().__init__(config)
        self.classifier = torch.nn.Linear(3, 3)
        self.post_init()
    def forward(self, pixel_values=None, **kwargs):
        return ImageClassifierOutput(logits=self.classifier(pixel_values.mean((2, 3))))
"""


def test_a_folders_own_code_runs_only_when_trusted(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "own"
    shutil.copytree(made / "vit", place)
    (place / "model.safetensors").unlink()
    (place / "modeling_own.py").write_text(OWN)
    config = {
        "architectures": ["OwnForImageClassification"], "model_type": "own", "id2label": {"0": "a", "1": "b", "2": "c"},
        "auto_map": {"AutoConfig": "modeling_own.OwnConfig",
                     "AutoModelForImageClassification": "modeling_own.OwnForImageClassification"},
    }  # fmt: skip
    (place / "config.json").write_text(json.dumps(config))
    save = f"""
import torch; from safetensors.torch import save_file
weights = {{"classifier.weight": torch.eye(3), "classifier.bias": torch.zeros(3)}}
save_file(weights, {str(place / "model.safetensors")!r}, metadata={{"format": "pt"}})
"""
    subprocess.run([PYTHON, "-c", save], check=True)
    seen = folder.read(place, Examination(place).quick())
    assert adapter.write(seen).reason == "config.json asks for code of its own (auto_map), and nobody trusted it"
    ready = Workspace(tmp_path / "workspace", place, trusted=True)
    _, outputs, answer = ready.run(made / "input.png")
    assert outputs["logits"].shape == (1, 3) and sorted(t["label"] for t in answer["top"]) == ["a", "b", "c"]


def test_pickled_weights_are_read_without_running_them(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "vit", tmp_path / "pickled")
    turn = """
import sys, torch; from safetensors.torch import load_file
torch.save(load_file(sys.argv[1] + "/model.safetensors"), sys.argv[1] + "/pytorch_model.bin")
"""
    subprocess.run([PYTHON, "-c", turn, tmp_path / "pickled"], check=True)
    (tmp_path / "pickled/model.safetensors").unlink()
    _, outputs, _ = Workspace(tmp_path / "workspace", tmp_path / "pickled").run(made / "input.png")
    with np.load(made / "truth/vit.npz") as truth:
        assert np.array_equal(outputs["logits"], truth["out.logits"])
