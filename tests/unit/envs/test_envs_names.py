"""From an import to a project: by a source that says so or not at all, and never by likeness."""

from collections import Counter

import pytest

from assay.envs import names
from assay.envs.names import Named, impostor, present_variant, project


def named(
    module: str,
    declared: "tuple[str, ...]" = (),
    provided: "dict[str, list[str]] | None" = None,
    chosen: "dict[str, str] | None" = None,
    imported: "tuple[str, ...]" = (),
) -> Named:
    return project(module, provided=provided or {}, declared=declared, chosen=chosen or {}, imported=imported)


def test_the_order_of_sources() -> None:
    provided = {"cv2": ["opencv-python-headless"]}
    declared = ("opencv-contrib-python",)
    assert named("cv2", declared, provided, {"cv2": "my-opencv"}) == ("my-opencv", "env.map", "")
    assert named("cv2", declared, provided) == ("opencv-python-headless", "installed", "")
    assert named("cv2", declared) == ("opencv-contrib-python", "declared", "")
    assert named("cv2") == ("opencv-python", "table", "")
    assert named("nobody_knows") == ("?nobody_knows", "", "")


@pytest.mark.parametrize("module", ["nobody_knows", "nobody.knows.this", "basicsr_x", "google.cloud.storage", "attrib"])
def test_an_unknown_import_is_asked_for(module: str) -> None:
    assert named(module, ("torch", "numpy")).name == "?" + module.partition(".")[0]


def test_an_import_is_its_own_project_only_when_upstream_says_so() -> None:
    assert named("some_net").name == "?some_net"
    assert named("some_net", ("Some-Net",)) == ("Some-Net", "declared", "")
    assert named("some_net", provided={"some_net": ["whatever"]}) == ("whatever", "installed", "")


def test_dotted_modules() -> None:
    assert named("google.protobuf.text_format").name == "protobuf"
    assert named("google", imported=("protobuf",)).name == "protobuf"
    assert named("google.protobuf", provided={"google": ["google-auth", "protobuf"]}) == ("protobuf", "installed", "")
    assert named("google.cloud", provided={"google": ["protobuf"]}).name == "?google"
    assert named("torch.nn.functional").name == "torch"


@pytest.mark.parametrize("module", sorted(names.GENERIC))
def test_generic_names_are_nobodys(module: str) -> None:
    found = named(f"{module}.x", (module,), {module: [module]})
    assert found.name == f"?{module}" and found.doubt
    assert named(module, chosen={module: module}).name == f"?{module}"
    assert named(module, chosen={module: "my-own-things"}).name == "my-own-things"


LOOKALIKES = (
    "testcv2", "lazyaml", "opencovis-python", "PIL", "sklearn", "opencv", "yaml", "cv2", "pytorch", "skimage",
    "python-opencv", "opencv_python_", "opencv-pyhton", "opencv-pythom", "scikit-lern", "learn-scikit", "matplotlb",
    "numpyy", "torchvison", "tensorfow", "transfomers", "requets", "panda", "headless-opencv-python", "onnxruntme",
)  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_lookalikes_are_refused(name: str) -> None:
    assert impostor(name)
    refused = named("some_module", chosen={"some_module": name})
    assert refused.name == "?some_module" and refused.by == "env.map" and refused.doubt
    module = name.replace("-", "_")
    if module not in names.PROJECTS:
        assert named(module, (name,)).name == f"?{module}"


def test_a_lookalike_beside_a_known_import_changes_nothing() -> None:
    assert named("sklearn", ("sklearn",)).name == "scikit-learn"
    assert named("PIL", ("PIL",)).name == "pillow"
    assert named("cv2", ("opencv-pyhton", "testcv2")).name == "opencv-python"


@pytest.mark.parametrize("name", ["torchgeo", "sixx", "clik2click", "timm2", "av1", "mynet", "pytorch-grad-cam", "dlib"])
def test_names_of_their_own_are_not(name: str) -> None:
    assert impostor(name) == ""


def test_doubts_are_in_words() -> None:
    assert impostor("python-opencv") == "python-opencv is close to opencv-python, but not it"
    assert impostor("testcv2") == "testcv2 is not OpenCV, which is opencv-python"
    assert named("clip").doubt == (
        "the project clip is an unrelated project; OpenAI's CLIP is built from its repository"
    )


def test_opencv_variants() -> None:
    assert named("cv2", ("opencv-python",), {"cv2": ["opencv-python-headless"]}).name == "opencv-python-headless"
    for there in names.VARIANTS["opencv-python"]:
        for asked in names.VARIANTS["opencv-python"]:
            assert present_variant(asked, {there}) == there
    assert present_variant("opencv-python", {"numpy"}) == "opencv-python"
    assert present_variant("unheard-of", {"numpy"}) == "unheard-of"
    both = {"cv2": ["opencv-python-headless", "opencv-python"]}
    assert named("cv2", (), both).name == "opencv-python"
    assert named("cv2", ("opencv_python_headless",), both).name == "opencv-python-headless"


def test_a_declared_variant_wins() -> None:
    assert named("thop", ("ultralytics-thop",)) == ("ultralytics-thop", "declared", "")
    assert named("thop").name == "thop"
    assert named("onnxruntime", ("onnxruntime-gpu",)).name == "onnxruntime-gpu"


def test_what_is_gone() -> None:
    found = named("caffe2.python.onnx.backend")
    assert found.name == "?caffe2" and "gone" in found.doubt
    for module, imported in (("torchvision.transforms.functional_tensor", ()), ("torchvision.transforms", ("functional_tensor",))):
        found = named(module, imported=imported)
        assert found.name == "torchvision" and "gone since torchvision 0.17" in found.doubt
    assert named("torchvision.transforms", imported=("functional",)).doubt == ""


def test_the_table() -> None:
    assert 100 <= len(names.PROJECTS) <= 200
    assert [n for n, times in Counter(names.SAME).items() if times > 1] == []
    assert not {n for n in names.SAME if names.PROJECTS[n] != n}, "a name stands in both lists"
    members = [names.normal(n) for family in names.VARIANTS.values() for n in family]
    assert len(members) == len(set(members))
    assert all(family[0] == first for first, family in names.VARIANTS.items())
    for name in (*names.PROJECTS.values(), *members):
        assert impostor(name) == "", name
        assert names.normal(name) not in names.IMPOSTORS
    assert not {names.normal(n) for n in names.PROJECTS.values()} & names.GENERIC
    assert all(n == names.normal(n) for n in names.IMPOSTORS)
