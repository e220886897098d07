"""JSON in the texts of forms."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError
from cloaca_tools.ui.forms.form_texts import json_of, object_of


@each_row(
    ("text", "expected"),
    [("", None), (" \n", None), ("{}", {}), ('{"amount": 1}', {"amount": 1})],
)
def test_a_context_is_a_json_object_or_nothing(text: str, expected: object) -> None:
    assert object_of(text, "context") == expected


@each_row("text", ["[1]", "1", "{", "null"])
def test_another_context_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="context"):
        object_of(text, "context")


def test_any_value_is_json_or_refused() -> None:
    found = [json_of(text, "payload") for text in ("", " ", "null", "[1]")]

    assert found == [None, None, None, [1]]
    with pytest.raises(ConfigError, match="the payload is not JSON"):
        json_of("NaN", "payload")
