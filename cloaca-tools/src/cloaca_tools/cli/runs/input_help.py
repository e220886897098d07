"""``cloaca run WORKFLOW --help`` tells the input that the workflow declares.

Looks at the program of -A, else at what runners have recorded. Tells nothing where it cannot look:
help is for those who have no database yet, too.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from cloaca_core.errors import CloacaError
from cloaca_tools.cli.where import Where, where_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.values.payloads.json_values import JsonValue

_WORDS = f"{__name__}.words"


class RunCommand(click.Command):
    """The command ``run``. Its help is asked for before its arguments are read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words for the help."""
        ctx.meta[_WORDS] = list(args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, and the keys of the input."""
        super().format_options(ctx, formatter)
        with suppress(click.ClickException, CloacaError):
            self._write_input(ctx, formatter)

    def _write_input(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from cloaca_tools.views.workflows.inputs import input_keys

        given, _, _ = self.make_parser(ctx).parse_args(args=list(ctx.meta.get(_WORDS, ())))
        name, before = given.get("workflow"), where_of(ctx)
        if not isinstance(name, str):
            return
        names = ("app", "database_url", "schema")
        where = Where(*[given.get(each) or getattr(before, each) for each in names])
        if keys := input_keys(_schema(where, name)):
            with formatter.section(f"Input of {name}, as -P KEY=TEXT or -P KEY:=JSON"):
                formatter.write_dl([(each.key, each.told) for each in keys])


def _schema(where: Where, name: str) -> Mapping[str, JsonValue] | None:
    registry = where.registry()
    if registry is not None and registry.has_name(name):
        return registry.find(name).input_schema
    with where.observing() as observer:
        return observer.workflow_graph(name).wait().input_schema
