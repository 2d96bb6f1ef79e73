"""Start the worker and stand over it, so that no process stays behind.

    PYTHON -I boot.py REQUEST ANSWER --out DIR [--checkpoint PATH]

The first process imports nothing heavy. It forks the worker into a session of its own, sleeps until something
happens, ends everything below it when a limit is passed, and writes how it ended to ASSAY_END, or else ANSWER.end:
    {"end": WORD, "code": int, "peak_mib": int, "cpu_seconds": float, "isolation": LEVEL, "lacking": [...]}, WORD one of
    exited, signal, timeout, memory-limit, process-limit, log-limit, stopped, unstarted (bubblewrap did not get so far)
Limits come in the environment, each optional: ASSAY_SECONDS, ASSAY_MEMORY_MIB, ASSAY_LOG_MIB, ASSAY_FILE_MIB,
ASSAY_PROCESSES; ASSAY_INTERVAL is the pause between two looks, ASSAY_PARENT the process that we live for.
The worker is shut in as confine.py says, while the first process stays outside; what is in force it tells through a
pipe before any code of the model runs, so that this code has no say in it. With bubblewrap the worker is a second
interpreter, started in the sandbox with --inside before the other words.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import signal
import sys
import time
import traceback

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MIB = 1024 * 1024
INSIDE, WAITING = "--inside", ".waiting"
WRAPPED = os.environ.get("ASSAY_ISOLATION") == "bubblewrap"


def main(argv):
    """Supervise one worker; return its exit code."""
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    if argv[0] == INSIDE:
        work(argv[1:], 0)
    supervisor, end_file = os.getpid(), os.environ.get("ASSAY_END") or os.path.abspath(argv[1]) + ".end"
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the call above: then its signal never comes.
    if os.environ.get("ASSAY_PARENT", str(os.getppid())) != str(os.getppid()):
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPS, signal.SIGCHLD])
    told, tells = os.pipe()
    os.set_inheritable(tells, True)
    os.environ["ASSAY_TELLS"] = str(tells)
    child = os.fork()
    if child == 0:
        os.close(told)
        work(argv, supervisor)
    os.close(tells)
    watch = Watch(child)
    end, code = watch.until_end()
    peak = max(watch.peak, end_all(child))
    if end == "exited" and WRAPPED:
        end, code = unwrapped(code, argv[1])
    write_end(end_file, dict(in_force(told), end=end, code=code, peak_mib=peak // MIB, cpu_seconds=cpu_seconds()))
    return code if end == "exited" else 1


def work(argv, supervisor):
    """Become the worker: shut in, alone in its session, with nothing of ours on sys.path."""
    code = 70
    try:
        sys.dont_write_bytecode = True
        folder = os.path.dirname(os.path.abspath(__file__))
        confine = load("confine", os.path.join(folder, "confine.py"))
        if supervisor:
            detach(supervisor)
            if WRAPPED:
                enter(argv, confine)
        else:
            os.unlink(argv[1] + WAITING)
        confine.confine(argv, inside=not supervisor)
        tell(confine.in_force())
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime from 1.29 on reports home unless told before it loads
        sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != folder]
        package = os.path.join(folder, "assay_worker")
        sys.modules["assay_worker"] = load("assay_worker", os.path.join(package, "__init__.py"), [package])
        from assay_worker.__main__ import main as worker

        code = worker(argv)
    except BaseException:
        traceback.print_exc()
    finally:
        flush()
        os._exit(code)  # no atexit hook, no thread of upstream's code keeps us


def tell(in_force):
    """Tell the supervisor how far we are shut in, and let go of the means to do so again."""
    tells = int(os.environ.pop("ASSAY_TELLS", "-1"))
    if tells >= 0:
        os.write(tells, json.dumps(in_force).encode())
        os.close(tells)


def in_force(told):
    """Read what the worker told; nothing when it did not get so far."""
    os.set_blocking(told, False)
    try:
        found = json.loads(os.read(told, 65536) or b"{}")
        return {"isolation": str(found.get("isolation", "")), "lacking": [str(part) for part in found["lacking"]]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def load(name, path, inner=None):
    """Load a module by its place and not through sys.path: upstream's code finds nothing of ours by name."""
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inner)
    module = importlib.util.module_from_spec(spec)
    if inner:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def enter(argv, confine):
    """Become bubblewrap, which becomes the worker; a file that is waiting tells that it never did."""
    answer = os.path.abspath(argv[1])
    places = confine.places(argv)
    with open(answer + WAITING, "w"):
        pass
    again = [sys.executable, "-I", os.path.abspath(__file__), INSIDE, argv[0], answer, *argv[2:]]
    command = confine.wrapped(os.environ["ASSAY_BUBBLEWRAP"], places, again)
    os.execv(command[0], command)


def unwrapped(code, answer):
    """Read an exit code as bubblewrap hands it on: 128 and the number of the signal that killed the worker."""
    if os.path.exists(answer + WAITING):
        return "unstarted", code
    return ("signal", code - 128) if 128 < code < 128 + signal.NSIG else ("exited", code)


