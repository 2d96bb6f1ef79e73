"""Versions are proved by importing; what cannot be known or found is said, and changes nothing."""

import pytest

from shop import Shop, one_line, plans
from tiny import EXPERIMENT, edit, workspace

GONE = "raise ImportError('inkpot has no well any more')\n"
PIP = "import subprocess\nimport sys\n\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'evil'])\n"

NOWHERE = "source: {repo: 'https://127.0.0.1:9/nowhere.git'}"


def rungs(shop: Shop) -> list[tuple[int, str, list[str]]]:
    return [(r["number"], r["outcome"], r["packages"]) for r in shop.record()["rungs"]]


# ---------------------------------------------------------------- E4: the ladder
def test_the_latest_is_broken_and_upstreams_pin_serves(real_shop: Shop) -> None:
    real_shop.declare("quill<2")
    real_shop.sell("quill", "1.0")
    real_shop.sell("quill", "2.0", code=GONE)
    done = real_shop.doit("report", "exp=tiny", "--on-missing=add")
    assert done.code == 0, done.text
    assert rungs(real_shop) == [(2, "broken", ["quill==2.0"]), (4, "ok", ["quill==1.0"])]
    assert real_shop.record()["rungs"][0]["message"] == "adapter.py:4: ImportError: inkpot has no well any more"
    assert "quill==1.0" in real_shop.freeze()
    report = (workspace(real_shop.repo) / "reports/experiment-report.md").read_text()
    assert "the latest of what is missing" in report and "upstream's own pins" in report
    assert "inkpot has no well any more" in report


@pytest.mark.parametrize("policy", ["add", "new"])
def test_the_package_that_fails_is_taken_of_the_time_of_the_one_that_asks(stocked: Shop, policy: str) -> None:
    for file in [*stocked.index.folder.glob("quill-*"), *stocked.index.folder.glob("inkpot-*")]:
        file.unlink()
    stocked.sell("quill", "1.0", "2022-09-01", requires=["inkpot"], code="from inkpot.well import dip\n")
    stocked.sell("inkpot", "1.0", "2022-01-01", files={"inkpot/well.py": "def dip(): ...\n"})
    stocked.sell("inkpot", "2.0", "2023-06-01")
    done = stocked.doit("deps", "exp=tiny", f"--on-missing={policy}")
    assert done.code == 0, done.text
    told = stocked.record()["rungs"]
    assert [(r["number"], r["outcome"]) for r in told] == [(3 if policy == "new" else 2, "broken"), (5, "ok")]
    assert (told[0]["culprit"], told[1]["what"]) == ("inkpot", "inkpot of the time of quill, 2022-09-01")
    assert {"inkpot==1.0", "quill==1.0"} <= set(told[1]["packages"])
    assert len(stocked.made()) == (policy == "new")  # of the one that did not serve nothing stays


@pytest.mark.parametrize("policy", ["add", "new"])
def test_when_nothing_serves_one_line_tells_all_that_was_tried(stocked: Shop, policy: str) -> None:
    stocked.declare("quill<2" if policy == "add" else "quill")
    for version in ("1.0", "2.0"):
        stocked.sell("quill", version, code=GONE)
    with stocked.unchanged():
        done = stocked.doit("deps", "exp=tiny", f"--on-missing={policy}")
    said = one_line(done, 1, "no versions serve: the latest of ")
    assert ("; upstream's own pins: " in said) == (policy == "add")
    assert said.count("inkpot has no well any more") == (2 if policy == "add" else 1)
    assert "no versions serve" in stocked.doit("why", "exp=tiny").out


def test_pins_that_do_not_fit_are_one_line(stocked: Shop) -> None:
    stocked.sell("quill", "9.0", requires=["inkpot>=7"])
    with stocked.unchanged():
        done = stocked.doit("deps", "exp=tiny", "--on-missing=add", "--constraint=pins.txt")
        one_line(done, 2, "env.index.constraints: pins.txt", "is not there")
        (stocked.repo / "pins.txt").write_text("quill==9.0\n")
        done = stocked.doit("deps", "exp=tiny", "--on-missing=add", "--constraint=pins.txt")
        one_line(done, 1, "no versions serve", "inkpot>=7")


# ---------------------------------------------------------------- E7: code that installs by itself
def test_upstream_that_installs_at_import_is_refused_and_named(real_shop: Shop) -> None:
    shop = real_shop
    (shop.repo / "upstream/helping.py").write_text(PIP)
    shop.experiment("tiny", "helping")
    with shop.unchanged():
        done = shop.doit("report", "exp=tiny")
    said = one_line(done, 1, "upstream's code wanted to install packages", "pip install evil")
    assert "refs/upstream/helping.py:4" in said
    assert shop.index.asked == []


