"""Failed runs by their errors."""

from __future__ import annotations

from model.families import at, run
from model.observed import Observed
from tables import each_row

from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import new_run, run_end, runner
from cloaca_tools.views.lists import failure_groups
from cloaca_tools.views.lists.failure_groups import (
    Failed,
    FailureGroup,
    error_kinds,
    error_of,
    grouped,
    kind_of,
)
from cloaca_tools.views.lists.filters import parse

COUNTS = "1 task(s) failed, 2 completed, 0 skipped; first error: "


def failed(run_id: str, second: int, error: str, **fields: object) -> RunRow:
    return run(run_id, "Failed", ended_at=at(second), error_message=error, **fields)


def test_runs_with_one_error_are_a_group_the_largest_first() -> None:
    rows = [
        failed("d", 40, f"{COUNTS}pay: ValueError: order 77 is unknown"),
        failed("c", 30, "Pipeline timeout after 60s"),
        failed("b", 20, f"{COUNTS}ship: ValueError: order 8 is unknown", workflow="p::q::other"),
        failed("a", 10, "3 task(s) failed, 0 completed, 0 skipped; first error: pay: OSError: no"),
    ]

    found = grouped(rows)

    assert found[0] == FailureGroup(
        error="ValueError: order 77 is unknown",
        runs=2,
        workflows=("flow", "other"),
        since=rfc3339(at(20) or 0),
        last=rfc3339(at(40) or 0),
        newest="d",
    )
    # then the one that came last
    assert [(each.error, each.runs) for each in found[1:]] == [
        ("Pipeline timeout after 60s", 1),
        ("OSError: no", 1),
    ]


@each_row(
    ("message", "error"),
    [
        (f"{COUNTS}pay: KeyError: 'a: b'\nmore", "KeyError: 'a: b'"),
        ("Pipeline timeout after 3s", "Pipeline timeout after 3s"),
        (None, ""),
    ],
)
def test_the_error_of_a_run_is_that_of_its_first_task(message: str | None, error: str) -> None:
    assert error_of(run(status="Failed", error_message=message)) == error


async def test_only_failed_runs_that_match_count() -> None:
    observed = Observed()
    await observed.store.register(runner("r1"))
    await submit(observed.store, *[new_run(name) for name in "abc"])
    ends = [run_end("a", status="Failed"), run_end("b"), run_end("c", status="Failed")]
    await record(observed.store, ends=ends)

    found = await failure_groups.read(observed.engine, parse("id:a,b"))

    assert [row.id for row in found.rows] == ["a"]
    assert found.is_all


@each_row(
    ("error", "kind"),
    [
        ("PriceError: 422 price of item 3", "PriceError"),
        ("json.decoder.JSONDecodeError: Expecting value: line 1", "json.decoder.JSONDecodeError"),
        ("KeyError", "KeyError"),
        ("Pipeline timeout after 60s", "Pipeline timeout after"),
        ("404: not found", "404: not found"),
        ("no answer of redis://:s3cret@cache", "no answer of redis"),  # cut, it would be shown
        ("503 of redis://:secret@cache", "503 of redis"),
        ("", ""),
    ],
)
def test_the_kind_of_an_error_is_its_class_or_its_beginning(error: str, kind: str) -> None:
    assert kind_of(error) == kind


def test_a_kind_has_the_runs_that_its_filter_finds() -> None:
    rows = [
        failed("d", 40, f"{COUNTS}pay: OSError: no"),
        failed("c", 30, f"{COUNTS}pay: PriceError: item 3", workflow="p::q::other"),
        failed("b", 20, f"{COUNTS}ship: PriceError: after priceerror"),
        failed("a", 10, f"{COUNTS}ship: OSError: because of PriceError"),
    ]

    found = error_kinds(Failed(rows, is_all=False))

    assert [(each.kind, each.runs) for each in found.kinds] == [("PriceError", 3), ("OSError", 2)]
    first = found.kinds[0]
    assert (first.error, first.newest) == ("PriceError: item 3", "c")
    assert first.workflows == ("flow", "other")
    assert (first.since, first.last) == (rfc3339(at(10) or 0), rfc3339(at(30) or 0))
    assert not found.is_all
