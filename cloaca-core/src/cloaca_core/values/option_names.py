"""Types of the words that options accept, and of the names of states.

For editors and type checkers; values are checked when the program runs as well. Imports nothing of
cloaca, so that a definition may use them without loading the engine.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

RetryBackoffName: TypeAlias = Literal["fixed", "linear", "exponential"]
"""How the pauses between attempts grow: `retry_backoff` of `@task`."""

RetryConditionName: TypeAlias = Literal["never", "transient", "all"]
"""Errors after which a task is tried again: `retry_condition` of `@task`."""

TriggerRuleName: TypeAlias = Literal["none_failed", "always"]
"""When tasks without a rule run: the setting `default_trigger_rule`."""

CatchupPolicyName: TypeAlias = Literal["skip", "run_once", "run_all"]
"""How missed ticks are treated: `catchup_policy` of `schedule`."""

OverlapPolicyName: TypeAlias = Literal["allow", "skip", "queue", "cancel_old"]
"""How a tick treats earlier runs that have not ended: `overlap_policy` of `schedule`."""

FailedPolicyName: TypeAlias = Literal["keep", "retry"]
"""The fate of a run with the same key that has failed: `failed_policy` of `submit`."""

SingletonPolicyName: TypeAlias = Literal["existing", "reject", "queue", "cancel_old"]
"""How a run meets one under way with its singleton key: `singleton_policy` of `submit`."""

VersionPolicyName: TypeAlias = Literal["continue", "fail"]
"""How runs meet another version of their workflow: `version_policy` of `WorkflowBuilder`."""

ExhaustedPolicyName: TypeAlias = Literal["fail", "pause"]
"""How a task ends that has used up its attempts: `exhausted_policy` of `WorkflowBuilder`."""

MergeRuleName: TypeAlias = Literal["append", "last", "sum", "min", "max"]
"""How a key is merged that several branches changed: `merge` of `WorkflowBuilder`."""

RejectPolicyName: TypeAlias = Literal["skip", "fail"]
"""What the choice "reject" leads to: `reject_policy` of `approval`."""

ItemPolicyName: TypeAlias = Literal["finish", "stop", "collect"]
"""How a map meets failed items: `item_policy` of `@task`."""

MapResultsName: TypeAlias = Literal["list", "rows"]
"""Where the results of items are kept: `results` of `@task`."""

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

RunStatus: TypeAlias = Literal[
    "Pending", "Running", "Waiting", "Paused", "Cancelling", "Completed", "Failed", "Cancelled"
]
"""The states of a run."""

TaskStatus: TypeAlias = Literal[
    "NotStarted", "Ready", "Running", "Waiting", "Completed", "Failed", "Skipped", "Cancelled"
]
"""The states of a task in a run."""

WaitKind: TypeAlias = Literal["retry", "sleep", "event", "approval", "run", "limit"]
"""Kinds of waits of tasks and runs."""
