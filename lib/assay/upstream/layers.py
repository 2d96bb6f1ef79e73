"""The names and shapes of the parameters of torch.nn's own layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.upstream.abstract import UNKNOWN, Node, Shape, Unknown

Given = Mapping[str, Any]
CONV = ("in", "out", "kernel", "stride", "padding", "dilation", "groups", "bias")
TRANSPOSED = ("in", "out", "kernel", "stride", "padding", "output_padding", "groups", "bias")
ALIASES = {
    "in_channels": "in", "out_channels": "out", "kernel_size": "kernel", "in_features": "in", "out_features": "out",
    "num_features": "out", "num_channels": "out", "num_embeddings": "out", "embedding_dim": "in", "embed_dim": "out",
    "d_model": "out", "input_size": "in", "hidden_size": "out", "normalized_shape": "out", "num_parameters": "out",
    "elementwise_affine": "affine", "dim_feedforward": "feed",
}  # fmt: skip
NORM = ("out", "eps", "momentum", "affine", "track_running_stats")
RECURRENT = ("in", "out", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
SIGNATURES: dict[str, Sequence[str]] = {
    **{f"{lazy}Conv{n}d": CONV for n in (1, 2, 3) for lazy in ("", "Lazy")},
    **{f"ConvTranspose{n}d": TRANSPOSED for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": NORM for n in (1, 2, 3)}, "SyncBatchNorm": NORM,
    **{f"InstanceNorm{n}d": NORM for n in (1, 2, 3)},
    "Linear": ("in", "out", "bias"), "LazyLinear": ("out", "bias"), "Bilinear": ("in", "in2", "out", "bias"),
    "Embedding": ("out", "in"), "EmbeddingBag": ("out", "in"), "PReLU": ("out",),
    "GroupNorm": ("groups", "out", "eps", "affine"), "LayerNorm": ("out", "eps", "affine", "bias"),
    "RMSNorm": ("out", "eps", "affine"), "LSTM": RECURRENT, "GRU": RECURRENT, "RNN": RECURRENT,
    "LSTMCell": ("in", "out", "bias"), "GRUCell": ("in", "out", "bias"), "RNNCell": ("in", "out", "bias"),
    "MultiheadAttention": ("out", "heads", "dropout", "bias", "add_bias_kv"),
    "TransformerEncoderLayer": ("out", "nhead", "feed"), "TransformerDecoderLayer": ("out", "nhead", "feed"),
    "TransformerEncoder": ("layer", "num_layers", "norm"), "TransformerDecoder": ("layer", "num_layers", "norm"),
}  # fmt: skip
PLAIN = frozenset(
    [
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "ELU",
        "SELU",
        "GELU",
        "SiLU",
        "Mish",
        "Hardswish",
        "Hardsigmoid",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "Softmax2d",
        "LogSoftmax",
        "Softplus",
        "Dropout",
        "Dropout1d",
        "Dropout2d",
        "Dropout3d",
        "AlphaDropout",
        "MaxPool1d",
        "MaxPool2d",
        "MaxPool3d",
        "AvgPool1d",
        "AvgPool2d",
        "AvgPool3d",
        "AdaptiveAvgPool1d",
        "AdaptiveAvgPool2d",
        "AdaptiveMaxPool1d",
        "AdaptiveMaxPool2d",
        "Upsample",
        "UpsamplingNearest2d",
        "UpsamplingBilinear2d",
        "PixelShuffle",
        "PixelUnshuffle",
        "Identity",
        "Flatten",
        "Unflatten",
        "ZeroPad2d",
        "ReflectionPad1d",
        "ReflectionPad2d",
        "ReplicationPad2d",
        "ConstantPad1d",
        "ConstantPad2d",
        "ChannelShuffle",
        "Fold",
        "Unfold",
        "GLU",
        "Hardtanh",
        "CELU",
        "LocalResponseNorm",
        "MaxUnpool2d",
        "Softsign",
        "Tanhshrink",
        "CrossEntropyLoss",
        "MSELoss",
        "L1Loss",
        "BCELoss",
        "BCEWithLogitsLoss",
        "SmoothL1Loss",
        "NLLLoss",
        "CosineSimilarity",
        "PairwiseDistance",
        "Module",
    ]
)


def layer(name: str, args: "Sequence[Any]", kwargs: Given) -> "Node | None":
    """Make a layer of torch.nn; None when it is none that is known."""
    if name in PLAIN:
        return Node(name)
    if name not in SIGNATURES:
        return None
    given = dict(zip(SIGNATURES[name], args))
    given.update({ALIASES.get(key, key): value for key, value in kwargs.items()})
    node = Node(name)
    _maker(name)(node, name, given)
    return node


def _maker(name: str) -> "Callable[[Node, str, Given], None]":
    for start, maker in MAKERS:
        if name.startswith(start):
            return maker
    return _linear


def number(value: Any) -> "int | None":
    """Give a dimension when it is known."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(given: Given, name: str, default: bool) -> "bool | None":
    value = given.get(name, default)
    if isinstance(value, Unknown):
        return None
    return bool(value) if isinstance(value, (bool, int, str, type(None))) else None


