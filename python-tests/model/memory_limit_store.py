"""The part of the store contract about limits, over ``LimitTable``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from model.memory_limits import LimitTable
from model.memory_steering import MemorySteering
from model.memory_upkeep import Noted

from cloaca_core.features.limits.commit import OWN_FIRST_US
from cloaca_core.features.limits.giving import Wanted
from cloaca_core.features.limits.looks.records import COUNTED, LimitLoad, LimitLook, Load
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    GIVEN,
    IN_LINE,
    NEVER,
    PLACES_BACK,
    THE_RUN,
    Adopted,
    Given,
    Grant,
    LimitDefinition,
    LimitRow,
    LimitWait,
    Line,
    Need,
    Unclaimed,
    Unit,
    Waiter,
    grant_id,
    line_id,
)
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.run.items.units import first_item
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import Batch, Decided
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings
from cloaca_core.values.states import RunStatus


class MemoryLimits(MemorySteering):
    """Part of ``MemoryStore``."""

    registered: dict[str, RunnerRow]
    wall_clock: Callable[[], int]
    noted_upkeep: Noted
    note_act: Callable[[ActRow | None], None]

    def __init__(self) -> None:
        self.limit_table = LimitTable()
        self.defined_limits: dict[str, LimitSettings] = {}
        self.limit_changes: dict[str, LimitChanges] = {}
        self.changed_limits: dict[str, tuple[int, str]] = {}
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

    async def adopt_places(self, runner_id: str, run_ids: Collection[str]) -> dict[str, Adopted]:
        found = {run_id: Adopted([], {}) for run_id in run_ids}
        if not self._may_ask(runner_id):
            return {}
        for key, grant in self.limit_table.grants.items():
            run = self.runs.get(grant.run_id) if grant.run_id in found else None
            if run is None or run.owner != runner_id or run.ended_at is not None:
                continue
            if grant.task_id == THE_RUN or grant.runner_id is None:
                mine = self.limit_table.grants[key] = grant._replace(runner_id=runner_id)
                found[grant.run_id].grants.append(mine)
        for waiter, _ in self.limit_table.waiters.values():
            if waiter.run_id in found and waiter.runner_id is None:
                found[waiter.run_id].waiting[waiter.unit] = waiter.since
        return {run_id: each for run_id, each in found.items() if any(each)}

    async def held_above(self, run_ids: Collection[str]) -> dict[str, set[Need]]:
        found: dict[str, set[Need]] = {}
        for run_id in run_ids:
            above = self._above(run_id)
            for grant in self.limit_table.grants.values():
                if grant.task_id == THE_RUN and grant.run_id in above:
                    found.setdefault(run_id, set()).update(grant.needs)
        return found

    def _above(self, run_id: str) -> set[str]:
        """The runs above a run, as far as each is attached to the next one."""
        run, above = self.runs.get(run_id), set[str]()
        while run is not None and run.parent_id is not None and not self.marks_of(run).detached:
            above.add(run.parent_id)
            run = self.runs.get(run.parent_id)
        return above

    async def tend_places(self, before: int) -> Unclaimed:
        grants = self.limit_table.grants.values()
        found = [each for each in grants if each.runner_id is None or self._is_stale(each)]
        free = [each for each in found if self._is_stale(each) or each.given_at < before]
        woken = 0
        for each in found:
            run = self.runs.get(each.run_id)
            if run is not None and run.owner is None and run.due_at is not None:
                self.make_claimable(run, self.wall_clock())
                run = self.runs[each.run_id]
                if run.status == RunStatus.RUNNING and run.started_at is None:
                    self.runs[each.run_id] = run._replace(status=RunStatus.PENDING)
                woken += 1
        names = {name for each in free for name, _ in each.needs}
        freed = [each._replace(runner_id=None) for each in free]
        for each in freed:
            self.limit_table.grants[each.name, each.number] = each
        given = self._give_all(names, freed)
        timed = frozenset(
            name
            for _, (name, _) in self.limit_table.waiters.values()
            if (known := self._settings(name)).rate is not None or known.key_rate is not None
        )
        is_left = len(free) < len(found) or given.to_claim
        return Unclaimed(woken, len(free), is_left, timed)

    def _is_stale(self, grant: Grant) -> bool:
        """Whether a run has ended of which this is the place, or to which it was given."""
        run = self.runs.get(grant.run_id)
        is_of_run = grant.task_id == THE_RUN or grant.runner_id is None
        return is_of_run and (run is None or run.ended_at is not None)

    def leave_lines_of(self, run_id: str) -> None:
        """A run without an owner has ended: nothing of it waits any more."""
        for unit in [each for each in self.limit_table.waiters if each[0] == run_id]:
            self.limit_table.withdraw(unit)

    def stay_in_line(self, batch: Batch) -> None:
        """What these runs wait for, which have been given back, waits without a runner."""
        for unit in [unit for each in batch.of(IN_LINE) for unit in each.units]:
            if (run := self.runs.get(unit[0])) is None or run.owner is not None:
                continue
            table = self.limit_table
            if (known := table.waiters.get(unit)) and known[0].runner_id == batch.runner_id:
                table.waiters[unit] = known[0]._replace(runner_id=None), known[1]
            for key, grant in table.grants.items():
                place = (grant.run_id, grant.task_id, grant.item)
                if (place, grant.runner_id) == (unit, batch.runner_id):
                    table.grants[key] = grant._replace(runner_id=None)

    async def list_grants(self, runner_id: str, after: Mapping[str, int]) -> list[Grant]:
        own = [each for each in self._grants_of(runner_id) if each.name in after]
        return [each for each in own if each.number > after[each.name]]

    def _grants_of(self, runner_id: str) -> list[Grant]:
        return sorted(g for g in self.limit_table.grants.values() if g.runner_id == runner_id)

    async def free_places(self, runner_id: str) -> None:
        table = self.limit_table
        back = [each for each in self._grants_of(runner_id) if each.task_id != THE_RUN]
        table.waiters = {
            unit: (waiter, line)
            for unit, (waiter, line) in table.waiters.items()
            if waiter.runner_id != runner_id
        }
        names = {name for grant in back for name, _ in grant.needs}
        for grant in back:
            table.grants[grant.name, grant.number] = grant._replace(runner_id=None)
        freed = [grant._replace(runner_id=None) for grant in back]
        self._give_all(names, freed)

    async def record_limits(
        self, definitions: Sequence[LimitDefinition], together: Sequence[Collection[str]]
    ) -> None:
        others = set()
        for each in definitions:
            settings = LimitSettings.read(each.content)
            if self.defined_limits.get(each.name, settings) != settings:
                others.add(each.name)
                self.note_act(each.act)
                self.limit_table.reopen(each.name)
            self.defined_limits[each.name] = settings
            self.families.setdefault(each.name, each.name)
        for names in together:
            families = {self.families[name] for name in names if name in self.families}
            for name, family in self.families.items():
                if family in families:
                    self.families[name] = min(families)
        if others and self._give_all(others).to_claim:
            await self.tend_places(0)

    async def limit_waits(self, run_ids: Collection[str], limit: int) -> list[LimitWait]:
        found = [
            LimitWait(
                each.run_id, each.task_id, first_item(each.item), line, each.since, each.units
            )
            for each, line in self.limit_table.waiters.values()
            if each.run_id in run_ids
        ]
        return sorted(found)[:limit]

    async def list_holders(self, limit: int) -> list[Grant]:
        grants = sorted(
            self.limit_table.grants.values(),
            key=lambda each: (each.given_at, grant_id(each.name, each.number)),
        )
        return grants[:limit]

    async def list_limits(self) -> list[LimitRow]:
        return [self._limit_row(name) for name in sorted(self.defined_limits)]

    def _limit_row(self, name: str) -> LimitRow:
        content = self.defined_limits[name].content()
        return LimitRow(name, content, self._changes(name).content(), 0, *self.who_changed(name))

    def who_changed(self, name: str) -> tuple[int | None, str | None]:
        """When the settings of a limit were set last, and by whom."""
        return self.changed_limits.get(name, (None, None))

    def _changes(self, name: str) -> LimitChanges:
        return self.limit_changes.get(name, LimitChanges())

    async def set_limit(self, name: str, changes: LimitChanges | None, act: ActRow) -> bool | None:
        if name not in self.defined_limits:
            return None
        before = self._changes(name)
        after = LimitChanges() if changes is None else before.then(changes)
        if after == before:
            return False
        self.limit_changes[name] = after
        self.changed_limits[name] = (self.wall_clock(), act.asked_by)
        if changes is None:
            del self.changed_limits[name]
        self.note_act(act)
        self.limit_table.reopen(name)
        if self._give_all({name}).to_claim:
            await self.tend_places(0)
        return True

    async def limit_loads(self, most: int) -> list[LimitLoad]:
        return [
            LimitLoad(each, self._load((each.name, ALL_KEYS), most))
            for each in await self.list_limits()
        ]

    def _load(self, need: Need, most: int) -> Load:
        """The use of a key, or of a limit with all its keys."""
        line = self.limit_table.lines.get(need, Line(*need))
        waiters = [
            waiter
            for waiter, where in self.limit_table.waiters.values()
            if where == need or need == (where[0], ALL_KEYS)
        ]
        waiting = sum(each.units for each in waiters[:most])
        return Load(line.held, line.tat, waiting, min((w.since for w in waiters), default=None))

    async def look_at_limit(self, name: str, key: str | None, limit: int) -> LimitLook | None:
        if name not in self.defined_limits:
            return None
        table = self.limit_table
        wanted = (name, ALL_KEYS if key is None else key)
        holders = [
            each
            for each in await self.list_holders(len(table.grants))
            if any(wanted in (need, (need[0], ALL_KEYS)) for need in each.needs)
        ][:limit]
        in_order = sorted(table.waiters.values(), key=lambda each: (each[0].since, each[0].unit))
        of_limit = [(each, where) for each, where in in_order if where[0] == name]
        own = [each for each, where in of_limit if key is None or where == wanted]
        needs = [where for _, where in of_limit]
        needs += [need for each in holders for need in each.needs if need[0] == name]
        keys = [each for each in dict.fromkeys(needs) if each[1] != ALL_KEYS][:limit]
        keys = keys if key is None else [wanted]
        load = LimitLoad(self._limit_row(name), self._load((name, ALL_KEYS), COUNTED))
        loads = [(each[1], self._load(each, COUNTED)) for each in keys]
        ids = {each.run_id for each in holders} | {each.run_id for each in own[:limit]}
        workflows = {each: self.runs[each].workflow for each in ids & self.runs.keys()}
        return LimitLook(load, loads, holders, own[:limit], workflows)

    def places_back(self, batch: Batch, current: Collection[str]) -> Decided:
        """Give back the places of a batch, and the free ones to the next waiters. ``current`` are
        the runs that the runner still owns.
        """
        kept = {each.run_id for each in batch.of(IN_LINE)}
        to_claim = any(
            each.runner_id is None and each.run_id in kept
            for each in self.limit_table.grants.values()
        )
        if not (back := [each.grant for each in batch.of(PLACES_BACK)]):
            return {GIVEN: frozenset((Given(to_claim=True),))} if to_claim else {}
        names = {name for each in back for name, _ in each.needs}
        wanted = Wanted(batch.runner_id, self.wall_clock(), OWN_FIRST_US)
        known = self.limit_table.grants
        is_repeat = any(
            each.run_id in current and (each.name, each.number) not in known for each in back
        )
        given = self._give(wanted, names, back if self._may_ask(batch.runner_id) else ())
        given = given._replace(is_repeat=is_repeat, to_claim=given.to_claim or to_claim)
        return {} if given == Given() else {GIVEN: frozenset((given,))}

    def _may_ask(self, runner_id: str) -> bool:
        return runner_id in self.registered and not self.registered[runner_id].fenced

    def _give_all(self, names: Collection[str], back: Collection[Grant] = ()) -> Given:
        """Give all free places, for no runner."""
        given = self._give(Wanted(None, self.wall_clock(), 0), names, back)
        if not given.again:
            return given
        rest = self._give_all(given.again)
        return rest._replace(to_claim=given.to_claim or rest.to_claim)

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
        own = tuple(
            each
            for each in decision.grants
            if each.runner_id is not None and each.runner_id == wanted.runner_id
        )
        to_claim = any(each.runner_id is None for each in decision.grants)
        return Given(own, decision.again, min(looks, default=None), to_claim=to_claim)

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
