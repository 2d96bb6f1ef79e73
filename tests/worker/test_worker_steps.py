"""Steps that upstream makes with the model's answer are heard; what its model does within is not. Needs torch."""

from typing import Any

import pytest

from test_worker_observe import Observe, events, observe, slow, torched, weights  # noqa: F401  the fixtures

pytestmark = slow
BEGIN = """
import random, sys
import numpy as np
import torch
import torch.nn.functional as F
from net import Net
model = Net(2)
model.load_state_dict(torch.load(sys.argv[1]))
model.eval()
x = torch.ones(1, 3)
def chances(y):
    y = y.detach().softmax(1).double()
    return (y / y.sum()).numpy()[0]
"""


def heard(torched: Observe, *lines: str, begin: str = BEGIN, **keys: Any) -> list[str]:  # noqa: F811
    run = torched(begin.replace("Net(2)", "Net(2)") + "\n".join(lines) + "\n", "@checkpoint", steps=True, **keys)
    assert run["outcome"] == "ok", run["log"]
    assert run["counts"]["hearing"] == 1
    return list(dict.fromkeys(event["how"] for event in events(run, "step")))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("print(model(x))", []),  # a sigmoid within the model
        ("print(model(x)[0] * 2 + 1)", []),
        ("y = F.softmax(model(x), dim=1)", ["softmax"]),
        ("y = model(x).softmax(1).argmax()", ["softmax", "argmax"]),
        ("y = torch.softmax(torch.mul(model(x), 2), 1)", ["softmax"]),
        ("y = torch.nn.Sigmoid()(model(x))", ["sigmoid"]),
        ("y = torch.distributions.Categorical(probs=model(x)).sample()", ["other", "sample"]),
        ("y = torch.multinomial(input=model(x), num_samples=1)", ["sample"]),
        ("y = np.random.choice(2, p=chances(model(x)))", ["softmax", "other", "sample"]),
        ("y = random.choices('ab', model(x)[0].tolist())", ["other", "sample"]),
        ("y = random.choices('ab', weights=model(x)[0].tolist())", ["other", "sample"]),
        ("y = model(x); z = random.choices('ab')", ["other"]),  # of something else
        ("y = model(x); z = np.random.choice(2)", ["other"]),
        ("y = model(x); z = torch.softmax(x, 1).argmax()", []),  # not of the answer
        ("z = torch.softmax(x, 1); y = model(z)", []),
        ("y = [row.sigmoid() for row in model(x)]", ["other", "sigmoid"]),
        ("y = model(x).exp()", ["other"]),
        ("y = np.asarray(model(x).detach())", ["other"]),
        ("y = model(x); y += 1", ["other"]),
    ],
)
def test_what_is_done_with_the_answer(torched: Observe, line: str, words: "list[str]") -> None:  # noqa: F811
    assert heard(torched, line) == words


def test_a_function_that_upstream_compiles_works_and_may_do_anything(torched: Observe) -> None:  # noqa: F811
    script = "@torch.jit.script\ndef told(y: torch.Tensor):\n    return torch.softmax(y, 1)\nprint(told(model(x)).sum().item())"
    run = torched(BEGIN + script + "\n", "@checkpoint", steps=True)
    assert run["outcome"] == "ok", run["log"]
    assert events(run, "sink")[0]["args"] == [pytest.approx(1.0)]
    assert {event["how"] for event in events(run, "step")} == {"other"}


DECODER = """
class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('scale', torch.ones(1))
    def forward(self, y):
        return (y * self.scale).sigmoid()
decoder = Decoder()
"""


def test_a_module_beside_the_model_is_no_part_of_it(torched: Observe) -> None:  # noqa: F811
    assert heard(torched, DECODER, "print(decoder(model(x)))") == ["sigmoid"]


def test_a_library_that_is_given_the_answer_may_do_anything(torched: Observe) -> None:  # noqa: F811
    lines = "import types; kit = types.ModuleType('kit'); exec('def told(y): return y.softmax(1)', kit.__dict__)"
    assert heard(torched, lines, "print(kit.told(model(x)))") == ["other"]


def test_a_draw_before_the_answer_is_not_one_of_it(torched: Observe) -> None:  # noqa: F811
    assert heard(torched, "z = torch.multinomial(torch.ones(3), 1) * 1.0", "y = model(x + z)") == []


@pytest.mark.parametrize(("seed", "alike"), [("torch.manual_seed(3)", True), ("pass", False)])
def test_what_is_drawn_can_be_compared(torched: Observe, seed: str, alike: bool) -> None:  # noqa: F811
    line = f"{seed}\nprint([torch.multinomial(model(x)[0], 1).item() for _ in range(40)])\n"
    one, other = (
        [e["drawn"] for e in events(torched(BEGIN + line, "@checkpoint", steps=True), "step") if e["how"] == "sample"]
        for _ in range(2)
    )
    assert len(one) == len(other) == 40 and (one == other) is alike


def test_nothing_is_heard_where_nobody_listens(torched: Observe) -> None:  # noqa: F811
    run = torched(BEGIN + "y = model(x).softmax(1)\n", "@checkpoint")
    assert events(run, "step") == [] and "hearing" not in run["counts"]
