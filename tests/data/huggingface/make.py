"""Make tiny Hugging Face folders with random weights, and what transformers itself makes of the same inputs.

Usage: PYTHON make.py FOLDER [NAME...]; needs torch, transformers, tokenizers, pillow and soundfile.
Leaves FOLDER/NAME (a model), FOLDER/input.{png,wav,txt}, FOLDER/truth/NAME.{npz,json}.
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers as T
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

NAMES = ["cat", "dog", "fish"]
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}
TAGS = {"id2label": {0: "O", 1: "B-PER", 2: "I-PER"}, "label2id": {"O": 0, "B-PER": 1, "I-PER": 2}}
# Weights of this spread tell classes apart; the usual one makes all answers nearly equal.
WIDE = {"initializer_range": 0.5}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 37, **WIDE}
WORDS = ["the quick brown fox jumps over the lazy dog", "hello world this is a small text about cats and dogs"]
SIGNS = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}


# ---------------------------------------------------------------- pictures
def vit():
    config = T.ViTConfig(**SMALL, image_size=32, patch_size=8, **LABELS)
    return T.ViTForImageClassification(config), T.ViTImageProcessorPil(size={"height": 32, "width": 32})


def vit_model():
    config = T.ViTConfig(**SMALL, image_size=32, patch_size=8)
    return T.ViTModel(config), T.ViTImageProcessorPil(size={"height": 32, "width": 32})


def convnext():
    config = T.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **WIDE, **LABELS)
    return T.ConvNextForImageClassification(config), T.ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.875)


def yolos():
    config = T.YolosConfig(**SMALL, image_size=[64, 96], patch_size=16, num_detection_tokens=10, **LABELS)
    return T.YolosForObjectDetection(config), T.YolosImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})


def detr():
    backbone = T.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, out_features=["stage4"])
    config = T.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=32,
        encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, num_queries=10, init_std=0.5, **LABELS,
    )  # fmt: skip
    return T.DetrForObjectDetection(config), T.DetrImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})


def rt_detr():
    backbone = T.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = T.RTDetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=32,
        encoder_hidden_dim=32, encoder_in_channels=[8, 16, 16], encoder_ffn_dim=32, decoder_ffn_dim=32,
        encoder_attention_heads=2, decoder_attention_heads=2, num_queries=10, decoder_layers=2,
        decoder_in_channels=[32] * 3, feat_strides=[8, 16, 32], num_denoising=0, disable_custom_kernels=True, **WIDE,
        **LABELS,
    )  # fmt: skip
    return T.RTDetrForObjectDetection(config), T.RTDetrImageProcessorPil(size={"height": 64, "width": 64})


def segformer():
    config = T.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], decoder_hidden_size=16, num_attention_heads=[1, 1, 2, 2], **WIDE, **LABELS
    )
    return T.SegformerForSemanticSegmentation(config), T.SegformerImageProcessorPil(size={"height": 64, "width": 64})


def depth():
    backbone = T.Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2"], reshape_hidden_states=False, apply_layernorm=False,
    )  # fmt: skip
    config = T.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8], reassemble_factors=[4, 2],
        fusion_hidden_size=8, head_hidden_size=8, patch_size=14, **WIDE,
    )  # fmt: skip
    processor = T.DPTImageProcessorPil(size={"height": 28, "width": 28}, keep_aspect_ratio=True, ensure_multiple_of=14)
    return T.DepthAnythingForDepthEstimation(config), processor


# ---------------------------------------------------------------- text
def pieces():
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(WORDS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=list(SIGNS.values())))
    ends = [(sign, made.token_to_id(sign)) for sign in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    made.decoder = decoders.WordPiece()
    return T.BertTokenizerFast(tokenizer_object=made, model_max_length=64, **SIGNS)


def bytes_of_text(kind):
    made, end = Tokenizer(models.BPE()), "<|endoftext|>"
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(WORDS, trainers.BpeTrainer(vocab_size=300, special_tokens=[end], initial_alphabet=alphabet))
    return kind(tokenizer_object=made, unk_token=end, bos_token=end, eos_token=end, model_max_length=64)


def bert(kind, **more):
    tokenizer = pieces()
    return kind(T.BertConfig(**SMALL, vocab_size=len(tokenizer), max_position_embeddings=64, **more)), tokenizer


def bert_classes():
    return bert(T.BertForSequenceClassification, **LABELS)


def bert_several():
    return bert(T.BertForSequenceClassification, **LABELS, problem_type="multi_label_classification")


def bert_nameless():
    return bert(T.BertForSequenceClassification, num_labels=3)


def bert_tags():
    return bert(T.BertForTokenClassification, **TAGS)


def bert_mask():
    return bert(T.BertForMaskedLM)


def bert_model():
    return bert(T.BertModel)


def gpt2():
    tokenizer = bytes_of_text(T.GPT2TokenizerFast)
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": len(tokenizer)}
    return T.GPT2LMHeadModel(T.GPT2Config(**size, **WIDE, bos_token_id=0, eos_token_id=0)), tokenizer


def llama():
    tokenizer = bytes_of_text(T.PreTrainedTokenizerFast)
    size = {"num_key_value_heads": 2, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    model = T.LlamaForCausalLM(T.LlamaConfig(**SMALL, **size, bos_token_id=0, eos_token_id=0))
    return model.to(torch.bfloat16), tokenizer


# ---------------------------------------------------------------- sound
CONVOLUTIONS = {
    "conv_dim": [16] * 3, "conv_kernel": [10, 3, 3], "conv_stride": [5, 4, 4], "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


def wav2vec2():
    signs = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]
    listed = ROOT / "vocab.json"
    listed.write_text(json.dumps({sign: i for i, sign in enumerate(signs)}))
    tokenizer = T.Wav2Vec2CTCTokenizer(str(listed))
    config = T.Wav2Vec2Config(**SMALL, **CONVOLUTIONS, vocab_size=len(signs))
    return T.Wav2Vec2ForCTC(config), T.Wav2Vec2Processor(T.Wav2Vec2FeatureExtractor(), tokenizer)


def wav2vec2_classes():
    config = T.Wav2Vec2Config(**SMALL, **CONVOLUTIONS, classifier_proj_size=16, **LABELS)
    return T.Wav2Vec2ForSequenceClassification(config), T.Wav2Vec2FeatureExtractor()


def whisper():
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    end = len(letters)
    vocabulary = {**{c: i for i, c in enumerate(letters)}, "<|endoftext|>": end}
    tokenizer = T.WhisperTokenizer(vocab=vocabulary, merges=[], language=None, task=None)
    said = ["startoftranscript", "en", "de", "translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{sign}|>" for sign in said]})
    number = {sign: tokenizer.convert_tokens_to_ids(f"<|{sign}|>") for sign in said}
    size = len(tokenizer) + 1501  # the times
    ends = {"decoder_start_token_id": number["startoftranscript"], "eos_token_id": end, "pad_token_id": end, "bos_token_id": end}
    config = T.WhisperConfig(
        vocab_size=size, num_mel_bins=80, encoder_layers=1, decoder_layers=1, d_model=16, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_source_positions=1500,
        max_target_positions=64, init_std=0.5, **ends,
    )  # fmt: skip
    model = T.WhisperForConditionalGeneration(config)
    model.generation_config = T.GenerationConfig(
        max_length=40, no_timestamps_token_id=number["notimestamps"], is_multilingual=True, return_timestamps=False,
        lang_to_id={"<|en|>": number["en"], "<|de|>": number["de"]}, begin_suppress_tokens=[end],
        task_to_id={"transcribe": number["transcribe"], "translate": number["translate"]},
        suppress_tokens=list(range(end + 1, size)), **ends,
    )  # fmt: skip
    return model, T.WhisperProcessor(T.WhisperFeatureExtractor(), tokenizer)


MODELS = {
    made.__name__: made
    for made in (
        vit, vit_model, convnext, yolos, detr, rt_detr, segformer, depth, bert_classes, bert_several, bert_nameless,
        bert_tags, bert_mask, bert_model, gpt2, llama, wav2vec2, wav2vec2_classes, whisper,
    )
}  # fmt: skip


# ---------------------------------------------------------------- what transformers itself makes of it
def inputs():
    noise = np.random.default_rng(0)
    picture = Image.fromarray(noise.integers(0, 256, (50, 80, 3), dtype=np.uint8)).resize((160, 100))
    picture.save(ROOT / "input.png")
    (ROOT / "input.txt").write_text("hello world this is the lazy dog\n")
    (ROOT / "masked.txt").write_text("hello [MASK] this is the [MASK] dog\n")
    soundfile.write(ROOT / "input.wav", (noise.standard_normal(16000) * 0.1).astype("float32"), 16000)


def prepared(place, name):
    """Prepare the input by the folder's own processor, called as the library's documentation calls it."""
    if (place / "tokenizer.json").exists() and name != "whisper":
        text = (ROOT / ("masked.txt" if name == "bert_mask" else "input.txt")).read_text().rstrip("\n")
        return T.AutoTokenizer.from_pretrained(place)(text, return_tensors="pt"), text
    if "wav" in name or name == "whisper":
        samples = soundfile.read(ROOT / "input.wav", dtype="float32")[0]
        return T.AutoFeatureExtractor.from_pretrained(place)(samples, sampling_rate=16000, return_tensors="pt"), samples
    processor = T.AutoImageProcessor.from_pretrained(place, use_fast=False)
    picture = Image.open(ROOT / "input.png").convert("RGB")
    return processor(images=picture, return_tensors="pt"), picture


def pipelined(place, name, model, given):
    """Ask the library's own pipeline, with the same settings."""
    task = {
        "vit": "image-classification", "convnext": "image-classification", "yolos": "object-detection",
        "detr": "object-detection", "rt_detr": "object-detection", "segformer": "image-segmentation",
        "bert_classes": "text-classification", "bert_several": "text-classification",
        "bert_nameless": "text-classification", "bert_tags": "token-classification", "bert_mask": "fill-mask",
        "gpt2": "text-generation", "llama": "text-generation", "wav2vec2": "automatic-speech-recognition",
        "wav2vec2_classes": "audio-classification", "whisper": "automatic-speech-recognition", "depth": "depth-estimation",
    }.get(name)  # fmt: skip
    if task is None:
        return None
    more = {}
    if isinstance(given, Image.Image):
        more = {"image_processor": T.AutoImageProcessor.from_pretrained(place, use_fast=False)}
    elif isinstance(given, str):
        more = {"tokenizer": T.AutoTokenizer.from_pretrained(place)}
    else:
        more = {"feature_extractor": T.AutoFeatureExtractor.from_pretrained(place)}
        more |= {} if name == "wav2vec2_classes" else {"tokenizer": T.AutoTokenizer.from_pretrained(place)}
    asked = {
        "object-detection": {"threshold": 0.3}, "text-classification": {"top_k": 3}, "image-classification": {"top_k": 3},
        "audio-classification": {"top_k": 3}, "text-generation": {"max_new_tokens": 16, "do_sample": False},
    }.get(task, {})  # fmt: skip
    asked |= {"generate_kwargs": {"num_beams": 1}} if name == "whisper" else {}
    return T.pipeline(task, model=model, **more)(given.copy() if isinstance(given, np.ndarray) else given, **asked)


