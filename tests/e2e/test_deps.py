"""What is missing is found, told and asked for once; nothing is installed that was not agreed to."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from shop import Shop, digest, one_line, plans, site_of
from tiny import edit, to_run, workspace

SYSTEM = Path(sys.base_prefix) / f"bin/python3.{sys.version_info.minor}"
MAY = {"venv": ["add", "new"], "conda": ["new"], "none": ["new"]}


def managed(shop: Shop, manager: str) -> tuple[str, Path]:
    """Have an environment of a manager; give what names it in an experiment, and its folder."""
    if manager == "none":
        return f"python: {SYSTEM}", Path(sys.base_prefix)
    if manager == "conda":
        (shop.env / "conda-meta").mkdir()
    return "", shop.env


def freeze_and_names(shop: Shop, folder: Path) -> tuple[Any, ...]:
    """Tell the state of an environment; of the system's Python, which is large, by its names and freeze."""
    told = digest(folder) if folder == shop.env else sorted(p.name for p in site_of(folder).iterdir())
    return told, shop.freeze(folder), shop.made()


# ---------------------------------------------------------------- E3: policies
@pytest.mark.parametrize("manager", ["venv", "conda", "none"])
def test_without_an_answer_nothing_changes_and_the_plan_is_printed(stocked: Shop, manager: str) -> None:
    env, folder = managed(stocked, manager)
    stocked.experiment("asks", "quill", env=env)
    stocked.experiment("fails", "quill", env=f"{env}{', ' if env else ''}on_missing: fail")
    before = freeze_and_names(stocked, folder)
    done = stocked.doit("deps", "exp=asks,fails")
    assert (done.code, done.err.count("assay: deps ")) == (3, 2), done.text
    for name, plan in plans(done).items():
        assert f"deps {name}: {manager}, Python 3." in done.err
        assert "quill" in [m["name"] for m in plan["missing"]]
        whys = {m["name"]: m["why"] for m in plan["missing"]}
        assert whys["quill"] == "adapter.py:4 imports quill"
        assert (plan["manager"], plan["choices"], sorted(plan["commands"])) == (manager, MAY[manager], MAY[manager])
        files = {item["name"]: item for item in plan["install"]}
        wheel = stocked.index.folder / "quill-2.0-py3-none-any.whl"
        quill = files["quill"]
        assert (quill["version"], quill["bytes"]) == ("2.0", wheel.stat().st_size)
        assert (quill["uploaded"], quill["file"], len(quill["sha256"])) == ("2024-01-01", wheel.name, 64)
        assert files["inkpot"]["version"] == "1.1"
        assert "uv pip install --python" in plan["commands"][plan["choices"][0]][-1]
    assert set(plans(done)) == {"asks", "fails"}
    told = stocked.assay("deps", "asks", "--on-missing=fail", "--json")
    assert told.code == 3
    assert json.loads(told.out)["experiments"]["asks"]["plan"] == plans(done)["asks"]
    one_line(stocked.assay("deps", "fails", "--on-missing", "ask"), 3, "quill")
    assert freeze_and_names(stocked, folder) == before
    assert stocked.index.downloads() == []


@pytest.mark.parametrize("manager", ["conda", "none"])
def test_nothing_is_added_where_nothing_may_be(stocked: Shop, manager: str) -> None:
    env, folder = managed(stocked, manager)
    stocked.experiment("tiny", "quill", env=f"{env}{', ' if env else ''}on_missing: add")
    before = freeze_and_names(stocked, folder)
    said = f"nothing is added to {manager} here"
    one_line(stocked.doit("deps", "exp=tiny"), 3, said, "take a new environment")
    edit(stocked.repo / "experiments/tiny.yaml", "on_missing: add", "on_missing: fail")
    done = stocked.assay("deps", "tiny", "--on-missing=add")
    one_line(done, 3, said)
    assert plans(done)["tiny"]["choices"] == ["new"]
    assert freeze_and_names(stocked, folder) == before


@pytest.mark.parametrize("manager", ["venv", "conda", "none"])
def test_a_new_environment_leaves_the_one_in_use_alone(stocked: Shop, manager: str) -> None:
    env, folder = managed(stocked, manager)
    policy = "on_missing: new" if manager == "venv" else "on_missing: fail"
    stocked.experiment("tiny", "quill", env=f"{env}{', ' if env else ''}{policy}")
    before = freeze_and_names(stocked, folder)
    run = stocked.doit("deps", "exp=tiny") if manager == "venv" else stocked.assay("deps", "tiny", "--on-missing=new")
    assert run.code == 0, run.text
    made = stocked.record()
    assert (made["made"], made["manager"], made["missing"]) == ("new", "venv", [])
    assert freeze_and_names(stocked, folder)[:2] == before[:2]
    (key,) = stocked.made()
    held = ["inkpot==1.1", "numpy==2.4.6", "onnxruntime==1.32.0", "pillow==13.0.0", "quill==2.0"]
    assert stocked.freeze(stocked.repo / "tmp/.envs" / key) == held
    assert stocked.lock()["environment"] == key


