"""From where a claim looks for runs."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from cloaca_core.engine.submit.request import owned_row
from cloaca_core.run.rows import RunRow
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_postgres.claim_marks import (
    APART_S,
    MARGIN,
    MOST_OLDEST,
    MOST_PRIORITIES,
    ClaimMarks,
    Line,
    Look,
    Range,
)
from cloaca_testing.conformance.rows import new_run

FIRST = -(2**63)
LAST = 2**63 - 1
NOW = 1_700_000_000_000_000
W = Line("w", DEFAULT_QUEUE)
OLDEST = [Range(*W, *each, FIRST, "") for each in ((1, LAST), (0, 0), (FIRST, -1))]


class Scene:
    """Marks of a runner that serves one workflow; ``reminders`` says when it is to claim again."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall = NOW
        self.reminders: list[float] = []
        self.marks = ClaimMarks(lambda: self.wall, lambda: self.now)
        self.marks.again = self.reminders.append

    def claim(self, *rows: RunRow, runner_id: str = "r1") -> list[Range]:
        """Claim these runs; where the claim looked."""
        look = self.marks.claim(runner_id, [W])
        self.marks.claimed(look, rows)
        return look.ranges

    def glance(self, *, found: bool) -> list[Range]:
        """Look whether there are runs; where that looked."""
        look = self.marks.glance("r1", [W])
        self.marks.glanced(look, found=found)
        return look.ranges

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.wall += int(seconds * 1e6)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def run(run_id: str = "a", *, at: int = NOW - 9 * MARGIN, priority: int = 0) -> RunRow:
    """A run that was claimed, claimable since an instant."""
    row = new_run(run_id, workflow=W.workflow, priority=priority)
    return owned_row(row)._replace(claimable_at=at)


def of(ranges: Iterable[Range], priority: int = 0) -> tuple[int, str]:
    """The place after which runs of a priority are looked for."""
    (found,) = [each for each in ranges if each.lowest <= priority <= each.highest]
    return found.since, found.after


def test_the_first_claim_begins_with_the_oldest_run(scene: Scene) -> None:
    assert scene.claim() == OLDEST


def test_a_claim_looks_after_the_last_run_that_was_claimed(scene: Scene) -> None:
    """Of several that became claimable at once, after the last of these."""
    scene.claim(run("b"), run("a"), run("c"))

    assert of(scene.claim()) == (NOW - 9 * MARGIN, "c")


def test_each_priority_has_its_mark_and_others_are_looked_for_between_them(scene: Scene) -> None:
    """So the run that has been claimable for longest is found too, whichever priority it has."""
    scene.claim(run("a", priority=7), run("b", at=5))

    assert scene.claim() == [
        Range(*W, 8, LAST, FIRST, ""),
        Range(*W, 7, 7, NOW - 9 * MARGIN, "a"),
        Range(*W, 1, 6, FIRST, ""),
        Range(*W, 0, 0, 5, "b"),
        Range(*W, FIRST, -1, FIRST, ""),
    ]


def test_a_claim_of_all_queues_has_a_mark_for_them_together(scene: Scene) -> None:
    every = [W._replace(queue=None)]
    scene.marks.claimed(scene.marks.claim("r1", every), [run()._replace(queue="gpu")])

    assert of(scene.marks.claim("r1", every).ranges) == (NOW - 9 * MARGIN, "a")


def test_each_queue_of_a_workflow_has_its_marks(scene: Scene) -> None:
    lines = [W, W._replace(queue="gpu")]
    scene.marks.claimed(scene.marks.claim("r1", lines), [run()._replace(queue="gpu")])

    default, gpu = (
        [each for each in scene.marks.claim("r1", lines).ranges if each[:2] == line]
        for line in lines
    )

    assert (of(default), of(gpu)) == ((FIRST, ""), (NOW - 9 * MARGIN, "a"))


def test_few_priorities_have_marks(scene: Scene) -> None:
    scene.claim(*(run(priority=each) for each in range(1, 2 * MOST_PRIORITIES)))

    assert len(scene.claim()) <= 2 * MOST_PRIORITIES + 1


def test_the_highest_and_the_lowest_priority_are_ends_of_the_ranges(scene: Scene) -> None:
    scene.claim(run(priority=LAST), run(priority=FIRST))
    ranges = scene.claim()

    assert [each[2:4] for each in ranges] == [
        (LAST, LAST),
        (1, LAST - 1),
        (0, 0),
        (FIRST + 1, -1),
        (FIRST, FIRST),
    ]


def test_when_none_is_left_all_marks_go_to_shortly_before_that(scene: Scene) -> None:
    scene.claim(run("a", priority=7))
    scene.glance(found=False)
    scene.pass_by(1)

    ranges = scene.claim()

    assert {of(ranges, each) for each in (LAST, 7, 0, FIRST)} == {(NOW - MARGIN, "")}


