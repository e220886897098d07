"""What limits write with a batch: places of bodies and runs that have ended go to the next waiters,
and what waits of runs that are given back waits without a runner.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.features.limits.records import (
    GIVEN,
    IN_LINE,
    PLACES_BACK,
    Given,
    grant_id,
    needs_of,
)
from cloaca_core.features.limits.statements import LimitQueries
from cloaca_core.store.batch import NONE_DECIDED
from cloaca_core.store.sql.commit_part import Array, CommitPart, Steps
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from cloaca_core.features.limits.giving_steps import Giving
    from cloaca_core.store.batch import Batch, Decided
    from cloaca_core.store.sql.base import Queries
    from cloaca_core.store.sql.dialect import Answers, More, Then
    from cloaca_core.store.sql.queries import Row
    from cloaca_core.values.times.instants import Instant

OWN_FIRST_US: Final = 5_000_000
"""For so long waiters of the runner that frees a place may come before earlier ones of others: a
beat.
"""
_RETURNED: Final = "places back"
_LOCKED: Final = "locked limits"
_LINES: Final = "lines of limits"
_UNCLAIMED: Final = "unclaimed grants"


class LimitCommit:
    """Grants are removed with the records of their bodies and runs. The limits are locked after all
    runs, as the last thing of the transaction. So is what stays in line: who gives places reads
    waiters under the same lock, and finds that they have no runner.
    """

    def __init__(self, queries: Queries, array: Array) -> None:
        self._q = queries.of(LimitQueries)
        self._array = array

    def part(self) -> CommitPart:
        return CommitPart(
            kinds=frozenset((PLACES_BACK, IN_LINE)),
            record=self._record,
            succession=self._succession,
            decide=self._decide,
            answer=_answer,
            ended=[self._q.leave_ended],
        )

    def _record(self, batch: Batch) -> Steps:
        if not (back := batch.of(PLACES_BACK)):
            return {}
        ids = self._array([grant_id(each.grant.name, each.grant.number) for each in back])
        params = self._q.give_back.bind(ids=ids, runner_id=batch.runner_id)
        return {_RETURNED: Step(self._q.give_back, params)}

    def _succession(self, batch: Batch) -> Steps:
        locked, lines = self._giving(batch).locks(_needs(batch))
        steps = {_LOCKED: locked, _LINES: lines}
        if kept := batch.of(IN_LINE):
            rows = [(*unit, batch.runner_id) for each in kept for unit in each.units]
            stay, keep = self._q.stay_in_line, self._q.keep_grants
            steps |= {each.name: Step(each, rows=rows) for each in (stay, keep)}
            ids = self._array([each.run_id for each in kept])
            steps[_UNCLAIMED] = Step(self._q.find_unclaimed, self._q.find_unclaimed.bind(ids=ids))
        return steps

    def _decide(self, batch: Batch, names: Sequence[str]) -> _Ending | None:
        if not batch.of(PLACES_BACK):
            return None
        return _Ending(self._giving(batch), names, [each.run_id for each in batch.of(PLACES_BACK)])

    def _giving(self, batch: Batch) -> Giving:
        from cloaca_core.features.limits.giving import Wanted  # few programs have limits
        from cloaca_core.features.limits.giving_steps import Giving

        names = {name for name, _ in _needs(batch)}
        for each in batch.of(IN_LINE):
            names |= {name for needs in each.units.values() for name, _ in needs}
        return Giving(self._q, self._array, Wanted(batch.runner_id, 0, OWN_FIRST_US), names)


class _Ending:
    """The end of the transaction of a batch that gives back grants of these runs, each named once
    for each grant.
    """

    def __init__(self, giving: Giving, names: Sequence[str], runs: Sequence[str]) -> None:
        self._giving = giving
        self._runs = runs
        self._fence = names.index("fence") if "fence" in names else None
        self._is_repeat = self._to_claim = False
        self._unclaimed = names.index(_UNCLAIMED) if _UNCLAIMED in names else None
        self._places = [names.index(name) for name in (_RETURNED, _LOCKED, _LINES)]
        self.then: Then = self._then

    def _then(self, now: Instant, answers: Answers) -> Generator[More, Answers, None]:
        returned, locked, lines = [answers[place] for place in self._places]
        ours = {row[0] for row in answers[self._fence]} if self._fence is not None else set()
        self._is_repeat = len(returned) < sum(run_id in ours for run_id in self._runs)
        self._to_claim = self._unclaimed is not None and bool(answers[self._unclaimed])
        released = [need for (text,) in returned for need in needs_of(text)]
        return self._giving.gives(now, locked, lines, released)

    def decided(self) -> Decided:
        """The places that this commit has given to its own runner."""
        given = self._giving.given
        to_claim = given.to_claim or self._to_claim
        given = given._replace(is_repeat=self._is_repeat, to_claim=to_claim)
        return NONE_DECIDED if given == Given() else {GIVEN: frozenset((given,))}


def _answer(_: Batch, answers: Mapping[str, Sequence[Row]], __: Collection[str]) -> Decided:
    """What was given back has got places meanwhile."""
    to_claim = bool(answers.get(_UNCLAIMED))
    return {GIVEN: frozenset((Given(to_claim=True),))} if to_claim else NONE_DECIDED


def _needs(batch: Batch) -> list[tuple[str, str]]:
    return [need for each in batch.of(PLACES_BACK) for need in each.grant.needs]
