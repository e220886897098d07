"""Lines of lists: the wait of a run stands in them."""

from __future__ import annotations

from model.families import LATE, at, run

from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import NEVER
from cloaca_core.views.lists.listing import Listed, run_page
from cloaca_core.views.lists.search import Page
from cloaca_core.views.results import Wait

SOON = at(90) or 0


def listed(row: RunRow, *waits: WaitRow) -> Wait | None:
    (line,) = run_page(Listed(Page([row], None, LATE), frozenset(), waits)).runs
    return line.waits_for


def test_a_run_that_waits_says_for_what() -> None:
    row = run(status="Waiting", due_at=NEVER)
    paid = WaitRow("r", "paid", "event", "paid", 0, 1, "", at(3) or 0, None, "{}")
    other = paid._replace(run_id="other", kind="approval")

    assert listed(row, other, paid) == Wait("event", "paid", None, rfc3339(at(3) or 0))
    assert listed(row) is None


def test_one_without_a_wait_waits_for_its_next_attempt() -> None:
    assert listed(run(status="Waiting", due_at=SOON)) == Wait("retry", until=rfc3339(SOON))


def test_one_that_has_not_begun_is_only_due() -> None:
    assert listed(run(status="Pending", due_at=SOON)) is None
