"""Commands that cancel, pause and resume runs: one, several by their ids, or all that a filter
selects.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import click

from cloaca_core.values.wording import counted
from cloaca_tools.cli import exits
from cloaca_tools.cli.arguments import DURATION, CommandWithTerms, act_options
from cloaca_tools.cli.columns import run_columns
from cloaca_tools.cli.completion import RUNS_AND_TERMS
from cloaca_tools.cli.output import Column, Form, Output, note, output_options, write_table
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_core.features.steering.results import Steered
    from cloaca_tools.observer import Observer
    from cloaca_tools.views import Filter

F = TypeVar("F", bound=Callable[..., Any])
Kind: TypeAlias = Literal["cancel", "pause", "resume", "retry"]

SHOWN: Final = 10
"""Runs that are shown before a bulk verb acts."""
ALL: Final = "since:1970-01-01"
"""The filter that every run meets."""
_REF: Final = re.compile(r"@(~\d+)?|[0-9a-f-]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of a verb: runs, by their names or by the terms of a filter, and the options of
    acting on them.
    """

    refs: tuple[str, ...]
    terms: tuple[str, ...]
    yes: bool
    dry_run: bool
    reason: str | None
    by: str | None


def selection(words: Sequence[str], *, all_: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of runs, or the terms, that the words of a command are; it needs one or the other,
    or ``--all``.
    """
    if all_ and words:
        raise click.UsageError("--all means all runs: leave out RUN and TERM, or --all")
    if all_:
        return (), (ALL,)
    if not words:
        raise click.UsageError("name runs, or give a TERM, or --all for all of them")
    if not all(word.strip() for word in words):  # it would be a filter that every run meets
        raise click.UsageError("a RUN or TERM is empty; --all means all runs")
    refs = tuple([word for word in words if _REF.fullmatch(word)])
    if not refs:
        return (), tuple(words)
    if len(refs) < len(words):
        raise click.UsageError("either runs by their ids, or TERMs: use id:… as a TERM")
    return refs, ()


def steering_options(function: F) -> F:
    """Let a verb take runs or terms, and the options of acting on many, all as ``asked``."""

    @wraps(function)
    def with_asked(
        *args: Any,
        words: tuple[str, ...],
        all_: bool,
        yes: bool,
        dry_run: bool,
        reason: str | None,
        by: str | None,
        **options: Any,
    ) -> Any:
        refs, terms = selection(words, all_=all_)
        return function(*args, asked=Asked(refs, terms, yes, dry_run, reason, by), **options)

    found: Any = act_options(with_asked)
    for option in (
        click.option("--dry-run", is_flag=True, help="Only say which runs it would be."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--all", "all_", is_flag=True, help="All runs that this can be done to."),
        click.argument("words", nargs=-1, metavar="[RUN|TERM]...", shell_complete=RUNS_AND_TERMS),
    ):
        found = option(found)
    verb: F = found
    return verb


@click.command(cls=CommandWithTerms)
@steering_options
@click.option("--grace", type=DURATION, help="How long bodies have to end; of runs by their ids.")
@database_options
@output_options
@pass_where
def cancel(where: Where, out: Output, asked: Asked, grace: float | None) -> None:
    """End runs as Cancelled, with the runs that they have submitted."""
    from cloaca_core.features.steering.operations import Cancel

    _only_by_ids(asked, "--grace", grace)

    def act(client: Client, run: str) -> Steered:
        return client._do(Cancel(run, asked.reason, grace, by=asked.by))

    steer(where, out, "cancel", asked, act)


@click.command(cls=CommandWithTerms)
@steering_options
@click.option("--until", metavar="INSTANT", help="Go on by themselves then; of runs by their ids.")
@database_options
@output_options
@pass_where
def pause(where: Where, out: Output, asked: Asked, until: str | None) -> None:
    """Start no more tasks of runs until they are resumed."""
    from cloaca_core.features.steering.operations import Pause

    _only_by_ids(asked, "--until", until)

    def act(client: Client, run: str) -> Steered:
        return client._do(Pause(run, asked.reason, until, by=asked.by))

    steer(where, out, "pause", asked, act)


def _only_by_ids(asked: Asked, option: str, value: object) -> None:
    if value is not None and not asked.refs:
        raise click.UsageError(f"{option} is for runs by their ids")


@click.command(cls=CommandWithTerms)
@steering_options
@database_options
@output_options
@pass_where
def resume(where: Where, out: Output, asked: Asked) -> None:
    """Let paused runs go on."""
    from cloaca_core.features.steering.operations import Resume

    def act(client: Client, run: str) -> Steered:
        return client._do(Resume(run, reason=asked.reason, by=asked.by))

    steer(where, out, "resume", asked, act)


def steer(
    where: Where, out: Output, kind: Kind, asked: Asked, act: Callable[[Client, str], Steered]
) -> None:
    """Act on each run that is named, or on all that the terms select."""
    from cloaca_tools.observer import Observer

    with where.client("ro" if asked.dry_run else "rw") as client:
        observer = Observer(client)
        if asked.refs:
            runs = [observer.resolve(ref).wait() for ref in asked.refs]
            one = _would_act(observer, kind) if asked.dry_run else _acts(client, act)
            _steer_each(out, runs, one)
        else:
            _steer_many(observer, out, kind, asked)


def _steer_each(out: Output, runs: Sequence[str], one: Callable[[str], Form]) -> None:
    """Act on these runs up to the first that is refused, and write which have been acted on."""
    rows: list[Form] = []
    try:
        rows.extend(one(run) for run in runs)
    finally:
        if rows:
            out.listing("runs", rows, _ACTED, empty="No runs.")


def _acts(client: Client, act: Callable[[Client, str], Steered]) -> Callable[[str], Form]:
    from cloaca_tools.views.run_forms import steered_form

    return lambda run_id: steered_form(run_id, act(client, run_id))


def _would_act(observer: Observer, kind: Kind) -> Callable[[str], Form]:
    """The same for a dry run: by the state of the run."""
    from cloaca_core.features.steering.results import Steered
    from cloaca_tools.views.lists.steerable import is_steerable
    from cloaca_tools.views.run_forms import steered_form

    def one(run_id: str) -> Form:
        status = observer.run(run_id).wait().status
        return steered_form(run_id, Steered(status, changed=is_steerable(kind, status)))

    return one


_ACTED = (
    Column("RUN", lambda row: row["id"]),
    Column("STATUS", lambda row: row["status"], is_status=True),
    Column("", lambda row: "" if row["changed"] else "as it was"),
)


def _steer_many(observer: Observer, out: Output, kind: Kind, asked: Asked) -> None:
    """Show how many runs and which first, ask, and act."""
    from cloaca_tools.views import parse
    from cloaca_tools.views.lists.steerable import steerable

    filter_ = steerable(kind, parse(*asked.terms))
    count = observer.count(filter_).wait()
    if not (out.as_json or out.fields):
        _preview(observer, kind, filter_, count)
    if count and not asked.dry_run:
        confirm(f"{kind.capitalize()} {counted(count, 'run')}?", yes=asked.yes)
    dry_run = asked.dry_run or not count
    act = observer.steer(kind, filter_, reason=asked.reason, by=asked.by, dry_run=dry_run)
    done = act.wait()
    form: dict[str, object] = {
        "matched": done.matched,
        "changed": done.changed,
        "refused": done.refused,
    }
    if done.act is not None:
        form["act"] = done.act
    verb = "would be changed" if asked.dry_run else "changed"
    refused = f", {done.refused:,} refused" if done.refused else ""
    out.one(
        "result",
        form,
        lambda: [f"{counted(done.matched, 'run')}: {done.changed:,} {verb}{refused}"],
    )


def _preview(observer: Observer, kind: Kind, filter_: Filter, count: int) -> None:
    page = observer.runs(filter_, limit=SHOWN).wait()
    rows = [run.to_dict() for run in page.runs]
    note(f"{counted(count, 'run')} to {kind}")
    if rows:
        write_table(rows, run_columns(rows), err=True)
    if count > len(rows):
        note(f"and {count - len(rows):,} more")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere ``--yes`` must have been given. Exits as declined otherwise."""
    if yes:
        return
    context = click.get_current_context()
    if not asks():
        can_be_tried = any(each.name == "dry_run" for each in context.command.params)
        otherwise = ", or --dry-run to see only" if can_be_tried else ""
        note(f"{question} Nothing was done: say --yes{otherwise}.")
        context.exit(exits.DECLINED)
    if not click.confirm(question, err=True):
        note("Nothing was done.")
        context.exit(exits.DECLINED)


def asks() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()
