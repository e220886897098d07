"""``cloaca``: all commands, and what becomes of their errors."""

from __future__ import annotations

import os
from typing import Any

import click

from cloaca_core._version import __version__
from cloaca_core.errors import CloacaError
from cloaca_tools.cli import exits
from cloaca_tools.cli.lazy import LazyGroup, Part

_HERE = "cloaca_tools.cli"


def _group(module: str, help_: str) -> Part:
    return Part(f"{_HERE}.{module}", "command", help_)


COMMANDS = {
    "status": _group(
        "database.status", "Show what runs, waits, failed and is stuck, on one screen."
    ),
    "run": _group("runs.run", "Run a workflow and watch it to its end."),
    "worker": _group("services.worker", "Execute runs until a signal comes."),
    "runs": _group("runs.runs", "List, watch and explain runs; cancel, pause, retry, fork them."),
    "approvals": _group("runs.approvals", "List what waits for a person's decision."),
    "workflows": _group(
        "workflows.workflows", "List, show, draw, check, pause and resume workflows."
    ),
    "stats": _group("workflows.stats", "Measure over all workflows: the slowest tasks."),
    "schedules": _group("workflows.schedules", "List, add, explain and change cron schedules."),
    "triggers": _group("workflows.triggers", "List, show, enable and disable triggers."),
    "runners": _group("services.runners", "List the runners of a database, and let one leave."),
    "queues": _group("services.queues", "List the queues of a database."),
    "limits": _group("services.limits", "List, show, set and clear the limits of a database."),
    "actions": _group("database.actions", "List who has asked what of runs and workflows."),
    "tenants": _group("database.tenants", "List, create and remove tenants."),
    "db": _group("database.db", "Look at the database itself; upgrade, check, copy and prune it."),
    "doctor": _group("database.doctor", "Find what is wrong with a database and around it."),
    "config": _group("database.config", "Show the settings and where they come from."),
    "backends": _group("database.backends", "List the installed backends."),
    "ui": _group(
        "services.ui", "Serve the web page: look at runs, understand them, put them right."
    ),
    "mcp": _group(
        "services.mcp", "Let an assistant look at runs, over the Model Context Protocol."
    ),
}


class Root(LazyGroup):
    """The whole command line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of cloaca ends it with a message and its exit code."""
        try:
            return super().invoke(ctx)
        except CloacaError as error:
            from cloaca_tools.cli.failures import failure_of

            raise failure_of(error) from error
        except (KeyboardInterrupt, click.Abort):  # Abort: Ctrl-C where click asks
            click.echo("", err=True)
            ctx.exit(exits.INTERRUPTED)


@click.group(
    cls=Root,
    parts=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="cloaca")
@click.option("-A", "--app", "app", metavar="MODULE[:REGISTRY]", help="Import workflows from here.")
@click.option("--database-url", metavar="URL", help="The database; as in a program.")
@click.option("--schema", metavar="NAME", help="The schema of a tenant on PostgreSQL.")
@click.pass_context
def cli(ctx: click.Context, app: str | None, database_url: str | None, schema: str | None) -> None:
    """Durable workflows: run them, see what they do, and steer them.

    Options that are not given come from the variables CLOACA_APP, CLOACA_DATABASE_URL and
    CLOACA_SCHEMA, else from app, database_url and schema in ./cloaca.toml or in [tool.cloaca] of
    ./pyproject.toml.
    """
    from cloaca_tools.cli.where import Where

    ctx.obj = Where(app, database_url, schema)


def main() -> None:
    """The program ``cloaca``."""
    if "_CLOACA_COMPLETE" in os.environ:
        from cloaca_tools.cli import bash

        bash.use()
    cli.main(prog_name="cloaca")
