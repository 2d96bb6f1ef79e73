"""What upstream's code is not given: downloads, other programs, time to wait; samples that are not there."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import sys
from email.message import Message
from typing import Any, Callable, Dict, Iterator

from assay_worker import absent_data
from assay_worker.choosing import kind
from assay_worker.patching import Function, first, replace
from assay_worker.tree_copy import full
from assay_worker.watching import Watch

MADE = re.compile(r"out|result|save|pred|dest|export|render", re.IGNORECASE)  # files that a run is to write
TARGETS = ("filename", "dst", "output", "out", "path")
ANSWERING = ("urlopen", "get", "post", "request")
URLS = ("url", "file_url", "uri", "id", "repo_id", "repo_or_dir", "cmd", "command", "args")


def download(watch: Watch, name: str) -> Function:
    """Make a download that is refused, unless it is of a picture or sound: then that is the run's input."""

    def downloaded(*args: Any, **kwargs: Any) -> Any:
        url = _text(first(args, kwargs, URLS))
        target = next((kwargs[name] for name in TARGETS if name in kwargs), args[1] if len(args) > 1 else None)
        named = target if isinstance(target, (str, os.PathLike)) else None
        if is_checkpoint(watch, url) or is_checkpoint(watch, named):
            return _weights(watch, url, named, name in ANSWERING)
        if not _is_sample(watch, url):
            raise watch.refuse(f"wants to download {url[:300]}")
        watch.intervene(f"downloaded {url[:200]!r} -> the given input")
        if named is None:
            return answer(watch, watch.tree.given)
        shutil.copyfile(watch.tree.given, full(named) or "")
        watch.tree.aliases.add(full(named) or "")
        return os.fspath(named), None

    return downloaded


def is_checkpoint(watch: Watch, value: Any) -> bool:
    """Tell whether an address or path ends in the checkpoint's name."""
    name = os.path.basename(watch.tree.checkpoint)
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""
    return bool(name) and os.path.basename(str(text).partition("?")[0]) == name


def _weights(watch: Watch, url: str, target: Any, answers: bool) -> Any:
    """Give the checkpoint in the place of a download of a file of its name."""
    watch.intervene(f"downloaded {url[:200]!r} -> the given checkpoint")
    path = full(target) if target is not None and os.path.dirname(os.fspath(target)) else None
    if answers:
        return answer(watch, watch.tree.checkpoint)
    if path is None:
        return watch.tree.checkpoint
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.lexists(path):
        os.symlink(watch.tree.checkpoint, path)
    watch.tree.duplicates += (watch.tree.original(path),)
    return path


def answer(watch: Watch, path: str) -> Any:
    """Answer as a server would."""
    with watch.inside():
        return Answer(path)


