"""What every test may use: a small repository of its own, made or already built, and the real programs in it.

The functions themselves lie in tests/tiny.py: `from tiny import doit, edit, journal, ...`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tiny


def pytest_configure(config: pytest.Config) -> None:
    """Compile the code under test once, not in each of a thousand processes."""
    if not hasattr(config, "workerinput"):
        tiny.compile_all()


@pytest.fixture
def made_repo(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make a repository; when the test ends, none of its processes may live on for 2 s."""
    yield lambda *names, **parts: tiny.make_repo(tmp_path / "repo", *names, **parts)
    tiny.end_all()
    assert tiny.left_behind(tmp_path) == []


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build experiment tiny once; tests work on copies."""
    repo = tiny.make_repo(tmp_path_factory.mktemp("built") / "repo")
    done = tiny.doit(repo, "report", "exp=tiny")
    assert done.code == 0, done.text
    return repo


@pytest.fixture
def repo(made_repo: Callable[..., Path]) -> Path:
    """A repository with experiment tiny, never built."""
    return made_repo()


@pytest.fixture
def built_repo(_built: Path, tmp_path: Path) -> Iterator[Path]:
    """A repository with experiment tiny, all of it fresh."""
    yield tiny.copy_repo(_built, tmp_path / "repo")
    tiny.end_all()
    assert tiny.left_behind(tmp_path) == []


@pytest.fixture
def doit() -> Callable[..., tiny.Done]:
    """doit(repo, *args, **env) runs the real program."""
    return tiny.doit


@pytest.fixture(name="assay")
def _assay() -> Callable[..., tiny.Done]:
    """assay(repo, *args, **env) runs the real program."""
    return tiny.tool
