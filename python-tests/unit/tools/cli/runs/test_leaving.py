"""Ctrl-C of a command that looks on at a run."""

from __future__ import annotations

import click
from click.testing import CliRunner

from cloaca_tools.cli.runs.leaving import leaving


def test_it_says_that_the_run_goes_on_and_how_to_look_again() -> None:
    @click.command()
    def command() -> None:
        with leaving("r1", "tail"):
            raise KeyboardInterrupt

    done = CliRunner().invoke(command)

    assert done.exit_code == 130
    assert (done.stdout, done.stderr) == ("", "\nThe run goes on: cloaca runs tail r1\n")
