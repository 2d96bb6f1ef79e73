"""The formats by name: what running each would take, and what is risky about opening it."""

from typing import NamedTuple

PICKLE = "a pickle can run any code when it is loaded; it was looked at, not loaded"
PROGRAM = "it is a program: loading it runs code of its maker; it was looked at, not loaded"


class Kind(NamedTuple):
    """One format."""

    what: str
    needs: str = ""  # "" means: it runs here
    risks: tuple[str, ...] = ()


TORCH = "torch, and the class from its source: not yet"
KINDS = {
    "onnx": Kind("an ONNX model"),
    "torch-zip": Kind("a torch archive (zip with data.pkl)", TORCH, (PICKLE,)),
    "torch-legacy": Kind("a torch file of before 1.6 (chained pickles)", TORCH, (PICKLE,)),
    "pickle": Kind("a bare pickle", "whatever its classes need, and your trust: not yet", (PICKLE,)),
    "torchscript": Kind("a TorchScript archive (zip with code/)", "torch in a sandbox: not yet", (PROGRAM,)),
    "pt2": Kind("an exported torch program (.pt2)", "torch in a sandbox: not yet", (PROGRAM,)),
    "safetensors": Kind("safetensors", "torch, and the class from its source: not yet"),
    "huggingface": Kind("a Hugging Face model folder", "the library that its config names: not yet"),
    "tensorrt": Kind("a TensorRT engine", "the TensorRT version and GPU it was built for: not yet", (PROGRAM,)),
    "gguf": Kind("a GGUF model", "a llama.cpp runtime: not yet"),
    "hdf5": Kind("an HDF5 file", "keras, and the code that reads it: not yet"),
    "keras": Kind("a Keras archive", "keras: not yet", ("its layers may hold marshalled code; nothing was loaded",)),
    "tflite": Kind("a TensorFlow Lite model", "a LiteRT runtime: not yet"),
    "savedmodel": Kind("a TensorFlow SavedModel folder", "tensorflow: not yet", (PROGRAM,)),
    "openvino": Kind("an OpenVINO model (its weights lie in the .bin beside it)", "openvino: not yet"),
    "npz": Kind("a numpy archive", "the code that knows what its arrays mean: not yet"),
    "npy": Kind("a numpy array", "the code that knows what the array means: not yet"),
}
TORCHES = ("torch-zip", "torch-legacy", "torchscript", "pickle")
# What a file name claims; names that several formats share list them all, the usual one first.
SUFFIXES = {
    ".onnx": ("onnx",),
    ".pt": TORCHES,
    ".pth": TORCHES,
    ".ckpt": (*TORCHES, "hdf5"),
    ".jit": ("torchscript",),
    ".pt2": ("pt2",),
    ".safetensors": ("safetensors",),
    ".engine": ("tensorrt",),
    ".plan": ("tensorrt",),
    ".trt": ("tensorrt",),
    ".gguf": ("gguf",),
    ".h5": ("hdf5",),
    ".hdf5": ("hdf5",),
    ".keras": ("keras", "hdf5"),
    ".tflite": ("tflite",),
    ".xml": ("openvino",),
    ".npz": ("npz",),
    ".npy": ("npy",),
    ".pkl": ("pickle",),
    ".pickle": ("pickle",),
    ".joblib": ("pickle",),
}
