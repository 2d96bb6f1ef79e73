"""Adapters written for Hugging Face folders: plain Python that cites its configs, or a reason and no adapter."""

import ast
from pathlib import Path
from typing import Any

import pytest
from test_huggingface_reading import PROCESSOR, VIT, VIT_WEIGHTS, model_folder, seen_in

from assay import code
from assay.huggingface import adapter

BERT = {"model_type": "bert", "vocab_size": 9, "max_position_embeddings": 16}
WORDS = {"embeddings.word_embeddings.weight": [9, 4]}
SPELLING = {"tokenizer_config": {"model_max_length": 12}, "tokenizer": {}}
EXTRACTOR = {"preprocessor_config": {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000}}
ALL = ("build", "preprocess", "infer", "postprocess")


def written(place: Path, config: Any, weights: Any = None, *, trusted: bool = False, **more: Any) -> adapter.Written:
    """Write the adapter of a folder; its text is valid Python and defines what it says."""
    made = adapter.write(seen_in(model_folder(place, config, weights or WORDS, **more)), trusted=trusted)
    if made.text:
        module = ast.parse(made.text)
        assert sorted(code.functions(module)) == sorted(made.functions)
        assert "@" not in made.text.replace("@functools", "") and max(map(len, made.text.splitlines())) <= 120
    return made


def test_the_adapter_of_a_classifier(tmp_path: Path) -> None:
    made = written(tmp_path / "tiny", VIT, VIT_WEIGHTS, preprocessor_config=PROCESSOR)
    assert made.functions == ALL and made.beside == ("config.json", "preprocessor_config.json")
    assert "ViTForImageClassification.from_pretrained(  # config.json:2 architectures" in made.text
    assert "trust_remote_code" not in made.text and "local_files_only=True" in made.text
    assert ".softmax(-1)  # config.json has no problem_type: one class of several" in made.text
    module = ast.parse(made.text)
    assert code.keywords(module, "preprocess") == {"use_fast": False}
    assert code.keywords(module, "postprocess") == {"top": 5}
    assert "pillow" in made.packages


def test_a_processor_that_is_named_fast_is_taken_fast(tmp_path: Path) -> None:
    settings = {**PROCESSOR, "image_processor_type": "ViTImageProcessorFast"}
    made = written(tmp_path / "m", VIT, VIT_WEIGHTS, preprocessor_config=settings)
    assert code.keywords(ast.parse(made.text), "preprocess") == {"use_fast": True}


def test_a_folders_name_does_not_get_out_of_its_text(tmp_path: Path) -> None:
    made = written(tmp_path / 'a"""; import os; "\\x', VIT, VIT_WEIGHTS, preprocessor_config=PROCESSOR)
    assert "import os" not in [ast.unparse(node) for node in ast.parse(made.text).body]


@pytest.mark.parametrize(
    ("config", "more", "functions"),
    [
        ({"architectures": ["BertForSequenceClassification"], **BERT}, SPELLING, ALL),
        ({"architectures": ["BertForTokenClassification"], **BERT}, SPELLING, ALL),
        ({"architectures": ["BertForMaskedLM"], **BERT}, SPELLING, ALL),
        ({"architectures": ["BertModel"], **BERT}, SPELLING, ALL),
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, SPELLING, ALL),
        ({"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2"}, {**EXTRACTOR, **SPELLING}, ALL),
        ({"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"}, {**EXTRACTOR, **SPELLING}, ALL),
        ({"architectures": ["Wav2Vec2ForSequenceClassification"], "model_type": "wav2vec2"}, EXTRACTOR, ALL),
        (
            {"architectures": ["DetrForObjectDetection"], "model_type": "detr"},
            {"preprocessor_config": {**PROCESSOR, "image_processor_type": "DetrImageProcessor"}},
            (*ALL, "draw"),
        ),
        (
            {"architectures": ["SegformerForSemanticSegmentation"], "model_type": "segformer"},
            {"preprocessor_config": {**PROCESSOR, "image_processor_type": "SegformerImageProcessor"}},
            (*ALL, "draw"),
        ),
        # what lacks is told, what does not is written
        ({"architectures": ["BertForMaskedLM"], **BERT}, {}, ("build", "infer")),
        (VIT, {}, ("build", "infer")),
        (VIT, {"preprocessor_config": PROCESSOR, "processor_config": {"image_processor": {}}}, ("build", "infer")),
        ({"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2"}, EXTRACTOR, ("build", "preprocess", "infer")),
    ],
)  # fmt: skip
def test_what_is_written_for_each_kind_of_model(
    tmp_path: Path, config: Any, more: Any, functions: "tuple[str, ...]"
) -> None:
    made = written(tmp_path / "m", config, **more)
    assert made.functions == functions, made
    missing = {"preprocess", "postprocess"} - set(functions)
    assert missing <= made.why.keys() and all(made.why.values())