@pytest.mark.parametrize("how", ["yaml", "flag"])
def test_adding_installs_what_was_shown_and_replaces_nothing(stocked: Shop, how: str) -> None:
    stocked.experiment("tiny", "quill", env=f"on_missing: {'add' if how == 'yaml' else 'fail'}")
    before = stocked.freeze()
    run = stocked.doit("deps", "exp=tiny") if how == "yaml" else stocked.assay("deps", "tiny", "--on-missing=add")
    assert run.code == 0, run.text
    assert [line for line in stocked.freeze() if line not in before] == ["inkpot==1.1", "quill==2.0"]
    assert not set(before) - set(stocked.freeze())
    made = stocked.record()
    assert (made["made"], made["missing"], [r["outcome"] for r in made["rungs"]]) == ("added", [], ["ok"])
    assert stocked.made() == []
    lock = stocked.lock()
    assert lock["packages"]["quill"] == "2.0" and lock["wanted"] == ["quill"]
    assert stocked.index.downloads() and not (workspace(stocked.repo) / ".partial/trying").exists()


def test_where_no_environment_is_named_the_active_one_is_in_use(stocked: Shop) -> None:
    edit(stocked.repo / "experiments/tiny.yaml", "python: env/bin/python, ", "")
    assert plans(stocked.doit("deps", "exp=tiny"))["tiny"]["because"].startswith("it runs this program")
    with stocked.unchanged():
        active = plans(stocked.doit("deps", "exp=tiny", VIRTUAL_ENV=str(stocked.env)))["tiny"]
    assert (active["because"], active["choices"]) == ("VIRTUAL_ENV names it", ["add", "new"])


def test_an_unknown_policy_is_refused(stocked: Shop) -> None:
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=maybe"), 2, "on_missing")


# ---------------------------------------------------------------- asking
def test_one_question_for_two_experiments_and_one_answer(stocked: Shop) -> None:
    stocked.experiment("other", "quill", "PIL")
    seat = stocked.sit("deps", "exp=tiny,other").see("answer [q]: ").type("a\n")
    done = seat.end()
    assert done.code == 0, done.out
    assert done.out.count("answer [q]: ") == 1
    assert done.out.count("packages are missing; venv") == 2
    assert "[o]" not in done.out
    assert {"quill==2.0", "inkpot==1.1"} < set(stocked.freeze())
    assert [stocked.record(experiment=name)["missing"] for name in ("tiny", "other")] == [[], []]


def test_the_question_shows_version_size_day_and_reason(stocked: Shop) -> None:
    with stocked.unchanged():
        done = stocked.sit("deps", "exp=tiny").see("answer [q]: ").type("p\n").see("answer [q]: ", 2).type("q\n").end()
    assert done.code == 3
    rows = [line.split() for line in done.out.splitlines()]
    assert ["model", "quill", "2.0", "0.9", "KiB", "2024-01-01", "adapter.py:4", "imports", "quill"] in rows
    assert ["with", "them", "inkpot", "1.1", "0.9", "KiB", "2024-01-01"] in rows
    assert f"  uv pip install --python {stocked.env}/bin/python --default-index http://127.0.0.1" in done.out
    assert " inkpot==1.1 quill==2.0\n" in done.out and "uv venv --python" in done.out


@pytest.mark.parametrize("typed", ["no", "nothing", "abort", "y"])
def test_a_word_that_only_begins_like_an_answer_is_none(stocked: Shop, typed: str) -> None:
    with stocked.unchanged():
        seat = stocked.sit("deps", "exp=tiny").see("answer [q]: ").type(f"{typed}\n")
        done = seat.end() if typed == "no" else seat.see("is none of these").see("answer [q]: ", 2).type("q\n").end()
    assert done.code == 3


def test_what_was_not_shown_is_shown_before_it_is_installed(stocked: Shop) -> None:
    seat = stocked.sit("deps", "exp=tiny").see("answer [q]: ").type("n\n").see("once more goes on")
    assert "onnxruntime" in seat.text and not stocked.made()
    assert seat.see("answer [q]: ", 2).type("n\n").end().code == 0 and len(stocked.made()) == 1


def test_optional_ones_come_only_when_asked_for(stocked: Shop) -> None:
    stocked.sell("blotter", "3.0")
    adapter = stocked.repo / "recipes/tiny/adapter.py"
    edit(adapter, "import quill\n", "import quill\ntry:\n    import blotter\nexcept ImportError:\n    blotter = None\n")
    stocked.declare("quill", "blotter")
    seat = stocked.sit("deps", "exp=tiny").see("[o] the optional ones too").see("answer [q]: ").type("o\n")
    seat.see("[o] leave the optional ones out again").see("answer [q]: ", 2).type("n\n")
    seat.see("once more goes on").see("answer [q]: ", 3).type("n\n")
    done = seat.end()
    assert "blotter" in seat.text.rpartition("fetch")[0].rpartition("packages are missing")[2]
    assert done.code == 0, done.out
    (key,) = stocked.made()
    assert {"blotter==3.0", "quill==2.0"} < set(stocked.freeze(stocked.repo / "tmp/.envs" / key))
    assert "quill==2.0" not in stocked.freeze()


