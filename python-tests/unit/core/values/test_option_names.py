"""The words that type checkers accept are those that are accepted when the program runs."""

from __future__ import annotations

from typing import get_args

import pytest
from tables import each_row

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.retries.policy import policy_from_arguments
from cloaca_core.definition.rules import Operator
from cloaca_core.definition.written_rules import context_value
from cloaca_core.errors import ConfigError, DefinitionError
from cloaca_core.features.schedules.timing.catch_up import catch_up_policy
from cloaca_core.features.schedules.timing.overlap import overlap_policy
from cloaca_core.values import option_names as names
from cloaca_core.values.states import RunStatus, TaskStatus


def accepted(message: object) -> set[str]:
    """The names that a refusal lists at its end."""
    listed = str(message).rpartition("expected one of ")[2] or str(message)
    return set(listed.replace(" or ", ", ").replace("'", "").split(", "))


def test_those_of_a_backoff() -> None:
    with pytest.raises(DefinitionError) as refused:
        policy_from_arguments(retry_backoff="zz")
    assert accepted(refused.value) == set(get_args(names.RetryBackoffName))


def test_those_of_a_retry_condition() -> None:
    with pytest.raises(DefinitionError) as refused:
        policy_from_arguments(retry_condition="zz")
    assert accepted(refused.value) == set(get_args(names.RetryConditionName))


def test_those_of_the_default_rule() -> None:
    with pytest.raises(ConfigError, match="must be 'none_failed' or 'always', got 'zz'"):
        DefaultRunnerConfig(default_trigger_rule="zz")  # type: ignore[arg-type] # the point
    assert get_args(names.TriggerRuleName) == ("none_failed", "always")


def test_those_of_catching_up() -> None:
    with pytest.raises(DefinitionError) as refused:
        catch_up_policy("zz")
    assert accepted(refused.value) == set(get_args(names.CatchupPolicyName))


def test_those_of_overlapping() -> None:
    with pytest.raises(DefinitionError) as refused:
        overlap_policy("zz")
    assert accepted(refused.value) == set(get_args(names.OverlapPolicyName))


def test_those_of_versions() -> None:
    with pytest.raises(DefinitionError) as refused:
        WorkflowBuilder("w").version_policy("zz")  # type: ignore[arg-type] # the point
    assert accepted(refused.value) == set(get_args(names.VersionPolicyName))


def test_those_of_exhausted_tasks() -> None:
    with pytest.raises(DefinitionError) as refused:
        WorkflowBuilder("w").exhausted_policy("zz")  # type: ignore[arg-type] # the point
    assert accepted(refused.value) == set(get_args(names.ExhaustedPolicyName))


def test_those_of_merging() -> None:
    with pytest.raises(DefinitionError) as refused:
        WorkflowBuilder("w").merge("k", "zz")  # type: ignore[arg-type] # the point
    assert accepted(refused.value) == set(get_args(names.MergeRuleName))


def test_those_of_a_rejection() -> None:
    with pytest.raises(DefinitionError) as refused:
        approval("ok", "Pay?", reject_policy="zz")  # type: ignore[arg-type] # the point
    assert accepted(refused.value) == set(get_args(names.RejectPolicyName))


@each_row("word", get_args(names.OperatorName))
def test_each_operator_is_one(word: names.OperatorName) -> None:
    assert context_value("k", word, 1)["operator"] in list(Operator)


def test_each_operator_has_its_word() -> None:
    assert set(Operator) <= set(get_args(names.OperatorName))


def test_the_states_are_those_that_are_stored() -> None:
    assert get_args(names.RunStatus) == tuple(RunStatus)
    assert get_args(names.TaskStatus) == tuple(TaskStatus)
