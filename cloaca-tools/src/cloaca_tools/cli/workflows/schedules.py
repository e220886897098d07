"""``cloaca schedules``: cron schedules of workflows."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from cloaca_core.values.wording import counted
from cloaca_tools.cli.arguments import by_option, context_of, context_options
from cloaca_tools.cli.columns import fact_lines, moment, text, when
from cloaca_tools.cli.completion import SCHEDULES, WORKFLOWS
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.known_workflows import note_unknown
from cloaca_tools.cli.output import Column, Form, Output, note, output_options
from cloaca_tools.cli.runs.steer_runs import confirm
from cloaca_tools.cli.where import Where, app_options, database_options, pass_where
from cloaca_tools.cli.words import ago
from cloaca_tools.cli.workflows.switches import Switched, add_switches, state

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_core.features.schedules.results import Backfill

_MOST: Final = 10_000
_LIMIT = click.option("--limit", type=click.IntRange(1, _MOST), default=100, show_default=True)
_SCHEDULE = click.argument("schedule", shell_complete=SCHEDULES)
_ZONE = click.option(
    "--tz", "timezone", metavar="ZONE", default="UTC", show_default=True, help="An IANA zone."
)


@click.group("schedules")
def command() -> None:
    """List, add, explain and change cron schedules.

    SCHEDULE is the name of a schedule, its id, or the beginning of one that no other shares.
    """


@command.command("list")
@click.option("--enabled", "enabled_only", is_flag=True, help="Only those that are enabled.")
@_LIMIT
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output, enabled_only: bool, limit: int) -> None:
    """List the schedules, by workflow."""
    with where.looking() as client:
        rows = client.list_cron_schedules(enabled_only=enabled_only or None, limit=limit + 1)
    out.listing("schedules", rows, _COLUMNS, limit=limit, empty="No schedules.")


def _coming(row: Form) -> str | None:
    """When a schedule ticks next. The row of one that is disabled has a tick as well, which makes
    no run.
    """
    tick: str | None = row["next_run_at"]
    return tick if row["enabled"] else None


_COLUMNS = (
    Column("SCHEDULE", lambda row: row["name"] or row["id"], gives_way=True),
    Column("WORKFLOW", lambda row: row["workflow_name"], gives_way=True),
    Column("CRON", lambda row: row["cron_expression"]),
    text("timezone"),
    Column("STATE", state),
    Column("NEXT", lambda row: ago(_coming(row)), lambda row: _coming(row) or ""),
    when("LAST", "last_run_at"),
)


@command.command()
@_SCHEDULE
@database_options
@output_options
@pass_where
def show(where: Where, out: Output, schedule: str) -> None:
    """Show a schedule."""
    with where.looking() as client:
        row = _found(client, schedule)
    out.one("schedule", row, lambda: fact_lines(_facts(row)))


def _facts(row: Form) -> dict[str, str | None]:
    from cloaca_core.features.schedules.timing.explain import explain_schedule

    words = explain_schedule(row["cron_expression"], row["timezone"]).words
    return {
        "schedule": row["name"],
        "id": row["id"],
        "workflow": row["workflow_name"],
        "cron": f"{row['cron_expression']} ({words})",
        "timezone": row["timezone"],
        "state": state(row),
        "next": moment(_coming(row)) or _no_tick(row),
        "last": moment(row["last_run_at"]) or "never",
        "not before": row["start_date"],
        "not after": row["end_date"],
        "catch-up": _CATCH_UP[row["catchup_policy"]],
        "overlap": _OVERLAP[row["overlap_policy"]],
        "queue": row["queue"],
        "created": moment(row["created_at"]),
        "changed": moment(row["updated_at"]),
    }


def _no_tick(row: Form) -> str:
    """Why no tick comes."""
    return "never" if row["enabled"] else "none while it is disabled"


_CATCH_UP: Final = {
    "skip": "drops ticks that were missed",
    "run_once": "runs the newest of the ticks that were missed",
    "run_all": "runs the ticks that were missed, the newest cron_max_catchup_executions",
}
_OVERLAP: Final = {
    "allow": "starts a run beside those that go on",
    "skip": "makes no run while one goes on",
    "queue": "starts a run when the one before it has ended",
    "cancel_old": "cancels the runs that go on first",
}


@command.command("next")
@_SCHEDULE
@database_options
@output_options
@pass_where
def next_(where: Where, out: Output, schedule: str) -> None:
    """Show the next ticks of a schedule, and the clock changes that affect it."""
    from cloaca_core.features.schedules.timing.explain import explain_schedule

    with where.looking() as client:
        row = _found(client, schedule)
    if not row["enabled"]:
        note("This schedule is disabled: none of these ticks makes a run.")
    _explain(out, explain_schedule(row["cron_expression"], row["timezone"]))


@command.command()
@click.argument("cron")
@_ZONE
@output_options
def explain(out: Output, cron: str, timezone: str) -> None:
    """Say in words when CRON ticks, with the next ticks and clock changes; opens no database."""
    from cloaca_core.features.schedules.timing.explain import explain_schedule

    _explain(out, explain_schedule(cron, timezone))


def _explain(out: Output, found: Any) -> None:
    form = {
        "expression": found.expression,
        "timezone": found.timezone,
        "words": found.words,
        "next_ticks": [each.isoformat() for each in found.next_ticks],
        "clock_changes": [str(each) for each in found.clock_changes],
    }
    out.one("explanation", form, lambda: [str(found)])


@command.command()
@click.argument("name")
@click.argument("workflow", shell_complete=WORKFLOWS)
@click.argument("cron")
@_ZONE
@context_options
@click.option("--catchup", type=click.Choice(["skip", "run_once", "run_all"]))
@click.option("--overlap", type=click.Choice(["allow", "skip", "queue", "cancel_old"]))
@click.option("--jitter", type=click.IntRange(0), metavar="SECONDS", help="Spread the starts.")
@click.option("--start", metavar="INSTANT", help="No tick before: RFC 3339.")
@click.option("--end", metavar="INSTANT", help="No tick after: RFC 3339.")
@click.option("--queue", metavar="NAME", help="Of tasks of its runs that name none.")
@by_option
@app_options
@output_options
@pass_where
def add(
    where: Where,
    out: Output,
    name: str,
    workflow: str,
    cron: str,
    timezone: str,
    file: str | None,
    pairs: tuple[str, ...],
    catchup: Any,
    overlap: Any,
    jitter: int | None,
    start: str | None,
    end: str | None,
    queue: str | None,
    by: str | None,
) -> None:
    """Add the schedule NAME of a workflow, or change it to these settings.

    A workflow that no runner has recorded and -A does not define may come later: a note says so.
    """
    with where.client("rw") as client:
        made = client.schedule(
            name,
            workflow,
            cron,
            timezone,
            params=context_of(file, pairs) or None,
            catchup_policy=catchup,
            overlap_policy=overlap,
            jitter_seconds=jitter,
            start_date=start,
            end_date=end,
            queue=queue,
            by=by,
        )
        note_unknown(where, client, workflow)
        row = client.get_cron_schedule(made)
    out.one("schedule", row, lambda: [f"{name} {made}: next {_coming(row) or _no_tick(row)}"])


@command.command()
@_SCHEDULE
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@database_options
@output_options
@pass_where
def delete(where: Where, out: Output, schedule: str, yes: bool, by: str | None) -> None:
    """Remove a schedule; its runs and history stay."""
    with where.client("rw") as client:
        row = _found(client, schedule)
        named = row["name"] or row["id"]
        confirm(f"Remove the schedule {named} of {row['workflow_name']}?", yes=yes)
        client.delete_cron_schedule(row["id"], by=by)
    out.one("schedule", {"id": row["id"], "name": row["name"]}, list)
    note(f"The schedule {named} is removed.")


@command.command()
@_SCHEDULE
@_LIMIT
@database_options
@output_options
@pass_where
def history(where: Where, out: Output, schedule: str, limit: int) -> None:
    """List the ticks of a schedule that made runs, newest first."""
    with where.looking() as client:
        found = _found(client, schedule)
        rows = client.get_cron_execution_history(found["id"], limit=limit + 1)
    out.listing("ticks", rows, _TICKS, limit=limit, empty="It has not ticked yet.")


_TICKS = (
    Column("TICK", lambda row: row["scheduled_time"]),
    Column("RUN", lambda row: row["workflow_execution_id"] or ""),
    when("DECIDED", "created_at"),
)


@command.command()
@_SCHEDULE
@click.argument("start")
@click.argument("end")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), help="The oldest ones; 1,000 if not given."
)
@database_options
@output_options
@pass_where
def preview(
    where: Where, out: Output, schedule: str, start: str, end: str, limit: int | None
) -> None:
    """Say which ticks from START on and before END have no run yet, and `backfill` would run.

    They are instants in RFC 3339, or dates: the beginning of that day in the schedule's time zone.
    """
    with where.looking() as client:
        row = _found(client, schedule)
        period = _instant(start, row), _instant(end, row)
        found = client.preview_backfill(row["id"], *period, limit=limit)
    _tell(out, found, "would run")


@command.command()
@_SCHEDULE
@click.argument("start")
@click.argument("end")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), help="The oldest ones; 1,000 if not given."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@database_options
@output_options
@pass_where
def backfill(
    where: Where,
    out: Output,
    schedule: str,
    start: str,
    end: str,
    limit: int | None,
    yes: bool,
    by: str | None,
) -> None:
    """Make runs for the past ticks from START on and before END that have none.

    They are instants in RFC 3339, or dates: the beginning of that day in the schedule's time zone.
    """
    with where.client("rw") as client:
        row = _found(client, schedule)
        period = _instant(start, row), _instant(end, row)
        ticks = client.preview_backfill(row["id"], *period, limit=limit).scheduled_times
        if ticks:
            confirm(f"Make {counted(len(ticks), 'run')}?", yes=yes)
        _tell(out, client.backfill(row["id"], *period, limit=limit, by=by), "run now")


@command.command()
@_SCHEDULE
@by_option
@database_options
@output_options
@pass_where
def run(where: Where, out: Output, schedule: str, by: str | None) -> None:
    """Make a run of a schedule at once, with its context, time limit and queue.

    Its ticks stay as they are, and a schedule that is disabled can be run as well.
    """
    from cloaca_core.features.schedules.operations.backfill import RunSchedule

    with where.client("rw") as client:
        row = _found(client, schedule)
        run_id = client._do(RunSchedule(row["id"], by))
    out.one("run", {"id": run_id, "schedule_id": row["id"]}, lambda: [run_id])


def _instant(given: str, schedule: Form) -> str:
    """An instant as it is given; for a date, when that day begins in the schedule's time zone."""
    try:
        day = date.fromisoformat(given)
    except ValueError:
        return given
    return datetime.combine(day, time(), ZoneInfo(schedule["timezone"])).isoformat()


