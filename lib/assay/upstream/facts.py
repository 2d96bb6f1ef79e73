"""What the steps of a script say of the model's input and output; what is in doubt is left out."""

import ast
import re
from collections.abc import Sequence
from typing import Any

from assay.records.upstream import Fact
from assay.upstream.callers import Place, arguments, defaults
from assay.upstream.index import Define, Outside, unparsed
from assay.upstream.origins import Origin, Origins
from assay.upstream.steps import IMAGE, IMAGES, OUTPUT, READERS, SOUNDS, Made, Step
from assay.upstream.walking import Walk

ARITHMETIC = (
    "binop", "div", "div_", "sub", "sub_", "mul", "mul_", "divide", "subtract", "true_divide", "multiply",
)  # fmt: skip
CHANGES = ("merge", "flip")  # of the channels, told by _turned
PADS = ("copyMakeBorder", "pad", "expand", "Pad", "full", "letterbox", "store")
SHRINKS = ("resize", "Resize", "interpolate", "thumbnail", "CenterCrop", "crop", "RandomCrop")
COLORS = {"BGR2RGB": "RGB", "RGB2BGR": "BGR", "BGR2GRAY": "GRAY", "RGB2GRAY": "GRAY"}
SCORE = re.compile(r"(conf|score|confidence|prob)\w*_?thr?e?s?h?(old)?", re.IGNORECASE)
OVERLAP = re.compile(
    r"(iou|nms|overlap)\w*_?(thr?e?s?h?(old)?|overlap)|nms_thre|iou_thres|nms_threshold", re.IGNORECASE
)
HARMLESS = {  # what leaves the numbers of an image as they are
    "astype", "float", "to", "unsqueeze", "from_numpy", "ascontiguousarray", "cuda", "array", "asarray", "float32",
    "transpose", "permute", "expand_dims", "copy", "append", "contiguous", "convert", "half", "cpu", "type",
    "Variable", "FloatTensor", "Tensor", "tensor", "stack", "squeeze", "reshape", "view", "print", "numpy", "tile",
    "imread", "open", "batch", "clone", "detach", "as_tensor", "concatenate", "basename", "join", "len", "format",
    "list", "isinstance", "enumerate", "zip", "fromarray", "imshow", "max", "min", "size", "dim", "rollaxis",
    "moveaxis", "swapaxes", "resize", "cvtColor", "subscript", "compare", "requires_grad_", "item", "tolist",
    "split", "str", "unsqueeze_",
}  # fmt: skip


