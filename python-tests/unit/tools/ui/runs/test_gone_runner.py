"""A run whose runner is gone: what ran there ended with it, and when a page asks for it."""

from __future__ import annotations

from dataclasses import replace

from model.families import START, attempt, family, run, tasks, view
from model.inspected import inspected

from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.ui.runs.gone_runner import stopped
from cloaca_tools.views import Inspection

RUNS = attempt("load", 1, 10, None, "Running")


def seen(lease: float | None, *, gone: bool, status: str = "Running") -> Inspection:
    """A run that is seen 100 s after its start, with a lease up to so many seconds after it."""
    known = family(view(run(status=status), RUNS, of=tasks(load=[])))
    until = None if lease is None else rfc3339(START + int(lease * 1_000_000))
    found = inspected(known, lease_until=until)
    line = replace(found.tree.run, runner_gone=gone, ended_at=None)
    return replace(found, tree=replace(found.tree, run=line))


def took(found: Inspection) -> tuple[float | None, float | None]:
    return found.timeline.bars[0].seconds, found.tree.tasks[0].seconds


def test_a_body_ends_with_the_lease_of_its_runner() -> None:
    found = stopped(seen(40, gone=True))

    assert took(found) == (30, 30)
    assert found.timeline.bars[0].ended_at == rfc3339(START + 40_000_000)


def test_one_that_began_after_that_took_no_time() -> None:
    assert took(stopped(seen(5, gone=True))) == (0, 0)


def test_one_whose_runner_died_before_its_lease_ends_goes_up_to_now() -> None:
    assert took(stopped(seen(400, gone=True))) == (90, 90)


def test_a_body_whose_runner_lives_goes_on() -> None:
    known = seen(40, gone=False)

    assert stopped(known) is known
