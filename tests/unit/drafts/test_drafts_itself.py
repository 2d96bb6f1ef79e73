"""Drafts for a network with steps of its own before and after its answer: one without weights is asked for them."""

import ast
from typing import Any

import pytest
from drafts_watched import ARRAY, TENSOR, Watched, function, source

from assay.drafts.draft import Draft, draft

NET = """
    import torch

    class Net:
        def __init__(self, classes): ...

        def load_weights(self, path):
            self.load_state_dict(torch.load(path))

        def predict(self, img):
            x = self.prepared(img)
            out = self(x)
            return self.decoded(out)

        def prepared(self, img): ...

        def decoded(self, out): ...
"""
SCRIPT = """
    import cv2
    from net import Net
    net = Net(classes=2)
    net.load_weights('net.pth')
    net.load_anchors('anchors.npy')
    net.min_score_thresh = 0.75
    img = cv2.imread('a.png')
    found = net.predict(img)
    print(found)
"""


def watched(script: str = SCRIPT, net: str = NET, name: str = "net", called: str = "self(x)", **values: Any) -> Watched:
    seen = Watched(detect=script, net=net)
    seen.frame("f1", "detect", "<module>", **{name: {"module": "m1"}, "img": ARRAY, **values})
    seen.frame("f2", "net", "Net.predict", self={"module": "m1"}, img=ARRAY, x=TENSOR)
    seen.construct("net", "Net", ("f1", "Net("), classes=2)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", f"{name}.predict"), ("f2", called))
    return seen


def loaded(seen: Watched, *pairs: tuple[str, str]) -> Watched:
    """Have the checkpoint read under a call."""
    seen.events.insert(1, {"is": "read", "how": "torch.load", "path": "@checkpoint", "stack": seen.steps(*pairs)})
    return seen


def drafts(seen: Watched) -> list[Draft]:
    made = draft([seen.run()], seen.texts, {}, None, "tree", files=["tree/anchors.npy", *seen.texts])
    for one in made:
        compile(one.text, "adapter.py", "exec")
    return made


def test_the_network_is_made_once_more_and_asked() -> None:
    made = drafts(loaded(watched(), ("f1", "net.load_weights")))[-1]
    assert function(made.text, "preprocess") == source("""
        def preprocess(path):
            network = prepared_before()
            img = cv2.imread(path)
            x = network.prepared(img)
            return ({'x': x}, {})""").rstrip()
    assert function(made.text, "prepared_after") == source("""
        def prepared_after():
            network = Net(classes=2)
            network.eval()
            network.load_anchors(str(SOURCE / 'anchors.npy'))
            return network""").rstrip()
    assert function(made.text, "postprocess") == source("""
        def postprocess(outputs, ctx, *, min_score_thresh=0.75):
            network = prepared_after()
            network.min_score_thresh = min_score_thresh
            out = torch.from_numpy(outputs['output'])
            found = network.decoded(out)
            return found""").rstrip()
    assert made.params == {"min_score_thresh": 0.75}
    assert made.citations["params.min_score_thresh"] == "tree/detect.py:6"
    assert "load_weights" not in made.text


def test_the_first_drafts_are_as_they_were() -> None:
    first = drafts(watched())[0]
    assert "network" not in first.text and not first.functions["preprocess"] and not first.functions["postprocess"]
    assert first.why["preprocess"] == "x rests on self (tree/net.py:10)"


@pytest.mark.parametrize(
    "script",
    [
        SCRIPT.replace("net.load_anchors", "net = net.to('cuda')\n    net.load_anchors"),
        SCRIPT.replace("net.load_anchors", "net.eval()\n    net.load_anchors"),
        SCRIPT.replace("print(found)", "net.min_score_thresh = 0.1\n    print(found)"),  # after it was used
    ],
)
def test_what_makes_no_difference(script: str) -> None:
    made = drafts(loaded(watched(script), ("f1", "net.load_weights")))[-1]
    assert made.functions["preprocess"] and made.functions["postprocess"], made.why
    assert made.params == {"min_score_thresh": 0.75} and "0.1" not in made.text
    assert "cuda" not in made.text and made.text.count("Net(") == 3  # build, and two prepared


def test_a_factory_that_loads_is_not_called() -> None:
    script = SCRIPT.replace("net = Net(classes=2)", "net = made('net.pth')").replace("    net.load_weights('net.pth')\n", "")
    seen = Watched(detect=script, net=NET + "\n    def made(path):\n        net = Net(classes=2)\n        net.load_weights(path)\n        return net\n")
    seen.frame("f1", "detect", "<module>", net={"module": "m1"}, img=ARRAY)
    seen.frame("f2", "net", "Net.predict", self={"module": "m1"}, img=ARRAY, x=TENSOR)
    seen.frame("f3", "net", "made", path={"path": "@checkpoint"})
    seen.construct("net", "Net", ("f1", "made("), ("f3", "Net("), classes=2)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net.predict"), ("f2", "self(x)"))
    made = drafts(loaded(seen, ("f1", "made("), ("f3", "net.load_weights")))[-1]
    assert made.functions["postprocess"] and "made(" not in made.text and "net.pth" not in made.text


