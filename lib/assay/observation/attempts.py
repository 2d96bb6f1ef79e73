"""How upstream's entrypoint may be started: by documented commands, by its defaults, our files in place of theirs."""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from assay.records import Command, Option, Script, Source, Use
from assay.upstream import importing
from assay.upstream.closure import closure
from assay.upstream.console import module_file

INPUT, FOLDER, CHECKPOINT, OUT = "@input", "@inputdir", "@checkpoint", "@out"
WEIGHTS = re.compile(
    r"\.(pth?|pt2|onnx|pkl|pickle|tar|tgz|ckpt|weights|bin|safetensors|jit|torchscript|th|model)$", re.I
)
IMAGES = re.compile(r"\.(png|jpe?g|bmp|webp|tiff?|ppm|gif)$", re.I)
SOUNDS = re.compile(r"\.(wav|flac|ogg|mp3|m4a)$", re.I)
HOLDS_WEIGHTS = re.compile(
    r"weights?|checkpoint|ckpt|trained|pretrained|resume|snapshot|restore|model_?(path|file)|load", re.IGNORECASE
)
HOLDS_INPUT = re.compile(
    r"^(.*_)?(img|imgs|image|images|input|inputs|source|picture|pictures|photo|audio|wav|file|lr|demo|src)(_.*)?$"
    r"|^(path|data|test_?path|input_?(dir|path|folder))$",
    re.IGNORECASE,
)
HOLDS_FOLDER = re.compile(r"dir|folder|root|imgs|images", re.I)
HOLDS_OUT = re.compile(r"out|save|result|dest|export|log", re.I)
WRITES = re.compile(r"^(out|output|save|saved|result|results|dest|destination|export|target)s?(_|$)", re.I)
HOLDS_MADE = re.compile(
    r"^(de\w+ed|enhanced|restored|generated|predicted|processed|cleaned|separated|converted|upscaled|"
    r"colou?ri[sz]ed|synthesi[sz]ed|reconstructed|styli[sz]ed)(_|$)",
    re.I,
)  # what a model makes of its input
FILE = re.compile(r"\.[a-z]\w{1,4}$", re.I)
TRAINS = re.compile(
    r"-*(?:[\w-]+=)?(?:do[-_])?(?:re|pre)?(?:train(?:ing)?|fine[-_]?tun(?:e|ing)|eval|evaluate|evaluation|val|validate)",
    re.I,
)
INFERS = re.compile(
    r"-*(?:[\w-]+=)?(?:do[-_])?(?:denoise|test|infer|inference|predict|demo|detect|enhance|restore|classify|segment|"
    r"recogni[sz]e|transcribe|separate|generate|run)",
    re.I,
)
ASKS = {"-h", "--help", "--version"}  # a command that only tells of itself
LIBRARIES = {"image": ("cv2", "PIL", "skimage", "imageio", "torchvision", "matplotlib"),
             "audio": ("soundfile", "librosa", "torchaudio", "wave", "pydub", "audioread")}  # fmt: skip
NAMED = re.compile(r"""['"]([\w.-]+(?:/[\w.-]+)+)['"]""")  # a file, by a relative path
PLACEHOLDER = re.compile(r"[<>{}|]|\[[a-z]|\.\.\.|(^|\s)(path/to|your_)", re.IGNORECASE)
OLD = re.compile(r"change|history|release|news", re.IGNORECASE)  # documents that tell how it used to be
DOCUMENTED = "a document runs it"  # the reason of an entrypoint
MOST = 6


class Attempt(NamedTuple):
    """A way to start an entrypoint, and which kind of input it is given."""

    entry: dict[str, Any]  # {"script": path in the tree} or {"snippet": {text, path, line}}
    tree: str
    argv: tuple[str, ...]
    cwd: str
    kinds: tuple[str, ...]
    documented: bool = False
    roots: tuple[str, ...] = ()  # further folders that its imports are found in
    builds: bool = False  # it works with `model`, which has to be built before
    called: bool = False  # it calls a function, as no script or document does
    doubted: bool = False  # what it is given may not be what its callers give it

    @property
    def where(self) -> str:
        """Name the entrypoint as evidence does."""
        if "script" in self.entry:
            return f"{self.tree}/{self.entry['script']}"
        return f"{self.entry['snippet']['path']}:{self.entry['snippet']['line']}"


