"""Whether the same input gives the same answer: in the mode in which upstream calls the model."""

import msgspec
import pytest

from assay.claims.graph import graph_claims
from assay.records import (
    ArrayFacts,
    Checkpoint,
    Finding,
    Format,
    ModelCall,
    Observation,
    Observed,
    Probe,
    Status,
    Watched,
)

CHECKPOINT = Checkpoint(
    name="net.pth", kind="file", bytes=1, sha256="", files=[], format=Format(name="torch", by="content"), claimed={}
)


def deterministic(training, **more):
    facts = ArrayFacts(name="x", dtype="float32", shape=[1, 3], minimum=0.0, maximum=1.0, mean=0.5, nonfinite=0)
    call = ModelCall(method="forward", where="", inputs=[facts], outputs=[facts], training=training)
    shown = Observed(name="y", dtype="float32", shape=[1, 3], minimum=0.0, maximum=1.0, nonfinite=0)
    runs = [Watched(input="a", outcome="no-call"), Watched(input="b", outcome="ok", first=call)]
    known = {"deterministic": True, **more}
    probe = Probe(
        status=Status(), runtime="torch 2", inputs=[], outputs=[], observed=[shown], dims={}, batch="works", notes=[],
        observation=Observation(status="seen", runs=runs), **known,
    )  # fmt: skip
    return next((c for c in graph_claims(CHECKPOINT, probe) if c.id == "io.deterministic"), None)


@pytest.mark.parametrize(
    ("differs", "repeats", "value", "status", "why"),
    [
        (True, False, False, "observed", "where no two answers are alike"),
        (True, True, True, "observed", "where it answers otherwise, and the same each time"),
        (True, None, None, "unknown", "where it was not seen whether answers repeat"),
        (None, None, None, "unknown", "where it was not seen whether answers repeat"),
    ],
)
def test_of_a_model_that_upstream_calls_in_training_mode_that_mode_counts(differs, repeats, value, status, why):
    found = deterministic(True, training_differs=differs, training_repeats=repeats)
    assert (found.value, found.status) == (value, status)
    assert found.reason == f"upstream calls it in training mode, {why}; here it runs in evaluation mode: the same bits each time"


def test_chance_in_both_modes_is_told_of_both():
    found = deterministic(True, training_differs=True, training_repeats=False, deterministic=False)
    assert (found.value, found.status) == (False, "observed")
    assert found.reason.endswith("evaluation mode: not the same bits each time")


@pytest.mark.parametrize("answer", [True, False])
def test_a_mode_that_makes_no_difference_or_is_not_used_does_not_count(answer):
    for found in (
        deterministic(True, training_differs=False, training_repeats=answer, deterministic=answer),
        deterministic(False, training_differs=True, training_repeats=not answer, deterministic=answer),
    ):
        assert (found.value, found.status, found.reason) == (answer, "observed", "")


def test_what_was_not_tried_at_all_is_not_said():
    assert deterministic(True, deterministic=None) is None


def test_what_upstreams_own_run_showed_is_not_said_of_the_network_alone():
    probe = Probe(
        status=Status(), runtime="torch 2", inputs=[], outputs=[], dims={}, batch="works", notes=[], deterministic=True, stateful=False,
        observed=[Observed(name="y", dtype="float32", shape=[1, 3], minimum=0.0, maximum=1.0, nonfinite=0)],
        observation=Observation(status="alone", findings=[Finding(id="io.deterministic", value=False), Finding(id="io.stateful", value=True)]),
    )  # fmt: skip
    told = {claim.id for claim in graph_claims(CHECKPOINT, probe)}
    assert "io.batch" in told and not {"io.deterministic", "io.stateful"} & told
    quiet = msgspec.structs.replace(probe, observation=Observation(status="seen"))
    assert {"io.deterministic", "io.stateful"} <= {claim.id for claim in graph_claims(CHECKPOINT, quiet)}
