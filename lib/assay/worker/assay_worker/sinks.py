"""Watching where results go: drawing, showing, saving, printing."""

from __future__ import annotations

import builtins
import os
from typing import Any, Callable, Dict, Tuple

from assay_worker import written
from assay_worker.patching import Function, replace
from assay_worker.watching import Watch

DRAWING = ("rectangle", "putText", "circle", "line", "polylines", "drawContours", "ellipse", "fillPoly", "arrowedLine")
SHOWING = ("imshow", "namedWindow", "destroyAllWindows", "destroyWindow", "moveWindow", "resizeWindow", "waitKey")
PYPLOT = ("imshow", "savefig", "imsave", "title", "text", "plot", "scatter", "bar", "show", "figtext", "xlabel")
PENS = ("text", "rectangle", "line", "ellipse", "polygon", "point", "rounded_rectangle", "multiline_text", "bitmap")
LEVELS = ("debug", "info", "warning", "error", "critical")
ESCAPE = 27
UNHELD = "OpenCV wants whole numbers for coordinates"


def sink(watch: Watch, how: str, original: Function, *, skipped: Tuple[str, ...] = (), idle: Any = False) -> Function:
    """Make a watched function; one that is `idle` is not carried out, and gives that."""

    def sunk(*args: Any, **kwargs: Any) -> Any:
        if watch.busy or not watch.by_tree(*skipped):
            return original(*args, **kwargs) if idle is False else idle
        event = watch.event(dict({"is": "sink", "how": how}, **watch.plains(args, kwargs)))
        if how in written.WRITES or how in written.SHOWS:
            with watch.inside():
                event.update(written.picture(how, original, args, kwargs))
        elif how in written.SOUNDS:
            with watch.inside():
                event.update(written.sound(original, args, kwargs))
        if idle is not False:
            return idle
        with watch.inside():
            return original(*args, **kwargs)

    return sunk


def of(prefix: str, *names: str, idle: Any = False) -> Callable[[Watch, Any], None]:
    """Make the patch of a module whose functions of these names are sinks."""

    def patch(watch: Watch, module: Any) -> None:
        for name in names:
            how = f"{prefix}.{name}"
            replace(module, name, lambda original, how=how: sink(watch, how, original, idle=idle))

    return patch


# ---------------------------------------------------------------- OpenCV
def patch_cv2(watch: Watch, cv2: Any) -> None:
    """Watch what OpenCV draws, writes and shows; nothing is shown."""
    for name in DRAWING:
        replace(cv2, name, lambda original, name=name: _drawing(watch, cv2, name, original))
    of("cv2", "imwrite")(watch, cv2)
    of("cv2", *(n for n in SHOWING if n != "waitKey"), idle=None)(watch, cv2)
    keys = [-1, -1, -1]
    for name in ("waitKey", "waitKeyEx", "pollKey"):
        # A loop that waits for a key gets Escape in the end.
        replace(cv2, name, lambda original: lambda *args: keys.pop() if keys else ESCAPE)


def _drawing(watch: Watch, cv2: Any, name: str, original: Function) -> Function:
    watched = sink(watch, f"cv2.{name}", original)

    def drawn(*args: Any, **kwargs: Any) -> Any:
        try:
            return watched(*args, **kwargs)
        except (cv2.error, TypeError) as error:
            whole = tuple(_whole(one) for one in args)
            named = {key: _whole(one) for key, one in kwargs.items()}
            try:
                result = original(*whole, **named)
            except (cv2.error, TypeError):
                raise error from None
            watch.intervene(f"{UNHELD}: cv2.{name} is given them as int")
            return result

    return drawn


def _whole(value: Any) -> Any:
    """Make whole numbers of the coordinates of a point, whatever they are; of anything else nothing."""
    if isinstance(value, (tuple, list)) and value and all(_number(one) for one in value):
        return tuple(one if isinstance(one, int) else int(one) for one in value)
    if not isinstance(value, (int, bool)) and _number(value) and float(value).is_integer():
        return int(value)
    return value


def _number(value: Any) -> bool:
    if isinstance(value, (int, float)):
        return True
    return hasattr(value, "item") and (not hasattr(value, "shape") or tuple(value.shape) in ((), (1,)))


# ---------------------------------------------------------------- others
def patch_image(watch: Watch, image: Any) -> None:
    """Watch what Pillow saves and shows."""
    of("PIL.Image", "save")(watch, image.Image)
    of("PIL.Image", "show", idle=None)(watch, image.Image)


def patch_pens(watch: Watch, module: Any) -> None:
    """Watch what Pillow draws."""
    of("PIL.ImageDraw", *PENS)(watch, module.ImageDraw)


def patch_pyplot(watch: Watch, pyplot: Any) -> None:
    """Watch what is plotted."""
    of("plt", *PYPLOT)(watch, pyplot)
    replace(pyplot, "subplot", lambda original: _subplot(watch, original))


def _subplot(watch: Watch, original: Function) -> Function:
    """Let the place of a subplot be three digits in a text, as it could be."""

    def subplot(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], str) and args[0].isdigit():
            watch.intervene("matplotlib wants a number for a subplot's place", f"plt.subplot({args[0]})")
            args = (int(args[0]),)
        return original(*args, **kwargs)

    return subplot


def patch_axes(watch: Watch, module: Any) -> None:
    """Watch what is plotted on axes."""
    of("axes", "imshow", "set_title", "text", "plot", "scatter", "add_patch")(watch, module.Axes)


def patch_logging(watch: Watch, logging: Any) -> None:
    """Watch what is logged."""
    for name in LEVELS:
        how = f"logging.{name}"
        for owner in (logging.Logger, logging):
            replace(owner, name, lambda original, how=how: sink(watch, how, original, skipped=("logging",)))


def patch_wave(watch: Watch, wave: Any) -> None:
    """Watch the sound files that the standard library writes: each is looked at when it is closed."""
    places: Dict[int, str] = {}

    def opening(original: Function) -> Function:
        def opened(self: Any, file: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(file, (str, os.PathLike)):
                places[id(self)] = os.fspath(file)
            return original(self, file, *args, **kwargs)

        return opened

    def closing(original: Function) -> Function:
        def closed(self: Any) -> Any:
            given = original(self)
            place = places.pop(id(self), "")
            if place and watch.by_tree("wave") and not watch.busy:
                event = watch.event(dict({"is": "sink", "how": "wave.write"}, **watch.plains((place,), {})))
                with watch.inside():
                    event.update(written.sound_in(place))
            return given

        return closed

    replace(wave.Wave_write, "__init__", opening)
    replace(wave.Wave_write, "close", closing)


def patch_json(watch: Watch, json: Any) -> None:
    """Watch what is written as JSON."""
    of("json", "dump", "dumps")(watch, json)


def patch_print(watch: Watch) -> None:
    """Watch what is printed: the values themselves, not only their text."""
    replace(builtins, "print", lambda original: sink(watch, "print", original))


SIMPLE: Dict[str, Callable[[Watch, Any], None]] = {
    "skimage.io": of("skimage.io", "imsave", "imshow"),
    "imageio": of("imageio", "imwrite", "imsave", "mimsave"),
    "imageio.v2": of("imageio", "imwrite", "imsave", "mimsave"),
    "torchvision.utils": of("torchvision.utils", "save_image", "make_grid", "draw_bounding_boxes"),
    "soundfile": of("soundfile", "write"),
    "scipy.io.wavfile": of("scipy.io.wavfile", "write"),
    "numpy": of("numpy", "save", "savetxt", "savez"),
    "click": of("click", "echo"),
}