class Reading:
    """Turns the steps of a walk into facts."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self.found: dict[str, list[Fact]] = {}
        self.doubts: set[str] = set()

    def facts(self, walk: Walk, steps: "Sequence[Step]") -> "list[Fact]":
        """List what is certain: each fact that is said once, or always alike, and that nothing speaks against."""
        if not (walk.done and walk.fed):
            return []
        image = [s for s in steps if s.what == IMAGE]
        if not all(self._understood(step) for step in image):
            self.doubts |= {"pre.color", "pre.mean", "pre.std", "pre.size", "pre.resize", "pre.layout"}
        self._color(image)
        self._numbers(image)
        self._size(image)
        self._layout(image)
        for step in steps:
            if step.what == OUTPUT:
                self._after(step)
            elif step.name in SOUNDS:
                self._sound(step)
        certain = [found for name, found in self.found.items() if name not in self.doubts]
        return [found[-1] for found in certain if len({repr(f.value) for f in found}) == 1]

    def _understood(self, step: Step) -> bool:
        """Tell whether it is known what a step may change: one that is not could change anything."""
        if step.made:
            names = [name for _, name in self._steps_of(step.made)]
            return all(name.startswith("torchvision.transforms.") for name in names)
        short = step.name.rpartition(".")[2]
        return step.name in READERS or short in HARMLESS or short in ARITHMETIC or short in (*SHRINKS, *PADS, *CHANGES)

    def _add(self, name: str, value: Any, step: Step, *, reason: str = "", origin: "Origin | None" = None) -> None:
        if step.unsure:
            self.doubts.add(name)
        path, _, line = origin.where.rpartition(":") if origin else (step.place.file.path, "", str(step.node.lineno))
        text = origin.text if origin else step.place.file.line(step.node.lineno)
        qualname = _qualname(step.place) if not origin else ""
        fact = Fact(id=name, value=value, path=path, line=int(line), qualname=qualname, text=text, reason=reason)
        self.found.setdefault(name, []).append(fact)

    def _known(self, node: "ast.expr | None", place: Place) -> Any:
        """Give a value when there is only one that it can have, and nothing changes it later."""
        if node is None:
            return None
        found = self.origins.of(node, place)
        if len(found) != 1 or self.origins.loose:
            return None
        value = found[0].value
        return list(value) if isinstance(value, (list, tuple)) else value

    # ------------------------------------------------------------ color
    def _color(self, steps: "list[Step]") -> None:
        readers = [s for s in steps if s.name in IMAGES]
        if len({(s.name, s.place.file.path, s.node.lineno) for s in readers}) != 1:
            return
        first = readers[0]
        self._add("pre.decode", first.name, first._replace(unsure=False))
        color, by, absence = ("BGR" if first.name == "cv2.imread" else "", first, True)
        if first.name == "cv2.imread" and not _in_color(first.node):
            return
        for step in steps:
            told = _turned(step)
            if told is None:
                continue
            color = told if told != "flip" else {"BGR": "RGB", "RGB": "BGR"}.get(color, "")
            by, absence = step, False
            if step.unsure or not color:
                self.doubts.add("pre.color")
        if color:
            self._add("pre.color", color, by._replace(unsure=False), reason="absence" if absence else "")

    # ------------------------------------------------------------ numbers
    def _numbers(self, steps: "list[Step]") -> None:
        """Follow what is added to and multiplied with an image; a step that is not understood leaves all of it out."""
        scale: list[float] = [1.0]
        shift: list[float] = [0.0]
        last: Step | None = None
        whole = True  # whether the numbers are still 0 to 255 and no fractions: ToTensor divides no others
        for step in steps:
            if _turned(step) is not None and len({*scale, *shift}) > 2:
                return  # the channels change places after each got a number of its own
            if step.made and not whole and any(name.endswith(".ToTensor") for _, name in self._steps_of(step.made)):
                return
            whole = whole and not _fractions(step)
            for kind, value in self._affine(step):
                if value is None or step.unsure:
                    return
                scale, shift = _applied(kind, value, scale, shift)
                last = step
        if last is None or any(not s for s in scale):
            return
        std = [round(1 / s, 6) for s in scale]
        mean = [round(-b / a, 6) + 0.0 for a, b in zip(scale, shift)]
        self._add("pre.mean", mean if len(mean) > 1 else mean[0], last)
        self._add("pre.std", std if len(std) > 1 else std[0], last)

    def _affine(self, step: Step) -> "list[tuple[str, list[float] | None]]":
        if step.made:
            return self._transformed(step.made)
        if step.name == "binop" and isinstance(step.node, ast.BinOp):
            return self._arithmetic(step.node, step.place)
        short = step.name.rpartition(".")[2]
        if short in ARITHMETIC and short != "binop":
            given = getattr(step.node, "args", [None])
            return [(short.rstrip("_")[:3], self._vector(given[-1] if given else None, step.place))]
        return []

    def _arithmetic(self, node: ast.BinOp, place: Place) -> "list[tuple[str, list[float] | None]]":
        kinds = {ast.Div: "div", ast.Sub: "sub", ast.Mult: "mul", ast.Add: "add"}
        kind = kinds.get(type(node.op))
        if kind is None:
            return [("div", None)]
        return [(kind, self._vector(node.right, place))]

    def _vector(self, node: "ast.expr | None", place: Place) -> "list[float] | None":
        if (
            isinstance(node, ast.Call)
            and node.args
            and getattr(node.func, "attr", "") in ("array", "float32", "Tensor", "tensor")
        ):
            node = node.args[0]
        value = self._known(node, place)
        values = value if isinstance(value, list) else [value]
        fits = len(values) in (1, 3) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        return [float(v) for v in values] if fits else None

    def _transformed(self, made: Made) -> "list[tuple[str, list[float] | None]]":
        """Read torchvision's transforms; any other object is not understood."""
        found: list[tuple[str, list[float] | None]] = []
        for node, name in self._steps_of(made):
            short = name.rpartition(".")[2]
            if not name.startswith("torchvision.transforms") or short.startswith("Random"):
                return [("div", None)]
            if short == "ToTensor":
                found.append(("div", [255.0]))
            elif short == "Normalize":
                mean, std = (self._vector(n, made.place) for n in _pair(node))
                found += [("sub", mean), ("div", std)]
            elif short not in ("Resize", "CenterCrop", "Compose", "Grayscale", "ToPILImage"):
                return [("div", None)]
        return found

    def _steps_of(self, made: Made) -> "list[tuple[ast.Call, str]]":
        parts = (
            made.node.args[0].elts if made.node.args and isinstance(made.node.args[0], (ast.List, ast.Tuple)) else None
        )
        if made.name.rpartition(".")[2] != "Compose" or parts is None:
            return [(made.node, made.name)]
        found = []
        for part in parts:
            thing = self.origins.index.dotted(made.place.file, part.func) if isinstance(part, ast.Call) else None
            name = thing.name if isinstance(thing, Outside) else "unknown"
            found.append((part if isinstance(part, ast.Call) else made.node, name))
        return found

    # ------------------------------------------------------------ size and layout
    def _size(self, steps: "list[Step]") -> None:
        changes = [s for s in steps if s.name.rpartition(".")[2] in (*SHRINKS, *PADS) or s.made]
        sizes = [s for s in changes if not s.made and s.name.rpartition(".")[2] in SHRINKS]
        made = [(s, n, name) for s in changes if s.made for n, name in self._steps_of(s.made)]
        made = [m for m in made if m[2].rpartition(".")[2] in SHRINKS]
        if len(sizes) + len(made) != 1:
            return
        if made:
            step, node, name = made[0]
            value = self._known(node.args[0] if node.args else None, step.made.place) if step.made else None
            turned = value if isinstance(value, list) else None
            step = step._replace(node=node, place=step.made.place) if step.made else step
        else:
            step, name = sizes[0], sizes[0].name
            turned = self._asked(step)
        good = isinstance(turned, list) and len(turned) == 2 and all(isinstance(n, int) and n > 0 for n in turned)
        if not good or name.rpartition(".")[2] not in ("resize", "Resize"):
            return
        self._add("pre.size", turned, step)
        if not [s for s in changes if s.name.rpartition(".")[2] in PADS]:
            self._add("pre.resize", "squash", step)

    def _asked(self, step: Step) -> "list[Any] | None":
        """Give [height, width] as cv2.resize and PIL's resize are asked for it."""
        if not isinstance(step.node, ast.Call):
            return None
        place = 1 if step.name == "cv2.resize" else 0
        given = {k.arg: k.value for k in step.node.keywords}
        node = given.get("dsize", given.get("size")) or (step.node.args[place] if len(step.node.args) > place else None)
        value = self._known(node, step.place)
        known = step.name in ("cv2.resize", "resize") and isinstance(value, list) and len(value) == 2
        return [value[1], value[0]] if known else None

    def _layout(self, steps: "list[Step]") -> None:
        for step in steps:
            short = step.name.rpartition(".")[2]
            if short in ("transpose", "permute") and isinstance(step.node, ast.Call):
                order = [n.value for a in step.node.args for n in ast.walk(a) if isinstance(n, ast.Constant)]
                if order in ([2, 0, 1], [0, 3, 1, 2]):
                    self._add("pre.layout", "NCHW", step)
            elif step.made and any(name.endswith(".ToTensor") for _, name in self._steps_of(step.made)):
                self._add("pre.layout", "NCHW", step)

    def _sound(self, step: Step) -> None:
        given = {k.arg: k.value for k in getattr(step.node, "keywords", ())}
        rate = self._known(given.get("sr"), step.place)
        if isinstance(rate, int) and rate > 1_000:
            self._add("pre.sample_rate", rate, step)

    # ------------------------------------------------------------ after the model
    def _after(self, step: Step) -> None:
        short = step.name.rpartition(".")[2]
        if short in ("softmax", "sigmoid", "log_softmax"):
            if _whole(step.node):
                self._add("post.activation", short, step)
            else:
                self.doubts.add("post.activation")
        if isinstance(step.node, ast.Call):
            for name, node, place in self._given(step):
                for claim, pattern in (("post.score_threshold", SCORE), ("post.iou_threshold", OVERLAP)):
                    if pattern.fullmatch(name):
                        self._threshold(claim, node, place, step)
        elif isinstance(step.node, ast.Compare) and isinstance(step.node.ops[0], (ast.Gt, ast.GtE)):
            right = step.node.comparators[0]
            name = getattr(right, "attr", getattr(right, "id", ""))
            if SCORE.fullmatch(name) or name == "threshold":
                self._threshold("post.score_threshold", right, step.place, step)

    def _given(self, step: Step) -> "list[tuple[str, ast.expr, Place]]":
        """List what a call gives to which parameter, and the defaults that it leaves."""
        node = step.node
        if not isinstance(node, ast.Call):
            return []
        thing = self.origins.index.dotted(step.place.file, node.func)
        if isinstance(thing, Define) and not isinstance(thing.node, ast.ClassDef):
            given = arguments(node, thing.node, bound=False)
            found = [(name, value, step.place) for name, value in given.items()]
            left = [(n, v, Place(thing.file)) for n, v in defaults(thing.node).items() if n not in given]
            return [*found, *left]
        return [(k.arg, k.value, step.place) for k in node.keywords if k.arg]

    def _threshold(self, claim: str, node: ast.expr, place: Place, step: Step) -> None:
        found = [o for o in self.origins.of(node, place) if o.by != "docs"]
        firm = len(found) == 1 and not self.origins.loose
        if firm and isinstance(found[0].value, (int, float)) and 0 < found[0].value < 1:
            self._add(claim, found[0].value, step, origin=found[0])
        else:
            self.doubts.add(claim)


