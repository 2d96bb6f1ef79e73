"""What a Keras config would make its reader run: bytecode in it, and classes and functions that it names."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple

from assay.formats.keras_layers import LAYERS
from assay.formats.pickle_globals import DANGEROUS, HARMLESS, ORDER, TENSORS, UNKNOWN, judge
from assay.formats.pickle_values import Global
from assay.records import Named

KERAS = re.compile(r"(?:tf_keras|tensorflow\.(?:python\.)?keras|keras)(?:\.|$)")
INTERNAL = re.compile(r"^(?:(?:src|api|_tf_keras|_v\d|v\d|keras)\.)+")
# Parts of Keras whose functions compute; a function of another part reads files, or loosens what Keras forbids.
COMPUTING = {
    "activations", "constraints", "initializers", "losses", "metrics", "nn", "ops", "optimizers", "random",
    "regularizers",
}  # fmt: skip
CARRIERS = {
    "TorchModuleWrapper": "holds a pickled torch module",
    "TFSMLayer": "loads a TensorFlow program from a path that the file names",
}
# Keras 2.11 to 2.15 registers these of its own as if they were somebody's.
OWN = re.compile(r"Custom>(?:Ada\w+|Nadam|SGD|RMSprop|Ftrl|Lion|SharpnessAwareMinimization)")
TF_LAYERS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod", "InstanceProperty")
TF_HARM = re.compile(
    r"(?:.*\.)?(?:io|raw_ops|saved_model|train|data|summary|sysconfig|autograph|debugging|experimental)\..*"
    r"|.*(?:py_func|numpy_function|load_|read|write|file).*",
    re.IGNORECASE,
)
BYTECODE = "holds Python bytecode: loading it makes a function of that, running the model runs it"
NOT_COMPUTING = "a function of Keras that no model needs: it may read files or loosen what is forbidden"
TO_BE_GIVEN = "code that is not in the file: it must be given when this is loaded"
LAYER_KEYS = ("", "layers", "layer", "forward_layer", "backward_layer", "cell", "cells")


class Entry(NamedTuple):
    """One object that a config describes."""

    found: dict[str, Any]
    key: str  # under which it stands
    layer: str  # the class of the layer that it is, or is in
    called: str  # that layer's name

    @property
    def kind(self) -> str:
        """Give its class."""
        return str(self.found["class_name"])

    @property
    def module(self) -> str:
        """Give the module that its class is in; "" when none is given."""
        return _text(self.found.get("module"))

    @property
    def config(self) -> dict[str, Any]:
        """Give what it is made from."""
        config = self.found.get("config")
        return config if isinstance(config, dict) else {}

    @property
    def subject(self) -> str:
        """Name the layer, for a line about it."""
        return f"layer {self.called[:80]!r}" if self.called else "it"


def entries(config: Any) -> "Iterator[Entry]":
    """Give every object that a config describes, in the order of the text."""
    ahead: list[tuple[Iterator[tuple[str, Any]], str, str]] = [(iter([("", config)]), "", "")]
    while ahead:
        inside, layer, called = ahead[-1]
        step = next(inside, None)
        if step is None:
            ahead.pop()
            continue
        key, value = step
        if isinstance(value, list):
            ahead.append((zip(repeat(key), value), layer, called))
        elif isinstance(value, dict):
            if isinstance(value.get("class_name"), str):
                if key in LAYER_KEYS:
                    inner = value.get("config")
                    layer, called = value["class_name"], _text(inner.get("name")) if isinstance(inner, dict) else ""
                yield Entry(value, key, layer, called)
            ahead.append((iter(value.items()), layer, called))


def judged(configs: "dict[str, Any]") -> "list[Named]":
    """Name the code that configs hold or ask for, the worst first."""
    times: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for where, config in configs.items():
        for entry in entries(config):
            for name, verdict, why in _judge(entry):
                times[name[:200], verdict] += 1
                first.setdefault((name[:200], verdict), (why, where))
    rows = [
        Named(name=name, verdict=verdict, why=why, times=times[name, verdict], where=where)
        for (name, verdict), (why, where) in first.items()
    ]
    return sorted(rows, key=lambda row: (ORDER.index(row.verdict), row.name))


def _judge(entry: Entry) -> "Iterator[tuple[str, str, str]]":
    kind = entry.kind
    if kind == "__lambda__" or (kind == "Lambda" and _old_lambda(entry.config)):
        layer = entry.layer or "Lambda"
        yield f"keras.layers.{layer}", DANGEROUS, f"{entry.subject} {BYTECODE}"
    elif kind in TF_LAYERS and (not entry.module or KERAS.match(entry.module)):
        name = _tensorflow(entry.config)
        why = f"a function of TensorFlow, which {entry.subject} calls by name"
        yield f"tensorflow.{name}", DANGEROUS if TF_HARM.fullmatch(name) else UNKNOWN, why
    elif kind == "Lambda" and isinstance(entry.config.get("function"), str):
        yield entry.config["function"], UNKNOWN, TO_BE_GIVEN
    elif kind in CARRIERS and (not entry.module or KERAS.match(entry.module)):
        yield f"keras.layers.{kind}", DANGEROUS, f"{entry.subject} {CARRIERS[kind]}"
    elif not kind.startswith("__") or kind == "__typespec__":
        yield from _named(entry)


def _old_lambda(config: "dict[str, Any]") -> bool:
    """Tell bytecode in a Lambda layer as Keras 2 kept it: a list that begins with a text."""
    values = [config.get(key) for key in ("function", "output_shape", "mask")]
    typed = [config.get(key) for key in ("function_type", "output_shape_type", "mask_type")]
    return "lambda" in typed or any(isinstance(v, list) and v and isinstance(v[0], str) for v in values)


def _tensorflow(config: "dict[str, Any]") -> str:
    node = config.get("node_def")
    if node is not None:
        found = node.get("op") if isinstance(node, dict) else re.search(r'"?op"?:\s*"(\w+)"', _text(node))
        return f"raw_ops.{found[1] if isinstance(found, re.Match) else _text(found) or 'unknown'}"
    names = (config.get("function"), config.get("cls_symbol"), config.get("cls_ref"))
    word = next((name for name in names if isinstance(name, str)), "unknown")
    return ".".join(filter(None, (word, _text(config.get("method_name")) or _text(config.get("attr_name")))))


def _named(entry: Entry) -> "Iterator[tuple[str, str, str]]":
    """Judge a class or function by where it comes from."""
    name, module = entry.kind, entry.module
    registered = _text(entry.found.get("registered_name"))
    if name == "function":
        name = _text(entry.found.get("config")) or _text(entry.config.get("name")) or "unknown"
    elif name == "__typespec__":
        name = _text(entry.found.get("spec_name"))
    full = f"{module}.{name}" if module else name
    if module == "builtins" and entry.kind == "function":
        yield name, UNKNOWN, TO_BE_GIVEN
    elif module and not KERAS.match(module):
        verdict, why = judge(Global(module, name))
        yield full, *((UNKNOWN, TO_BE_GIVEN) if verdict in (TENSORS, HARMLESS) else (verdict, why))
    elif ">" in (registered or name):
        if not OWN.fullmatch(registered or name):
            yield registered or name, UNKNOWN, TO_BE_GIVEN
    elif module and (entry.kind == "function" or not name[:1].isupper()):
        part = INTERNAL.sub("", KERAS.sub("", f"{module}.", count=1)).partition(".")[0]
        if part not in COMPUTING or "." in name:
            yield full, DANGEROUS, NOT_COMPUTING
    elif not module and entry.key in LAYER_KEYS and name not in LAYERS:
        yield name, UNKNOWN, TO_BE_GIVEN


def _text(value: Any) -> str:
    return value[:1000] if isinstance(value, str) else ""
