"""One experiment's build: decides what is stale and why, runs a stage, records it."""

import os
import shutil
import socket
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import VERSION, code, files, layout, plan, stamp, workspace
from assay.code import OwnCode
from assay.config.spec import files_of, read_experiment
from assay.digests import Digests
from assay.domain import Experiment
from assay.errors import Fault, StageFailed
from assay.freshness import AFTER, EDITED, ELSEWHERE, FAILED, FRESH, NEVER, OFF, SETTLED, STALE, Verdict
from assay.journal import Entry, Journal, Line
from assay.plan import Stage
from assay.projection import change, differences, shown
from assay.requests import Requests, adapter_digest
from assay.workspace import Workspace

if TYPE_CHECKING:
    from assay.envs.survey import Decision, Survey
    from assay.stages.job import Job

PARTIAL = ".partial"
BEGAN = time.time_ns() - files.RACY_NS  # loaded before any experiment is read


class Build:
    """The state of one experiment during one run."""

    def __init__(
        self, root: Path, experiment: Experiment, digests: Digests, own_code: OwnCode, place: Workspace
    ) -> None:
        self.root, self.experiment, self.digests, self.workspace = root, experiment, digests, place
        self.requests = Requests(experiment, place, digests, own_code)
        self.ran: list[str] = []
        self.moving = False  # whether refs may move a branch to its newest commit
        self.looked: Survey | None = None  # for deps: what was found out, and what was decided
        self.decision: Decision | None = None
        self.looking, self.read_before = 0.0, set[str]()  # seconds that went into it, and what was read for it
        self._own_code = own_code
        self._held = ExitStack()
        self._locked = False

    @cached_property
    def journal(self) -> Journal:
        """Give the journal, read when first asked for, and with it what the last run knew of the files."""
        self.digests.remember(stamp.remembered(self.root, self.experiment.name))
        return Journal(self.workspace.at(layout.JOURNAL))

    # ------------------------------------------------------------ deciding
    def why(self, stage: Stage, *, asked: bool = False) -> Verdict:
        """Decide whether a stage is fresh, from what lies on the disk now."""
        if stage.not_yet:
            return Verdict(OFF, (stage.not_yet,))
        self.journal.reread()
        self._note_generated()
        last = self.journal.entries.get(stage.name)
        if last is None:
            failure = self.journal.failures.get(stage.name)
            if failure:
                return Verdict(FAILED, (f"failed: {failure.text}",))
            forgotten = stage.name in self.journal.before
            return Verdict(STALE, ("forgotten",)) if forgotten else Verdict(NEVER, ("never built",))
        request, _ = self.requests.of(stage, last)
        reasons = _reasons(differences(last.request, request))
        if reasons and not asked and stage.alone and _only_hardware(last.request, request):
            where = last.request.get("facts", {}).get("hardware", {}).get("host", "another machine")
            if not self._outputs(stage, last) and not self._read(last):
                return Verdict(ELSEWHERE, (f"measured on {where}; measured here only by doit measure",))
        reasons += self._read(last)
        edits = self._edits(last) if stage.name == plan.REPORT else []
        reasons += [r for p, r in self._outputs(stage, last) if p not in edits]
        if edits:
            because = f"; kept although {reasons[0]}" if reasons else "; kept"
            return Verdict(EDITED, tuple(f"{p} was edited by hand{because}" for p in edits))
        if reasons and stage.name in self.journal.failures:
            return Verdict(FAILED, (f"failed: {self.journal.failures[stage.name].text}", *reasons))
        return Verdict(STALE, tuple(reasons)) if reasons else Verdict(FRESH)

    def survey(self) -> dict[str, Verdict]:
        """Decide for every stage without running any: what rests on a stale one may run after it."""
        found: dict[str, Verdict] = {}
        for stage in plan.STAGES:
            open_below = [s for s in stage.after if found[s].status not in SETTLED]
            if stage.not_yet:
                found[stage.name] = Verdict(OFF, (stage.not_yet,))
            elif open_below and (self.journal.entries.get(stage.name) or found[open_below[0]].status == AFTER):
                found[stage.name] = self._told(stage, f"waits for {', '.join(open_below)}")
            elif open_below:
                found[stage.name] = Verdict(NEVER, ("never built",))
            else:
                found[stage.name] = self._told(stage)
        return found

    def _behind(self, stage: Stage, waits: str) -> Verdict:
        """Decide for a stage that rests on stale ones: it may run, or surely will for a reason that is not theirs."""
        last = self.journal.entries.get(stage.name)
        own: list[str] = []
        if last:
            request, _ = self.requests.of(stage, last)
            sections = ("yaml", "files", "facts", "code", *(("adapter",) if stage.name == "contract" else ()))
            found = differences(last.request, request)
            own = _reasons([d for d in found if d[0].partition(".")[0] in sections])
        return Verdict(STALE, (*own, waits)) if own else Verdict(AFTER, (waits,))

    def _told(self, stage: Stage, waits: str = "") -> Verdict:
        try:
            return self._behind(stage, waits) if waits else self.why(stage)
        except Fault as fault:
            return Verdict(FAILED, (str(fault),))

    def _note_generated(self) -> None:
        contract = self.journal.last("contract")
        self.requests.generated_adapter = contract.outputs.get(layout.ADAPTER) if contract else None

    def _outputs(self, stage: Stage, last: Entry) -> list[tuple[str, str]]:
        found = []
        for path, digest in last.outputs.items():
            if path == layout.ADAPTER:
                if not self.workspace.at(path).exists():
                    found.append((path, f"{path} is missing"))
                continue
            now = self.digests.of(str(self.workspace.at(path)))
            if now is None:
                found.append((path, f"{path} is missing"))
            elif now != digest:
                found.append((path, f"{path} was changed: {digest[:8]} -> {now[:8]}"))
        return found

    def _edits(self, last: Entry) -> list[str]:
        """Name the reports that a person changed: there, not empty, and not what we wrote."""
        edited = []
        for path in plan.BY_NAME[plan.REPORT].writes:
            now = self.digests.of(str(self.workspace.at(path)))
            if now and path in last.outputs and now != last.outputs[path] and _looks_like_text(self.workspace.at(path)):
                edited.append(path)
        return edited

    def _read(self, last: Entry) -> list[str]:
        found = []
        for path, digest in last.read.items():
            now = self.state_of(path)
            if now != digest:
                found.append(f"{path} {shown(digest)} -> {shown(now) if now else 'gone'}")
        return found

    def state_of(self, path: str) -> str | None:
        """Digest a discovered file as it is now; of a package that was imported, its name and version."""
        if path.startswith("package:"):
            installed = self.requests.interpreter_facts["packages"]
            return next((p for p in installed if p.rpartition("-")[0] == path[8:]), None)
        if path.startswith("refs/") and path.endswith(".py"):
            return self._own_code.state_of(self.place(path))
        return self.digests.of(str(self.place(path)))

    def place(self, path: str) -> Path:
        """Find a discovered file: workspace-relative, of the repository ("root:"), or beside the checkpoint."""
        if path.startswith("checkpoint:"):
            return self.requests.checkpoint_path.parent / path[11:]
        return self.root / path[5:] if path.startswith("root:") else self.workspace.at(path)

    # ------------------------------------------------------------ locking
    def lock(self, waiting: Any) -> bool:
        """Hold this workspace until close(); true when it was not held before, and older decisions count no more."""
        if self._locked:
            return False
        workspace.make(self.workspace)
        self._held.enter_context(files.lock(self.workspace.at(".lock"), waiting=waiting))
        self._locked = True
        if workspace.current(self.root, self.experiment.name, self.experiment.workspace) != self.workspace:
            self._held.close()
            self._locked = False
            raise StageFailed("was given up while we waited for it", where=self.workspace.folder, mend="run again")
        self.journal.reread()
        self.journal.compact()
        shutil.rmtree(self.workspace.at(PARTIAL), ignore_errors=True)
        workspace.sweep(self.workspace)
        return True

    def close(self) -> None:
        """Write what is derived from the journal, and let the workspace go."""
        if self.ran and self._locked:
            from assay import scripts

            workspace.write_readmes(self.workspace, self.journal)
            scripts.write(self.workspace, self.journal)
        self._own_code.save()
        self._held.close()
        self._locked = False

    # ------------------------------------------------------------ running
    def job(self, stage: Stage) -> "Job":
        """Give what a stage is asked with, as things are now, and a place aside to work in."""
        from assay.stages.job import Job

        request, _ = self.requests.of(stage, self.journal.entries.get(stage.name))
        staging = self.workspace.at(PARTIAL) / f"{stage.name}-{os.getpid()}"
        staging.mkdir(parents=True, exist_ok=True)
        return Job(
            self.requests, self.workspace, stage, request, staging, self.journal.last(stage.name), plan.number(stage)
        )

    def run(self, stage: Stage, *, asked: bool = False) -> None:
        """Run a stage and record it; a fault is recorded too, and nothing half-built stays."""
        from assay.stages import run_stage
        from assay.stages.job import Job

        started = time.monotonic() - (self.looking if stage.name == "deps" else 0.0)
        last = self.journal.last(stage.name)
        self._note_generated()
        # Asked anew: between the decision and now lie the waits for locks, and a file may be another by now.
        request, seen = self.requests.of(stage, self.journal.entries.get(stage.name))
        before = {p: files.stat_key(p) for p in self.requests.watched[stage.name]}
        staging = self.workspace.at(PARTIAL) / f"{stage.name}-{os.getpid()}"
        job = Job(self.requests, self.workspace, stage, request, staging, last, plan.number(stage))
        job.moving, job.asked = self.moving, asked
        if stage.name == "deps":
            job.looked, job.decision, job.discovered = self.looked, self.decision, set(self.read_before)
        try:
            if job.looked is None:  # else what was looked at lies there
                _emptied(staging)
            run_stage(job)
            self._same_as(before, stage)
            read = {p: d for p in sorted(job.discovered) if (d := self.state_of(p))}
            self._unmoved(stage, read, time.time_ns() - int((time.monotonic() - started) * 1e9))
            outputs = self._commit(job, last)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            fault = files.cannot_write(Path(error.filename or self.workspace.path), error)
            self._record_failure(stage, str(fault))
            raise fault from error
        except StageFailed as fault:
            shutil.rmtree(staging, ignore_errors=True)
            self._record_failure(stage, str(fault))
            raise
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        if stage.name == "deps":  # what it changed is what it rests on from now on
            self.requests.forget_interpreter()
            request = {**request, "facts": self.requests.of(stage, None)[0]["facts"]}
        seconds = round(time.monotonic() - started, 3)
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        host = socket.gethostname()
        entry = Entry(stage.name, request, read, seen, outputs, seconds, now, VERSION, host, job.cpu)
        self.journal.finished(entry)
        self.ran.append(stage.name)

    def _same_as(self, before: dict[str, Any], stage: Stage) -> None:
        moved = [p for p, key in before.items() if files.stat_key(p) != key]
        for path in moved:
            known = self.digests.known(path)
            if known is None or self.digests.of(path) != known[1]:
                raise StageFailed(
                    f"changed while {stage.name} was running", where=_relative(path, self.root), mend="run again"
                )

    def _unmoved(self, stage: Stage, read: dict[str, str], started_ns: int) -> None:
        for path in read:
            key = files.stat_key(str(self.place(path)))
            if key and key[2] > started_ns and not path.startswith("scripts/"):
                raise StageFailed(f"changed while {stage.name} was running", where=path, mend="run again")

    def _commit(self, job: "Job", last: Entry | None) -> dict[str, str]:
        written = job.written()
        missing = [p for p in job.stage.writes if p not in written and p not in job.kept]
        if missing:
            raise StageFailed(
                f"ended without writing {', '.join(missing)}", where=job.stage.name, mend="report this as a bug"
            )
        outputs: dict[str, str] = {}
        for relative in sorted(written):
            aside, final = job.staging / relative, self.workspace.at(relative)
            files.sync(aside)
            outputs[relative] = files.sha256(str(aside))
            final.parent.mkdir(parents=True, exist_ok=True)
            if relative in (layout.EXPERIMENT_REPORT, layout.STAKEHOLDER_REPORT):
                self._keep_edit(final, last)
            os.replace(aside, final)
        if layout.ADAPTER in job.stage.writes:
            outputs[layout.ADAPTER] = self._adapter_output(job)
        for stale in set(last.outputs if last else ()) - set(outputs):
            self.workspace.at(stale).unlink(missing_ok=True)
        shutil.rmtree(job.staging, ignore_errors=True)
        return outputs

    def _keep_edit(self, report: Path, last: Entry | None) -> None:
        relative = f"reports/{report.name}"
        now = self.digests.of(str(report))
        if last and now and now != last.outputs.get(relative) and _looks_like_text(report):
            os.replace(report, _free(report.with_suffix(".edited.md")))

    def _adapter_output(self, job: "Job") -> str:
        if layout.ADAPTER in job.kept and self.requests.generated_adapter:
            return self.requests.generated_adapter
        return adapter_digest(code.functions(code.parse(self.workspace.at(layout.ADAPTER), layout.ADAPTER)))

    def _record_failure(self, stage: Stage, text: str) -> None:
        try:
            self.journal.event(Line("failed", stage.name, time.strftime("%Y-%m-%d %H:%M:%S"), text[:500]))
        except StageFailed:
            return  # a full disk cannot take the note either; the stage stays unbuilt without it

    def forget(self, names: "list[str]") -> list[str]:
        """Forget stages, so that they are built again; what they wrote stays until then."""
        known = [n for n in names if n in self.journal.entries]
        for name in known:
            self.journal.event(Line("forgotten", name, time.strftime("%Y-%m-%d %H:%M:%S"), ""))
        return known

    # ------------------------------------------------------------ remembering
    def remember(self, line: str) -> None:
        """Write the stamp that lets the next run see in a few stats that nothing is to do."""
        watched = set().union(*self.requests.watched.values()) if self.requests.watched else set()
        for entry in self.journal.entries.values():
            watched |= {str(self.workspace.at(p)) for p in entry.outputs}
            watched |= {str(self.place(p)) for p in entry.read if not p.startswith("package:")}
        known = files_of(self.root, self.experiment)
        stamp.drop(self.root, self.experiment.name)
        before = _states(self.root, [*watched, *known])
        if any(key and max(key[1], key[2]) > BEGAN for key in _states(self.root, known)):
            return  # written while this run was at work: what was read may be the old text
        if self.ran and not self._still_fresh():
            return
        stamp.write(
            self.root, self.experiment, self.workspace, watched, self.requests.folders, self.digests, line, known
        )
        if _states(self.root, [*watched, *known]) != before:
            stamp.drop(self.root, self.experiment.name)

    def _still_fresh(self) -> bool:
        """Decide everything once more from what lies on the disk now: inputs may have changed under the run."""
        try:
            experiment = read_experiment(self.root, self.experiment.name)
            own_code = OwnCode(self.digests, self.root / stamp.CODE)
            again = Build(self.root, experiment, self.digests, own_code, self.workspace)
            return all(v.status in (FRESH, OFF) for v in again.survey().values())
        except Fault:
            return False


