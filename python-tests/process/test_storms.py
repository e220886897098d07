"""Whole trees of runs (maps, child runs, loops, queues) under kills, cancels and pauses.

Some come when all that a tree can have is under way, since bodies are held; the others at places
that chance chooses, by a seed: always the same, but where ``CLOACA_TEST_SEED`` gives another, as
``invoke chaos`` does. ``virtual/test_trees.py`` has a cancel and a loss at each commit.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from typing import Any

import pytest

from process import trees
from process.chance import LONG, SHORT, place
from process.fleet import Fleet, Worker

GRACE = 0.1
SLOTS = 16
"""Enough for all bodies that are held."""
OTHERS = 20
"""How many runs beside a tree come and end while a cancel comes to all of it, at most."""
LIVE = "SELECT 1 FROM cloaca_runner WHERE pid = ? AND fenced = 0"
POINTS = {
    "submit.after_commit": 1,
    "claim.after_commit": 3,
    "body.before": 40,
    "body.after": 40,
    "journal.before_commit": 12,
    "journal.after_commit": 12,
    "run.before_end": 8,
    "run.after_end": 8,
    "child.after_end": 8,
    "map.after_open": 4,
    "map.before_end": 3,
    "wait.after_open": 8,
    "wait.before_close": 6,
    "run.before_move": 1,
    "run.after_park": 1,
}
"""Points of the engine, and up to which time of them a tree comes there."""
FATES = ["goes on", "is killed", "stands still"]


def await_standing(fleet: Fleet) -> None:
    """Return when a tree stands still, since bodies are held."""
    while Counter(entry.task_id for entry in fleet.ledger()) != trees.STANDING:
        continue


def begun_in(fleet: Fleet) -> list[tuple[str, str, int]]:
    """Run, name and epoch of each body that has begun. One body leaves, and comes back as it waits:
    it is left out.
    """
    leaving = {"calls", trees.BEGUN}
    return [(e.run_id, e.task_id, e.epoch) for e in fleet.ledger() if e.task_id not in leaving]


def roots(fleet: Fleet) -> list[str]:
    found = fleet.query("SELECT id FROM cloaca_run WHERE workflow LIKE '%::tree' ORDER BY id")
    return [run_id for (run_id,) in found]


# -- killed ----------------------------------------------------------------------------------------


def test_a_tree_whose_owner_is_killed_is_whole_in_the_end(fleet: Fleet) -> None:
    """All that a tree can have is under way as the owner dies."""
    victim = fleet.start(hold=trees.HELD, max_concurrent_tasks=SLOTS)
    root = victim.submit("tree")
    await_standing(fleet)
    victim.kill()

    rescuer = fleet.start()

    assert rescuer.result(root) == ("Completed", trees.RESULT)
    trees.is_whole(fleet, root)
    assert len(set(begun_in(fleet))) == len(begun_in(fleet))
    again = Counter(entry.task_id for entry in fleet.ledger() if entry.pid == rescuer.pid)
    assert again >= Counter(l=trees.STANDING["l"], calls=1)


# -- cancelled and paused --------------------------------------------------------------------------


class Race:
    """A tree whose owner stands at a place that chance has chosen, or has died there and is being
    taken over. Another process steers it, and has a part of its children.
    """

    def __init__(self, fleet: Fleet, chance: random.Random, fate: str) -> None:
        self._fleet = fleet
        self._fate = fate
        self.other = fleet.start(lease_seconds=SHORT, max_concurrent_tasks=2)
        self._owner = fleet.launch(
            stop=place(chance, POINTS),
            lease_seconds=LONG if fate == "goes on" else SHORT,
            evict_after_seconds=chance.choice([0, 10]),
        )
        self._owner.tell("submit", "tree")
        stands = self._owner.hear_first("submitted", "stopping") == "stopping"
        if stands and not roots(fleet):  # it is about to write the tree
            self._owner.await_stillness()
            self._owner.signal(signal.SIGCONT)
            self._owner.hear("submitted")
            stands = False
        self._is_to_say_what_it_submitted = stands and fate != "is taken over"
        (self.root,) = roots(fleet)
        if not stands:
            self._owner.tell("result_meanwhile", self.root)
            stands = self._owner.hear_first("result", "stopping") == "stopping"
        if stands:
            self._owner.await_stillness()
        if fate == "is taken over":
            self._owner.kill()
            self._owner = fleet.launch(stop="takeover.after_fence:1", lease_seconds=SHORT)

    def meet(self) -> None:
        """What becomes of the owner after the act."""
        if self._fate == "is killed":
            self._owner.kill()
        elif self._fate != "stands still":
            self._owner.signal(signal.SIGCONT)

    def await_rest(self, status: str) -> None:
        """Return when all runs of the tree have ended or are in this state, without an owner."""
        left = "WHERE ended_at IS NULL AND (owner IS NOT NULL OR status <> ?)"
        while self._fleet.query(f"SELECT id FROM cloaca_run {left}", status):
            continue

    def stays_as_it_is(self) -> None:
        """When all that stood still goes on, and others have had their turn, nothing more of the
        tree is recorded. An owner that has lost it may execute bodies until it hears of that.
        """
        before, begun = self._rows(), self._begun()
        if self._fate != "is killed":
            self._owner.signal(signal.SIGCONT)
            if self._is_to_say_what_it_submitted:
                self._owner.hear("submitted")
            self._owner.result(self._owner.submit("one"))
        self.other.result(self.other.submit("one"))
        assert self._rows() == before
        assert self._fate == "stands still" or self._begun() == begun

    def _rows(self) -> list[tuple[Any, ...]]:
        asked = "SELECT cloaca_attempt.* FROM cloaca_attempt JOIN tree ON run_id = id"
        return sorted(self._fleet.query(trees.OF_TREE + asked, self.root), key=repr)

    def _begun(self) -> int:
        return len([entry for entry in self._fleet.ledger() if entry.task_id != "a"])


def cancelled_by(fleet: Fleet, other: Worker, root: str, owner: Worker, fate: str) -> list[Worker]:
    """Cancel a tree while its owner meets this fate; the workers that are left."""
    workers = [owner, other]
    if fate == "stands still":
        owner.freeze()
    elif fate == "is taken over":
        owner.kill()
        workers[0] = fleet.launch(stop="takeover.after_fence:1", lease_seconds=SHORT)
        workers[0].await_stop()
    assert other.steer("cancel", root, GRACE) == ("Cancelling", "True")
    if fate == "is killed":
        owner.kill()
        del workers[0]
    elif fate == "is taken over":
        workers[0].signal(signal.SIGCONT)
    return workers


@pytest.mark.parametrize("fate", [*FATES, "is taken over"])
def test_no_child_escapes_the_cancel_of_a_tree_that_is_under_way(fleet: Fleet, fate: str) -> None:
    """The bodies below are held, in two processes, until the cancel has come to all of them. Then
    those that can return do, and nothing begins.
    """
    held: dict[str, Any] = {"hold": trees.HELD, "max_concurrent_tasks": SLOTS}
    other = fleet.start(enable_recovery=fate != "is taken over", lease_seconds=SHORT, **held)
    owner = fleet.start(lease_seconds=LONG if fate == "goes on" else SHORT, **held)
    root = owner.submit("tree")
    await_standing(fleet)
    workers = cancelled_by(fleet, other, root, owner, fate)

    assert other.result(root) == ("Cancelled", {})
    for _ in range(OTHERS):
        if not (free := fleet.query(trees.FREE, root)):
            break
        other.result(other.submit("one"))
    assert free == []
    if fate == "stands still":
        owner.signal(signal.SIGCONT)
        fleet.await_row(owner, LIVE, owner.pid)  # it has heard that it has lost the tree
    for worker in workers:
        worker.tell("release")
    while fleet.query("SELECT id FROM cloaca_run WHERE ended_at IS NULL"):
        continue
    for worker in workers:
        worker.result(worker.submit("one"))
    assert {status for _, _, status in trees.runs_of(fleet, root)} == {"Cancelled"}
    assert Counter(e.task_id for e in fleet.ledger() if e.task_id != "a") == trees.STANDING


@pytest.mark.parametrize("fate", ["goes on", "is taken over"])
def test_a_tree_that_is_paused_rests_as_a_whole_and_goes_on_as_a_whole(
    fleet: Fleet, chance: random.Random, fate: str
) -> None:
    race = Race(fleet, chance, fate)
    state, _ = race.other.steer("pause", race.root)
    race.meet()
    race.await_rest("Paused")

    if state == "Paused":
        race.stays_as_it_is()
        race.other.steer("resume", race.root)
    assert race.other.result(race.root) == ("Completed", trees.RESULT)
    trees.is_whole(fleet, race.root)
