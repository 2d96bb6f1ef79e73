"""What config.json says of the network against the shapes of its weights."""

import re
from typing import Any, NamedTuple

from assay.huggingface.folder import CONFIG, Folder, claim, conflict
from assay.records import Claim, Evidence, Weight

EMBEDDING = r"(?:^|\.)(?:word_embeddings|wte|embed_tokens|embed_in|shared|tok_embeddings)\.weight"


class Shape(NamedTuple):
    """A key of config.json and the dimension of the weights that must be equal to it."""

    key: str
    tensor: str  # what the end of its name looks like
    rank: int
    dim: int
    types: "frozenset[str]" = frozenset()  # of these model types alone


VITS = frozenset(("vit", "deit", "vit_msn", "beit", "yolos", "dinov2"))
HIDDEN = frozenset(("bert", "roberta", "xlm-roberta", "distilbert", "llama", "mistral", "qwen2", "qwen3", "gpt_neox"))
SHAPES = (
    Shape("vocab_size", EMBEDDING, 2, 0),
    Shape("hidden_size", EMBEDDING, 2, 1, HIDDEN),
    Shape("n_embd", r"(?:^|\.)wte\.weight", 2, 1),
    Shape("vocab_size", r"(?:^|\.)lm_head\.weight", 2, 0, frozenset(("wav2vec2", "hubert", "wavlm"))),
    Shape("d_model", r"decoder\.embed_tokens\.weight", 2, 1, frozenset(("whisper",))),
    Shape("num_mel_bins", r"encoder\.conv1\.weight", 3, 1, frozenset(("whisper",))),
    Shape("hidden_size", r"patch_embeddings\.projection\.weight", 4, 0, VITS),
    Shape("num_channels", r"patch_embeddings\.projection\.weight", 4, 1, VITS),
    Shape("patch_size", r"patch_embeddings\.projection\.weight", 4, 2, VITS),
    Shape("max_position_embeddings", r"(?:^|\.)position_embeddings\.weight", 2, 0, frozenset(("bert", "roberta"))),
    Shape("n_positions", r"(?:^|\.)wpe\.weight", 2, 0),
)


class Rows(NamedTuple):
    """A classifier's last weights: one row for each class, and as many more for "nothing here"."""

    tensor: str
    more: int
    types: "frozenset[str]"


ANY: "frozenset[str]" = frozenset()
CLASSIFIERS = (
    Rows(
        r"(?:^|\.)class_labels_classifier(?:\.layers\.2)?\.weight", 1, frozenset(("detr", "yolos", "table-transformer"))
    ),
    Rows(r"(?:^|\.)class_labels_classifier\.weight", 0, frozenset(("conditional_detr",))),
    Rows(r"(?:^|\.)class_embed\.\d+\.weight", 0, frozenset(("rt_detr", "rt_detr_v2", "d_fine", "deformable_detr"))),
    Rows(r"decode_head\.classifier\.weight", 0, ANY),
    Rows(r"^(?:classifier|cls_classifier|classifier\.1|classifier\.out_proj|score)\.weight", 0, ANY),
)


def claims(folder: Folder) -> "list[Claim]":
    """State the arguments that the weights show too; where the two disagree is a conflict."""
    made: dict[str, Claim] = {}
    for shape in SHAPES:
        name = f"model.args.{shape.key}"
        said = folder.value(CONFIG, shape.key)
        tensor = first(folder, shape.tensor, shape.rank, shape.types)
        if tensor is None or not isinstance(said, int) or isinstance(said, bool):
            continue
        if name not in made or made[name].status != "conflict":
            made[name] = _compared(folder, name, shape.key, said, tensor, tensor.shape[shape.dim])
    return [*made.values(), *_dtype(folder)]


def first(folder: Folder, pattern: str, rank: int, types: "frozenset[str]" = frozenset()) -> "Weight | None":
    """Find the first tensor whose name ends like this."""
    if types and folder.model_type not in types:
        return None
    ending = re.compile(f"(?:{pattern})$")
    found = (t for t in folder.checkpoint.tensors if len(t.shape) == rank and ending.search(t.name))
    return next(found, None)


def _compared(folder: Folder, name: str, key: str, said: Any, tensor: Weight, there: Any) -> Claim:
    cited = [folder.evidence(CONFIG, key), of_weights(folder, tensor)]
    if said == there:
        return claim(name, said, *cited)
    why = f"{CONFIG} says {key} {said}, {tensor.name} has {there}"
    return conflict(name, there, why, *cited, alternatives=[said])


def of_weights(folder: Folder, tensor: Weight) -> Evidence:
    """Cite a tensor."""
    where = folder.place(tensor.file) if tensor.file else folder.name
    return Evidence(kind="graph", where=where, text=f"{tensor.name} {tensor.dtype} {tensor.shape}")


def rows(folder: Folder) -> "tuple[int, Weight] | None":
    """Count the classes that the classifier's weights have; None when no such weights are known."""
    for kind in CLASSIFIERS:
        for rank in (2, 4):
            tensor = first(folder, kind.tensor, rank, kind.types)
            if tensor is not None:
                return tensor.shape[0] - kind.more, tensor
    return None


def _dtype(folder: Folder) -> "list[Claim]":
    """Compare the type of numbers that the config names with the one that most weights have."""
    key = next((k for k in ("dtype", "torch_dtype") if isinstance(folder.value(CONFIG, k), str)), "")
    sizes: dict[str, int] = {}
    for tensor in folder.checkpoint.tensors:
        if "float" in tensor.dtype:
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.parameters
    if not sizes:
        return []
    most = max(sizes, key=lambda kind: (sizes[kind], kind))
    shown = next(t for t in folder.checkpoint.tensors if t.dtype == most)
    if not key:
        return [claim("model.dtype", most, of_weights(folder, shown))]
    return [_compared(folder, "model.dtype", key, folder.value(CONFIG, key), shown, most)]
