"""What a stage is given: its request, records to read, a place to write."""

import json
import os
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from assay import code, files, hardware, isolation, layout, proc, records, trust
from assay.canonical import dumps
from assay.errors import NeedsAnswer, StageFailed

if TYPE_CHECKING:  # names for the reader; a change there is no change of any stage
    from assay.domain import Experiment
    from assay.envs.survey import Decision, Survey
    from assay.journal import Entry
    from assay.plan import Stage
    from assay.requests import Requests
    from assay.workspace import Workspace
OUT = ".out"  # in staging: the only folder that a worker may write to
GIVES = {"infer": ("raw/*.npz",), "decode": ("outputs/predictions.json", "pictures/*.png", "sounds/*.wav")}
# what one worker leaves for the next of the same stage
KEEPS = {"behave": ("raw/*.npz", "stimuli/*"), "rehearse": ("raw/example.npz",)}
KEPT = ".out-kept"  # in staging, where that lies; it is no output
OWN = (".partial", "outputs/", "raw/", "logs/", layout.WORKER)  # read by a worker, and accounted for elsewhere


class Job:
    """One run of one stage. What it writes appears in the workspace all at once, when the stage has succeeded."""

    def __init__(
        self,
        requests: "Requests",
        workspace: "Workspace",
        stage: "Stage",
        request: dict[str, Any],
        staging: Path,
        last: "Entry | None",
        number: str,
    ) -> None:
        self.requests, self.workspace, self.stage, self.request = requests, workspace, stage, request
        self.staging, self.last = staging, last
        self.step = f"{number}_{stage.name}"  # names its request and its log, in the order of the graph
        self.discovered: set[str] = set()  # files read besides the declared ones
        self.kept: set[str] = set()  # promised files that stay as they are
        self.cpu: dict[str, float] = {}  # seconds of each worker that was asked
        self.moving = False  # whether a branch may move to its newest commit
        self.asked = False  # whether this stage was asked for by its name
        self.looked: Survey | None = None  # what was found out before the question
        self.decision: Decision | None = None  # what was answered
        self.waiting: Callable[[str], None] = lambda _holder: None  # told whom we wait for
        self.log = workspace.at(f"logs/{self.step}.log")

    @property
    def experiment(self) -> "Experiment":
        """Give the experiment."""
        return self.requests.experiment

    @property
    def root(self) -> Path:
        """Give the repository."""
        return self.workspace.root

    def digest(self, path: Path) -> str:
        """Digest a file that has to be there."""
        found = self.requests.digests.of(str(path))
        if found is None:
            raise StageFailed("is gone", where=str(path), mend="put it back and run again")
        return found

    def record(self, name: str) -> Any:
        """Read a record that an earlier stage wrote."""
        path = self.workspace.at(layout.record(name))
        try:
            return records.from_json(name, json.loads(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise StageFailed(
                f"cannot be read: {error}", where=layout.record(name), mend="delete it and run again"
            ) from error

    def out(self, relative: str) -> Path:
        """Give the place to write a file that will be called so in the workspace."""
        path = self.staging / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, record: records.Record) -> None:
        """Write a record."""
        self.out(layout.record(name)).write_text(dumps(records.to_json(record)), "utf-8")

    def written(self) -> set[str]:
        """Name every file written so far."""
        return {
            os.path.relpath(os.path.join(folder, name), self.staging)
            for folder, _, names in os.walk(self.staging)
            for name in names
            if not os.path.relpath(folder, self.staging).startswith(OUT)
        }

    def blocked(self) -> records.Status | None:
        """Give the reason when an earlier stage was blocked."""
        for name in ("probe", "infer"):
            if name in self.request["records"]:
                status = self.request["records"][name].get("status")
                if status and status["word"] == "blocked":
                    return records.Status(**status)
        return None

    def ask(self, verb: str, *, suffix: str = "", python: Path | None = None, **more: Any) -> Any:
        """Have the model's interpreter, or another one, do a verb; give its answer, or fail in one line."""
        from assay import bridge

        bridge.install_worker(self.workspace.path)
        request = {"protocol": 1, "verb": verb, "environment": proc.tuning(os.environ), **more}
        request_file = self.out(f"scripts/{self.step}{suffix}.json")
        checkpoint = self.requests.checkpoint_path if "checkpoint" in more else None
        outcome = bridge.run(
            python=python or self.requests.python.python,
            workspace=self.workspace.path,
            request=request,
            request_file=request_file.relative_to(self.workspace.path).as_posix(),
            out=self.staging / OUT,
            log=self.log.with_name(self.log.stem + suffix + ".log"),
            checkpoint=checkpoint,
            examined=self._examined() if checkpoint else None,
            limits=bridge.Limits(seconds=1800.0, memory_mib=hardware.memory_mib() * 8 // 10),
            isolation=self._isolation(more),
            network=self.experiment.network,
            readable=[*([] if self._whose_code(more) else [self.root]), *self._beside_checkpoint()],
        )
        self.cpu[verb + suffix.replace(f"-{verb}", "")] = outcome.cpu_seconds
        self.discovered |= {path for path in outcome.read if not path.startswith(OWN) and path != layout.ADAPTER}
        self.discovered |= {f"package:{name.rpartition('-')[0]}" for name in outcome.packages}
        here = str(self.root.resolve()) + os.sep
        self.discovered |= {f"root:{path[len(here) :]}" for path in outcome.outside if path.startswith(here)}
        if outcome.value is None:
            mend = f"see {_near(outcome.log, self.root)}"
            if outcome.kind == "refused" and outcome.name:  # code that the checkpoint names
                mend = f"look at it (doit inspect), then write trust: {self.record('checkpoint').sha256}"
            raise StageFailed(bridge.explain(outcome), where=outcome.where, mend=mend)
        self._take_over(verb)
        if isinstance(outcome.value.get("runtime"), dict):  # by the process that stands over it, not by its own word
            outcome.value["runtime"].update(isolation=outcome.isolation, lacking=list(outcome.lacking))
        return outcome.value

    def given(self, path: str) -> Path:
        """Find a file that a worker says it wrote; refuse a name that is none of its own."""
        place, inside = self.staging / path, ".." not in path.split("/")
        fits = inside and any(fnmatch(path, pattern) for pattern in GIVES[self.stage.worker])
        if not fits or not place.is_file():
            raise StageFailed(f"the worker names {path!r}, which it did not write", where=self.stage.name)
        return place

    def _take_over(self, verb: str) -> None:
        """Take over what this verb's worker is there to write; whatever else model code left goes away with it."""
        place = self.staging / OUT
        for folder, patterns in (("", GIVES.get(verb, ())), (KEPT, KEEPS.get(verb, ()))):
            for found in sorted(f for pattern in patterns for f in place.glob(pattern)):
                os.replace(found, self.out(os.path.join(folder, found.relative_to(place).as_posix())))

    def _isolation(self, more: dict[str, Any]) -> isolation.Isolation:
        """Give the best isolation that works here; code of others runs in none weaker than the experiment allows."""
        found = isolation.best()
        whose = self._whose_code(more)
        if whose and isolation.LEVELS.index(found.level) > isolation.LEVELS.index(self.experiment.sandbox):
            raise NeedsAnswer(
                f"{whose} runs in no isolation weaker than {self.experiment.sandbox}, and here works {found.level} "
                f"({found.why})",
                where=self.experiment.file,
                mend=f"install bubblewrap, or write sandbox: {found.level}",
            )
        return found

    def _whose_code(self, more: dict[str, Any]) -> str:
        """Name the code of others that a request lets run; "" when there is none."""
        if any(root.startswith("refs/") for root in more.get("source_roots", ())):
            return "upstream's code"
        return "code of the checkpoint" if more.get("checkpoint", {}).get("trusted") else ""

    def _beside_checkpoint(self) -> list[Path]:
        """List the files that belong to the checkpoint and lie beside it."""
        if self.stage.name == "deps" or self.requests.checkpoint_path.is_dir():
            return []
        folder = self.requests.checkpoint_path.parent
        return [folder / part.path for part in self.record("checkpoint").files[1:]]

    def _examined(self) -> "dict[str, files.StatKey]":
        """Give the state in which each file was hashed: the worker refuses to load any other."""
        path, checkpoint = self.requests.checkpoint_path, self.record("checkpoint")
        states = {}
        for part in checkpoint.files:
            inside = checkpoint.kind == "folder"
            place = path / part.path if inside else path.with_name(part.path) if part.path != path.name else path
            if self.digest(place) != part.sha256:
                where = self.experiment.model.checkpoint
                raise StageFailed(f"{part.path} changed since it was examined", where=where, mend="run again")
            known = self.requests.digests.known(str(place))
            state = known[0] if known else files.stat_key(str(place))
            if state is not None:
                states[part.path] = state
        return states

    def kept_folder(self) -> str:
        """Name the folder where one worker leaves what the next goes on with."""
        return (self.staging / KEPT).relative_to(self.workspace.path).as_posix()

    def named_checkpoint(self) -> dict[str, Any]:
        """Name the checkpoint as a worker's request wants it."""
        checkpoint = self.record("checkpoint")
        named = {"name": checkpoint.name, "sha256": checkpoint.sha256, "format": checkpoint.format.name}
        named["files"] = {part.path: part.sha256 for part in checkpoint.files}
        trusted = trust.given(checkpoint, self.experiment.trust)
        return named | {"trusted": True} if trusted else named

    def model_request(self) -> dict[str, Any]:
        """Compose the part of a worker's request that names the model and its contract."""
        contract = self.record("contract")
        written = [name for name, by in contract.functions.items() if by not in ("default", "none")]
        return {
            "checkpoint": self.named_checkpoint(),
            "adapter": layout.ADAPTER if written else "",
            "functions": written,
            "source_roots": [*(f"refs/{root}" for root in contract.roots), *self._upstream(), *self._modules_beside()],
            "reachable": self._reachable() if "build" in written else None,
            "device": self.experiment.device,
            "inputs": msgspec.to_builtins(contract.inputs),
            "outputs": msgspec.to_builtins(contract.outputs),
            "batch_axis": contract.batch_axis,
            "max_batch": contract.max_batch,
            "params": {name: p.value for name, p in self.record("params").params.items()},
        }

    def _reachable(self) -> "list[tuple[str, str]] | None":
        return trust.reachable(self.record("checkpoint"), self.experiment.trust)

    def _upstream(self) -> list[str]:
        """Name upstream's trees when something is imported that is called as theirs is: by an adapter, by a pickle."""
        scripts = [p for p in self.workspace.at("scripts").glob("*.py") if p.name != "reproduce.py"]
        wanted = {n.partition(".")[0] for p in scripts for n in code.imports(code.parse(p, p.name))}
        checkpoint = self.record("checkpoint")
        if trust.given(checkpoint, self.experiment.trust):
            wanted |= {row.name.partition(".")[0] for row in checkpoint.code}
        theirs = {Path(part).stem for file in self.record("source").python_files for part in Path(file).parts}
        if not wanted & theirs:
            return []
        trees = [tree.name for tree in self.record("refs").trees]
        return [f"refs/{root}" for root in (*trees, *code.roots(self.record("source").python_files, wanted, trees))]

    def _modules_beside(self) -> list[str]:
        """Let an adapter import the modules that lie beside it."""
        beside = {p.name for p in self.workspace.at("scripts").glob("*.py")} - {"adapter.py", "reproduce.py"}
        return ["scripts"] if beside else []

    def items(self) -> list[dict[str, str]]:
        """List the inputs as a worker's request wants them, without those that infer had to leave out."""
        skipped = self.record("infer").skipped if "infer" in self.request["records"] else {}
        found = self.record("inputs").items
        return [{"id": item.id, "file": item.file} for item in found if item.id not in skipped]


def _near(path: Path, root: Path) -> str:
    return os.path.relpath(path, root) if str(path).startswith(str(root)) else str(path)
