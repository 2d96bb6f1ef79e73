"""What a data file of upstream's own and its variants show of its preparation."""

import pytest

from assay.observation.own_data import findings
from assay.records import ArrayFacts, ModelCall, Watched


def run(name, shape, low=-1.0, high=1.0, mean=0.0, dtype="float32"):
    facts = ArrayFacts(name="x", dtype=dtype, shape=shape, minimum=low, maximum=high, mean=mean, nonfinite=0)
    call = ModelCall(method="forward", where="", inputs=[facts], outputs=[])
    return Watched(input=name, outcome="ok", first=call)


def told(*runs):
    return {one.id: one.value for one in findings(runs)}


def test_a_size_that_half_the_data_has_too_and_a_scale_that_makes_no_difference():
    runs = [run(name, [1, 3, 64]) for name in ("own.npy", "turned.npy", "scaled.npy", "half.npy")]
    assert told(*runs) == {"pre.dtype": "float32", "pre.size": [64], "pre.affine": False}


def test_what_follows_the_data_is_neither():
    runs = [run("own.npy", [1, 3, 64]), run("scaled.npy", [1, 3, 64], -0.5, 0.5), run("half.npy", [1, 3, 32])]
    assert told(*runs) == {"pre.dtype": "float32"}


def test_a_constant_tensor_tells_nothing_of_scale():
    runs = [run("own.npy", [1, 3], 1.0, 1.0, 1.0), run("scaled.npy", [1, 3], 1.0, 1.0, 1.0)]
    assert told(*runs) == {"pre.dtype": "float32"}


@pytest.mark.parametrize("runs", [[], [run("own.npy", [1, 3])], [Watched(input="a", outcome="no-call")] * 3])
def test_too_little_was_seen(runs):
    assert findings(runs) == []
