"""Make the GGUF files of this folder, and expected.json as the gguf package reads them (gguf 0.19.0, numpy 2.4.6)."""

import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

HERE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
PACKED = (Type.Q4_0, Type.Q5_1, Type.Q8_0, Type.TQ1_0)


def describe(writer, tokens=300):
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_block_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tags(["small", "for tests", "ünicode"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token{i}" for i in range(tokens)])
    writer.add_token_types([1] * tokens)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)


def fill(writer):
    numbers = np.random.default_rng(1)
    writer.add_tensor("token_embd.weight", numbers.normal(size=(5, 3)).astype(np.float32))
    writer.add_tensor("output_norm.weight", numbers.normal(size=7).astype(np.float16))
    writer.add_tensor("blk.0.steps", np.arange(6, dtype=np.int32).reshape(1, 2, 3))
    raw = numbers.normal(size=(2, 64)).astype(np.float32)
    writer.add_tensor("blk.0.bf16", gguf.quants.quantize(raw, Type.BF16), raw_dtype=Type.BF16)
    for kind in PACKED:
        raw = numbers.normal(size=(2, 256)).astype(np.float32)
        writer.add_tensor(f"blk.0.{kind.name}.weight", gguf.quants.quantize(raw, kind), raw_dtype=kind)
    for kind in (Type.Q4_K, Type.Q6_K, Type.IQ4_XS, Type.MXFP4, Type.NVFP4):
        size, width = gguf.GGML_QUANT_SIZES[kind]
        packed = numbers.integers(0, 256, size=(2, 512 // size * width), dtype=np.uint8)
        writer.add_tensor(f"blk.0.{kind.name}.weight", packed, raw_dtype=kind)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path):
    reader = gguf.GGUFReader(path)
    data = path.read_bytes()
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    return {
        "fields": {k: len(v) if isinstance(v, list) and len(v) > 16 else v for k, v in fields.items()},
        "tensors": [
            {
                "name": t.name,
                "type": t.tensor_type.name,
                "shape": [int(n) for n in reversed(t.shape.tolist())],
                "parameters": int(t.n_elements),
                "bytes": int(t.n_bytes),
                "at": int(t.data_offset),
                "sha256": hashlib.sha256(data[t.data_offset : t.data_offset + int(t.n_bytes)]).hexdigest(),
            }
            for t in reader.tensors
        ],
    }


def main():
    for name, more in (
        ("tiny.gguf", {}),
        ("big-endian.gguf", {"endianess": gguf.GGUFEndian.BIG}),
        ("split.gguf", {"split_max_tensors": 1}),
    ):
        writer = gguf.GGUFWriter(HERE / name, "llama", **more)
        describe(writer, 20 if more else 300)
        if name == "tiny.gguf":
            fill(writer)
        else:
            writer.add_tensor("a.weight", np.arange(6, dtype=np.float32).reshape(2, 3))
            writer.add_tensor("b.weight", np.arange(4, dtype=np.float16))
        write(writer)
    expected = {path.name: read(path) for path in sorted(HERE.glob("*.gguf"))}
    expected["types"] = {k.name: [int(k), *gguf.GGML_QUANT_SIZES[k]] for k in gguf.GGML_QUANT_SIZES}
    (HERE / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")


main()