def _tell(out: Output, found: Backfill, verb: str) -> None:
    from cloaca_core.values.payloads.json_forms import json_form

    summary = (
        f"{counted(len(found.scheduled_times), 'tick')} {verb}, {found.already_run:,} had a run, "
        f"{found.beyond_limit:,} are beyond the limit"
    )
    runs = found.run_ids or [""] * len(found.scheduled_times)
    ticks = [f"{at}  {run}".rstrip() for at, run in zip(found.scheduled_times, runs, strict=True)]
    out.one("backfill", json_form(found), lambda: [*ticks, summary])


def _found(client: Client, name: str) -> Form:
    """The schedule of a name, an id, or the beginning of one."""
    if not name.strip():
        raise click.UsageError("SCHEDULE is empty")
    rows = client.list_cron_schedules(limit=_MOST)
    exact = [row for row in rows if name in (row["name"], row["id"])]
    found = exact or [row for row in rows if row["id"].startswith(name.lower())]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Failure(f"no schedule {name!r}")
    named = ", ".join([row["name"] or row["id"] for row in found[:5]])
    raise Failure(f"several schedules have ids that begin with {name!r}: {named}")


add_switches(
    command,
    Switched(
        noun="schedule",
        names=SCHEDULES,
        find=_found,
        switch=lambda client, row, enabled, by: client.set_cron_schedule_enabled(
            row["id"], enabled, by=by
        ),
        title=lambda row: row["name"] or row["id"],
    ),
    enable="Let a schedule tick from now on.",
    disable="Let a schedule tick no more until it is enabled.",
)
