"""What two runs of a script that works on data of its own show; the runs are written down by hand."""

from typing import Any

import pytest

from assay.observation.alone import findings, ran
from assay.records import Labels

PRINTED = {"is": "sink", "how": "print", "args": ["once upon"]}
NAMES = Labels(where="up/data/names.json:1", names=["a", "b", "c"], count=3, keyed=True)
OTHERS = Labels(where="up/data/others.json:1", names=["x", "y", "z"], count=3, keyed=True)
READ = {"is": "read", "how": "open", "path": "@tree/data/names.json"}


def tensor(name: str, *shape: int, dtype: str = "float32", lib: str = "torch") -> dict[str, Any]:
    return {"tensor": name, "lib": lib, "dtype": dtype, "shape": list(shape), "device": "cpu"}


def call(given: Any, made: Any, **more: Any) -> dict[str, Any]:
    return {"is": "call", "main": True, "args": given, "kwargs": {}, "outputs": made, **more}


def step(*words: str, drawn: str = "") -> list[dict[str, Any]]:
    return [{"is": "step", "how": word, **({"drawn": drawn} if word == "sample" else {})} for word in words]


def run(*events: Any, outcome: str = "ok", **counts: int) -> dict[str, Any]:
    return {"events": list(events), "outcome": outcome, "counts": counts or {"hearing": 1}}


def told(*runs: Any, labels: Any = ()) -> dict[str, Any]:
    return {one.id: one.value for one in findings(runs, labels, "up")}


ONE = call([tensor("t1", 1, 3, 8, 6)], tensor("t2", 1, 3))


def test_what_the_model_is_given() -> None:
    assert told(run(ONE)) == {"pre.dtype": "float32", "pre.size": [8, 6], "post.activation": "none"}


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 3, 8, 6), [8, 6]),
        ((1, 8, 6, 3), [8, 6]),  # channels last
        ((3, 224, 224), None),  # a picture alone
        ((1, 50, 13), None),  # steps in time
        ((1, 3, 400), [400]),
        ((1, 784), [784]),
        ((7,), None),
        ((1, 1), None),  # one word
    ],
)
def test_a_size_is_of_no_samples_and_no_channels(shape: Any, size: Any) -> None:
    assert told(run(call([tensor("t1", *shape)], tensor("t2", 1, 3)))).get("pre.size") == size


def test_calls_with_different_tensors_have_no_size_and_no_type() -> None:
    other = call([tensor("t3", 1, 3, 8, 9, dtype="float64")], tensor("t4", 1, 3))
    assert told(run(ONE, other)) == {"post.activation": "none"}


def test_a_model_that_is_called_with_no_tensor_tells_nothing() -> None:
    assert told(run(call(["words"], tensor("t2", 1, 3)))) == told() == told(run()) == {}
    assert not ran({"runs": [run(call(["words"], tensor("t2", 1, 3)))]}) and ran({"runs": [run(ONE)]})
    assert not ran({"runs": []}) and not ran({"runs": [run(ONE, outcome="failed")]})


def test_a_run_that_did_not_come_to_its_end_tells_nothing() -> None:
    assert told(run(ONE, outcome="hung")) == {}


# ---------------------------------------------------------------- what is done with the answer
@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["softmax", "other", "sample", "softmax"], "softmax, sample"),
        (["other", "argmax"], "argmax"),
        (["other"], None),
        ([], "none"),
    ],
)
def test_steps_in_order(words: list[str], value: Any) -> None:
    assert told(run(ONE, *step(*words))).get("post.activation") == value


@pytest.mark.parametrize(
    "quiet",
    [
        run(ONE, call=1),  # a torch that cannot be listened to
        run(call([tensor("t1", 1, 3, lib="numpy")], [tensor("t2", 1, 3, lib="numpy")], module="session")),
        run(call([tensor("t1", 1, 3)], tensor("t2", 1, 3, lib="numpy"))),
        run(call([tensor("t1", 1, 3)], {"tuple": [tensor("t2", 1, 3), {"opaque": "net.Box", "repr": "", "attrs": {}}]})),
        run(call([tensor("t1", 1, 3)], None)),
        run(ONE, hearing=1, **{"step:softmax": 2}),  # not written down, as there was too much
    ],
)
def test_nothing_is_not_claimed_where_not_all_could_be_heard(quiet: Any) -> None:
    assert "post.activation" not in told(quiet)


def test_a_draw_alone_does_not_tell_what_numpy_did_before() -> None:
    of_numpy = call([tensor("t1", 1, 3, lib="numpy")], [tensor("t2", 1, 3, lib="numpy")], module="session")
    assert "post.activation" not in told(run(of_numpy, *step("sample"), call=1))
    assert "post.activation" not in told(run(of_numpy, *step("sample")))


