"""Large runs are kept as they were seen, up to so many tasks."""

from __future__ import annotations

from dataclasses import replace

from model.families import family, run, tasks, view
from model.inspected import inspected

from cloaca_core.observe import Inspection
from cloaca_core.ui.desk.seen_runs import SeenRuns


def seen(run_id: str, number: int = 10) -> Inspection:
    """A run of so many tasks."""
    of = tasks(**{f"t{each}": [] for each in range(number)})
    return inspected(family(view(run(run_id), of=of)))


def test_a_run_is_found_as_it_was_seen_then() -> None:
    kept, one = SeenRuns(), seen("a")
    kept.keep(one)

    assert kept.find("a", one.timeline.at) is one
    assert kept.find("a", "another instant") is None


def test_what_was_not_asked_for_goes_first() -> None:
    kept, first, second = SeenRuns(20), seen("a"), seen("b")
    kept.keep(first)
    kept.keep(second)
    kept.find("a", first.timeline.at)
    kept.keep(seen("c"))

    assert [kept.find(each, first.timeline.at) is None for each in "abc"] == [False, True, False]


def test_a_run_that_is_too_large_is_not_kept() -> None:
    kept, large = SeenRuns(5), seen("a")
    kept.keep(large)

    assert kept.find("a", large.timeline.at) is None


def test_another_look_is_kept_beside_the_first() -> None:
    kept, one = SeenRuns(), seen("a")
    later = replace(one, timeline=replace(one.timeline, at="later"))
    kept.keep(one)
    kept.keep(later)

    assert kept.find("a", "later") is later
