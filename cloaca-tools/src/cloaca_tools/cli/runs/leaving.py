"""Ctrl-C of a command that looks on at a run: the run goes on, and the command says where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from cloaca_tools.cli import exits
from cloaca_tools.cli.output import note


@contextmanager
def leaving(run_id: str, again: str = "watch") -> Iterator[None]:
    """Ctrl-C within the block ends the command as interrupted, with a note that names the command
    of ``runs`` that looks on ``again``.
    """
    try:
        yield
    except KeyboardInterrupt:
        note(f"\nThe run goes on: cloaca runs {again} {run_id}")
        click.get_current_context().exit(exits.INTERRUPTED)
