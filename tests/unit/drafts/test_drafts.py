"""Drafts of an adapter from watched runs: one small upstream for each construct."""

import numpy as np
import pytest
from drafts_watched import ARRAY, TENSOR, Watched, function, source

from assay.drafts.draft import draft

SCRIPT = """
    import argparse
    import cv2
    import torch
    from net import Net

    def scaled(image, size):
        return cv2.resize(image, size)

    parser = argparse.ArgumentParser()
    parser.add_argument('--img')
    parser.add_argument('--weights')
    parser.add_argument('--conf-thres', type=float, default=0.3)
    parser.add_argument('--size', type=int, default=64)
    opt = parser.parse_args()

    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    net = Net(classes=2).to(device)
    net.load_state_dict(torch.load(opt.weights))
    net.eval()
    image = cv2.imread(opt.img)
    x = scaled(image, (opt.size, opt.size)).transpose(2, 0, 1)[None]
    x = torch.from_numpy(x).to(device).float() / 255.0
    preds = net(x)
    print('took', 3)
    names = [line.strip() for line in open('names.txt')]
    for box in preds[0]:
        if box[4] < opt.conf_thres:
            continue
        score = box[4]
        text = '%s %.2f' % (names[int(box[5])], score)
        x1, y1 = int(box[0]), int(box[1])
        cv2.rectangle(image, (x1, y1), (int(box[2]), int(box[3])), (0, 0, 255), 2)
        cv2.putText(image, text, (x1, y1), 0, 1, 0)
    cv2.imwrite('out.png', image)
"""


def script() -> Watched:
    seen = Watched(detect=SCRIPT, net="class Net:\n    def __init__(self, classes): pass\n")
    seen.frame(
        "f1", "detect", "<module>",
        opt={"namespace": {"img": {"path": "@input"}, "weights": {"path": "@checkpoint"}, "conf_thres": 0.3, "size": 64}},
        net={"module": "m1"}, image=ARRAY, x=TENSOR, device={"device": "cpu"},
    )  # fmt: skip
    seen.construct("net", "Net", ("f1", "Net("), classes=2)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(x)"))
    seen.read(("f1", "open("), path="@tree/names.txt")
    return seen


def test_the_body_of_a_script() -> None:
    made = script().draft()
    assert made.why == {}
    assert function(made.text, "preprocess") == source("""
        def preprocess(path):
            image = cv2.imread(path)
            x = scaled(image, (64, 64)).transpose(2, 0, 1)[None]
            x = torch.from_numpy(x).float() / 255.0
            return ({'x': x}, {})""").rstrip()
    assert "image = cv2.imread(path)  # detect.py:20" in made.text
    assert "# detect.py:6\ndef scaled(image, size):" in made.text  # the script cannot be imported
    assert "argparse" not in made.text and "imwrite" not in made.text


def test_a_loop_that_draws_lists_what_it_draws() -> None:
    made = script().draft()
    text = function(made.text, "postprocess")
    assert "def postprocess(outputs, ctx, *, conf_thres=0.3):" in text
    assert "if box[4] < conf_thres:\n            continue" in text
    assert "found.append({'label': str(names[int(box[5])]), 'score': float(score), 'box': [" in text
    assert "rectangle" not in text and "'took'" not in text
    assert 'open(str(SOURCE / "names.txt"))' in made.text
    assert made.params == {"conf_thres": 0.3}
    assert made.citations["params.conf_thres"] == "tree/detect.py:12"


def test_build_is_written_as_the_model_was_made() -> None:
    made = script().draft({"format": {"name": "torch"}, "wrapper": ["model", "model: module."]})
    text = function(made.text, "build")
    assert "Net(classes=2)" in text and "weights_only=True" in text
    assert "state = state['model']" in text and "k.startswith('module.')" in text
    assert made.roots == ["tree"]


def test_weights_of_a_file_with_code_are_taken_without_running_it() -> None:
    made = script().draft({"format": {"name": "torch"}, "trust": ["it names a class"]})
    assert "def build(*, checkpoint, device, weights):" in function(made.text, "build")