def test_no_mark_comes_nearer_to_now_than_a_commit_takes(scene: Scene) -> None:
    scene.claim(run(at=NOW))
    assert of(scene.claim()) == (NOW - MARGIN, "")
    scene.pass_by(1)

    assert of(scene.claim()) == (NOW - MARGIN, "")  # as of when the run was claimed


def test_a_clock_that_is_set_back_takes_the_marks_with_it(scene: Scene) -> None:
    """Runs are inserted with its instants from then on."""
    scene.claim(run())
    scene.glance(found=False)
    scene.wall -= 100 * MARGIN

    assert of(scene.claim()) == (NOW - 101 * MARGIN, "")


def test_runs_that_a_claim_passed_over_are_found_when_it_has_found_no_more(scene: Scene) -> None:
    """Another runner had locked them and claimed others."""
    scene.claim(run())

    assert of(scene.glance(found=True)) == (FIRST, "")
    assert of(scene.claim()) == (FIRST, "")


def test_a_run_behind_the_marks_is_looked_for_at_the_next_claim(scene: Scene) -> None:
    scene.claim(run())
    scene.glance(found=False)
    scene.marks.begin_with_oldest()

    assert scene.claim() == OLDEST


def test_one_that_came_during_the_claim_as_well(scene: Scene) -> None:
    """The claim may have looked before it came."""
    look = scene.marks.claim("r1", [W])
    scene.marks.begin_with_oldest()
    scene.marks.claimed(look, [run()])
    assert scene.claim() == OLDEST

    scene.pass_by(2 * APART_S)
    look = scene.marks.glance("r1", [W])
    scene.marks.begin_with_oldest()
    scene.marks.glanced(look, found=False)

    assert scene.claim() == OLDEST


def test_a_look_that_finds_such_a_run_leaves_it_to_the_claim(scene: Scene) -> None:
    scene.claim(run())
    scene.glance(found=False)
    scene.marks.begin_with_oldest()

    assert scene.glance(found=True) == OLDEST
    assert scene.claim() == OLDEST


def test_nothing_is_looked_for_twice_if_it_does_not_find_one(scene: Scene) -> None:
    scene.marks.begin_with_oldest()
    scene.glance(found=False)

    assert scene.claim() != OLDEST


def test_a_claim_from_the_oldest_run_on_has_marks_of_its_own(scene: Scene) -> None:
    """It may not have come to the runs of lower priorities."""
    scene.claim(run("a"), run("b", priority=7))
    scene.glance(found=False)
    scene.marks.begin_with_oldest()
    scene.claim(run("c", at=3, priority=7))

    ranges = scene.claim()

    assert [of(ranges, each) for each in (7, 0)] == [(3, "c"), (FIRST, "")]


def test_a_runner_with_a_new_id_has_no_marks(scene: Scene) -> None:
    """It has left no runs to others yet."""
    scene.claim(run())
    scene.glance(found=False)

    assert scene.claim(runner_id="r2") == OLDEST


def test_every_few_seconds_a_claim_begins_with_the_oldest_run(scene: Scene) -> None:
    scene.claim(run())
    scene.pass_by(APART_S / 2)
    assert scene.claim() != OLDEST
    scene.pass_by(APART_S / 2)

    assert scene.claim() == OLDEST


def test_the_runner_is_to_claim_once_more_after_a_claim_that_does_not(scene: Scene) -> None:
    scene.claim()
    scene.glance(found=False)
    assert scene.reminders == []
    scene.pass_by(1)
    scene.claim()
    assert scene.reminders == [APART_S - 1]

    scene.pass_by(APART_S - 1)
    scene.reminders.clear()
    scene.claim()
    scene.glance(found=False)

    assert scene.reminders == []


def slow(scene: Scene, seconds: float) -> Look:
    """A claim from the oldest run on that is so slow."""
    scene.marks.begin_with_oldest()
    look = scene.marks.claim("r1", [W])
    assert look.ranges == OLDEST
    scene.pass_by(seconds)
    return look


def test_slow_ones_take_a_tenth_of_the_time(scene: Scene) -> None:
    scene.marks.claimed(slow(scene, 2), [run()])
    scene.pass_by(2 * MOST_OLDEST - 0.1)
    assert scene.claim() != OLDEST
    scene.pass_by(0.1)

    assert scene.claim() == OLDEST


def test_after_one_that_took_too_long_claims_go_by_the_marks_that_there_were(scene: Scene) -> None:
    """The database ends it, and would end the next one: the queue must not stand still."""
    scene.claim(run())
    scene.marks.failed(slow(scene, 10))

    assert of(scene.claim()) == (NOW - 9 * MARGIN, "a")
    scene.pass_by(10 * MOST_OLDEST)
    assert scene.claim() == OLDEST
