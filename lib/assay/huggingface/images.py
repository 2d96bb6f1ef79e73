"""How a picture is prepared, as its processor's settings say; only of processors whose settings mean what they seem."""

from typing import Any, TypeGuard

from assay.huggingface import families
from assay.huggingface.folder import CONFIG, Folder, claim, conflict, unknown
from assay.huggingface.plan import Settings, processor_name
from assay.records import Claim, Evidence

FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by PIL's numbers
# Resize, crop, rescale, normalise, in this order and by these settings alone.
PLAIN = frozenset((
    "ViT", "DeiT", "Beit", "CLIP", "Segformer", "Detr", "ConditionalDetr", "DeformableDetr", "Yolos", "RTDetr",
    "Siglip", "Bit", "ConvNext", "DPT",
))  # fmt: skip
SQUARE_BY_ONE_NUMBER = frozenset(("ViT", "DeiT", "Beit", "Segformer"))
CROPS = frozenset(("CLIP", "DeiT", "Beit", "Bit"))  # in every version; others leave do_center_crop aside in some
ROUNDS_SIDES = frozenset(("Yolos",))  # to multiples of 16
CROPS_BY_ITSELF = frozenset(("CLIP", "DeiT", "Bit"))  # unless it is told not to
FIXED_SIZE = frozenset(("vit", "deit", "vit_msn", "beit"))  # models that take no other size than config.json's
DEFAULT = "is not said: what the library takes then is not read"
CONVNEXT_SQUASHES_FROM = 384