def _whole(node: ast.expr) -> bool:
    """Tell whether a call takes all of an output, not a part of it."""
    if not isinstance(node, ast.Call):
        return False
    of = node.func.value if isinstance(node.func, ast.Attribute) and not node.args else None
    given = of if (of is not None and not isinstance(of, ast.Name)) or not node.args else node.args[0]
    return not any(isinstance(n, ast.Subscript) for n in ast.walk(given or node.func))


def _in_color(node: ast.expr) -> bool:
    """Tell whether cv2.imread is asked for three channels, as it gives them unasked."""
    flags = [*getattr(node, "args", ())[1:], *(k.value for k in getattr(node, "keywords", ()))]
    return all(unparsed(flag) in ("cv2.IMREAD_COLOR", "1") for flag in flags)


def _turned(step: Step) -> "str | None":
    """Say what a step makes of an image's colors: a name, "flip", "" when it is not known; None when nothing."""
    short = step.name.rpartition(".")[2]
    if short == "cvtColor":
        word = unparsed(step.node).rpartition("COLOR_")[2].rstrip(")").split(",")[0]
        return COLORS.get(word, "")
    if short == "convert" and isinstance(step.node, ast.Call) and step.node.args:
        mode = getattr(step.node.args[0], "value", "")
        return {"RGB": "RGB", "L": "GRAY"}.get(str(mode), "")
    if step.name == "subscript" and isinstance(step.node, ast.Subscript):
        return _reversed(step.node)
    if short in ("merge", "split", "flip", "swapRB") or (step.made and step.made.name.endswith("Grayscale")):
        return ""
    return None