def test_a_match_says_how_the_model_is_made_and_a_contradiction_ends_it() -> None:
    argument = {"name": "classes", "value": 2, "by": "call", "where": "tree/detect.py:18", "identified": True}
    best = {"module": "net", "qualname": "Net", "path": "tree/net.py", "kind": "class", "args": [argument]}
    made = script().draft({}, {"best": {**best, "missing": ["head.weight"]}})
    assert "classes=2,  # detect.py:18" in made.text and "strict=False" in made.text
    other = script().draft({}, {"best": {**best, "qualname": "Other"}})
    assert not other.functions["build"] and "match Other" in other.why["build"]


GUARDED = """
    from pathlib import Path
    from PIL import Image
    import numpy as np
    NAMES = ['cat', 'dog']

    def prepare(image, size=8):
        image = image.resize((size, size))
        return np.asarray(image)[None], image.width

    def load(weights):
        net = make(weights)
        def run(tensor):
            return net(tensor)
        return run

    def detect(network, image, iou_threshold=0.45, max_boxes=100):
        tensor, width = prepare(image)
        boxes = decode(network(tensor)[0], iou_threshold)
        return [{'label': NAMES[0], 'score': float(b[4]), 'box': list(b * width)} for b in boxes[:max_boxes]]

    def main():
        options = parse()
        network = load(options.weights)
        for path in options.pictures:
            image = Image.open(path)
            found = detect(network, image, options.iou_threshold)
            print(len(found), 'found')

    if __name__ == '__main__':
        main()
"""


def guarded() -> Watched:
    seen = Watched(detect=GUARDED)
    options = {"pictures": [{"path": "@input"}], "weights": {"path": "@checkpoint"}, "iou_threshold": 0.5}
    seen.frame("f1", "detect", "<module>")
    seen.frame("f2", "detect", "main", options={"namespace": options}, path={"path": "@input"})
    seen.frame("f3", "detect", "detect", iou_threshold=0.5, max_boxes=100, width=8, tensor=ARRAY)
    seen.frame("f4", "detect", "run", tensor=ARRAY, net={"module": "m1"})
    seen.read(("f1", "main"), ("f2", "Image.open"))
    seen.call(("f1", "main"), ("f2", "detect("), ("f3", "network("), ("f4", "net("), args=[ARRAY], outputs=ARRAY)
    return seen


def test_main_a_loop_over_paths_and_a_closure() -> None:
    made = guarded().draft()
    assert "from detect import NAMES, decode, prepare" not in made.text  # decode is nowhere
    assert "decode" in made.why["postprocess"]
    seen = guarded()
    seen.texts["tree/detect.py"] += "\ndef decode(grid, threshold):\n    return grid\n"
    made = seen.draft()
    assert function(made.text, "preprocess") == source("""
        def preprocess(path):
            image = Image.open(path)
            tensor, width = prepare(image)
            return ({'tensor': tensor}, {'width': width})""").rstrip()
    assert "from detect import NAMES, decode, prepare" in made.text


def test_what_a_function_returns_is_the_answer_and_its_thresholds_are_parameters() -> None:
    seen = guarded()
    seen.texts["tree/detect.py"] += "\ndef decode(grid, threshold):\n    return grid\n"
    made = seen.draft()
    text = function(made.text, "postprocess")
    assert made.params == {"iou_threshold": 0.5, "max_boxes": 100}
    assert "width = ctx['width']" in text and "boxes = decode(outputs['output'][0], iou_threshold)" in text
    assert text.endswith("return found")


def test_what_was_made_and_not_shown_is_left_out_of_a_second_draft() -> None:
    body = SCRIPT.replace("cv2.putText(image, text, (x1, y1), 0, 1, 0)", "pass")
    seen = Watched(detect=body, net="class Net: ...\n")
    seen.frames, seen.events = script().frames, script().events
    first, second = draft([seen.run()], seen.texts, {}, None, "tree")
    assert "'score': float(score)" in function(first.text, "postprocess")
    assert "score" not in function(second.text, "postprocess").split("append")[1]


METHOD = """
    import cv2
    from net import make_net, Predictor
    net = make_net()
    predictor = Predictor(net, size=4)
    image = cv2.imread('a.png')
    boxes, scores = predictor.predict(image, 5)
    print(boxes, scores)
"""
PREDICTOR = """
    import numpy as np
    import torch

    def make_net(): ...

    class Predictor:
        def __init__(self, net, size): ...

        def predict(self, image, top_k=3):
            height, width, _ = image.shape
            image = self.transform(image)
            with torch.no_grad():
                for i in range(1):
                    scores, boxes = self.net.forward(image.unsqueeze(0).cuda())
            keep = scores > 0.5
            if not keep.any():
                return [], []
            return boxes[keep][:top_k] * width, scores[keep]
"""