def _reasons(found: list[tuple[str, Any, Any]]) -> list[str]:
    """Say each difference; our own modules together, for an update of assay touches many."""
    modules = [where.removeprefix("code.").removeprefix("assay.") for where, _, _ in found if where.startswith("code")]
    more = f" and {len(modules) - 2} more" if len(modules) > 2 else ""
    own = [f"assay's own code changed: {', '.join(modules[:2])}{more}"] if modules else []
    return own + [_reason(*d) for d in found if not d[0].startswith("code")]


def _reason(where: str, old: Any, new: Any) -> str:
    section, _, rest = where.partition(".")
    if section == "adapter":
        return f"adapter {rest or 'functions'} changed"
    if section in ("yaml", "params", "files", "facts"):
        prefix = {"yaml": "yaml ", "params": "param "}.get(section, "")
        return f"{prefix}{rest or section} {change(old, new)}"
    if section == "records":
        return f"{rest} {change(old, new)}"
    return f"{where} {change(old, new)}"


def _only_hardware(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return all(w.startswith(("facts.hardware", "facts.accelerator")) for w, _, _ in differences(old, new))


def _states(root: Path, paths: "list[str]") -> "list[files.StatKey | None]":
    return [files.stat_key(str(root / p)) for p in paths]


def _looks_like_text(path: Path) -> bool:
    try:
        text = path.read_bytes()
        return bool(text.strip()) and b"\0" not in text and bool(text.decode("utf-8"))
    except (OSError, UnicodeDecodeError):
        return False


def _free(path: Path) -> Path:
    """Give a name that nothing has yet: an earlier edit is somebody's work too."""
    names = (path, *(path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, 1000)))
    return next(p for p in names if not p.exists())


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root) if path.startswith(str(root) + os.sep) else path


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
