"""What the tests of deps share: a shop to buy missing packages in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import shop as shops
import tiny
import wheels


@pytest.fixture(scope="session")
def _emptied_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository that is built up to `source`, with an environment of stubs; tests work on copies."""
    folder = tmp_path_factory.mktemp("shop") / "repo"
    tiny.make_repo(folder)
    shops.make_environment(folder / "env")
    done = tiny.doit(folder, "checkpoint", "source", "exp=tiny")
    assert done.code == 0, done.text
    return folder


@pytest.fixture(scope="session")
def _real_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment in which the tiny model runs."""
    folder = tmp_path_factory.mktemp("real") / "env"
    shops.make_environment(folder, real=True)
    return folder


@pytest.fixture
def shop(_emptied_shop: Path, tmp_path: Path) -> Iterator[shops.Shop]:
    """A shop with nothing to sell yet; experiment tiny imports quill, which upstream declares."""
    repo = tiny.copy_repo(_emptied_shop, tmp_path / "repo")
    index = wheels.Index(tmp_path / "packages")
    made = shops.Shop(tmp_path, repo, index)
    made.experiment("tiny", "quill")
    made.declare("quill")
    yield made
    tiny.end_all()
    index.close()
    assert tiny.left_behind(tmp_path) == []


@pytest.fixture
def real_shop(shop: shops.Shop, _real_environment: Path) -> shops.Shop:
    """A shop whose environment runs the tiny model."""
    shutil.rmtree(shop.env)
    shutil.copytree(_real_environment, shop.env, symlinks=True, copy_function=_link)
    return shop


def _link(source: str, target: str) -> None:
    path = Path(source)
    if path.is_symlink() or path.stat().st_size < 4096:
        shutil.copy2(source, target, follow_symlinks=False)
    else:
        Path(target).hardlink_to(path)


@pytest.fixture
def stocked(shop: shops.Shop) -> shops.Shop:
    """A shop that sells quill 1.0 and 2.0, which needs inkpot, and all that a new environment takes."""
    shop.sell("quill", "1.0")
    shop.sell("quill", "2.0", requires=["inkpot"])
    shop.sell("inkpot", "1.1")
    shop.sell_stubs()
    return shop


