"""doit's door to assay. Run as a script on a fresh machine, it makes .venv first and then does the same."""

import os
import subprocess
import sys

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
        os.execv(python, [python, "-m", "pytest", *argv[1:]])
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
    print("assay: making .venv", file=sys.stderr)
    if not os.path.exists(python):
        run(
            [sys.executable, "-m", "venv", os.path.join(HERE, ".venv")],
            "the venv module is missing or broken: install python3-venv",
        )
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "uv"], "packages cannot be had: is there a network, and room on the disk?")
    uv = [
        os.path.join(os.path.dirname(python), "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--editable",
        HERE + extras,
    ]
    if subprocess.run(uv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        run([*pip, "--editable", HERE + extras], "assay could not be installed")
    for name in {"run", kind}:
        with open(os.path.join(HERE, ".venv", f".assay-{name}"), "w") as file:
            file.write(wanted())


def run(command, otherwise):
    """Run a step of the set-up; when it fails, say the cause in one line."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        said = [
            line.strip()
            for line in done.stdout.splitlines()
            if "No space left" in line or line.startswith(("ERROR", "Error", "error"))
        ]
        cause = "the disk is full" if any("No space left" in s for s in said) else otherwise
        sys.exit(f"assay: {cause}" + (f" ({said[-1][:160]})" if said else ""))


if __name__ == "__main__":
    bootstrap(sys.argv[1:])
else:
    from assay.door import members

    globals().update(members(__file__))
