"""How many labels there are: rows that upstream plots by their names, classes that its network counts."""

import pytest
from test_decoding import facts, seen

from assay.claims.decoding import activation, classes
from assay.claims.plots import rows
from assay.records import Attempt, Draft, Match, Matched, Observation, Status

PLOT = """
import matplotlib.pyplot as plt


def visualise(waves, preds):
    plt.plot(waves[0], "k", label="east")
    plt.plot(preds[1], label="P")
    plt.plot(preds[2], "r--", label="S")
"""


def counted(plot=PLOT, line="preds = x.reshape(3, -1)", value='{"waves": ctx["waves"], "preds": preds}'):
    drafted = seen(line, f"return {value}")
    told = Observation(
        status="seen",
        attempts=[Attempt(entry="up/show.py", argv=[], kind="data", cwd="", outcome="ok")],
        runs=drafted.runs,
        draft=drafted.draft,
    )
    return rows(told, {"up/show.py": plot})


def test_rows_that_are_plotted_by_their_names() -> None:
    [claim] = counted()
    assert (claim.id, claim.value, claim.status) == ("labels.count", 3, "observed")
    assert claim.reason == "rows of preds, of which upstream plots row 1 'P', row 2 'S'"
    assert [(one.where, one.text) for one in claim.evidence[1:]] == [
        ("up/show.py:7", 'plt.plot(preds[1], label="P")'),
        ("up/show.py:8", 'plt.plot(preds[2], "r--", label="S")'),
    ]


@pytest.mark.parametrize(
    "plot",
    [
        PLOT.replace("preds[2]", "preds[3]"),  # beyond the count
        PLOT.replace("preds[2]", "preds[1]"),  # one row twice
        PLOT.replace('"S"', '"P"'),  # no names of their own
        PLOT.replace('label="S"', "label=NAMES[2]"),
        PLOT.replace('label="S"', 'label=f"{2}"'),
        PLOT.replace("preds[2]", "preds[-1]").replace("preds[1]", "preds[:, 1]"),
        PLOT.replace("preds[2]", "preds[True]"),
        PLOT.replace("preds[2]", "others[2]"),
        PLOT.replace("    plt.plot(waves", "    preds = preds.T\n    plt.plot(waves"),
        PLOT.replace("(waves, preds)", "(preds)"),  # of something else
        PLOT.replace("plt.plot", "plt.imshow"),
        "def visualise(:",
        "",
    ],
)
def test_rows_are_not_counted(plot: str) -> None:
    assert counted(plot) == []


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("preds = x.reshape(-1, 3)", None),
        ("preds = x.reshape(n, 3)", None),
        ("preds = x.reshape(3, -1).T", None),
        ("preds = torch.reshape(x, (3, -1))", None),
        ("preds = x.view(4, -1)", 4),
        ("preds = x.reshape(3, -1); preds = preds[1:]", None),
    ],
)
def test_the_answer_has_to_be_so_many_rows(line: str, value: "int | None") -> None:
    assert [claim.value for claim in counted(line=line)] == ([value] if value else [])


def test_an_answer_with_no_names_has_no_rows() -> None:
    assert counted(value="preds") == counted(value="[preds]") == rows(None, {}) == []
    assert rows(Observation(status="not seen", draft=Draft(text="", by="drafted", functions=["build"], rehearsals=[])), {}) == []


# ---------------------------------------------------------------- classes that the network counts
NET = "class Net(nn.Module):\n    def __init__(self):\n        self.num_classes = 5\n"


def stated(text=NET, words="sigmoid", shape=(1, 9, 5), qualname="Net"):
    best = Matched(module="net", root="up", qualname=qualname, path="up/net.py", kind="class")
    return classes(seen("return x", shape=shape), Match(status=Status(), outcome="exact", best=best), {"up/net.py": text}, words)


def test_a_network_counts_its_classes() -> None:
    [claim] = stated()
    assert (claim.id, claim.value, claim.status, claim.by) == ("labels.count", 5, "read", "reading")
    assert [(one.where, one.text) for one in claim.evidence] == [("up/net.py:3", "self.num_classes = 5")]


@pytest.mark.parametrize(
    "changed",
    [
        {"words": "softmax"},
        {"words": "sigmoid, softmax"},
        {"words": ""},
        {"shape": (1, 5, 9)},  # fits no last axis
        {"shape": ()},
        {"text": NET + "        self.num_classes = 5\n"},  # of several, none is known to hold
        {"text": NET.replace("= 5", "= classes")},
        {"text": NET.replace("= 5", "= True")},
        {"text": NET.replace("= 5", "= {[]: 5}")},
        {"text": NET.replace("num_classes", "num_coords")},
        {"text": NET.replace("class Net", "class Other")},
        {"text": "class Net(:"},
        {"qualname": "make"},
    ],
)
def test_classes_are_not_counted(changed: dict) -> None:
    assert stated(**changed) == []


def test_of_a_class_that_nobody_matched_nothing_is_counted() -> None:
    assert classes(seen("return x"), Match(status=Status(), outcome="none"), {"up/net.py": NET}, "sigmoid") == []
    assert classes(None, Match(status=Status(), outcome="none"), {}, "sigmoid") == []
    assert facts([1]).shape == [1]


@pytest.mark.parametrize(("count", "value"), [(3, "sigmoid"), (25, None)])
def test_functions_that_all_call_each_other_are_looked_into_once(count: int, value: "str | None") -> None:
    names = [f"step{n}" for n in range(count)]
    bodies = {name: "".join(f"    {other}(x)\n" for other in names if other != name) for name in names}
    files = {"up/post.py": "".join(f"def {n}(x):\n{body}    torch.sigmoid(x)\n\n\n" for n, body in bodies.items())}
    found = activation(seen("return step0(x)", imports="from post import step0"), files, list(files))
    assert [claim.value for claim in found] == ([value] if value else [])
