"""What a rehearsed postprocess does to the answer, read off its lines."""

import msgspec
import pytest

from assay.claims.decoding import activation, choices, grey
from assay.records import ArrayFacts, Draft, Finding, ModelCall, Observation, Watched

UPSTREAM = {"up/post.py": "import torch\n\n\ndef decode(x):\n    return torch.sigmoid(x)\n\n\ndef plain(x):\n    return x\n"}


def facts(shape):
    return ArrayFacts(name="", dtype="float32", shape=shape, minimum=0.0, maximum=1.0, mean=0.5, nonfinite=0)


def seen(*lines, imports="", findings=(), functions=("postprocess",), shape=(1, 5, 8, 8)):
    body = "".join(f"    {line}\n" for line in lines)
    text = f'{imports}\n\ndef postprocess(outputs, ctx):\n    x = torch.from_numpy(outputs["output"])\n{body}'
    call = ModelCall(method="forward", where="", inputs=[], outputs=[facts(list(shape))])
    return Observation(
        status="seen",
        runs=[Watched(input="a", outcome="ok", first=call)],
        findings=list(findings),
        draft=Draft(text=text, by="drafted", functions=list(functions), rehearsals=[]),
    )


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["return x"], "none"),
        (["return torch.softmax(x, 1).argmax(1)"], "softmax, argmax"),
        (["_, best = torch.max(x, 1)", "return best"], "argmax"),
        (["return torch.max(x)"], "none"),
        (["return int(x.data.max(1).indices[0])"], "argmax"),
        (["return torch.max(x, 1)[1]"], "argmax"),
        (["return F.log_softmax(x, dim=1)", ""], "log_softmax"),
        (["return decode(x)"], "sigmoid"),
        (["return plain(x)"], "none"),
    ],
)
def test_activations_in_order(lines, value):
    [claim] = activation(seen(*lines, imports="from post import decode, plain"), UPSTREAM)
    assert (claim.id, claim.value, claim.status) == ("post.activation", value, "observed")


HANDED = {
    "up/post/__init__.py": "from .inner import decode\nfrom .more.outer import plain\n",
    "up/post/inner.py": UPSTREAM["up/post.py"].partition("def plain")[0],
    "up/post/more/outer.py": "def plain(x):\n    return x\n",
    "up/post/apart.py": "def decode(x):\n    return x\n",
}


@pytest.mark.parametrize(("line", "value"), [("return decode(x)", "sigmoid"), ("return plain(x)", "none")])
def test_a_package_hands_functions_on(line, value):
    [claim] = activation(seen(line, imports="from post import decode, plain"), HANDED, list(HANDED))
    assert claim.value == value


def test_of_two_functions_of_one_name_the_one_that_is_handed_on_is_read():
    more = {"up/post/more/outer.py": "def plain(x):\n    return x\n\n\ndef decode(x):\n    return x\n"}
    method = {"up/post/more/outer.py": "class Net:\n    def decode(self, x):\n        return x.softmax(1)\n"}
    for files in ({**HANDED, **more}, {**HANDED, **method}):
        [claim] = activation(seen("return decode(x)", imports="from post import decode"), files, list(files))
        assert claim.value == "sigmoid"


@pytest.mark.parametrize(
    "changed",
    [
        {"up/post/inner.py": "def decode(x:\n"},
        {"up/post/__init__.py": "from .gone import decode\n"},
        {"up/post/__init__.py": "from ..apart import decode\n"},
    ],
)
def test_a_package_that_may_hand_on_another_says_nothing(changed):
    files = {**HANDED, **changed}
    assert activation(seen("return decode(x)", imports="from post import decode"), files, list(files)) == []


def test_what_a_function_of_upstreams_hides_is_not_said():
    assert activation(seen("return ctx.decode(x)"), UPSTREAM) == []


def test_a_probe_that_saw_it_is_not_contradicted():
    known = Finding(id="post.activation", value="softmax")
    assert activation(seen("return x", findings=[known]), UPSTREAM) == []


def test_of_a_postprocess_that_failed_nothing_is_said():
    observed = seen("return x.argmax(1)", functions=("preprocess",))
    assert activation(observed, UPSTREAM) == choices(observed) == activation(None, {}) == choices(None) == []


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["return x.argmax(1)"], {"labels.count": 5}),
        (["_, best = torch.max(x, dim=1)", "return best"], {"labels.count": 5}),
        (["pair = (x, x)", "y = pair[1]", "return torch.argmax(torch.softmax(y, 1), dim=1)"], {"labels.count": 5}),
        (["return x.argmax(1), x.argmax(2)"], {}),  # of two lengths
        (["return x[0].argmax(1)"], {}),  # another shape by then
        (["return x.argmax()"], {}),
        (["return x.argmax(9)"], {}),
        (["return ['dark', 'bright'][int(x.argmax(1))]"], {"labels.count": 2, "labels.names": ["dark", "bright"]}),
        (["return [1, 2][int(x.max())]"], {}),
    ],
)
def test_what_the_answer_is_chosen_from(lines, found):
    assert {claim.id: claim.value for claim in choices(seen(*lines))} == found


def test_a_ranking_by_no_known_word_is_not_called_nothing():
    assert activation(seen("return x.topk(3)"), UPSTREAM) == []


@pytest.mark.parametrize(
    ("line", "is_grey"),
    [
        ('image = Image.open(path).convert("L")', True),
        ("image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2GRAY)", True),
        ('image = Image.open(path).convert("YCbCr").split()[0]', False),
        ("image = cv2.cvtColor(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2YCrCb)[..., 0], cv2.COLOR_GRAY2BGR)", False),
    ],
)
def test_grey_is_told_from_the_y_of_a_conversion_by_its_lines(line, is_grey):
    either = Finding(id="pre.color", value=None, alternatives=["GRAY", "Y"])
    observed = seen("return x", findings=[either], functions=("preprocess",))
    text = observed.draft.text + f"\n\ndef preprocess(path):\n    {line}\n    return image, {{}}\n"
    drafted = msgspec.structs.replace(observed, draft=msgspec.structs.replace(observed.draft, text=text))
    assert [(c.id, c.value, c.status) for c in grey(drafted)] == ([("pre.color", "GRAY", "observed")] if is_grey else [])
    known = msgspec.structs.replace(drafted, findings=[Finding(id="pre.color", value="Y")])
    assert grey(known) == grey(observed) == grey(None) == []
