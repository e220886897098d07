"""Ctrl-C of a command that looks on at a run, or executes it: the run stays for workers, and the
command says how to find it.
"""

from __future__ import annotations

import signal
import threading
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


@contextmanager
def termination_as_ctrl_c() -> Iterator[None]:
    """Within the block SIGTERM raises KeyboardInterrupt, as Ctrl-C does; in the main thread, which
    alone hears signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
