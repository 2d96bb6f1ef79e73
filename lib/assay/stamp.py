"""What a finished run remembers of the files it rests on, so that the next one can see at a glance that nothing moved.

Imports nothing but os and sys: this is the fast path, and json alone (it loads re) would cost a third of it. So a
stamp is lines of text: MAGIC, tool, facts, pointer, two counts, the rows, the absent files, the closing line, END.
A row is "size mtime_ns ctime_ns inode sha256-or-dash path". What does not read so is no stamp.
"""

import os
import sys

CACHE = "tmp/.cache"
TOOL = f"{CACHE}/tool.txt"
SHARED = f"{CACHE}/digests.jsonl"
CODE = f"{CACHE}/code.json"
CHOOSES = (".venv/pyvenv.cfg", ".pixi/envs/default/bin/python", "pixi.toml", "pyproject.toml")  # an interpreter
FACTS_FROM = (
    *("VIRTUAL_ENV", "CONDA_PREFIX", "HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    *("ROCR_VISIBLE_DEVICES", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
    *("NPY_DISABLE_CPU_FEATURES", "NVPL_BLAS_DEBUG_CPU_TYPE"),
)
RACY_NS = 20_000_000
MAGIC, END = "assay stamp 1", "end\n"
HERE = os.path.dirname(os.path.abspath(__file__))


def stamp_file(root, experiment):
    """Name an experiment's stamp."""
    return f"{root}/{CACHE}/stamp-{experiment}.txt"


def check(root, experiment, tool=None):
    """Give the closing line of the last run when nothing has moved since; None when something may have."""
    root = str(root)
    tool = tool or tool_id(root)
    seen = _load(stamp_file(root, experiment))
    if not seen or not tool or seen["tool"] != tool or seen["facts"] != repr(facts(root)):
        return None
    if seen["pointer"] != repr(_read(f"{root}/tmp/.current/{experiment}")) or not _unmoved(root, seen["rows"]):
        return None
    if any(os.path.lexists(os.path.join(root, path)) for path in seen["absent"]):
        return None
    return seen["line"]


def tool_id(root):
    """Identify the code that runs, when it is still the code that wrote the stamps."""
    seen = _load(f"{root}/{TOOL}")
    return seen["tool"] if seen and seen["tool"].startswith(HERE + " ") and _unmoved(root, seen["rows"]) else None


def remembered(root, experiment):
    """Give the digests that the last run knew: {absolute path: (stat key, sha256)}."""
    known = {}
    for seen in (_load(f"{root}/{TOOL}"), _load(stamp_file(root, experiment))):
        for row in seen["rows"] if seen else ():
            try:
                size, mtime, ctime, inode, digest, path = row.split(" ", 5)
                if digest != "-":
                    known[os.path.join(root, path)] = ((int(size), int(mtime), int(ctime), int(inode)), digest)
            except ValueError:
                continue
    return known


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
    absent = _could_be(experiment, known) + [p for p in CHOOSES if not os.path.lexists(os.path.join(root, p))]
    paths = {p if os.path.isabs(p) else os.path.join(root, p) for p in (*files, *known)}
    paths.add(os.path.join(str(workspace.path), "journal.jsonl"))
    tool = _tool(root, digests)
    own = {os.path.join(root, row.split(" ", 5)[5]) for row in tool["rows"]}
    rows = [_row(root, path, digests) for path in sorted(paths - own)]
    rows += [_folder_row(root, path) for path in sorted(folders)]
    rows += [_folder_row(root, os.path.join(root, p)) for p in CHOOSES if p not in absent]
    if None in rows:
        return
    pointer = _read(f"{root}/tmp/.current/{experiment.name}")
    _save(stamp_file(root, experiment.name), tool["tool"], repr(facts(root)), repr(pointer), rows, absent, line)


def _could_be(experiment, known):
    """Name the files that nobody has to write, and that count from the day they are there."""
    recipe = [f"{experiment.recipe}/recipe.yaml", f"{experiment.recipe}/adapter.py"] if experiment.recipe else []
    return [p for p in (f"experiments/{experiment.name}.notes.md", *recipe) if p not in known]


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
        _save(f"{root}/{TOOL}", _tools[root]["tool"], "", "", _tools[root]["rows"], [], "")
    return _tools[root]


_tools = {}


def _tool_rows(root, digests):
    paths = []
    for folder, folders, names in os.walk(HERE):
        folders[:] = [f for f in folders if f != "__pycache__"]
        paths += [os.path.join(folder, n) for n in names if not n.endswith(".pyc")]
    rows = [_row(root, path, digests) for path in sorted(paths)]
    return {"tool": f"{HERE} {_sum(rows)}", "rows": [r for r in rows if r]}


def _sum(rows):
    import hashlib

    text = "\n".join(row.split(" ", 4)[4] if row else "" for row in rows)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _row(root, path, digests):
    import time

    for _ in range(3):
        digest = digests.of(path)
        try:
            found = os.stat(path)
        except OSError:
            return None
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > RACY_NS and digests.of(path) == digest:
            return _row_of(found, digest or "-", _short(root, path))
        time.sleep(0.021)
    return None


def _folder_row(root, path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _row_of(found, "-", _short(root, path))


def _row_of(found, digest, path):
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino} {digest} {path}"


def _short(root, path):
    return path[len(root) + 1 :] if path.startswith(root + "/") else path


def _unmoved(root, rows):
    stat, join = os.stat, os.path.join
    try:
        for row in rows:
            size, mtime, ctime, inode, _, path = row.split(" ", 5)
            found = stat(join(root, path))
            if (
                found.st_mtime_ns != int(mtime)
                or found.st_ctime_ns != int(ctime)
                or found.st_size != int(size)
                or found.st_ino != int(inode)
            ):
                return False
    except (OSError, ValueError):
        return False
    return True


def _load(path):
    text = _read(path)
    if not text or not text.startswith(MAGIC + "\n") or not text.endswith("\n" + END):
        return None
    lines = text.split("\n")
    try:
        rows, absent = map(int, lines[4].split(" "))
    except (ValueError, IndexError):
        return None
    if len(lines) < 8 + rows + absent:
        return None
    return {
        "tool": lines[1], "facts": lines[2], "pointer": lines[3], "rows": lines[5 : 5 + rows],
        "absent": lines[5 + rows : 5 + rows + absent], "line": "\n".join(lines[5 + rows + absent : -2]),
    }  # fmt: skip


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError:
        return None


def _save(path, tool, facts, pointer, rows, absent, line):
    if any("\n" in text or "\0" in text for text in (tool, facts, pointer, *rows, *absent)):
        return  # a name that no line can hold: looked at every time
    aside = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(aside, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            head = (MAGIC, tool, facts, pointer, f"{len(rows)} {len(absent)}")
            file.write("\n".join((*head, *rows, *absent, line, END)))
        os.replace(aside, path)
    except OSError:
        return  # a cache that cannot be written costs time, never truth