def test_a_method_keeps_its_object_and_the_model_is_stood_in_for() -> None:
    seen = Watched(demo=METHOD, net=PREDICTOR)
    seen.frame("f1", "demo", "<module>", net={"module": "m1"}, image=ARRAY, predictor={"opaque": "net.Predictor", "attrs": {}})
    seen.frame("f2", "net", "Predictor.predict", image=TENSOR, height=6, width=8, top_k=5)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "predictor.predict"), ("f2", "self.net.forward"), outputs={"tuple": [TENSOR, TENSOR]})
    made = seen.draft()
    assert "predictor = Predictor(torch.nn.Identity(), size=4)" in made.text
    assert "lru_cache" in made.text  # made once
    assert function(made.text, "preprocess") == source("""
        def preprocess(path):
            predictor = prepared_before()
            image = cv2.imread(path)
            height, width, _ = image.shape
            image = predictor.transform(image)
            return ({'input': image.unsqueeze(0)}, {'width': width})""").rstrip()
    assert "def after_predict(answer, top_k, width):" in made.text  # it ends in two ways
    text = function(made.text, "postprocess")
    assert "after_predict((torch.from_numpy(outputs['output']), torch.from_numpy(outputs['output1'])), top_k, width)" in text
    assert text.endswith("return {'boxes': boxes, 'scores': scores}")


def test_labels_with_scores_best_first_are_a_classification() -> None:
    text = """
        import numpy as np
        from PIL import Image
        from net import net, NAMES
        def classify(network, image, top=3):
            chances = network(np.asarray(image))[0]
            return [(NAMES[i], float(chances[i])) for i in np.argsort(-chances)[:top]]
        best = classify(net, Image.open('a.png'))
        print(best)
    """
    seen = Watched(run=text, net="NAMES = []\nnet = None\n")
    seen.frame("f1", "run", "<module>")
    seen.frame("f2", "run", "classify", network={"module": "m1"}, top=3)
    seen.read(("f1", "Image.open"))
    seen.call(("f1", "classify"), ("f2", "network("), args=[ARRAY], outputs=ARRAY)
    made = seen.draft()
    assert "def postprocess(outputs, ctx, *, top=3):" in function(made.text, "postprocess")
    assert made.text.rstrip().endswith('return {**top[0], "top": top}')


@pytest.mark.parametrize(
    ("shown", "answer"),
    [
        ("print(NAMES[best], round(chance, 2))", "{'label': NAMES[best], 'best': best, 'chance': chance}"),
        ("print(f'{NAMES[best]}: {chance:.2f}')", "{'label': NAMES[best], 'best': best, 'chance': chance}"),
        ("print('it is ' + NAMES[best])", "{'label': NAMES[best], 'best': best}"),
        ("print(NAMES[best], COLOURS[best])", "{'NAMES': NAMES[best], 'COLOURS': COLOURS[best], 'best': best}"),
        ("print(chances[best])", "{'best': best, 'chances': chances}"),  # no table: the answer itself
        ("print(best, NAMES[0])", "best"),
        ("print(COLOURS[best], chance)", "{'COLOURS': COLOURS[best], 'best': best, 'chance': chance}"),
        ("print(NAMES[best] if chance > 0.5 else 'none', chance)", "{'best': best, 'chance': chance}"),
        ("print(len(NAMES[best]), chance)", "{'best': best, 'chance': chance}"),
    ],
)
def test_what_a_print_looks_up_by_the_answer_is_part_of_it(shown: str, answer: str) -> None:
    text = f"""
        import numpy as np
        from PIL import Image
        from net import net, NAMES, COLOURS
        chances = net(np.asarray(Image.open('a.png')))[0]
        best = int(chances.argmax())
        chance = float(chances.max())
        {shown}
    """
    seen = Watched(run=text, net="NAMES = COLOURS = []\nnet = None\n")
    seen.frame("f1", "run", "<module>")
    seen.read(("f1", "Image.open"))
    seen.call(("f1", "net("), args=[ARRAY], outputs=ARRAY)
    body = function(seen.draft().text, "postprocess")
    assert body.endswith(f"return {answer}"), body