@pytest.mark.parametrize("keys", ["\n", "\x04", "q\n"], ids=["return", "ctrl-d", "q"])
def test_no_answer_changes_nothing(stocked: Shop, keys: str) -> None:
    with stocked.unchanged():
        done = stocked.sit("deps", "exp=tiny").see("answer [q]: ").type(keys).end()
    assert done.code == 3, done.out
    assert "Traceback" not in done.out and "quill missing" in done.out


def test_another_key_asks_again(stocked: Shop) -> None:
    with stocked.unchanged():
        done = stocked.sit("deps", "exp=tiny").see("answer [q]: ").type("x\n").see("none of these").type("q\n").end()
    assert done.code == 3


def test_ctrl_c_at_the_question_is_one_line(stocked: Shop) -> None:
    with stocked.unchanged():
        done = stocked.sit("deps", "exp=tiny").see("answer [q]: ").type("\x03").end()
    assert done.code == 130, done.out
    after = done.out.rpartition("answer [q]: ")[2].replace("^C", "").replace("\x1b[K", "").strip()
    assert "Traceback" not in done.out and after == "tiny: interrupted; what was finished is kept", after


@pytest.mark.parametrize("quiet", [{"CI": "1"}, {}], ids=["ci", "json"])
def test_nobody_is_asked_in_ci_or_for_a_machine(stocked: Shop, quiet: dict[str, str]) -> None:
    with stocked.unchanged():
        done = stocked.sit("deps", "exp=tiny", *([] if quiet else ["--json"]), **quiet).end()
    assert done.code == 3 and "answer [q]" not in done.out


# ---------------------------------------------------------------- what is installed
def test_what_is_installed_is_proved_and_nothing_that_is_there_replaced(stocked: Shop) -> None:
    stocked.experiment("tiny", "numpy")
    (site_of(stocked.env) / "onnxruntime/__init__.py").write_text("raise ImportError('libgomp.so.1 is not there')\n")
    with stocked.unchanged():
        done = stocked.doit("deps", "exp=tiny")
        one_line(done, 3, "what is installed does not serve: ImportError: libgomp.so.1 is not there")
        assert plans(done)["tiny"]["choices"] == ["new"]
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=add"), 3, "take a new environment")
    assert stocked.doit("deps", "exp=tiny", "--on-missing=new").code == 0
    assert [(r["number"], r["outcome"]) for r in stocked.record()["rungs"]] == [(1, "broken"), (3, "ok")]


# ---------------------------------------------------------------- staleness
def test_what_was_decided_stays_decided(stocked: Shop) -> None:
    assert stocked.doit("deps", "exp=tiny", "--on-missing=add").code == 0
    again = stocked.doit("deps", "exp=tiny")
    assert again.code == 0 and "nothing to do" in again.out
    edit(stocked.repo / "experiments/tiny.yaml", stocked.index.url, "http://127.0.0.1:9/simple")
    edit(stocked.repo / "experiments/tiny.yaml", "env: {", "env: {on_missing: fail, ")
    for name in ("scale.py", "requirements.txt"):
        path = stocked.repo / "upstream" / name
        path.write_text("# a comment on top\n\n" + path.read_text())
    assert "deps" not in to_run(stocked.repo)
    asked = len(stocked.index.asked)
    done = stocked.doit("deps", "exp=tiny", "--json")
    assert done.code == 0 and "deps" not in json.loads(done.out)["experiments"]["tiny"]["built"]
    assert len(stocked.index.asked) == asked


def test_the_report_runs_in_what_was_added_and_says_so(real_shop: Shop) -> None:
    real_shop.sell("quill", "2.0")
    done = real_shop.doit("report", "exp=tiny", "--on-missing=add")
    assert done.code == 0, done.text
    assert "quill" in (workspace(real_shop.repo) / "reports/experiment-report.md").read_text()
    again = real_shop.doit("report", "exp=tiny")
    assert (again.code, "nothing to do" in again.out) == (0, True)
    assert to_run(real_shop.repo) == set()


def test_lists_for_different_answers_are_shown_anew_for_the_one_that_is_given(stocked: Shop) -> None:
    """One experiment may be added to, the other has no environment that may: no answer fits both lists."""
    env, _ = managed(stocked, "none")
    stocked.experiment("alone", "quill", env=env)
    seat = stocked.sit("deps", "exp=alone,tiny").see("answer [q]: ").type("n\n").see("once more goes on")
    assert not stocked.made()
    assert seat.see("answer [q]: ", 2).type("q\n").end().code == 3
    assert not stocked.made()
