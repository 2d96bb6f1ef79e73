"""What lies beside a recipe's adapter goes with it, and what a run imported of the environment is remembered."""

from pathlib import Path

from tiny import ADAPTER, doit, journal, workspace


def ran(repo: Path) -> list[str]:
    import json

    done = doit(repo, "report", "exp=tiny", "--json")
    assert done.code == 0, done.text
    return list(json.loads(done.out)["experiments"]["tiny"]["built"])


def test_a_file_and_a_module_beside_the_adapter_are_carried_and_watched(repo: Path) -> None:
    adapter = ADAPTER.replace('"""How the tiny model is used."""', '"""How."""\n\nimport json\nfrom pathlib import Path\n\nimport words')
    adapter = adapter.replace("    from names import NAMES\n", '    extra = json.loads(Path(__file__).with_name("extra.json").read_text())\n    NAMES = words.NAMES\n    assert extra\n')
    (repo / "recipes/tiny/adapter.py").write_text(adapter)
    (repo / "recipes/tiny/words.py").write_text('NAMES = ["dark", "bright"]\n')
    (repo / "recipes/tiny/extra.json").write_text("[1]")
    ran(repo)
    assert (workspace(repo) / "scripts/extra.json").read_text() == "[1]"
    assert ran(repo) == []
    (repo / "recipes/tiny/extra.json").write_text("[2]")
    again = ran(repo)
    assert "decode" in again and "infer" not in again
    (repo / "recipes/tiny/words.py").write_text('NAMES = ["DARK", "bright"]\n')
    assert "decode" in ran(repo)
    (repo / "recipes/tiny/more.txt").write_text("new")
    assert ran(repo) == ["contract"]


def test_the_packages_that_a_run_imported_are_among_what_it_read(built_repo: Path) -> None:
    read = {line["stage"]: line["read"] for line in journal(built_repo) if "request" in line}
    assert read["infer"]["package:numpy"].startswith("numpy-")
    assert "package:onnxruntime" in read["infer"] and "package:onnxruntime" not in read["decode"]
