"""How much depends on an import: every class of them, and whatever else may stand in a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.upstream.importing import WEAKER, read


def kinds(text: str) -> dict[str, str]:
    found, broken = read(text)
    assert not broken
    return {i.module: i.kind for i in found}


CLASSES = {
    "import a": "hard",
    "class C:\n    import a": "hard",
    "with open('x'):\n    import a": "hard",
    "for x in y:\n    import a": "hard",
    "def f():\n    import a": "lazy",
    "async def f():\n    import a": "lazy",
    "class C:\n    def f(self):\n        import a": "lazy",
    "if x:\n    import a": "lazy",
    "if x:\n    pass\nelif y:\n    import a": "lazy",
    "match x:\n    case 1:\n        import a": "lazy",
    "try:\n    import a\nexcept ImportError:\n    a = None": "optional",
    "try:\n    import a\nexcept ModuleNotFoundError as e:\n    print(e)": "optional",
    "try:\n    import a\nexcept Exception:\n    pass": "optional",
    "try:\n    import a\nexcept:\n    pass": "optional",
    "try:\n    import a\nexcept (ValueError, ImportError):\n    pass": "optional",
    "try:\n    pass\nexcept ImportError:\n    import a": "optional",
    "try:\n    import b\nexcept ImportError:\n    pass\nelse:\n    import a": "optional",
    "def f():\n    try:\n        import a\n    except ImportError:\n        pass": "optional",
    "from contextlib import suppress\nwith suppress(ImportError):\n    import a": "optional",
    "try:\n    import a\nexcept ImportError:\n    def f():\n        raise ValueError": "optional",
    "try:\n    import a\nexcept ImportError:\n    try:\n        import b\n    except ImportError:\n        raise": "optional",
    "try:\n    import a\nexcept ImportError as e:\n    raise SystemExit(1) from e": "hard",
    "try:\n    import a\nexcept ImportError:\n    sys.exit('install a')": "hard",
    "try:\n    import a\nexcept ImportError:\n    raise\nexcept Exception:\n    pass": "hard",
    "try:\n    import a\nexcept KeyError:\n    pass": "hard",
    "try:\n    import a\nfinally:\n    pass": "hard",
    "try:\n    x\nexcept ImportError:\n    pass\nfinally:\n    import a": "hard",
    "if TYPE_CHECKING:\n    import a": "typing",
    "if typing.TYPE_CHECKING:\n    import a": "typing",
    "if TYPE_CHECKING:\n    pass\nelse:\n    import a": "hard",
    "if not TYPE_CHECKING:\n    import a": "hard",
    "if __name__ == '__main__':\n    import a": "main",
    "if '__main__' == __name__:\n    import a": "main",
    "if __name__ == '__main__':\n    pass\nelse:\n    import a": "hard",
    "if __name__ == '__main__':\n    if x:\n        import a": "lazy",
    "importlib.import_module('a')": "dynamic",
    "m = [__import__('a')]": "dynamic",
}


@pytest.mark.parametrize("text", CLASSES)
def test_every_class(text: str) -> None:
    assert kinds(text)["a"] == CLASSES[text]


EITHER_WAY = {
    "try:\n    from a.auto import x\nexcept ImportError:\n    from a import x": ("a", "hard"),
    "try:\n    from a.new import x\nexcept ImportError:\n    from a.old import x": ("a", "hard"),
    "try:\n    import b, a.c.d\nexcept:\n    import a.c.e as x": ("a.c", "hard"),
    "def f():\n    try:\n        import a.b\n    except ImportError:\n        import a": ("a", "lazy"),
    "try:\n    import a.b\nexcept KeyError:\n    import a": ("a", "optional"),
    "try:\n    import a.b\nexcept ImportError:\n    if x:\n        import a": ("a", "optional"),
    "try:\n    if x:\n        import a.b\nexcept ImportError:\n    import a": ("a", "optional"),
    "try:\n    import ab\nexcept ImportError:\n    import a": ("a", "optional"),
    "try:\n    from .a import x\nexcept ImportError:\n    from a import x": ("a", "optional"),
    "try:\n    import google.a\nexcept ImportError:\n    import google.b": ("google", ""),
}


@pytest.mark.parametrize("text", EITHER_WAY)
def test_what_a_try_and_its_stand_in_share(text: str) -> None:
    module, kind = EITHER_WAY[text]
    found = sorted((i.kind for i in read(text)[0] if i.module == module), key=WEAKER.index)
    assert found[:1] == [kind][: bool(kind)]


def test_names_lines_and_dots() -> None:
    found, _ = read("import a.b as c, d\n\nfrom . import e\nfrom ..f.g import h, i\nfrom j import *\n")
    assert [(i.module, i.names, i.line) for i in found] == [
        ("a.b", [], 1), ("d", [], 1), (".", ["e"], 3), ("..f.g", ["h", "i"], 4), ("j", ["*"], 5),
    ]  # fmt: skip


COMPUTED = {
    "import_module(f'pkg.archs.{x}')": "pkg.archs.",
    "import_module('pkg.' + x)": "pkg.",
    "import_module('pkg.%s' % x)": "pkg.",
    "import_module('pkg.{}'.format(x))": "pkg.",
    "import_module(f'.{x}', __package__)": ".",
    "import_module(f'{__name__}.archs.{x}')": ".archs.",
    "import_module(name)": "",
    "import_module(f'{x}')": "",
    "import_module('.'.join(['pkg', 'archs', x]))": "pkg.archs.",
    "import_module('.'.join(('pkg', f'net_{x}', y)))": "pkg.net_",
    "import_module('.'.join(parts))": "",
    "import_module('.'.join([*parts]))": "",
    "import_module(sep.join(['pkg', x]))": "",
    "import_module('.'.join())": "",
    "import_module(os.path.join('pkg', x))": "",
    "def f(x):\n    name = f'pkg.{x}'\n    return import_module(name)": "pkg.",
    "name: str = 'pkg.' + x\nimport_module(name)": "pkg.",
    "name = 'pkg.' + x\ndef f(name):\n    import_module(name)": "",
    "name = 'pkg.' + x\nname += y\nimport_module(name)": "",
    "name = 'pkg.' + x\nif y:\n    name = y\nimport_module(name)": "",
    "name = 'pkg.' + x\nfor name in y:\n    import_module(name)": "",
    "name, y = 'pkg.' + x, y\nimport_module(name)": "",
    "name = 'pkg.' + x\ntry:\n    pass\nexcept OSError as name:\n    import_module(name)": "",
    "name = name\nimport_module(name)": "",
    "name: str\nimport_module(name)": "",
}


@pytest.mark.parametrize("text", COMPUTED)
def test_a_computed_name(text: str) -> None:
    assert kinds(text) == {COMPUTED[text]: "computed"}


def test_a_name_that_is_all_literal() -> None:
    assert kinds("name = 'pkg.a'\nimport_module(name)") == {"pkg.a": "dynamic"}
    assert kinds("import_module('.'.join(['pkg', 'a']))") == {"pkg.a": "dynamic"}


def test_a_relative_literal() -> None:
    assert kinds("import_module('.a', 'pkg')") == {"pkg.a": "dynamic"}
    assert kinds("import_module('.a', package=__package__)") == {".a": "dynamic"}


BROKEN = {
    "print 'python 2'": "not Python 3: line 1",
    "x = 1\nexec code in d": "not Python 3: line 2",
    "import (": "not Python 3: line 1",
    "\ud800": "Python that cannot be parsed",
    "x = " + "-" * 100_000 + "1": "Python that cannot be parsed",
}


@pytest.mark.parametrize("text", BROKEN, ids=["print", "exec", "syntax", "surrogate", "deep"])
def test_a_broken_file(text: str) -> None:
    assert read(text) == ([], BROKEN[text])


def test_nul_is_broken() -> None:
    assert read("import a\0")[1]


def test_a_chain_of_branches() -> None:
    text = "if x == 0:\n    pass\n" + "".join(f"elif x == {n}:\n    import m{n}\n" for n in range(1, 50))
    assert len(kinds(text)) == 49


PIECES = st.sampled_from(
    ["import a", "from . import b", "try:", "except ImportError:", "raise", "if __name__ == '__main__':", "def f():",
     "__import__(", "import_module(f'{x}')", "x = '.'.join(['a', x])", "import_module(x)",
     "    ", "\n", "\t", "\0", "'", '"""', "\\", "(", "é", "\ud800", "if x:",
     "else:", "match x:", "case _:", "pass", "try:\n    import a\nexcept* ImportError:\n    pass\n"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.lists(PIECES).map("\n".join)))
def test_it_never_raises(text: str) -> None:
    found, broken = read(text)
    assert not (found and broken)
