"""Licences by their words."""

import hashlib
from pathlib import Path

import pytest

from assay.upstream import licenses

MODELS = Path(__file__).parents[4] / "shared" / "models"

MIT = "MIT License\n\nCopyright (c) 2020 X\n\nPermission is hereby granted, free of charge, to any person"
BSD2 = "Redistribution and use Redistributions of source code must\nretain the above copyright"


@pytest.mark.parametrize(
    ("text", "name", "closed"),
    [
        (MIT, "MIT", False),
        (MIT + "\nThe weights are for non-commercial use only.", "unrecognised", True),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0", False),
        (BSD2, "BSD-2-Clause", False),
        (BSD2 + " Neither the name of the copyright holder", "BSD-3-Clause", False),
        (
            "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007 GNU Affero ... noncommercially",
            "GPL-3.0",
            False,
        ),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991 ... GNU Lesser General Public License", "GPL-2.0", False),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3 ... GNU General Public License", "AGPL-3.0", False),
        ("GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3 ... the GNU General Public License", "LGPL-3.0", False),
        ("Mozilla Public License Version 2.0", "MPL-2.0", False),
        ("This is free and unencumbered software released into the public domain.", "Unlicense", False),
        ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0", False),
        ("Attribution-NonCommercial 4.0 International\n=====\nCreative Commons Corporation", "CC-BY-NC-4.0", True),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International", "CC-BY-NC-SA-4.0", True),
        ("You may use this for research purposes only.", "unrecognised", True),
        ("All rights reserved.", "unrecognised", False),
    ],
)
def test_texts(text: str, name: str, closed: bool) -> None:
    assert licenses.recognise(text) == (name, closed)


def test_a_file_before_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# X\n\n## License\n\nGPL-3.0\n")
    found = licenses.find(tmp_path)
    assert (found.file, found.name) == ("README.md", "GPL-3.0")
    (tmp_path / "LICENSE.md").write_text(MIT)
    found = licenses.find(tmp_path)
    assert (found.file, found.name, found.sha256) == ("LICENSE.md", "MIT", hashlib.sha256(MIT.encode()).hexdigest())


@pytest.mark.parametrize(
    ("section", "name", "closed"),
    [
        ("Released under the MIT license.", "MIT", False),
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0", True),
        ("Apache 2.0, see the file", "Apache-2.0", False),
        ("Free for non-commercial research.", "unrecognised", True),
        ("Ask us.", "unrecognised", False),
    ],
)
def test_a_readme_section(tmp_path: Path, section: str, name: str, closed: bool) -> None:
    (tmp_path / "README.rst").write_text(f"X\n=\n\nLicence\n-------\n{section}\n")
    found = licenses.find(tmp_path)
    assert (found.name, found.non_commercial) == (name, closed)


def test_none(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("This code limits nothing.\n")
    (tmp_path / "license.py").write_text("x = 1\n")
    found = licenses.find(tmp_path)
    assert (found.file, found.name, found.sha256) == ("", "none", "")


@pytest.mark.skipif(not MODELS.is_dir(), reason="the shared models are not here")
def test_real_licences() -> None:
    names = {p.parent.name: licenses.recognise(p.read_text())[0] for p in MODELS.rglob("LICENSE.upstream")}
    assert names == {"magika": "Apache-2.0", "silero-vad": "MIT", "ultralight-face": "MIT", "vdsr-pickle": "MIT"}
