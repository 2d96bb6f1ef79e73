"""Whatever breaks while packages are found, fetched or installed: one line, and the environment as it was."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from shop import Shop, digest, interrupt, one_line, site_of
from tiny import edit, ended, kill_tree, wait_for

CLOSED = "http://127.0.0.1:9/simple"
BIG = "quill-5.0-py3-none-any.whl"


@pytest.fixture
def big(stocked: Shop) -> Shop:
    """A shop whose newest quill takes a while to come."""
    stocked.sell("quill", "5.0", padding=400_000)
    return stocked


@pytest.mark.parametrize("policy", ["ask", "add", "new"])
def test_an_index_that_is_down(stocked: Shop, policy: str) -> None:
    with stocked.unchanged():
        done = stocked.doit("deps", "exp=tiny", f"--on-missing={policy}", f"--index-url={CLOSED}")
    told = one_line(done, 3 if policy == "ask" else 1, "quill missing" if policy == "ask" else "cannot be reached")
    assert policy == "ask" or "127.0.0.1:9" in told


def test_an_index_that_answers_with_errors(stocked: Shop) -> None:
    stocked.index.broken = True
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 1, "500")


@pytest.mark.parametrize("policy", ["add", "new"])
def test_an_index_that_dies_in_the_middle_of_a_file(big: Shop, policy: str) -> None:
    big.index.die_after[BIG] = 100_000
    with big.unchanged():
        one_line(big.doit("deps", "exp=tiny", f"--on-missing={policy}"), 1, "quill==5.0: cannot be reached")
    big.index.die_after.clear()
    assert big.doit("deps", "exp=tiny", f"--on-missing={policy}").code == 0


def test_a_file_that_is_not_what_the_index_says(stocked: Shop) -> None:
    stocked.index.hashes["quill-2.0-py3-none-any.whl"] = "0" * 64
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 1, "quill", "SHA-256 is another")


@pytest.mark.parametrize("policy", ["add", "new"])
def test_ctrl_c_while_a_package_comes(big: Shop, policy: str) -> None:
    big.index.slow[BIG] = 0.05
    with big.unchanged():
        run = big.start("deps", "exp=tiny", f"--on-missing={policy}")
        wait_for(lambda: BIG in big.index.downloads(), "the download")
        interrupt(run)
        done = ended(run)
        assert done.code == 130, done.text
        assert "Traceback" not in done.text and "interrupted; what was finished is kept" in done.text


@pytest.mark.parametrize("policy", ["add", "new"])
@pytest.mark.parametrize("when", ["fetching", "installing"])
def test_a_kill_leaves_nothing_that_the_next_run_does_not_mend(big: Shop, policy: str, when: str) -> None:
    if when == "fetching":
        big.index.slow[BIG] = 0.05
    else:
        many = {f"quill/part{n}.py": f"N = {n}\n" * 200 for n in range(1500)}
        big.sell("quill", "5.0", files=many)
    run = big.start("deps", "exp=tiny", f"--on-missing={policy}")
    if when == "fetching":
        wait_for(lambda: BIG in big.index.downloads(), "the download")
    else:
        wait_for(lambda: _installing(big, policy) or run.poll() is not None, "the installation")
    kill_tree(run)
    big.index.slow.clear()
    done = big.doit("deps", "exp=tiny", f"--on-missing={policy}")
    assert done.code == 0, done.text
    folder = big.env if policy == "add" else big.repo / "tmp/.envs" / str(big.lock()["environment"])
    assert "quill==5.0" in big.freeze(folder)
    assert len(big.made()) == (policy == "new")
    assert not (folder / ".assay-adding").exists()
    if when == "installing":
        assert len(list(site_of(folder).glob("quill/part*.py"))) == 1500


def _installing(shop: Shop, policy: str) -> bool:
    if policy == "add":
        return (shop.env / ".assay-adding").exists()
    found = shop.repo.glob("tmp/.envs/*/lib/python3*/site-packages/quill")
    return any(found)


def test_an_environment_that_is_read_only(stocked: Shop) -> None:
    site = site_of(stocked.env)
    if os.geteuid() == 0:
        made = subprocess.run(["chattr", "+i", str(site)], capture_output=True, check=False)
        if made.returncode:
            pytest.skip("root may write everywhere, and no file can be made immutable here")
    else:
        site.chmod(0o555)
    try:
        with stocked.unchanged():
            one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 1)
    finally:
        subprocess.run(["chattr", "-i", str(site)], capture_output=True, check=False)
        site.chmod(0o755)


@pytest.mark.parametrize("text", ["", "home\n", "\x00\x01", "home = /nowhere/bin\nversion_info = 3.11.7\n"])
def test_a_broken_pyvenv_cfg(stocked: Shop, text: str) -> None:
    (stocked.env / "pyvenv.cfg").write_text(text)
    before = digest(stocked.env)
    for word in ("add", "ask"):
        done = stocked.doit("deps", "exp=tiny", f"--on-missing={word}")
        assert done.code in (1, 2, 3), done.text
        one_line(done, done.code)
    assert digest(stocked.env) == before


def test_an_interpreter_that_is_gone(stocked: Shop) -> None:
    shutil.rmtree(stocked.env)
    one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 2, "env.python: is not there")
    (stocked.repo / "env/bin").mkdir(parents=True)
    (stocked.repo / "env/bin/python").symlink_to("/nowhere/python")
    one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 2, "leads to an interpreter that is gone")


def test_an_environment_without_pip_is_added_to_all_the_same(stocked: Shop) -> None:
    assert not list(site_of(stocked.env).glob("pip*"))
    assert stocked.doit("deps", "exp=tiny", "--on-missing=add").code == 0
    assert "quill==2.0" in stocked.freeze()


def test_only_a_source_is_there_and_is_not_built(stocked: Shop) -> None:
    import wheels

    mark = stocked.root / "it-ran"
    wheels.sdist(stocked.index.folder, "quill", "9.0", mark)
    for path in stocked.index.folder.glob("quill-*.whl"):
        path.unlink()
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 1, "source only", "quill")
    assert not mark.exists()


def test_a_file_of_another_package_is_not_overwritten(stocked: Shop) -> None:
    stocked.sell("quill", "6.0", files={"numpy/__init__.py": "taken = 1\n"})
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 1, "would be overwritten")


def test_a_password_in_an_url_is_refused_and_written_nowhere(stocked: Shop) -> None:
    with stocked.unchanged():
        done = stocked.doit("deps", "exp=tiny", "--on-missing=add", "--index-url=https://me:canary-99@127.0.0.1:9/simple")
    assert done.code == 2 and "canary" not in done.text, done.text
    edit(stocked.repo / "experiments/tiny.yaml", "http://127", "http://me:canary-99@127")
    done = stocked.doit("deps", "exp=tiny", "--on-missing=add")
    assert done.code == 2 and "canary" not in done.text, done.text
    written = [path for path in (stocked.repo / "tmp").rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert written == []


def test_a_terminated_run_ends_in_order(big: Shop) -> None:
    big.index.slow[BIG] = 0.05
    with big.unchanged():
        run = big.start("deps", "exp=tiny", "--on-missing=add")
        wait_for(lambda: BIG in big.index.downloads(), "the download")
        run.send_signal(signal.SIGTERM)
        done = ended(run)
        assert done.code == 143 and "Traceback" not in done.text, done.text
    assert not Path(big.repo / "env/.assay-adding").exists()
