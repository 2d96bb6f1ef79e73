"""What a network's own steps rest on, and whether one without weights may take them."""

import textwrap

import pytest

from assay.drafts.own_steps import free, loads_only, methods

NET = """
    class Base(nn.Module):
        def scaled(self, x):
            return x / self.scale

    class Net(Base):
        def place(self):
            return self.head.weight.device

        def prepared(self, x):
            return self.scaled(x).to(self.place())

        def chosen(self, y):
            return [v for v in y if v > self.least]

        def mean(self, y):
            self.past.append(y)
            return sum(self.past)

        def counted(self, y):
            self.count += 1
            return y

        def both(self, y):
            return self.mean(y)

        def restore(self, path):
            self.load_state_dict(torch.load(path))
            self.eval()

        def restored(self, path):
            self.load_state_dict(torch.load(path))
            self.keep = 0.99
"""
TEXTS = {"tree/net.py": textwrap.dedent(NET)}
WEIGHTS = {"head", "weight", "bias", "least"}


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        (["prepared"], True),  # where a weight lies is no number of it
        (["scaled"], True),
        (["chosen"], False),  # a buffer of the checkpoint's
        (["mean"], False),  # what outlives an input
        (["counted"], False),
        (["both"], False),
        (["anchors"], True),  # an attribute that no checkpoint holds
        (["least"], False),
        ([], True),
    ],
)
def test_what_may_be_asked_of_a_network_without_weights(asked: list[str], may: bool) -> None:
    known = methods("Net", TEXTS)
    assert known is not None and free(asked, known, WEIGHTS) is may


def test_what_sets_more_than_the_weights_does_not_only_load() -> None:
    known = methods("Net", TEXTS)
    assert known is not None and loads_only(known["restore"]) and not loads_only(known["restored"])


def test_of_no_class_or_two_of_one_name_nothing_is_known() -> None:
    assert methods("Gone", TEXTS) is None
    assert methods("Net", {**TEXTS, "tree/other.py": "class Net:\n    pass\n"}) is None
    assert methods("Net", {"tree/net.py": "class Net(:\n"}) is None
