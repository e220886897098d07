"""One answer to what is seen of runs, for the command line, the page and MCP, which dress it.

    filters    text → terms              search     terms → a search of the store
    ids        a reference → a run's id  listing    lines and pages
    tree       a run, its tasks, its children
    timeline   attempts as bars          graph      nodes, edges, states; mermaid: as text
    changes    input, diff and result of a task
    task_details   one task, closely: attempts, kept values, messages, decision
    run_forms  JSON of answers about one run
    owners     runs whose runner is gone
    steerable  a filter, narrowed to the runs that an order changes
    activity   of the last hours        standings  how far runs have come
    statistics of workflows and tasks    overview   one screen
    failure_groups   failed runs by their errors
    task_times   the slowest tasks of all workflows
    versions   in the last runs          starters   schedules and triggers of a workflow
    inbox      what waits for a person
    schedules  cron schedules, their ticks and the ticks of a period; triggers: event triggers
    observer   the class that offers all of it

Reads through the engine of a client; has no SQL, and writes nothing.

A name is imported at its first use: a command needs few of these views, and is to be over soon.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from cloaca_core.values.json_forms import json_form as json_form

if TYPE_CHECKING:
    from cloaca_core.observe.changes import KeyChange as KeyChange, TaskChange as TaskChange
    from cloaca_core.observe.failure_groups import (
        FailureGroup as FailureGroup,
        FailureGroups as FailureGroups,
    )
    from cloaca_core.observe.filters import Filter as Filter, Term as Term, parse as parse
    from cloaca_core.observe.graph import (
        Graph as Graph,
        GraphEdge as GraphEdge,
        GraphNode as GraphNode,
    )
    from cloaca_core.observe.inspection import Inspection as Inspection, Snapshot as Snapshot
    from cloaca_core.observe.listing import RunLine as RunLine, RunPage as RunPage
    from cloaca_core.observe.observer import Observer as Observer
    from cloaca_core.observe.overview import Overview as Overview, RunnerLine as RunnerLine
    from cloaca_core.observe.starters import Starter as Starter
    from cloaca_core.observe.statistics import (
        GridRow as GridRow,
        TaskStatistics as TaskStatistics,
        WorkflowLine as WorkflowLine,
        WorkflowStatistics as WorkflowStatistics,
    )
    from cloaca_core.observe.task_details import TaskDetails as TaskDetails
    from cloaca_core.observe.task_times import SlowestTasks as SlowestTasks, TaskTimes as TaskTimes
    from cloaca_core.observe.timeline import Bar as Bar, Span as Span, Timeline as Timeline
    from cloaca_core.observe.tree import RunTree as RunTree, TaskNode as TaskNode
    from cloaca_core.observe.versions import VersionLine as VersionLine

if not TYPE_CHECKING:  # a checker would take every misspelt name for one of these
    _LATER = {
        "KeyChange": "changes",
        "TaskChange": "changes",
        "FailureGroup": "failure_groups",
        "FailureGroups": "failure_groups",
        "Filter": "filters",
        "Term": "filters",
        "parse": "filters",
        "Graph": "graph",
        "GraphEdge": "graph",
        "GraphNode": "graph",
        "Inspection": "inspection",
        "Snapshot": "inspection",
        "RunLine": "listing",
        "RunPage": "listing",
        "Observer": "observer",
        "Overview": "overview",
        "RunnerLine": "overview",
        "Starter": "starters",
        "GridRow": "statistics",
        "TaskStatistics": "statistics",
        "WorkflowLine": "statistics",
        "WorkflowStatistics": "statistics",
        "TaskDetails": "task_details",
        "SlowestTasks": "task_times",
        "TaskTimes": "task_times",
        "Bar": "timeline",
        "Span": "timeline",
        "Timeline": "timeline",
        "RunTree": "tree",
        "TaskNode": "tree",
        "VersionLine": "versions",
    }

    def __getattr__(name: str) -> object:
        """Import the module of a name."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)
        return found
