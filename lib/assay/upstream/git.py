"""The only caller of the git binary: hardened options, no hooks, no filters, no checkout."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from assay.errors import Fault, StageFailed, WrongInput, did_you_mean
from assay.upstream import gittree

HARDENED = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "core.askPass": "",
    "credential.helper": "",
    "safe.bareRepository": "explicit",
    "safe.directory": "*",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "transfer.fsckObjects": "true",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
# What a child may inherit: how to find programs, proxies and certificates; no credentials, no configuration.
INHERITED: tuple[str, ...] = (
    "PATH",
    "TMPDIR",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
)
INHERITED += ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "SYSTEMROOT")
ASK_SECONDS, FETCH_SECONDS = 60, 900
ANSWER_LIMIT = 64 << 20
REV = re.compile(r"[\w][\w./+@#=-]{0,199}")
FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
STORE = ("--git-dir=.",)  # our own bare repository, named: an unnamed one is never believed
LOCAL_CURE = "clone it yourself and set source.path to the clone"


class GitTree(NamedTuple):
    """A fetched tree: which commit it is, and what lies in it."""

    commit: str
    tag: str
    branch: str
    url: str
    files: list[str]
    left_out: list[str]


class Found(NamedTuple):
    """What a revision is at the remote."""

    ref: str  # what to ask for: a full reference, or a commit
    commit: str
    tag: str
    branch: str


def fetch(url: str, rev: str, into: Path, *, allow_file: bool = False) -> GitTree:
    """Fetch one revision, no history, and lay its files into a folder without .git."""
    address = checked_url(url, allow_file)
    found = _resolve(address, rev, allow_file)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=_parent(into)) as folder:
        store = Path(folder)
        run(["init", "--quiet", "--bare", "--template=", "."], store)
        arguments = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
        target = f"{found.ref}:refs/assay/tree"
        run([*STORE, *arguments, "--end-of-options", address, target], store, FETCH_SECONDS, allow_file, rev)
        commit = run([*STORE, "rev-parse", "--verify", "--quiet", "refs/assay/tree^{commit}"], store).decode().strip()
        files, left_out = gittree.export([*command(False), *STORE], environment(False), store, commit, into)
    tag = found.tag if commit == found.commit else ""
    return GitTree(commit, tag, found.branch, url, files, left_out)


def tip(url: str, rev: str, *, allow_file: bool = False) -> str:
    """Ask the remote which commit a revision is now."""
    return _resolve(checked_url(url, allow_file), rev, allow_file).commit


def checked_url(url: str, allow_file: bool = False) -> str:
    """Give the address that git is asked for; refuse all but https."""
    if not url or not url.isprintable() or " " in url:
        raise WrongInput("source.repo is not a usable URL", mend="write it as https://host/owner/name")
    if url.startswith(("https://", "http://")) and "@" in urlsplit(url).netloc:
        raise WrongInput(
            "source.repo carries credentials", mend=f"take them out of the URL; if it is private, {LOCAL_CURE}"
        )
    if allow_file and (url.startswith("file:///") or os.path.isabs(url)):
        return url if url.startswith("file:") else f"file://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and re.fullmatch(
            r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?|\[[0-9a-f:]+\](:\d+)?", parts.netloc
        )
    except ValueError:
        usable = None
    if not usable:
        raise WrongInput(
            f"source.repo {url[:200]!r}: only https:// is fetched", mend=f"use its https address, or {LOCAL_CURE}"
        )
    return url


def checked_rev(rev: str) -> str:
    """Refuse what is no name of a branch, tag or commit."""
    odd = ".." in rev or "@{" in rev or "//" in rev or rev.endswith((".lock", "/", "."))
    if rev and (odd or not REV.fullmatch(rev)):
        raise WrongInput(
            f"source.rev {rev[:80]!r} is not a branch, tag or commit",
            mend="write one of these as its repository has it",
        )
    return rev


def _resolve(address: str, rev: str, allow_file: bool) -> Found:
    checked_rev(rev)
    patterns = ["HEAD", "refs/heads/*", "refs/tags/*"] + ([rev] if rev.startswith("refs/") else [])
    with tempfile.TemporaryDirectory(prefix="ask-") as folder:
        arguments = ["ls-remote", "--quiet", "--symref", "--end-of-options", address, *patterns]
        answer = run(arguments, Path(folder), ASK_SECONDS, allow_file, rev)
    head, refs = "", dict[str, str]()
    for line in answer.decode("utf-8", "replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value[5:].removeprefix("refs/heads/")
        elif FULL_HASH.fullmatch(value):
            refs[name] = value
    return _choose(rev, head, refs)


def _choose(rev: str, head: str, refs: "dict[str, str]") -> Found:
    """Pick a revision as git does: a tag before a branch."""
    tags = {
        n.removeprefix("refs/tags/"): c for n, c in refs.items() if n.startswith("refs/tags/") and not n.endswith("^{}")
    }
    tags = {name: refs.get(f"refs/tags/{name}^{{}}", commit) for name, commit in tags.items()}

    def found(ref: str, commit: str, branch: str = "") -> Found:
        names = sorted(name for name, tagged in tags.items() if tagged == commit)
        return Found(ref, commit, rev if rev in names else (names[-1] if names else ""), branch)

    if rev in ("", "HEAD"):
        if "HEAD" not in refs:
            raise WrongInput("source.repo is empty: it has no commit yet", mend=LOCAL_CURE)
        return found("HEAD", refs["HEAD"], head)
    if rev in tags:
        return found(f"refs/tags/{rev}", tags[rev])
    if f"refs/heads/{rev}" in refs:
        return found(f"refs/heads/{rev}", refs[f"refs/heads/{rev}"], rev)
    if rev in refs:
        return found(rev, refs.get(f"{rev}^{{}}", refs[rev]))
    if FULL_HASH.fullmatch(rev):
        return found(rev, rev)
    raise _no_such_rev(rev, [*tags, *(n.removeprefix("refs/heads/") for n in refs if n.startswith("refs/heads/"))])


def _no_such_rev(rev: str, known: "list[str]") -> WrongInput:
    if re.fullmatch(r"[0-9a-f]{4,39}", rev):
        return WrongInput(
            f"source.rev {rev} is a short hash, which a remote cannot look up", mend="write all 40 digits"
        )

    return WrongInput(f"source.rev {rev!r} is no branch or tag there", mend=did_you_mean(rev, known[:5000])[:300])


def command(allow_file: bool) -> "list[str]":
    """Give git with its hardened options."""
    options = {**HARDENED, "protocol.https.allow": "always", "protocol.file.allow": "always" if allow_file else "never"}
    return ["git", "--no-pager", *(word for key, value in options.items() for word in ("-c", f"{key}={value}"))]


def environment(allow_file: bool) -> "dict[str, str]":
    """Give the environment of a git process: nobody's configuration, no question asked."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    fixed = {
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:file" if allow_file else "https",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    return {**kept, **fixed}


