"""``cloaca triggers``: what starts workflows by events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cloaca_core.values.wording import counted, duration, first_line
from cloaca_tools.cli.columns import fact_lines, moment, text, when
from cloaca_tools.cli.completion import TRIGGERS
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.output import Column, Form, Output, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where
from cloaca_tools.cli.workflows.switches import Switched, add_switches, state

if TYPE_CHECKING:
    from cloaca_core.client.client import Client

_LIMIT = click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
_TRIGGER = click.argument("trigger", shell_complete=TRIGGERS)


@click.group("triggers")
def command() -> None:
    """List, show, enable and disable triggers, which start workflows by events."""


@command.command("list")
@click.option("--enabled", "enabled_only", is_flag=True, help="Only those that are enabled.")
@_LIMIT
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output, enabled_only: bool, limit: int) -> None:
    """List the triggers that any program on this database has registered."""
    with where.looking() as client:
        rows = client.list_trigger_schedules(enabled_only=enabled_only or None, limit=limit + 1)
    out.listing("triggers", rows, _COLUMNS, limit=limit, empty="No triggers.")


_COLUMNS = (
    Column("TRIGGER", lambda row: row["trigger_name"], gives_way=True),
    text("workflow_name"),
    Column("EVERY", lambda row: _interval(row)),
    Column("STATE", state),
    when("LAST POLL", "last_poll_at"),
    Column("ERROR", lambda row: _error_line(row), gives_way=True),
)


def _error_line(row: Form) -> str:
    """The last error, and how often in a row; empty after a good poll."""
    if row["last_error"] is None:
        return ""
    return f"{counted(row['failed_polls'], 'poll')}: {first_line(row['last_error'])}"


def _interval(row: Form) -> str:
    milliseconds = row["poll_interval_ms"]
    return "by cron" if milliseconds is None else duration(milliseconds / 1000)


@command.command()
@_TRIGGER
@database_options
@output_options
@pass_where
def show(where: Where, out: Output, trigger: str) -> None:
    """Show a trigger."""
    with where.looking() as client:
        row = _found(client, trigger)
    out.one("trigger", row, lambda: fact_lines(_facts(row)))


def _facts(row: Form) -> dict[str, str | None]:
    overlap = "starts runs beside those that go on" if row["allow_concurrent"] else _ONE_BY_ONE
    return {
        "trigger": row["trigger_name"],
        "id": row["id"],
        "workflow": row["workflow_name"],
        "every": _interval(row),
        "state": state(row),
        "last poll": moment(row["last_poll_at"]) or "never",
        "failing": _failing(row),
        "error": row["last_error"],
        "overlap": overlap,
        "created": moment(row["created_at"]),
        "changed": moment(row["updated_at"]),
    }


def _failing(row: Form) -> str | None:
    if row["last_error"] is None:
        return None
    return f"{counted(row['failed_polls'], 'poll')} in a row, since {moment(row['failing_since'])}"


_ONE_BY_ONE: Final = "fires nothing while a run of the same context has not ended"


@command.command()
@_TRIGGER
@_LIMIT
@database_options
@output_options
@pass_where
def history(where: Where, out: Output, trigger: str, limit: int) -> None:
    """List the runs that a trigger fired, newest first."""
    with where.looking() as client:
        _found(client, trigger)
        rows = client.get_trigger_execution_history(trigger, limit=limit + 1)
    out.listing("fired", rows, _FIRED, limit=limit, empty="It has not fired yet.")


_FIRED = (
    Column("RUN", lambda row: row["workflow_execution_id"] or ""),
    when("FIRED", "started_at"),
    when("ENDED", "completed_at"),
)


def _found(client: Client, name: str) -> dict[str, Any]:
    if (row := client.get_trigger_schedule(name)) is None:
        raise Failure(f"no trigger {name!r}")
    return row


add_switches(
    command,
    Switched(
        noun="trigger",
        names=TRIGGERS,
        find=_found,
        switch=lambda client, row, enabled, by: client.set_trigger_enabled(
            row["trigger_name"], enabled, by=by
        ),
        title=lambda row: row["trigger_name"],
    ),
    enable="Let a trigger fire from now on, in all programs that have it.",
    disable="Let a trigger fire nothing until it is enabled, in all programs that have it.",
)
