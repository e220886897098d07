"""What is written in the form that starts a run."""

from __future__ import annotations

import pytest

from cloaca_core.errors import ConfigError, ContextError
from cloaca_core.ui.acts.workflow_acts import context_of, tags_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), (" \n", None), ("{}", {}), ('{"amount": 1}', {"amount": 1})],
)
def test_a_context_is_a_json_object_or_nothing(text: str, expected: object) -> None:
    assert context_of(text) == expected


@pytest.mark.parametrize("text", ["[1]", "1", "{", "null"])
def test_another_context_is_refused(text: str) -> None:
    with pytest.raises(ContextError, match="context"):
        context_of(text)


def test_tags_are_lines() -> None:
    assert tags_of("") == {}
    assert tags_of("shop=no\n\n who = ann=bob \r\n") == {"shop": "no", "who": "ann=bob"}


@pytest.mark.parametrize("text", ["shop", "=no", "a=b\nc"])
def test_a_line_without_a_key_and_a_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="key=value"):
        tags_of(text)
