"""Large runs are kept as they were seen, up to so many tasks."""

from __future__ import annotations

from dataclasses import replace

from model.families import family, run, tasks, view
from model.inspected import inspected

from cloaca_core.features.search.records import Kin
from cloaca_tools.ui.site.seen_runs import SeenRuns
from cloaca_tools.views import Snapshot


def seen(run_id: str, number: int = 10) -> Snapshot:
    """A run of so many tasks."""
    of = tasks(**{f"t{each}": [] for each in range(number)})
    return Snapshot(inspected(family(view(run(run_id), of=of))), Kin([], []))


def at(snapshot: Snapshot) -> str:
    """When a run was seen."""
    return snapshot.inspection.timeline.at


def seen_at(snapshot: Snapshot, instant: str) -> Snapshot:
    """The same run, seen at another instant."""
    shown = snapshot.inspection
    later = replace(shown, timeline=replace(shown.timeline, at=instant))
    return snapshot._replace(inspection=later)


def test_a_run_is_found_as_it_was_seen_then() -> None:
    kept, one = SeenRuns(), seen("a")
    kept.keep(one)

    assert kept.find("a", at(one)) is one
    assert kept.find("a", "another instant") is None


def test_what_was_not_asked_for_goes_first() -> None:
    kept, first, second = SeenRuns(20), seen("a"), seen("b")
    kept.keep(first)
    kept.keep(second)
    kept.find("a", at(first))
    kept.keep(seen("c"))

    assert [kept.find(each, at(first)) is None for each in "abc"] == [False, True, False]


def test_what_was_seen_again_stays_longer() -> None:
    kept, first, second = SeenRuns(20), seen("a"), seen("b")
    kept.keep(first)
    kept.keep(second)
    kept.keep(first)
    kept.keep(seen("c"))

    assert [kept.latest(each) is None for each in "abc"] == [False, True, False]


def test_a_run_that_is_too_large_is_not_kept() -> None:
    kept, large = SeenRuns(5), seen("a")
    kept.keep(large)

    assert kept.find("a", at(large)) is None


def test_another_look_is_kept_beside_the_first() -> None:
    kept, one = SeenRuns(), seen("a")
    later = seen_at(one, "later")
    kept.keep(one)
    kept.keep(later)

    assert kept.find("a", "later") is later


def test_the_latest_look_at_a_run_is_told_whatever_was_asked_for_since() -> None:
    kept, one = SeenRuns(), seen("a")
    later = seen_at(one, "later")
    kept.keep(later)
    kept.keep(one)

    assert kept.latest("a") is later
    assert kept.latest("b") is None
