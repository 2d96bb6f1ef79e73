"""How a run ends: the verdict, the targets, where the reports lie, what failed."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import errors, layout, plan, stopping
from assay.freshness import FRESH, OFF

if TYPE_CHECKING:
    from assay.build import Build
    from assay.engines.doit import Run


def close(run: "Run") -> int:
    """Print how each experiment ended; give the exit code."""
    interrupted = _interrupted()
    _note_bug(run)
    if interrupted:
        from assay import bridge

        bridge.stop_all()
    run.progress.clear()
    told = {name: _told(run, name) for name in run.builds}
    for name, build in run.builds.items():
        _settle(run, name, build, told[name], whole=not interrupted)
    code = interrupted or _code(run)
    try:
        if run.line.json:
            print(json.dumps(_machine(run, told, code), indent=1, sort_keys=True))
        else:
            _print(run, told, interrupted)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as `| head` does: the build counts all the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"assay: cannot write the answer: {error.strerror}", file=sys.stderr)
        code = code or errors.FAILED
    return code


def _interrupted() -> int:
    kind = sys.exc_info()[0]
    return stopping.code() or (errors.INTERRUPTED if kind is KeyboardInterrupt else 0)


def _note_bug(run: "Run") -> None:
    """Own up to an exception that nobody expected: doit is unwinding because of it."""
    kind, value, trace = sys.exc_info()
    if value is not None and kind is not None and issubclass(kind, Exception):
        if "--debug" in run.line.flags:
            import traceback

            traceback.print_exception(kind, value, trace)
        run.faults["doit"] = errors.StageFailed(
            f"a bug of assay: {kind.__name__}: {value}", mend="run again with --debug and report it"
        )


def _code(run: "Run") -> int:
    codes = {fault.exit_code for fault in run.faults.values()}
    for code in (errors.FAILED, errors.WRONG_INPUT, errors.NEEDS_ANSWER):
        if code in codes:
            return code
    if run.line.strict and any(t["status"] == "missed" for name in run.names for t in _targets(run, name)):
        return errors.TARGET_MISSED
    return errors.DONE


def _faults(run: "Run", name: str) -> dict[str, errors.Fault]:
    return {task: fault for task, fault in run.faults.items() if task.endswith(f":{name}")}


def _settle(run: "Run", name: str, build: "Build", line: str, *, whole: bool) -> None:
    """Let the workspace go; stamp it when the whole report is known to be fresh."""
    try:
        build.close()
        whole = whole and plan.REPORT in run.asked and not _faults(run, name) and "doit" not in run.faults
        built = run.progress.built.get(name, [])
        settled = (run.verdicts.get(f"{s.name}:{name}") for s in plan.needed([plan.REPORT]) if s.name not in built)
        if whole and all(v is not None and v.status in (FRESH, OFF) for v in settled):
            build.remember(line)
    except errors.Fault as fault:
        run.faults[f"close:{name}"] = fault


def at_rest(run: "Run", name: str) -> str:
    """Stamp an experiment before the run when each of its stages is fresh, and give its closing line; else ""."""
    build = run.builds[name]
    try:
        if all(build.why(stage).status in (FRESH, OFF) for stage in plan.needed([plan.REPORT])):
            line = _told(run, name)
            build.close()
            build.remember(line)
            return line
    except errors.Fault:
        pass  # met again, and told, where the run comes to it
    return ""


def _metrics(run: "Run", name: str) -> dict[str, Any]:
    try:
        found = json.loads((run.session.root / _folder(run, name) / layout.record("metrics")).read_bytes())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _folder(run: "Run", name: str) -> str:
    """Name an experiment's workspace; of a settled one, by its closing line."""
    if name in run.builds:
        return run.builds[name].workspace.folder
    return layout.workspace_of(run.settled.get(name, ""))


def _targets(run: "Run", name: str) -> list[dict[str, Any]]:
    return list(_metrics(run, name).get("targets", []))


