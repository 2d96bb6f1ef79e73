"""Verb try: prove that an environment serves, by importing what upstream imports. A failure is an answer."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
import warnings
from typing import Any, Callable, List, Optional

from assay_worker import blame, check, distributions, guard_install, load, removed
from assay_worker.faults import Fault, Places, tagged

SITES = ("site-packages", "dist-packages")
RELATIVE = re.compile(r"^\s*from\s+\.", re.MULTILINE)
LONGEST = 500
ASKED = re.compile(
    r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'"
    r"|module '(?P<of>[\w.]+)' has no attribute '(?P<missing>\w+)'"
)


def run(job: load.Job) -> dict[str, Any]:
    """Import each statement, each of upstream's modules and the adapter; say how each went."""
    if not job.request.get("look"):
        return imported(job)
    tops = {one["module"].partition(".")[0] for one in job.request.get("statements", [])}
    look = job.request["look"]
    here = check.found(dict(look, modules=sorted({*look.get("modules", []), *tops})))
    if all(here["present"].get(top) for top in tops):  # else something is missing, and importing the rest is idle
        here.update(imported(job))
    return here


def imported(job: load.Job) -> dict[str, Any]:
    """Import all that was asked for."""
    before, overlay = set(sys.modules), lay_over(job)
    places = job.places()
    places.roots += [os.path.join(job.root, one["root"]) for one in job.request.get("upstream", []) if one.get("root")]
    places.short.insert(0, (overlay, "<overlay>"))
    tries = Tries(job, places)
    results = [tries.statement(one) for one in job.request.get("statements", [])]
    results += [tries.module(one["path"], one.get("root", "")) for one in job.request.get("upstream", [])]
    if job.adapter:
        results.append(tries.adapter())
    return {"results": results, "imported": distributions.imported(before)}


def lay_over(job: load.Job) -> str:
    """Put the overlay before all that is installed, yet behind what Python brings."""
    if not job.request.get("overlay"):
        return ""
    overlay = os.path.abspath(os.path.join(job.root, job.request["overlay"]))
    try:
        os.listdir(overlay)
    except OSError as error:
        raise Fault("refused", f"the overlay {job.request['overlay']} cannot be read: {error.strerror}") from error
    first = next((i for i, path in enumerate(sys.path) if os.path.basename(path) in SITES), len(sys.path))
    sys.path.insert(first, overlay)
    importlib.invalidate_caches()
    return overlay


class Tries:
    """What was tried so far: a module that failed is not imported again, it would only fail in another way."""

    def __init__(self, job: load.Job, places: Places) -> None:
        self.job, self.places = job, places
        self.failed: dict[str, dict[str, Any]] = {}
        self.numpy: List[tuple[str, str]] = []
        # Names that are gone from a library are given back where an adapter is drafted: a watched run does that, too.
        self.gone = {} if job.adapter else removed.GONE
        self._listen()

    def _listen(self) -> None:
        """Hear when torch goes on without numpy: that is a warning and no error."""
        show = warnings.showwarning

        def heard(message: Any, category: Any, filename: Any, *more: Any, **named: Any) -> None:
            if blame.NUMPY.search(str(message)):
                self.numpy.append((str(message), filename))
            show(message, category, filename, *more, **named)

        warnings.showwarning = heard

    # ------------------------------------------------------------ statements
    def statement(self, given: dict[str, Any]) -> dict[str, Any]:
        """Import a module and look for names in it."""
        module = given["module"]
        place = {"module": module, "file": given.get("file", ""), "line": given.get("line", 0)}
        if not module or module.startswith("."):
            return dict(place, **_said("other", "a relative import says nothing about the environment"))
        parts = module.split(".")
        for name in (".".join(parts[: depth + 1]) for depth in range(len(parts))):
            if name not in self.failed:
                failure = self._tried(lambda name=name: importlib.import_module(name), name)
                if failure is None:
                    continue
                self.failed[name] = failure
            return dict(place, **self.failed[name])
        if _left_behind(module):
            return dict(place, **_said("missing", f"only a folder without a module is there of {module}", name=module))
        gone = self.gone.get(module, {})
        names = [name for name in given.get("names", []) if name != "*" and name not in gone]
        return dict(place, **(self._tried(lambda: _named(module, names), module) or _said("ok")))

    def _tried(self, act: Callable[[], Any], module: str) -> Optional[dict[str, Any]]:
        """Do an import; say how it failed, or nothing."""
        _announce(module)
        self.numpy.clear()
        try:
            act()
        except MemoryError:
            raise
        except BaseException as error:
            traceback.print_exc()
            return self._refused(error) or self._statement_failed(error, module)
        if self.numpy:
            text, file = self.numpy[0]
            owner = distributions.owner(file)
            asked = owner.name if owner else distributions.holder(module)
            return self._blamed("broken", text, blame.of_numpy(text, [asked]))
        return None

    def _statement_failed(self, error: BaseException, module: str) -> dict[str, Any]:
        top = module.partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and (
            error.name == top or (str(error.name).startswith(top + ".") and _left_behind(top))
        )
        return self._blamed("missing" if absent else "broken", _text(error), blame.blame(error, module))

    # ------------------------------------------------------------ upstream's code
    def module(self, path: str, root: str) -> dict[str, Any]:
        """Import one of upstream's files as if it were started, but for its name."""
        full, folder = os.path.join(self.job.root, path), os.path.join(self.job.root, root) if root else ""
        if not os.path.isfile(full):
            raise Fault("refused", f"there is no {path}")
        before, arguments = list(sys.path), list(sys.argv)
        first = [os.path.dirname(full)] + ([folder] if folder else [])
        sys.path[:] = list(dict.fromkeys([*first, *before]))
        sys.argv = [full]
        try:
            return self._theirs(path, lambda: self._imported(full, folder))
        finally:
            sys.path[:], sys.argv = before, arguments
            os.chdir(self.job.root)
            _forget(first)

    def _imported(self, path: str, root: str) -> None:
        """Import a file; names that its libraries have no more are given back."""
        while True:
            try:
                return _import_file(path, root)
            except (ImportError, AttributeError) as error:
                module, name = _asked(error)
                expression = self.gone.get(module, {}).get(name)
                if not expression or hasattr(sys.modules.get(module), name):
                    raise
                setattr(sys.modules[module], name, removed.evaluated(expression))

    def adapter(self) -> dict[str, Any]:
        """Import the adapter, as every other verb would."""
        return self._theirs(self.job.request["adapter"], lambda: load.functions(self.job))

    def _theirs(self, path: str, act: Callable[[], Any]) -> dict[str, Any]:
        _announce(path)
        place = {"module": path, "file": path, "line": 0}
        try:
            act()
        except MemoryError:
            raise
        except BaseException as error:
            if isinstance(error, Fault) and not isinstance(error, guard_install.Refusal):
                raise
            traceback.print_exc()
            refused = self._refused(error)
            where = tagged(error, self.places)["where"].rpartition(":")
            if where[0]:
                place.update(file=where[0], line=int(where[2]) if where[2].isdigit() else 0)
            return dict(place, **(refused or self._judged(error)))
        return dict(place, **_said("ok"))

    def _judged(self, error: BaseException) -> dict[str, Any]:
        """Tell what the environment is to blame for from what upstream's script would do on any machine."""
        found, who = blame.telling(error), blame.blame(error)
        if isinstance(found, ModuleNotFoundError) and found is error and not who.culprit:
            absent = not distributions.findable(who.name.partition(".")[0])
            theirs = blame.asked_by_them(error, self.places)
            outcome = "missing" if absent and theirs else "broken" if absent else "other"
        else:
            outcome = "broken" if (found and who.culprit) or blame.at_import(error, self.places) else "other"
        return self._blamed(outcome, _text(error), who)

    # ------------------------------------------------------------ answers
    def _refused(self, error: BaseException) -> Optional[dict[str, Any]]:
        refusal = guard_install.behind(error)
        if refusal is None:
            return None
        missing = [one for one in guard_install.chain(error) if isinstance(one, ModuleNotFoundError) and one.name]
        who = blame.Blame(refusal.wish.distribution, "", str(missing[0].name) if missing else "")
        return self._blamed("refused", refusal.message, who)

    def _blamed(self, outcome: str, text: str, who: blame.Blame) -> dict[str, Any]:
        return _said(outcome, " ".join(self.places.scrub(text).split())[:LONGEST], *who)