def attempts(source: Source, checkpoint: str, given: "Mapping[str, Any]", chosen: "Sequence[str]") -> "list[Attempt]":
    """List the ways to start upstream's entrypoints, the likeliest first; `given` are options that a person set."""
    scripts = {script.path: script for script in source.scripts}
    trees = {m.path.partition("/")[0] for m in source.modules}
    pages = {use.path for use in source.uses if use.paged}  # as a script such a file waits for a browser
    likely = [path for path in _likely(source) if path not in pages]
    wanted = [f"{tree}/{path}" for path in chosen for tree in sorted(trees)] or likely
    found: list[Attempt] = []
    for path in wanted:
        if path in scripts and not path.endswith("/hubconf.py"):
            found += _of_script(source, scripts[path], checkpoint, given)
    documented = {s.text: s for s in reversed(source.snippets) if not OLD.search(s.path)} if not chosen else {}
    snippets = [_of_snippet(source, s.path, s.line, s.text) for s in reversed(documented.values())]
    first = [a for a in found if a.where == found[0].where and a.documented]
    ordered = [*first, *snippets, *(a for a in found if a not in first)]
    if any(_takes_input(a) for a in ordered):  # what takes arguments and no input works on data of its own
        ordered.sort(key=lambda a: bool(a.argv) and not _takes_input(a))
    uses = [_of_use(source, use) for use in source.uses if not chosen]
    kept = list({(a.where, a.argv, a.cwd): a for a in ordered}.values())[: MOST - len(uses)]
    return [*kept, *uses]


def _of_use(source: Source, use: Use) -> Attempt:
    """Call a function that runs the model; it is named by itself, for lines move."""
    entry = {"snippet": {"path": use.path, "line": use.name, "text": use.text}}
    tree, _, path = use.path.partition("/")
    roots = () if use.root == tree else (use.root,)
    folder = _home(source, tree, path) if use.served else ""
    return Attempt(entry, tree, (CHECKPOINT, INPUT), folder, (use.kind,), roots=roots, builds=use.builds, called=True,
                   doubted=use.doubted)  # fmt: skip


def _takes_input(attempt: Attempt) -> bool:
    return any(place in word for word in attempt.argv for place in (INPUT, FOLDER))


def _likely(source: Source) -> "list[str]":
    """Name the entrypoints that come near the likeliest; what trains or prepares data is none."""
    best = max((e.score for e in source.entrypoints), default=0)
    return [e.path for e in source.entrypoints if e.score >= max(2, best * 0.4)]


def _of_script(source: Source, script: Script, checkpoint: str, given: "Mapping[str, Any]") -> "Iterator[Attempt]":
    tree, _, path = script.path.partition("/")
    kinds = _kinds(source, script.path)
    own = next((m for m in source.modules if m.path == script.path), None)
    roots = _roots(source, tree, {i.module.partition(".")[0] for i in own.imports} if own else set())
    calls = bool(script.call) and not script.guarded
    home = "" if calls else _home(source, tree, path)
    if calls:
        roots = _root_of(source, tree, script.call)
    told = {e.path for e in source.entrypoints if DOCUMENTED in e.reasons}
    for argv, said in _lines(source, script, checkpoint, tree):
        where, shown, folder = (said.where, said.argv, said.cd) if said else (f"{script.path}:1", argv, "")
        entry = _call(script.call, where) if calls else {"script": path}
        words = (*argv, *_given(script, given))
        ordered = _ordered(kinds, " ".join(shown))
        yield Attempt(entry, tree, words, folder or home, ordered, script.path in told, roots)


def _lines(source: Source, script: Script, checkpoint: str, tree: str) -> "Iterator[tuple[list[str], Command | None]]":
    """Give the command lines to try: the best that documents show, the defaults, and last what only trains."""
    whole = [c for c in script.commands if not PLACEHOLDER.search(" ".join(c.argv)) and not ASKS & set(c.argv)]
    placed = [(_documented(source, script, c.argv, tree), c) for c in whole]
    ready = [(argv, c) for argv, c in placed if argv is not None]
    ready.sort(key=lambda one: _least_first(one[0], one[1], checkpoint))
    useful = [one for one in ready if not _trains(one[1])]
    yield from useful[:2]
    argv = _by_defaults(source, script, tree)
    if argv is not None:
        yield argv, None
    if not useful:  # training may write over what it is given
        yield from ready[:2]


def _least_first(argv: "Sequence[str]", command: Command, checkpoint: str) -> "tuple[bool, bool, bool]":
    """Sort what names our checkpoint, infers and takes our input before what does not."""
    names = any(checkpoint in word for word in command.argv)
    return not names, not _infers(command), not any(place in word for word in argv for place in (INPUT, FOLDER))


def _infers(command: Command) -> bool:
    return any(INFERS.fullmatch(word) for word in command.argv)


def _trains(command: Command) -> bool:
    return not _infers(command) and any(TRAINS.fullmatch(word) for word in command.argv)


