"""One answer to what is seen of runs, for the command line, the page and MCP, which dress it.

    filters    text → terms              search     terms → a search of the store
    ids        a reference → a run's id  listing    lines and pages
    tree       a run, its tasks, its children
    items      a map: counts, strip, a page of its items
    timeline   attempts as bars          graph      nodes, edges, states; mermaid: as text
    changes    input, diff and result of a task
    task_details   one task, closely: attempts, kept values, messages, decision
    run_forms  JSON of answers about one run
    steerable  a filter, narrowed to the runs that an order changes
    activity   of the last hours        standings  how far runs have come
    statistics of workflows and tasks    overview   one screen
    failure_groups   failed runs by their errors
    facets     runs by state, workflow, queue and tag
    task_times   the slowest tasks of all workflows
    versions   in the last runs          starters   schedules and triggers of a workflow
    inbox      what waits for a person   queues     what waits where, and who serves it
    schedules  cron schedules, their ticks and the ticks of a period; triggers: event triggers

``observer.py`` has the class that offers all of it. It reads through the engine of a client,
has no SQL, and writes nothing.

A name is imported at its first use: a command needs few of these views, and is to be over soon.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from cloaca_core.values.payloads.json_forms import json_form as json_form

if TYPE_CHECKING:
    from cloaca_tools.views.lists.facets import Facets as Facets
    from cloaca_tools.views.lists.failure_groups import (
        ErrorKind as ErrorKind,
        ErrorKinds as ErrorKinds,
        FailureGroup as FailureGroup,
        FailureGroups as FailureGroups,
    )
    from cloaca_tools.views.lists.filters import Filter as Filter, Term as Term, parse as parse
    from cloaca_tools.views.lists.listing import RunLine as RunLine, RunPage as RunPage
    from cloaca_tools.views.overview import Overview as Overview
    from cloaca_tools.views.queues import QueueLine as QueueLine
    from cloaca_tools.views.run.changes import KeyChange as KeyChange, TaskChange as TaskChange
    from cloaca_tools.views.run.graph import (
        Graph as Graph,
        GraphEdge as GraphEdge,
        GraphNode as GraphNode,
    )
    from cloaca_tools.views.run.inspection import Inspection as Inspection, Snapshot as Snapshot
    from cloaca_tools.views.run.task_details import TaskDetails as TaskDetails
    from cloaca_tools.views.run.timeline import Bar as Bar, Span as Span, Timeline as Timeline
    from cloaca_tools.views.run.tree import RunTree as RunTree, TaskNode as TaskNode
    from cloaca_tools.views.runners import RunnerLine as RunnerLine
    from cloaca_tools.views.workflows.starters import Starter as Starter
    from cloaca_tools.views.workflows.statistics import (
        GridRow as GridRow,
        TaskStatistics as TaskStatistics,
        WorkflowLine as WorkflowLine,
        WorkflowStatistics as WorkflowStatistics,
    )
    from cloaca_tools.views.workflows.task_times import (
        SlowestTasks as SlowestTasks,
        TaskTimes as TaskTimes,
    )
    from cloaca_tools.views.workflows.versions import VersionLine as VersionLine

if not TYPE_CHECKING:  # a checker would take every misspelt name for one of these
    _LATER = {
        "KeyChange": "run.changes",
        "TaskChange": "run.changes",
        "ErrorKind": "lists.failure_groups",
        "ErrorKinds": "lists.failure_groups",
        "Facets": "lists.facets",
        "FailureGroup": "lists.failure_groups",
        "FailureGroups": "lists.failure_groups",
        "Filter": "lists.filters",
        "Term": "lists.filters",
        "parse": "lists.filters",
        "Graph": "run.graph",
        "GraphEdge": "run.graph",
        "GraphNode": "run.graph",
        "Inspection": "run.inspection",
        "Snapshot": "run.inspection",
        "RunLine": "lists.listing",
        "RunPage": "lists.listing",
        "Overview": "overview",
        "RunnerLine": "runners",
        "QueueLine": "queues",
        "Starter": "workflows.starters",
        "GridRow": "workflows.statistics",
        "TaskStatistics": "workflows.statistics",
        "WorkflowLine": "workflows.statistics",
        "WorkflowStatistics": "workflows.statistics",
        "TaskDetails": "run.task_details",
        "SlowestTasks": "workflows.task_times",
        "TaskTimes": "workflows.task_times",
        "Bar": "run.timeline",
        "Span": "run.timeline",
        "Timeline": "run.timeline",
        "RunTree": "run.tree",
        "TaskNode": "run.tree",
        "VersionLine": "workflows.versions",
    }

    def __getattr__(name: str) -> object:
        """Import the module of a name."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)
        return found
