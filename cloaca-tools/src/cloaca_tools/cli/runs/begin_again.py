"""Commands that begin runs again: ``retry`` and ``fork``, and what they would keep and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cloaca_tools.cli.arguments import (
    LIMIT,
    CommandWithTerms,
    act_options,
    context_of,
    context_options,
    tags_of,
)
from cloaca_tools.cli.completion import RUNS
from cloaca_tools.cli.output import Output, output_options
from cloaca_tools.cli.runs.steer_runs import Asked, steer, steering_options
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_core.features.steering.results import Steered


@click.command(cls=CommandWithTerms)
@steering_options
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="TASK",
    help="Run this, in place of what failed; an item of a map is 'TASK[ITEM]'.",
)
@click.option("--plan", is_flag=True, help="Only show what it would keep and run.")
@click.option("--time-limit", type=LIMIT, help="The time limit of this round and later ones.")
@database_options
@output_options
@pass_where
def retry(
    where: Where, out: Output, asked: Asked, tasks: tuple[str, ...], plan: bool, time_limit: Any
) -> None:
    """Begin runs again that have failed or were cancelled: their next round.

    Tasks run again that failed, were cancelled or never started, or those of --task, and all that
    depend on them.
    """
    if not asked.refs and (tasks or plan or time_limit is not None):
        raise click.UsageError("--task, --plan and --time-limit are for runs by their ids")
    if plan:
        _show_plans(where, out, asked.refs, tasks)
        return

    def begin(client: Client, run: str) -> Steered:
        from cloaca_core.features.reruns.operations import Retry
        from cloaca_core.features.steering.results import Steered
        from cloaca_core.operations.runs import Status

        client._do(Retry(run, tasks or None, time_limit, reason=asked.reason, by=asked.by))
        return Steered(client._do(Status(run)), changed=True)

    steer(where, out, "retry", asked, begin)


def _show_plans(where: Where, out: Output, refs: tuple[str, ...], tasks: tuple[str, ...]) -> None:
    """Write the plan of each run, as one document."""
    from cloaca_core.features.reruns.operations import PlanRetry
    from cloaca_core.values.payloads.json_forms import json_form
    from cloaca_tools.observer import Observer

    with where.looking() as client:
        observer = Observer(client)
        runs = [observer.resolve(ref).wait() for ref in refs]
        plans = [client._do(PlanRetry(run, tasks or None)) for run in runs]
    rows = [{"id": run, **json_form(plan)} for run, plan in zip(runs, plans, strict=True)]
    if out.as_json or out.fields:
        out.listing("plans", rows, (), empty="No runs.")
        return
    for run, plan in zip(runs, plans, strict=True):
        click.echo(f"run {run}\n{plan}" if len(runs) > 1 else str(plan))


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.argument("task")
@context_options
@click.option("--key", metavar="KEY", help="The idempotency key of the new run.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="In place of its tags.")
@click.option("--plan", is_flag=True, help="Only show what it would keep and run.")
@act_options
@database_options
@output_options
@pass_where
def fork(
    where: Where,
    out: Output,
    run: str,
    task: str,
    file: str | None,
    pairs: tuple[str, ...],
    key: str | None,
    tags: tuple[str, ...],
    plan: bool,
    reason: str | None,
    by: str | None,
) -> None:
    """Make a new run of a run, from TASK on, which may be in any state.

    The results of completed tasks count that are not TASK or below it. The keys of -P and -f count
    as written just before TASK.
    """
    from cloaca_core.features.reruns.operations import PlanFork
    from cloaca_core.values.payloads.json_forms import json_form
    from cloaca_tools.observer import Observer
    from cloaca_tools.views.run_forms import forked_form

    with where.client("ro" if plan else "rw") as client:
        run_id = Observer(client).resolve(run).wait()
        if plan:
            found = client._do(PlanFork(run_id, task))
            out.one("plan", json_form(found), lambda: [str(found)])
            return
        made = client.fork(
            run_id,
            task,
            context=context_of(file, pairs) or None,
            idempotency_key=key,
            tags=tags_of(tags),
            reason=reason,
            by=by,
        )
        out.one("run", forked_form(made, run_id), lambda: [made.id])
