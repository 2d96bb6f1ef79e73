"""How examples/digits is used, written out here in full: it needs none of upstream's files.

Tensors and outputs are those of one picture, a batch of one; the caller stacks and splits batches.
"""

import numpy as np
from PIL import Image, ImageDraw

SIZE = 8
FULL = 240.0  # the grey value of full ink, as in upstream's classify.py
ENLARGE = 24  # one pixel becomes a square of this many for the eye


def preprocess(path):
    """Return the network's input: grey, 8 x 8, 0 (paper) to 1 (ink)."""
    with Image.open(path) as image:
        grey = image.convert("L")
    if grey.size != (SIZE, SIZE):
        grey = grey.resize((SIZE, SIZE), Image.BOX)
    return {"image": np.asarray(grey, dtype=np.float32)[None, None] / FULL}, {}


def postprocess(outputs, ctx, *, top=3):
    """Return the likeliest digit, and the first few with their probabilities."""
    logits = outputs["logits"][0].astype(np.float64)
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    best = [
        {"label": str(int(i)), "score": round(float(chances[i]), 6)} for i in np.argsort(-chances, kind="stable")[:top]
    ]
    return {**best[0], "top": best}


def draw(path, result):
    """Return the picture enlarged, with the answer below."""
    side, caption = SIZE * ENLARGE, 20
    with Image.open(path) as image:
        large = image.convert("RGB").resize((side, side), Image.NEAREST)
    page = Image.new("RGB", (side, side + caption), "white")
    page.paste(large)
    ImageDraw.Draw(page).text((6, side + 4), f"{result['label']}  {result['score']:.3f}", fill="black")
    return page