def _call(call: str, where: str) -> "dict[str, Any]":
    """Write what an installed command runs; it stands where a document shows the command."""
    module, _, function = call.partition(":")
    path, _, line = where.rpartition(":")
    text = f"from {module} import {function.partition('.')[0]}\n\n{function}()\n"
    return {"snippet": {"path": path, "line": int(line), "text": text}}


def _root_of(source: Source, tree: str, call: str) -> "tuple[str, ...]":
    """Name the folder that a command's module is imported from, where that is not the tree's top."""
    module = call.partition(":")[0]
    file = module_file(source.python_files, tree, module)
    root = file.removesuffix(".py").removesuffix("/__init__").removesuffix("/" + module.replace(".", "/"))
    return (root,) if file and root != tree else ()


def _ordered(kinds: "tuple[str, ...]", shown: str) -> "tuple[str, ...]":
    """Put the kind first that a command line speaks of."""
    patterns = {"image": IMAGES, "audio": SOUNDS}
    return tuple(sorted(kinds, key=lambda kind: kind not in patterns or not _mentions(patterns[kind], shown)))


def _of_snippet(source: Source, path: str, line: int, text: str) -> Attempt:
    tree = path.partition("/")[0]
    kinds = tuple(k for k, pattern in (("image", IMAGES), ("audio", SOUNDS)) if _mentions(pattern, text))
    entry = {"snippet": {"path": path, "line": line, "text": text}}
    names = {i.module.partition(".")[0] for i in importing.read(text)[0]}
    return Attempt(entry, tree, (), "", kinds or ("bytes", "image"), roots=_roots(source, tree, names))


def _roots(source: Source, tree: str, names: "set[str]") -> "tuple[str, ...]":
    """Name the folders of a tree in which packages of these names begin, where that is not its top."""
    folders = {posixpath.dirname(p) for p in source.python_files if p.endswith("/__init__.py")}
    first = {f for f in folders if posixpath.dirname(f) not in folders and posixpath.basename(f) in names}
    return tuple(sorted({posixpath.dirname(f) for f in first if f.startswith(tree + "/")} - {tree}))


def _mentions(pattern: "re.Pattern[str]", text: str) -> bool:
    words = re.findall(r"[\w./-]+", text)
    audio = pattern is SOUNDS and bool(re.search(r"audio|wav\b|speech|sampling", text, re.I))
    return audio or any(pattern.search(word) for word in words)


def _kinds(source: Source, path: str) -> "tuple[str, ...]":
    """Say of which kind a script's inputs may be, by the libraries that it reaches."""
    reached = closure(source.modules, [path])
    tops = {need.module.partition(".")[0] for need in reached.needs}
    tops |= {i.module for m in source.modules if m.path in reached.files for i in m.imports if i.module == "wave"}
    found = [kind for kind, names in LIBRARIES.items() if tops & set(names)]
    return tuple(found) if found else ("bytes",)


def _home(source: Source, tree: str, path: str) -> str:
    """Give the folder that a script is started in: the tree's top, unless what it imports lies beside it only."""
    folder = posixpath.dirname(path)
    beside = [m.path for m in source.modules if posixpath.dirname(m.path) == f"{tree}/{folder}"] if folder else []
    names = {posixpath.basename(p)[:-3] for p in beside}
    own = next((m for m in source.modules if m.path == f"{tree}/{path}"), None)
    wants = {i.module.partition(".")[0] for i in own.imports} if own else set()
    top = {posixpath.basename(m.path)[:-3] for m in source.modules if m.path.count("/") == 1}
    return folder if folder and wants & names and not wants & names & top else ""


def home(way: Attempt, text: str, files: "Collection[str]") -> str:
    """Start a script at the tree's top where the files that it names lie as seen from there."""
    named = {posixpath.normpath(one) for one in NAMED.findall(text)}
    top = sum(f"{way.tree}/{name}" in files for name in named)
    own = sum(f"{way.tree}/{way.cwd}/{name}" in files for name in named)
    return "" if way.cwd and "script" in way.entry and top > own else way.cwd


# ---------------------------------------------------------------- arguments
def _by_defaults(source: Source, script: Script, tree: str) -> "list[str] | None":
    """Start a script with its defaults, our checkpoint and our input in their places; None when one is missing."""
    argv: list[str] = []
    taken: set[str] = set()
    for option in sorted(script.options, key=lambda o: not _flags(o)):
        role = role_of(option, option.default, source, tree)
        needed = option.required or (not _flags(option) and option.nargs not in ("?", "*"))
        if role in (INPUT, FOLDER) and (INPUT in taken or FOLDER in taken) and not needed:
            continue
        if role and (role != OUT or needed) and option.action in ("", "store", "append"):
            taken.add(role)
            argv += [*_flags(option)[-1:], role]
        elif needed and option.action in ("", "store", "append"):
            if not option.choices:
                return None
            argv += [*_flags(option)[-1:], str(option.choices[0])]
        elif chosen := _chosen(option):
            argv += [*_flags(option)[-1:], chosen]
    return argv


