"""The words that options take, and the names of states, as types.

For editors and type checkers: what is given is checked when the program runs, whatever it was
annotated as. Imports nothing, so that a definition may name them without what they are about.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

RetryBackoffName: TypeAlias = Literal["fixed", "linear", "exponential"]
"""How the pauses between attempts grow: `retry_backoff` of `@task`."""

RetryConditionName: TypeAlias = Literal["never", "transient", "all"]
"""After which errors a task is tried again: `retry_condition` of `@task`."""

TriggerRuleName: TypeAlias = Literal["none_failed", "always"]
"""When tasks without a rule run: the setting `default_trigger_rule`."""

CatchupPolicyName: TypeAlias = Literal["skip", "run_once", "run_all"]
"""What becomes of missed ticks: `catchup_policy` of `schedule`."""

OverlapPolicyName: TypeAlias = Literal["allow", "skip", "queue", "cancel_old"]
"""What a tick does while earlier runs go on: `overlap_policy` of `schedule`."""

OperatorName: TypeAlias = Literal[
    "Equals", "equals", "eq", "==",
    "NotEquals", "not_equals", "ne", "!=",
    "GreaterThan", "greater_than", "gt", ">",
    "LessThan", "less_than", "lt", "<",
    "Contains", "contains",
    "NotContains", "not_contains",
    "Exists", "exists",
    "NotExists", "not_exists",
]  # fmt: skip
"""How `context_value` compares. Any case and underscores are taken when the program runs."""

RunStatus: TypeAlias = Literal["Pending", "Running", "Completed", "Failed", "Cancelled"]
"""Where a run stands."""

TaskStatus: TypeAlias = Literal[
    "NotStarted", "Ready", "Running", "Waiting", "Completed", "Failed", "Skipped", "Cancelled"
]
"""Where a task of a run stands."""
