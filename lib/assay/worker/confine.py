"""What model code may see and reach: bubblewrap around it, or Landlock and seccomp from within.

boot.py loads this from beside it; standard library, Python 3.8. By hand it tries a level on this machine:
    PYTHON -I confine.py landlock|bubblewrap FOLDER [PROGRAM]    exit code 0: it works; else the last line says why
What is asked comes in the environment. ASSAY_ISOLATION: bubblewrap, landlock or plain, and what is named has to work;
unset, it is landlock if this kernel has it, else plain. ASSAY_BUBBLEWRAP: the program. ASSAY_NETWORK=1: leave the
network open. ASSAY_READABLE: further paths to be seen, a JSON list. What is then in force comes back in it:
ASSAY_ISOLATION as a report shows it, and ASSAY_LACKING, a JSON list of what this kernel could not give.
"""

import ctypes
import errno
import glob
import json
import os
import stat
import struct
import sys

LEVELS = ("bubblewrap", "landlock", "plain")
LINUX = sys.platform.startswith("linux")
LIBC = ctypes.CDLL(None, use_errno=True)
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/sys", "/nix/store"),
    *("/gnu/store", "/home/linuxbrew/.linuxbrew", "/run/current-system", "/run/opengl-driver"),
)
WIDE = ("/", "/root", "/home", "/tmp", "/var", "/mnt", "/media", "/srv", "/run")
OF_INTERPRETERS = ("bin", "lib", "lib64", "include", "pyvenv.cfg")
SECRETS = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
GPUS = ("/dev/nvidia*", "/dev/nvhost*", "/dev/nvmap", "/dev/dri", "/dev/kfd", "/dev/dxg")


class Places:
    """What a worker may read and write, by full paths; all else is out of its reach."""

    def __init__(self, request, answer, out, checkpoint):
        self.network = os.environ.get("ASSAY_NETWORK") == "1"
        self.cwd, self.scratch = os.getcwd(), os.path.dirname(os.path.abspath(answer))
        self.write = [os.path.abspath(out), self.scratch]
        given = [request, checkpoint, *json.loads(os.environ.get("ASSAY_READABLE") or "[]")]
        self.read = [*SYSTEM, self.cwd, *interpreter(), *(os.path.abspath(p) for p in given if p)]
        if self.network:
            self.read.append("/etc/resolv.conf")  # often a link into /run
        self.hidden = hidden()
        self.gpus = gpus()


def places(argv):
    """Read the places from boot.py's command line; its folders are made, so that they can be given."""
    options = dict(zip(argv[2::2], argv[3::2]))
    out = options.get("--out", os.path.dirname(argv[1]))
    os.makedirs(out or ".", exist_ok=True)
    return Places(argv[0], argv[1], out, options.get("--checkpoint", ""))


def interpreter():
    """Name the folders that this interpreter runs from, with what is installed in it as a link to elsewhere."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    found = [sys.executable, getattr(sys, "_base_executable", None) or sys.executable]
    found += [inner for prefix in sorted(prefixes) for inner in narrowed(prefix)]
    libraries = [os.environ.get(name, "") for name in ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH")]
    paths = [p for p in sys.path + ":".join(libraries).split(":") if os.path.isabs(p)]
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):  # setuptools' finder for `pip install -e`
            paths += dict(getattr(module, "MAPPING", {})).values()
    return found + [inner for path in paths for inner in narrowed(path)]


def narrowed(path):
    """Give a folder, or of one as wide as somebody's home only what an interpreter has there."""
    path = os.path.normpath(path)
    wide = path in WIDE or os.path.dirname(path) == "/home" or os.path.basename(path) == ".local"
    return [os.path.join(path, name) for name in OF_INTERPRETERS] if wide else [path]


def gpus():
    """Name the devices by which GPUs are reached."""
    return sorted(path for pattern in GPUS for path in glob.glob(pattern))


