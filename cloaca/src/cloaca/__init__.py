"""Durable workflows inside a Python program: all public names of cloaca.

Import public names only from here. The import starts no thread and loads no database driver; a
runner finds its backend when it opens, by the scheme of the database URL.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from cloaca import _check as _check  # first: says what to install where the engine is missing
from cloaca._version import __version__ as __version__
from cloaca.greeting import HelloClass as HelloClass, hello_world as hello_world
from cloaca_core.config import (
    DefaultRunnerConfig as DefaultRunnerConfig,
)
from cloaca_core.definition.builder import (
    WorkflowBuilder as WorkflowBuilder,
)
from cloaca_core.definition.context import (
    Context as Context,
)
from cloaca_core.definition.handles.task_handle import (
    TaskHandle as TaskHandle,
)
from cloaca_core.definition.limits.limit import (
    Limit as Limit,
    LimitUse as LimitUse,
)
from cloaca_core.definition.registry import (
    Registry as Registry,
    get_workflow as get_workflow,
    list_workflows as list_workflows,
    register_limit as register_limit,
    register_workflow_constructor as register_workflow_constructor,
)
from cloaca_core.definition.retries.policy import (
    BackoffStrategy as BackoffStrategy,
    RetryCondition as RetryCondition,
    RetryPolicy as RetryPolicy,
    RetryPolicyBuilder as RetryPolicyBuilder,
)
from cloaca_core.definition.retries.retry_after import (
    RetryAfter as RetryAfter,
)
from cloaca_core.definition.task import (
    task as task,
)
from cloaca_core.definition.workflow import (
    Workflow as Workflow,
)
from cloaca_core.definition.written_rules import (
    all_of as all_of,
    always as always,
    any_of as any_of,
    chosen as chosen,
    context_value as context_value,
    none_failed as none_failed,
    none_of as none_of,
    task_failed as task_failed,
    task_skipped as task_skipped,
    task_success as task_success,
)
from cloaca_core.distributions import is_installed as _is_installed, require as _require
from cloaca_core.errors import (
    AlreadyDecidedError as AlreadyDecidedError,
    AmbiguousBackendError as AmbiguousBackendError,
    AmbiguousRunError as AmbiguousRunError,
    AmbiguousWorkflowError as AmbiguousWorkflowError,
    ApprovalRejectedError as ApprovalRejectedError,
    BackendError as BackendError,
    BackendForcedError as BackendForcedError,
    BackendNotFoundError as BackendNotFoundError,
    BackendUnusableError as BackendUnusableError,
    BackendVersionError as BackendVersionError,
    BodyCancelled as BodyCancelled,
    BodySignal as BodySignal,
    BodySuspended as BodySuspended,
    ChildFailedError as ChildFailedError,
    CloacaError as CloacaError,
    ConfigError as ConfigError,
    ConfigTypeError as ConfigTypeError,
    ContextError as ContextError,
    ContextKeyError as ContextKeyError,
    ContextTypeError as ContextTypeError,
    ContextValueError as ContextValueError,
    CronExpressionError as CronExpressionError,
    DefinitionError as DefinitionError,
    DefinitionTypeError as DefinitionTypeError,
    EventTimeoutError as EventTimeoutError,
    ExecutorError as ExecutorError,
    ExecutorUnavailableError as ExecutorUnavailableError,
    FilterError as FilterError,
    ForeignDatabaseError as ForeignDatabaseError,
    GraphRunError as GraphRunError,
    InputError as InputError,
    LimitKeyError as LimitKeyError,
    LimitNotFoundError as LimitNotFoundError,
    LoopError as LoopError,
    MailboxFullError as MailboxFullError,
    MapError as MapError,
    MapFailedError as MapFailedError,
    MergeError as MergeError,
    MissingExtraError as MissingExtraError,
    NewerSchemaError as NewerSchemaError,
    NodeNotDefinedError as NodeNotDefinedError,
    NotADatabaseError as NotADatabaseError,
    NotHereError as NotHereError,
    PipelineTimeoutError as PipelineTimeoutError,
    RecoveryLimitError as RecoveryLimitError,
    RunCancelledError as RunCancelledError,
    RunEndedError as RunEndedError,
    RunFailedError as RunFailedError,
    RunnerClosedError as RunnerClosedError,
    RunnerUsageError as RunnerUsageError,
    RunNotFoundError as RunNotFoundError,
    RunsInFlightError as RunsInFlightError,
    RunStateError as RunStateError,
    ScheduleError as ScheduleError,
    SecretDeniedError as SecretDeniedError,
    SecretsNotConfiguredError as SecretsNotConfiguredError,
    SingletonError as SingletonError,
    StepInUseError as StepInUseError,
    StoreDataError as StoreDataError,
    StoreError as StoreError,
    StoreFullError as StoreFullError,
    StoreOpenError as StoreOpenError,
    StoreReadOnlyError as StoreReadOnlyError,
    StoreUnavailableError as StoreUnavailableError,
    TaskNotFoundError as TaskNotFoundError,
    TenantError as TenantError,
    TenantNameError as TenantNameError,
    TransferError as TransferError,
    UnknownSettingError as UnknownSettingError,
    VariableNotSetError as VariableNotSetError,
    VersionChangedError as VersionChangedError,
    WorkerLost as WorkerLost,
    WorkflowExecutionError as WorkflowExecutionError,
    WorkflowNotFoundError as WorkflowNotFoundError,
    WorkflowValidationError as WorkflowValidationError,
)
from cloaca_core.store.backends import (
    BackendInfo as BackendInfo,
    available_backends as available_backends,
    chosen_backend as _chosen_backend,
    get_backend as get_backend,
)
from cloaca_core.values.namespace import (
    TaskNamespace as TaskNamespace,
    WorkflowContext as WorkflowContext,
)
from cloaca_core.values.node import (
    Node as Node,
)
from cloaca_core.values.option_names import (
    CatchupPolicyName as CatchupPolicyName,
    ExhaustedPolicyName as ExhaustedPolicyName,
    FailedPolicyName as FailedPolicyName,
    MergeRuleName as MergeRuleName,
    OperatorName as OperatorName,
    OverlapPolicyName as OverlapPolicyName,
    RejectPolicyName as RejectPolicyName,
    RetryBackoffName as RetryBackoffName,
    RetryConditionName as RetryConditionName,
    RunStatus as RunStatus,
    TaskStatus as TaskStatus,
    TriggerRuleName as TriggerRuleName,
    VersionPolicyName as VersionPolicyName,
    WaitKind as WaitKind,
)
from cloaca_core.values.times.no_limit import NO_LIMIT as NO_LIMIT, NoLimit as NoLimit

if TYPE_CHECKING:  # imported at first use: see _LATER
    from cloaca import executors as executors, logs as logs, metrics as metrics, otel as otel
    from cloaca_core.client.async_client import (
        AsyncClient as AsyncClient,
    )
    from cloaca_core.client.async_handles import (
        AsyncRunHandle as AsyncRunHandle,
    )
    from cloaca_core.client.async_runner import (
        AsyncRunner as AsyncRunner,
    )
    from cloaca_core.client.client import (
        Client as Client,
    )
    from cloaca_core.client.database_admin import (
        DatabaseAdmin as DatabaseAdmin,
    )
    from cloaca_core.client.default_runner import (
        DefaultRunner as DefaultRunner,
    )
    from cloaca_core.client.handles import (
        RunHandle as RunHandle,
    )
    from cloaca_core.client.sqlite_tenants import (
        SqliteTenants as SqliteTenants,
    )
    from cloaca_core.definition.handles.async_handle import (
        AsyncTaskHandle as AsyncTaskHandle,
    )
    from cloaca_core.definition.handles.child_handle import (
        AsyncChildHandle as AsyncChildHandle,
        ChildHandle as ChildHandle,
    )
    from cloaca_core.definition.inputs.params import (
        WorkflowParams as WorkflowParams,
        workflow_params as workflow_params,
    )
    from cloaca_core.definition.nodes.approval import (
        approval as approval,
    )
    from cloaca_core.definition.nodes.child import (
        child as child,
        constant as constant,
        loop as loop,
    )
    from cloaca_core.definition.nodes.sleep import (
        sleep as sleep,
    )
    from cloaca_core.definition.nodes.wait_for import (
        wait_for as wait_for,
    )
    from cloaca_core.definition.trigger import (
        trigger as trigger,
    )
    from cloaca_core.definition.triggers.file_arrival import (
        file_arrival as file_arrival,
    )
    from cloaca_core.definition.triggers.new_rows import (
        new_rows as new_rows,
    )
    from cloaca_core.definition.triggers.result import (
        TriggerResult as TriggerResult,
    )
    from cloaca_core.definition.when_ended import (
        WhenEnded as WhenEnded,
    )
    from cloaca_core.features.cloacina.builder import (
        ComputationGraphBuilder as ComputationGraphBuilder,
        node as node,
    )
    from cloaca_core.features.cloacina.declarations import (
        batch_accumulator as batch_accumulator,
        boundary_schema as boundary_schema,
        passthrough_accumulator as passthrough_accumulator,
        polling_accumulator as polling_accumulator,
        reactor as reactor,
        state_accumulator as state_accumulator,
        stream_accumulator as stream_accumulator,
    )
    from cloaca_core.features.cloacina.not_here import (
        TaskDecorator as TaskDecorator,
        TriggerDecorator as TriggerDecorator,
        WorkflowParamsDecorator as WorkflowParamsDecorator,
        WorkflowSecretsDecorator as WorkflowSecretsDecorator,
        constructor as constructor,
    )
    from cloaca_core.features.cloacina.variables import var as var, var_or as var_or
    from cloaca_core.features.limits.looks.views import (
        LimitDetails as LimitDetails,
        LimitHolder as LimitHolder,
        LimitInfo as LimitInfo,
        LimitKeyInfo as LimitKeyInfo,
        LimitWaiter as LimitWaiter,
    )
    from cloaca_core.features.reruns.results import Plan as Plan, PlanItem as PlanItem
    from cloaca_core.features.schedules.results import Backfill as Backfill
    from cloaca_core.features.schedules.timing.explain import (
        ClockChange as ClockChange,
        ScheduleExplanation as ScheduleExplanation,
        explain_schedule as explain_schedule,
    )
    from cloaca_core.features.steering.results import BulkResult as BulkResult, Steered as Steered
    from cloaca_core.features.task_logs.views import LogLine as LogLine
    from cloaca_core.features.tenants.credentials import (
        TenantConfig as TenantConfig,
        TenantCredentials as TenantCredentials,
        TenantInfo as TenantInfo,
    )
    from cloaca_core.features.upkeep.results import PruneResult as PruneResult
    from cloaca_core.features.waits.approvals import (
        OpenApproval as OpenApproval,
    )
    from cloaca_core.values.map_items import ItemResult as ItemResult
    from cloaca_core.values.missing import MISSING as MISSING, Missing as Missing
    from cloaca_core.views.explain.explanation import (
        Explanation as Explanation,
        RunnerExplanation as RunnerExplanation,
        TaskExplanation as TaskExplanation,
    )
    from cloaca_core.views.history import (
        Action as Action,
        AttemptInfo as AttemptInfo,
        RoundInfo as RoundInfo,
        RunEvent as RunEvent,
    )
    from cloaca_core.views.results import (
        PipelineResult as PipelineResult,
        RunInfo as RunInfo,
        RunSnapshot as RunSnapshot,
        WorkflowResult as WorkflowResult,
    )
    from cloaca_core.views.run_tree import RunBranch as RunBranch
    from cloaca_core.views.task_results import (
        Progress as Progress,
        TaskResult as TaskResult,
        Wait as Wait,
    )
    from cloaca_tools.observer import (
        Observer as Observer,
    )
    from cloaca_tools.transfer.case import (
        export_case as export_case,
    )
    from cloaca_tools.ui.mounting import (
        ui as ui,
    )
    from cloaca_tools.ui.visitors import (
        UiRequest as UiRequest,
        Visitor as Visitor,
        ui_without_auth as ui_without_auth,
    )

# Not in __all__: a star import would read it, and so import the drivers.
__backend__: str | None

__all__ = [
    # define
    "Context",
    "task",
    "WorkflowBuilder",
    "Workflow",
    "WhenEnded",
    "workflow_params",
    "WorkflowParams",
    "Registry",
    "register_workflow_constructor",
    "get_workflow",
    "list_workflows",
    "TaskNamespace",
    "WorkflowContext",
    "var",
    "var_or",
    # graphs within a task
    "ComputationGraphBuilder",
    "node",
    # declarations of 0.12, which nothing runs
    "reactor",
    "passthrough_accumulator",
    "stream_accumulator",
    "polling_accumulator",
    "batch_accumulator",
    "state_accumulator",
    "boundary_schema",
    # names of 0.12 that say why they are not here
    "constructor",
    "TaskDecorator",
    "TriggerDecorator",
    "WorkflowParamsDecorator",
    "WorkflowSecretsDecorator",
    # how many at once
    "Limit",
    "LimitUse",
    "register_limit",
    # nodes that wait
    "child",
    "constant",
    "loop",
    "sleep",
    "wait_for",
    "approval",
    "Node",
    "MISSING",
    "Missing",
    # when a task runs, and how often
    "always",
    "all_of",
    "any_of",
    "none_failed",
    "none_of",
    "task_success",
    "task_failed",
    "task_skipped",
    "chosen",
    "context_value",
    "RetryPolicy",
    "RetryPolicyBuilder",
    "BackoffStrategy",
    "RetryCondition",
    "RetryAfter",
    # explain a cron expression
    "explain_schedule",
    "ScheduleExplanation",
    "ClockChange",
    # start workflows by events
    "trigger",
    "TriggerResult",
    "file_arrival",
    "new_rows",
    # run
    "DefaultRunner",
    "AsyncRunner",
    "Client",
    "AsyncClient",
    "DefaultRunnerConfig",
    "NO_LIMIT",
    "NoLimit",
    "TaskHandle",
    "AsyncTaskHandle",
    "ChildHandle",
    "AsyncChildHandle",
    # observe
    "RunHandle",
    "AsyncRunHandle",
    "PipelineResult",
    "WorkflowResult",
    "TaskResult",
    "RunInfo",
    "RunSnapshot",
    "RunBranch",
    "Observer",
    "Steered",
    "BulkResult",
    "Plan",
    "PlanItem",
    "PruneResult",
    "Backfill",
    "RunEvent",
    "AttemptInfo",
    "RoundInfo",
    "ItemResult",
    "LogLine",
    "Progress",
    "Action",
    "OpenApproval",
    "LimitInfo",
    "LimitDetails",
    "LimitKeyInfo",
    "LimitHolder",
    "LimitWaiter",
    "ui",
    "ui_without_auth",
    "UiRequest",
    "Visitor",
    "Explanation",
    "TaskExplanation",
    "RunnerExplanation",
    "Wait",
    # types of options and states
    "RetryBackoffName",
    "RetryConditionName",
    "OperatorName",
    "TriggerRuleName",
    "CatchupPolicyName",
    "ExhaustedPolicyName",
    "FailedPolicyName",
    "MergeRuleName",
    "OverlapPolicyName",
    "RejectPolicyName",
    "VersionPolicyName",
    "RunStatus",
    "TaskStatus",
    "WaitKind",
    # take a run out of a database
    "export_case",
    # tenants
    "DatabaseAdmin",
    "TenantConfig",
    "TenantCredentials",
    "TenantInfo",
    "SqliteTenants",
    # installed backends
    "BackendInfo",
    "__version__",
    "available_backends",
    "get_backend",
    "get_version",
    # check an installation
    "HelloClass",
    "hello_world",
    # errors, as their tree is drawn in cloaca_core.errors
    "CloacaError",
    "ContextError",
    "ContextValueError",
    "InputError",
    "ContextTypeError",
    "ContextKeyError",
    "SecretsNotConfiguredError",
    "SecretDeniedError",
    "DefinitionError",
    "DefinitionTypeError",
    "NodeNotDefinedError",
    "WorkflowValidationError",
    "ConfigError",
    "ConfigTypeError",
    "UnknownSettingError",
    "VariableNotSetError",
    "NotHereError",
    "FilterError",
    "ScheduleError",
    "CronExpressionError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "AmbiguousWorkflowError",
    "TaskNotFoundError",
    "RunNotFoundError",
    "AmbiguousRunError",
    "RunFailedError",
    "VersionChangedError",
    "RunCancelledError",
    "ChildFailedError",
    "LoopError",
    "RunStateError",
    "SingletonError",
    "RunEndedError",
    "AlreadyDecidedError",
    "MailboxFullError",
    "GraphRunError",
    "MapError",
    "MapFailedError",
    "MergeError",
    "LimitKeyError",
    "LimitNotFoundError",
    "BodySignal",
    "BodyCancelled",
    "BodySuspended",
    "PipelineTimeoutError",
    "EventTimeoutError",
    "ApprovalRejectedError",
    "RecoveryLimitError",
    "ExecutorError",
    "ExecutorUnavailableError",
    "WorkerLost",
    "RunnerClosedError",
    "RunnerUsageError",
    "StepInUseError",
    "MissingExtraError",
    "BackendError",
    "BackendNotFoundError",
    "AmbiguousBackendError",
    "BackendVersionError",
    "BackendUnusableError",
    "BackendForcedError",
    "TenantError",
    "TenantNameError",
    "TransferError",
    "RunsInFlightError",
    "StoreError",
    "StoreOpenError",
    "NotADatabaseError",
    "ForeignDatabaseError",
    "NewerSchemaError",
    "StoreUnavailableError",
    "StoreFullError",
    "StoreReadOnlyError",
    "StoreDataError",
]


def get_version() -> str:
    """The version of cloaca, as ``__version__``."""
    return __version__


if not TYPE_CHECKING:  # a checker would take every misspelt name for a public one
    _LATER = {
        # runners need asyncio, which takes longer to import than all the rest; a module that only
        # defines workflows, or a process started for one body, does not need it
        "AsyncClient": "cloaca_core.client.async_client",
        "AsyncRunner": "cloaca_core.client.async_runner",
        "Client": "cloaca_core.client.client",
        "DefaultRunner": "cloaca_core.client.default_runner",
        "AsyncRunHandle": "cloaca_core.client.async_handles",
        "RunHandle": "cloaca_core.client.handles",
        "AsyncTaskHandle": "cloaca_core.definition.handles.async_handle",
        "AsyncChildHandle": "cloaca_core.definition.handles.child_handle",
        "ChildHandle": "cloaca_core.definition.handles.child_handle",
        "SqliteTenants": "cloaca_core.client.sqlite_tenants",
        "OpenApproval": "cloaca_core.features.waits.approvals",
        "LimitInfo": "cloaca_core.features.limits.looks.views",
        "LimitDetails": "cloaca_core.features.limits.looks.views",
        "LimitKeyInfo": "cloaca_core.features.limits.looks.views",
        "LimitHolder": "cloaca_core.features.limits.looks.views",
        "LimitWaiter": "cloaca_core.features.limits.looks.views",
        "Backfill": "cloaca_core.features.schedules.results",
        "BulkResult": "cloaca_core.features.steering.results",
        "PipelineResult": "cloaca_core.views.results",
        "Action": "cloaca_core.views.history",
        "AttemptInfo": "cloaca_core.views.history",
        "RoundInfo": "cloaca_core.views.history",
        "RunEvent": "cloaca_core.views.history",
        "Explanation": "cloaca_core.views.explain.explanation",
        "RunnerExplanation": "cloaca_core.views.explain.explanation",
        "TaskExplanation": "cloaca_core.views.explain.explanation",
        "RunInfo": "cloaca_core.views.results",
        "RunSnapshot": "cloaca_core.views.results",
        "RunBranch": "cloaca_core.views.run_tree",
        # few programs look at runs other than their own
        "Observer": "cloaca_tools.observer",
        "Steered": "cloaca_core.features.steering.results",
        "Plan": "cloaca_core.features.reruns.results",
        "PlanItem": "cloaca_core.features.reruns.results",
        "PruneResult": "cloaca_core.features.upkeep.results",
        "TaskResult": "cloaca_core.views.task_results",
        "Progress": "cloaca_core.views.task_results",
        "LogLine": "cloaca_core.features.task_logs.views",
        "ItemResult": "cloaca_core.values.map_items",
        "Wait": "cloaca_core.views.task_results",
        "WorkflowResult": "cloaca_core.views.results",
        # few programs serve the page
        "ui": "cloaca_tools.ui.mounting",
        "UiRequest": "cloaca_tools.ui.visitors",
        "Visitor": "cloaca_tools.ui.visitors",
        "ui_without_auth": "cloaca_tools.ui.visitors",
        # cron's fields and time zones
        "ClockChange": "cloaca_core.features.schedules.timing.explain",
        "ScheduleExplanation": "cloaca_core.features.schedules.timing.explain",
        "explain_schedule": "cloaca_core.features.schedules.timing.explain",
        # few workflows wait
        "approval": "cloaca_core.definition.nodes.approval",
        "child": "cloaca_core.definition.nodes.child",
        "constant": "cloaca_core.definition.nodes.child",
        "loop": "cloaca_core.definition.nodes.child",
        "sleep": "cloaca_core.definition.nodes.sleep",
        "wait_for": "cloaca_core.definition.nodes.wait_for",
        "MISSING": "cloaca_core.values.missing",
        "Missing": "cloaca_core.values.missing",
        # few workflows declare their input
        "WorkflowParams": "cloaca_core.definition.inputs.params",
        "workflow_params": "cloaca_core.definition.inputs.params",
        # few programs use what the Cloacina bindings have beyond workflows
        "ComputationGraphBuilder": "cloaca_core.features.cloacina.builder",
        "node": "cloaca_core.features.cloacina.builder",
        "batch_accumulator": "cloaca_core.features.cloacina.declarations",
        "boundary_schema": "cloaca_core.features.cloacina.declarations",
        "passthrough_accumulator": "cloaca_core.features.cloacina.declarations",
        "polling_accumulator": "cloaca_core.features.cloacina.declarations",
        "reactor": "cloaca_core.features.cloacina.declarations",
        "state_accumulator": "cloaca_core.features.cloacina.declarations",
        "stream_accumulator": "cloaca_core.features.cloacina.declarations",
        "TaskDecorator": "cloaca_core.features.cloacina.not_here",
        "TriggerDecorator": "cloaca_core.features.cloacina.not_here",
        "WorkflowParamsDecorator": "cloaca_core.features.cloacina.not_here",
        "WorkflowSecretsDecorator": "cloaca_core.features.cloacina.not_here",
        "constructor": "cloaca_core.features.cloacina.not_here",
        "var": "cloaca_core.features.cloacina.variables",
        "var_or": "cloaca_core.features.cloacina.variables",
        "_shutdown_all_runners": "cloaca_core.client.open_runners",
        # few workflows have runs that follow theirs
        "WhenEnded": "cloaca_core.definition.when_ended",
        # few programs take runs out of a database
        "export_case": "cloaca_tools.transfer.case",
        # few programs make tenants or watch files and tables
        "DatabaseAdmin": "cloaca_core.client.database_admin",
        "TenantConfig": "cloaca_core.features.tenants.credentials",
        "TenantCredentials": "cloaca_core.features.tenants.credentials",
        "TenantInfo": "cloaca_core.features.tenants.credentials",
        "trigger": "cloaca_core.definition.trigger",
        "TriggerResult": "cloaca_core.definition.triggers.result",
        "file_arrival": "cloaca_core.definition.triggers.file_arrival",
        "new_rows": "cloaca_core.definition.triggers.new_rows",
    }

    # By name, the extra that brings cloaca-tools and what the name needs beside it.
    _OF_TOOLS = {
        **dict.fromkeys(("ui", "UiRequest", "Visitor", "ui_without_auth"), "ui"),
        **dict.fromkeys(("Observer", "export_case"), "cli"),
    }
    _MODULES = ("executors", "logs", "metrics", "otel")

    def __getattr__(name: str) -> object:
        """Import costly things at first use: the drivers for ``__backend__``, the modules of
        ``_MODULES``, a name's module for the names of ``_LATER``.
        """
        if name == "__backend__":
            return _chosen_backend()
        if name in _MODULES:
            return _import_module(f"cloaca.{name}")
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _OF_TOOLS and not _is_installed("cloaca_tools"):
            return _what_to_install(name)
        found = globals()[name] = getattr(_import_module(_LATER[name]), name)
        return found

    def _what_to_install(name: str) -> object:
        """A function in place of this name, so that ``help(cloaca)`` and a star import work."""

        def missing(*_: object, **__: object) -> None:
            _require("cloaca_tools", f"cloaca.{name}", extra=_OF_TOOLS[name])

        return missing

    def __dir__() -> list[str]:
        """All public names, those imported at first use included."""
        return [*__all__, "__backend__", *_MODULES]
