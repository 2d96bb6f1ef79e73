"""Sound that a run writes is the answer: the call that writes it is given another file, which is read back."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drafts_watched import ARRAY, Watched, function

SOUND = {"sound": {"shape": [8, 1], "minimum": -0.5, "maximum": 0.5, "mean": 0.0, "sha256": "aa"}, "rate": 8000}
HELPER = '''
        def save(samples, path, rate):
            with wave.open(path, 'wb') as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(rate)
                file.writeframes((samples * 32767).astype('<i2').tobytes())
'''  # fmt: skip


def script(end: str, imports: str = "", before: str = "") -> Watched:
    text = f"""
        import numpy as np
        import wave
        {imports}
        from net import load, net
{before}
        rate = 8000
        out = 'out.wav'
        x = load('a.wav')
        clean = net(x)
        clean = clean.squeeze()
        {end}
        print('done')
    """
    seen = Watched(run=text, net="net = load = None\n")
    seen.frame("f1", "run", "<module>", x=ARRAY, rate=8000, out="out.wav")
    seen.read(("f1", "load("))
    seen.call(("f1", "net(x)"), args=[ARRAY], outputs=ARRAY)
    return seen


def through_a_helper(end: str) -> Watched:
    seen = script(end, before=HELPER)
    seen.frame("f2", "run", "save", path="out.wav", rate=8000)
    seen.sink("wave.write", ("f1", "save("), ("f2", "wave.open"), args=["out.wav"], sound=SOUND)
    return seen


def directly(end: str, imports: str, how: str, text: str, **more: Any) -> str:
    seen = script(end, imports)
    seen.sink(how, ("f1", text), args=["out.wav"], sound=SOUND, **more)
    return seen.draft().text


@pytest.mark.parametrize(
    ("end", "call"),
    [
        ("save(clean, out, rate)", "save(clean, file_h, rate)"),
        ("save(clean, 'out.wav', rate)", "save(clean, file_h, rate)"),
        ("save(clean, rate=rate, path=out)", "save(clean, rate=rate, path=file_h)"),
        ("written = save(clean, out, 8000)", "save(clean, file_h, 8000)"),
    ],
)
def test_a_function_of_upstreams_that_writes_by_the_wave_module(end: str, call: str) -> None:
    made = through_a_helper(end).draft()
    text = function(made.text, "postprocess")
    assert "return written_sound(lambda " in text and text.rstrip().endswith(")")
    assert call.split("file_h")[0] in text and "out.wav" not in text and "print" not in text


def test_a_function_of_which_it_is_not_clear_where_it_writes_is_not_cut() -> None:
    made = through_a_helper("save(clean, 'a' + 'b', str(rate))").draft()
    assert "postprocess" in made.why and "which argument" in made.why["postprocess"]


@pytest.mark.parametrize(
    ("end", "imports", "how", "text"),
    [
        ("sf.write(out, clean, rate)", "import soundfile as sf", "soundfile.write", "sf.write"),
        ("sf.write(file=out, data=clean, samplerate=rate)", "import soundfile as sf", "soundfile.write", "sf.write"),
        ("sf.write(data=clean, samplerate=rate, file=out)", "import soundfile as sf", "soundfile.write", "sf.write"),
        ("wavfile.write(out, rate, clean)", "from scipy.io import wavfile", "scipy.io.wavfile.write", "wavfile.write"),
        ("wavfile.write(rate=rate, data=clean, filename=out)", "from scipy.io import wavfile", "scipy.io.wavfile.write", "wavfile.write"),
    ],
)
def test_a_library_that_writes(end: str, imports: str, how: str, text: str) -> None:
    made = directly(end, imports, how, text)
    body = function(made, "postprocess")
    (call,) = [line for line in body.splitlines() if "written_sound(lambda" in line]
    assert "clean" in call and "out" not in call.replace("outputs", "") and call.count("file") >= 2


def test_what_writes_something_else_than_the_models_is_no_answer() -> None:
    text = directly("sf.write(out, x, rate)", "import soundfile as sf", "soundfile.write", "sf.write")
    assert "written_sound" not in text


def test_several_sounds_are_no_one_answer() -> None:
    seen = script("save(clean, out, rate); save(clean * 0.5, 'rest.wav', rate)", before=HELPER)
    seen.frame("f2", "run", "save", path="out.wav", rate=8000)
    for text, path in (("save(clean,", "out.wav"), ("save(clean *", "rest.wav")):
        seen.sink("wave.write", ("f1", text), ("f2", "wave.open"), args=[path], sound=SOUND)
    made = seen.draft()
    assert not made.functions["postprocess"] and "several sounds are written" in made.why["postprocess"]


def test_what_was_seen_to_write_no_sound_is_no_answer() -> None:
    seen = script("sf.write(out, clean, rate)", "import soundfile as sf")
    seen.sink("soundfile.write", ("f1", "sf.write"), args=["out.wav"])
    assert "written_sound" not in seen.draft().text


def test_a_method_called_write_that_takes_the_file_last(tmp_path: Path) -> None:
    before = '''
        class Store:
            def write(self, samples, path):
                sf.write(path, samples, 8000)

        store = Store()
'''  # fmt: skip
    seen = script("store.write(clean, out)", "import soundfile as sf", before)
    seen.frame("f2", "run", "Store.write", path="out.wav")
    seen.sink("soundfile.write", ("f1", "store.write"), ("f2", "sf.write"), args=["out.wav"], sound=SOUND)
    made = seen.draft()
    text = function(made.text, "postprocess") if "postprocess" not in made.why else made.why["postprocess"]
    assert ".write(clean, file" in text, text


def test_what_is_read_back_is_what_was_written(tmp_path: Path) -> None:
    text = function(through_a_helper("save(clean, out, rate)").draft().text, "written_sound")
    made: dict[str, Any] = {"np": np, "wave": wave}
    exec("import os, tempfile", made)
    exec(text, made)
    levels = np.array([[0, 100], [-32768, 32767], [5, -5]], "<i2")

    def write(path: str) -> None:
        with wave.open(path, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(22050)
            file.writeframes(levels.tobytes())

    answer = made["written_sound"](write)
    assert answer["rate"] == 22050 and answer["sound"].dtype == np.float32
    assert np.array_equal(answer["sound"] * 32768, levels)


@pytest.mark.parametrize("levels", [
    np.array([[0, 100], [-32768, 32767]], np.int16), np.array([0, 255, 128], np.uint8), np.array([-2147483648, 1 << 30], np.int32),
    np.array([0.25, -1.5], np.float32), np.array([[0.1], [0.2]], np.float64),
])  # fmt: skip
def test_what_scipy_writes_is_read_by_scipy_at_its_scale(levels: np.ndarray) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    text = directly("wavfile.write(out, rate, clean)", "from scipy.io import wavfile", "scipy.io.wavfile.write", "wavfile.write")
    made: dict[str, Any] = {"np": np, "wavfile": wavfile}
    exec("import os, tempfile", made)
    exec(function(text, "written_sound"), made)
    answer = made["written_sound"](lambda path: wavfile.write(path, 8000, levels))
    whole = {"int16": 1 << 15, "int32": 1 << 31, "uint8": 1 << 7}.get(str(levels.dtype), 1)
    middle = 128 if levels.dtype == np.uint8 else 0
    expected = (levels.astype(np.float64).reshape(len(levels), -1) - middle) / whole
    assert answer["rate"] == 8000 and answer["sound"].dtype == np.float32
    assert np.array_equal(answer["sound"], expected.astype(np.float32))