def test_what_is_heard_counts_beside_what_cannot_be_followed() -> None:
    mixed = call([tensor("t1", 1, 3)], {"tuple": [tensor("t2", 1, 3), {"opaque": "net.Cache", "repr": "", "attrs": {}}]})
    assert told(run(mixed, *step("softmax")))["post.activation"] == "softmax"


# ---------------------------------------------------------------- state and chance
def fed(*pairs: Any) -> dict[str, Any]:
    return run(*(call([tensor(f"x{i}", 1, 4), *a], {"tuple": [tensor(f"y{i}", 1, 3), *b]}) for i, (a, b) in enumerate(pairs)))


H0, H1, H2 = (tensor(f"h{i}", 1, 1, 8) for i in range(3))


@pytest.mark.parametrize(
    ("pairs", "stateful"),
    [
        ([([H0], [H1]), ([H1], [H2])], True),
        ([([], [{"tuple": [H0, H1]}]), ([{"tuple": [H0, H1]}], [H2])], True),  # two of an LSTM
        ([([H0], [H1])], None),
        ([([H0], [H1]), ([H0], [H2])], None),  # anew each time
        ([([H0], [H0]), ([H0], [H0])], None),  # handed on as it was given
        ([([H0], []), ([H1], [])], None),
        ([([H0], [H1]), ([H1], [H2]), ([H0], [H1])], None),  # a second text begins anew
    ],
)
def test_state_that_is_fed_back(pairs: Any, stateful: Any) -> None:
    assert told(fed(*pairs)).get("io.stateful") == stateful


def drew(drawn: str, shown: str, **more: Any) -> dict[str, Any]:
    return run(ONE, *step("softmax", "sample", drawn=drawn), {**PRINTED, "args": [shown]}, **more)


def test_two_runs_that_draw_and_show_different_things_do_not_repeat() -> None:
    assert told(drew("[[1]]", "b"), drew("[[2]]", "c"))["io.deterministic"] is False


@pytest.mark.parametrize(
    "other",
    [
        drew("[[2]]", "b"),  # what it drew shows nowhere
        drew("[[2]]", "c", outcome="hung"),
        run(ONE, {**PRINTED, "args": ["c"]}),  # drew nothing
    ],
)
def test_chance_is_not_claimed(other: Any) -> None:
    assert told(drew("[[1]]", "b"), other)["io.deterministic"] is None
    assert told(drew("[[1]]", "b"))["io.deterministic"] is None


def test_of_draws_that_are_seeded_nothing_is_said_though_a_time_is_printed() -> None:
    assert "io.deterministic" not in told(drew("[[1]]", "b"), drew("[[1]]", "took 0.34 s"))


# ---------------------------------------------------------------- names
def test_names_that_the_run_read_and_that_are_as_many_as_the_answer_has() -> None:
    found = told(run(READ, ONE, *step("argmax")), labels=[NAMES, OTHERS])
    assert (found["labels.names"], found["labels.count"]) == (["a", "b", "c"], 3)


@pytest.mark.parametrize(
    ("events", "labels"),
    [
        ([ONE], [NAMES]),  # not read
        ([READ, {**READ, "path": "@tree/data/others.json"}, ONE], [NAMES, OTHERS]),  # two that fit
        ([READ, ONE], [Labels(where=NAMES.where, names=NAMES.names, count=3)]),  # a list may be sorted before it is used
        ([READ, call([tensor("t1", 1, 3)], tensor("t2", 1, 4))], [NAMES]),
        ([READ, call([tensor("t1", 1, 3)], tensor("t2"))], [NAMES]),
        ([READ, ONE], [Labels(where=NAMES.where, names=NAMES.names, count=3, first=1, keyed=True)]),
        ([{**READ, "path": "@tree/names.json"}, ONE], [NAMES]),
    ],
)
def test_names_are_not_claimed(events: Any, labels: Any) -> None:
    assert "labels.names" not in told(run(*events, *step("argmax")), labels=labels)


def test_names_of_which_none_is_chosen_are_not_claimed() -> None:
    assert "labels.names" not in told(run(READ, ONE), labels=[NAMES])


def test_the_same_names_twice_are_the_same_names() -> None:
    again = Labels(where="up/data/others.json:1", names=NAMES.names, count=3, keyed=True)
    read = {**READ, "path": "@tree/data/others.json"}
    assert told(run(READ, read, ONE, *step("argmax")), labels=[NAMES, again])["labels.count"] == 3
