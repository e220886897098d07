"""Commands that tell a run something: ``send`` and ``approve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloaca_tools.cli.arguments import by_option, item_option, read_json
from cloaca_tools.cli.completion import RUNS
from cloaca_tools.cli.output import Output, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_core.features.steering.results import Steered


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.argument("event")
@click.argument("payload", required=False, metavar="[JSON]")
@click.option("--key", metavar="KEY", help="A second message with this key is not sent.")
@item_option
@by_option
@database_options
@output_options
@pass_where
def send(
    where: Where,
    out: Output,
    run: str,
    event: str,
    payload: str | None,
    key: str | None,
    item: str | None,
    by: str | None,
) -> None:
    """Send EVENT to a run, which reads it where it waits for that, with a JSON value."""
    from cloaca_core.features.waits.operations import Send

    value = None if payload is None else read_json(payload, "JSON")
    with where.client("rw") as client:
        run_id = _resolved(client, run)
        _tell(out, run_id, client._do(Send(run_id, event, value, key, by, item)), "sent")


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.argument("task")
@click.argument("choice", default="approve")
@click.option("--data", metavar="JSON", help="The data that go with the choice.")
@click.option("--note", metavar="TEXT", help="A note, for the log of actions.")
@item_option
@by_option
@database_options
@output_options
@pass_where
def approve(
    where: Where,
    out: Output,
    run: str,
    task: str,
    choice: str,
    data: str | None,
    note: str | None,
    item: str | None,
    by: str | None,
) -> None:
    """Decide the approval TASK of a run that waits for it, with one of its choices.

    TASK is the node, or the name by which the body of a task asks: APPROVAL in `approvals list`.
    """
    from cloaca_core.features.waits.operations import Approve

    value = None if data is None else read_json(data, "--data")
    with where.client("rw") as client:
        run_id = _resolved(client, run)
        done = client._do(Approve(run_id, task, choice, value, note, by, item))
        _tell(out, run_id, done, "decided")


def _resolved(client: Client, run: str) -> str:
    from cloaca_tools.observer import Observer

    return Observer(client).resolve(run).wait()


def _tell(out: Output, run_id: str, done: Steered, verb: str) -> None:
    from cloaca_tools.views.run_forms import steered_form

    words = verb if done.changed else f"not {verb}: it had been"
    out.one("run", steered_form(run_id, done), lambda: [f"{run_id} {done.status}: {words}"])