class Answer:
    """What a server would have answered: a file that is here."""

    status_code, ok = 200, True

    def __init__(self, path: str) -> None:
        self.raw = open(path, "rb")  # noqa: SIM115 - upstream's code closes it, or the run ends
        self.read, self.close = self.raw.read, self.raw.close
        self.headers = Message()
        self.headers["Content-Length"] = str(os.path.getsize(path))

    def info(self) -> Message:
        """Give the headers."""
        return self.headers

    def iter_content(self, size: int = 65536, **more: Any) -> Iterator[bytes]:
        """Give the bytes piece by piece."""
        return iter(lambda: self.raw.read(size), b"")

    @property
    def content(self) -> bytes:
        """Give the bytes."""
        self.raw.seek(0)
        return self.raw.read()

    def raise_for_status(self) -> None:
        """Have nothing to complain of."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *args: Any) -> None:
        self.raw.close()


def _text(value: Any) -> str:
    value = getattr(value, "full_url", value)  # a request of urllib
    return value if isinstance(value, str) else str(value)[:300]


def _is_sample(watch: Watch, url: str) -> bool:
    given = kind(watch.tree.given)
    return bool(given) and kind(url.partition("?")[0]) == given


def downloads(*names: str) -> Callable[[Watch, Any], None]:
    """Make the patch of a module whose functions of these names download."""

    def patch(watch: Watch, module: Any) -> None:
        for name in names:
            replace(module, name, lambda original, name=name: download(watch, name))

    return patch


def patch_hub(watch: Watch, hub: Any) -> None:
    """Refuse torch.hub its downloads; of weights there are none for now."""
    downloads("download_url_to_file")(watch, hub)
    replace(hub, "load", lambda original: _hub_load(watch, original))
    replace(hub, "load_state_dict_from_url", lambda original: no_weights(watch))


def _hub_load(watch: Watch, original: Function) -> Function:
    def load(repo_or_dir: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("source") == "local":
            return original(repo_or_dir, *args, **kwargs)
        raise watch.refuse(f"wants to download {_text(repo_or_dir)[:300]} by torch.hub")

    return load


def no_weights(watch: Watch) -> Function:
    """Make a download of weights that gives none: what the checkpoint does not cover later is refused."""

    def load(url: Any, *args: Any, **kwargs: Any) -> Any:
        from assay_worker.torch_modules import EmptyWeights

        if is_checkpoint(watch, url):
            watch.intervene(f"downloaded {_text(url)[:200]!r} -> the given checkpoint")
            return sys.modules["torch"].load(watch.tree.checkpoint)
        return EmptyWeights(watch, f"to download {_text(url)[:300]}")

    return load


def patch_models(watch: Watch, module: Any) -> None:
    """Have torchvision's models hold no weights that would be downloaded."""
    replace(module, "load_state_dict_from_url", lambda original: no_weights(watch))


def patch_vision(watch: Watch, torchvision: Any) -> None:
    """Have torchvision's table of weights give none, and data sets that are not here stood in for."""
    from assay_worker.torch_modules import EmptyWeights

    kind_of = getattr(torchvision.models, "WeightsEnum", None)

    def made(original: Function) -> Function:
        def get_state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
            return EmptyWeights(watch, f"to download {self.url}")

        return get_state_dict

    if kind_of is not None:
        replace(kind_of, "get_state_dict", made)
    absent_data.patch(watch, torchvision.datasets)


# ---------------------------------------------------------------- programs
def program(watch: Watch, name: str, original: Function) -> Function:
    """Make a starter of programs that refuses upstream's code; libraries ask the system what they ask."""

    def started(*args: Any, **kwargs: Any) -> Any:
        if watch.by_tree("subprocess", "os", "webbrowser"):
            raise watch.refuse(f"wants to run {_text(first(args, kwargs, URLS))[:300]} by {name}")
        return original(*args, **kwargs)

    return started


def patch_programs(watch: Watch) -> None:
    """Refuse upstream's code to start programs, and do not let it wait."""
    import subprocess
    import time

    for owner, names in ((os, ("system", "popen", "execv", "execvp", "startfile")), (subprocess, ("run", "call"))):
        for name in names:
            how = f"{owner.__name__}.{name}"
            replace(owner, name, lambda original, how=how: program(watch, how, original))
    replace(subprocess.Popen, "__init__", lambda original: _popen(watch, original))
    replace(time, "sleep", lambda original: lambda seconds: None if watch.by_tree() else original(seconds))