@pytest.mark.parametrize(
    ("config", "more", "reason"),
    [
        ({"model_type": "bert"}, {}, "config.json does not name one architecture"),
        ({"architectures": ["BertForPreTraining"], **BERT}, SPELLING, "what such a model is for does not show in its name"),
        ({"architectures": ["a;b Model"], **BERT}, SPELLING, "what such a model is for does not show in its name"),
        ({"architectures": ["BertForQuestionAnswering"], **BERT}, SPELLING, "it takes a question and a passage"),
        ({"architectures": ["LayoutLMForTokenClassification"], "model_type": "layoutlm"}, SPELLING, "what a layoutlm takes"),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, SPELLING, "does not show in its name"),
        ({"architectures": ["CLIPModel"], "model_type": "clip"}, SPELLING, "what a clip takes is not known"),
        (
            {"architectures": ["OwlViTForObjectDetection"], "model_type": "owlvit"},
            {"preprocessor_config": {**PROCESSOR, "image_processor_type": "OwlViTImageProcessor"}},
            "how the answers of a owlvit are decoded is not known here",
        ),
        (
            {"architectures": ["DetrForObjectDetection"], "model_type": "detr"},
            {"preprocessor_config": {**PROCESSOR, "image_processor_type": "RTDetrImageProcessor"}},
            "its RTDetrImageProcessor is not the processor of a detr",
        ),
        ({**VIT, "quantization_config": {"bits": 4}}, {}, "its weights are quantised"),
        ({**VIT, "auto_map": {"AutoModel": "m.M"}}, {}, "config.json asks for code of its own (auto_map), and nobody trusted it"),
        (VIT, {"preprocessor_config": {**PROCESSOR, "auto_map": {}, "x": 1}, "tokenizer_config": {"auto_map": {"a": "b"}}},
         "tokenizer_config.json asks for code of its own"),
    ],
)  # fmt: skip
def test_what_is_not_understood_gives_a_reason_and_no_adapter(
    tmp_path: Path, config: Any, more: Any, reason: str
) -> None:
    made = written(tmp_path / "m", config, **more)
    assert made.text == "" and reason in made.reason and made.functions == ()


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"AutoModelForImageClassification": "m.ViTForImageClassification"}, ""),
        ({"AutoModelForImageClassification": "other/repo--m.ViTForImageClassification"}, "not in the folder"),
        ({"AutoModelForImageClassification": "m.Another"}, "its auto_map does not lead to ViTForImageClassification"),
        ({"AutoModel": "m.ViTForImageClassification"}, "its auto_map does not lead to"),
        ("m.ViTForImageClassification", "its auto_map does not lead to"),
    ],
)
def test_trusted_code_is_run_where_the_config_leads_to_it(tmp_path: Path, wanted: Any, reason: str) -> None:
    config = {**VIT, "auto_map": wanted}
    made = written(tmp_path / "m", config, VIT_WEIGHTS, trusted=True, preprocessor_config=PROCESSOR)
    assert reason in made.reason and bool(made.text) != bool(reason)
    assert bool(reason) or "AutoModelForImageClassification.from_pretrained(" in made.text
    assert bool(reason) or "trust_remote_code=True" in made.text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id2label": {"0": "entailment", "1": "neutral"}}, "two texts together"),
        ({"sbert_ce_default_activation_function": "torch.nn.Identity"}, "two texts together"),
        ({"id2label": {"0": "LABEL_0"}}, "of a text or of two together is not known"),
    ],
)
def test_judges_of_two_texts_are_not_fed_one(tmp_path: Path, change: Any, why: str) -> None:
    config = {"architectures": ["BertForSequenceClassification"], **BERT, **change}
    weights = {**WORDS, "classifier.weight": [len(change.get("id2label", "ab")), 4]}
    made = written(tmp_path / "m", config, weights, **SPELLING)
    assert made.functions == ("build", "infer") and why in made.why["preprocess"]


