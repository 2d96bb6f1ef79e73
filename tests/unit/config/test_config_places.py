"""Names, paths, URLs and revisions."""

import pathlib

import pytest

from assay.config import places

GOOD_URLS = ("https://example.org/a.git", "https://example.org:8443/a/b-c_d~e.git", "https://example.org/a%20b/")
BAD_URLS = (
    "",
    "ext::sh -c true",
    "--upload-pack=x",
    "-ux",
    "ssh://-oProxyCommand=x/y",
    "git@example.org:a/b.git",
    "fd::17",
    "file:///etc",
    "http://example.org/a.git",
    "git://example.org/a.git",
    "https://ada:s3cr3t@example.org/a.git",
    "https://ada@example.org/a.git",
    "https://example.org/a.git\nhost=x",
    "https://example.org\r/a.git",
    " https://example.org/a.git",
    "https://example.org/a\0.git",
    "https://example.org/a?token=x",
    "https://example.org/a#b",
    "https://-example.org/a",
    "https://example.org",
    "https://example.org/%0ahost=x",
    "https://example.org/%2e%2e/a",
    "https://example.org/a%",
    "https://example.org/../a",
    "https://example..org/a",
    "HTTPS://example.org/a",
    "a/b",
)
GOOD_REVS = ("main", "v1.2", "1.0+cu118", "feature/x-1", "0123456", "a" * 40, "user@work", "_x")
BAD_REVS = ("", "-x", "--orphan", "a..b", "refs/heads/../x", "HEAD~1", "$(touch x)", "@{-1}", "a\nb", "a b", "a^", "@",
            "a//b", "a/", "/a", "a.lock", "a/.b", "a.", "a:b", "a*", "é", "x" * 300)  # fmt: skip


@pytest.mark.parametrize("url", GOOD_URLS)
def test_good_urls(url: str) -> None:
    assert places.check_url(url) == ""


@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_urls(url: str) -> None:
    assert "; " in places.check_url(url)


@pytest.mark.parametrize("rev", GOOD_REVS)
def test_good_revs(rev: str) -> None:
    assert places.check_rev(rev) == ""


@pytest.mark.parametrize("rev", BAD_REVS)
def test_bad_revs(rev: str) -> None:
    assert "; " in places.check_rev(rev)


@pytest.mark.parametrize("name", ("yolo", "yolo-v1.2_x", "0", "a" * 64, "console", "com"))
def test_good_names(name: str) -> None:
    assert places.check_name(name) == ""


@pytest.mark.parametrize(
    "name", ("", "Yolo", "-rf", "..", ".x", "/etc", "../x", "a/b", "con", "nul.x", "com1", "a" * 65, "a.", "a\n", "é")
)
def test_bad_names(name: str) -> None:
    assert "; " in places.check_name(name)


@pytest.mark.parametrize(
    "path",
    ("a.onnx", "/data/a.pt", "~/a.pt", "-rf.pt", "C:evil.pt", "a#b?c.pt", "x\ny.pt", "\x1b[31m.pt", "a..b", "/a/../b"),
)
def test_checkpoints_may_lie_anywhere(path: str) -> None:
    assert places.check_checkpoint(path) == ""


@pytest.mark.parametrize(
    "path", ("https://example.org/a.pt", "hf://a/b", "git@example.org:a.pt", "../a.pt", "a/../../b", "x" * 300)
)
def test_checkpoints_are_local(path: str) -> None:
    assert "; " in places.check_checkpoint(path)


@pytest.mark.parametrize("path", ("/etc", "~/x", "..", "a/../b", "C:\\x", "C:/x", "a\\b", "-x", "a\nb", "file:///x"))
def test_inside_is_inside(path: str) -> None:
    assert "; " in places.check_inside(path)


@pytest.mark.parametrize("path", (".", "./", "experiments", "./recipes/x", ".git/x", "lib"))
def test_a_workspace_is_a_folder_of_its_own(path: str) -> None:
    assert "; " in places.check_workspace(path)


def test_located(tmp_path: pathlib.Path) -> None:
    assert places.located(tmp_path, "a/b") == tmp_path / "a/b"
    assert places.located(tmp_path, "/x") == pathlib.Path("/x")
    assert places.located(tmp_path, "~/x") == pathlib.Path.home() / "x"
    assert places.located(tmp_path, "~nobody-of-that-name/x") == tmp_path / "~nobody-of-that-name/x"
