"""What a stage is given: its request, records to read, a place to write."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from assay import files, hardware, layout, proc, records
from assay.canonical import dumps
from assay.errors import StageFailed

if TYPE_CHECKING:  # names for the reader; a change there is no change of any stage
    from assay.domain import Experiment
    from assay.journal import Entry
    from assay.plan import Stage
    from assay.requests import Requests
    from assay.workspace import Workspace
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
        self.moving = False  # whether a branch may move to its newest commit
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
            if not os.path.relpath(folder, self.staging).startswith(".worker")
        }

    def blocked(self) -> records.Status | None:
        """Give the reason when an earlier stage was blocked."""
        for name in ("probe", "infer"):
            if name in self.request["records"]:
                status = self.request["records"][name].get("status")
                if status and status["word"] == "blocked":
                    return records.Status(**status)
        return None

    def ask(self, verb: str, *, suffix: str = "", **more: Any) -> Any:
        """Have the model's interpreter do a verb; give its answer, or fail in one line."""
        from assay import bridge

        bridge.install_worker(self.workspace.path)
        request = {"protocol": 1, "verb": verb, "environment": proc.tuning(os.environ), **more}
        request_file = self.out(f"scripts/{self.step}{suffix}.json")
        checkpoint = self.requests.checkpoint_path if "checkpoint" in more else None
        key = self._examined(checkpoint, more["checkpoint"]["sha256"]) if checkpoint else None
        outcome = bridge.run(
            python=self.requests.python.python,
            workspace=self.workspace.path,
            request=request,
            request_file=request_file.relative_to(self.workspace.path).as_posix(),
            out=self.staging,
            log=self.log.with_name(self.log.stem + suffix + ".log"),
            checkpoint=checkpoint,
            stat_key=key,
            limits=bridge.Limits(seconds=1800.0, memory_mib=hardware.memory_mib() * 8 // 10),
        )
        self.discovered |= {path for path in outcome.read if not path.startswith(OWN) and path != layout.ADAPTER}
        self.discovered |= {f"package:{name.rpartition('-')[0]}" for name in outcome.packages}
        here = str(self.root.resolve()) + os.sep
        self.discovered |= {f"root:{path[len(here) :]}" for path in outcome.outside if path.startswith(here)}
        if outcome.value is None:
            raise StageFailed(
                bridge.explain(outcome),
                where=outcome.where,
                mend=f"see {_near(outcome.log, self.root)}",
            )
        return outcome.value

    def _examined(self, checkpoint: Path, sha256: str) -> "files.StatKey | None":
        """Give the state in which the file was hashed: the worker refuses to load any other."""
        if not checkpoint.is_file():
            return None
        if self.digest(checkpoint) != sha256:
            raise StageFailed("changed since it was examined", where=self.experiment.model.checkpoint, mend="run again")
        known = self.requests.digests.known(str(checkpoint))
        return known[0] if known else files.stat_key(str(checkpoint))

    def named_checkpoint(self) -> dict[str, str]:
        """Name the checkpoint as a worker's request wants it: by the digest of the file that is opened."""
        checkpoint = self.record("checkpoint")
        digest = checkpoint.files[0].sha256 if checkpoint.kind == "file" else checkpoint.sha256
        return {"name": checkpoint.name, "sha256": digest, "format": checkpoint.format.name}

    def model_request(self) -> dict[str, Any]:
        """Compose the part of a worker's request that names the model and its contract."""
        contract = self.record("contract")
        return {
            "checkpoint": self.named_checkpoint(),
            "adapter": layout.ADAPTER if any(by in ("recipe", "edited") for by in contract.functions.values()) else "",
            "functions": [f for f, by in contract.functions.items() if by in ("recipe", "edited")],
            "source_roots": [f"refs/{tree.name}" for tree in self.record("refs").trees] + self._modules_beside(),
            "device": self.experiment.device,
            "inputs": msgspec.to_builtins(contract.inputs),
            "outputs": msgspec.to_builtins(contract.outputs),
            "batch_axis": contract.batch_axis,
            "max_batch": contract.max_batch,
            "params": {name: p.value for name, p in self.record("params").params.items()},
        }

    def _modules_beside(self) -> list[str]:
        """Let an adapter import the modules that lie beside it."""
        beside = {p.name for p in self.workspace.at("scripts").glob("*.py")} - {"adapter.py", "reproduce.py"}
        return ["scripts"] if beside else []

    def items(self) -> list[dict[str, str]]:
        """List the inputs as a worker's request wants them."""
        return [{"id": item.id, "file": item.file} for item in self.record("inputs").items]


def _near(path: Path, root: Path) -> str:
    return os.path.relpath(path, root) if str(path).startswith(str(root)) else str(path)
