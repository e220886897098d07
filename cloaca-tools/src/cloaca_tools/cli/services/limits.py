"""``cloaca limits``: how much of each limit is in use, and other settings for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cloaca_core.values.wording import counted
from cloaca_tools.cli.arguments import by_option
from cloaca_tools.cli.columns import fact_lines, moment, number, when
from cloaca_tools.cli.completion import LIMITS
from cloaca_tools.cli.output import Column, Form, Output, note, output_options, table_lines
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.client.client import Client
    from cloaca_core.features.limits.looks.views import LimitInfo
    from cloaca_core.features.limits.operations import SetLimit

    _ParamType = click.ParamType[Any]
else:  # only newer versions of click know its type
    _ParamType = click.ParamType

_LIMIT = click.argument("limit", shell_complete=LIMITS)


class _Number(_ParamType):
    """A whole number, or ``none``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or ``NO_LIMIT``."""
        if not isinstance(value, str):
            return value
        return _or_none(value, lambda text: click.INT.convert(text, param, ctx))


class _Rate(_ParamType):
    """A rate, or ``none``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002 - click's signature
        """The text of the rate, or ``NO_LIMIT``."""
        return _or_none(value, str) if isinstance(value, str) else value


def _or_none(text: str, read: Any) -> Any:
    from cloaca_core.values.times.no_limit import NO_LIMIT, WORD

    return NO_LIMIT if text.lower() == WORD else read(text)


@click.group("limits")
def command() -> None:
    """List, show, set and clear the limits of a database.

    A limit says how many bodies may be under way at once, and how many may start in a time, over
    all processes.
    """


@command.command("list")
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output) -> None:
    """List the limits that programs have recorded.

    USED are places that are taken; WAITING counts what wants a place, up to 10,000, and OLDEST is
    since when the first of it waits. CHANGED BY is who has set other settings than those of the
    code.
    """
    with where.looking() as client:
        found = client.limits()
    out.listing("limits", [each.to_dict() for each in found], _COLUMNS, empty="No limits.")


_COLUMNS = (
    Column("LIMIT", lambda row: row["name"], gives_way=True),
    Column("USED", lambda row: _use(row), right=True),
    Column("PER KEY", lambda row: _per_key(row)),
    Column("RATE", lambda row: _rate(row["rate"], row["burst"])),
    number("waiting"),
    when("OLDEST", "oldest"),
    Column("CHANGED BY", lambda row: row["changed_by"] or "", gives_way=True),
)


@command.command()
@_LIMIT
@click.option("--key", metavar="KEY", help="Only this key: a text, or JSON: 7, true, '\"7\"'.")
@click.option(
    "--limit",
    "most",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many keys, holders and waiters.",
)
@database_options
@output_options
@pass_where
def show(where: Where, out: Output, limit: str, key: str | None, most: int) -> None:
    """Show a limit: settings, keys, who holds its places and who waits for them."""
    from cloaca_tools.views.limits import key_of

    with where.looking() as client:
        found = client.limit(limit, key=None if key is None else key_of(key), limit=most)
    form = found.to_dict()
    form = {**form.pop("limit"), **form}
    out.one("limit", form, lambda: _lines(form))


def _lines(form: Form) -> Iterable[str]:
    yield from fact_lines(_facts(form))
    for title, columns in (("keys", _KEYS), ("holders", _HOLDERS), ("waiters", _WAITERS)):
        if form[title]:
            yield ""
            yield from table_lines(form[title], columns, None)


def _facts(form: Form) -> dict[str, str | None]:
    changed = moment(form["changed_at"])
    return {
        "limit": form["name"],
        "used": _use(form),
        "per key": _per_key(form),
        "rate": _rate(form["rate"], form["burst"]),
        "next start": moment(form["next_start"]),
        "waiting": str(form["waiting"]),
        "oldest": moment(form["oldest"]),
        "in the code": _settings(form["definition"]),
        "set": _settings(form["changes"]) if form["changes"] else None,
        "changed": f"{changed} by {form['changed_by']}" if changed else None,
    }