def _chosen(option: Option) -> str:
    """Choose to infer where a script would train by default."""
    words = [str(choice) for choice in option.choices]
    if not _flags(option) or not TRAINS.fullmatch(str(option.default)):
        return ""
    return next((word for word in words if INFERS.fullmatch(word)), "")


def _documented(source: Source, script: Script, words: "Sequence[str]", tree: str) -> "list[str] | None":
    """Put our files into a documented command."""
    flags = {flag: option for option in script.options for flag in _flags(option)}
    argv: list[str] = []
    current: Option | None = None
    for word in words:
        name, glued, value = word.partition("=")
        if word.startswith("-") and name in flags:
            current = flags[name]
            if glued:
                argv.append(f"{name}={_placed(current, value, source, tree)}")
                current = None
            else:
                argv.append(word)
            continue
        argv.append(_placed(current, word, source, tree))
        current = None if current is None or current.nargs in ("", None) else current
    lacking = [o for o in script.options if o.required and _flags(o) and not set(o.flags) & set(words)]
    return None if lacking else argv + _checkpoint(script, argv, source, tree)


def _checkpoint(script: Script, argv: "Sequence[str]", source: Source, tree: str) -> "list[str]":
    """Add our checkpoint where a documented command leaves it to the default."""
    if any(CHECKPOINT in word for word in argv):
        return []
    taken = set(argv)
    open_still = [o for o in script.options if _flags(o) and o.action in ("", "store") and not set(o.flags) & taken]
    named = [o for o in open_still if role_of(o, o.default, source, tree) == CHECKPOINT]
    return [named[0].flags[-1], CHECKPOINT] if named else []


def _placed(option: "Option | None", word: str, source: Source, tree: str) -> str:
    role = role_of(option, word, source, tree) if option else _by_value(word, source, tree)
    file = posixpath.basename(word)
    return f"{OUT}/{file}" if role == OUT and FILE.search(file) else role or word


def _flags(option: Option) -> "list[str]":
    """Give an option's flags; an argument by place has none."""
    return [flag for flag in option.flags if flag.startswith("-")]


def role_of(option: Option, value: Any, source: Source, tree: str) -> str:
    """Say what an option is for: our checkpoint, our input, a folder of it, a place to write; "" for none of these."""
    if option.choices or option.type in ("int", "float", "bool") or isinstance(value, (bool, int, float)):
        return ""
    if isinstance(value, dict):  # worked out when it runs: its text still shows what kind of file it names
        value = "".join(re.findall(r"['\"]([^'\"]*)['\"]", str(value.get("unknown", ""))))
    by_value = _by_value(value, source, tree) if isinstance(value, str) else ""
    name = option.dest or option.flags[-1].lstrip("-")
    made = HOLDS_MADE.match(name) or WRITES.match(name) or (HOLDS_OUT.search(name) and not HOLDS_INPUT.match(name))
    if made and by_value != CHECKPOINT:
        return OUT
    if by_value:
        return by_value
    if HOLDS_WEIGHTS.search(name) and (value in (None, "") or "/" in str(value)):
        return CHECKPOINT
    if not HOLDS_INPUT.match(name):
        return ""
    if not value:
        return FOLDER if HOLDS_FOLDER.search(name) and _flags(option) else INPUT
    return "" if posixpath.splitext(str(value))[1] else FOLDER  # a list, a configuration: not an input itself


def _by_value(value: str, source: Source, tree: str) -> str:
    if WEIGHTS.search(value):
        return CHECKPOINT
    if IMAGES.search(value) or SOUNDS.search(value):
        return FOLDER if "*" in posixpath.basename(value) else INPUT
    return ""


def _given(script: Script, given: "Mapping[str, Any]") -> "list[str]":
    """Write the options that a person set as words of a command line."""
    words: list[str] = []
    for option in script.options:
        if option.dest in given and _flags(option):
            value = given[option.dest]
            if option.action.startswith("store_"):
                words += [option.flags[-1]] if bool(value) == (option.action == "store_true") else []
            else:
                words += [option.flags[-1], *(map(str, value) if isinstance(value, (list, tuple)) else [str(value)])]
    return words
