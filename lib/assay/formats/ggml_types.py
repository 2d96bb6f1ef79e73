"""The types that a GGUF file gives its tensors: how many numbers a block of them holds, and in how many bytes."""

from typing import NamedTuple


class Type(NamedTuple):
    """One type of ggml."""

    name: str
    numbers: int  # in a block
    bytes: int  # of a block
    quantised: bool = True
    gone: bool = False  # from llama.cpp: today's no longer reads it


NEWEST = 42
ABSURD = 256  # forks of llama.cpp number types of their own up to here; beyond it is damage
# A number's place in the file is that of ggml's enum; the sizes are those of ggml's C structures.
TYPES = {
    0: Type("float32", 1, 4, False),
    1: Type("float16", 1, 2, False),
    2: Type("Q4_0", 32, 18),
    3: Type("Q4_1", 32, 20),
    4: Type("Q4_2", 16, 10, gone=True),
    5: Type("Q4_3", 16, 12, gone=True),
    6: Type("Q5_0", 32, 22),
    7: Type("Q5_1", 32, 24),
    8: Type("Q8_0", 32, 34),
    9: Type("Q8_1", 32, 36),
    10: Type("Q2_K", 256, 84),
    11: Type("Q3_K", 256, 110),
    12: Type("Q4_K", 256, 144),
    13: Type("Q5_K", 256, 176),
    14: Type("Q6_K", 256, 210),
    15: Type("Q8_K", 256, 292),
    16: Type("IQ2_XXS", 256, 66),
    17: Type("IQ2_XS", 256, 74),
    18: Type("IQ3_XXS", 256, 98),
    19: Type("IQ1_S", 256, 50),
    20: Type("IQ4_NL", 32, 18),
    21: Type("IQ3_S", 256, 110),
    22: Type("IQ2_S", 256, 82),
    23: Type("IQ4_XS", 256, 136),
    24: Type("int8", 1, 1, False),
    25: Type("int16", 1, 2, False),
    26: Type("int32", 1, 4, False),
    27: Type("int64", 1, 8, False),
    28: Type("float64", 1, 8, False),
    29: Type("IQ1_M", 256, 56),
    30: Type("bfloat16", 1, 2, False),
    31: Type("Q4_0_4_4", 32, 18, gone=True),
    32: Type("Q4_0_4_8", 32, 18, gone=True),
    33: Type("Q4_0_8_8", 32, 18, gone=True),
    34: Type("TQ1_0", 256, 54),
    35: Type("TQ2_0", 256, 66),
    36: Type("IQ4_NL_4_4", 32, 18, gone=True),
    37: Type("IQ4_NL_4_8", 32, 18, gone=True),
    38: Type("IQ4_NL_8_8", 32, 18, gone=True),
    39: Type("MXFP4", 32, 17),
    40: Type("NVFP4", 64, 36),
    41: Type("Q1_0", 128, 18),
    42: Type("Q2_0", 64, 18),
}
