"""Signatures read from text against those of the imported objects, and the annotations that the check understands."""

import importlib
import inspect

import pytest

from src.config import modules
from src.config.cache import folder
from src.config.signatures import NoSuchTarget, class_literal, signature
from src.config.types import ANY, FLOAT, INT, NONE, STR, Type, union

TARGETS = [
    f"{module}.{name}"
    for module, names in {
        "torch.optim": ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS"),
        "torch.optim.lr_scheduler": ("StepLR", "OneCycleLR", "ReduceLROnPlateau"),
        "torch.nn": ("Linear", "Conv2d", "BatchNorm2d", "CrossEntropyLoss", "TransformerEncoderLayer"),
        "torchvision.models": (
            "resnet18",
            "vgg19",
            "alexnet",
            "googlenet",
            "efficientnet_b0",
            "convnext_tiny",
            "ResNet",
        ),
        "pytorch_lightning": ("Trainer", "LightningModule"),
        "pytorch_lightning.callbacks": (
            "EarlyStopping",
            "ModelCheckpoint",
            "LearningRateMonitor",
            "StochasticWeightAveraging",
            "RichProgressBar",
        ),
        "pytorch_lightning.loggers": ("TensorBoardLogger", "CSVLogger", "WandbLogger"),
        "pytorch_lightning.strategies": ("DDPStrategy",),
        "torchmetrics": ("Accuracy", "F1Score", "MeanMetric", "MetricCollection", "JaccardIndex"),
        "torchmetrics.classification": ("MulticlassAccuracy",),
        "albumentations": (
            "ColorJitter",
            "GaussianBlur",
            "CoarseDropout",
            "ToGray",
            "RandomResizedCrop",
            "Compose",
            "OneOf",
            "Normalize",
        ),
        "timm": ("create_model",),
    }.items()
    for name in names
]


@pytest.mark.parametrize("target", TARGETS)
def test_signature_equals_that_of_the_imported_object(target, monkeypatch):
    """Names, which of them are required, and which are by keyword only; behind `**kwargs` there may be more."""
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    parent, _, name = target.rpartition(".")
    imported = inspect.signature(getattr(importlib.import_module(parent), name)).parameters.values()
    named = [p for p in imported if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    expected = {p.name: (p.default is p.empty, p.kind is p.KEYWORD_ONLY) for p in named}
    read = signature(target)
    found = {name: (p.required, p.keyword_only) for name, p in read.parameters.items()}
    if any(p.kind is p.VAR_KEYWORD for p in imported):
        assert {name: found.get(name) for name in expected} == expected
    else:
        assert found == expected
        assert not read.open


def test_keyword_arguments_are_followed_to_where_they_go():
    resnet = signature("torchvision.models.resnet18")
    assert {"zero_init_residual", "groups", "norm_layer"} <= set(resnet.parameters)
    assert not resnet.open
    assert not {"block", "layers"} & set(resnet.parameters), "given by resnet18 itself"
    assert {"task", "num_classes", "average", "sync_on_compute"} <= set(signature("torchmetrics.Accuracy").parameters)
    assert signature("timm.create_model").open


@pytest.fixture
def write(tmp_path, monkeypatch, request):
    """Return a function that writes modules and returns the name of the package they lie in."""
    package = f"written_{abs(hash(request.node.name))}"
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> str:
        (tmp_path / package).mkdir(exist_ok=True)
        for name, text in {"__init__": "", **files}.items():
            (tmp_path / package / f"{name}.py").write_text(text)
        modules.find.cache_clear()
        modules.parse.cache_clear()
        return package

    return write


def read_type(write, annotation: str, **others: str) -> Type:
    header = (
        "from __future__ import annotations\nimport typing, typing as t\nfrom typing import *\n"
        "from typing import Annotated, Any, Callable, Literal, Optional, Union\n"
        "from collections.abc import Mapping, Sequence\nfrom pathlib import Path\nimport annotated_types as at\n"
        "from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MinLen\n"
    )
    package = write(
        a=f"{header}from .b import *\ndef f(x: {annotation}): ...\n", b=others.get("b", ""), c=others.get("c", "")
    )
    return signature(f"{package}.a.f").parameters["x"].type


POSITIVE = Type("int", limits=(("ge", 1),))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("int", INT),
        ("'int | None'", union(INT, NONE)),
        ("Optional[typing.Union[int, str]]", union(INT, STR, NONE)),
        ("t.Literal['a', 2, None]", Type("literal", values=("a", 2, None))),
        ("Literal['a'] | Literal['b']", Type("literal", values=("a", "b"))),
        ("str | Path", STR),
        ("list[float]", Type("sequence", (FLOAT,))),
        ("tuple[int, str]", Type("tuple", (INT, STR))),
        ("tuple[int, ...]", Type("sequence", (INT,))),
        ("Mapping[str, int]", Type("mapping", (STR, INT))),
        ("Annotated[int, Ge(1)]", POSITIVE),
        ("Annotated[int, at.Ge(1)] | Literal['auto']", union(POSITIVE, Type("literal", values=("auto",)))),
        ("Annotated[float | None, Interval(ge=0, lt=1)]", union(Type("float", limits=(("ge", 0), ("lt", 1))), NONE)),
        ("Annotated[list[int], Len(1, 2)]", Type("sequence", (INT,), limits=(("min_length", 1), ("max_length", 2)))),
        ("Annotated[int, Gt(-1)]", Type("int", limits=(("gt", -1),))),
        ("Callable[[int], int]", Type("object", name="Callable")),
        ("Any", ANY),
        ("int | Any", ANY),
        ("not_defined_anywhere", ANY),
    ],
)
def test_annotation_is_understood(write, annotation, expected):
    assert read_type(write, annotation) == expected


