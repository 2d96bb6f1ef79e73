"""What uv's errors mean, in one line."""

import re
import signal
from collections.abc import Sequence

from assay.errors import StageFailed

MOST = 300  # characters of a reason
AGAIN = "look at the connection and the address of the index, and run again"
BUILD = "list it under env.index.build to let it be built, which runs its code"
NETWORK = re.compile(
    r"network was disabled|Network connectivity is disabled|Failed to fetch|error sending request|dns error"
    r"|end of file before message|error decoding response body|Request failed after|valid authentication credentials"
)
# a sign in the text; what to say, \1 is the sign's group; how to mend it
SAID: tuple[tuple[str, str, str], ...] = (
    (r"No space left on device|os error 28\b", "the disk is full", "free some space and run again"),
    (r"Disk quota exceeded|os error 122\b", "the disk quota is used up", "free some space and run again"),
    (
        r"can't be installed because it is marked as `--no-build`",
        "a package is there as source only, and may not be built",
        BUILD,
    ),
    (r"unexpected argument '(--[\w-]+)' found", r"uv is too old: it knows no \1", "install uv 0.13 or later"),
    (r"Failed to build `([^`]+)`", r"\1 could not be built", "see the log"),
    (r"Failed to parse: `([^`]+)`", r"\1 is no requirement", "write it as name>=version"),
    (r"Failed to read `--find-links` directory: (\S+)", r"\1 cannot be read", "correct env.index.find_links"),
    (
        r"No interpreter found for ([^\n]+?)(?: in [^\n]*)?\n",
        r"no \1 is on this machine",
        "install it, or name another",
    ),
    (r"Permission denied|os error 13\b", "no permission to write there", "see the log"),
    (r"Read-only file system|os error 30\b", "the file system is read-only", "see the log"),
)


class Unsolvable(StageFailed):
    """No set of versions fits; it knows which Python would."""

    def __init__(
        self, what: str, *, where: str = "", mend: str = "", pythons: Sequence[str] = (), least: str = ""
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.pythons, self.least = tuple(pythons), least  # versions with wheels ("3.8"); the oldest that is allowed
        self.text = ""  # all that uv said
        self.sources: tuple[str, ...] = ()  # packages that are there as source only


class Unreachable(StageFailed):
    """A package index could not be asked."""


def fault(code: int, text: str, log: str) -> StageFailed:
    """Turn a failed run into the fault it is."""
    if "No solution found" in text and "network was disabled" not in text and not _unauthorised(text):
        unsolvable = _unsolvable(text)
        unsolvable.text = text
        return unsolvable
    if found := re.search(r"Failed to download `([^`]+)`\n\s+cause: (Hash|Size) mismatch", text):
        return StageFailed(
            f"{found[1]} is not the file that was locked: its {'SHA-256' if found[2] == 'Hash' else 'size'} is another",
            where=_expected(text),
            mend="find out who changed it; lock again only when the new file is meant",
        )
    for sign, what, mend in SAID:
        if match := re.search(sign, text):
            return StageFailed(match.expand(what), where=log, mend=mend)
    if NETWORK.search(text):
        return _unreachable(text)
    return StageFailed(_first_error(code, text), where=log, mend="see the log")


def best_python(faults: Sequence[Unsolvable], available: Sequence[str] = ()) -> str:
    """Choose the newest Python that every pin has files for, "" if there is none."""
    told = [set(one.pythons) for one in faults if one.pythons]
    named = {".".join(version.split(".")[:2]) for version in available}
    fitting = set.intersection(*told) if told else named
    if named:
        fitting &= named
    for one in faults:
        if one.least:
            fitting = {version for version in fitting if _key(version) >= _key(one.least)}
    return max(fitting, key=_key, default="")


def _key(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:2]]


def _unsolvable(text: str) -> Unsolvable:
    hints = [_line(hint) for hint in re.findall(r"hint: (.*?)(?=\n\n|\nhint: |\Z)", text, re.S)]
    sources = re.findall(r"Wheels are required for `([^`]+)`", text)
    if sources:
        one = Unsolvable(f"{', '.join(dict.fromkeys(sources))}: there as source only, no wheel fits", mend=BUILD)
        one.sources = tuple(sources)
        return one
    tags = [tag for hint in hints if "tags" in hint for tag in re.findall(r"`cp(3\d+)m?`", hint.rpartition("tags")[2])]
    least = max(re.findall(r"does not satisfy Python>=([\d.]+)", text), key=_key, default="")
    what = "; ".join([_reason(text), *map(_cut, hints[:2])])
    return Unsolvable(
        f"no set of versions fits: {what}",
        mend="take other versions, or another Python in a new environment",
        pythons=[f"3.{tag[1:]}" for tag in dict.fromkeys(tags)],
        least=least,
    )


def _reason(text: str) -> str:
    """Condense uv's proof to what it starts from."""
    proof = _line(re.split(r"\n\s*\n?hint: ", text.partition("cause: ")[2])[0])
    start = re.match(r"Because (.*?), we can conclude that (.*?)\.(?: |$)", proof)
    if not start:
        return _cut(proof) or "uv gives no reason"
    asked = re.findall(r"you require (.*?)(?:,| we can| and |$)", proof)
    return _cut(re.sub(r" and you require \S+$", "", start[1]) + (f" (asked for: {asked[-1]})" if asked else ""))


def _unreachable(text: str) -> Unreachable:
    if _unauthorised(text):
        found = re.search(r"An index URL \((\S+)\)", text)
        return Unreachable(
            "the index wants a password", where=found[1] if found else "", mend="give it one that is right"
        )
    if "network was disabled" in text or "connectivity is disabled" in text:
        return Unreachable(
            "the network is switched off, and the packages are not in uv's cache", mend="unset UV_OFFLINE"
        )
    url = re.search(r"(?:Failed to fetch: |for url \(|Failed to download `)([^\s)`]+)", text)
    causes = re.findall(r"cause: ([^\n]+)", text)
    status = re.search(r"HTTP status \w+ error \(([^)]+)\)", text)
    last = f"it answers {status[1]}" if status else (causes[-1] if causes else "no answer")
    return Unreachable(f"cannot be reached: {_cut(last)}", where=url[1] if url else "", mend=AGAIN)


def _unauthorised(text: str) -> bool:
    return "valid authentication credentials" in text


def _expected(text: str) -> str:
    found = [digest[:12] for digest in re.findall(r"sha256:([0-9a-f]{64})", text)[:2]]
    return "expected {}..., is {}...".format(*found) if len(found) == 2 else ""


def _first_error(code: int, text: str) -> str:
    if code < 0:
        return f"uv was ended by {_signal(-code)}"
    found = re.search(r"error: ([^\n]+)", text)
    causes = re.findall(r"cause: ([^\n]+)", text)
    said = found[1] if found else (_line(text)[-200:] or "no message")
    return _cut(": ".join([said, *causes[-1:]]))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= MOST else text[:MOST].rsplit(" ", 1)[0] + " ..."