def told(name, answer):
    """Write an answer so that JSON can carry it."""
    if name == "segformer":
        return [{"label": one["label"], "pixels": int((np.asarray(one["mask"]) > 0).sum())} for one in answer]
    if name == "depth":
        found = answer["predicted_depth"]
        return {"minimum": float(found.min()), "maximum": float(found.max())}
    return json.loads(json.dumps(answer, default=float))


def truth(name):
    place = ROOT / name
    config = T.AutoConfig.from_pretrained(place)
    model = getattr(T, config.architectures[0]).from_pretrained(place, dtype=torch.float32).eval()
    given, raw = prepared(place, name)
    with torch.inference_mode():
        if name == "whisper":
            outputs = {"sequences": model.generate(given["input_features"], do_sample=False, num_beams=1)}
        else:
            outputs = {k: v for k, v in model(**given).items() if isinstance(v, torch.Tensor)}
    arrays = {f"in.{k}": v.numpy() for k, v in given.items()} | {f"out.{k}": v.numpy() for k, v in outputs.items()}
    np.savez(ROOT / "truth" / f"{name}.npz", **arrays)
    answer = told(name, pipelined(place, name, model, raw))
    (ROOT / "truth" / f"{name}.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    ROOT = Path(sys.argv[1])
    torch.set_num_threads(1)  # as the worker does: sums depend on it in their last digits
    (ROOT / "truth").mkdir(parents=True, exist_ok=True)
    inputs()
    for name in sys.argv[2:] or MODELS:
        torch.manual_seed(0)
        for part in MODELS[name]():
            part.save_pretrained(ROOT / name)
        truth(name)