def _leaf(node: Node, name: str, shape: "Shape | None", there: "bool | None" = True) -> None:
    if there is not False:
        node.leaves[name] = shape
    if there is None:
        node.optional.add(name)


def _divided(size: "int | None", by: "int | None") -> "int | None":
    return size // by if size is not None and by else None


def _product(one: "int | None", other: "int | None") -> "int | None":
    return one * other if one is not None and other is not None else None


def _conv(node: Node, name: str, given: Given) -> None:
    rank, turned = int(name[-2]), "Transpose" in name
    first, second, groups = number(given.get("out")), number(given.get("in")), number(given.get("groups", 1))
    kernel = given.get("kernel", UNKNOWN)
    sides = [number(kernel)] * rank if not isinstance(kernel, (list, tuple)) else [number(k) for k in kernel][:rank]
    dims = (second, _divided(first, groups)) if turned else (first, _divided(second, groups))
    node.attrs.update(in_channels=given.get("in", UNKNOWN), out_channels=given.get("out", UNKNOWN))
    _leaf(node, "weight", (*dims, *sides))
    _leaf(node, "bias", (first,), _flag(given, "bias", True))


def _norm(node: Node, name: str, given: Given) -> None:
    size = (number(given.get("out")),)
    instance = name.startswith("Instance")
    affine = _flag(given, "affine", not instance)
    tracked = _flag(given, "track_running_stats", not instance)
    node.attrs["num_features"] = given.get("out", UNKNOWN)
    _leaf(node, "weight", size, affine)
    _leaf(node, "bias", size, affine)
    _leaf(node, "running_mean", size, tracked)
    _leaf(node, "running_var", size, tracked)
    _leaf(node, "num_batches_tracked", (), None if tracked is not False else False)  # older checkpoints have none


def _scale(node: Node, name: str, given: Given) -> None:
    size = given.get("out", UNKNOWN)
    shape = tuple(number(s) for s in size) if isinstance(size, (list, tuple)) else (number(size),)
    known = shape if shape != (None,) else None
    affine = _flag(given, "affine", True)
    _leaf(node, "weight", known, affine)
    if name != "RMSNorm":
        _leaf(
            node,
            "bias",
            known,
            None if affine is None or given.get("bias") is UNKNOWN else affine and given.get("bias") is not False,
        )


def _embedding(node: Node, name: str, given: Given) -> None:
    node.leaves["weight"] = (number(given.get("out")), number(given.get("in")))


def _prelu(node: Node, name: str, given: Given) -> None:
    node.leaves["weight"] = (number(given.get("out", 1)),)


