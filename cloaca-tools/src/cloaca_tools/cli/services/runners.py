"""``cloaca runners``: who executes runs, and who is to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloaca_tools.cli.arguments import by_option
from cloaca_tools.cli.columns import number, when
from cloaca_tools.cli.completion import RUNNERS
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.output import Column, Output, note, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where
from cloaca_tools.cli.words import runner_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_tools.views import RunnerLine


@click.group("runners")
def command() -> None:
    """List the runners of a database, and let one leave."""


@command.command("list")
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output) -> None:
    """List the runners that are registered, alive or gone, with their slots and the runs that they
    own; and the runners that were lost within a day, with what became of their runs.
    """
    with where.observing() as observer:
        found = observer.runners().wait()
    rows = [each.to_dict() for each in found]
    out.listing("runners", rows, _COLUMNS, empty="No runner is there: start one, cloaca worker.")
    for each in found:
        if each.backlog:
            note(each.backlog_text)
        if each.why_idle:
            note(f"{each.name}: {each.why_idle}")
        if each.lost_at:
            note(f"{each.name} was lost at {each.lost_at}: {each.became_text}.")


@command.command()
@click.argument("runner", shell_complete=RUNNERS)
@by_option
@database_options
@output_options
@pass_where
def drain(where: Where, out: Output, runner: str, by: str | None) -> None:
    """Ask a runner to leave, on this machine or another; returns at once.

    RUNNER is its id, or the beginning of one that no other runner shares. It claims no more runs,
    waits shutdown_grace_seconds for its bodies, and gives back what is left.
    """
    from cloaca_core.operations.claiming import DrainRunner

    with where.observing() as observer:
        runner_id = _named(runner, observer.overview().wait().runners).id
    with where.client("rw") as client:
        if not client._do(DrainRunner(runner_id, by)):
            raise Failure(f"runner {runner_id} has left already, or was declared dead")
    out.one("runner", {"id": runner_id}, lambda: [runner_id])
    note("It leaves when its bodies have ended: cloaca runners list")


def _named(runner: str, known: Sequence[RunnerLine]) -> RunnerLine:
    """The runner of an id, or of the beginning of one."""
    if not runner.strip():
        raise click.UsageError("RUNNER is empty")
    found = [each for each in known if each.id == runner]
    found = found or [each for each in known if each.id.startswith(runner)]
    match found:
        case [only]:
            return only
        case []:
            raise Failure(f"no runner has an id that begins with {runner!r}: cloaca runners list")
        case _:
            ids = ", ".join(each.id for each in found)
            raise Failure(f"several runners have ids that begin with {runner!r}: {ids}")


_COLUMNS = (
    Column("RUNNER", lambda row: row["id"], gives_way=True),
    Column("PROCESS", lambda row: f"{row['pid']}{f' on {host}' if (host := row['host']) else ''}"),
    Column(
        "STATE",
        lambda row: runner_state(
            alive=row["alive"],
            draining=row["draining_since"] is not None,
            lost=row["lost_at"] is not None,
        ),
    ),
    Column(
        "SLOTS",
        lambda row: f"{row['busy']} of {row['slots']}" if row["slots"] else "",
        right=True,
    ),
    number("runs"),
    Column("QUEUES", lambda row: "all" if row["queues"] is None else ", ".join(row["queues"])),
    when("LAST SIGN", "last_sign"),
    when("STARTED", "started_at"),
)