def test_limits_of_length_are_cited(tmp_path: Path) -> None:
    config = {"architectures": ["BertForMaskedLM"], **BERT}
    assert "LONGEST = 12  # tokens; tokenizer_config.json:2" in written(tmp_path / "a", config, **SPELLING).text
    shifted = {"architectures": ["RobertaForMaskedLM"], **BERT, "model_type": "roberta", "pad_token_id": 1}
    made = written(tmp_path / "b", shifted, tokenizer={})
    assert "LONGEST = 14  # tokens; config.json:7 max_position_embeddings, less 2" in made.text
    endless = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    assert "LONGEST = None" in written(tmp_path / "c", endless, tokenizer={}).text


def test_writing_on_and_conversations_only_where_the_folder_has_them(tmp_path: Path) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    plain = written(tmp_path / "a", config, tokenizer={})
    assert "generate" not in plain.text and "chat" not in plain.text
    more = {"tokenizer": {}, "generation_config": {"eos_token_id": 0}, "tokenizer_config": {"chat_template": "{{ x }}"}}
    made = written(tmp_path / "b", config, **more)
    module = ast.parse(made.text)
    assert code.keywords(module, "infer") == {"new_tokens": 16} and code.keywords(module, "preprocess") == {
        "chat": False
    }
    assert "generation_config.json" in made.beside


def test_weights_under_other_names_are_not_what_the_library_loads(tmp_path: Path) -> None:
    place = model_folder(tmp_path / "m", VIT, VIT_WEIGHTS)
    (place / "model.safetensors").rename(place / "other.safetensors")
    assert "no weights of the names" in adapter.write(seen_in(place)).reason


def test_what_else_is_needed_is_named(tmp_path: Path) -> None:
    config = {"architectures": ["DetrForObjectDetection"], "model_type": "detr", "use_timm_backbone": True}
    settings = {**PROCESSOR, "image_processor_type": "DetrImageProcessor"}
    assert "timm" in written(tmp_path / "a", config, preprocessor_config=settings).packages
    place = model_folder(tmp_path / "b", {"architectures": ["BertModel"], **BERT}, WORDS)
    (place / "spiece.model").write_bytes(b"x")
    assert "sentencepiece" in adapter.write(seen_in(place)).packages


def test_what_generates_is_not_handed_token_types(tmp_path: Path) -> None:
    llama = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    assert "return_token_type_ids=False" in written(tmp_path / "a", llama, tokenizer={}).text
    bert = {"architectures": ["BertForMaskedLM"], **BERT}
    assert "return_token_type_ids" not in written(tmp_path / "b", bert, tokenizer={}).text


def test_a_detector_without_focal_loss_is_not_decoded(tmp_path: Path) -> None:
    config = {"architectures": ["RTDetrForObjectDetection"], "model_type": "rt_detr", "use_focal_loss": False}
    settings = {**PROCESSOR, "image_processor_type": "RTDetrImageProcessor"}
    made = written(tmp_path / "m", config, preprocessor_config=settings)
    assert made.functions == ("build", "infer") and "use_focal_loss" in made.why["postprocess"]
