"""Preprocessings as upstreams write them, and what fitting must say of each: what is not listed must stay unknown."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

HAS_CV2 = importlib.util.find_spec("cv2") is not None
IMAGENET = (np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32))
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
UNIT = {"pre.mean": [0.0] * 3, "pre.std": [255.0] * 3, "pre.scale": 0.00392157}


def nchw(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32)


def short_side(image: Image.Image, side: int, how: int = Image.BILINEAR) -> Image.Image:
    w, h = image.size
    return image.resize((side, int(side * h / w)) if w < h else (int(side * w / h), side), how)


def centre_crop(image: Image.Image, side: int) -> Image.Image:
    left, top = round((image.width - side) / 2.0), round((image.height - side) / 2.0)
    return image.crop((left, top, left + side, top + side))


def imagenet(x: np.ndarray) -> np.ndarray:
    return ((x / 255 - IMAGENET[0]) / IMAGENET[1]).astype(np.float32)


def letterbox(image: Image.Image, side: int, fill: int, how: int = Image.BILINEAR, corner: bool = False) -> np.ndarray:
    ratio = min(side / image.width, side / image.height)
    w, h = round(image.width * ratio), round(image.height * ratio)
    canvas = np.full((side, side, 3), fill, np.uint8)
    left, top = (0, 0) if corner else ((side - w) // 2, (side - h) // 2)
    canvas[top : top + h, left : left + w] = np.asarray(image.resize((w, h), how))
    return canvas.astype(np.float32)


def torchvision_like(image: Image.Image) -> np.ndarray:
    return nchw(imagenet(array(centre_crop(short_side(image, 256), 224))))


def square_then_crop(image: Image.Image) -> np.ndarray:
    return nchw(imagenet(array(centre_crop(image.resize((256, 256), Image.BICUBIC), 224))))


def crop_then_resize(image: Image.Image) -> np.ndarray:
    return nchw(array(centre_crop(image, min(image.size)).resize((160, 160), Image.LANCZOS)) / 127.5 - 1)


def squash_bgr(image: Image.Image) -> np.ndarray:
    return nchw(array(image.resize((352, 352), Image.BILINEAR))[:, :, ::-1] / 255)


def yolo_letterbox(image: Image.Image) -> np.ndarray:
    return nchw(letterbox(image, 640, 114) / 255)


def yolo_auto(image: Image.Image) -> np.ndarray:
    ratio = 640 / max(image.size)
    w, h = round(image.width * ratio), round(image.height * ratio)
    wide, high = -(-w // 32) * 32, -(-h // 32) * 32
    canvas = np.full((high, wide, 3), 114, np.float32)
    canvas[(high - h) // 2 : (high - h) // 2 + h, (wide - w) // 2 : (wide - w) // 2 + w] = array(
        image.resize((w, h), Image.BILINEAR)
    )
    return nchw(canvas / 255)


def corner_letterbox(image: Image.Image) -> np.ndarray:
    return nchw(letterbox(image, 416, 114, corner=True)[:, :, ::-1])  # YOLOX: BGR, not scaled


def padded_after(image: Image.Image) -> np.ndarray:
    ratio = 320 / max(image.size)
    small = imagenet(array(image.resize((round(image.width * ratio), round(image.height * ratio)), Image.BILINEAR)))
    canvas = np.zeros((320, 320, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    return nchw(canvas)


def caffe(image: Image.Image) -> np.ndarray:
    return nchw(array(image)[:, :, ::-1] - np.array([104, 117, 123], np.float32))


def ultra_light(image: Image.Image) -> np.ndarray:
    return nchw((array(image.resize((320, 240), Image.BILINEAR)) - 127) / 128)


def by_maximum(image: Image.Image) -> np.ndarray:
    x = array(image.resize((320, 320), Image.BILINEAR))
    with np.errstate(invalid="ignore"):
        return nchw((x / x.max() - IMAGENET[0]) / IMAGENET[1]).astype(np.float32)


def safe_maximum(image: Image.Image) -> np.ndarray:
    x = array(image.resize((320, 320), Image.BILINEAR))
    return nchw(x / max(x.max(), 1e-6))


def standardised(image: Image.Image) -> np.ndarray:
    x = array(image.resize((160, 160), Image.BILINEAR))
    return nchw((x - x.mean()) / np.float32(max(x.std(), 1 / np.sqrt(x.size))))  # facenet's prewhiten


def per_channel(image: Image.Image) -> np.ndarray:
    x = array(image.resize((160, 160), Image.BILINEAR))
    return nchw((x - x.mean((0, 1))) / (x.std((0, 1)) + 1e-6))


def gamma(image: Image.Image) -> np.ndarray:
    return nchw((array(image.resize((224, 224), Image.BILINEAR)) / 255) ** np.float32(2.2))


def clipped(image: Image.Image) -> np.ndarray:
    return nchw(np.clip(array(image.resize((224, 224), Image.BILINEAR)), 40, None) - 40)


def y_channel(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("YCbCr"), np.float32)[None, None, :, :, 0] / 255


def grey(image: Image.Image) -> np.ndarray:
    return array(image.convert("L").resize((100, 32), Image.BICUBIC))[None, None] / 127.5 - 1


def studio_y(image: Image.Image) -> np.ndarray:
    y = 16 + array(image) @ np.array([65.481, 128.553, 24.966], np.float32) / 255
    return (y / 255)[None, None].astype(np.float32)


def digits(image: Image.Image) -> np.ndarray:
    return array(image.convert("L").resize((28, 28), Image.NEAREST))[None, None] / 255


def keras(image: Image.Image) -> np.ndarray:
    return array(image.resize((299, 299), Image.NEAREST))[None] / 127.5 - 1


def bytes_hwc(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


def chw_float(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(array(image.resize((112, 112), Image.BICUBIC)).transpose(2, 0, 1))


def half(image: Image.Image) -> np.ndarray:
    return squash_bgr(image).astype(np.float16)


def ten_crops(image: Image.Image) -> np.ndarray:
    big = array(short_side(image, 256)) / 255
    crops = [big[y : y + 224, x : x + 224] for y in (0, big.shape[0] - 224) for x in (0, big.shape[1] - 224)]
    return np.stack([c.transpose(2, 0, 1) for c in crops])


def with_mirror(image: Image.Image) -> np.ndarray:
    x = squash_bgr(image)
    return np.concatenate([x, x[:, :, :, ::-1]])


def colours_as_batch(image: Image.Image) -> np.ndarray:
    return (array(image.resize((28, 28))) / 255).transpose(2, 0, 1)[:, None]


def copies(image: Image.Image) -> np.ndarray:
    return np.repeat(squash_bgr(image), 4, 0)


def mirrored(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(squash_bgr(image)[:, :, :, ::-1])


def multiple_down(image: Image.Image) -> np.ndarray:
    w, h = (int(side * 512 / min(image.size)) // 32 * 32 for side in image.size)
    return nchw((array(image.resize((w, h), Image.BILINEAR)) - 127.5) / 127.5)


def modnet(image: Image.Image) -> np.ndarray:
    w, h = image.size
    if max(w, h) < 512 or min(w, h) > 512:
        w, h = (512, int(h / w * 512)) if w < h else (int(w / h * 512), 512)
    return nchw((array(image.resize((w // 32 * 32, h // 32 * 32), Image.BILINEAR)) - 127.5) / 127.5)


def pad_to_multiple(image: Image.Image) -> np.ndarray:
    high, wide = -(-image.height // 32) * 32, -(-image.width // 32) * 32
    canvas = np.zeros((high, wide, 3), np.float32)
    canvas[: image.height, : image.width] = array(image) / 255
    return nchw(canvas)


def mean_picture(image: Image.Image) -> np.ndarray:
    x = array(image.resize((227, 227), Image.BILINEAR))
    return nchw(x - np.linspace(90, 130, 227, dtype=np.float32)[:, None, None])


def blurred(image: Image.Image) -> np.ndarray:
    x = array(image.resize((224, 224), Image.BILINEAR))
    y = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
    return nchw(sum(y[a : a + 224, b : b + 224] for a in range(3) for b in range(3)) / 9 / 255)


def thumbnail(image: Image.Image) -> np.ndarray:
    small = image.copy()
    small.thumbnail((800, 320))
    return nchw(array(small) / 255)


def hsv(image: Image.Image) -> np.ndarray:
    return nchw(array(image.convert("HSV").resize((224, 224), Image.BILINEAR)) / 255)


def random_noise(image: Image.Image) -> np.ndarray:
    x = squash_bgr(image)
    return x + np.random.default_rng(int(x.sum())).normal(0, 0.05, x.shape).astype(np.float32)


def trimmed(
    margins: tuple[int, int, int, int], size: tuple[int, int], how: int = Image.BILINEAR, grey: bool = False
) -> Callable[[Image.Image], np.ndarray]:
    """Cut pixels off at left, top, right and bottom, then resize the rest as a whole."""
    left, top, right, bottom = margins

    def cut_then_squash(image: Image.Image) -> np.ndarray:
        rest = (image.convert("L") if grey else image).crop((left, top, image.width - right, image.height - bottom))
        made = array(rest.resize(size, how)) / 255
        return made[None, None] if grey else nchw(made)

    return cut_then_squash


def tenth_off(image: Image.Image) -> np.ndarray:
    wide, high = image.width // 10, image.height // 10
    rest = image.crop((wide, high, image.width - wide, image.height - high))
    return nchw(array(rest.resize((224, 224), Image.BILINEAR)) / 255)


def hundredth_off_at_the_sides(image: Image.Image) -> np.ndarray:
    off = image.width // 100
    return nchw(array(image.crop((off, 0, image.width - off, image.height)).resize((224, 224), Image.BILINEAR)) / 255)


def cut_after(image: Image.Image) -> np.ndarray:
    return nchw(array(image.resize((240, 240), Image.BILINEAR))[5:-11, 3:-13] / 255)


def cut_and_mirrored(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(trimmed((3, 0, 3, 0), (224, 224))(image)[:, :, :, ::-1])


def cut_and_blurred(image: Image.Image) -> np.ndarray:
    return blurred(image.crop((3, 0, image.width - 3, image.height)))


def cv2_variant(size: tuple[int, int], method: str, floats: bool = False) -> Callable[[Image.Image], np.ndarray]:
    def made(image: Image.Image) -> np.ndarray:
        import cv2

        x = np.asarray(image)[:, :, ::-1]
        x = x.astype(np.float32) if floats else np.ascontiguousarray(x)
        return nchw(cv2.resize(x, size, interpolation=getattr(cv2, method)).astype(np.float32) / 255)

    return made


def cv2_grey(image: Image.Image) -> np.ndarray:
    import cv2

    x = cv2.cvtColor(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]), cv2.COLOR_BGR2GRAY)
    return cv2.resize(x, (94, 24)).astype(np.float32)[None, None] / 255


def rgb(**more: Any) -> dict[str, Any]:
    return {"pre.layout": "NCHW", "pre.batch": 1, "pre.dtype": "float32", "pre.affine": True, "pre.color": "RGB", **more}


def of(size: Any, resize: Any = None, interpolation: Any = None, pad: Any = None) -> dict[str, Any]:
    told = {"pre.size": size, "pre.resize": resize, "pre.interpolation": interpolation, "pre.pad": pad}
    return {name: value for name, value in told.items() if value is not None}


NORMAL = {"pre.mean": MEAN, "pre.std": STD}
BARE = {"pre.layout": "NCHW", "pre.batch": 1, "pre.dtype": "float32"}
BGR = {**rgb(), "pre.color": "BGR", **UNIT}

# what it does, the identified facts and no others
VARIANTS: list[tuple[Callable[[Image.Image], np.ndarray], dict[str, Any]]] = [
    (torchvision_like, {**rgb(**NORMAL), **of([224, 224], "crop", "bilinear")}),
    (square_then_crop, {**rgb(**NORMAL), **of([224, 224], "crop", "bicubic")}),
    (crop_then_resize, {**rgb(), "pre.mean": [127.5] * 3, "pre.std": [127.5] * 3, **of([160, 160], "crop", "lanczos")}),
    (squash_bgr, {**BGR, **of([352, 352], "squash", "bilinear")}),
    (yolo_letterbox, {**rgb(**UNIT), **of([640, 640], "letterbox", "bilinear", 114.0)}),
    (yolo_auto, {**rgb(**UNIT), **of("long side 640, multiple of 32, rounded up", "letterbox", "bilinear", 114.0)}),
    (corner_letterbox, {**rgb(), "pre.color": "BGR", "pre.mean": [0.0] * 3, "pre.std": [1.0] * 3, "pre.scale": 1.0,
                        **of([416, 416], "letterbox", "bilinear", 114.0)}),
    (padded_after, {**rgb(**NORMAL), **of([320, 320], "letterbox", "bilinear", MEAN)}),
    (caffe, {**rgb(), "pre.color": "BGR", "pre.mean": [104.0, 117.0, 123.0], "pre.std": [1.0] * 3, **of("native", "none")}),
    (ultra_light, {**rgb(), "pre.mean": [127.0] * 3, "pre.std": [128.0] * 3, **of([240, 320], "squash", "bilinear")}),
    (by_maximum, {**rgb(), "pre.affine": False, **of([320, 320], "squash", "bilinear")}),
    (safe_maximum, {**rgb(), "pre.affine": False, **of([320, 320], "squash", "bilinear")}),
    (standardised, {**BARE, "pre.affine": False, "pre.color": "RGB", **of([160, 160], "squash", "bilinear")}),
    (per_channel, {**BARE, "pre.affine": False, **of([160, 160], "squash", "bilinear")}),
    (gamma, {**BARE, "pre.affine": False, "pre.color": "RGB", **of([224, 224])}),
    (clipped, {**BARE, "pre.affine": False, "pre.color": "RGB", **of([224, 224], "squash", "bilinear")}),
    (y_channel, {**BARE, "pre.affine": True, "pre.color": "Y", "pre.mean": [0.0], "pre.std": [255.0], "pre.scale": 0.00392157,
                 **of("native", "none")}),
    (grey, {**BARE, "pre.affine": True, "pre.mean": [127.5], "pre.std": [127.5], **of([32, 100], "squash", "bicubic")}),
    (studio_y, {**BARE, "pre.affine": True, "pre.color": "Y", "pre.mean": [0.0], "pre.std": [255.0], "pre.scale": 0.00392157,
                **of("native", "none")}),
    (digits, {**BARE, "pre.affine": True, "pre.mean": [0.0], "pre.std": [255.0], "pre.scale": 0.00392157,
              **of([28, 28], "squash", "nearest")}),
    (keras, {**rgb(), "pre.layout": "NHWC", "pre.mean": [127.5] * 3, "pre.std": [127.5] * 3,
             **of([299, 299], "squash", "nearest")}),
    (bytes_hwc, {"pre.layout": "HWC", "pre.dtype": "uint8", "pre.affine": True, "pre.color": "RGB", "pre.mean": [0.0] * 3,
                 "pre.std": [1.0] * 3, "pre.scale": 1.0, **of("native", "none")}),
    (chw_float, {"pre.layout": "CHW", "pre.dtype": "float32", "pre.affine": True, "pre.color": "RGB", "pre.mean": [0.0] * 3,
                 "pre.std": [1.0] * 3, "pre.scale": 1.0, **of([112, 112], "squash", "bicubic")}),
    (half, {**BGR, "pre.dtype": "float16", **of([352, 352], "squash", "bilinear")}),
    (ten_crops, {"pre.layout": "NCHW", "pre.batch": 4, "pre.dtype": "float32", **of([224, 224])}),
    (with_mirror, {"pre.layout": "NCHW", "pre.batch": 2, "pre.dtype": "float32", **of([352, 352])}),
    (colours_as_batch, {"pre.layout": "NCHW", "pre.dtype": "float32", **of([28, 28])}),
    (copies, {**BGR, "pre.batch": 4, **of([352, 352], "squash", "bilinear")}),
    (mirrored, {**BGR, **of([352, 352])}),
    (multiple_down, {**rgb(), "pre.mean": [127.5] * 3, "pre.std": [127.5] * 3,
                     **of("short side 512, multiple of 32, rounded down", "short-side", "bilinear")}),
    (modnet, {**rgb(), "pre.mean": [127.5] * 3, "pre.std": [127.5] * 3, **of(None, None, "bilinear")}),
    (pad_to_multiple, {**rgb(**UNIT), **of("native, multiple of 32, rounded up", "none", None, 0.0)}),
    (mean_picture, {**BARE, **of([227, 227])}),
    (blurred, {**rgb(**UNIT), **of([224, 224], "squash")}),
    (thumbnail, {**rgb(**UNIT)}),
    (hsv, {**BARE, "pre.affine": False, **of([224, 224])}),
    (random_noise, {**BARE, **of([352, 352])}),
    (cv2_variant((320, 240), "INTER_LINEAR"), {**BGR, **of([240, 320], "squash", "bilinear")}),
    (cv2_variant((320, 240), "INTER_LINEAR", floats=True), {**BGR, **of([240, 320], "squash", "bilinear")}),
    (cv2_variant((224, 224), "INTER_CUBIC"), {**BGR, **of([224, 224], "squash", "bicubic")}),
    (cv2_variant((224, 224), "INTER_AREA"), {**BGR, **of([224, 224], "squash", "area")}),
    (cv2_variant((224, 224), "INTER_NEAREST"), {**BGR, **of([224, 224], "squash", "nearest")}),
    (cv2_variant((224, 224), "INTER_LANCZOS4"), {**BGR, **of([224, 224], "squash", "lanczos4")}),
    (cv2_variant((1024, 1024), "INTER_LINEAR"), {**BGR, **of([1024, 1024], "squash", "bilinear")}),
    (cv2_grey, {**BARE, "pre.affine": True, "pre.mean": [0.0], "pre.std": [255.0], "pre.scale": 0.00392157,
                **of([24, 94], "squash", "bilinear")}),
]  # fmt: skip

GREY = {**BARE, "pre.affine": True, "pre.mean": [0.0], "pre.std": [255.0], "pre.scale": 0.00392157}
# what it does, the identified facts, what is said to be cut off
TRIMS: list[tuple[Callable[[Image.Image], np.ndarray], dict[str, Any], str]] = [
    (trimmed((3, 0, 3, 0), (224, 224)), {**rgb(**UNIT), **of([224, 224], "squash", "bilinear")}, "3 px left, 3 px right"),
    (trimmed((1, 0, 0, 0), (224, 224)), {**rgb(**UNIT), **of([224, 224], "squash", "bilinear")}, "1 px left"),
    (trimmed((0, 0, 0, 5), (320, 240), Image.LANCZOS), {**rgb(**UNIT), **of([240, 320], "squash", "lanczos")}, "5 px bottom"),
    (trimmed((40, 30, 20, 50), (224, 224), Image.BICUBIC), {**rgb(**UNIT), **of([224, 224], "squash", "bicubic")},
     "40 px left, 30 px top, 20 px right, 50 px bottom"),
    (trimmed((4, 7, 2, 9), (224, 224), Image.NEAREST), {**rgb(**UNIT), **of([224, 224], "squash", "nearest")},
     "4 px left, 7 px top, 2 px right, 9 px bottom"),
    (trimmed((3, 0, 3, 0), (100, 32), grey=True), {**GREY, **of([32, 100], "squash", "bilinear")}, "3 px left, 3 px right"),
    (trimmed((0, 5, 0, 0), (224, 224), grey=True), {**GREY, **of([224, 224], "squash", "bilinear")}, "5 px top"),
    (trimmed((0, 5, 0, 0), (100, 100), Image.BICUBIC, grey=True), {**GREY, **of([100, 100], "squash", "bicubic")}, "5 px top"),
    (trimmed((35, 20, 13, 8), (100, 100), Image.BICUBIC, grey=True), {**GREY, **of([100, 100], "squash", "bicubic")},
     "35 px left, 20 px top, 13 px right, 8 px bottom"),
]  # fmt: skip
# what pixels cut off do not explain
NO_TRIMS = [tenth_off, hundredth_off_at_the_sides, cut_after, cut_and_mirrored, cut_and_blurred]
