"""The text of an error that refuses arguments begins with the operation; nothing else changes."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import (
    AmbiguousWorkflowError,
    CloacaError,
    ConfigError,
    ContextValueError,
    CronExpressionError,
    DefinitionTypeError,
    RunnerClosedError,
    RunNotFoundError,
    StoreUnavailableError,
    WorkflowNotFoundError,
)
from cloaca_core.values.error_prefixes import prefixed


@each_row(
    "error",
    [
        AmbiguousWorkflowError("why", name="w", candidates=("a::w", "b::w")),
        ConfigError("why", field="f"),
        ContextValueError("why"),
        CronExpressionError("why"),
        DefinitionTypeError("why"),
    ],
)
def test_a_refusal_of_arguments_begins_with_the_operation(error: CloacaError) -> None:
    facts, cause = dict(vars(error)), LookupError("the cause")

    with pytest.raises(type(error)) as raised, prefixed("Failed to do it: "):
        raise error from cause

    assert str(raised.value) == "Failed to do it: why"
    assert raised.value is error
    assert error.__cause__ is cause
    assert vars(error) == facts


@each_row(
    "error",
    [
        RunNotFoundError("why", run_id="r"),
        RunnerClosedError("why"),
        StoreUnavailableError("why"),
        WorkflowNotFoundError("why", name="w"),
        ValueError("why"),  # not ours
    ],
)
def test_any_other_error_keeps_its_text(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, prefixed("Failed to do it: "):
        raise error

    assert raised.value.args == ("why",)


def test_an_operation_within_another_is_named_after_it() -> None:
    with pytest.raises(ConfigError) as raised, prefixed("outer: "), prefixed("inner: "):
        raise ConfigError("why", field="f")

    assert str(raised.value) == "outer: inner: why"