def hidden():
    """Name what nobody is to read in /etc; for root that is whatever others may not, as if it were somebody else."""
    found = {path for path in SECRETS if os.path.exists(path)}
    for path in glob.glob("/etc/*") + glob.glob("/etc/*/*") if os.geteuid() == 0 else ():
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue
        if not stat.S_ISLNK(mode) and not mode & stat.S_IROTH:
            found.add(path)
    return outermost(found)


def outermost(paths):
    """Leave out what lies within another."""
    kept = []
    for path in sorted(set(paths), key=lambda p: p.split(os.sep)):
        if not within(path, kept):
            kept.append(path)
    return kept


def within(path, trees):
    """Tell whether a path is one of these trees or lies in one."""
    return any((path + os.sep).startswith(tree.rstrip(os.sep) + os.sep) for tree in trees)


# ---------------------------------------------------------------- around: bubblewrap
def wrapped(program, places, command):
    """Compose the command line that runs a command in a sandbox of its own."""
    found = [trail(path) for path in places.read + [places.cwd]]
    written = [trail(path) for path in places.write]
    trees = outermost(real for _, real in found if os.path.exists(real))
    mine = outermost(real for _, real in written)
    links = {place: to for some, _ in found + written for place, to in some.items() if not within(place, trees + mine)}
    words = [program, "--unshare-user", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent"]
    words += ["--cap-drop", "ALL"] + ([] if places.network else ["--unshare-net"])
    # NVML counts by the number that a process has outside, so with a GPU the worker keeps the numbers of outside.
    words += [] if places.gpus else ["--unshare-pid"]
    private = os.path.join(places.scratch, "tmp")
    os.makedirs(private, exist_ok=True)
    words += ["--bind", private, "/tmp", "--bind", private, "/var/tmp", "--proc", "/proc", *kernel_settings()]
    words += ["--dir", "/dev", "--tmpfs", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        words += ["--symlink", "/proc/self/fd/%d" % number, "/dev/" + name]
    for device in [d for d in DEVICES if os.path.exists(d)] + places.gpus:
        words += ["--dev-bind", device, device]
    for place, to in sorted(links.items()):
        words += ["--symlink", to, place]
    for tree in trees:
        words += ["--ro-bind", tree, tree]
    for tree in mine:
        words += ["--bind", tree, tree]
    for path in (p for p in places.hidden if within(p, trees)):
        words += ["--tmpfs", path, "--remount-ro", path] if os.path.isdir(path) else ["--ro-bind", os.devnull, path]
    return words + ["--remount-ro", "/", "--chdir", places.cwd, "--"] + command


def kernel_settings():
    """Cover what root could still set by /proc: a user namespace leaves it the owner of those files."""
    words = []
    for name in sorted(os.listdir("/proc")) if os.geteuid() == 0 else ():
        mode = 0 if name.isdigit() else os.lstat("/proc/" + name).st_mode
        if stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and mode & 0o222):
            words += ["--ro-bind", "/proc/" + name, "/proc/" + name]
    return words


def trail(path):
    """Follow a path as the kernel does: the links on its way, and where it ends."""
    links, at, ahead = {}, "/", path.split("/")
    while ahead:
        part = ahead.pop(0)
        here = os.path.normpath(os.path.join(at, part))
        if part not in ("", ".", "..") and os.path.islink(here) and len(links) < 40:
            links[here] = os.readlink(here)
            ahead[:0] = links[here].split("/")
            at = "/" if links[here].startswith("/") else at
        else:
            at = here
    return links, at


# ---------------------------------------------------------------- within: Landlock and seccomp
OPEN = "files, processes: plain leaves them open, as to whoever runs it"


def confine(argv, *, inside):
    """Shut this process in for good, as far as asked, and leave word of what is in force."""
    level = os.environ.get("ASSAY_ISOLATION") or ("landlock" if LINUX and landlock_abi() else "plain")
    if level not in LEVELS:
        raise ValueError("ASSAY_ISOLATION=%s: known are %s" % (level, ", ".join(LEVELS)))
    network, lacking = os.environ.get("ASSAY_NETWORK") == "1", [OPEN] if level == "plain" else []
    if LINUX:
        call("no_new_privs", LIBC.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if not inside:
            drop_powers()
        if level != "plain":
            here = None if inside else places(argv)
            lacking += landlock(here, network)
            if here and not within(os.environ.get("TMPDIR", ""), here.write):  # started by hand
                os.environ["TMPDIR"] = here.write[0]
        lacking += seccomp(() if network else BESIDE_UNIX if inside else (AF_UNIX,))
    else:
        lacking.append("network: nothing shuts it off on " + sys.platform)
    open_still = any(word.startswith("network") for word in lacking)
    os.environ["ASSAY_ISOLATION"] = level + (", with network" if network else ", network open" if open_still else "")
    os.environ["ASSAY_LACKING"] = json.dumps(lacking)


def in_force():
    """Say what confine() left word of."""
    return {"isolation": os.environ["ASSAY_ISOLATION"], "lacking": json.loads(os.environ["ASSAY_LACKING"])}


def call(what, function, *arguments):
    """Call the kernel through libc; a refusal is an OSError that names what was asked."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = function(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
    return result


def drop_powers():
    """Keep of root's powers those over files, which Landlock bounds: not the ones over processes, devices, network."""
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if os.geteuid() == 0 and LIBC.capget(header, sets) == 0:
        kept = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        call("capset", LIBC.capset, header, (ctypes.c_uint32 * 6)(*(word & kept for word in sets[:3]), 0, 0, 0))


PR_SET_NO_NEW_PRIVS = 38
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READS = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL_DEV
WRITES = 0xFFFF & ~(1 << 6 | 1 << 11)  # all but to make devices


def landlock_abi():
    """Ask which Landlock this kernel has; 0 is none."""
    return max(0, LIBC.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_long(0), ctypes.c_long(1)))


def landlock(places, network):
    """Bound files, TCP and signals; within bubblewrap (no places) signals and abstract sockets only."""
    abi = landlock_abi()
    rights = (1 << 13 + (abi >= 2) + (abi >= 3) + (abi >= 5)) - 1 if places else 0
    tcp = 3 if places and abi >= 4 and not network else 0
    scopes = 3 if abi >= 6 else 0
    lacking = [] if scopes or not (places or gpus()) else ["signals: Landlock %d cannot keep them in, 6 can" % abi]
    if not rights and not scopes:
        return lacking
    if rights and abi < 3:
        lacking.append("files: Landlock %d cannot forbid truncating, 3 can" % abi)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    wanted = struct.pack("=QQQ", rights, tcp, scopes)[:size]
    ruleset = call("landlock", LIBC.syscall, CREATE_RULESET, wanted, size, 0)
    if places:
        Rules(ruleset, rights, places.hidden).add(places)
    call("landlock", LIBC.syscall, RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return lacking


class Rules:
    """The rules of a ruleset that is being made."""

    def __init__(self, ruleset, rights, hidden):
        self.ruleset, self.rights, self.hidden = ruleset, rights, hidden

    def add(self, places):
        """Allow what the places say."""
        for path in outermost(os.path.realpath(p) for p in places.read + ["/proc"]):
            self.tree(path)
        for path in places.write + ["/dev/shm"]:
            self.allow(path, WRITES)
        for path in list(DEVICES) + places.gpus:
            self.allow(path, DEVICE)
        self.allow("/proc/self", READS | WRITE_FILE | TRUNCATE)
        for stream in ("/proc/self/fd/1", "/proc/self/fd/2"):
            self.allow(stream, WRITE_FILE | TRUNCATE)  # /dev/stdout is opened anew, as the log it leads to

    def tree(self, path):
        """Allow reading a tree without what is hidden in it: Landlock only adds, so its parts are named."""
        if not any(within(secret, [path]) for secret in self.hidden):
            self.allow(path, READS)
        elif path not in self.hidden:
            self.allow(path, READ_DIR)
            for entry in os.scandir(path):
                if not entry.is_symlink():  # what it leads to is allowed where it lies, or not at all
                    self.tree(entry.path)

    def allow(self, path, rights):
        """Add one rule; what is not there needs none."""
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            mode = os.fstat(handle).st_mode
            rights &= self.rights if stat.S_ISDIR(mode) else self.rights & OF_FILES
            rule = struct.pack("=Qi", rights, handle)
            call("landlock", LIBC.syscall, ADD_RULE, self.ruleset, 1, rule, 0)
        except OSError as error:
            if error.errno != errno.EBADFD:  # a pipe or a socket has no place
                raise
        finally:
            os.close(handle)


# its number in the kernel; the calls seccomp, socket, and those refused: io_uring_setup, add_key, request_key, keyctl
MACHINES = {
    "x86_64": (0xC000003E, 317, 41, 425, 248, 249, 250),
    "aarch64": (0xC00000B7, 277, 198, 425, 217, 218, 219),
}
AF_UNIX, BESIDE_UNIX = 1, (1, 2, 10, 16)  # in a network of its own IPv4, IPv6 and netlink lead nowhere
LOAD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
SPEC_ALLOW = 4  # older kernels would slow the whole process down


def seccomp(families):
    """Refuse all sockets but of these families (none given: no socket is refused), and ways past that."""
    machine = os.uname().machine if struct.calcsize("P") == 8 else "a 32-bit interpreter"
    if machine not in MACHINES or sys.byteorder != "little":
        return ["network: no seccomp filter is known for " + machine] if families else []
    number, program = MACHINES[machine][1], filtered(machine, families)
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    try:
        for flags in (SPEC_ALLOW, 0):
            if LIBC.syscall(*map(ctypes.c_long, (number, 1, flags)), pointer) == 0:
                return []
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    except OSError as error:
        return ["network: seccomp: %s" % error.strerror] if families else []


def filtered(machine, families):
    """Write the filter: a straight line of questions, each with the answer right behind it."""
    architecture, _, socket, *refused = MACHINES[machine]
    lines = [(LOAD, 0, 0, 4), (IF_EQUAL, 1, 0, architecture), (RETURN, 0, 0, REFUSE | errno.ENOSYS), (LOAD, 0, 0, 0)]
    if machine == "x86_64":  # the same calls again, for x32
        lines += [(IF_AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    for number in refused:
        lines += [(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | errno.EPERM)]
    if families:
        lines += [(IF_EQUAL, 1, 0, socket), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, 16)]
        for family in families:
            lines += [(IF_EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    lines.append((RETURN, 0, 0, REFUSE | errno.EACCES if families else ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


# ---------------------------------------------------------------- trying
def main(argv):
    """Try a level by the very means that serve a worker; what is said last tells why it does not work."""
    level, folder = argv[:2]
    if level == "landlock" and not landlock_abi():
        print("no Landlock in this kernel")
        return 1
    os.environ["ASSAY_ISOLATION"] = level
    inner, beside = os.path.join(folder, "inner"), os.path.join(folder, "log")
    line = [os.devnull, os.path.join(inner, "answer"), "--out", inner]
    places(line)
    os.chdir(inner)
    if level == "bubblewrap":
        seen = "import os, sys; sys.exit('a file outside is seen' if os.path.exists(%r) else 0)" % beside
        command = wrapped(argv[2], places(line), [sys.executable, "-I", "-S", "-c", seen])
        os.execv(command[0], command)
    confine(line, inside=False)
    try:
        os.close(os.open(beside, os.O_RDONLY))
    except PermissionError:
        return 0
    print("a file outside can be read")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
