"""The tools that steer a run or a limit; the log of actions names them ``BY``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloaca_core.features.limits.operations import ClearLimit, SetLimit, ShowLimit
from cloaca_core.features.reruns.operations import PlanFork, PlanRetry, Retry
from cloaca_core.features.steering.operations import Cancel, Pause, Resume
from cloaca_core.features.steering.results import Steered
from cloaca_core.features.waits.operations import Approve, Send
from cloaca_core.operations.runs import Status
from cloaca_core.values.option_names import SingletonPolicyName
from cloaca_core.values.times.no_limit import NO_LIMIT, WORD
from cloaca_tools.mcp.bounds import Form
from cloaca_tools.mcp.database import Database
from cloaca_tools.mcp.looking import LIMIT, RUN, WORKFLOW
from cloaca_tools.mcp.schemas import (
    anything,
    flag,
    seconds,
    text,
    text_by_name,
    texts,
    values_by_name,
    whole,
)
from cloaca_tools.mcp.tool import Effect, Tool
from cloaca_tools.views import json_form
from cloaca_tools.views.limits import effect, settings_after
from cloaca_tools.views.run_forms import forked_form, steered_form, submitted_form

BY: Final = "mcp"
_ADDS: Final = Effect(looks=False, repeats=False)
_SWITCHES: Final = Effect(looks=False)
_ENDS: Final = Effect(looks=False, destroys=True)
_REPLACES: Final = Effect(looks=False, destroys=True, repeats=False)


def submit(
    database: Database,
    workflow: str,
    context: Mapping[str, Any] | None = None,
    key: str | None = None,
    tags: Mapping[str, str] | None = None,
    priority: int | None = None,
    delay: float | None = None,
    time_limit: float | None = None,
    queue: str | None = None,
    singleton: str | None = None,
    singleton_policy: SingletonPolicyName = "existing",
) -> Form:
    """Submit a run, for a runner to execute."""
    made = database.client.submit(
        workflow,
        context,
        idempotency_key=key,
        tags=tags,
        priority=priority,
        delay=delay,
        time_limit=time_limit,
        queue=queue,
        singleton=singleton,
        singleton_policy=singleton_policy,
        by=BY,
    )
    return {"run": submitted_form(made)}


def cancel(
    database: Database, run: str, reason: str | None = None, grace: float | None = None
) -> Form:
    """End a run as Cancelled."""
    run_id = database.run_id(run)
    return _steered(run_id, database.do(Cancel(run_id, reason, grace, by=BY)))


def pause(
    database: Database, run: str, until: str | None = None, reason: str | None = None
) -> Form:
    """Start no more tasks of a run."""
    run_id = database.run_id(run)
    return _steered(run_id, database.do(Pause(run_id, reason, until, by=BY)))


def resume(database: Database, run: str, reason: str | None = None) -> Form:
    """Resume a paused run."""
    run_id = database.run_id(run)
    return _steered(run_id, database.do(Resume(run_id, reason=reason, by=BY)))


def retry(
    database: Database,
    run: str,
    tasks: Sequence[str] = (),
    plan: bool = False,
    reason: str | None = None,
) -> Form:
    """Begin a run again, or show what that would keep and run."""
    run_id = database.run_id(run)
    if plan:
        return {"plan": json_form(database.do(PlanRetry(run_id, tasks or None)))}
    begun = database.do(Retry(run_id, tasks or None, reason=reason, by=BY))
    return _steered(begun, Steered(database.do(Status(begun)), changed=True))


def fork(
    database: Database,
    run: str,
    task: str,
    context: Mapping[str, Any] | None = None,
    key: str | None = None,
    tags: Mapping[str, str] | None = None,
    plan: bool = False,
    reason: str | None = None,
) -> Form:
    """Make a run of another one, from a task on, or show what that would keep and run."""
    run_id = database.run_id(run)
    if plan:
        return {"plan": json_form(database.do(PlanFork(run_id, task)))}
    made = database.client.fork(
        run_id, task, context=context, idempotency_key=key, tags=tags, reason=reason, by=BY
    )
    return {"run": forked_form(made, run_id)}


def send(
    database: Database,
    run: str,
    event: str,
    payload: Any = None,
    key: str | None = None,
    item: str | None = None,
) -> Form:
    """Send an event to a run."""
    run_id = database.run_id(run)
    return _steered(run_id, database.do(Send(run_id, event, payload, key, BY, item)))


def approve(
    database: Database,
    run: str,
    task: str,
    choice: str = "approve",
    data: Any = None,
    note: str | None = None,
    item: str | None = None,
) -> Form:
    """Decide an approval of a run."""
    run_id = database.run_id(run)
    done = database.do(Approve(run_id, task, choice, data, note, BY, item))
    return _steered(run_id, done)


def set_limit(
    database: Database,
    limit: str,
    total: int | str | None = None,
    per_key: int | str | None = None,
    rate: str | None = None,
    burst: int | None = None,
    rate_per_key: str | None = None,
    burst_per_key: int | None = None,
    plan: bool = False,
) -> Form:
    """Set other settings than those of the code, or show what that would do."""
    change = SetLimit(
        limit,
        total=_or_no_limit(total),
        per_key=_or_no_limit(per_key),
        rate=_or_no_limit(rate),
        burst=burst,
        rate_per_key=_or_no_limit(rate_per_key),
        burst_per_key=burst_per_key,
        by=BY,
    )
    before = database.do(ShowLimit(limit, None, 1)).limit
    effects = effect(before, settings_after(before, change.changes()))
    if plan:
        return {"plan": effects}
    database.do(change)
    return {"limit": database.do(ShowLimit(limit, None, 1)).limit.to_dict(), "effect": effects}


def _or_no_limit(value: Any) -> Any:
    return NO_LIMIT if value == WORD else value


def clear_limit(database: Database, limit: str, plan: bool = False) -> Form:
    """Let the settings of the code count again, or show what that would do."""
    before = database.do(ShowLimit(limit, None, 1)).limit
    effects = effect(before, before.definition)
    if plan:
        return {"plan": effects}
    database.do(ClearLimit(limit, BY))
    return {"limit": database.do(ShowLimit(limit, None, 1)).limit.to_dict(), "effect": effects}


def _steered(run_id: str, done: Steered) -> Form:
    return {"run": steered_form(run_id, done)}


_REASON: Final = text("Why, for the log of actions.")
_KEY: Final = text("An idempotency key: one run of the workflow has it, for ever.")
_ITEM: Final = text("Only this item of a map, as 'convert[17]', by its label or index.")
_EFFECT: Final = flag("Only tell what would follow; changes nothing. Default: false.")
_PLAN: Final = flag("Only show what it would keep and run; changes nothing. Default: false.")

STEERING: Final = (
    Tool(
        "submit",
        "Submit a run",
        "Submit a run of a workflow, for a runner to execute; answers at once with its id.",
        submit,
        {
            "workflow": WORKFLOW,
            "context": values_by_name(
                "The values that the run begins with. Default: none. get_graph tells which a "
                "workflow wants."
            ),
            "key": _KEY,
            "tags": text_by_name("Tags of the run."),
            "priority": whole("Of runs that wait for a place. Default: 0.", -100, 100),
            "delay": seconds("Begin so many seconds later."),
            "time_limit": seconds("The seconds that the run may take."),
            "queue": text("The queue of its tasks that name none. Default: its workflow's."),
            "singleton": text("At most one run of the workflow with this key is under way."),
            "singleton_policy": text(
                "If one is: 'existing' gives that run, 'reject' refuses, 'queue' begins when it "
                "has ended, 'cancel_old' cancels it. Default: existing."
            ),
        },
        _ADDS,
    ),
    Tool(
        "cancel",
        "Cancel a run",
        "End a run as Cancelled, with the runs that it has submitted. It can be begun again by "
        "retry.",
        cancel,
        {"run": RUN, "reason": _REASON, "grace": seconds("How long bodies have to end.")},
        _ENDS,
    ),
    Tool(
        "pause",
        "Pause a run",
        "Start no more tasks of a run until it is resumed; those that run go on to their end.",
        pause,
        {
            "run": RUN,
            "until": text("The instant at which it goes on by itself: RFC 3339."),
            "reason": _REASON,
        },
        _SWITCHES,
    ),
    Tool(
        "resume",
        "Resume a run",
        "Let a paused run go on.",
        resume,
        {"run": RUN, "reason": _REASON},
        _SWITCHES,
    ),
    Tool(
        "retry",
        "Retry a run",
        "Begin a run again that has failed or was cancelled. Tasks run again that failed, were "
        "cancelled or never started, and all that depend on them. Look at the plan first.",
        retry,
        {
            "run": RUN,
            "tasks": texts(
                "Run these tasks again, in place of those that failed; an item of a map is named "
                "'convert[17]', by its label or index."
            ),
            "plan": _PLAN,
            "reason": _REASON,
        },
        _REPLACES,
    ),
    Tool(
        "fork",
        "Fork a run",
        "Make a new run of a run in any state, from a task on. The results of completed tasks "
        "count that are not this task or below it. Look at the plan first.",
        fork,
        {
            "run": RUN,
            "task": text("The first task that runs again."),
            "context": values_by_name("Keys that count as written just before this task."),
            "key": _KEY,
            "tags": text_by_name("Tags, in place of those of the run."),
            "plan": _PLAN,
            "reason": _REASON,
        },
        _ADDS,
    ),
    Tool(
        "send",
        "Send an event",
        "Send an event to a run, which reads it where it waits for that.",
        send,
        {
            "run": RUN,
            "event": text("The name of the event."),
            "payload": anything("The JSON value that goes with it. Default: null."),
            "key": text("A second message with this key is not sent."),
            "item": _ITEM,
        },
        _ADDS,
    ),
    Tool(
        "approve",
        "Decide an approval",
        "Decide an approval that a run waits for. Do so only when a person has asked for it.",
        approve,
        {
            "run": RUN,
            "task": text(
                "The approval: the task that is one, or the name that the body of a task gave it."
            ),
            "choice": text("One of its choices. Default: approve."),
            "data": anything("The JSON value that goes with the choice. Default: null."),
            "note": text("A note, for the log of actions."),
            "item": _ITEM,
        },
        _ENDS,
    ),
    Tool(
        "set_limit",
        "Set a limit",
        "Set other settings of a limit than those of the code, at once and for all programs, until "
        "clear_limit. What is left out stays as it is, and 'none' lifts a setting. Nothing is cut. "
        "Look at the plan first.",
        set_limit,
        {
            "limit": LIMIT,
            "total": anything("How many bodies at once, or 'none'; 0 stops all that needs it."),
            "per_key": anything("How many at once with the same key, or 'none'."),
            "rate": text("Starts in a time, as '100/m' or '5/10s', or 'none'."),
            "burst": whole("How many of the rate at once.", 1, 10**6),
            "rate_per_key": text("The same for each key."),
            "burst_per_key": whole("How many of the rate of a key at once.", 1, 10**6),
            "plan": _EFFECT,
        },
        _SWITCHES,
    ),
    Tool(
        "clear_limit",
        "Clear a limit",
        "Let the settings of a limit in the code count again. Look at the plan first.",
        clear_limit,
        {"limit": LIMIT, "plan": _EFFECT},
        _SWITCHES,
    ),
)
