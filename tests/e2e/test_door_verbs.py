"""Every word that the two doors know, said to the real programs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import plan
from assay.commands import VERBS
from door_said import ran, refused, same_as_golden
from tiny import Done, add_experiment, built, doit, edit, journal, make_model, status, tool, workspace

BUILT = [s.name for s in plan.STAGES if not s.not_yet]
OFF = [s.name for s in plan.STAGES if s.not_yet]
Door = Callable[..., Done]
both = pytest.mark.parametrize("door", [doit, tool], ids=["doit", "assay"])


def good(done: Done) -> Done:
    assert done.code == 0, done.text
    assert "Traceback" not in done.text and "\x1b" not in done.text
    return done


# ---------------------------------------------------------------- building
def test_build_says_how_it_ended_and_then_has_nothing_to_do(repo: Path) -> None:
    first = good(doit(repo, "report:tiny"))
    assert first.out.splitlines()[0] == f"tiny: NOT DECIDED  0 of 1 targets met   built {len(BUILT)}, kept 0"
    assert ran(first) == BUILT
    for path in first.out.splitlines()[1:]:
        assert (repo / path.strip()).is_file(), path
    quiet = first.out.replace(f"built {len(BUILT)}, kept 0", "nothing to do")
    for done in (doit(repo, "report:tiny"), doit(repo, "report", "exp=tiny"), doit(repo, "run", "report:tiny"), doit(repo),
                 tool(repo, "report", "tiny"), tool(repo, "report", "exp=tiny"), tool(repo, "report:tiny"), tool(repo, "report"),
                 doit(repo, "-n", "2", "report", "exp=tiny"), tool(repo, "-n", "2", "report", "tiny")):  # fmt: skip
        assert (done.code, done.out, done.err) == (0, quiet, "")


@both
def test_one_stage_by_name_and_what_it_rests_on(repo: Path, door: Door) -> None:
    done = good(door(repo, "measure", "exp=tiny"))
    below = [s.name for s in plan.needed(["measure"])]
    assert ran(done) == below
    assert done.out.splitlines()[0] == f"tiny: measure up to date   built {len(below)}, kept 0"
    assert "outputs/stats.json" in done.out
    again = good(door(repo, "measure", "exp=tiny"))
    assert again.err == "" and again.out.splitlines()[0] == "tiny: measure up to date   nothing to do"
    twice = good(tool(repo, "infer", "infer", "exp=tiny"))
    assert twice.out.splitlines()[0] == "tiny: infer up to date   nothing to do"


@both
def test_a_file_as_the_goal(repo: Path, door: Door) -> None:
    good(door(repo, "checkpoint", "exp=tiny"))
    goal = f"{workspace(repo).relative_to(repo)}/outputs/contract.json"
    good(door(repo, goal))
    assert {line["stage"] for line in journal(repo)} == {s.name for s in plan.needed(["contract"])}
    assert good(door(repo, goal)).err == ""
    done = door(repo, goal.replace("contract.json", "contrakt.json"))
    refused(done, 2)
    same_as_golden("verbs", "no_such_file", done, repo)


@both
def test_two_at_once_side_by_side(made_repo: Callable[..., Path], door: Door) -> None:
    repo = made_repo("a", "b", "c")
    done = good(door(repo, "-n", "2", "report", "exp=a,b"))
    assert sorted({line.split()[2] for line in done.err.splitlines() if "waiting" not in line}) == ["a", "b"]
    assert next(line for line in done.out.splitlines() if f"built {len(BUILT)}, kept 0" in line).startswith("a: ")
    assert not (repo / "tmp/.current/c").exists()
    assert good(door(repo, "-n", "2", "report", "exp=a,b")).out == "2 of 2 experiments: nothing to do\n"


@both
def test_always_builds_even_what_is_fresh(built_repo: Path, door: Door) -> None:
    done = good(door(built_repo, "-a", "decode", "exp=tiny"))
    assert ran(done) == [s.name for s in plan.needed(["decode"])]


def test_from_a_subfolder_and_from_elsewhere(built_repo: Path, tmp_path: Path) -> None:
    below = built_repo / "upstream/data"
    here = tool(built_repo, "report", "tiny").out
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for done in (tool(built_repo, "report", "tiny", cwd=below),
                 tool(built_repo, "-d", str(built_repo), "report", "tiny", cwd=elsewhere),
                 tool(built_repo, "report", "tiny", "-d", "../repo", cwd=elsewhere),
                 tool(built_repo, "--dir", str(below), "report", "tiny", cwd=elsewhere),
                 doit(built_repo, "-k", "report", "exp=tiny", cwd=below),
                 doit(built_repo, "-d", str(elsewhere), "report", "exp=tiny"),
                 doit(built_repo, "-f", str(built_repo / "dodo.py"), "report", "exp=tiny", cwd=elsewhere)):  # fmt: skip
        assert (done.code, done.out, done.err) == (0, here, "")
    edit(built_repo / "experiments/tiny.yaml", '">= 0.5"', '">= 0.4"')
    done = good(doit(built_repo, "-k", "report", "exp=tiny", cwd=below))
    assert ran(done) == ["metrics", "report"]
    assert list(elsewhere.iterdir()) == [] and not list(below.glob("*doit*"))


def test_stages_that_are_not_there_yet_say_so(built_repo: Path) -> None:
    for name in OFF:
        for done in (doit(built_repo, name, "exp=tiny"), tool(built_repo, name, "tiny")):
            assert f"{name}: not yet: {plan.BY_NAME[name].not_yet}" in good(done).out.splitlines()
    assert {status(built_repo)[name] for name in OFF} == {"off"}
    listed = good(doit(built_repo, "list")).out
    assert all(f"  {name:<11}not yet   " in listed for name in OFF)


# ---------------------------------------------------------------- looking
@both
def test_list_plan_and_why(repo: Path, door: Door) -> None:
    for verb in ("list", "plan", "why"):
        done = good(door(repo, verb))
        same_as_golden("verbs", f"{verb}_never_built", done, repo)
    assert not (repo / "tmp/.current").exists(), "looking writes nothing"
    good(doit(repo, "decode", "exp=tiny"))
    edit(repo / "experiments/tiny.yaml", "gain: 1.0", "gain: 2.0")
    (repo / "upstream/data/a.png").unlink()
    for verb in ("list", "plan", "why"):
        done = good(door(repo, verb, "exp=tiny"))
        same_as_golden("verbs", f"{verb}_stale", done, repo)
        if door is tool:
            assert tool(repo, verb, "tiny") == done
    assert good(door(repo, "why", "exp=tiny", "infer")).out.splitlines()


@both
def test_json_and_nothing_else(built_repo: Path, door: Door) -> None:
    edit(built_repo / "experiments/tiny.yaml", '">= 0.5"', '">= 0.4"')
    for verb in ("list", "plan", "why"):
        done = good(door(built_repo, verb, "exp=tiny", "--json"))
        told = json.loads(done.out)
        assert done.err == "" and list(told) == ["tiny"] and list(told["tiny"]["stages"]) == sorted(plan.NAMES)
        assert told["tiny"]["stages"]["metrics"]["status"] == "stale"
    done = good(door(built_repo, "report", "exp=tiny", "--json"))
    told = json.loads(done.out)
    assert done.err == "" and told["exit"] == 0
    assert told["experiments"]["tiny"]["built"] == ["metrics", "report"]
    assert told["experiments"]["tiny"]["verdict"] in ("GO", "NO-GO", "NOT DECIDED")
    again = good(door(built_repo, "report", "exp=tiny", "--json"))
    assert json.loads(again.out)["experiments"]["tiny"]["built"] == [] and again.err == ""
    assert good(door(built_repo, "report", "exp=tiny", "json=1")).out == again.out


@both
def test_json_of_a_failure(repo: Path, door: Door) -> None:
    (repo / "weights/tiny.onnx").write_text("no model")
    done = door(repo, "report", "exp=tiny", "--json")
    told = json.loads(done.out)
    assert done.code == told["exit"] == 2
    assert len(told["experiments"]["tiny"]["faults"]) == 1
    assert all(line.startswith(("assay: ", "  kept")) for line in done.err.splitlines())


@both
def test_show(built_repo: Path, door: Door) -> None:
    listed = good(door(built_repo, "show", "exp=tiny"))
    assert {"io.inputs", "model.task", "pre.function"} <= {line.split()[0] for line in listed.out.splitlines()} and listed.err == ""
    for name, words in {"claim": ("claim=pre.function",), "misspelt": ("claim=pre.funktion",)}.items():
        same_as_golden("verbs", f"show_{name}", door(built_repo, "show", "exp=tiny", *words), built_repo)
    told = json.loads(good(door(built_repo, "show", "exp=tiny", "claim=pre", "--json")).out)
    assert [(claim["id"], claim["value"], claim["status"]) for claim in told] == [("pre.function", "preprocess", "confirmed")]


@both
def test_ask(built_repo: Path, door: Door) -> None:
    assert good(door(built_repo, "ask", "exp=tiny")) == (0, "tiny: no open questions\n", "")
    with (built_repo / "experiments/tiny.yaml").open("a") as file:
        file.write('contract: {pre.function: {is: preprocess, by: ada, against: "00000000"}}\n')
    assert built(built_repo, "tiny", "contract") == ["contract"]
    same_as_golden("verbs", "ask_open", door(built_repo, "ask", "exp=tiny"), built_repo)
    if door is tool:
        assert tool(built_repo, "ask", "tiny") == doit(built_repo, "ask", "exp=tiny")


@both
def test_show_and_ask_before_there_is_a_contract(repo: Path, door: Door) -> None:
    for verb in ("show", "ask"):
        done = door(repo, verb, "exp=tiny")
        refused(done, 2)
        same_as_golden("verbs", f"{verb}_never_built", done, repo)
    assert not (repo / "tmp/.current").exists(), "looking writes nothing"


# ---------------------------------------------------------------- verbs that change something
@both
def test_new(repo: Path, door: Door) -> None:
    done = good(door(repo, "new", "exp=fresh-one", "checkpoint=weights/tiny.onnx", "source=upstream", "name=tiny"))
    assert done.out.splitlines() == ["experiments/fresh-one.yaml", "  next: doit report exp=fresh-one"]
    text = (repo / "experiments/fresh-one.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=") and "checkpoint: weights/tiny.onnx" in text
    assert built(repo, "fresh-one", "source") == ["checkpoint", "refs", "source"]
    for name, args in {"again": ("exp=fresh-one",), "nameless": ()}.items():
        done = door(repo, "new", *args)
        refused(done, 2)
        same_as_golden("verbs", f"new_{name}", done, repo)
    done = good(door(repo, "new", "exp=unsaid"))
    assert "still to do" in done.out
    refused(door(repo, "report", "exp=unsaid"), 2)


def test_fresh_leaves_the_old_one(built_repo: Path) -> None:
    old = workspace(built_repo)
    done = good(doit(built_repo, "fresh", "exp=tiny"))
    new = workspace(built_repo)
    assert new != old and done.out == f"tiny: {new.relative_to(built_repo)}; {old.relative_to(built_repo)} stays\n"
    assert (old / "reports/experiment-report.md").is_file()
    assert built(built_repo, "tiny", "source") == ["checkpoint", "refs", "source"]
    edit(built_repo / "experiments/tiny.yaml", "device: cpu", "device: cpu\nworkspace: tmp/fixed")
    refused(tool(built_repo, "fresh", "tiny"), 2)


@both
def test_verify(built_repo: Path, door: Door) -> None:
    assert good(door(built_repo, "verify", "exp=tiny")).out.endswith(" files hashed, 0 differ\n")
    report = workspace(built_repo) / "outputs/stats.json"
    report.write_text(report.read_text().replace("1", "2", 1))
    (workspace(built_repo) / "raw/000.npz").unlink()
    done = door(built_repo, "verify", "exp=tiny")
    assert done.code == 1
    assert done.out.splitlines()[:2] == ["tiny: infer: raw/000.npz is missing", "tiny: measure: outputs/stats.json is not what was recorded"]
    assert done.out.endswith(", 2 differ\n")
    edit(workspace(built_repo) / "refs/upstream/scale.py", "grey / FULL", "grey * FULL")
    (workspace(built_repo) / "refs/upstream/names.py").write_text("no Python")
    said = door(built_repo, "verify", "exp=tiny").out
    assert all(f"decode: refs/upstream/{name}.py is not what was recorded\n" in said for name in ("scale", "names"))


def test_forget_builds_again(built_repo: Path) -> None:
    assert good(doit(built_repo, "forget", "exp=tiny", "infer")).out == "tiny: forgot infer\n"
    assert status(built_repo)["infer"] == "stale"
    assert good(doit(built_repo, "why", "exp=tiny")).out == "tiny: infer: forgotten\n"
    assert built(built_repo) == ["infer"], "the same answers again: nothing behind it is stale"
    assert good(tool(built_repo, "forget", "tiny")).out.startswith("tiny: forgot checkpoint, refs, ")
    assert built(built_repo, "tiny", "source") == ["checkpoint", "refs", "source"]


def test_clean_removes_what_was_built(built_repo: Path) -> None:
    place = workspace(built_repo)
    assert good(doit(built_repo, "clean", "exp=tiny")).out == f"tiny: removed {place.relative_to(built_repo)}\n"
    assert not place.exists() and not (built_repo / "tmp/.current/tiny").exists()
    assert good(doit(built_repo, "clean", "exp=tiny")).out == "tiny: nothing to clean\n"
    assert (built_repo / "weights/tiny.onnx").exists() and (built_repo / "experiments/tiny.yaml").exists()
    refused(doit(built_repo, "clean"), 2)
    refused(doit(built_repo, "clean", "--dry-run", "exp=tiny"), 2)


def test_adopt(built_repo: Path) -> None:
    place = workspace(built_repo) / "scripts/adapter.py"
    edit(place, "round(float(chances[best]), 6)", "round(float(chances[best]), 3)")
    good(doit(built_repo, "report", "exp=tiny"))
    assert "edited" in (workspace(built_repo) / "outputs/contract.json").read_text()
    done = good(tool(built_repo, "adopt", "exp=tiny"))
    assert done.out == "tiny: recipes/tiny/adapter.py is yours now\n"
    own = (built_repo / "recipes/tiny/adapter.py").read_text()
    assert "chances[best]), 3)" in own and not own.startswith("# assay:")
    good(doit(built_repo, "report", "exp=tiny"))
    assert built(built_repo) == []
    refused(doit(built_repo, "adopt"), 2)


def test_reproduce(built_repo: Path) -> None:
    done = good(doit(built_repo, "reproduce", "exp=tiny"))
    assert done.out.splitlines()[0] == "tiny: repeating in a copy" and done.out.splitlines()[-1] == "the same"
    shutil.rmtree(built_repo / "tmp")
    done = tool(built_repo, "reproduce", "tiny")
    refused(done, 2)
    same_as_golden("verbs", "reproduce_nothing", done, built_repo)


def test_reproduce_tells_a_difference(built_repo: Path) -> None:
    edit(workspace(built_repo) / "outputs/predictions.json", "bright", "blight")
    done = doit(built_repo, "reproduce", "exp=tiny")
    assert done.code == 1 and "these differ: outputs/predictions.json" in done.out
    assert done.out.splitlines()[-1] == "something differs"


def test_reproduce_with_another_checkpoint(built_repo: Path) -> None:
    make_model(built_repo / "weights/tiny.onnx", 0.25)
    done = doit(built_repo, "reproduce", "exp=tiny")
    assert done.code != 0 and "SHA-256" in done.text


# ---------------------------------------------------------------- what is not a word
MISSPELT = {
    "experiment": ("report", "exp=tny"),
    "experiment_of_task": ("report:tny",),
    "second_experiment": ("report", "exp=tiny,tny"),
    "no_experiment": ("report", "exp="),
    "stage": ("reprot", "exp=tiny"),
    "verb": ("lst",),
    "verb_with_experiment": ("list:tiny",),
    "verb_experiment": ("why", "exp=tny"),
    "word_of_verb": ("list", "tny"),
    "variable": ("report", "exxp=tiny"),
    "variable_of_verb": ("new", "checkpont=a", "exp=b"),
    "experiment_as_stage": ("tiny",),
    "nothing_near": ("qqq",),
    "doits_own": ("info", "report:tiny"),
    "doits_ignore": ("ignore", "report:tiny"),
}


@pytest.mark.parametrize("kind", MISSPELT)
def test_misspelt_is_one_line_through_both_doors(built_repo: Path, kind: str) -> None:
    before = journal(built_repo)
    done = doit(built_repo, *MISSPELT[kind])
    (line,) = refused(done, 2)
    same_as_golden("verbs", f"misspelt_{kind}", done, built_repo)
    assert tool(built_repo, *MISSPELT[kind]) == done
    if kind not in ("no_experiment", "nothing_near", "doits_own", "doits_ignore"):
        assert "did you mean" in line
    assert journal(built_repo) == before


OPTIONS = {
    "unknown": ("report", "tiny", "--jsn"),
    "without_value": ("-n",),
    "no_number": ("-n", "x", "report", "tiny"),
    "of_a_verb": ("clean", "tiny", "--dry-run"),
    "no_folder": ("-d", "nowhere", "report", "tiny"),
    "folder_missing": ("report", "tiny", "-d"),
    "not_a_repository": ("-d", "/", "report", "tiny"),
    "shell": ("completion", "fish"),
    "no_shell": ("completion",),
    "unknown_name": ("report", "tny"),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_of_assay(repo: Path, kind: str) -> None:
    done = tool(repo, *OPTIONS[kind])
    refused(done, 2)
    same_as_golden("verbs", f"option_{kind}", done, repo)


def test_an_option_behind_the_stage_is_explained(repo: Path) -> None:
    done = doit(repo, "report", "exp=tiny", "-n", "2")
    refused(done, 2)
    same_as_golden("verbs", "option_behind", done, repo)


def test_help_and_version(repo: Path) -> None:
    for words in ((), ("help",), ("--help",), ("-h",)):
        done = good(tool(repo, *words))
        assert all(f"  assay {verb} " in done.out for verb in VERBS) and done.err == ""
    assert good(tool(repo, "--version")).out.startswith("assay ")
    assert good(doit(repo, "help", "report")).out.split()[0] == "report"


def test_every_verb_was_tried() -> None:
    text = Path(__file__).read_text() + Path(__file__).with_name("test_door_start.py").read_text()
    text += Path(__file__).with_name("test_inspect.py").read_text()
    assert [verb for verb in VERBS if f'"{verb}"' not in text] == []


def test_another_experiment_is_left_alone(built_repo: Path) -> None:
    add_experiment(built_repo, "other")
    assert built(built_repo) == []
    assert status(built_repo, "other")["checkpoint"] == "never"
    done = good(doit(built_repo, "list"))
    assert [line.split()[0] for line in done.out.splitlines() if not line.startswith(" ")] == ["other", "tiny"]