def _asked(error: BaseException) -> tuple[str, str]:
    """Read off an error which name of which module was asked for."""
    found = ASKED.search(str(error))
    if not found:
        return "", ""
    return (found["of"], found["missing"]) if found["of"] else (found["module"], found["name"])


def _announce(what: str) -> None:
    """Leave word in the log of what is tried, should it end the process."""
    with contextlib.suppress(OSError):
        os.write(2, f"try: {what}\n".encode())


def _said(outcome: str, message: str = "", culprit: str = "", asked_by: str = "", name: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "message": message, "culprit": culprit, "asked_by": asked_by, "name": name}


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _left_behind(module: str) -> bool:
    """Tell a folder without a module, which imports as a namespace, that no distribution speaks of."""
    loaded, top = sys.modules.get(module), module.partition(".")[0]
    empty = loaded is not None and getattr(loaded, "__file__", None) is None and hasattr(loaded, "__path__")
    return empty and not distributions.holding([top])[top]


def _named(module: str, names: List[str]) -> None:
    """Look names up as `from module import name` does: an attribute, else a module inside."""
    for name in names:
        full = f"{module}.{name}"
        try:
            getattr(sys.modules[module], name)
            continue
        except AttributeError:
            pass
        try:
            importlib.import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise
            file = getattr(sys.modules[module], "__file__", None)
            what = f"cannot import name {name!r} from {module!r}"
            raise ImportError(what, name=module, path=file) from None


def _import_file(path: str, root: str) -> None:
    """Import a file by its path; one with relative imports as part of its package, else it could not be at all."""
    inner = os.path.relpath(path, root) if root else ""
    if inner and not inner.startswith("..") and _is_relative(path):
        name = inner[: -len(".py")].replace(os.sep, ".")
        importlib.import_module(name[: -len(".__init__")] if name.endswith(".__init__") else name)
        return
    name = "assay_tried_" + re.sub(r"\W", "_", os.path.basename(path)[: -len(".py")])
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Fault("refused", f"{os.path.basename(path)} is no file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up by name
    spec.loader.exec_module(module)


def _is_relative(path: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return bool(RELATIVE.search(file.read()))


def _forget(folders: List[str]) -> None:
    """Drop upstream's own modules, so that the next file finds those of its own root by the same names."""
    for name, module in list(sys.modules.items()):
        paths = [getattr(module, "__file__", None) or ""]
        try:
            paths += list(getattr(module, "__path__", None) or [])
        except (TypeError, KeyError, AttributeError):
            continue
        owned = any(path.startswith(tuple(folder + os.sep for folder in folders)) for path in paths if path)
        if owned and not any(distributions.owner(path) for path in paths if path):
            del sys.modules[name]