def test_two_networks_keep_what_is_each_ones() -> None:
    script = SCRIPT.replace("net.min", "other = Net(classes=3)\n    other.min_score_thresh = 0.2\n    net.min")
    made = drafts(watched(script, other={"module": "m2"}))[-1]
    assert "0.2" not in made.text and made.params == {"min_score_thresh": 0.75}


def test_a_variable_that_happens_to_be_called_network_stays_another() -> None:
    script = SCRIPT.replace("img = ", "network = 'big'\n    img = ").replace("print(found)", "print(network, found)")
    made = drafts(watched(script, network="big"))[-1]
    assert "network = 'big'" not in function(made.text, "preprocess")
    assert "network = Net(classes=2)" in made.text and made.text.count("Net(classes=2)") == 2  # before and after


def test_a_setting_that_depends_on_another_line_is_no_parameter() -> None:
    script = SCRIPT.replace("= 0.75", "= float(open('score.txt').read())")
    made = drafts(watched(script))[-1]
    assert made.params == {}
    assert "network.min_score_thresh = float(open(" in made.text


def test_two_attributes_of_one_name_keep_two_values() -> None:
    script = SCRIPT.replace("net.min_score_thresh = 0.75", "net.min_score_thresh = 0.75\n    net.head.min_score_thresh = 0.5")
    made = drafts(watched(script))[-1]
    assert made.params["min_score_thresh"] == 0.75 and "network.head.min_score_thresh = 0.5" in made.text


def test_every_draft_is_one_of_its_own() -> None:
    texts = [one.text for one in drafts(watched())]
    assert len(texts) == len(set(texts)) <= 4
    assert all(isinstance(ast.parse(text), ast.Module) for text in texts)


def test_a_script_that_asks_for_nothing_but_the_answer_makes_no_network_twice() -> None:
    script = SCRIPT.replace("net.predict(img)", "net(img)").replace("    net.min_score_thresh = 0.75\n", "").replace("    net.load_anchors('anchors.npy')\n", "")
    seen = Watched(detect=script, net=NET)
    seen.frame("f1", "detect", "<module>", net={"module": "m1"}, img=ARRAY)
    seen.construct("net", "Net", ("f1", "Net("), classes=2)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(img)"), args=[ARRAY])
    for one in drafts(loaded(seen, ("f1", "net.load_weights"))):
        assert "prepared" not in one.text


def test_steps_within_the_call_itself() -> None:
    net = NET.replace("x = self.prepared(img)\n            out = self(x)", "out = self(self.prepared(img))")
    made = drafts(watched(net=net, called="self(self.prepared"))[-1]
    assert made.functions["preprocess"] and made.functions["postprocess"], made.why
    assert "network.prepared(img)" in function(made.text, "preprocess")


def test_a_network_that_is_wrapped_keeps_what_was_set_before_and_after() -> None:
    script = SCRIPT.replace("net.min_score", "net = torch.nn.DataParallel(net)\n    net.module.min_score").replace("net.predict", "net.module.predict")
    seen = Watched(detect=script.replace("import cv2", "import cv2\n    import torch"), net=NET)
    seen.frame("f1", "detect", "<module>", net={"module": "m2"}, img=ARRAY)
    seen.frame("f2", "net", "Net.predict", self={"module": "m1"}, img=ARRAY, x=TENSOR)
    seen.construct("net", "Net", ("f1", "Net("), classes=2)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net.module.predict"), ("f2", "self(x)"))
    made = drafts(loaded(seen, ("f1", "net.load_weights")))[-1]
    assert made.functions["postprocess"], made.why
    assert made.params == {"min_score_thresh": 0.75}
    assert "network.load_anchors(" in made.text and "DataParallel" not in made.text and ".module" not in made.text


def test_a_network_in_an_object_that_is_set_there_is_not_made_anew() -> None:
    script = SCRIPT.replace("net = Net(classes=2)", "kit = Kit()").replace("    net.load_weights('net.pth')\n", "").replace("net.", "kit.net.").replace("from net", "from kit.net").replace("kit.net import Net", "net import Kit")
    seen = Watched(detect=script, net=NET + "\n    class Kit:\n        def __init__(self):\n            self.net = Net(classes=2)\n")
    seen.frame("f1", "detect", "<module>", kit={"opaque": "net.Kit", "attrs": {"net": {"module": "m1"}}}, img=ARRAY)
    seen.frame("f2", "net", "Net.predict", self={"module": "m1"}, img=ARRAY, x=TENSOR)
    seen.frame("f3", "net", "Kit.__init__")
    seen.construct("net", "Net", ("f1", "Kit("), classes=2)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "kit.net.predict"), ("f2", "self(x)"))
    for one in drafts(seen):
        assert "network" not in one.text, one.text
