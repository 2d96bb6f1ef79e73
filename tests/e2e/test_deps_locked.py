"""deps.lock: the same environment again, for anyone; what was changed behind our back is noticed."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from shop import Shop, digest, one_line
from tiny import edit, ended, to_run, workspace


def new(shop: Shop, name: str = "tiny") -> Path:
    """Make an environment for an experiment; give its folder."""
    done = shop.doit("deps", f"exp={name}", "--on-missing=new")
    assert done.code == 0, done.text
    return shop.repo / "tmp/.envs" / str(shop.lock(name)["environment"])


def pylock(shop: Shop) -> Path:
    return workspace(shop.repo) / "pylock.toml"


def other_digit(path: Path) -> None:
    """Change one digit of the hash of quill's wheel."""
    text = path.read_text()
    at = text.index("sha256 = ", text.index("quill-")) + len('sha256 = "') + 5
    path.write_text(text[:at] + ("1" if text[at] == "0" else "0") + text[at + 1 :])


def lie(shop: Shop) -> None:
    """Make deps.lock say that its lock file is the one that is there."""
    path = workspace(shop.repo) / "deps.lock"
    lock = json.loads(path.read_text())
    lock["files"]["pylock.toml"] = hashlib.sha256(pylock(shop).read_bytes()).hexdigest()
    path.write_text(json.dumps(lock))


# ---------------------------------------------------------------- E5
def test_experiments_with_the_same_needs_share_an_environment(stocked: Shop) -> None:
    stocked.experiment("other", "quill")
    first = new(stocked)
    asked = len(stocked.index.downloads())
    assert new(stocked, "other") == first
    assert stocked.made() == [first.name] and len(stocked.index.downloads()) == asked


def test_a_removed_environment_is_made_again_without_a_question(stocked: Shop) -> None:
    folder = new(stocked)
    frozen = stocked.freeze(folder)
    shutil.rmtree(folder)
    done = stocked.doit("deps", "exp=tiny")
    assert done.code == 0, done.text
    assert stocked.freeze(folder) == frozen and stocked.made() == [folder.name]
    assert to_run(stocked.repo) & {"deps"} == set()


def test_locked_makes_the_same_again_whatever_the_index_sells_by_now(stocked: Shop) -> None:
    folder = new(stocked)
    frozen = stocked.freeze(folder)
    stocked.sell("quill", "3.0")
    shutil.rmtree(stocked.repo / "tmp/.envs")
    done = stocked.doit("deps", "exp=tiny", "--locked")
    assert done.code == 0, done.text
    assert stocked.freeze(folder) == frozen
    with stocked.unchanged(folder):
        assert stocked.assay("deps", "tiny", "--locked").code == 0


def test_locked_after_adding_makes_an_environment_of_its_own(stocked: Shop) -> None:
    assert stocked.doit("deps", "exp=tiny", "--on-missing=add").code == 0
    frozen, before = stocked.freeze(), digest(stocked.env)
    done = stocked.doit("deps", "exp=tiny", "--locked")
    assert done.code == 0, done.text
    assert digest(stocked.env) == before
    (key,) = stocked.made()
    assert stocked.freeze(stocked.repo / "tmp/.envs" / key) == frozen


def test_locked_without_a_lock_is_refused(stocked: Shop) -> None:
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny", "--locked"), 1, "deps.lock")


@pytest.mark.parametrize(("fixed", "gone"), [(False, False), (True, False), (True, True)])
def test_another_digit_in_a_hash_is_refused(stocked: Shop, fixed: bool, gone: bool) -> None:
    folder = new(stocked)
    if gone:
        shutil.rmtree(stocked.repo / "tmp/.envs")
    other_digit(pylock(stocked))
    if fixed:
        lie(stocked)
    cache = stocked.root / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    with stocked.unchanged(stocked.env if gone else folder):
        done = stocked.doit("deps", "exp=tiny", "--locked")
    said = "its SHA-256 is another" if fixed else "is not the one that deps.lock was made with"
    told = one_line(done, 1 if fixed else 2, said)
    assert ("quill" if fixed else "pylock.toml") in told