class Reader:
    """Reads one processor's settings."""

    def __init__(self, folder: Folder, found: Settings) -> None:
        self.folder, self.found, self.values = folder, found, found.values
        self.kind = families.bare(processor_name(found))

    def cite(self, *keys: str) -> "list[Evidence]":
        """Cite the settings of these names that are there."""
        there = [key for key in keys if key in self.values]
        return [self.folder.evidence(self.found.file, *self.found.keys, key) for key in there]

    def claims(self) -> "list[Claim]":
        """State how a picture is prepared."""
        if self.found.doubt or self.kind not in PLAIN:
            why = (
                self.found.doubt
                or f"what the settings of a {processor_name(self.found) or 'processor'} mean is not read"
            )
            cited = self.cite("image_processor_type", "feature_extractor_type")
            return [unknown(name, why, *cited) for name in ("pre.size", "pre.resize", "pre.mean", "pre.std")]
        return [*self._colour(), *self._sizes(), *self._filter(), *self._scales()]

    def _colour(self) -> "list[Claim]":
        if self.values.get("do_convert_rgb") is not True:
            return []
        return [claim("pre.color", "RGB", *self.cite("do_convert_rgb"))]

    def _filter(self) -> "list[Claim]":
        number = self.values.get("resample")
        if self.values.get("do_resize") is not True or not _whole(number) or number >= len(FILTERS):
            return []
        return [claim("pre.interpolation", FILTERS[number], *self.cite("resample"))]

    # ------------------------------------------------------------ size
    def _sizes(self) -> "list[Claim]":
        do = self.values.get("do_resize")
        cited = self.cite("do_resize", "size", "crop_pct", "do_center_crop", "crop_size")
        if not isinstance(do, bool):
            return [unknown(name, f"do_resize {DEFAULT}", *cited) for name in ("pre.size", "pre.resize")]
        crop = self._crop()
        if isinstance(crop, str):
            return [unknown(name, crop, *cited) for name in ("pre.size", "pre.resize")]
        if not do:
            how = "crop" if crop else "none"
            return [claim("pre.size", crop or "native", *cited), claim("pre.resize", how, *cited)]
        return self._resized(crop, cited)

    def _crop(self) -> "list[int] | str | None":
        """Give the size that is cut out of the middle; a sentence when that is not settled."""
        do, size = self.values.get("do_center_crop"), self.values.get("crop_size")
        if do is None and (size is not None or self.kind in CROPS_BY_ITSELF):
            return f"do_center_crop {DEFAULT}"
        if do and self.kind not in CROPS:
            return f"whether a {self.kind}ImageProcessor heeds do_center_crop depends on the library's version"
        return _pair(size) or "crop_size is no size" if do else None

    def _resized(self, crop: "list[int] | None", cited: "list[Evidence]") -> "list[Claim]":
        size = self.values.get("size")
        exact, short = self._exact(size), self._short(size)
        if self.kind == "ConvNext" and short:
            how = "crop" if short < CONVNEXT_SQUASHES_FROM else "squash"
            if how == "crop" and not isinstance(self.values.get("crop_pct"), float):
                how = ""
            sized = claim("pre.size", [short, short], *cited)
            return [
                sized,
                claim("pre.resize", how, *cited) if how else unknown("pre.resize", f"crop_pct {DEFAULT}", *cited),
            ]
        if exact and self.values.get("keep_aspect_ratio"):
            why = "the picture keeps its proportions: the size depends on it"
            return [unknown("pre.size", why, *cited, alternatives=[size]), unknown("pre.resize", why, *cited)]
        if exact and crop:
            why = f"squashed to {exact[0]} x {exact[1]}, then the middle is cut out"
            return [claim("pre.size", crop, *cited), unknown("pre.resize", why, *cited)]
        if exact:
            return [self._against_model(claim("pre.size", exact, *cited)), claim("pre.resize", "squash", *cited)]
        if short and crop:
            why = f"the short side becomes {short}, then the middle is cut out"
            return [
                self._against_model(claim("pre.size", crop, *cited)),
                claim("pre.resize", "crop", *cited, reason=why),
            ]
        if short:
            why = "the size depends on the picture's proportions"
            if self.kind in ROUNDS_SIDES:
                return [unknown(name, f"{why}, and is rounded", *cited) for name in ("pre.size", "pre.resize")]
            return [unknown("pre.size", why, *cited, alternatives=[size]), claim("pre.resize", "short-side", *cited)]
        return [unknown(name, "size is not said in a form that is read", *cited) for name in ("pre.size", "pre.resize")]

    def _exact(self, size: Any) -> "list[int] | None":
        if _whole(size):
            return [size, size] if self.kind in SQUARE_BY_ONE_NUMBER else None
        return _pair(size) if isinstance(size, dict) else None

    def _short(self, size: Any) -> int:
        if _whole(size):
            return int(size) if self.kind == "CLIP" else 0
        short = size.get("shortest_edge") if isinstance(size, dict) else None
        return short if _whole(short) else 0

    def _against_model(self, made: Claim) -> Claim:
        """Compare the size with the one that the model was made for, where that is the only one it takes."""
        wanted = self.folder.value(CONFIG, "image_size")
        pair = _pair(wanted)
        if self.folder.model_type not in FIXED_SIZE or pair is None or pair == made.value:
            return made
        cited = self.folder.evidence(CONFIG, "image_size")
        why = f"the processor makes {made.value}, {CONFIG} says image_size {wanted}"
        return conflict("pre.size", made.value, why, *made.evidence, cited, alternatives=[pair])

    # ------------------------------------------------------------ numbers
    def _scales(self) -> "list[Claim]":
        """Join rescaling and normalising into one step on numbers of 0 to 255: (in - mean) / std."""
        cited = self.cite("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
        factor, (mean, std) = self._factor(), self._normal()
        if factor is None or mean is None or std is None:
            why = f"{self._unsaid()} {DEFAULT}"
            return [unknown(name, why, *cited) for name in ("pre.mean", "pre.std")]
        return [
            claim("pre.mean", [_tidy(m / factor) for m in mean], *cited),
            claim("pre.std", [_tidy(s / factor) for s in std], *cited),
            claim("pre.scale", factor, *self.cite("do_rescale", "rescale_factor")),
        ]

    def _factor(self) -> "float | None":
        """Give what numbers of 0 to 255 are multiplied with first; None when that is not said."""
        do, factor = self.values.get("do_rescale"), self.values.get("rescale_factor")
        if do is True:
            return float(factor) if _positive(factor) else None
        return 1.0 if do is False else None

    def _normal(self) -> "tuple[list[float] | None, list[float] | None]":
        """Give what is taken off then, and what it is divided by; None when that is not said."""
        do, mean, std = (self.values.get(key) for key in ("do_normalize", "image_mean", "image_std"))
        if do is True:
            return (mean if _numbers(mean) else None), (std if _numbers(std) and all(std) else None)
        return ([0.0], [1.0]) if do is False else (None, None)

    def _unsaid(self) -> str:
        """Name the first setting without which scale and mean are not known."""
        if self._factor() is None:
            return "do_rescale" if self.values.get("do_rescale") is not True else "rescale_factor"
        if not isinstance(self.values.get("do_normalize"), bool):
            return "do_normalize"
        return "image_mean" if self._normal()[0] is None else "image_std"


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _positive(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _numbers(value: Any) -> "TypeGuard[list[float]]":
    return isinstance(value, list) and len(value) in (1, 3) and all(isinstance(v, (int, float)) for v in value)


def _pair(value: Any) -> "list[int] | None":
    """Read a size as [height, width]."""
    if isinstance(value, dict):
        value = [value.get("height"), value.get("width")]
    if _whole(value):
        value = [value, value]
    return value if isinstance(value, list) and len(value) == 2 and all(map(_whole, value)) else None


def _tidy(number: float) -> float:
    return float(f"{number:.9g}")