_KEYS = (
    Column("KEY", lambda row: _key(row["key"])),
    number("used"),
    number("waiting"),
    when("OLDEST", "oldest"),
)
_TASK = Column("TASK", lambda row: _task(row))
_KEY = Column("KEY", lambda row: _key(row["key"]))
_WORKFLOW = Column("WORKFLOW", lambda row: row["workflow_name"] or "", gives_way=True)
_BODY = (_WORKFLOW, _TASK, _KEY, when("SINCE", "since"))
_HOLDERS = (Column("HELD BY", lambda row: row["run_id"]), *_BODY)
_WAITERS = (Column("WAITING", lambda row: row["run_id"]), *_BODY)


@command.command("set")
@_LIMIT
@click.option("--total", type=_Number(), metavar="N", help="At once; 0 stops all.")
@click.option("--per-key", type=_Number(), metavar="N", help="At once with the same key.")
@click.option("--rate", type=_Rate(), metavar="RATE", help="Starts in a time: 100/m, 5/10s.")
@click.option("--burst", type=int, metavar="N", help="How many of --rate at once.")
@click.option("--rate-per-key", type=_Rate(), metavar="RATE", help="The same, of one key.")
@click.option("--burst-per-key", type=int, metavar="N", help="How many of --rate-per-key at once.")
@by_option
@database_options
@output_options
@pass_where
def set_(where: Where, /, out: Output, limit: str, by: str | None, **settings: Any) -> None:
    """Set other settings than those of the code, at once and for all programs.

    What is not given stays as it is, none lifts a setting. Nothing that holds a place is cut.
    """
    from cloaca_core.features.limits.operations import SetLimit
    from cloaca_tools.views.limits import effect, settings_after

    if all(each is None for each in settings.values()):
        raise click.UsageError("nothing to set: give --total, --per-key, --rate or --rate-per-key")
    change: SetLimit = SetLimit(limit, by=by, **settings)
    changes = change.changes()
    with where.client("rw") as client:
        before = client.limit(limit, limit=1).limit
        client._do(change)
        _tell(out, client, limit)
    for each in effect(before, settings_after(before, changes)):
        note(each)


@command.command()
@_LIMIT
@by_option
@database_options
@output_options
@pass_where
def clear(where: Where, out: Output, limit: str, by: str | None) -> None:
    """Let the settings of the code count again."""
    from cloaca_core.features.limits.operations import ClearLimit

    with where.client("rw") as client:
        changed = client._do(ClearLimit(limit, by))
        _tell(out, client, limit)
    if not changed:
        note("nothing changes: no setting was changed")


def _tell(out: Output, client: Client, name: str) -> None:
    """Write the settings that count now."""
    found: LimitInfo = client.limit(name, limit=1).limit
    form = found.to_dict()
    out.one("limit", form, lambda: fact_lines(_facts(form)))


# -- words ---------------------------------------------------------------------------------------


def _use(row: Form) -> str:
    from cloaca_tools.views.limits import use_text

    return use_text(row["used"], row["total"])


def _rate(rate: str | None, burst: int | None) -> str:
    from cloaca_tools.views.limits import rate_text

    return rate_text(rate, burst)


def _per_key(row: Form) -> str:
    at_once = "" if row["per_key"] is None else str(row["per_key"])
    rate = _rate(row["rate_per_key"], row["burst_per_key"])
    return "; ".join([each for each in (at_once, rate) if each])


def _settings(settings: Form) -> str:
    return ", ".join([f"{name} {value}" for name, value in settings.items()]) or "no limit"


def _key(key: str | int | bool | None) -> str:
    from cloaca_tools.views.limits import key_text

    return key_text(key)


def _task(row: Form) -> str:
    """The task or the item, and how many items wait together."""
    if row["task_id"] is None:
        return "the run"
    item = "" if row["item"] is None else f"[{row['item']}]"
    units = row.get("units", 1)
    together = "" if units == 1 else f", {counted(units, 'item')}"
    return f"{row['task_id']}{item}{together}"