def test_a_lock_of_another_platform_is_refused(stocked: Shop) -> None:
    folder = new(stocked)
    path = workspace(stocked.repo) / "deps.lock"
    text = path.read_text()
    here = json.loads(text)["platform"]
    path.write_text(text.replace(f'"{here}"', '"macosx-14.0-arm64"'))
    with stocked.unchanged(folder):
        one_line(stocked.doit("deps", "exp=tiny", "--locked"), 2, "was made on macosx-14.0-arm64, this is", "deps.lock")


def test_a_damaged_lock_is_one_line_or_made_anew(stocked: Shop) -> None:
    folder = new(stocked)
    before = digest(folder)
    for text in ("{", '{"schema": 2}', "\x00\xff"):
        (workspace(stocked.repo) / "deps.lock").write_text(text, "latin-1")
        one_line(stocked.doit("deps", "exp=tiny"), 3)
    (workspace(stocked.repo) / "deps.lock").write_text("{")
    one_line(stocked.doit("deps", "exp=tiny", "--locked"), 2)
    assert digest(folder) == before


def test_two_at_once_add_into_one_environment(stocked: Shop) -> None:
    stocked.sell("blotter", "1.0", requires=["inkpot"])
    stocked.declare("quill", "blotter")
    stocked.experiment("other", "blotter")
    runs = [stocked.start("deps", f"exp={name}", "--on-missing=add") for name in ("tiny", "other")]
    for done in [ended(run) for run in runs]:
        assert done.code == 0, done.text
    assert {"quill==2.0", "inkpot==1.1", "blotter==1.0"} < set(stocked.freeze())
    assert not [name for name in os.listdir(stocked.repo) if "assay" in name]
    assert stocked.doit("deps", "exp=tiny,other").code == 0  # what the other one added is looked at, without a question
    assert not {"deps"} & (to_run(stocked.repo, "tiny") | to_run(stocked.repo, "other"))


def test_two_at_once_make_the_same_environment(stocked: Shop) -> None:
    stocked.experiment("other", "quill")
    runs = [stocked.start("deps", f"exp={name}", "--on-missing=new") for name in ("tiny", "other")]
    for done in [ended(run) for run in runs]:
        assert done.code == 0, done.text
    assert len(stocked.made()) == 1


# ---------------------------------------------------------------- behind our back
def test_why_names_what_was_changed_and_deps_settles_it(stocked: Shop) -> None:
    assert stocked.doit("deps", "exp=tiny", "--on-missing=add").code == 0
    stocked.uv("pip", "install", "--quiet", "--no-deps", "--python", f"{stocked.env}/bin/python", "quill==1.0")
    said = stocked.doit("why", "exp=tiny").out
    assert re.search(r"deps: .*quill.*2\.0 -> .*1\.0", said), said
    assert stocked.doit("deps", "exp=tiny").code == 0  # another version serves as well: it is noted
    assert stocked.lock()["packages"]["quill"] == "1.0"
    assert "quill" not in stocked.doit("why", "exp=tiny").out.split("probe:")[0]
    stocked.uv("pip", "uninstall", "--quiet", "--python", f"{stocked.env}/bin/python", "quill")
    said = stocked.doit("why", "exp=tiny").out
    assert re.search(r"deps: .*quill.*1\.0", said), said
    one_line(stocked.doit("deps", "exp=tiny"), 3, "quill missing")


@pytest.mark.parametrize("word", ["--locked", "--on-missing=new"])
def test_a_damaged_new_environment_is_noticed_and_healed(stocked: Shop, word: str) -> None:
    folder = new(stocked)
    frozen = stocked.freeze(folder)
    stocked.uv("pip", "uninstall", "--quiet", "--python", f"{folder}/bin/python", "quill")
    assert "quill" in stocked.doit("why", "exp=tiny").out
    with stocked.unchanged(folder):
        one_line(stocked.doit("deps", "exp=tiny"), 3, "quill missing", "set env.on_missing to new")
    done = stocked.doit("deps", "exp=tiny", word)
    assert done.code == 0, done.text
    assert stocked.freeze(folder) == frozen and stocked.made() == [folder.name]


