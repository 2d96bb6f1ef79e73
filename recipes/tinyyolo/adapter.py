"""How examples/tinyyolo is used: upstream's own functions, called the way its detect.py calls them.

`detect` is upstream's file; it is found because the source tree is on the path when this runs.
Tensors and outputs are those of one picture, a batch of one; the caller stacks and splits batches.
"""

from detect import NAMES, decode, nms, restore
from detect import draw as draw_boxes
from detect import preprocess as to_tensor
from PIL import Image

ENLARGE_TO = 256  # a shorter side below this is enlarged for the eye, so that captions can be read


def preprocess(path):
    """Return the network's input and what decoding needs to find its way back to the picture."""
    with Image.open(path) as image:
        tensor, ratio, pad = to_tensor(image)
        return {"images": tensor}, {"width": image.width, "height": image.height, "ratio": ratio, "pad": list(pad)}


def postprocess(outputs, ctx, *, score_threshold=0.25, iou_threshold=0.45, max_boxes=100):
    """Return the boxes found, best first, in pixels of the picture."""
    boxes, scores, classes = decode(outputs["predictions"][0], score_threshold)
    kept = nms(boxes, scores, classes, iou_threshold, max_boxes)
    boxes = restore(boxes, ctx["ratio"], ctx["pad"], ctx["width"], ctx["height"])
    return [
        {
            "label": NAMES[int(classes[i])],
            "score": round(float(scores[i]), 6),
            "box": [round(float(v), 2) for v in boxes[i]],
        }
        for i in kept
    ]


def draw(path, result):
    """Return the picture, enlarged when small, with the boxes on it."""
    with Image.open(path) as image:
        times = max(1, -(-ENLARGE_TO // min(image.size)))
        large = image.convert("RGB").resize((image.width * times, image.height * times), Image.NEAREST)
    return draw_boxes(large, [{**thing, "box": [v * times for v in thing["box"]]} for thing in result])
