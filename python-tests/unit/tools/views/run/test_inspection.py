"""All that the page of a run shows comes of one read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.families import LATE, at, attempt, family, run, tasks, view

from cloaca_core.features.explain.facts import Facts, RunFacts
from cloaca_core.features.explain.records import Holds, RecordedRun
from cloaca_core.features.search.records import Kin
from cloaca_core.run.rows import RoundRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.views.run.inspection import Evidence, inspection, snapshot
from cloaca_tools.views.run.timeline import timeline
from cloaca_tools.views.run.tree import tree

if TYPE_CHECKING:
    from cloaca_core.run.rows import RunRow


def evidence(row: RunRow, *rounds: RoundRow) -> Evidence:
    known = family(view(row, attempt("a"), of=tasks(a=[]))._replace(rounds=rounds))
    recorded = RecordedRun(row, Holds(), None, 0, [attempt("a")], [], [], [])
    facts = Facts(LATE, recorded, ())
    return Evidence(Kin([row], []), known, RunFacts(row, 0, "x"), facts, (), None)


def test_it_has_what_each_view_shows_alone() -> None:
    found = evidence(run(owner="left"))
    seen = inspection(found)

    assert seen.tree.tasks == tree(found.family).tasks
    assert seen.timeline == timeline(found.family, ())
    assert (seen.explanation.code, seen.explanation.run_id) == ("completed", "r")


def test_its_run_tells_what_only_a_look_at_it_does() -> None:
    seen = inspection(evidence(run(owner="left")))

    assert (seen.tree.run.forked_from, seen.runner) == ("x", "left")


def test_rounds_after_the_first_tell_when_they_began() -> None:
    first = RoundRow("r", 1, "Failed", None, None, None, None, at(1), at(9) or 0)
    second = RoundRow("r", 2, "Failed", None, None, None, None, at(20), at(25) or 0)
    seen = inspection(evidence(run(round=3, started_at=at(30)), first, second))

    assert seen.rounds == (rfc3339(at(20) or 0), rfc3339(at(30) or 0))


def test_a_run_of_one_round_has_none() -> None:
    assert inspection(evidence(run())).rounds == ()


def test_a_snapshot_that_is_known_stays() -> None:
    known = snapshot((evidence(run()), None))

    assert known.has_ended
    assert snapshot(known) is known


def test_a_snapshot_of_a_run_that_goes_on_has_not_ended() -> None:
    assert not snapshot((evidence(run(status="Running", ended_at=None)), None)).has_ended