def _popen(watch: Watch, original: Function) -> Function:
    def __init__(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        self._child_created, self.returncode = False, None  # what its __del__ looks at
        if watch.by_tree("subprocess"):
            raise watch.refuse(f"wants to run {str(args)[:300]}")
        original(self, args, *rest, **kwargs)

    return __init__


# ---------------------------------------------------------------- folders
def patch_folders(watch: Watch) -> None:
    """Show the run's input where upstream's code looks for samples that are not there."""
    import glob

    for name in ("glob", "iglob"):
        replace(glob, name, lambda original: _glob(watch, original))
    replace(os, "listdir", lambda original: _listdir(watch, original))
    replace(os, "stat", lambda original: _stat(watch, original))
    replace(os, "chdir", lambda original: _chdir(watch, original))


def patch_shutil(watch: Watch, shutil: Any) -> None:
    """Let upstream empty a folder that is not there yet."""
    replace(shutil, "rmtree", lambda original: _rmtree(watch, original))


def _chdir(watch: Watch, original: Function) -> Function:
    def entered(path: Any) -> None:
        windows = "\\" in str(path)
        elsewhere = windows or (os.path.isabs(str(path)) and not watch.tree.inner(full(path) or ""))
        if elsewhere and watch.by_tree() and not os.path.isdir(path):
            watch.intervene(f"there is no folder {str(path)[:200]!r}: it stays where it is")
            return
        original(path)

    return entered


def _rmtree(watch: Watch, original: Function) -> Function:
    def removed(path: Any, *args: Any, **kwargs: Any) -> Any:
        if watch.by_tree() and not os.path.lexists(path):
            watch.intervene(f"there is no folder {str(path)[:200]!r} that could be removed")
            return None
        return original(path, *args, **kwargs)

    return removed


def _glob(watch: Watch, original: Function) -> Function:
    def found(pathname: Any, *args: Any, **kwargs: Any) -> Any:
        names = list(original(pathname, *args, **kwargs))
        given = watch.tree.given
        if names or not given or not watch.by_tree() or not isinstance(pathname, str):
            return names
        last = os.path.basename(pathname)
        if not (fnmatch.fnmatch(os.path.basename(given).lower(), last.lower()) or kind(last) == (kind(given) or None)):
            return names
        watch.intervene(f"nothing matches {pathname[:200]!r} -> the given input")
        return [given]

    return found


def _listdir(watch: Watch, original: Function) -> Function:
    def listed(path: Any = ".") -> Any:
        try:
            return original(path)
        except FileNotFoundError:
            if not watch.tree.given or not watch.by_tree():
                raise
            watch.intervene(f"there is no folder {str(path)[:200]!r}: listed as holding the given input")
            return [os.path.basename(watch.tree.given)]

    return listed


def _stat(watch: Watch, original: Function) -> Function:
    """Have the checkpoint be there where upstream looks for a file of its name."""

    def stat(path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(path, *args, **kwargs)
        except FileNotFoundError:
            checkpoint = watch.tree.checkpoint
            asked = full(path) if isinstance(path, (str, os.PathLike)) else None
            same = checkpoint and asked and os.path.basename(asked) == os.path.basename(checkpoint)
            if not same and _looked_for(watch, asked or ""):
                watch.intervene(
                    f"there is no {str(path)[:200]!r}: taken to be there, for the given input is read for it"
                )
                return original(watch.tree.given, *args, **kwargs)
            if not same or watch.busy or not watch.tree.inner(asked or ""):
                raise
            watch.intervene(f"there is no {watch.tree.inner(asked or '')}: the given checkpoint is put there")
            os.makedirs(os.path.dirname(asked or ""), exist_ok=True)
            os.symlink(checkpoint, asked or "")
            watch.tree.duplicates += (watch.tree.original(asked or ""),)
            return original(path, *args, **kwargs)

    return stat


def _looked_for(watch: Watch, path: str) -> bool:
    """Tell a sample that upstream looks for before it reads it, and that is not here: of the input's own kind."""
    given, name = watch.tree.given, os.path.basename(path)
    if not given or watch.busy or not path or not kind(path) or kind(path) != kind(given) or MADE.search(name):
        return False
    return watch.by_tree("genericpath", "posixpath", "pathlib")


PATCHES: Dict[str, Callable[[Watch, Any], None]] = {
    "urllib.request": downloads("urlopen", "urlretrieve"),
    "requests": downloads("get", "post", "request"),
    "gdown": downloads("download", "cached_download", "download_folder"),
    "wget": downloads("download"),
    "huggingface_hub": downloads("hf_hub_download", "snapshot_download"),
    "webbrowser": downloads("open", "open_new", "open_new_tab"),
    "torchvision.models._utils": patch_models,
    "torchvision.models.utils": patch_models,
}
