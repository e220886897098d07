"""``cloaca run``: one run, from its submission to its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import click

from cloaca_core.engine.calls.orders import asker
from cloaca_core.values.option_names import SingletonPolicyName
from cloaca_tools.cli import exits
from cloaca_tools.cli.arguments import (
    DURATION,
    LIMIT,
    by_option,
    context_of,
    context_options,
    tags_of,
)
from cloaca_tools.cli.completion import WORKFLOWS
from cloaca_tools.cli.known_workflows import naming_known, recorded_names
from cloaca_tools.cli.output import Output, json_text, note, output_options
from cloaca_tools.cli.runs.input_help import RunCommand
from cloaca_tools.cli.runs.leaving import termination_as_ctrl_c
from cloaca_tools.cli.runs.live import follow
from cloaca_tools.cli.where import Where, app_options, opened, pass_where

if TYPE_CHECKING:
    from cloaca_core.client.handles import RunHandle
    from cloaca_tools.observer import Observer


@click.command("run", cls=RunCommand)
@click.argument("workflow", shell_complete=WORKFLOWS)
@context_options
@click.option("--key", metavar="KEY", help="An idempotency key: one run has it, for ever.")
@click.option("--singleton", metavar="KEY", help="One run has it at a time; with --detach.")
@click.option(
    "--singleton-policy",
    type=click.Choice(get_args(SingletonPolicyName)),
    help="If a run with that key is under way; existing by default.",
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="May be given again.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Of runs that wait for a place.")
@click.option("--queue", metavar="NAME", help="Of tasks that name none; with --detach.")
@click.option("--delay", type=DURATION, help="Begin so much later; with --detach.")
@click.option("--time-limit", type=LIMIT, help="The time limit of the run, or none.")
@click.option("--detach", is_flag=True, help="Only submit it, for a worker to execute.")
@by_option
@app_options
@output_options
@pass_where
@click.pass_context
def command(
    ctx: click.Context,
    where: Where,
    out: Output,
    workflow: str,
    file: str | None,
    pairs: tuple[str, ...],
    key: str | None,
    singleton: str | None,
    singleton_policy: SingletonPolicyName | None,
    tags: tuple[str, ...],
    priority: int | None,
    queue: str | None,
    delay: float | None,
    time_limit: Any,
    detach: bool,
    by: str | None,
) -> None:
    """Run WORKFLOW here and watch it to its end; the exit code says how it ended.

    Executes this run and the runs that its bodies submit, and claims nothing else. Ctrl-C
    or SIGTERM leaves the run to the workers of the database. With --detach it is only submitted,
    and its id is written. With WORKFLOW --help also tells the input that the workflow declares.
    """
    if delay is not None and not detach:
        raise click.UsageError("--delay needs --detach: this command would have to wait so long")
    if queue is not None and not detach:
        raise click.UsageError("--queue needs --detach: this command runs all tasks itself")
    if singleton is not None and not detach:
        raise click.UsageError("--singleton needs --detach: this command claims no run that waits")
    context = context_of(file, pairs)
    options: dict[str, Any] = {
        "idempotency_key": key,
        "tags": tags_of(tags),
        "priority": priority,
        "time_limit": time_limit,
        "by": asker(by),
    }
    if detach:
        policy = {} if singleton_policy is None else {"singleton_policy": singleton_policy}
        options |= {"delay": delay, "queue": queue, "singleton": singleton, **policy}
        _detach(where, out, workflow, context, options)
        return
    ctx.exit(_run(where, out, workflow, context, options))


def _detach(
    where: Where, out: Output, workflow: str, context: dict[str, Any], options: dict[str, Any]
) -> None:
    from cloaca_tools.views.run_forms import submitted_form

    registry = where.registry()
    with where.client("rw" if registry is None else "rwc", registry) as client:
        with naming_known(lambda: recorded_names(client)):
            made = client.submit(workflow, context, **options)
        out.one("run", submitted_form(made), lambda: [made.id])


def _run(
    where: Where, out: Output, workflow: str, context: dict[str, Any], options: dict[str, Any]
) -> int:
    """Run it to its end; the exit code."""
    from cloaca_tools.cli.runs.own_runner import OwnRunner
    from cloaca_tools.observer import Observer

    registry, url, schema = where.needed_registry(), where.url(), where.schema_name()
    with naming_known(registry.names):
        name = registry.find(workflow).namespace
    run: RunHandle | None = None
    try:
        with (
            termination_as_ctrl_c(),
            opened(lambda: OwnRunner(url, registry=registry, schema=schema)) as runner,
        ):
            run = runner.begin_run(name, context, **options)
            if not run.created:
                note(f"run {run.id} has this key already")
            return _to_its_end(Observer(runner), run, out)
    except KeyboardInterrupt:
        note(f"\n{_left(run)}")
        return exits.INTERRUPTED


def _left(run: RunHandle | None) -> str:
    """Where the run is to be found that a signal has left. Its last task may have ended since."""
    if run is None:
        return "If the run has begun, it is left to the workers of this database: cloaca runs list"
    return (
        "Unless it has ended, the run is left to the workers of this database: "
        f"cloaca runs watch {run.id}"
    )


def _to_its_end(observer: Observer, run: RunHandle, out: Output) -> int:
    if not (out.as_json or out.fields):
        follow(observer.watch(run.id))
    result = run.result()
    found = json.loads(result.final_context.to_json())
    form = {**observer.run(run.id).wait().to_dict(), "context": found}
    if out.as_json or out.fields:
        out.one("run", form, list)
    elif result.status == "Completed":
        click.echo(json_text(found, 2))
    else:
        note(result.error_message or f"It is {result.status}.")
        note(f"More: cloaca runs explain {run.id}")
    return exits.of_status(result.status)
