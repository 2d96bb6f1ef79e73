"""Fetching from real repositories made on the spot; no network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from upstream_repos import commit, run

from assay.errors import Fault, StageFailed, WrongInput
from assay.upstream import git, local

MAKER = Path(__file__).parents[4] / "shared" / "badinputs" / "make_corpus.py"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "upstream"
    (folder / "pkg").mkdir(parents=True)
    run(folder, "init", "-q", "-b", "main")
    (folder / "pkg" / "model.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    commit(folder)
    run(folder, "tag", "-a", "v1", "-m", "one")
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_branch_a_tag_a_hash_and_the_default(repo: Path, tmp_path: Path) -> None:
    old = run(repo, "rev-parse", "HEAD")
    (repo / "pkg" / "model.py").write_text("x = 2\n")
    new = commit(repo)
    run(repo, "branch", "feature/next")
    expected = {
        "": (new, "", "main"),
        "main": (new, "", "main"),
        "feature/next": (new, "", "feature/next"),
        "v1": (old, "v1", ""),
        "refs/tags/v1": (old, "v1", ""),
        old: (old, "v1", ""),
        new: (new, "", ""),
    }
    for number, (rev, facts) in enumerate(expected.items()):
        into = tmp_path / "out" / str(number)
        found = git.fetch(str(repo), rev, into, allow_file=True)
        assert (found.commit, found.tag, found.branch) == facts, rev
        assert found.files == ["pkg/model.py", "run.sh"]
        assert tree(into)["pkg/model.py"] == ("x = 1\n" if facts[0] == old else "x = 2\n")
        assert os.access(into / "run.sh", os.X_OK)
        assert not os.access(into / "pkg/model.py", os.X_OK)
        assert git.tip(str(repo), rev, allow_file=True) == facts[0]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == list("0123456")


def test_what_is_left_out_is_told(repo: Path, tmp_path: Path) -> None:
    (repo / "passwd").symlink_to("/etc/passwd")
    (repo / "alias.py").symlink_to("pkg/model.py")
    (repo / "weights.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with open(repo / "big.bin", "wb") as file:
        file.truncate(51 << 20)
    commit(repo)
    run(repo, "update-index", "--add", "--cacheinfo", "160000," + "0" * 39 + "1,sub")
    run(repo, "commit", "-q", "-m", "a submodule")
    into = tmp_path / "out"
    found = git.fetch(str(repo), "", into, allow_file=True)
    assert found.files == ["alias.py", "pkg/model.py", "run.sh", "weights.pt"]
    assert not any(path.is_symlink() for path in into.rglob("*"))
    assert (into / "alias.py").read_text() == "x = 1\n"
    assert found.left_out == [
        "big.bin (51 MiB: more than 50 MiB)",
        "passwd (a link to '/etc/passwd', which is no file of the tree)",
        f"sub (a submodule at {'0' * 39}1: not fetched)",
        "weights.pt (only its Git LFS pointer is there)",
    ]


def test_odd_names(repo: Path, tmp_path: Path) -> None:
    for name in ("a\nb.py", "-rf", "{{7*7}}.py", "<b>.py", "ü.py"):
        (repo / name).write_text("x")
    (Path(os.fsdecode(os.fsencode(repo) + b"/bad\xff.py"))).write_text("x")
    commit(repo)
    found = git.fetch(str(repo), "", tmp_path / "out", allow_file=True)
    assert set(found.files) == {"a\nb.py", "-rf", "{{7*7}}.py", "<b>.py", "ü.py", "pkg/model.py", "run.sh"}
    assert found.left_out == ["bad\\xff.py (its name is not UTF-8)"]


def test_faults_are_one_line_with_a_cure(repo: Path, tmp_path: Path) -> None:
    cases = {
        "nope": "no branch or tag",
        "abcdef1": "short hash",
        "0" * 40: "no such commit",
        "mian": "did you mean main",
        "": "no such repository",
    }
    for rev, said in cases.items():
        url = str(repo if rev else tmp_path / "nowhere")
        with pytest.raises(WrongInput, match=said) as caught:
            git.fetch(url, rev, tmp_path / "out", allow_file=True)
        assert caught.value.mend
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    run(empty, "init", "-q")
    with pytest.raises(WrongInput, match="no commit yet"):
        git.fetch(str(empty), "", tmp_path / "out", allow_file=True)


def test_local_files_are_fetched_only_when_allowed(repo: Path, tmp_path: Path) -> None:
    for url in (str(repo), f"file://{repo}"):
        with pytest.raises(WrongInput, match="only https"):
            git.fetch(url, "", tmp_path / "out")


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c true", "--upload-pack=true", "-utrue", "ssh://-oProxyCommand=true/x", "fd::17", "http://x.invalid/a.git",
        "git://example.invalid/a", "https://example.invalid/a\nhost=x", "https:///a", "https://-x/a", "git@x:a/b", "",
    ],
)  # fmt: skip
def test_urls_that_are_not_plain_https_are_refused(url: str) -> None:
    with pytest.raises(WrongInput) as caught:
        git.tip(url, "")
    assert "\n" not in str(caught.value)


def test_a_token_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(WrongInput, match="credentials") as caught:
        git.tip("https://user:s3cr3t@example.invalid/a.git", "")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "rev", ["--upload-pack=true", "-x", "a..b", "HEAD~1; touch x", "$(x)", "@{-1}", "a\nb", "a b", "x.lock"]
)
def test_revisions_that_are_no_names_are_refused(repo: Path, rev: str) -> None:
    with pytest.raises(WrongInput, match="not a branch, tag or commit"):
        git.tip(str(repo), rev, allow_file=True)


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        ("fatal: unable to access 'https://x/': Could not resolve host: x", StageFailed, "cannot be reached"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", WrongInput, "credentials"),
        ("fatal: repository 'https://x/' not found", WrongInput, "no such repository"),
        ("fatal: unable to access 'https://x/': SSL certificate problem: self-signed", StageFailed, "certificate"),
        ("warning: x\nfatal: it broke\x1b[31m\nbadly", StageFailed, "git failed: it broke"),
        ("", StageFailed, "no reason given"),
    ],
)
def test_what_git_says_becomes_one_line(said: str, kind: type[Fault], expected: str) -> None:
    fault = git.explain(said)
    assert type(fault) is kind
    assert expected in str(fault)
    assert str(fault).isprintable()


def test_an_unreachable_host_is_a_failed_stage() -> None:
    with pytest.raises(StageFailed, match="cannot be reached"):
        git.tip("https://127.0.0.1:9/a/b", "main")


def test_a_hook_or_configuration_of_the_source_does_not_run(repo: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-update"):
        path = repo / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n: > '{marker}'\n")
        path.chmod(0o755)
    run(repo, "config", "core.fsmonitor", f": > '{marker}'; false")
    run(repo, "config", "filter.evil.clean", f": > '{marker}'; cat")
    run(repo, "config", "filter.evil.smudge", f": > '{marker}'; cat")
    (repo / ".gitattributes").write_text("* filter=evil\n")
    marker.unlink(missing_ok=True)
    git.fetch(str(repo), "", tmp_path / "one", allow_file=True)
    local.copy_tree(repo, tmp_path / "two")
    local.listing(repo)
    assert not marker.exists()


@pytest.mark.skipif(not MAKER.is_file(), reason="the corpus of bad inputs is not here")
def test_the_corpus_of_bad_repositories(tmp_path: Path) -> None:
    corpus, markers = tmp_path / "corpus", tmp_path / "markers"
    markers.mkdir()
    subprocess.run(
        [sys.executable, "-W", "ignore", str(MAKER), str(corpus), "--mutations", "0"], check=True, capture_output=True
    )
    os.environ["BADINPUT_MARKER_DIR"] = str(markers)
    for item in json.loads((corpus / "manifest.json").read_text())["items"]:
        try:
            if item["kind"] == "gitrepo":
                into = tmp_path / "out" / item["id"]
                local.copy_tree(corpus / item["path"], into / "copied")
                git.fetch(str(corpus / item["path"]), "", into / "fetched", allow_file=True)
            elif item["kind"] == "giturl":
                git.tip(item["value"], "")
            elif item["kind"] == "gitref":
                git.tip(str(corpus / "git" / "hooks"), item["value"], allow_file=True)
        except Fault as fault:
            assert "\n" not in str(fault), item["id"]
    del os.environ["BADINPUT_MARKER_DIR"]
    assert not list(markers.iterdir())
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    assert len(list((tmp_path / "out").iterdir())) > 8
