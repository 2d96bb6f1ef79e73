"""What a Hugging Face folder says of its use: claims with their lines, conflicts shown, defaults not guessed."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.examination import Examination
from assay.huggingface import folder, reading
from assay.huggingface.pointers import spans
from assay.records import Claim

VIT = {
    "architectures": ["ViTForImageClassification"], "model_type": "vit", "image_size": 32, "patch_size": 8,
    "num_channels": 3, "hidden_size": 4, "torch_dtype": "float32",
    "id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1},
}  # fmt: skip
VIT_WEIGHTS = {"classifier.weight": [2, 4], "vit.embeddings.patch_embeddings.projection.weight": [4, 3, 8, 8]}
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32}, "resample": 3,
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225], "do_convert_rgb": True,
}  # fmt: skip


def model_folder(place: Path, config: Any, weights: "dict[str, list[int]]", dtype: str = "F32", **more: Any) -> Path:
    """Make a folder; `more` is further JSON files by their names without the ending."""
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text(json.dumps(config, indent=2))
    for name, content in more.items():
        (place / f"{name}.json").write_text(json.dumps(content, indent=2))
    width, at, header = {"F32": 4, "F16": 2}[dtype], 0, {}
    for name, shape in weights.items():
        size = width
        for side in shape:
            size *= side
        header[name], at = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}, at + size
    text = json.dumps(header).encode()
    (place / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    return place


def seen_in(place: Path) -> folder.Folder:
    """Read a folder as the stages do."""
    return folder.read(place, Examination(place).quick())


def claims_of(place: Path) -> "dict[str, Claim]":
    """Give a folder's claims by name; each stands there once."""
    said = reading.claims(seen_in(place))
    assert len({c.id for c in said}) == len(said)
    return {c.id: c for c in said}


def test_a_classifier_of_pictures(tmp_path: Path) -> None:
    said = claims_of(model_folder(tmp_path / "m", VIT, VIT_WEIGHTS, preprocessor_config=PROCESSOR))
    values = {name: c.value for name, c in said.items() if c.status == "read"}
    assert values.pop("pre.mean") == pytest.approx([123.675, 116.28, 103.53])
    assert values.pop("pre.std") == pytest.approx([58.395, 57.12, 57.375])
    assert values.pop("pre.scale") == pytest.approx(1 / 255)
    assert values == {
        "model.class": "ViTForImageClassification", "model.task": "classification", "model.dtype": "float32",
        "model.args.patch_size": 8, "model.args.num_channels": 3, "model.args.hidden_size": 4,
        "labels.names": ["cat", "dog"], "labels.count": 2, "pre.color": "RGB", "pre.size": [32, 32],
        "pre.resize": "squash", "pre.interpolation": "bicubic", "post.activation": "softmax",
    }  # fmt: skip
    cited = said["pre.interpolation"].evidence[0]
    line = (tmp_path / "m/preprocessor_config.json").read_text().splitlines()[7]
    assert (cited.where, cited.text, cited.qualname) == ("m: preprocessor_config.json:8", line.strip(), "/resample")
    counted = {e.kind: e for e in said["labels.count"].evidence}
    assert counted["graph"].text == "classifier.weight float32 [2, 4]"
    assert counted["source"].text == '"id2label": { "0": "cat", "1": "dog" },'


@pytest.mark.parametrize(
    ("change", "name", "conflict"),
    [
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "labels.count", "id2label names 3 classes, classifier.weight has 2"),
        ({"id2label": {"0": "a", "2": "b"}}, "labels.names", "id2label has no name for 1 of 2 classes"),
        ({"label2id": {"cat": 1, "dog": 0}}, "labels.names", "id2label says 0 is 'cat', label2id says 1"),
        ({"patch_size": 16}, "model.args.patch_size", "says patch_size 16, vit.embeddings.patch_embeddings.projection.weight has 8"),
        ({"torch_dtype": "float16"}, "model.dtype", "says torch_dtype float16, classifier.weight has float32"),
        ({"image_size": 64}, "pre.size", "the processor makes [32, 32], config.json says image_size 64"),
    ],
)  # fmt: skip
def test_what_the_config_and_the_weights_disagree_on(tmp_path: Path, change: Any, name: str, conflict: str) -> None:
    said = claims_of(model_folder(tmp_path / "m", {**VIT, **change}, VIT_WEIGHTS, preprocessor_config=PROCESSOR))
    assert said[name].status == "conflict" and conflict in said[name].conflicts[0]
    assert said[name].evidence


