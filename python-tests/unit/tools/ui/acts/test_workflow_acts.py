"""What is written in the form that starts a run."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError
from cloaca_tools.ui.acts.workflow_acts import tags_of


def test_tags_are_lines() -> None:
    assert tags_of("") == {}
    assert tags_of("shop=no\n\n who = ann=bob \r\n") == {"shop": "no", "who": "ann=bob"}


@each_row("text", ["shop", "=no", "a=b\nc"])
def test_a_line_without_a_key_and_a_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="key=value"):
        tags_of(text)