# ---------------------------------------------------------------- doit clean
def test_clean_removes_the_environments_that_nobody_names_any_more(stocked: Shop) -> None:
    stocked.experiment("other", "quill")
    stocked.experiment("third", "quill", "inkpot", env="map: {inkpot: inkpot}")
    shared = new(stocked)
    assert new(stocked, "other") == shared
    alone = stocked.repo / "tmp/.envs" / new(stocked, "third").name
    assert alone == shared  # what quill needs was wanted by name as well: the same packages
    (stocked.repo / "tmp/.envs/.0123456789abcdef.assay-before").mkdir()
    assert "removed tmp/.envs/0123456789abcdef: no workspace names it any more" in stocked.doit("clean", "exp=third").out
    assert "no workspace" not in stocked.doit("clean", "exp=tiny").out
    assert stocked.made() == [shared.name]
    done = stocked.assay("clean", "other")
    assert f"removed tmp/.envs/{shared.name}: no workspace names it any more\n" in done.out
    assert (done.code, stocked.made()) == (0, [])
    assert stocked.doit("clean", "exp=other").out == "other: nothing to clean\n"


def test_clean_leaves_environments_while_somebody_is_at_work_or_cannot_be_read(stocked: Shop) -> None:
    stocked.sell("blotter", "1.0", padding=400_000)
    stocked.declare("quill", "blotter")
    stocked.experiment("slow", "blotter", env="on_missing: new")
    folder = new(stocked)
    (stocked.repo / "experiments/bad.yaml").write_text("model: [")
    assert stocked.doit("clean", "exp=tiny").out.count("removed") == 1
    assert stocked.made() == [folder.name]
    (stocked.repo / "experiments/bad.yaml").unlink()
    stocked.index.slow["blotter-1.0-py3-none-any.whl"] = 0.01
    run = stocked.start("deps", "exp=slow")
    while not [path for path in stocked.index.downloads() if path.startswith("blotter")]:
        assert run.poll() is None
    assert "no workspace" not in stocked.doit("clean", "exp=tiny").out
    done = ended(run)
    assert done.code == 0, done.text
    assert f"removed tmp/.envs/{folder.name}: " in stocked.doit("clean", "exp=tiny").out


def test_what_is_needed_later_is_not_added_to_a_shared_environment(stocked: Shop) -> None:
    stocked.sell("blotter", "1.0")
    stocked.experiment("other", "quill")
    shared = new(stocked)
    assert new(stocked, "other") == shared
    before = digest(shared)
    stocked.declare("quill", "blotter")
    stocked.experiment("tiny", "quill", "blotter")
    stocked.doit("deps", "exp=tiny", "--on-missing=add")
    assert digest(shared) == before
    assert new(stocked) != shared
    assert "nothing to do" in stocked.doit("deps", "exp=tiny").out
    assert digest(shared) == before


def test_an_environment_made_for_the_model_stays_its_own_when_it_needs_less(stocked: Shop) -> None:
    stocked.declare("quill", "inkpot")
    new(stocked)
    key = json.loads((workspace(stocked.repo) / "deps.lock").read_text())["environment"]
    edit(stocked.repo / "recipes/tiny/adapter.py", "import quill\n", "")
    assert stocked.doit("deps", "exp=tiny").code == 0
    assert json.loads((workspace(stocked.repo) / "deps.lock").read_text())["environment"] == key
    assert "deps" not in to_run(stocked.repo, "tiny")


def test_a_lock_that_names_a_program_elsewhere_is_none(stocked: Shop) -> None:
    new(stocked)
    place = workspace(stocked.repo) / "deps.lock"
    place.write_text(json.dumps({**json.loads(place.read_text()), "environment": "../../../evil"}))
    one_line(stocked.doit("deps", "exp=tiny"), 3)


def test_what_was_added_earlier_keeps_its_hashes(stocked: Shop) -> None:
    stocked.sell("nib", "1.0")
    stocked.declare("quill", "nib")
    assert stocked.doit("deps", "exp=tiny", "--on-missing=add").code == 0
    edit(stocked.repo / "recipes/tiny/adapter.py", "import quill\n", "import quill\nimport nib\n")
    assert stocked.doit("deps", "exp=tiny", "--on-missing=add").code == 0
    text = (workspace(stocked.repo) / "pylock.toml").read_text()
    assert "quill-2.0" in text and "nib-1.0" in text