def _told(run: "Run", name: str) -> str:
    """Say in one line, and the places of the reports, what became of an experiment."""
    build = run.builds[name]
    if plan.REPORT not in run.asked:
        written = [p for stage in run.asked for p in plan.BY_NAME[stage].writes if build.workspace.at(p).exists()]
        return f"{name}: {', '.join(run.asked)} up to date" + "".join(
            f"\n  {build.workspace.folder}/{p}" for p in written
        )
    metrics = _metrics(run, name)
    targets = metrics.get("targets", [])
    met = sum(t["status"] == "met" for t in targets)
    reports = "".join(
        f"\n  {build.workspace.folder}/{p}" for p in (layout.EXPERIMENT_REPORT, layout.STAKEHOLDER_REPORT)
    )
    asked = f"{met} of {len(targets)} targets met" if targets else "no targets set"
    return f"{name}: {metrics.get('verdict', 'NOT DECIDED')}  {asked}{reports}"


def _print(run: "Run", told: dict[str, str], interrupted: int) -> None:
    for name in run.names:
        _print_one(run, name, told.get(name), interrupted)
    if run.plans and not interrupted:  # nobody was there to be asked: what would be installed, for a machine
        print(json.dumps({"exit": errors.NEEDS_ANSWER, "plans": run.plans}, indent=1, sort_keys=True))
    for stage in run.asked:
        if plan.BY_NAME[stage].not_yet:
            print(f"{stage}: not yet: {plan.BY_NAME[stage].not_yet}")
    if run.settled and len(run.names) > 1:
        print(f"{len(run.settled)} of {len(run.names)} experiments: nothing to do")
    if "doit" in run.faults:
        print(f"assay: {run.faults['doit']}", file=sys.stderr)


def _print_one(run: "Run", name: str, told: str | None, interrupted: int) -> None:
    if _faults(run, name):
        _print_faults(run, name)
    elif interrupted:
        print(f"{name}: interrupted; what was finished is kept")
    elif told is None:
        if len(run.names) == 1:
            print(_short(run.settled[name]))
    elif built := len(run.progress.built.get(name, [])):
        first, _, rest = told.partition("\n")
        print(f"{first}   built {built}, kept {len(run.progress.kept.get(name, []))}\n{rest}")
    else:
        print(_short(told))


def _short(told: str) -> str:
    first, _, rest = told.partition("\n")
    return f"{first}   nothing to do" + (f"\n{rest}" if rest else "")


def _print_faults(run: "Run", name: str) -> None:
    from assay.engines.progress import printable, tail

    build = run.builds[name]
    for task, fault in _faults(run, name).items():
        stage = task.split(":")[0]
        for one in getattr(fault, "faults", (fault,)):
            print(f"assay: {stage} {name}: {printable(str(one))}", file=sys.stderr)
        log = _newest_log(build, stage) if "logs/" in fault.mend else None
        if log and (lines := tail(log)):
            print(f"  last lines of {build.workspace.folder}/logs/{log.name}:", file=sys.stderr)
            print("".join(f"  | {line}\n" for line in lines), end="", file=sys.stderr)
    built = run.progress.built.get(name, [])
    if built:
        print(f"  kept: {', '.join(built)} finished before and will not run again", file=sys.stderr)


def _newest_log(build: "Build", stage: str) -> Path | None:
    logs = build.workspace.at("logs").glob(f"[0-9][0-9]_{stage}*.log")
    return max(logs, key=lambda log: log.stat().st_mtime_ns, default=None)


def _machine(run: "Run", told: dict[str, str], code: int) -> dict[str, Any]:
    kept = [s.name for s in plan.needed([plan.REPORT]) if not s.not_yet]  # of a settled one: all there is
    return {
        "exit": code,
        "experiments": {
            name: {
                "built": run.progress.built.get(name, []),
                "kept": run.progress.kept.get(name, []) if name in run.builds else kept,
                "verdict": _metrics(run, name).get("verdict", "NOT DECIDED"),
                "targets": _targets(run, name),
                "faults": [str(fault) for fault in _faults(run, name).values()],
                "workspace": _folder(run, name),
                **({"plan": run.plans[name]} if name in run.plans else {}),
            }
            for name in run.names
        },
    }
