"""Variables of the environment, by the names of this version and of 0.12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloaca_core.errors import DefinitionTypeError, VariableNotSetError
from cloaca_core.features.cloacina.variables import var, var_or

WRONG: Any = 3


def test_a_variable_is_read_under_our_name_before_that_of_0_12(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOACINA_VAR_REGION", "old")
    assert (var("REGION"), var_or("REGION", "none")) == ("old", "old")

    monkeypatch.setenv("CLOACA_VAR_REGION", "new")
    assert (var("REGION"), var_or("REGION", "none")) == ("new", "new")


def test_an_empty_value_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_VAR_REGION", "")

    assert (var("REGION"), var_or("REGION", "none")) == ("", "")


def test_a_variable_that_is_not_set_is_a_key_error_that_names_both() -> None:
    with pytest.raises(KeyError) as caught:
        var("no_such_VARIABLE")

    assert isinstance(caught.value, VariableNotSetError)
    assert caught.value.name == "no_such_VARIABLE"
    assert str(caught.value) == (
        "required variable 'no_such_VARIABLE' not set (expected env var "
        "CLOACA_VAR_no_such_VARIABLE or CLOACINA_VAR_no_such_VARIABLE)"
    )
    assert var_or("no_such_VARIABLE", "eu") == "eu"


@pytest.mark.parametrize("call", [lambda: var(WRONG), lambda: var_or("A", WRONG)])
def test_name_and_default_are_texts(call: Callable[[], str]) -> None:
    with pytest.raises(DefinitionTypeError, match=r"(name|default) must be a str, got"):
        call()
