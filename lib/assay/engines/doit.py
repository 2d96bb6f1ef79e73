"""The plan as doit tasks. The only module that imports doit."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.exceptions import TaskFailed

from assay import plan, stamp, stopping
from assay.commandline import GIVEN, Line
from assay.engines.progress import Progress
from assay.errors import Fault, StageFailed, WrongInput, WrongInputs
from assay.freshness import SETTLED, STALE, Verdict
from assay.plan import Stage
from assay.session import Session

if TYPE_CHECKING:
    from assay.build import Build

MACHINE_LOCK = "/tmp/assay-machine.lock"


def members(session: Session, line: Line, names: list[str]) -> dict[str, Any]:
    """Give doit what a dodo.py would define: its configuration and one task creator a stage."""
    words = [w.partition(":")[0] for w in line.words]
    asked = list(dict.fromkeys(w for w in words if w in plan.BY_NAME)) or [plan.REPORT]
    run = Run(session, line, names, asked)
    made: dict[str, Any] = {f"task_{name}": run.creator(name) for name in run.stages}
    made["DOIT_CONFIG"] = {
        "backend": "sqlite3",
        "dep_file": ":memory:",
        "reporter": run.reporter(),
        "par_type": "thread",
        "continue": True,
        "verbosity": 0,
        "default_tasks": [plan.REPORT],
        "action_string_formatting": "new",
    }
    return made


class Run:
    """One doit run over some experiments."""

    def __init__(self, session: Session, line: Line, names: list[str], asked: list[str]) -> None:
        self.session, self.line, self.names, self.asked = session, line, names, asked
        self.settled = self._at_a_glance(names)
        self.builds = session.builds([n for n in names if n not in self.settled], line.given)
        self.agreed = False  # whether what has to be installed was asked
        self.plans: dict[str, Any] = {}  # what would be installed, of an experiment that got no answer
        self._turns = {name: threading.RLock() for name in names}
        self._need_inputs()
        self.progress = Progress(line.json, sys.stderr)
        self.faults: dict[str, Fault] = {}
        self.verdicts: dict[str, Verdict] = {}
        self._let_rest()
        self.stages = plan.NAMES if self.builds else tuple(dict.fromkeys(asked))

    def _need_inputs(self) -> None:
        """Refuse before anything runs when a file that an experiment names is not there."""
        kinds = {kind for stage in plan.needed(self.asked) for kind in stage.files}
        faults = []
        for build in self.builds.values():
            for key, path in build.requests.named_files(kinds):
                if not os.path.lexists(path):
                    what = f"{key}: {os.path.relpath(path, self.session.root)} is not there"
                    mend = "put it there, or correct the path"
                    faults.append(WrongInput(what, where=build.experiment.file, mend=mend))
        if faults:
            raise WrongInputs(faults)

    def _let_rest(self) -> None:
        """Settle what is wholly fresh, one experiment after the other: a thousand need little more memory than one."""
        if self._must_look() or self.asked != [plan.REPORT] or len(self.names) == 1:
            return
        from assay import summary

        for name in list(self.builds):
            line = summary.at_rest(self, name)
            if line:
                self.settled[name] = line
                self.session.digests.forget(str(self.builds.pop(name).workspace.path))

    def _must_look(self) -> bool:
        """Tell whether the line asks for more than to be sure that all is fresh."""
        always = {"-a", "--always-execute"} & set(self.line.options)
        asks = {"--update", "--locked"} & set(self.line.flags)
        lacking = "deps" in self.asked  # what a blocked model lacks is no news to the report, and asked for by name
        return bool(always or asks) or lacking or any("/" in w for w in self.line.words)

    def _at_a_glance(self, names: list[str]) -> dict[str, str]:
        """Find the experiments of which a few stats show that nothing has moved."""
        if self._must_look():
            return {}
        root = str(self.session.root)
        tool = stamp.tool_id(root)
        found = {name: stamp.check(root, name, tool) for name in names} if tool else {}
        return {name: line for name, line in found.items() if line is not None}

    # ------------------------------------------------------------ tasks
    def creator(self, name: str) -> Any:
        """Give doit's task creator of one stage."""

        def create() -> Iterator[dict[str, Any]]:
            yield self._group(name)
            for experiment in self.settled:
                if name in self.asked:
                    yield {"name": experiment, "actions": [_nothing], "uptodate": [True], "params": OPTIONS}
            for experiment, build in self.builds.items():
                yield self._task(plan.BY_NAME[name], experiment, build)

        return create

    def _group(self, name: str) -> dict[str, Any]:
        return {"name": None, "doc": plan.BY_NAME[name].does, "params": OPTIONS}

    def _task(self, stage: Stage, experiment: str, build: "Build") -> dict[str, Any]:
        below = [s.name for s in plan.needed(stage.after)]
        return {
            "name": experiment,
            "doc": stage.does,
            "actions": [(self._act, [stage, experiment])],
            "uptodate": [partial(self._fresh, stage, experiment)],
            "task_dep": [f"{s}:{experiment}" for s in below],
            "targets": [f"{build.workspace.folder}/{path}" for path in stage.writes],
            "params": OPTIONS,
            "verbosity": 2,
        }

    # ------------------------------------------------------------ deciding and running
    def _fresh(self, stage: Stage, experiment: str) -> bool:
        """Decide; the first stale stage takes the workspace's lock and decides again, now that nobody else builds."""
        stopping.check()
        build = self.builds[experiment]
        asked = stage.name in self.asked
        if f"{stage.name}:{experiment}" in self.faults:
            return False  # told already
        try:
            if stage.name == "refs" and "--update" in self.line.flags and build.experiment.source.repo:
                self.verdicts[f"refs:{experiment}"] = Verdict(STALE, ("asked to look for a newer commit",))
                return False
            verdict = self._decided(build, stage, asked)
            if verdict.status not in SETTLED and build.lock(lambda holder: self.progress.waiting(experiment, holder)):
                verdict = self._decided(build, stage, asked)
        except Fault as fault:
            self.faults[f"{stage.name}:{experiment}"] = fault
            return False
        self.verdicts[f"{stage.name}:{experiment}"] = verdict
        if stage.name == "deps" and verdict.status not in SETTLED and not self.agreed:
            self._agree()
        self.progress.decided(stage, experiment, verdict)
        return verdict.status in SETTLED

    def _decided(self, build: "Build", stage: Stage, asked: bool) -> Verdict:
        verdict = build.why(stage, asked=asked)
        if stage.name != "deps" or verdict.status not in SETTLED:
            return verdict
        if "--locked" in self.line.flags:
            return Verdict(STALE, ("asked to have the packages of deps.lock",))
        lacking = (build.requests.record("environment") or {}).get("missing") if asked else None
        return Verdict(STALE, (f"asked for: {', '.join(lacking)} missing",)) if lacking else verdict

    # ------------------------------------------------------------ asking once, between two legs
    def _agree(self) -> None:
        """Build of every experiment what lies before its packages, then ask for all of them together."""
        from assay.consent import settle

        self.agreed = True
        deps = plan.BY_NAME["deps"]
        ready = []
        for name in self.builds:
            if self._up_to(deps, name) and (f"deps:{name}" in self.verdicts or not self._fresh(deps, name)):
                ready.append(name)
        settle(self, [name for name in ready if f"deps:{name}" not in self.faults])

    def _up_to(self, stage: Stage, experiment: str) -> bool:
        """Build what a stage rests on; false when that failed, which is told where the run comes to it."""
        for below in plan.needed(stage.after):
            with self._turns[experiment]:
                if not self._fresh(below, experiment):
                    self._act(below, experiment)
            if f"{below.name}:{experiment}" in self.faults:
                return False
        return True

    def _act(self, stage: Stage, experiment: str, **_options: Any) -> Any:
        name = f"{stage.name}:{experiment}"
        build = self.builds[experiment]
        if stage.not_yet:
            return None
        try:
            if name in self.faults:
                raise self.faults[name]
            build.lock(lambda holder: self.progress.waiting(experiment, holder))
            build.moving = "--update" in self.line.flags
            spent = build.looking if stage.name == "deps" else 0.0
            shown = self.progress.running(stage, experiment, self.verdicts.get(name), spent)
            with self._turns[experiment], self.machine(stage), shown:
                build.run(stage, asked=stage.name in self.asked)
        except Fault as fault:
            self.faults[name] = fault
            return TaskFailed(str(fault), report=False)
        return None

    def machine(self, stage: Stage) -> Any:
        """Keep every other worker away while one measures."""
        if not stage.worker:
            return ExitStack()
        from assay import files

        other = "other workers" if stage.alone else "a measurement"
        return files.lock(
            Path(os.environ.get("ASSAY_MACHINE_LOCK") or MACHINE_LOCK),  # of containers on one machine a shared one
            shared=not stage.alone,
            waiting=lambda _: self.progress.waiting(stage.name, f"{other} on this machine"),
        )

    # ------------------------------------------------------------ the end
    def reporter(self) -> Any:
        """Give doit a reporter class bound to this run."""
        run = self

        class Reporter:
            desc = "assay"

            def __init__(self, outstream: Any, options: Any) -> None:
                self.failures: list[Any] = []

            def initialize(self, tasks: Any, selected: Any) -> None:
                stopping.listen()

            def add_failure(self, task: Any, fail: Any) -> None:
                run.failed(task, fail)

            def runtime_error(self, message: str) -> None:
                run.faults["doit"] = WrongInput(message)

            def complete_run(self) -> None:
                raise SystemExit(run.finish())

            def __getattr__(self, _name: str) -> Any:
                return lambda *_: None

        return Reporter

    def failed(self, task: Any, fail: Any) -> None:
        """Keep what doit itself holds against a task."""
        if task.name not in self.faults and type(fail).__name__ != "UnmetDependency":
            if fail.traceback and "--debug" in self.line.flags:
                print("".join(fail.traceback), file=sys.stderr, end="")
            text = getattr(fail, "exception", None) or getattr(fail, "message", "") or fail.get_msg()
            self.faults[task.name] = (
                _bug(task.name, fail) if fail.traceback else StageFailed(str(text), where=task.name)
            )

    def finish(self) -> int:
        """Say how each experiment ended; give the exit code."""
        from assay import summary

        return summary.close(self)