def test_placeholders_are_no_labels(tmp_path: Path) -> None:
    config = {**VIT, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    said = claims_of(model_folder(tmp_path / "m", config, VIT_WEIGHTS))
    assert (said["labels.names"].status, said["labels.names"].value) == ("unknown", None)
    assert said["labels.names"].reason == "2 of 2 names in id2label are placeholders (LABEL_0)"
    assert said["labels.count"].value == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"do_resize": False}, {"pre.size": "native", "pre.resize": "none", "pre.interpolation": None}),
        ({"size": 32}, {"pre.size": [32, 32], "pre.resize": "squash"}),
        ({"do_rescale": None}, {"pre.mean": None, "pre.std": None}),
        ({"rescale_factor": None}, {"pre.mean": None}),
        ({"do_normalize": False}, {"pre.mean": [0.0], "pre.std": [255.0]}),
        ({"do_rescale": False}, {"pre.mean": [0.485, 0.456, 0.406]}),
        ({"image_std": [0, 1, 1]}, {"pre.std": None}),
        (
            {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": 32},
            {"pre.size": [32, 32], "pre.resize": "crop"},
        ),
        ({"do_center_crop": True, "crop_size": 16}, {"pre.size": None, "pre.resize": None}),
        ({"image_processor_type": "YolosImageProcessor", "size": {"shortest_edge": 40}}, {"pre.size": None, "pre.resize": None}),
        ({"size": {"shortest_edge": 40}}, {"pre.size": None, "pre.resize": "short-side"}),
        ({"crop_size": 32}, {"pre.size": None, "pre.resize": None}),
        ({"image_processor_type": "CLIPImageProcessor"}, {"pre.size": None}),
        ({"image_processor_type": "CLIPImageProcessor", "do_center_crop": False}, {"pre.size": [32, 32]}),
        ({"image_processor_type": "EfficientNetImageProcessor"}, {"pre.size": None, "pre.mean": None}),
        ({"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}}, {"pre.size": [32, 32], "pre.resize": None}),
        (
            {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.875},
            {"pre.size": [32, 32], "pre.resize": "crop"},
        ),
        ({"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor"}, {"pre.size": [32, 32]}),
    ],
)  # fmt: skip
def test_how_a_picture_is_prepared(tmp_path: Path, change: Any, expected: Any) -> None:
    settings = {k: v for k, v in {**PROCESSOR, **change}.items() if v is not None}
    said = claims_of(model_folder(tmp_path / "m", VIT, VIT_WEIGHTS, preprocessor_config=settings))
    for name, value in expected.items():
        claim = said.get(name)
        assert (claim.value if claim else None) == value, name
        assert claim is None or ((claim.status == "unknown") == (value is None) and (value is not None or claim.reason))


def test_two_files_that_tell_of_one_processor_differently_settle_nothing(tmp_path: Path) -> None:
    nested = {"image_processor": {**PROCESSOR, "resample": 2}}
    files = {"preprocessor_config": PROCESSOR, "processor_config": nested}
    said = claims_of(model_folder(tmp_path / "m", VIT, VIT_WEIGHTS, **files))
    assert said["pre.mean"].reason == "processor_config.json and preprocessor_config.json differ"
    assert "pre.interpolation" not in said


def test_sound_and_text(tmp_path: Path) -> None:
    config = {"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2", "vocab_size": 3}
    settings = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000, "do_normalize": True}
    spelling = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer", "do_lower_case": False, "pad_token": {"content": "<pad>"},
        "model_max_length": 10**30, "chat_template": "{{ messages }}", "padding_side": "left",
    }  # fmt: skip
    place = model_folder(tmp_path / "m", config, {"lm_head.weight": [3, 4]}, preprocessor_config=settings,
                         tokenizer_config=spelling)  # fmt: skip
    said = claims_of(place)
    assert {name: c.value for name, c in said.items() if name.startswith("pre.")} == {
        "pre.sample_rate": 16000, "pre.normalisation": "zero mean and unit variance of each clip",
        "pre.tokenizer.class": "Wav2Vec2CTCTokenizer", "pre.tokenizer.lowercase": False,
        "pre.tokenizer.padding_side": "left", "pre.tokenizer.special_tokens": {"pad_token": "<pad>"},
        "pre.tokenizer.chat_template": True,
    }  # fmt: skip
    assert said["model.args.vocab_size"].value == 3


