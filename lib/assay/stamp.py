"""What a finished run remembers of the files it rests on, so that the next one can see at a glance that nothing moved.

Imports nothing but os, sys and json: this is the fast path.
"""

import json
import os
import sys

CACHE = "tmp/.cache"
TOOL = f"{CACHE}/tool.json"
SHARED = f"{CACHE}/digests.jsonl"
CODE = f"{CACHE}/code.json"
FACTS_FROM = ("VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES", "HOME")
RACY_NS = 20_000_000
HERE = os.path.dirname(os.path.abspath(__file__))
JUNK = (KeyError, TypeError, ValueError, IndexError, AttributeError)  # what a cache of another shape comes to


def stamp_file(root, experiment):
    """Name an experiment's stamp."""
    return f"{root}/{CACHE}/stamp-{experiment}.json"


def check(root, experiment, tool=None):
    """Give the closing line of the last run when nothing has moved since; None when something may have."""
    try:
        return _check(str(root), experiment, tool or tool_id(root))
    except JUNK:
        return None


def _check(root, experiment, tool):
    seen = _load(stamp_file(root, experiment))
    if not seen or not tool or seen["tool"] != tool or seen["facts"] != facts(root):
        return None
    if seen["pointer"] != _read(f"{root}/tmp/.current/{experiment}") or not _unmoved(root, seen["rows"]):
        return None
    if any(os.path.lexists(os.path.join(root, path)) for path in seen["absent"]):
        return None
    return seen["line"] if isinstance(seen["line"], str) else None


def tool_id(root):
    """Identify the code that runs, when it is still the code that wrote the stamps."""
    seen = _load(f"{root}/{TOOL}")
    try:
        return seen["id"] if seen and seen["id"][0] == HERE and _unmoved(root, seen["rows"]) else None
    except JUNK:
        return None


def remembered(root, experiment):
    """Give the digests that the last run knew: {absolute path: (stat key, sha256)}."""
    seen = _load(stamp_file(root, experiment)) or {"rows": []}
    tool = _load(f"{root}/{TOOL}") or {"rows": []}
    try:
        rows = [r for r in tool["rows"] + seen["rows"] if len(r) == 6 and r[5] and isinstance(r[5], str)]
        return {os.path.join(root, r[0]): ((r[1], r[2], r[3], r[4]), r[5]) for r in rows}
    except JUNK:
        return {}


def facts(root):
    """Tell what of the machine and its environment decides a run, in microseconds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        gpus = sorted(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        gpus = []
    try:
        with open("/proc/cpuinfo", "rb") as file:
            cpu = [
                line for line in file.read(600).decode("utf-8", "replace").splitlines() if line.startswith("model name")
            ][:1]
    except OSError:
        cpu = []
    return [os.uname().nodename, cores, gpus, cpu, sys.executable, [os.environ.get(name) for name in FACTS_FROM]]


def write(root, experiment, workspace, files, folders, digests, line, known):
    """Remember the state of every file a fresh experiment rests on; leave no stamp when one is still too young."""
    root = str(root)
    absent = [f"experiments/{experiment.name}.notes.md"] if not experiment.notes else []
    paths = {p if os.path.isabs(p) else os.path.join(root, p) for p in (*files, *known)}
    paths.add(os.path.join(str(workspace.path), "journal.jsonl"))
    tool = _tool(root, digests)
    own = {os.path.join(root, row[0]) for row in tool["rows"]}
    rows = [_row(root, path, digests) for path in sorted(paths - own)]
    rows += [_folder_row(root, path) for path in sorted(folders)]
    if None in rows:
        return
    seen = {
        "tool": tool["id"], "facts": facts(root), "rows": rows, "absent": absent, "line": line,
        "pointer": _read(f"{root}/tmp/.current/{experiment.name}"),
    }  # fmt: skip
    _save(stamp_file(root, experiment.name), seen)


def drop(root, experiment):
    """Forget what was remembered of an experiment."""
    try:
        os.unlink(stamp_file(root, experiment))
    except OSError:
        pass


def _tool(root, digests):
    """Identify the code that runs, once a process: what was loaded stays loaded."""
    if root not in _tools:
        _tools[root] = _tool_rows(root, digests)
        _save(f"{root}/{TOOL}", _tools[root])
    return _tools[root]


_tools = {}


def _tool_rows(root, digests):
    paths = []
    for folder, folders, names in os.walk(HERE):
        folders[:] = [f for f in folders if f != "__pycache__"]
        paths += [os.path.join(folder, n) for n in names if not n.endswith(".pyc")]
    rows = [_row(root, path, digests) for path in sorted(paths)]
    return {"id": [HERE, _sum(rows)], "rows": [r for r in rows if r]}


def _sum(rows):
    import hashlib

    return hashlib.sha256(json.dumps([(r or [""])[0::5] for r in rows]).encode()).hexdigest()[:16]


def _row(root, path, digests):
    import time

    for _ in range(3):
        digest = digests.of(path)
        try:
            found = os.stat(path)
        except OSError:
            return None
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > RACY_NS and digests.of(path) == digest:
            return [_short(root, path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, digest or ""]
        time.sleep(0.021)
    return None


def _folder_row(root, path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [_short(root, path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _short(root, path):
    return path[len(root) + 1 :] if path.startswith(root + "/") else path


def _unmoved(root, rows):
    stat, join = os.stat, os.path.join
    try:
        for row in rows:
            found = stat(join(root, row[0]))
            if (
                found.st_mtime_ns != row[2]
                or found.st_ctime_ns != row[3]
                or found.st_size != row[1]
                or found.st_ino != row[4]
            ):
                return False
    except OSError:
        return False
    return True


def _load(path):
    try:
        with open(path, "rb") as file:
            seen = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return seen if isinstance(seen, dict) and "rows" in seen else None


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _save(path, value):
    aside = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(aside, "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=True)
        os.replace(aside, path)
    except OSError:
        return  # a cache that cannot be written costs time, never truth
