"""The tools that only look. Their forms are the forms of the commands with ``--json``."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Final

from cloaca_core.errors import ConfigError
from cloaca_core.features.limits.operations import ListLimits, ShowLimit
from cloaca_tools.mcp.bounds import Form, page
from cloaca_tools.mcp.database import Database
from cloaca_tools.mcp.schemas import flag, text, whole
from cloaca_tools.mcp.tool import Tool
from cloaca_tools.views import json_form
from cloaca_tools.views.limits import key_of
from cloaca_tools.views.lists.filters import listed, parse
from cloaca_tools.views.run.changes import masked_change

RUN: Final = text(
    "A run: its id, the beginning of it that no other run shares, @ for the newest run or @~1 for "
    "the one before it."
)
WORKFLOW: Final = text("The name of a workflow.")
LIMIT: Final = text("The name of a limit.")
_FILTER: Final = text(
    "Terms [-]key:value[,value] with spaces between them; all must be met, of several values one, "
    "and - is for not. Keys: status (Pending, Running, Waiting, Paused, Cancelling, Completed, "
    "Failed, Cancelled), workflow, queue, tag.KEY, since, until, ended-since (2h, 1d12h, a date, "
    "RFC 3339), task, error, parent (a run; none for runs at the top, any for all), by, act, id. "
    "Example: status:failed since:1d -workflow:import. Default: parent:none."
)


def list_workflows(database: Database, limit: int = 50, after: str = "") -> Form:
    """The workflows by name."""
    lines = [each for each in database.observer.workflows().wait() if each.workflow > after]
    shown = [each.to_dict() for each in islice(lines, limit)]
    following = shown[-1]["workflow"] if len(lines) > limit else None
    return page("workflows", shown, lambda row: row["workflow"], following)


def list_runs(
    database: Database,
    filter: str = "",  # noqa: A002 - the name of the argument
    limit: int = 20,
    before: str | None = None,
) -> Form:
    """The runs that match, newest first."""
    wanted = listed(parse(filter))
    found = database.observer.runs(wanted, limit=limit, before=before).wait()
    return page("runs", [run.to_dict() for run in found.runs], lambda row: row["id"], found.next)


def get_run(
    database: Database,
    run: str,
    depth: int = 1,
    task: str | None = None,
    attempt: int | None = None,
) -> Form:
    """A run with its tasks; of one task, if it is named, also its input and result."""
    observer, run_id = database.observer, database.run_id(run)
    form: Form = {"run": observer.show(run_id, depth=depth).wait().to_dict()}
    if task is not None:
        change, redact = observer.changes(run_id, task, attempt=attempt).wait(), database.redact
        changes = tuple([masked_change(each, redact) for each in change.changes])
        form["change"] = replace(change, changes=changes).to_dict()
    return form


def get_tree(database: Database, run: str, limit: int = 100) -> Form:
    """A run with the runs below it, without their tasks."""
    return {"tree": database.client.get_run(database.run_id(run)).tree(limit=limit).to_dict()}


def list_items(
    database: Database,
    run: str,
    task: str,
    status: str | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Form:
    """The items of a map of a run, in their order."""
    found = database.observer.items(
        database.run_id(run), task, status=status, after=after, limit=limit
    ).wait()
    rows = [item.to_dict() for item in found.items]
    shown = page("items", rows, lambda row: row["index"], found.next)
    return {"total": found.total, "counts": dict(found.counts), **shown}


def explain_run(database: Database, run: str) -> Form:
    """Why a run and its tasks are as they are."""
    return {"explanation": json_form(database.observer.explain(run).wait())}


def get_logs(
    database: Database,
    run: str,
    task: str | None = None,
    attempt: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> Form:
    """The lines that bodies of a run have logged, in the order in which they were written."""
    handle = database.client.get_run(database.run_id(run))
    found = handle.logs(task, attempt, after, limit=limit + 1)
    shown = [json_form(line) for line in found[:limit]]
    following = shown[-1]["position"] if len(found) > limit else None
    return page("lines", shown, lambda row: row["position"], following)


def list_events(database: Database, run: str, after: int | None = None, limit: int = 100) -> Form:
    """The events of a run, and what people asked of it, in the order of time."""
    found = database.observer.events(database.run_id(run)).wait()
    rows = [{"number": number, **json_form(event)} for number, event in enumerate(found, 1)]
    shown = rows[after or 0 :][:limit]
    following = shown[-1]["number"] if shown and shown[-1] is not rows[-1] else None
    return page("events", shown, lambda row: row["number"], following)


def get_graph(database: Database, run: str | None = None, workflow: str | None = None) -> Form:
    """The graph of a run or of a workflow."""
    match run, workflow:
        case str(), None:
            found = database.observer.graph(run).wait()
        case None, str():
            found = database.observer.workflow_graph(workflow).wait()
        case _:
            raise ConfigError("give either run or workflow")
    form: Form = {"graph": found.to_dict(), "mermaid": found.mermaid()}
    return form if found.input_schema is None else {**form, "input_schema": found.input_schema}


def list_limits(database: Database) -> Form:
    """The limits by name."""
    rows = [each.to_dict() for each in database.do(ListLimits())]
    return page("limits", rows, lambda row: row["name"], None)


def get_limit(database: Database, limit: str, key: str | None = None, most: int = 20) -> Form:
    """A limit with its keys, holders and waiters."""
    found = database.do(ShowLimit(limit, None if key is None else key_of(key), most)).to_dict()
    return {"limit": {**found.pop("limit"), **found}}


def doctor(database: Database, deep: bool = False) -> Form:
    """The findings about the database, its runners and what is installed."""
    from cloaca_tools.doctor.diagnosis import diagnose

    return {"diagnosis": diagnose(database.url, schema=database.schema, deep=deep).to_dict()}


LOOKING: Final = (
    Tool(
        "list_workflows",
        "List workflows",
        "List the workflows that runners have recorded, by name: counts of their newest runs by "
        "state, the last run, the number of tasks, and whether they are paused.",
        list_workflows,
        {
            "limit": whole("At most so many. Default: 50.", 1, 200),
            "after": text("Go on after this one: the next of the answer before."),
        },
    ),
    Tool(
        "list_runs",
        "List runs",
        "List runs, newest first. An answer with a next goes on: call again with it as before.",
        list_runs,
        {
            "filter": _FILTER,
            "limit": whole("At most so many. Default: 20.", 1, 100),
            "before": text("Only runs older than this one: the next of the answer before."),
        },
    ),
    Tool(
        "get_run",
        "Show a run",
        "Show a run: its state, error, times and tags, its tasks with their states, and the runs "
        "that these have submitted. With task also the input of that task, the change that it made "
        "in the context, its result, error and traceback.",
        get_run,
        {
            "run": RUN,
            "depth": whole("Levels of runs below it that are shown. Default: 1.", 0, 20),
            "task": text("A task of the run that has had an attempt."),
            "attempt": whole("An attempt of this task. Default: the latest.", 1, 1_000_000),
        },
    ),
    Tool(
        "get_tree",
        "Show the runs below a run",
        "Show a run with the runs that its tasks and nodes have begun, the runs below these and so "
        "on, each with its state, the task that began it, and the item, iteration or call; without "
        "their tasks. The nearest are shown; hidden counts others.",
        get_tree,
        {"run": RUN, "limit": whole("At most so many runs. Default: 100.", 1, 1_000)},
    ),
    Tool(
        "list_items",
        "List items of a map",
        "List the items of a task that is a map, in their order, with their states, results and "
        "errors, and count them by state. An answer with a next goes on: call again with it as "
        "after.",
        list_items,
        {
            "run": RUN,
            "task": text("The task, which has one body call for each item of its data."),
            "status": text("Only items in this state, as Failed. Default: all."),
            "after": whole("Go on after this index: the next of the answer before.", 0, 10**9),
            "limit": whole("At most so many. Default: 50.", 1, 200),
        },
    ),
    Tool(
        "explain_run",
        "Explain a run",
        "Say why a run and each of its tasks waits, was skipped or failed, which runners may "
        "execute it, and why none does. Begin here when a run has failed or does not go on.",
        explain_run,
        {"run": RUN},
    ),
    Tool(
        "get_logs",
        "Read logs of a run",
        "List the lines that the tasks of a run have logged, in the order in which they were "
        "written; those of one task or attempt, if given.",
        get_logs,
        {
            "run": RUN,
            "task": text("Only lines of this task, or of an item of a map, as 'convert[17]'."),
            "attempt": whole("Only lines of this attempt.", 1, 1_000_000),
            "after": whole("Go on after this position: the next of the answer before.", 0, 10**15),
            "limit": whole("At most so many. Default: 100.", 1, 1_000),
        },
    ),
    Tool(
        "list_events",
        "List events of a run",
        "List what happened in a run, in the order of time: rounds, tasks and their failures, "
        "messages, and what people asked of it, with who and why. An answer with a next goes on: "
        "call again with it as after.",
        list_events,
        {
            "run": RUN,
            "after": whole("Go on after this number: the next of the answer before.", 0, 10**9),
            "limit": whole("At most so many. Default: 100.", 1, 1_000),
        },
    ),
    Tool(
        "get_graph",
        "Show a graph",
        "Show the tasks of a workflow and which depend on which, as data and as a Mermaid "
        "flowchart; of a run with their states; of a workflow that declares its input the JSON "
        "schema of that. Give run or workflow.",
        get_graph,
        {"run": RUN, "workflow": WORKFLOW},
    ),
    Tool(
        "list_limits",
        "List limits",
        "List how many bodies may be under way at once and start in a time: the settings that "
        "count, those of the code, who has changed them, how many places are used, how many bodies "
        "wait and since when.",
        list_limits,
        {},
    ),
    Tool(
        "get_limit",
        "Show a limit",
        "Show a limit with its keys, those first that wait longest, who holds its places and who "
        "waits for them.",
        get_limit,
        {
            "limit": LIMIT,
            "key": text('Only this key: a text, or JSON as 7, true or "7".'),
            "most": whole("At most so many keys, holders and waiters. Default: 20.", 1, 200),
        },
    ),
    Tool(
        "doctor",
        "Examine the database",
        "Find what is wrong with the database, its runners and what is installed; each finding "
        "says what to do.",
        doctor,
        {"deep": flag("Read all pages and indexes, too, which may take minutes. Default: false.")},
    ),
)
