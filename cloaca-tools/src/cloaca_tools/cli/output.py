"""How answers are written: tables or plain lines for people, JSON for programs.

Data go to stdout and notes to stderr. On a terminal tables are fitted to its width, with colours if
``rich`` is installed; elsewhere nothing is cut. ``--json`` writes one document, a stream writes one
document in each line. ``--fields`` chooses: in JSON the keys, else columns, separated by tabs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

import click

from cloaca_core.values.arguments import nearest_name
from cloaca_tools.cli.words import STYLES

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])
Form: TypeAlias = Mapping[str, Any]
"""An answer as JSON takes it."""

SCHEMA: Final = 1
"""The version of the JSON forms; a later one may drop or rename a key."""


class Column(NamedTuple):
    """A column of a table. ``text`` makes a cell of a row; ``whole`` is the cell where nothing is
    cut, if it is another. The cells of a column that ``gives_way`` are cut first. The states of a
    column that ``is_status`` have colours.
    """

    title: str
    text: Callable[[Form], str]
    whole: Callable[[Form], str] | None = None
    gives_way: bool = False
    is_status: bool = False
    right: bool = False


@dataclass(slots=True)
class Output:
    """How a command writes; made from its options."""

    as_json: bool = False
    fields: tuple[str, ...] = field(default=())

    def listing(
        self,
        name: str,
        rows: Sequence[Form],
        columns: Sequence[Column],
        *,
        following: str | None = None,
        go_on: str = "--before",
        limit: int | None = None,
        empty: str,
    ) -> None:
        """Write a list. ``following`` is where ``go_on`` goes on, ``empty`` the note for no rows.

        Of a list that cannot be gone on with, ``limit`` rows are written; a note says so if there
        are more ``rows``.
        """
        found, rows = len(rows), rows[:limit]
        if self.as_json:
            chosen = [self._chosen(row) for row in rows]
            self.document({name: chosen, "next": following})
        elif self.fields:
            self._tabbed(rows)
        elif not rows:
            note(empty)
        else:
            write_table(rows, columns)
        if following is not None and not self.as_json:
            note(f"There are more: {go_on} {following}")
        if found > len(rows):
            note(f"There are more than {limit}: give a larger --limit")

    def one(self, name: str, form: Form, text: Callable[[], Iterable[str]]) -> None:
        """Write one answer; ``text`` makes its lines for people."""
        if self.as_json:
            self.document({name: self._chosen(form)})
        elif self.fields:
            self._tabbed([form])
        else:
            for line in text():
                click.echo(line)

    def event(self, form: Form, line: str) -> None:
        """Write one of a stream of answers."""
        if self.as_json:
            click.echo(json_text({"schema": SCHEMA, **self._chosen(form)}))
        elif self.fields:
            self._tabbed([form])
        else:
            click.echo(line)

    def document(self, answer: Form) -> None:
        """Write a JSON document."""
        indent = 2 if sys.stdout.isatty() else None
        click.echo(json_text({"schema": SCHEMA, **answer}, indent))

    def _tabbed(self, rows: Iterable[Form]) -> None:
        for row in rows:
            click.echo("\t".join([plain(value) for value in self._chosen(row).values()]))

    def _chosen(self, form: Form) -> Form:
        return {name: _at(form, name) for name in self.fields} if self.fields else form


def _at(form: Form, path: str) -> Any:
    """The value of a field; ``tags.shop`` is a field of a field."""
    found: Any = form
    for key in path.split("."):
        if found is None:
            return None
        if not isinstance(found, Mapping) or (key not in found and found is form):
            near = nearest_name(key, form)
            hint = f", did you mean {near!r}?" if near else f"; there are {', '.join(form)}"
            raise click.BadParameter(f"no field {path!r}{hint}", param_hint="--fields")
        found = found.get(key)
    return found


def plain(value: Any) -> str:
    """A value on one line, without quotes where it is text."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json_text(value)
    return " ".join(text.split()) if "\n" in text or "\t" in text else text


def json_text(value: Any, indent: int | None = None) -> str:
    """The JSON text of an answer."""
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)


def note(text: str) -> None:
    """Tell something beside the data."""
    click.echo(text, err=True)


def write_file(name: str, text: str) -> None:
    """Write a text as a file; one that cannot be written ends the command with a message."""
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(name, error.strerror) from error