def flush():
    """Write out what Python still holds of the two standard streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def detach(supervisor):
    """Take from the child what it does not need: the terminal, standard input, core files, bytecode."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.umask(0o022)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    largest = int(os.environ.get("ASSAY_FILE_MIB") or 0) * MIB
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    try:
        # When memory ends the kernel should take the worker, not the program that waits for it.
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write("800")
    except OSError:
        pass


def prctl(option, value):
    """Set a property of this process where the kernel knows it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, int(value), 0, 0, 0)


# ---------------------------------------------------------------- watching
class Watch:
    """One worker, its limits and the highest memory seen."""

    def __init__(self, child):
        self.child, self.peak = child, 0
        seconds = float(os.environ.get("ASSAY_SECONDS") or 0)
        self.deadline = time.monotonic() + seconds if seconds else None
        self.memory = int(os.environ.get("ASSAY_MEMORY_MIB") or 0) * MIB
        self.log = int(os.environ.get("ASSAY_LOG_MIB") or 0) * MIB
        self.processes = int(os.environ.get("ASSAY_PROCESSES") or 0)
        self.interval = float(os.environ.get("ASSAY_INTERVAL") or 0.2)

    def until_end(self):
        """Sleep until the child ends, a limit is passed or a signal says stop; return (end, code)."""
        while True:
            stop = self.sleep()
            status, peak, _ = reap(self.child)
            self.peak = max(self.peak, peak)
            passed = self.passed()
            if stop:
                return "stopped", stop
            if passed:
                return passed, 0
            if status is None:
                continue
            if os.WIFSIGNALED(status):
                return "signal", os.WTERMSIG(status)
            return "exited", os.WEXITSTATUS(status)

    def sleep(self):
        """Wait for the next event or look; return the number of a signal that says stop, or 0."""
        pause = self.interval
        if self.deadline is not None:
            pause = max(0.0, min(pause, self.deadline - time.monotonic()))
        if not hasattr(signal, "sigtimedwait"):
            time.sleep(min(pause, 0.05))
            pending = signal.sigpending() & set(STOPS)
            return int(min(pending)) if pending else 0
        got = signal.sigtimedwait([*STOPS, signal.SIGCHLD], pause)
        return got.si_signo if got is not None and got.si_signo != signal.SIGCHLD else 0

    def passed(self):
        """Name the limit that was passed, if any."""
        pids = descendants()
        used = sum(resident(pid) for pid in pids)
        self.peak = max(self.peak, used)
        if self.memory and used > self.memory and (len(pids) < 2 or proportional(pids) > self.memory):
            return "memory-limit"
        if self.processes and len(pids) > self.processes:
            return "process-limit"
        if self.log and max(file_size(1), file_size(2)) > self.log:
            return "log-limit"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "timeout"
        return ""


def resident(pid):
    """Read how much memory a process holds, in bytes."""
    try:
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def proportional(pids):
    """Read the memory of several processes, shared pages counted once; asked only when the plain sum is too high."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        except (OSError, ValueError, IndexError):
            total += resident(pid)
    return total


def file_size(descriptor):
    """Read the size of the file behind a descriptor; a pipe or terminal has none."""
    try:
        return os.fstat(descriptor).st_size
    except OSError:
        return 0


# ---------------------------------------------------------------- ending
def descendants():
    """List every process below this one."""
    found, ahead = [], [os.getpid()]
    named = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
    children = children_by_task if named else children_by_scan()
    while ahead:
        below = [pid for pid in children(ahead.pop()) if pid not in found]
        found += below
        ahead += below
    return found


def children_by_task(pid):
    """List the children that the kernel names for each thread of a process."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(word) for word in f.read().split()]
    except OSError:
        pass  # it ended while we looked
    return found


def children_by_scan():
    """Return a function that lists children from one reading of the process table."""
    parents = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        try:
            with open(f"/proc/{int(name)}/stat") as f:
                parents.setdefault(int(f.read().rpartition(")")[2].split()[1]), []).append(int(name))
        except (OSError, ValueError, IndexError):
            continue
    return lambda pid: parents.get(pid, [])


def reap(child):
    """Collect every process that ended; return the child's wait status, the peak memory, and whether any is left."""
    status, peak = None, 0
    try:
        while True:
            pid, word, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return status, peak, True
            # Of any process: the one that did the work may have been below bubblewrap's first.
            peak = max(peak, usage.ru_maxrss * (1024 if sys.platform.startswith("linux") else 1))
            status = word if pid == child else status
    except ChildProcessError:
        return status, peak, False


def end_all(child, seconds=5.0):
    """Kill everything below, again and again, until the kernel says that no child is left; return their peak memory."""
    deadline, most = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        for pid in descendants():
            kill(os.kill, pid)
        _, peak, left = reap(child)
        most = max(most, peak)
        if not left:
            break
        if not os.path.isdir("/proc"):
            kill(os.killpg, child)
        time.sleep(0.002)
    return most


def cpu_seconds():
    """Read what the worker and all that it started used, and we ourselves."""
    import resource

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(one.ru_utime + one.ru_stime for one in used), 3)


def kill(how, pid):
    """Send SIGKILL to a process or group that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        how(pid, signal.SIGKILL)


def write_end(path, end):
    """Leave word of the end, whole or not at all."""
    try:
        with open(path + ".tmp", "w") as f:
            json.dump(end, f)
        os.replace(path + ".tmp", path)
    except OSError:
        traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