def test_aliases_are_followed_through_modules(write):
    b = "from .c import Kind as Renamed\nfrom typing import Optional, TypeVar, NewType\nMaybe = Optional[Renamed]\n"
    c = "from typing import Literal\nKind = Literal['x', 'y']\n"
    assert read_type(write, "Maybe", b=b, c=c) == union(Type("literal", values=("x", "y")), NONE)
    b = "from typing import NewType, TypeVar\nCount = NewType('Count', int)\nT = TypeVar('T', bound=str)\n"
    assert read_type(write, "Count", b=b) == INT
    assert read_type(write, "T", b=b) == STR


def test_classes_that_plain_values_may_stand_for_are_not_judged(write):
    b = "import enum\nclass Color(enum.Enum):\n    red = 1\nclass Name(str): ...\nclass Other:\n    ...\n"
    assert read_type(write, "Color", b=b) == ANY
    assert read_type(write, "Name", b=b) == ANY
    assert read_type(write, "Other", b=b) == Type("object", name="Other")


def test_constructors_of_all_kinds(write):
    package = write(
        a="""
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar
from .b import Base

@dataclass
class Point:
    x: int
    y: int = 0
    kind: ClassVar[str] = "point"
    hidden: int = field(default=1, init=False)
    _: KW_ONLY
    names: list = field(default_factory=list)
    z: int

@dataclass(kw_only=True)
class Named(Point):
    name: str

class Inherits(Base): ...
class Passes(Base):
    def __init__(self, own, **rest):
        super().__init__(own, **rest)
class Takes:
    def __init__(self, **options):
        self.a, self.b = options.pop("a"), options.get("b", 1)
class Swallows:
    def __init__(self, **options): ...
class Hands:
    def __init__(self, **options):
        self.options = options
class Factory(Base):
    def __new__(cls, kind, **rest):
        return Passes(kind, **rest) if kind else Takes(**rest)
def calls(*, a, **rest):
    return Inherits(1, **rest)
""",
        b="class Base:\n    def __init__(self, first: int, second: str = ''): ...\n",
    )

    def read(name: str) -> tuple[dict[str, bool], bool]:
        found = signature(f"{package}.a.{name}")
        return {name: parameter.required for name, parameter in found.parameters.items()}, found.open

    assert read("Point") == ({"x": True, "y": False, "names": False, "z": True}, False)
    assert read("Named") == ({"x": True, "y": False, "names": False, "z": True, "name": True}, False)
    assert read("Inherits") == ({"first": True, "second": False}, False)
    assert read("Passes") == ({"own": True, "second": False}, False)
    assert read("Takes") == ({"a": False, "b": False}, False)
    assert read("Swallows") == ({}, False)
    assert read("Hands") == ({}, True)
    assert read("Factory") == ({"kind": True, "second": False, "a": False, "b": False}, False)
    assert read("calls") == ({"a": True, "second": False}, False)


def test_what_is_not_there_is_told_with_the_nearest_name():
    for wrong, right in (
        ("torch.optim.SDG", "torch.optim.SGD"),
        ("torchvision.models.rsnet18", "torchvision.models.resnet18"),
        ("albumentations.ColourJitter", "albumentations.ColorJitter"),
        ("pytorch_lightning.callback.EarlyStopping", None),
        ("src.models.clasifier.Classifier", "src.models.classifier.Classifier"),
        ("no_such_package.X", None),
    ):
        with pytest.raises(NoSuchTarget) as raised:
            signature(wrong)
        assert right is None or raised.value.suggestion == right


def test_literals_of_classes_are_read_through_their_bases():
    assert class_literal("src.data.sources.imagenette.Imagewoof", "targets") == ("label", "identity")
    assert "box" in class_literal("src.data.sources.shapes.Shapes", "targets")
    assert class_literal("src.models.classifier.Classifier", "requires") == ("label",)
    assert class_literal("src.models.classifier.Classifier", "nothing") is None


def test_cache_follows_every_change_and_never_matters(write, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = "class Base:\n    def __init__(self, first): ...\n"
    package = write(a="from .b import Base\nclass A(Base): ...\n", b=base)
    target = f"{package}.a.A"

    assert list(signature(target).parameters) == ["first"]
    kept = list(folder().glob("*.json"))
    assert len(kept) == 1
    monkeypatch.setattr("src.config.signatures._read", lambda *_: pytest.fail("read again"))
    assert list(signature(target).parameters) == ["first"], "from the cache"
    monkeypatch.undo()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    write(a="from .b import Base\nclass A(Base): ...\n", b=base.replace("first", "other_name"))
    assert list(signature(target).parameters) == ["other_name"], "a base in another file changed"

    for content in ("", "{", '{"files": [["/nowhere", 1, 1]], "row": {}}', "[]"):
        for path in folder().glob("*.json"):
            path.write_text(content)
        assert list(signature(target).parameters) == ["other_name"]

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert list(signature(target).parameters) == ["other_name"], "the cache folder cannot be made"


def test_reading_a_signature_imports_nothing(write):
    import sys

    package = write(a="raise SystemExit('imported')\ndef f(x: int): ...\n")
    assert list(signature(f"{package}.a.f").parameters) == ["x"]
    assert f"{package}.a" not in sys.modules