def test_a_picture_of_the_models_own_is_the_answer() -> None:
    text = """
        import cv2
        from net import net
        image = cv2.imread('a.png')
        big = net(image)
        big = (big * 255.0).round()
        cv2.imwrite('big.png', big)
    """
    seen = Watched(run=text, net="net = None\n")
    seen.frame("f1", "run", "<module>", image=ARRAY)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(image)"), args=[ARRAY], outputs=ARRAY)
    made = seen.draft()
    assert "return {'picture': as_picture(big, bgr=True)}" in function(made.text, "postprocess")


def ending(end: str, files: tuple[str, ...] = ()) -> str:
    text = f"""
        import cv2
        from torchvision.utils import save_image
        from net import load, net, visualise
        path = 'a.png'
        image = load(cv2.imread(path), 'data/list', 'model')
        big = net(image)
        out = path.replace('a', 'b')
        {end}
    """
    seen = Watched(run=text, net="net = None\ndef visualise(path, preds):\n    plt.plot(preds)\n")
    seen.frame("f1", "run", "<module>", image=ARRAY, path={"path": "@input"})
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(image)"), args=[ARRAY])
    return draft([seen.run()], seen.texts, {}, None, "tree", files=files)[0].text


def test_a_saved_tensor_is_the_picture_and_is_not_saved() -> None:
    text = ending("save_image(big, out)")
    body = function(text, "postprocess")
    assert "return {'picture': saved_picture(torch.from_numpy(outputs['output']))}" in body or "saved_picture(big)" in body
    assert "save_image(" not in body and "replace(" not in body
    made: dict = {"np": np}
    exec(function(text, "saved_picture"), made)
    picture = made["saved_picture"](np.array([[[[0.0, 0.5]], [[1.0, 2.0]], [[-1.0, 0.25]]]], dtype=np.float32))
    assert picture.tolist() == [[[0, 255, 0], [128, 255, 64]]]


def test_what_only_a_drawing_function_is_given_is_the_answer() -> None:
    assert "'preds': " in function(ending("visualise(path=path, preds=big)"), "postprocess")


def test_paths_in_the_tree_are_found_from_anywhere() -> None:
    text = ending("print(big)", ("tree/data/list/a.txt", "tree/model/b.txt"))
    assert 'str(SOURCE / "data/list"), "model")' in text and "SOURCE = Path(" in text
    assert '"data/list", "model")' in ending("print(big)")


def test_another_network_after_the_model_leaves_preprocess() -> None:
    text = """
        import cv2
        from net import net, head
        x = cv2.imread('a.png')
        y = net(x)
        print(head(y))
    """
    seen = Watched(run=text, net="net = head = None\n")
    seen.frame("f1", "run", "<module>", x=ARRAY)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(x)"), args=[ARRAY])
    seen.call(("f1", "head(y)"), module="m2")
    made = seen.draft()
    assert made.functions["preprocess"] and not made.functions["postprocess"]
    assert made.why["postprocess"] == "the model is called at several places for one input"


