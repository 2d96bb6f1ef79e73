"""What a Keras config says: layers, inputs and outputs, and what loading it would run."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from assay.formats import jsons
from assay.formats.content import Content
from assay.formats.keras_code import entries, judged
from assay.formats.opening import shown
from assay.formats.pickle_globals import DANGEROUS, UNKNOWN
from assay.records import Graph, Tensor

MOST_CONFIG = 4 << 20  # characters; more is a file made to fill memory
LISTED = 32
OPTIMIZERS = ("optimizer_weights", "optimizer")
SHAPES = ("batch_shape", "batch_input_shape")
LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
Layer = dict[str, Any]


def optimizer_group(name: str) -> str:
    """Name the group that a training run leaves beside the weights; "" for a weight."""
    root = name.partition("/")[0]
    if root in OPTIMIZERS:
        return root
    before, own, _ = name.partition("/optimizer/vars/")  # of a model inside the model
    return f"{before}/optimizer" if own else ""


def parsed(text: str) -> Any:
    """Read JSON; halves of characters, which could not be written down again, become question marks."""
    found = jsons.parsed(text)
    if "\\ud" not in text.lower():
        return found
    return json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))


def describe(texts: "dict[str, str]", content: Content, version: str = "", backend: str = "") -> None:
    """Write down what configs say, each given by where it stands."""
    configs = {}
    for where, text in texts.items():
        try:
            if len(text) > MOST_CONFIG:
                raise ValueError
            configs[where] = parsed(text)
        except (ValueError, RecursionError):
            content.trust.append(f"its {where} cannot be looked through: what code it asks for is not known")
    content.code += judged(configs)
    _trust(content)
    producer = " ".join(word for word in ("keras", version[:100], f"({backend[:100]})" if backend else "") if word)
    for config in configs.values():
        if content.graph is None and isinstance(config, dict) and _inner(config):
            content.graph = _graph(config, producer, content)
        _notes(config, content)


def _trust(content: Content) -> None:
    for verdict, says in ((DANGEROUS, "code that can do harm"), (UNKNOWN, "code that is not known here")):
        names = [shown(row.name) for row in content.code if row.verdict == verdict]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            content.trust.append(f"it holds or asks for {says}: {', '.join(names[:3])}{more}")


def _notes(config: Any, content: Content) -> None:
    """Tell layers that are quantised, and those that read a file when they are made."""
    for entry in entries(config):
        inner = entry.config
        if entry.kind.startswith("Quantized") and entry.kind.endswith("Policy"):
            mode = inner.get("name") or inner.get("mode")
            content.quantised.append(f"{shown(entry.called[:80]) or 'a layer'}: {shown(str(mode)[:80])}")
        elif entry.kind in LOOKUPS and isinstance(inner.get("vocabulary"), str) and inner["vocabulary"]:
            what = f"{entry.subject} would read the file {inner['vocabulary'][:200]!r} when it is made"
            content.risks.append(what)


# ---------------------------------------------------------------- the graph
def _graph(model: Layer, producer: str, content: Content) -> Graph:
    layers = list(_layers(model))
    ops = Counter(str(layer["class_name"])[:200] for layer in layers)
    return Graph(
        inputs=_inputs(model),
        outputs=[Tensor(name=name, dtype="unknown", shape=None) for name in _outputs(model)],
        producer=producer,
        nodes=len(layers),
        ops=dict(sorted(ops.items())),
        custom_ops=[row.name for row in content.code if row.verdict == UNKNOWN][:LISTED],
    )


def _layers(model: Layer) -> "Iterator[Layer]":
    """Give every layer; of a model that is a layer of another, its own layers."""
    ahead = [model]
    while ahead:
        one = ahead.pop()
        inner = _inner(one)
        if inner or one is model:
            ahead += reversed(inner)
        else:
            yield one


def _inner(model: Layer) -> "list[Layer]":
    """Give the layers right in a model; Keras 1 kept those of a Sequential as the config itself."""
    config = model.get("config")
    found = config.get("layers") if isinstance(config, dict) else config
    return [one for one in found if isinstance(one, dict) and "class_name" in one] if isinstance(found, list) else []


def _config(layer: Layer) -> Layer:
    config = layer.get("config")
    return config if isinstance(config, dict) else {}


def _name(layer: Layer) -> str:
    return str(_config(layer).get("name") or layer.get("name") or layer.get("class_name"))[:200]


def _inputs(model: Layer) -> "list[Tensor]":
    """Give the inputs in the model's order: the layers that it names, else the first layer with a shape."""
    layers, config = _inner(model), _config(model)
    by_name = {_name(layer): layer for layer in layers}
    named = [by_name[name] for name in _ends(config.get("input_layers")) if name in by_name]
    entrances = named or [layer for layer in layers if layer["class_name"] == "InputLayer"] or layers[:1]
    found = [_input(_name(layer), _config(layer)) for layer in entrances]
    if len(found) == 1 and found[0].shape is None:
        built = model.get("build_config")
        shape = config.get("build_input_shape") or (built.get("input_shape") if isinstance(built, dict) else None)
        found = [_input(found[0].name, {**_config(entrances[0]), "batch_shape": shape})]
    return found


def _input(name: str, config: Layer) -> Tensor:
    dtype = config.get("dtype")
    if isinstance(dtype, dict):  # a policy: mixed_float16, int8_from_float32
        dtype = str(_config(dtype).get("name")).removeprefix("mixed_").rpartition("_from_")[2]
    shape = next((config[key] for key in SHAPES if isinstance(config.get(key), list)), None)
    if shape is not None and not all(n is None or (type(n) is int and 0 <= n < 1 << 62) for n in shape):
        shape = None
    return Tensor(name=name, dtype=dtype[:40] if isinstance(dtype, str) else "unknown", shape=shape)


def _outputs(model: Layer) -> "list[str]":
    layers = _inner(model)
    return _ends(_config(model).get("output_layers")) or [_name(layer) for layer in layers[-1:]]


def _ends(value: Any) -> "list[str]":
    """Name the layers in ["d", 0, 0], or in lists or tables of such."""
    found, ahead = [], [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, list) and one and isinstance(one[0], str):
            found.append(one[0][:200])
        elif isinstance(one, (list, dict)):
            ahead += reversed(list(one.values()) if isinstance(one, dict) else one)
    return found
