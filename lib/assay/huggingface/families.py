"""Which model types are run how: only those whose inputs are nothing but what is named here."""

from typing import NamedTuple

PICTURE, TEXT, SOUND = "picture", "text", "sound"


class Use(NamedTuple):
    """What a class name ends in, and how such a model is used."""

    suffix: str
    name: str  # picks the pieces of the adapter
    task: str  # as an experiment's model.task says it
    takes: str
    auto: str  # the library's own door to such models


# The longer suffix first: a name is taken by the first that fits.
USES = (
    Use("ForImageClassificationWithTeacher", "classify", "classification", PICTURE, "AutoModelForImageClassification"),
    Use("ForImageClassification", "classify", "classification", PICTURE, "AutoModelForImageClassification"),
    Use("ForObjectDetection", "detect", "detection", PICTURE, "AutoModelForObjectDetection"),
    Use("ForSemanticSegmentation", "segment", "segmentation", PICTURE, "AutoModelForSemanticSegmentation"),
    Use("ForDepthEstimation", "depth", "depth estimation", PICTURE, "AutoModelForDepthEstimation"),
    Use("ForSequenceClassification", "classify", "classification", TEXT, "AutoModelForSequenceClassification"),
    Use("ForAudioClassification", "classify", "classification", SOUND, "AutoModelForAudioClassification"),
    Use("ForTokenClassification", "tag", "token classification", TEXT, "AutoModelForTokenClassification"),
    Use("ForQuestionAnswering", "answer", "question answering", TEXT, "AutoModelForQuestionAnswering"),
    Use("ForMaskedLM", "fill", "mask filling", TEXT, "AutoModelForMaskedLM"),
    Use("ForCausalLM", "write", "text generation", TEXT, "AutoModelForCausalLM"),
    Use("LMHeadModel", "write", "text generation", TEXT, "AutoModelForCausalLM"),
    Use("ForCTC", "hear", "speech", SOUND, "AutoModelForCTC"),
    Use("ForConditionalGeneration", "transcribe", "speech", SOUND, "AutoModelForSpeechSeq2Seq"),
    Use("Model", "embed", "embeddings", "", "AutoModel"),
)

ENCODERS = frozenset((
    "albert", "bert", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2", "distilbert",
    "electra", "esm", "ibert", "megatron-bert", "mobilebert", "modernbert", "mpnet", "rembert", "roberta", "roformer",
    "squeezebert", "xlm-roberta", "xlm-roberta-xl", "yoso",
))  # fmt: skip
DECODERS = frozenset((
    "bloom", "codegen", "cohere", "falcon", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_bigcode", "gpt_neo",
    "gpt_neox", "gptj", "granite", "llama", "mistral", "mixtral", "mpt", "olmo", "olmo2", "opt", "phi", "phi3",
    "qwen2", "qwen3", "smollm3", "stablelm", "starcoder2", "xglm",
))  # fmt: skip
LISTENERS = frozenset((
    "data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat", "wav2vec2", "wav2vec2-bert",
    "wav2vec2-conformer", "wavlm",
))  # fmt: skip
HEARD = LISTENERS | {"whisper"}  # their sequence classification is of sound

# A picture's model type, and what its processor may be called: their pairing settles how boxes and classes are decoded.
DETECTORS = {
    "detr": ("Detr",), "table-transformer": ("Detr",), "yolos": ("Yolos",),
    "conditional_detr": ("ConditionalDetr",), "deformable_detr": ("DeformableDetr",),
    "rt_detr": ("RTDetr",), "rt_detr_v2": ("RTDetr",), "d_fine": ("RTDetr",),
}  # fmt: skip
SEGMENTERS = {
    "segformer": ("Segformer",), "upernet": ("Segformer",), "beit": ("Beit",), "data2vec-vision": ("Beit",),
    "mobilevit": ("MobileViT",), "mobilevitv2": ("MobileViT",), "mobilenet_v2": ("MobileNetV2",), "dpt": ("DPT",),
}  # fmt: skip
DEPTHS = {"dpt": ("DPT",), "depth_anything": ("DPT",), "glpn": ("GLPN",)}
CLASSIFIERS = frozenset((
    "beit", "bit", "convnext", "convnextv2", "cvt", "data2vec-vision", "deit", "dinat", "dinov2",
    "dinov2_with_registers", "efficientnet", "focalnet", "hgnet_v2", "hiera", "levit", "mobilenet_v1", "mobilenet_v2",
    "mobilevit", "mobilevitv2", "poolformer", "pvt", "pvt_v2", "regnet", "resnet", "segformer", "swiftformer", "swin",
    "swinv2", "vit", "vit_msn",
))  # fmt: skip
SEERS = CLASSIFIERS | {"dinov3_vit", "dpt", "glpn", "yolos"}  # vit_mae is not: it masks at random

EMBEDDERS = {
    **dict.fromkeys(ENCODERS | DECODERS, TEXT),
    **dict.fromkeys(LISTENERS, SOUND),
    **dict.fromkeys(SEERS, PICTURE),
}


def use_of(architecture: str, model_type: str) -> "Use | None":
    """Find how a class is used; None when its name does not say."""
    for use in USES:
        if architecture.endswith(use.suffix):
            if use.name == "classify" and use.takes == TEXT and model_type in HEARD:
                return use._replace(takes=SOUND, auto="AutoModelForAudioClassification")
            if use.name == "transcribe" and model_type != "whisper":
                return None
            if use.name == "embed":
                return use._replace(takes=EMBEDDERS.get(model_type, ""))
            return use
    return None


def unfit(use: Use, model_type: str, processor: str) -> str:
    """Say why a model of this type is not run here; "" when it is one whose inputs are known."""
    paired = {"detect": DETECTORS, "segment": SEGMENTERS, "depth": DEPTHS}.get(use.name)
    if paired is not None:
        if model_type not in paired:
            return f"how the answers of a {model_type or 'model without a type'} are decoded is not known here"
        if processor and bare(processor) not in paired[model_type]:
            return f"its {processor} is not the processor of a {model_type}"
        return ""
    known = {
        ("classify", PICTURE): CLASSIFIERS,
        ("classify", TEXT): ENCODERS | DECODERS,
        ("classify", SOUND): HEARD,
        ("tag", TEXT): ENCODERS,
        ("fill", TEXT): ENCODERS,
        ("write", TEXT): DECODERS,
        ("hear", SOUND): LISTENERS,
        ("transcribe", SOUND): {"whisper"},
    }.get((use.name, use.takes), frozenset(EMBEDDERS) if use.name == "embed" else frozenset())
    if use.name == "answer":
        return "it takes a question and a passage: what an input file holds is not known"
    return "" if model_type in known else f"what a {model_type or 'model without a type'} takes is not known here"


def bare(processor: str) -> str:
    """Take what all processors' names end in off one."""
    for end in ("ImageProcessorFast", "ImageProcessor", "FeatureExtractor"):
        if processor.endswith(end):
            return processor.removesuffix(end)
    return processor