def test_a_vocabulary_of_another_size_than_the_embedding(tmp_path: Path) -> None:
    config = {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": 30, "hidden_size": 4}
    said = claims_of(model_folder(tmp_path / "m", config, {"embeddings.word_embeddings.weight": [20, 4]}))
    assert (said["model.args.vocab_size"].status, said["model.args.vocab_size"].value) == ("conflict", 20)
    assert said["model.args.vocab_size"].alternatives == [30]
    assert said["model.args.hidden_size"].status == "read"


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification", "something new"])
def test_the_activation_is_what_the_config_says(tmp_path: Path, problem: str) -> None:
    said = claims_of(model_folder(tmp_path / "m", {**VIT, "problem_type": problem}, VIT_WEIGHTS))
    expected = {"regression": "none", "multi_label_classification": "sigmoid"}.get(problem)
    assert (said["post.activation"].value if "post.activation" in said else None) == expected


@pytest.mark.parametrize(
    "config", [{"model_type": "vit"}, {"architectures": [], "model_type": "x"}, {"architectures": ["A", "B"]}]
)
def test_no_single_architecture_is_no_claim(tmp_path: Path, config: Any) -> None:
    said = claims_of(model_folder(tmp_path / "m", config, VIT_WEIGHTS))
    assert "model.task" not in said and ("model.class" not in said or said["model.class"].status == "unknown")


@pytest.mark.parametrize("text", ["[1, 2]", "{broken", '"text"', "\xff"])
def test_odd_files_are_left_out(tmp_path: Path, text: str) -> None:
    place = model_folder(tmp_path / "m", VIT, VIT_WEIGHTS)
    (place / "special_tokens_map.json").write_bytes(text.encode("latin-1"))
    (place / "tokenizer_config.json").symlink_to("/nowhere")
    record = Examination(model_folder(tmp_path / "n", VIT, VIT_WEIGHTS)).quick()
    assert {c.id for c in reading.claims(folder.read(place, record))} >= {"model.class"}


def test_every_value_is_found_on_its_lines() -> None:
    values = {"a": [1, {"b": '}:,\n"x'}], "c/d~": {}, "e": None, "f": [[], [True]], "g": {"h": -1.5e-3}}
    for indent in (None, 0, 2):
        text = json.dumps(values, indent=indent)
        found = spans(text)
        assert set(found) == {
            "",
            "/a",
            "/a/0",
            "/a/1",
            "/a/1/b",
            "/c~1d~0",
            "/e",
            "/f",
            "/f/0",
            "/f/1",
            "/f/1/0",
            "/g",
            "/g/h",
        }
        assert found[""] == (1, text.count("\n") + 1)
    lines = json.dumps(values, indent=2).splitlines()
    for pointer, key in (("/a/1/b", '"b"'), ("/e", '"e"'), ("/g/h", '"h"')):
        assert key in lines[spans(json.dumps(values, indent=2))[pointer].first - 1]


def test_what_no_record_can_carry_is_not_said(tmp_path: Path) -> None:
    place = model_folder(tmp_path / "m", VIT, VIT_WEIGHTS, preprocessor_config=PROCESSOR)
    text = (place / "preprocessor_config.json").read_text()
    (place / "preprocessor_config.json").write_text(text.replace("0.485", "NaN").replace("32", "1e999"))
    (place / "config.json").write_text((place / "config.json").read_text().replace('"cat"', '"\\ud800"'))
    said = claims_of(place)
    assert json.dumps([c.value for c in said.values()], allow_nan=False, ensure_ascii=False).encode()
    assert (said["pre.mean"].value, said["pre.size"].value) == (None, None)
    assert said["labels.names"].value == ["\\ud800", "dog"]


def test_a_gap_among_many_names_is_found(tmp_path: Path) -> None:
    names = {str(i): f"class of {i}" for i in range(30_000) if i != 20_000}
    config = {"architectures": ["ConvNextForImageClassification"], "model_type": "convnext", "id2label": names}
    said = claims_of(model_folder(tmp_path / "m", config, {"other.weight": [1]}))
    assert said["labels.names"].conflicts == ["id2label has no name for 20000 of 29999 classes"]
    assert said["labels.names"].value is None and len(said["labels.names"].alternatives[0]) == 29_999
