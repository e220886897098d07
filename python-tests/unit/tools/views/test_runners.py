"""The runners of a database, shaped from rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from model.families import LATE
from tables import each_row

from cloaca_core.features.explain.facts import RunnerState
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_core.features.queues.records import Backlog
from cloaca_core.store.runner_rows import LostRunner, Sharing
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_testing.conformance.rows import runner
from cloaca_tools.views.runners import Rows, RunnerLine, all_lines, runner_lines

ORDERS, MAIL = "public::embedded::orders", "public::embedded::mail"
NOTHING = Sharing()
LONG_AGO = LATE - 60 * SECOND


def state(
    name: str = "r1",
    sharing: Sharing = NOTHING,
    *,
    until: int = LATE + 1,
    runs: int = 0,
    queues: str | None = None,
    draining_since: int | None = None,
) -> RunnerState:
    """A runner of another process."""
    row = runner(name, queues=queues)._replace(
        sharing=sharing.text(), draining_since=draining_since
    )
    return RunnerState(RunnerLoad(row, runs, owns_workflow=False), until)


def line(rows: Rows) -> RunnerLine:
    """The only line."""
    (found,) = all_lines(rows)
    return found


def test_a_backlog_is_told_as_long_as_another_runner_is_idle() -> None:
    busy = state("busy", Sharing(backlog=2), runs=3)
    idle = state("idle", Sharing(1, ("flow",)), runs=3)
    gone = state("gone", Sharing(1, ("flow",)), until=LATE)

    found, alone = runner_lines([busy, idle], LATE), runner_lines([busy, gone], LATE)

    text = "2 runs wait for a slot of busy while idle is idle"
    assert [each.backlog_text for each in found] == [text, ""]
    assert (found[0].backlog, found[0].idle_beside) == (2, ("idle",))
    assert [each.backlog for each in alone] == [0, 0]


def test_a_runner_is_named_by_its_host_and_process_and_tells_its_load() -> None:
    told = state(sharing=Sharing(slots=16, busy=3, told_at=LATE - SECOND))
    named = RunnerState(told.load._replace(row=told.load.row._replace(host="web-1")), LATE + 1)

    found = line(Rows(LATE, [named]))
    assert (found.name, found.slots, found.busy) == ("web-1 · 17", 16, 3)
    assert found.last_sign == rfc3339(LATE - SECOND)

    earlier = line(Rows(LATE, [state()]))
    assert (earlier.name, earlier.slots, earlier.busy, earlier.last_sign) == ("r1", *[None] * 3)


@each_row(
    ("counts", "text"),
    [
        ((2, 1, 0), "2 runs taken over, 1 begun again"),
        ((1, 0, 1), "1 run taken over, 1 cancelled"),
        ((0, 0, 0), "it owned no run"),
    ],
)
def test_a_lost_runner_is_listed_with_what_became_of_its_runs(
    counts: tuple[int, int, int], text: str
) -> None:
    sharing = Sharing(told_at=LATE - SECOND).text()
    lost = LostRunner("r0", 0, 17, "web-1", '["gpu"]', sharing, LATE, *counts)

    last = all_lines(Rows(LATE, [state()], [lost]))[1]

    assert (last.id, last.name, last.alive) == ("r0", "web-1 · 17", False)
    assert (last.lost_at, last.last_sign) == (rfc3339(LATE), rfc3339(LATE - SECOND))
    assert (last.queues, last.became_text) == (("gpu",), text)


def test_a_runner_whose_takeover_goes_on_is_not_told_twice() -> None:
    lost = LostRunner("r1", 0, 17, None, None, None, LATE, 1, 0, 0)

    assert line(Rows(LATE, [state()], [lost])).lost_at is None


IDLE = Sharing(1, (ORDERS,))
WAITS = Backlog(ORDERS, "default", 2, LONG_AGO)
BESIDE = "Idle beside 2 runs of orders that wait in queue default"
NONE: Mapping[str, frozenset[str]] = MappingProxyType({})


@each_row(
    ("one", "backlogs", "released", "why"),
    [
        (
            state(sharing=IDLE),
            [WAITS],
            NONE,
            f"{BESIDE}, which it could run: it has not claimed them. See the log of its process.",
        ),
        (
            state(sharing=IDLE),
            [WAITS],
            {"r1": frozenset([ORDERS])},
            f"{BESIDE}: its version of the workflow lacks tasks of theirs.",
        ),
        (state(sharing=IDLE, queues='["gpu"]'), [WAITS], NONE, ""),
        (state(sharing=IDLE), [WAITS._replace(workflow=MAIL)], NONE, ""),
        (state(sharing=IDLE), [WAITS._replace(oldest=LATE - 10 * SECOND)], NONE, ""),
        (state(sharing=IDLE, runs=1), [WAITS], NONE, ""),
        (state(), [WAITS], NONE, ""),  # it has no free slot, or work to do
        (state(sharing=IDLE, draining_since=LATE), [WAITS], NONE, ""),
        (state(sharing=IDLE, until=LATE), [WAITS], NONE, ""),
    ],
)
def test_an_idle_runner_beside_a_backlog_tells_why(
    one: RunnerState, backlogs: list[Backlog], released: Mapping[str, frozenset[str]], why: str
) -> None:
    assert line(Rows(LATE, [one], (), backlogs, released)).why_idle == why


def test_of_several_backlogs_the_one_that_it_could_run_is_told() -> None:
    others = [WAITS._replace(workflow=MAIL, oldest=LONG_AGO - 1), WAITS]
    released = {"r1": frozenset([MAIL])}
    idle = state(sharing=IDLE._replace(serves=(ORDERS, MAIL)))

    assert "orders" in line(Rows(LATE, [idle], (), others, released)).why_idle