def _linear(node: Node, name: str, given: Given) -> None:
    first, second = number(given.get("out")), number(given.get("in"))
    node.attrs.update(in_features=given.get("in", UNKNOWN), out_features=given.get("out", UNKNOWN))
    shape = (first, second, number(given.get("in2"))) if name == "Bilinear" else (first, second)
    _leaf(node, "weight", shape)
    _leaf(node, "bias", (first,), _flag(given, "bias", True))


def _recurrent(node: Node, name: str, given: Given) -> None:
    gates = {"L": 4, "G": 3, "R": 1}[name[0]]
    cell = name.endswith("Cell")
    hidden, width = number(given.get("out")), number(given.get("in"))
    rows = _product(hidden, gates)
    layers = 1 if cell else number(given.get("num_layers", 1)) or 8
    both = _flag(given, "bidirectional", False)
    bias = _flag(given, "bias", True)
    guessed = not cell and number(given.get("num_layers", 1)) is None
    for depth in range(layers):
        for way in [""] if both is False else ["", "_reverse"]:
            end = "" if cell else f"_l{depth}{way}"
            below = width if depth == 0 else (None if both is None else _product(hidden, 2 if both else 1))
            there: bool | None = None if (guessed and depth) or (way and both is None) else True
            _leaf(node, f"weight_ih{end}", (rows, below), there)
            _leaf(node, f"weight_hh{end}", (rows, hidden), there)
            for which in ("ih", "hh"):
                _leaf(node, f"bias_{which}{end}", (rows,), bias if there else (None if bias else bias))


def _attention(node: Node, name: str, given: Given) -> None:
    width = number(given.get("out"))
    bias = _flag(given, "bias", True)
    _leaf(node, "in_proj_weight", (_product(width, 3), width))
    _leaf(node, "in_proj_bias", (_product(width, 3),), bias)
    out = Node("Linear")
    _leaf(out, "weight", (width, width))
    _leaf(out, "bias", (width,), bias)
    node.children["out_proj"] = [out]
    for more in ("bias_k", "bias_v", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
        _leaf(node, more, None, None)


def _transformer_layer(node: Node, name: str, given: Given) -> None:
    width, feed = given.get("out", UNKNOWN), given.get("feed", 2048)
    decodes = "Decoder" in name
    made = {"self_attn": layer("MultiheadAttention", [width], {}), "linear1": layer("Linear", [width, feed], {})}
    made["linear2"] = layer("Linear", [feed, width], {})
    if decodes:
        made["multihead_attn"] = layer("MultiheadAttention", [width], {})
    for n in range(1, 4 if decodes else 3):
        made[f"norm{n}"] = layer("LayerNorm", [width], {})
    for child, inner in made.items():
        if inner:
            node.children[child] = [inner]


def _transformer(node: Node, name: str, given: Given) -> None:
    inner, count = given.get("layer"), number(given.get("num_layers"))
    layers = Node("ModuleList")
    if isinstance(inner, Node):
        for _ in range(min(count or 0, 100)):
            layers.grow(inner, maybe=False)
        if count is None:
            layers.grow(inner, maybe=True)
    node.children["layers"] = [layers]
    if isinstance(given.get("norm"), Node):
        node.children["norm"] = [given["norm"]]


MAKERS: tuple[tuple[str, Callable[[Node, str, Given], None]], ...] = (
    ("Conv", _conv), ("LazyConv", _conv), ("Batch", _norm), ("Sync", _norm), ("Instance", _norm), ("Group", _scale),
    ("LayerNorm", _scale), ("RMSNorm", _scale), ("Embedding", _embedding), ("PReLU", _prelu), ("LSTM", _recurrent),
    ("GRU", _recurrent), ("RNN", _recurrent), ("Multihead", _attention),
    ("TransformerEncoderLayer", _transformer_layer),
    ("TransformerDecoderLayer", _transformer_layer), ("Transformer", _transformer),
)  # fmt: skip
