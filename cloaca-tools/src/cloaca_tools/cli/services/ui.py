"""``cloaca ui``: serves the web page to one person."""

from __future__ import annotations

import click

from cloaca_core.errors import missing_extra
from cloaca_tools.cli.output import note
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.command("ui")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@click.option("--read-only", is_flag=True, help="Offer no acts, and open the database read-only.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    metavar="PORT",
    help="The port on loopback. Default: a free one.",
)
@database_options
@pass_where
def command(where: Where, opens: bool, read_only: bool, port: int) -> None:
    """Serve the web page on this machine until Ctrl-C.

    Prints an address that counts once: the browser that opens it first has the page. A program
    mounts the same page for several people by cloaca.ui(). Needs the extra ui.
    """
    try:
        from cloaca_tools.ui.server import serve
    except ImportError as error:
        raise missing_extra("cloaca ui", "ui", error.name or "uvicorn") from error

    def opened(address: str) -> None:
        click.echo(address)
        note("Ctrl-C ends it.")
        if opens:
            click.launch(address)

    with where.client("ro" if read_only else "rw") as client:
        serve(client, port=port, name=_who(), read_only=read_only, opened=opened)


def _who() -> str:
    """The name of the person at this machine, for the log of actions."""
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError):
        return "ui"
