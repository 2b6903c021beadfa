"""Plain values against types."""

import pytest

from src.config.types import BOOL, FLOAT, INT, NONE, STR, Type, union
from src.config.values import fault

AUTO = union(Type("int", limits=(("ge", 1),)), Type("literal", values=("auto",)))
SHARE = Type("float", limits=(("ge", 0), ("lt", 1)))
OBJECT = Type("object", name="Tensor")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, INT), (1, FLOAT), (0.5, FLOAT), ("a", STR), (True, BOOL), (None, union(INT, NONE)),
        ("auto", AUTO), (3, AUTO), (0.0, SHARE), ([1, 2.5], Type("sequence", (FLOAT,))), ([], Type("sequence", (INT,))),
        ([1, "a"], Type("tuple", (INT, STR))), ({"a": 1}, Type("mapping", (STR, INT))),
        (160, Type("literal", values=(160, "full"))), ({"_target_": "x.Y"}, OBJECT), (0.1, union(FLOAT, OBJECT)),
        ("anything", Type("any")),
    ],
)  # fmt: skip
def test_fitting_value_has_no_fault(value, kind):
    assert fault(value, kind) is None


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (True, INT, "must be a whole number, not true"),
        (1.0, INT, "must be a whole number, not 1.0"),
        ("1", INT, "must be a whole number, not the text '1'"),
        (1, BOOL, "must be true or false, not 1"),
        (None, INT, "must be a whole number, not null"),
        (3, STR, "must be text, not 3; as text: \"'3'\""),
        (0, AUTO, "must be at least 1, not 0"),
        ("aut", AUTO, "must be a whole number at least 1 or auto, not the text 'aut'; did you mean auto?"),
        (1, SHARE, "must be at least 0 and less than 1, not 1"),
        (float("nan"), SHARE, "must be at least 0 and less than 1, not nan"),
        ("x", Type("sequence", (STR,)), "must be a list with text in each place, not the text 'x'"),
        ([1, "b"], Type("sequence", (INT,)), "entry 1 must be a whole number, not the text 'b'"),
        ([1], Type("tuple", (INT, STR)), "must be a list of 2, not of 1"),
        ([], Type("sequence", (INT,), limits=(("min_length", 1),)), "must have at least 1 entries, not 0"),
        ({"a": "x"}, Type("mapping", (STR, INT)), "key a must be a whole number, not the text 'x'"),
        (64, Type("literal", values=(160, 320)), "must be one of 160, 320, not 64"),
        (1.1, Type("literal", values=("1.0", "1.1")), "must be one of '1.0', '1.1', not 1.1; as text: \"'1.1'\""),
        (True, Type("literal", values=(1,)), "must be 1, not true"),
        ("mse", OBJECT, "must be a section with `_target_` (Tensor), not the text 'mse'"),
    ],
)
def test_fault_says_what_a_value_must_be(value, kind, message):
    assert fault(value, kind) == message
