"""The request: the one document that says everything a stage is asked with."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import code, files, layout, proc
from assay.code import OwnCode
from assay.digests import Digests
from assay.domain import Experiment, values
from assay.errors import StageFailed
from assay.journal import Entry
from assay.plan import Stage
from assay.projection import project
from assay.workspace import Workspace

if TYPE_CHECKING:  # loaded only when a checkpoint has to be looked at
    from assay.examination import Examination

LEAVINGS = (".bak", ".orig", ".rej", ".swp", ".tmp", ".pyc", "~")


class Requests:
    """Composes requests from an experiment, its files and its workspace."""

    def __init__(self, experiment: Experiment, workspace: Workspace, digests: Digests, own_code: OwnCode) -> None:
        self.experiment, self.workspace, self.digests, self._code = experiment, workspace, digests, own_code
        self._values = values(experiment)
        self.watched: dict[str, set[str]] = {}  # stage -> absolute paths whose state its request was made from
        self.folders: set[str] = set()  # folders whose listing mattered
        self._examined: Examination | None = None

    def of(self, stage: Stage, last: Entry | None) -> tuple[dict[str, Any], dict[str, str]]:
        """Compose a stage's request, and name the record files it was projected from."""
        self.watched[stage.name] = set()
        records, seen = self._records(stage, last)
        request: dict[str, Any] = {
            "stage": stage.name,
            "yaml": project(self._values, stage.yaml),
            "files": {kind: self._file(stage, kind) for kind in stage.files},
            "records": records,
            "code": self._own(stage),
            "facts": {kind: self._fact(kind) for kind in stage.facts},
        }
        if stage.functions:
            source = self.adapter_functions(stage)
            request["adapter"] = {f: source[f] for f in stage.functions if f in source}
            if stage.name != "contract":
                request["params"] = self._params(stage)
        return request, seen

    # ------------------------------------------------------------ records
    def _records(self, stage: Stage, last: Entry | None) -> tuple[dict[str, Any], dict[str, str]]:
        paths: dict[str, list[str]] = {}
        for entry in stage.records:
            name, _, path = entry.partition(":")
            paths.setdefault(name, []).append(path)
        seen = {layout.record(name): self._digest(stage, layout.record(name)) or "" for name in paths}
        if last and last.records == seen:
            return last.request.get("records", {}), seen
        return {name: project(self.record(name), wanted) for name, wanted in paths.items()}, seen

    def record(self, name: str) -> Any:
        """Read a record as plain JSON; None when it is not there yet."""
        path = self.workspace.at(layout.record(name))
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StageFailed("is damaged", where=str(path), mend="delete it and run again") from error

    # ------------------------------------------------------------ files
    def _digest(self, stage: Stage, relative: str) -> str | None:
        return self._watch(stage, str(self.workspace.at(relative)))

    def _watch(self, stage: Stage, path: str, looking: files.Looking | None = None) -> str | None:
        self.watched[stage.name].add(path)
        return self.digests.of(path, looking)

    def _file(self, stage: Stage, kind: str) -> Any:
        if kind == "checkpoint":
            return self._checkpoint(stage)
        if kind == "source":
            return self._source(stage)
        if kind == "imports":
            module = self._recipe_module(stage)
            return code.imports(module) if module else []
        if kind == "supplies":
            return self._supplies(stage)
        if kind == "in_place":
            return self.edited_functions(stage)
        if kind == "beside":
            return {p.name: self._watch(stage, str(p)) or "" for p in self._beside()}
        if kind == "modules":
            return [p.stem for p in self._beside() if p.suffix == ".py"]
        path = {"labels": self.experiment.inputs.labels, "notes": self.experiment.notes}[kind]
        return self._watch(stage, str(self.workspace.root / path)) if path else None

    @cached_property
    def checkpoint_path(self) -> Path:
        """Give the checkpoint's place on this machine."""
        return self.workspace.root / Path(self.experiment.model.checkpoint).expanduser()

    def _beside(self) -> list[Path]:
        """List what lies beside a recipe's adapter and goes with it; an editor's leavings do not."""
        folder = self.workspace.root / self.experiment.recipe
        if not self.experiment.adapter:
            return []
        self.folders.add(str(folder))
        found = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "README")))
        return [p for p in found if p.name not in ("adapter.py", "recipe.yaml") and not p.name.endswith(LEAVINGS)]

    def named_files(self, kinds: set[str]) -> list[tuple[str, Path]]:
        """Name the inputs of these kinds that the experiment gives by path: (key, where it should be)."""
        spec = self.experiment
        named = [
            ("checkpoint", "model.checkpoint", str(self.checkpoint_path)),
            ("source", "source.path", spec.source.path),
        ]
        named += [("labels", "inputs.labels", spec.inputs.labels)]
        return [(key, self.workspace.root / path) for kind, key, path in named if kind in kinds and path]

    def _checkpoint(self, stage: Stage) -> Any:
        from assay.formats import members

        found = members(self.checkpoint_path)
        if self.checkpoint_path.is_dir():
            self.folders.add(str(self.checkpoint_path))
        looking = {}
        if any(not self.digests.current(str(path)) for _, path in found):
            examined = self.examination()
            examined.refuse()  # before minutes are spent on hashing what is no model
            looking = {} if self.digests.reads_only else {name: examined.looking(name) for name, _ in found}
        digests = {name: self._watch(stage, str(path), looking.get(name)) for name, path in found}
        return digests if self.checkpoint_path.is_dir() else next(iter(digests.values()))

    def examination(self) -> "Examination":
        """Look at the checkpoint: once, as long as it stays as it is."""
        from assay.examination import Examination

        if self._examined is None or not self._examined.current():
            self._examined = Examination(self.checkpoint_path)
        return self._examined

    def _source(self, stage: Stage) -> Any:
        if not self.experiment.source.path:
            return None
        from assay.upstream import local

        root = self.workspace.root / self.experiment.source.path
        listing = local.listing(root)
        self.folders |= {str(p) for p in listing.watch}
        digests = {name: self._watch(stage, str(root / name)) for name in listing.files}
        return files.text_sha256("".join(f"{n}\0{d}\n" for n, d in sorted(digests.items())))

    # ------------------------------------------------------------ adapter
    def _recipe_module(self, stage: Stage) -> Any:
        if not self.experiment.adapter:
            return None
        path = self.workspace.root / self.experiment.adapter
        self._watch(stage, str(path))
        return code.parse(path, self.experiment.adapter)

    def edited_functions(self, stage: Stage) -> dict[str, str] | None:
        """Give the functions of a generated adapter that somebody edited in place; None when nobody did."""
        path = self.workspace.at(layout.ADAPTER)
        self._watch(stage, str(path))
        generated = self.generated_adapter
        if generated is None or not path.exists():
            return None
        found = code.functions(code.parse(path, layout.ADAPTER))
        return found if adapter_digest(found) != generated else None

    def _supplies(self, stage: Stage) -> dict[str, list[str]]:
        """Name the functions that recipe or edited adapter give, and what build takes."""
        edited = self.edited_functions(stage)
        module = code.parse(self.workspace.at(layout.ADAPTER), layout.ADAPTER) if edited else self._recipe_module(stage)
        if module is None:
            return {"functions": [], "build": []}
        greedy = ["**"] if code.takes_any(module, "build") else []
        return {"functions": sorted(code.functions(module)), "build": sorted(code.keywords(module, "build")) + greedy}

    generated_adapter: str | None = None  # what the contract stage last wrote, set by the build

    def adapter_functions(self, stage: Stage) -> dict[str, str]:
        """Digest the adapter's functions as this stage would use them."""
        if stage.name == "contract":
            module = self._recipe_module(stage)
            return code.functions(module) if module else {}
        path = self.workspace.at(layout.ADAPTER)
        self._watch(stage, str(path))
        return code.functions(code.parse(path, layout.ADAPTER)) if path.exists() else {}

    def _params(self, stage: Stage) -> dict[str, Any]:
        self._digest(stage, layout.record("params"))
        params = (self.record("params") or {}).get("params", {})
        return {n: p["value"] for n, p in params.items() if set(p["used_by"]) & set(stage.functions)}

    # ------------------------------------------------------------ code and facts
    def _own(self, stage: Stage) -> dict[str, str]:
        own = self._code.of(f"assay.stages.{stage.name}")
        for verb in stage.worker.split():
            own = {**own, **self._code.worker(verb)}
        return own

    def _fact(self, kind: str) -> Any:
        if kind == "interpreter":
            return self.interpreter_facts
        if kind == "variables":
            return proc.tuning(os.environ)
        from assay import hardware

        return hardware.gpus() if kind == "accelerator" else hardware.facts()

    @cached_property
    def python(self) -> Any:
        """Choose the interpreter that runs the model."""
        import sys

        from assay.envs import interpreter

        chosen = interpreter.choose(self.workspace.root, self.experiment.env, Path(sys.executable))
        return self._made_here(chosen)

    def _made_here(self, chosen: Any) -> Any:
        """Take the environment that was made for this experiment, as long as what it was asked with holds."""
        from assay.envs import lock

        kept = lock.read(self.workspace.at(layout.DEPS_LOCK))
        env = self.experiment.env
        if kept is None or kept.asked != {"manager": env.manager, "python": env.python}:
            return chosen
        if not lock.is_there(self.workspace.root, kept.environment):
            return chosen
        python = lock.interpreter(self.workspace.root, kept.environment)
        manager = "pixi" if kept.environment.startswith(lock.PIXI) else "venv"
        return chosen._replace(python=python, manager=manager, because="it was made for this model: deps.lock", note="")

    def take_interpreter(self, chosen: Any) -> None:
        """Look at another interpreter from now on: one that was just made for this model."""
        self.forget_interpreter()
        self.__dict__["python"] = chosen

    def forget_interpreter(self) -> None:
        """Choose again: an environment was made or changed."""
        self.__dict__.pop("python", None)
        self.__dict__.pop("interpreter_facts", None)

    @cached_property
    def interpreter_facts(self) -> dict[str, Any]:
        """Tell the interpreter's version and packages without starting it."""
        from assay.envs import interpreter

        found = interpreter.facts(self.python.python)
        self.folders |= {str(p) for p in found.site_packages}
        return {"python": found.version, "packages": list(found.packages)}


def adapter_digest(functions: dict[str, str]) -> str:
    """Digest an adapter by its functions, so that a comment is no edit."""
    return code.BY_TREE + files.text_sha256(json.dumps(functions, sort_keys=True))[:16]