def _reversed(node: ast.Subscript) -> "str | None":
    text = unparsed(node.slice).replace(" ", "").strip("()")
    if text in (":,:,::-1", "...,::-1", ":,:,[2,1,0]", "...,[2,1,0]", ":,:,(2,1,0)", ":,:,2::-1"):
        return "flip"
    if text in ("::-1", "[2,1,0]", "::-1,...", "::-1,:,:"):
        base = unparsed(node.value).replace(" ", "")
        return "flip" if base.endswith((".transpose((2,0,1))", ".transpose(2,0,1)")) else ""
    return "" if "::-1" in text or "2,1,0" in text else None


def _applied(
    kind: str, value: "list[float]", scale: "list[float]", shift: "list[float]"
) -> "tuple[list[float], list[float]]":
    size = max(len(value), len(scale))
    value, scale, shift = (v * size if len(v) == 1 else v for v in (value, scale, shift))
    if kind in ("div", "tru"):
        return [a / v for a, v in zip(scale, value)] if all(value) else [0.0], [
            b / v if v else 0.0 for b, v in zip(shift, value)
        ]
    if kind == "mul":
        return [a * v for a, v in zip(scale, value)], [b * v for b, v in zip(shift, value)]
    return scale, [b - v if kind == "sub" else b + v for b, v in zip(shift, value)]


def _fractions(step: Step) -> bool:
    """Tell whether an image may hold fractions after a step."""
    short = step.name.rpartition(".")[2]
    typed = "dtype" in unparsed(step.node) if short in ("array", "asarray") else False
    return typed or short in (*ARITHMETIC, "astype", "float", "float32", "half", "FloatTensor", "Tensor")


def _pair(node: ast.Call) -> "list[ast.expr | None]":
    given = {k.arg: k.value for k in node.keywords}
    args = [*node.args, None, None]
    return [given.get("mean", args[0]), given.get("std", args[1])]


def _qualname(place: Place) -> str:
    names = [place.owner.qualname] if place.owner else []
    return ".".join([*names, *(f.name for f in place.functions)])