def test_upstream_that_installs_is_refused_when_it_is_proved(stocked: Shop) -> None:
    import numpy

    (stocked.repo / "upstream/detect.py").write_text(PIP + "\nif __name__ == '__main__':\n    print(1)\n")
    numpy.savez(stocked.repo / "weights/tiny.npz", w=numpy.zeros(3, "float32"))
    text = EXPERIMENT.replace("tiny.onnx", "tiny.npz").replace("recipe: tiny\n", "").replace("params: {bias: 0.0, gain: 1.0}\n", "")
    text = text.replace("{path: upstream}", "{path: upstream, entry: [detect.py]}")
    env = f"env: {{python: env/bin/python, index: {{url: '{stocked.index.url}'}}}}\n"
    (stocked.repo / "experiments/tiny.yaml").write_text(text + env)
    with stocked.unchanged():
        done = stocked.doit("deps", "exp=tiny")
        said = one_line(done, 3, "what is installed does not serve", "upstream's code wanted to install packages")
        assert "refs/upstream/detect.py:4" in said and "pip install evil" in said
        assert plans(done)["tiny"]["choices"] == ["new"]
        one_line(stocked.doit("deps", "exp=tiny", "--on-missing=new"), 1, "wanted to install packages")


# ---------------------------------------------------------------- unknown names
def test_an_unknown_import_is_asked_for_and_never_tried(stocked: Shop) -> None:
    stocked.sell("mystery", "1.0")  # whoever owns that name: nothing says that it is meant
    stocked.experiment("tiny", "mystery")
    with stocked.unchanged():
        for policy in ("ask", "add", "new"):
            done = stocked.doit("deps", "exp=tiny", f"--on-missing={policy}")
            one_line(done, 3, "mystery missing", "adapter.py:4 imports mystery", "env.map: {mystery: PACKAGE}")
    assert not [path for path in stocked.index.asked if "mystery" in path]
    stocked.sell("enigma", "3.0", files={"mystery/__init__.py": ""})
    edit(stocked.repo / "experiments/tiny.yaml", "env: {", "env: {map: {mystery: enigma}, ")
    done = stocked.doit("deps", "exp=tiny", "--on-missing=add")
    assert done.code == 0, done.text
    assert "enigma==3.0" in stocked.freeze()


@pytest.mark.parametrize("name", ["opencovis-python", "testcv2", "reqeusts"])
def test_a_lookalike_is_refused(stocked: Shop, name: str) -> None:
    stocked.sell(name, "1.0", files={"mystery/__init__.py": ""})
    stocked.experiment("tiny", "mystery", env=f"map: {{mystery: {name}}}, on_missing: add")
    with stocked.unchanged():
        one_line(stocked.doit("deps", "exp=tiny"), 3, name, "not ")
    assert not [path for path in stocked.index.asked if name in path]


# ---------------------------------------------------------------- several at once
def test_one_without_an_answer_stops_alone_and_a_broken_source_holds_nobody_up(stocked: Shop) -> None:
    stocked.experiment("adds", "quill", env="on_missing: add")
    stocked.experiment("asks", "quill", "inkpot", env="map: {inkpot: inkpot}")
    stocked.experiment("broken", "quill", env="on_missing: add")
    edit(stocked.repo / "experiments/broken.yaml", "source: {path: upstream}", NOWHERE)
    stocked.experiment("makes", "quill", env="on_missing: new")
    done = stocked.doit("-n", "2", "deps", "exp=adds,asks,broken,makes")
    assert done.code == 1 and "Traceback" not in done.text, done.text
    assert list(plans(done)) == ["asks"]
    assert {line.split(":")[1].strip() for line in done.err.splitlines() if line.startswith("assay: ")} == {
        "refs broken", "deps asks"
    }  # fmt: skip
    assert [stocked.record(experiment=name)["made"] for name in ("adds", "makes")] == ["added", "new"]


def test_the_others_are_asked_for_when_one_fails_at_its_source(stocked: Shop) -> None:
    stocked.experiment("broken", "quill")
    edit(stocked.repo / "experiments/broken.yaml", "source: {path: upstream}", NOWHERE)
    stocked.experiment("other", "quill")
    done = stocked.sit("-n", "2", "deps", "exp=broken,other,tiny").see("answer [q]: ").type("a\n").end()
    assert done.code == 1 and done.out.count("answer [q]: ") == 1, done.out
    assert [stocked.record(experiment=name)["missing"] for name in ("other", "tiny")] == [[], []]