OPTIONS = [
    {"name": "json", "long": "json", "type": bool, "default": False, "help": "the closing summary as JSON"},
    {"name": "strict", "long": "strict", "type": bool, "default": False, "help": "a missed target is exit code 4"},
    {
        "name": "update",
        "long": "update",
        "type": bool,
        "default": False,
        "help": "refs: move a branch to its newest commit",
    },
    {"name": "locked", "long": "locked", "type": bool, "default": False, "help": "deps: the packages of deps.lock"},
    {"name": "pip", "long": "pip-config", "type": bool, "default": False, "help": "deps: pip's own indexes hold too"},
    {"name": "debug", "long": "debug", "type": bool, "default": False, "help": "tracebacks of assay's own bugs"},
    *(
        {
            "name": word[2:].replace("-", "_"),
            "long": word[2:],
            "type": str,
            "default": "",
            "help": f"{key} for this run",
        }
        for word, key in GIVEN.items()
    ),
]


def _nothing() -> None:
    """Do nothing: the stamp has shown that nothing is to do."""


def _bug(name: str, fail: Any) -> Fault:
    last = [line for line in fail.traceback if line.strip()][-1:] or [fail.message]
    text = " ".join("".join(last).split())
    return StageFailed(f"a bug of assay: {text}", where=name, mend="run again with --debug and report it")
