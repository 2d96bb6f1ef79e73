"""doit's door to assay. Run as a script on a fresh machine, it makes .venv first and then does the same."""

import os
import shutil
import subprocess
import sys

try:
    import fcntl
except ImportError:
    sys.exit("assay: runs on Linux and macOS; on Windows use WSL")

HERE = os.path.dirname(os.path.abspath(__file__))


def bootstrap(argv):
    """Make .venv with assay in it, once; then hand the command line over to it."""
    if sys.version_info < (3, 10):
        sys.exit(f"assay: Python 3.10 or newer is needed, this is {sys.version.split()[0]}")
    testing = argv[:1] == ["test"]
    python = os.path.join(HERE, ".venv", "bin", "python")
    if not done("test" if testing else "run"):
        install(python, "[run,test]" if testing else "[run]", "test" if testing else "run")
    if testing:
        os.chdir(HERE)
        whole = all(word.startswith("-") for word in argv[1:])  # then it is worth to start several at once
        beside = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"] if whole else []
        os.execv(python, [python, "-m", "pytest", *beside, *argv[1:]])
    os.execv(python, [python, "-m", "assay", *argv])


def done(kind):
    """Tell whether the environment was made for this pyproject.toml, from this place."""
    try:
        with open(os.path.join(HERE, ".venv", f".assay-{kind}")) as file:
            return file.read() == wanted()
    except OSError:
        return False


def wanted():
    with open(os.path.join(HERE, "pyproject.toml")) as file:
        return f"{HERE}\n{file.read()}"


def install(python, extras, kind):
    """Make the environment; of two at once one works and the other waits; one that was interrupted is made again."""
    half = os.path.join(HERE, ".venv.half")
    try:
        with open(half, "a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if done(kind):
                return
            lock.seek(0)
            if lock.read() or not os.path.exists(python):
                lock.write("begun\n")
                lock.flush()
                venv = [sys.executable, "-m", "venv", "--clear", os.path.join(HERE, ".venv")]
                run(venv, "python3 has no venv module: install python3-venv")
            fill(python, extras)
            for name in {"run", kind}:
                with open(os.path.join(HERE, ".venv", f".assay-{name}"), "w") as file:
                    file.write(wanted())
            lock.truncate(0)
    except OSError as error:
        sys.exit(f"assay: cannot set up {HERE}: {error.strerror}")


def fill(python, extras):
    """Install assay and what it needs, by uv when it can, else by pip."""
    print("assay: installing into .venv", file=sys.stderr)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "uv"], "packages cannot be had: is there a network?")
    uv = [os.path.join(os.path.dirname(python), "uv"), "pip", "install", "--quiet", "--python", python]
    if subprocess.run(
        [*uv, "--editable", HERE + extras], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).returncode:
        run([*pip, "--editable", HERE + extras], "assay could not be installed: is there a network?")


def run(command, otherwise):
    """Run a step of the set-up; when it fails, say the cause in one line."""
    step = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if step.returncode:
        said = [line.strip() for line in step.stdout.splitlines() if line.lower().startswith("error")]
        full = "No space left" in step.stdout or shutil.disk_usage(HERE).free < 50 << 20
        cause = "the disk is full" if full else otherwise
        sys.exit(f"assay: {cause}" + (f" ({said[-1][:160]})" if said else ""))


if __name__ == "__main__":
    bootstrap(sys.argv[1:])
else:
    from assay.door import members

    globals().update(members(__file__))