# -- tables --------------------------------------------------------------------------------------


def is_terminal(*, err: bool = False) -> bool:
    """Whether a person looks at stdout, or at stderr."""
    return (sys.stderr if err else sys.stdout).isatty()


def terminal_width(*, err: bool = False) -> int | None:
    """The width of the terminal; None where nothing is to be cut."""
    return get_terminal_size().columns if is_terminal(err=err) else None


def rich_console(*, err: bool = False) -> Console | None:
    """A console for stdout or stderr; None if it is no terminal, or ``rich`` is not installed."""
    if not is_terminal(err=err):
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False, emoji=False, markup=False, stderr=err)


def write_table(rows: Sequence[Form], columns: Sequence[Column], *, err: bool = False) -> None:
    """Write rows below the titles of their columns; to stderr if they are no data but a note."""
    if (console := rich_console(err=err)) is not None:
        _write_rich(console, rows, columns)
        return
    for line in table_lines(rows, columns, terminal_width(err=err)):
        click.echo(line, err=err)


def _write_rich(console: Console, rows: Sequence[Form], columns: Sequence[Column]) -> None:
    from rich.table import Table
    from rich.text import Text

    cells = fitted(rows, columns, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title, no_wrap=True, justify="right" if column.right else "left", overflow="crop"
        )
    for line in cells:
        table.add_row(
            *[
                Text(cell, STYLES.get(cell, "") if column.is_status else "")
                for cell, column in zip(line, columns, strict=True)
            ]
        )
    console.print(table)


def table_lines(
    rows: Sequence[Form], columns: Sequence[Column], width: int | None
) -> Iterable[str]:
    """The lines of a table without colours, cut to a width if there is one."""
    titles = [column.title for column in columns]
    lines = [titles, *fitted(rows, columns, width)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = [
            cell.rjust(w) if column.right else cell.ljust(w)
            for cell, column, w in zip(line, columns, widths, strict=True)
        ]
        text = "  ".join(cells).rstrip()
        yield text if width is None else text[:width]


def fitted(rows: Sequence[Form], columns: Sequence[Column], width: int | None) -> list[list[str]]:
    """The cells of all rows: whole without a width, else cut so that a line has it."""
    if width is None:
        return [[_cell(row, column, whole=True) for column in columns] for row in rows]
    cells = [[_cell(row, column, whole=False) for column in columns] for row in rows]
    needed = [
        max([len(column.title), *[len(line[i]) for line in cells]])
        for i, column in enumerate(columns)
    ]
    over = sum(needed) + 2 * len(columns) - width
    for i, column in enumerate(columns):
        if over > 0 and column.gives_way:
            most = max(len(column.title), 8, needed[i] - over)
            over -= max(0, needed[i] - most)
            for line in cells:
                line[i] = cut(line[i], most)
    return cells


def _cell(row: Form, column: Column, *, whole: bool) -> str:
    text = column.whole if whole and column.whole is not None else column.text
    return " ".join(text(row).split())


def cut(text: str, most: int) -> str:
    """The text, or its beginning with a sign that more follows."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)].rstrip()}…"


# -- options -------------------------------------------------------------------------------------


def _output_of(ctx: click.Context) -> Output:
    found: Output = ctx.meta.setdefault("cloaca.output", Output())
    return found


def _keep_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        _output_of(ctx).as_json = True


def _keep_fields(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        names = [each.strip() for each in value.split(",")]
        if not all(names):
            raise click.BadParameter("a name is empty", param_hint="--fields")
        _output_of(ctx).fields = tuple(names)


def output_options(function: F) -> F:
    """Let a command take ``--json`` and ``--fields``, and give it its ``Output`` as ``out``."""

    @wraps(function)
    def with_output(*args: Any, **options: Any) -> Any:
        return function(*args, out=_output_of(click.get_current_context()), **options)

    with_fields = click.option(
        "--fields",
        metavar="NAME,…",
        help="Only these fields: the keys of --json, else columns separated by tabs.",
        expose_value=False,
        callback=_keep_fields,
    )(with_output)
    flag = click.option(
        "--json", is_flag=True, help="Write JSON.", expose_value=False, callback=_keep_json
    )
    return flag(with_fields)  # type: ignore[return-value] # the same function, but for ``out``
