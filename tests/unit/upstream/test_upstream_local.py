"""Copying a local tree: what git tracks, as it lies on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from upstream_repos import commit, run

import assay
from assay.errors import WrongInput
from assay.upstream import local


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.py").write_text("a = 1\n")
    (folder / "sub" / "b.py").write_text("b = 1\n")
    (folder / "sub" / "deep" / "c.py").write_text("c = 1\n")
    return folder


@pytest.fixture
def repo(tree: Path) -> Path:
    run(tree, "init", "-q", "-b", "main")
    commit(tree)
    return tree


def test_tracked_files_as_on_disk(repo: Path, tmp_path: Path) -> None:
    head = run(repo, "rev-parse", "HEAD")
    copied = local.copy_tree(repo, tmp_path / "one")
    assert copied == local.Copied(["a.py", "sub/b.py", "sub/deep/c.py"], [], head, False)
    (repo / "a.py").write_text("a = 2\n")
    (repo / "new.py").write_text("")
    (repo / ".gitignore").write_text("ignored.py\n")
    (repo / "ignored.py").write_text("")
    copied = local.copy_tree(repo, tmp_path / "two")
    assert copied.files == ["a.py", "sub/b.py", "sub/deep/c.py"]
    assert copied.left_out == [".gitignore (not tracked by git)", "new.py (not tracked by git)"]
    assert (copied.commit, copied.dirty) == (head, True)
    assert (tmp_path / "two" / "a.py").read_text() == "a = 2\n"


def test_a_subfolder_of_a_repository(repo: Path, tmp_path: Path) -> None:
    (repo / "a.py").write_text("changed elsewhere\n")
    copied = local.copy_tree(repo / "sub", tmp_path / "one")
    assert (copied.files, copied.dirty) == (["b.py", "deep/c.py"], False)
    (repo / "sub" / "b.py").unlink()
    copied = local.copy_tree(repo / "sub", tmp_path / "two")
    assert (copied.files, copied.left_out, copied.dirty) == (["deep/c.py"], ["b.py (not there)"], True)


def test_added_and_never_committed_is_dirty(tree: Path, tmp_path: Path) -> None:
    run(tree, "init", "-q")
    run(tree, "add", "a.py")
    copied = local.copy_tree(tree, tmp_path / "one")
    assert (copied.files, copied.commit, copied.dirty) == (["a.py"], "", True)


def test_line_ends_are_no_change(repo: Path, tmp_path: Path) -> None:
    (repo / "a.py").write_bytes(b"a = 1\r\n")
    assert local.copy_tree(repo, tmp_path / "one").dirty is False


def test_all_files_where_git_tracks_none(tree: Path, tmp_path: Path) -> None:
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "a.cpython-311.pyc").write_text("")
    (tree / "old.pyc").write_text("")
    copied = local.copy_tree(tree, tmp_path / "one")
    assert copied == local.Copied(["a.py", "sub/b.py", "sub/deep/c.py"], [], "", None)
    inside = local.copy_tree(tree, tree / "sub" / "out")
    assert inside.files == copied.files


def test_links_devices_and_sizes(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("s")
    (tree / "out.py").symlink_to(outside)
    (tree / "in.py").symlink_to("a.py")
    (tree / "gone.py").symlink_to("nowhere")
    (tree / "folder").symlink_to("sub")
    os.mkfifo(tree / "fifo")
    with open(tree / "big.pt", "wb") as file:
        file.truncate(51 << 20)
    copied = local.copy_tree(tree, tmp_path / "one")
    assert copied.files == ["a.py", "in.py", "sub/b.py", "sub/deep/c.py"]
    assert copied.left_out == [
        "big.pt (51 MiB: more than 50 MiB)",
        "fifo (not a regular file)",
        "folder (a link to a folder)",
        "gone.py (a link to something that is not there)",
        "out.py (a link that leaves the tree)",
    ]
    assert not any(path.is_symlink() for path in (tmp_path / "one").rglob("*"))
    assert local.listing(tree).files == copied.files


def test_odd_names(tree: Path, tmp_path: Path) -> None:
    for raw in (b"a\nb.py", b"-rf", b"bad\xff.py", "ü.py".encode()):
        Path(os.fsdecode(os.fsencode(tree) + b"/" + raw)).write_text("x")
    copied = local.copy_tree(tree, tmp_path / "one")
    assert copied.files == ["-rf", "a\nb.py", "a.py", "sub/b.py", "sub/deep/c.py", "ü.py"]
    assert copied.left_out == ["bad\\udcff.py (its name is not UTF-8)"]
    assert local.listing(tree).files == copied.files


def test_a_tracked_link_is_compared_as_a_link(repo: Path, tmp_path: Path) -> None:
    (repo / "in.py").symlink_to("a.py")
    commit(repo)
    assert local.copy_tree(repo, tmp_path / "one").dirty is False


def test_the_tree_is_bounded(tree: Path, tmp_path: Path) -> None:
    for number in range(11):
        with open(tree / f"{number:02}.bin", "wb") as file:
            file.truncate(49 << 20)
    copied = local.copy_tree(tree, tmp_path / "one")
    assert "10.bin (the tree is larger than 500 MiB)" in copied.left_out
    assert "a.py" in copied.files


def test_listing_says_what_to_watch(repo: Path, tmp_path: Path) -> None:
    found = local.listing(repo / "sub")
    assert found.files == ["b.py", "deep/c.py"]
    assert all(path.exists() for path in found.watch)
    before = found.watch[0].stat().st_mtime_ns
    (repo / "sub" / "new.py").write_text("")
    run(repo, "add", "-A")
    assert found.watch[0].stat().st_mtime_ns != before
    assert local.listing(repo / "sub").files == ["b.py", "deep/c.py", "new.py"]


def test_listing_without_git_watches_every_folder(tree: Path) -> None:
    found = local.listing(tree)
    assert found.files == ["a.py", "sub/b.py", "sub/deep/c.py"]
    assert found.watch == [tree, tree / "sub", tree / "sub" / "deep"]


def test_not_a_folder(tree: Path, tmp_path: Path) -> None:
    for path in (tree / "a.py", tree / "nowhere"):
        with pytest.raises(WrongInput):
            local.copy_tree(path, tmp_path / "one")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongInput, match="no file"):
        local.copy_tree(tmp_path / "empty", tmp_path / "two")


def test_without_git_installed_everything_is_copied(repo: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from assay.upstream import local; "
        "c = local.copy_tree(Path(sys.argv[1]), Path(sys.argv[2])); print(len(c.files), c.dirty)"
    )
    home = str(Path(assay.__file__).parents[1])
    env = {"PATH": str(tmp_path), "PYTHONPATH": home}
    done = subprocess.run(
        [sys.executable, "-c", script, str(repo), str(tmp_path / "one")],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["3", "None"]
