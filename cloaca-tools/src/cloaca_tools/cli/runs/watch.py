"""``cloaca runs watch``: a run to its end."""

from __future__ import annotations

import click

from cloaca_tools.cli import exits
from cloaca_tools.cli.completion import RUNS
from cloaca_tools.cli.output import Output, output_options
from cloaca_tools.cli.runs.leaving import leaving
from cloaca_tools.cli.runs.live import follow
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.command("watch")
@click.argument("run", shell_complete=RUNS)
@click.option("--depth", type=click.IntRange(0, 20), default=3, show_default=True)
@database_options
@output_options
@pass_where
@click.pass_context
def command(ctx: click.Context, where: Where, out: Output, run: str, depth: int) -> None:
    """Watch a run to its end: a live view on a terminal, elsewhere a line for each change.

    The exit code says how the run ended. Ctrl-C ends the watch, and the run goes on. With --json
    each change is a document in a line of its own.
    """
    with where.observing() as observer:
        run_id = observer.resolve(run).wait()
        trees = observer.watch(run_id, depth=depth)
        with leaving(run_id):
            if out.as_json or out.fields:
                status = ""
                for tree in trees:
                    out.event(tree.to_dict(), "")
                    status = tree.run.status
            else:
                status = follow(trees).run.status
    ctx.exit(exits.of_status(status))
