"""A guess at what a model is, from the names of its tensors alone; always told as a guess."""

import re
from collections.abc import Iterable

from assay.records import Hint

# family, pattern that many names must match, and one that at least one name must match
FAMILIES = (
    ("Stable Diffusion", r"model\.diffusion_model\..*", r"first_stage_model\..*|cond_stage_model\..*"),
    ("CLIP", r"(?:visual|vision_model|text_model|transformer)\..*", r"logit_scale"),
    ("Segment Anything", r"image_encoder\..*", r"mask_decoder\..*"),
    ("Whisper", r"(?:model\.)?(?:encoder|decoder)\..*", r"(?:model\.)?encoder\.conv1\.weight"),
    ("Llama and its kin", r"model\.layers\.\d+\..*", r"model\.layers\.0\.self_attn\.[qk]_proj\.weight"),
    ("GPT-2", r"(?:transformer\.)?h\.\d+\..*", r"(?:transformer\.)?h\.0\.attn\.c_attn\.weight"),
    ("BERT", r"(?:bert\.)?encoder\.layer\.\d+\..*", r"(?:bert\.)?embeddings\.word_embeddings\.weight"),
    ("T5", r"(?:encoder|decoder)\.block\.\d+\..*", r"shared\.weight"),
    ("Swin Transformer", r"layers\.\d+\.blocks\.\d+\..*", r"layers\.0\.blocks\.0\.attn\.relative_position_bias_table"),
    ("Vision Transformer", r"blocks\.\d+\..*", r"patch_embed\.proj\.weight"),
    ("DETR", r"transformer\..*", r"class_embed\.(?:weight|\d+\.weight)"),
    ("YOLO of Ultralytics", r"(?:model\.)?model\.\d+\..*", r"(?:model\.)?model\.\d+\.(?:m|cv2|cv3|dfl)\..*"),
    ("darknet's YOLO", r"module_list\.\d+\..*", r"module_list\.0\..*"),
    ("ResNet", r"(?:backbone\.|module\.)?layer[1-4]\.\d+\..*", r"(?:backbone\.|module\.)?layer1\.0\.conv1\.weight"),
    ("EfficientNet", r"_blocks\.\d+\..*", r"_blocks\.0\._depthwise_conv\.weight"),
    ("MobileNet", r"features\.\d+\..*", r"features\.\d+\.conv\.\d+\..*"),
    ("DenseNet", r"features\.denseblock\d+\..*", r"features\.denseblock1\.denselayer1\..*"),
    ("VGG", r"(?:features|classifier)\.\d+\.\w+", r"features\.(?:18|22|25|28|31|34|40|49)\.weight"),
    ("ESRGAN", r"(?:model\.\d+\.sub|RRDB_trunk|body)\.\d+\..*", r".*(?:RDB1|rdb1)\.conv1\.(?:0\.)?weight"),
    ("U-Net", r"(?:down|up|inc|outc|encoder|decoder)\w*\..*", r"(?:up|upconv|ups)\w*\..*"),
)
SHARE = 0.6  # of all names: fewer say nothing


def guess(names: Iterable[str]) -> "Hint | None":
    """Guess the family; None when no pattern covers most names."""
    plain = [name.removeprefix("module.") for name in names][:5000]
    for family, many, one in FAMILIES:
        if not any(re.fullmatch(one, name) for name in plain):
            continue
        share = sum(bool(re.fullmatch(many, name)) for name in plain) / len(plain)
        if share >= SHARE:
            sign = next(name for name in plain if re.fullmatch(one, name))
            return Hint(family=family, because=f"tensors are called as its own are, like {sign[:100]}")
    return None
