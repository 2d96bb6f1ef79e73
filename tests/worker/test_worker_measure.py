"""What measuring gives back: raw samples of every scope, and what the machine did meanwhile."""

from typing import Any

import pytest

from test_worker_onnx import case  # noqa: F401  the fixture

pytest.importorskip("onnxruntime")
SCOPES = {"model", "end_to_end", "preprocess", "postprocess", "reference", "model_quiet"}


def test_samples_of_every_scope(case: Any) -> None:  # noqa: F811
    outcome = case("measure", seconds=0.3)
    assert outcome.ok, outcome
    value = outcome.value
    assert set(value["samples"]) == SCOPES and value["scope"] == ["preprocess", "model", "postprocess"]
    for series in value["samples"].values():
        assert len(series["wall"]) == len(series["cpu"]) == len(series["nivcsw"]) >= 30
        assert min(series["wall"]) > 0 and min(series["nivcsw"]) >= 0
    whole, parts = value["samples"]["end_to_end"], value["samples"]["preprocess"]
    assert all(p < w for p, w in zip(parts["wall"], whole["wall"], strict=True))
    assert {"start", "read", "build", "first", "note"} == set(value["cold"])
    assert 0 < value["cold"]["build"] < 60 and 0 < value["cold"]["start"] < 60
    memory = value["memory"]
    assert memory["ram_idle_mib"] > 10 and 10 < memory["ram_steady_mib"] < 4000
    assert memory["vram_process_mib"]["reason"] and memory["vram_allocated_mib"]["reason"]
    assert value["warmup"] >= 10 and isinstance(value["warmup_settled"], bool)
    assert value["runtime"]["batch"] == 1 and value["noise"]["load_before"] >= 0


def test_batch_of_four_on_one_thread(case: Any) -> None:  # noqa: F811
    value = case("measure", seconds=0.2, batch=4).value
    assert value["runtime"]["batch"] == 4 and len(value["samples"]["end_to_end"]["wall"]) >= 30


def test_a_model_alone(case: Any, workspace: Any) -> None:  # noqa: F811
    import numpy

    numpy.savez(workspace / "inputs/t.npz", x=numpy.zeros((1, 3, 8, 8), "float32"))
    value = case("measure", adapter="", seconds=0.2, items=[{"id": "t", "file": "inputs/t.npz"}]).value
    assert value["scope"] == ["model"] and set(value["samples"]) == {"model", "end_to_end", "reference", "model_quiet"}


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"batch": 4, "batch_axis": None}, "batch 4: no batch axis is known"),
        ({"batch": 4, "max_batch": 2}, "batch 4: the model takes at most 2"),
        ({"items": []}, "there is no input to measure with"),
        (
            {"batch": 4, "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 3, 8, 8]}]},
            "batch 4: the model's inputs are fixed at 1 along axis 0",
        ),
    ],
)
def test_what_cannot_be_measured_is_blocked(case: Any, keys: dict[str, Any], reason: str) -> None:  # noqa: F811
    assert case("measure", seconds=0.2, **keys).value == {"blocked": reason}


def test_a_graph_that_refuses_the_batch_is_blocked(case: Any, workspace: Any) -> None:  # noqa: F811
    from test_worker_onnx import graph

    graph(workspace / "model.onnx", shape=(1, 3, "H", "W"))
    value = case("measure", seconds=0.2, batch=2).value
    assert value["blocked"].startswith("batch 2 did not run: ")
