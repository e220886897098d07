"""``cloaca status``: one screen that says how things are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cloaca_core.values.wording import counted, duration, first_line
from cloaca_tools.cli.columns import counts_text
from cloaca_tools.cli.output import Output, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where
from cloaca_tools.cli.words import ago, runner_state

if TYPE_CHECKING:
    from cloaca_tools.views import Overview

_SHOWN = 5


@click.command("status")
@database_options
@output_options
@pass_where
def command(where: Where, out: Output) -> None:
    """Show what runs and waits, what failed in the last hour, what waits for people, which runners
    are alive, and the run that waits for longest for a runner.
    """
    with where.observing() as observer:
        found = observer.overview().wait()
    out.one("status", found.to_dict(), lambda: _lines(found))


def _lines(found: Overview) -> Iterator[str]:
    for name, lines in (
        ("runs", _runs(found)),
        ("failed", _failed(found)),
        *([("triggers", _triggers(found))] if found.failing_triggers else []),
        ("people", _people(found)),
        ("oldest", _oldest(found)),
        ("runners", _runners(found)),
        ("paused", iter(found.paused_workflows)),
        ("kept", _kept(found)),
    ):
        for line in lines:
            yield f"{name:9}{line}"
            name = ""


def _runs(found: Overview) -> Iterator[str]:
    yield counts_text(found.counts) or "nothing runs or waits"


def _failed(found: Overview) -> Iterator[str]:
    yield f"{found.failed:,} in the last hour" if found.failed else "none in the last hour"
    for each in found.failure_groups[:_SHOWN]:
        since = "" if each.runs == 1 else f", since {ago(each.since)}"
        where = ", ".join(each.workflows[:_SHOWN])
        yield f"  {each.runs:,} of {where}{since}, {each.newest} {ago(each.last)}: {each.error}"
    if len(found.failure_groups) > _SHOWN:
        yield "  all of them: cloaca runs list --group error ended-since:1h"


def _triggers(found: Overview) -> Iterator[str]:
    for each in found.failing_triggers[:_SHOWN]:
        polls, since = counted(each.failed_polls, "poll"), ago(each.failing_since)
        yield f"{each.name} fails since {since}, {polls} in a row: {first_line(each.last_error)}"
    if len(found.failing_triggers) > _SHOWN:
        yield "all of them: cloaca triggers list"


def _people(found: Overview) -> Iterator[str]:
    if not found.approvals:
        yield "nothing waits for a person"
    for each in found.approvals[:_SHOWN]:
        yield f"{each.workflow_name} {each.run_id} {each.task_id} since {ago(each.opened_at)}"
    if len(found.approvals) > _SHOWN:
        yield "all of them: cloaca approvals list"


def _oldest(found: Overview) -> Iterator[str]:
    run = found.oldest_pending
    if run is None or found.oldest_pending_seconds is None:
        yield "no run waits for a runner"
        return
    waits = duration(found.oldest_pending_seconds)
    if found.oldest_pending_given_back:
        how = f"{waits} at most for a runner; one has begun it and given it back"
    else:
        how = f"{waits} for a runner"
    yield f"{run.workflow_name} {run.id} waits for {how}"


def _runners(found: Overview) -> Iterator[str]:
    if not found.runners:
        yield "none: start one with cloaca worker"
    for each in found.runners:
        state = runner_state(alive=each.alive, draining=each.draining_since is not None)
        runs = counted(each.runs, "run")
        yield f"{each.id} {state}, {runs}, process {each.pid}, started {ago(each.started_at)}"
        if each.backlog:
            yield f"  {each.backlog_text}"
    if found.lost_runners:
        yield f"{found.lost_runners} lost within a day: cloaca runners list"


def _kept(found: Overview) -> Iterator[str]:
    days = found.retention_days
    yield "ended runs for ever" if days is None else f"ended runs for {counted(days, 'day')}"
