"""One observed run, in a process of its own: patched, watched, ended in time, its record written."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from typing import Any, Callable, Dict, List

from assay_worker import (
    calls,
    devices,
    entry,
    guard,
    guard_install,
    imports,
    loaders,
    packages,
    readers,
    refusals,
    removed,
    sinks,
    stack,
    standins,
    steps,
    torch_modules,
    warming,
)
from assay_worker.faults import Fault, _without_advice
from assay_worker.load import Job
from assay_worker.tree_copy import Tree
from assay_worker.watching import Refused, Stop, Watch

Patch = Callable[[Watch, Any], None]
LARGEST = 12 << 20  # bytes of one run's record


def of_torch(watch: Watch, torch: Any) -> None:
    """Watch all of torch."""
    devices.patch(watch, torch)
    torch_modules.patch(watch, torch)
    loaders.patch_torch(watch, torch)
    steps.patch_torch(watch, torch)
    refusals.patch_hub(watch, torch.hub)
    from torch.utils import model_zoo

    removed.replace(model_zoo, "load_url", lambda original: refusals.no_weights(watch))


def patches() -> Dict[str, List[Patch]]:
    """List what is to be patched once it is imported."""
    found: Dict[str, List[Patch]] = {
        "torch": [of_torch],
        "cv2": [readers.patch_cv2, sinks.patch_cv2],
        "numpy": [readers.patch_numpy, steps.patch_numpy],
        "random": [steps.patch_random],
        "PIL.Image": [readers.of("PIL.Image.open"), sinks.patch_image],
        "PIL.ImageDraw": [sinks.patch_pens, removed.patch_pens],
        "PIL.ImageFont": [removed.patch_fonts],
        "matplotlib.pyplot": [readers.of("matplotlib.pyplot.imread"), sinks.patch_pyplot],
        "matplotlib.axes": [sinks.patch_axes],
        "scipy.misc": [removed.scipy_images("scipy.misc")],
        "scipy.ndimage": [removed.scipy_images("scipy.ndimage")],
        "pandas": [readers.of("pandas.read_csv")],
        "librosa": [readers.of("librosa.load")],
        "torchaudio": [readers.of("torchaudio.load"), readers.of("torchaudio.info")],
        "wave": [readers.of("wave.open"), sinks.patch_wave],
        "onnxruntime": [loaders.patch_onnxruntime],
        "safetensors.torch": [loaders.patch_safetensors],
        "torchvision": [refusals.patch_vision],
        "yaml": [removed.patch_yaml],
        "shutil": [refusals.patch_shutil],
        "json": [sinks.patch_json],
        "pickle": [loaders.patch_pickles("load")],
        "joblib": [loaders.patch_pickles("load")],
        "logging": [sinks.patch_logging],
    }
    for name, given in removed.GONE.items():
        found.setdefault(name, []).append(removed.names(name, given))
    for name in removed.MODELS:
        found[f"torchvision.models.{name}"] = [removed.names(f"torchvision.models.{name}", removed.URLS)]
    for how in (*readers.PICTURES, "soundfile.read", "soundfile.info", "scipy.io.wavfile.read"):
        found.setdefault(how.rpartition(".")[0], []).append(readers.of(how))
    for table in (sinks.SIMPLE, refusals.PATCHES):
        for name, patch in table.items():
            found.setdefault(name, []).append(patch)
    return found


def install(watch: Watch) -> None:
    """Begin to watch."""
    os.environ.update(warming.WITHOUT_CUDA)
    each = {name: _all(several) for name, several in patches().items()}
    after = imports.AfterImport(watch, each)
    sys.meta_path.insert(0, after)
    sys.meta_path.append(imports.Missing(watch))
    after.those_here()
    removed.modules(watch)
    refusals.patch_programs(watch)
    refusals.patch_folders(watch)
    sinks.patch_print(watch)
    readers.patch_open(watch)
    readers.patch_input(watch)


def _all(several: List[Patch]) -> Patch:
    def patch(watch: Watch, module: Any) -> None:
        with watch.inside():
            for one in several:
                one(watch, module)

    return patch


# ---------------------------------------------------------------- the process
def run(job: Job, tree: Tree, answer: str, arrays: str) -> None:
    """Run the entry and write the record, whatever happens."""
    tree.make()
    job.trace.seen.clear()  # what copying read and wrote is not upstream's doing
    job.trace.written.clear()
    watch = Watch(tree, job.request)
    ending = Ending(job, watch, answer, arrays)
    seconds = float(job.request.get("seconds") or 60.0)
    timer = threading.Timer(seconds, ending.late, [seconds])
    timer.daemon = True
    timer.start()
    roots = [os.path.join(tree.root, os.path.relpath(root, tree.refs)) for root in job.roots]
    try:
        if job.request.get("reachable") is not None:
            guard.watch(job.request["reachable"])
        install(watch)
        found = [root for root in roots if os.path.isdir(root)]
        job.warmth.settle([*entry.folders(watch), *found])
        entry.run(watch, found)
        outcome = {"outcome": "ok"}
    except BaseException as error:
        traceback.print_exc()
        outcome = judged(watch, error, job)
    ending.write(outcome)


def judged(watch: Watch, error: BaseException, job: Job) -> Dict[str, Any]:
    """Say how a run ended that did not come to its last line."""
    where = stack.innermost(error, watch.tree)
    chain = list(guard_install.chain(error))
    if any(isinstance(one, Stop) for one in chain):
        return {"outcome": "ok", "message": "stopped before the next item"}
    if isinstance(error, SystemExit):
        fine = error.code in (None, 0)
        return (
            {"outcome": "ok"} if fine else {"outcome": "exited", "message": f"sys.exit({error.code!r})", "where": where}
        )
    text = job.places().scrub(f"{type(error).__name__}: {_without_advice(str(error))}")[:2000]
    said = {"message": text.replace(watch.tree.root + os.sep, ""), "where": where}
    for one in chain:
        if isinstance(one, standins.MissingPackage):
            return dict(said, outcome="missing-package", package=one.package)
        if isinstance(one, Refused) or (isinstance(one, Fault) and one.kind == "refused"):
            return dict(said, outcome="refused", message=str(one))
        if type(one).__name__ == "UnpicklingError" and "weights_only" in str(one).lower():
            return dict(said, outcome="refused")
    missing = standins.absent(error)
    return dict(said, outcome="missing-package", package=missing) if missing else dict(said, outcome="failed")


class Ending:
    """Writes a run's record once: at its end, or when its time is over."""

    def __init__(self, job: Job, watch: Watch, answer: str, arrays: str) -> None:
        self.job, self.watch, self.answer, self.arrays = job, watch, answer, arrays
        self.lock = threading.Lock()

    def late(self, seconds: float) -> None:
        """End a run that takes too long, from another thread."""
        where = ""
        for frame in sys._current_frames().values():
            found = stack.of_tree(self.watch.tree, frame)
            where = self.watch.tree.where(found[-1].f_code.co_filename, found[-1].f_lineno or 0) if found else where
        self.write({"outcome": "hung", "message": f"it did not end within {seconds:g} s", "where": where})

    def write(self, outcome: Dict[str, Any]) -> None:
        """Write what is recorded and end this process."""
        self.lock.acquire()
        code = 1
        try:
            self.watch.ended = True
            with self.watch.inside():
                self._write(outcome)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                _flush(stream)
            os._exit(code)

    def _write(self, outcome: Dict[str, Any]) -> None:
        watch = self.watch
        record = dict({"message": "", "where": "", "package": ""}, **outcome)
        calls.judge(watch, record)
        record.update(watch.record())
        record["tensors"] = watch.arrays.write(self.arrays)
        record["libraries"] = packages.imported()
        record["modules"] = self.job.warmth.told(watch.tree)
        trace = self.job.trace
        record["read"] = sorted(
            {watch.tree.original(p) for p in trace.seen if p not in trace.written} | set(watch.noted)
        )
        while True:
            text = json.dumps(record, allow_nan=False, default=str)
            if len(text) <= LARGEST or not record["events"]:
                break
            record["events"] = record["events"][: len(record["events"]) // 2]
        with open(self.answer + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.answer + ".tmp", self.answer)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        pass