def run(
    arguments: Sequence[str], folder: Path, seconds: float = ASK_SECONDS, allow_file: bool = False, rev: str = ""
) -> bytes:
    """Run git in a folder and give what it printed; every failure is one line."""
    # Files, not pipes: a grandchild that outlives git cannot keep the reader waiting.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _wait(
            [*command(allow_file), *arguments], folder, seconds, environment(allow_file), out.fileno(), err.fileno()
        )
        out.seek(0)
        err.seek(0)
        if code:
            raise explain(err.read(1 << 20).decode("utf-8", "replace"), rev)
        answer = out.read(ANSWER_LIMIT + 1)
    if len(answer) > ANSWER_LIMIT:
        raise StageFailed("git's answer is too long to be true", where="source.repo")
    return answer


def _wait(words: "list[str]", folder: Path, seconds: float, env: "dict[str, str]", out: int, err: int) -> int:
    try:
        child = subprocess.Popen(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
    except FileNotFoundError:
        raise StageFailed("git is not installed", mend="install git, or set source.path to a local copy") from None
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        raise StageFailed(
            f"git had no answer after {seconds:.0f} s", where="source.repo", mend="try again later"
        ) from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


# What git says, what that means, how to mend it; the first that fits.
REASONS: "tuple[tuple[str, type[Fault], str, str], ...]" = (
    (
        r"could not resolve|failed to connect|couldn't connect|network is unreachable|timed out|connection re|proxy"
        r"|operation too slow|empty reply",
        StageFailed,
        "the repository's host cannot be reached",
        "connect to the network, or set source.path to a local copy",
    ),
    (r"certificate", StageFailed, "the host's certificate is not trusted", "set SSL_CERT_FILE"),
    (
        r"could not read (username|password)|authentication failed|terminal prompts disabled|error: 40[13]",
        WrongInput,
        "the repository asks for credentials: it is private, or it does not exist",
        f"check the URL, or {LOCAL_CURE}",
    ),
    (r"not our ref|unadvertised object", WrongInput, "no such commit there", "name a branch, a tag or another commit"),
    (r"couldn't find remote ref", WrongInput, "no such branch or tag there", "check source.rev"),
    (
        r"not found|does not appear to be a git repo|not a git repo|error: 404|does not exist|no such file",
        WrongInput,
        "no such repository",
        "check source.repo",
    ),
    (
        r"corruption|early eof|hung up|unexpected disconnect|invalid index-pack|recv error|\b(tls|ssl)",
        StageFailed,
        "the connection broke off, or the repository is damaged",
        f"run again, or {LOCAL_CURE}",
    ),
    (r"fsck|transport '.*' not allowed|gitmodules", WrongInput, "git refuses it as unsafe", LOCAL_CURE),
)


def explain(said: str, rev: str = "") -> Fault:
    """Turn what git said into one line with a cure."""
    where = f"source.rev {rev}" if rev else "source.repo"
    for pattern, kind, what, mend in REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return kind(what, where=where, mend=mend)
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))] or said.splitlines()[-1:]
    text = "".join(c if c.isprintable() else " " for c in (lines[-1] if lines else "no reason given"))
    return StageFailed(f"git failed: {text.removeprefix('fatal: ')[:300]}", where=where, mend=LOCAL_CURE)


def person() -> str:
    """Name whoever sits here, as git's own configuration does; "" when it names nobody."""
    for key in ("user.email", "user.name"):
        try:
            said = subprocess.run(["git", "config", "--global", key], capture_output=True, text=True, timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        if said.returncode == 0 and said.stdout.strip().isprintable() and said.stdout.strip():
            return said.stdout.strip()
    return ""


def _parent(into: Path) -> Path:
    into.parent.mkdir(parents=True, exist_ok=True)
    return into.parent
