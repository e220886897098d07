"""The part of the store contract about limits, over ``LimitTable``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from model.memory_limits import LimitTable
from model.memory_upkeep import Noted

from cloaca_core.features.limits.commit import OWN_FIRST_US
from cloaca_core.features.limits.giving import Wanted
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    GIVEN,
    NEVER,
    PLACES_BACK,
    Given,
    Grant,
    LimitDefinition,
    LimitRow,
    LimitWait,
    Need,
    Unit,
    Waiter,
    grant_id,
    line_id,
)
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.batch import Batch, Decided
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings


class MemoryLimits:
    """Part of ``MemoryStore``."""

    registered: dict[str, RunnerRow]
    wall_clock: Callable[[], int]
    noted_upkeep: Noted

    def __init__(self) -> None:
        self.limit_table = LimitTable()
        self.defined_limits: dict[str, LimitSettings] = {}
        self.limit_changes: dict[str, LimitChanges] = {}
        self.families: dict[str, str] = {}

    async def ask_places(
        self,
        runner_id: str,
        requests: Sequence[Waiter],
        *,
        back: Collection[Grant] = (),
        left: Collection[Unit] = (),
        names: Collection[str] = (),
        beat: int = 0,
    ) -> Given | None:
        if not self._may_ask(runner_id):
            return None
        for unit in left:
            known = self.limit_table.waiters.get(unit)
            if known is not None and known[0].runner_id == runner_id:
                self.limit_table.withdraw(unit)
        needs = [need for each in requests for need in each.needs]
        needs += [need for grant in back for need in grant.needs]
        wanted = Wanted(runner_id, self.wall_clock(), beat, requests)
        return self._give(wanted, {name for name, _ in needs} | set(names), back)

    async def list_grants(self, runner_id: str, since: int) -> list[Grant]:
        grants = self.limit_table.grants.values()
        return sorted(g for g in grants if g.runner_id == runner_id and g.given_at >= since)

    async def free_places(self, runner_id: str) -> None:
        table = self.limit_table
        back = await self.list_grants(runner_id, 0)
        table.waiters = {
            unit: (waiter, line)
            for unit, (waiter, line) in table.waiters.items()
            if waiter.runner_id != runner_id
        }
        names = {name for grant in back for name, _ in grant.needs}
        for grant in back:
            table.grants[grant.name, grant.number] = grant._replace(runner_id=None)
        freed = [grant._replace(runner_id=None) for grant in back]
        self._give(Wanted(None, self.wall_clock(), 0), names, freed)

    async def record_limits(
        self, definitions: Sequence[LimitDefinition], together: Sequence[Collection[str]]
    ) -> None:
        for each in definitions:
            self.defined_limits[each.name] = LimitSettings.read(each.content)
            self.families.setdefault(each.name, each.name)
        for names in together:
            families = {self.families[name] for name in names if name in self.families}
            for name, family in self.families.items():
                if family in families:
                    self.families[name] = min(families)

    async def limit_waits(self, run_id: str, limit: int) -> list[LimitWait]:
        found = [
            LimitWait(each.task_id, each.item, line, each.since)
            for each, line in self.limit_table.waiters.values()
            if each.run_id == run_id
        ]
        return sorted(found)[:limit]

    async def list_holders(self, limit: int) -> list[Grant]:
        grants = sorted(
            self.limit_table.grants.values(),
            key=lambda each: (each.given_at, grant_id(each.name, each.number)),
        )
        return grants[:limit]

    async def list_limits(self) -> list[LimitRow]:
        return [
            LimitRow(name, each.content(), self._changes(name).content(), 0, None, None)
            for name, each in sorted(self.defined_limits.items())
        ]

    def _changes(self, name: str) -> LimitChanges:
        return self.limit_changes.get(name, LimitChanges())

    async def set_limit(
        self,
        name: str,
        changes: LimitChanges,
        asked_by: str,  # noqa: ARG002 - shown to people only
        runner_id: str | None = None,
    ) -> bool:
        if name not in self.defined_limits:
            return False
        self.limit_changes[name] = self.limit_changes.get(name, LimitChanges()).then(changes)
        for need, line in self.limit_table.lines.items():
            if need[0] == name and need[1] != ALL_KEYS:
                self.limit_table.lines[need] = line._replace(opens_at=0)
        self._give(Wanted(runner_id, self.wall_clock(), 0), {name}, ())
        return True

    def places_back(self, batch: Batch, current: Collection[str]) -> Decided:
        """Give back the places of a batch, and the free ones to the next waiters. ``current`` are
        the runs that the runner still owns.
        """
        if not (back := [each.grant for each in batch.of(PLACES_BACK)]):
            return {}
        names = {name for each in back for name, _ in each.needs}
        wanted = Wanted(batch.runner_id, self.wall_clock(), OWN_FIRST_US)
        known = self.limit_table.grants
        is_repeat = any(
            each.run_id in current and (each.name, each.number) not in known for each in back
        )
        given = self._give(wanted, names, back if self._may_ask(batch.runner_id) else ())
        given = given._replace(is_repeat=is_repeat)
        return {} if given == Given() else {GIVEN: frozenset((given,))}

    def _may_ask(self, runner_id: str) -> bool:
        return runner_id in self.registered and not self.registered[runner_id].fenced

    def _give(self, wanted: Wanted, names: Collection[str], back: Collection[Grant]) -> Given:
        table = self.limit_table
        families = {self.families.get(name, name) for name in names}
        locked = {name for name, family in self.families.items() if family in families}
        limits = {name: self._settings(name) for name in locked | set(names)}
        keys = [(each.name, each.number) for each in back]
        freed = [
            key
            for key in dict.fromkeys(keys)
            if key in table.grants and table.grants[key].runner_id == wanted.runner_id
        ]
        decision = table.transact(wanted, limits, freed)
        looks = [] if decision.next_look is None else [decision.next_look]
        by_time = any(each.key_rate is not None for each in limits.values())
        looks += [
            line.opens_at
            for line in table.lines.values()
            if by_time and line.name in limits and line.key != ALL_KEYS
            if line.first_at is not None and 0 < line.opens_at < NEVER
        ]
        own = tuple(each for each in decision.grants if each.runner_id == wanted.runner_id)
        return Given(own, decision.again, min(looks, default=None))

    def _settings(self, name: str) -> LimitSettings:
        settings = self.defined_limits.get(name, LimitSettings())
        return settings.changed_by(self.limit_changes.get(name, LimitChanges()))

    # -- upkeep ------------------------------------------------------------------------------

    async def idle_limit_keys(self, before: int, after: str, limit: int) -> list[str]:
        found = [each for each in self._idle(before) if each > after]
        return sorted(found)[:limit]

    async def erase_limit_keys(self, shift: Shift, ids: Collection[str], before: int) -> int | None:
        if self.noted_upkeep.holder != shift.holder:
            return None
        idle = self._idle(before)
        gone = [idle[each] for each in ids if each in idle]
        for need in gone:
            del self.limit_table.lines[need]
        return len(gone)

    def _idle(self, before: int) -> dict[str, Need]:
        return {
            line_id(need): need
            for need, line in self.limit_table.lines.items()
            if need[1] != ALL_KEYS and not line.held
            if line.first_at is None and line.tat <= before
        }
