"""``cloaca mcp``: lets an assistant look at runs, over stdin and stdout."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import click

from cloaca_core.errors import missing_extra
from cloaca_tools.cli.where import Where, app_options, pass_where


@click.command("mcp")
@click.option(
    "--allow-steering",
    "steers",
    is_flag=True,
    help="Offer tools that submit, cancel, pause, resume, retry and fork runs, send and approve.",
)
@app_options
@pass_where
def command(where: Where, steers: bool) -> None:
    """Serve the Model Context Protocol on stdin and stdout, for an assistant that starts it.

    Its tools only look, and the database is opened read-only, unless --allow-steering is given.
    Needs the extra mcp.
    """
    try:
        from cloaca_tools.mcp.server import serve
    except ImportError as error:
        raise missing_extra("cloaca mcp", "mcp", "mcp") from error
    from cloaca_tools.mcp.database import Database

    with redirect_stdout(sys.stderr):
        registry = where.registry()
    with where.client("rw" if steers else "ro", registry) as client, _ended_by_ctrl_c():
        serve(Database(client, where.url(), where.schema_name()), steers=steers)


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process at once. A thread reads stdin, and an exception would wait until
    it has read a line. The database has each act as a whole or not at all.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
