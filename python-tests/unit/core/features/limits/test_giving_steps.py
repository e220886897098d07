"""The statements that give places, and what they are bound to."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cloaca_core.features.limits.giving import Wanted
from cloaca_core.features.limits.giving_steps import Giving
from cloaca_core.features.limits.records import ALL_KEYS, Line
from cloaca_core.features.limits.statements import LimitQueries
from cloaca_core.store.sql.base import Queries
from cloaca_core.store.sql.dialect import Step
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_sqlite.driver import WORDING

SETTINGS = LimitSettings(key_rate=Rate(1, 1_000_000, 1))


def _array(values: Collection[str | int]) -> object:
    return list(values)


def steps_at(now: int, whole: Line) -> Iterator[Step]:
    """The statements of a transaction that finds nothing to give."""
    queries = Queries("cloaca_sqlite", WORDING).of(LimitQueries)
    giving = Giving(queries, _array, Wanted("me", 0, 0), {"api"})
    transaction = giving.gives(now, [("api", SETTINGS.content(), "{}")], [whole])
    more = next(transaction)
    while not more.last:
        yield from more.steps
        more = transaction.send([[] for _ in more.steps])
    yield from more.steps


def bound(step: Step) -> dict[str, object]:
    """The values of a statement, those of its only row if it writes rows."""
    (row,) = (step.params,) if step.rows is None else step.rows
    return dict(zip(step.statement.parameters, row, strict=True))


def test_all_keys_are_looked_at_when_the_clock_was_set_back() -> None:
    whole = Line("api", ALL_KEYS, looked_at=2_000)
    steps = {step.statement.name: step for step in steps_at(1_000, whole)}

    assert bound(steps["open_lines"]) == {"names": ["api"], "after": 0, "now": 1_000}
    assert bound(steps["put_line"])["looked_at"] == 1_000


def test_only_keys_are_looked_at_that_have_opened_since_the_last_look() -> None:
    whole = Line("api", ALL_KEYS, looked_at=2_000)
    steps = {step.statement.name: step for step in steps_at(3_000, whole)}

    assert bound(steps["open_lines"]) == {"names": ["api"], "after": 2_000, "now": 3_000}
    assert "put_line" not in steps