def test_other_arguments_of_the_call_make_an_infer() -> None:
    text = """
        import cv2
        from net import net
        x = cv2.imread('a.png')
        y = net(x, 16000, augment=False)
        print(y)
    """
    seen = Watched(run=text, net="net = None\n")
    seen.frame("f1", "run", "<module>", x=ARRAY)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(x"), args=[TENSOR, 16000], kwargs={"augment": False}, outputs={"tuple": [TENSOR, [TENSOR]]})
    made = seen.draft()
    text = function(made.text, "infer")
    assert "answer = model(torch.from_numpy(tensors['x']).to(device), 16000, augment=False)" in text
    assert "'output1': answer[1][0]" in text
    assert made.inputs == ["x"] and made.outputs == ["output", "output1"]


def test_a_loop_over_the_model_is_run_by_upstreams_function() -> None:
    text = """
        from sound import read_audio, timestamps
        model = None
        wav = read_audio('a.wav')
        found = timestamps(wav, model, seconds=True)
        print(found)
    """
    sound = """
        def read_audio(path): ...
        def timestamps(audio, model, threshold=0.5, seconds=False):
            probs = []
            for chunk in audio:
                probs.append(model(chunk))
            return [p for p in probs if p > threshold]
    """
    seen = Watched(run=text, sound=sound)
    seen.frame("f1", "run", "<module>", wav=TENSOR, model={"module": "m1"})
    seen.frame("f2", "sound", "timestamps", model={"module": "m1"}, audio=TENSOR)
    seen.read(("f1", "read_audio"))
    for _ in range(3):
        seen.call(("f1", "timestamps("), ("f2", "model("))
    made = seen.draft()
    assert made.many and made.functions == {"build": False, "preprocess": True, "infer": True, "postprocess": True, "draw": False}
    assert "timestamps(torch.from_numpy(tensors['wav']), calls, seconds=True)" in function(made.text, "infer")
    assert "Replay(outputs['output'])" in function(made.text, "postprocess")
    assert made.params == {"threshold": 0.5}


def test_calls_at_several_places_are_not_cut() -> None:
    text = """
        import cv2
        from net import net
        x = cv2.imread('a.png')
        y = net(x)
        z = net(x[::-1])
        print(y + z)
    """
    seen = Watched(run=text, net="net = None\n")
    seen.frame("f1", "run", "<module>", x=ARRAY)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(x)"))
    seen.call(("f1", "net(x[::-1])"))
    made = seen.draft()
    assert made.why["preprocess"] == "the model is called at several places for one input"
    assert not any(made.functions.values())


def test_what_rests_on_the_model_is_a_constant_or_a_reason() -> None:
    text = """
        import cv2
        from net import net
        size = net.size()
        x = cv2.resize(cv2.imread('a.png'), size)
        print(net(x))
    """
    seen = Watched(run=text, net="net = None\n")
    seen.frame("f1", "run", "<module>", x=ARRAY, net={"module": "m1"}, size={"tuple": [4, 4]})
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(x)"), args=[ARRAY], outputs=ARRAY)
    assert "size = (4, 4)" in function(seen.draft().text, "preprocess")
    del seen.frames["f1"]["locals"]["size"]
    assert "size rests on net" in seen.draft().why["preprocess"]


def test_what_was_set_right_is_set_right_again() -> None:
    seen = Watched(detect=SCRIPT.replace("from net", "import extra.deep\n    from net", 1), net="class Net: ...\n")
    seen.frames = script().frames
    seen.interventions = [
        {"what": "extra is not installed: stood in for until it is used", "code": "", "where": ""},
        {"what": "numpy.int is gone", "code": "numpy.int = int", "where": ""},
    ]
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(x)"))
    text = seen.draft().text
    assert '("extra", "extra.deep",)' in text
    assert "# numpy.int is gone\nnumpy.int = int" in text
    assert "import cv2  # noqa: E402" in text


def test_calls_known_by_their_line_alone_are_found_by_name() -> None:
    seen, exact = guarded(), guarded()
    for one in (seen, exact):
        one.texts["tree/detect.py"] += "\ndef decode(grid, threshold):\n    return grid\n"
    seen.frames["f3"]["locals"]["network"] = {"object": "__main__:load.<locals>.run"}
    for event in seen.events:
        for step in event["stack"]:
            step["col"] = step["end_col"] = None
    assert seen.draft().text == exact.draft().text


def test_a_model_that_is_given_something_else_than_the_input() -> None:
    text = """
        import cv2
        import torch
        from net import net
        image = cv2.imread('a.png')
        y = net(torch.rand(1, 3, 8, 8))
        print(y)
    """
    seen = Watched(run=text, net="net = None\n")
    seen.frame("f1", "run", "<module>", image=ARRAY)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net("))
    assert seen.draft().why["preprocess"] == "what the model is given does not rest on the input"


def test_no_branch_is_decided_by_what_the_input_made_it() -> None:
    text = """
        import cv2
        from net import net
        wide = False
        image = cv2.imread('a.png')
        depth = image.ndim
        if depth == 2:
            image = image[..., None]
        if wide:
            image = image[:, ::2]
        print(net(image))
    """
    seen = Watched(run=text, net="net = None\n")
    seen.frame("f1", "run", "<module>", image=ARRAY, depth=3, wide=False)
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net(image)"), args=[ARRAY], outputs=ARRAY)
    body = function(seen.draft().text, "preprocess")
    assert "if depth == 2:" in body and "wide" not in body


def test_no_run_no_functions() -> None:
    made = Watched(a="x = 1\n").draft()
    assert not any(made.functions.values())
    assert made.why["preprocess"] == "no run was watched" or "not called" in made.why["preprocess"]
