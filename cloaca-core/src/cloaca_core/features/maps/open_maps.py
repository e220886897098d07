"""The maps of one run that have begun and not ended, and their items. Only data and look-ups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.errors import ContextValueError
from cloaca_core.features.maps.openings import Opening, begins_anew
from cloaca_core.features.maps.plan import ItemPlan
from cloaca_core.run.items.units import TASK, item_of, unit_of
from cloaca_core.run.merge import Change
from cloaca_core.values.map_items import Item, SharedInput

if TYPE_CHECKING:
    from cloaca_core.engine.execute.body_log import OpenLog
    from cloaca_core.engine.execute.work import Line
    from cloaca_core.engine.record.run_entry import SharedEntry
    from cloaca_core.features.maps.items import Items
    from cloaca_core.features.maps.limited_items import LimitedItems
    from cloaca_core.features.maps.records import MapRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.payloads.json_values import JsonValue


MOST_PREPARED: Final = 512
"""Attempts that are prepared of a map whose bodies end at once."""

FASTER: Final = 8
"""So many times as many are prepared as before: each step costs a commit of few rows."""

LOOKS: Final = 32
"""After so many looks at a map, none of which found an idle slot, fewer items may be prepared."""

SPARE: Final = 4
"""So many times as many are still prepared as were used up between two of these looks."""

_AROUND: Final = len(Change({"": 0}, []).to_json()) - len("0") - len(",")
"""What the text of a change has beside its key and its value; a list has a comma for each."""
_OF_KEY: Final = len('"":')


class EarlierMap(NamedTuple):
    """A map as an earlier owner of the run, or an earlier round, has left it. ``chosen`` are the
    items that a caller has chosen to run again when it is opened; None if that is not so.
    ``restarted`` are the chosen ones of the round, also once it is open.
    """

    row: MapRow
    items: list[AttemptRow]
    chosen: frozenset[int] | None = None
    restarted: frozenset[int] | None = None


class OpenMap:
    """A map for one attempt of its task, ``mark`` being the row of that. ``here`` are the items of
    which attempts are under way here. ``results`` are those of completed items, None where these
    stay in their rows; ``size`` is about how many bytes they take. ``flaw`` is why the map fails
    whatever its items come to. ``ended`` are the rows of items that have ended, None unless the map
    may be opened again by this owner. ``has_stopped`` once the items are withdrawn whose bodies are
    not to begin. ``log`` takes the progress of the map. ``shared`` is the input of all its items.
    ``restarted`` are items whose child runs were restarted before it, if these had failed. In
    ``line`` its items wait for one of the ``slots``; of a node, no item takes one. ``entry`` has
    the last ends of items. ``is_due`` while a step of the map is to be taken in the next pass of
    the loop. ``limited`` are items that begin once they have places of limits; None without limits.
    """

    __slots__ = (
        "__weakref__",
        "_around",
        "_least_here",
        "_looks",
        "_most_lacking",
        "ended",
        "entry",
        "flaw",
        "has_stopped",
        "here",
        "is_due",
        "items",
        "limited",
        "line",
        "log",
        "mark",
        "most_here",
        "most_open",
        "opening",
        "plan",
        "restarted",
        "results",
        "shared",
        "size",
        "slots",
        "task",
    )

    def __init__(
        self,
        task: int,
        mark: AttemptRow,
        items: Items,
        opening: Opening,
        plan: ItemPlan,
        results: dict[int, JsonValue] | None,
        log: OpenLog,
        shared: SharedInput,
        *,
        most_open: int,
        most_here: int,
        line: Line,
        slots: int,
    ) -> None:
        self.line: Line = line
        self.slots: int = slots
        self.log: OpenLog = log
        self.shared: SharedInput = shared
        self.task: int = task
        self.mark: AttemptRow = mark
        self._around = len(mark.task_id.encode()) + _AROUND
        self.items: Items = items
        self.opening: Opening = opening
        self.plan: ItemPlan = plan
        self.results: dict[int, JsonValue] | None = results
        self.size: int = 0
        self.flaw: Exception | None = None
        self.ended: list[AttemptRow] | None = None
        self.has_stopped: bool = False
        self.is_due: bool = False
        self.entry: SharedEntry | None = None
        self.most_open: int = most_open
        self.most_here: int = most_here
        self._least_here = most_here
        self._looks = self._most_lacking = 0
        self.here: set[int] = set()
        self.limited: LimitedItems | None = None
        self.restarted: Collection[int] = ()

    def room(self) -> int:
        """How many more items may begin."""
        return min(self.most_open - len(self.plan.open), self.most_here - len(self.here))

    def begin(self, most: int) -> list[int]:
        """The next items that begin at once, at most so many: they are open from now on."""
        most = min(self.room(), most)
        if self.limited is None:
            return self.plan.begin(most)
        return self.limited.begin_free(self.plan, most)

    def keep_up(self) -> None:
        """Let more items be prepared than before if a slot had none to run: their bodies take less
        time than their preparation. Not if few items are to begin after a failure, nor if the rest
        waits for items that are open. Let fewer be prepared again if few end at a time.
        """
        if self.plan.may_stop or not self.plan.has_more:
            return
        lacking, least = self.most_here - len(self.here), self._least_here
        if len(self.here) < self.slots:
            if lacking <= self.most_open - len(self.plan.open):
                self.most_here = max(self.most_here, min(FASTER * self.most_here, MOST_PREPARED))
                self._looks = self._most_lacking = 0
        elif self.most_here > least:
            self._looks += 1
            self._most_lacking = max(self._most_lacking, lacking)
            if self._looks == LOOKS:
                self.most_here = max(least, min(self.most_here, SPARE * self._most_lacking))
                self._looks = self._most_lacking = 0

    def tell(self) -> None:
        """Note how far it has come, as a body tells its progress."""
        plan = self.plan
        failed = f"{plan.failed} failed" if plan.failed else None
        self.log.tell(plan.completed + plan.failed, len(plan), failed)

    def count_result(self, index: int, change: str) -> None:
        """Count the bytes that the result of an item takes, by the text of its change."""
        self.size += len(change.encode()) - self._around
        if self.items.keys is not None:
            self._count_key(index)

    def count_failure(self, index: int) -> None:
        """Count the null that stands for a failed item, if the map completes with that."""
        if not self.plan.has_failed:
            self.size += len("null,")
            self._count_key(index)

    def _count_key(self, index: int) -> None:
        if self.items.keys is not None:
            self.size += len(self.items.keys[index].encode()) + _OF_KEY

    def handed_on(self) -> int:
        """How many bytes the context has after the map, with the results so far."""
        key = len(self.mark.task_id.encode()) + _OF_KEY
        return self.shared.size + len(",") + key + len("[]") + self.size - len(",")

    def refuse_if_large(self, bound: int, most: int) -> None:
        """Let the map fail if its results are too large for a context. The size of the context
        before it is at most ``bound``.
        """
        if self.results is None or bound + self.size <= most:
            return
        if (size := self.handed_on()) > most:
            self.flaw = ContextValueError(
                f"task {self.mark.task_id!r} would hand on {size} bytes of context after "
                f"{len(self.results)} of {len(self.plan)} items, of which it was given "
                f"{self.shared.size}; max_context_bytes is {most}. "
                'With results="rows" the results stay out of the context'
            )
            self.results = None
            self.plan.stop()

    def item(self, index: int) -> Item:
        """An item as its body sees it."""
        values, labels = self.items.values, self.items.labels
        label = index if labels is None else labels[index]
        decision = self.opening.decision
        return Item(self.task, index, label, values[index], len(values), decision, self.shared)

    def put_back(self, index: int) -> None:
        """An item was given up before its body began: it is to begin anew."""
        self.here.discard(index)
        self.plan.withdraw(index)
        if self.limited is not None:
            self.limited.put_back(index)

    def begins_anew(self, index: int) -> Resume:
        """How an item begins that has not begun in this opening."""
        resume = begins_anew(index, self.opening.again)
        return resume._replace(children_restarted=index in self.restarted)

    def value(self, failed_as: JsonValue = None) -> JsonValue:
        """What the map hands on under its id: the results in the order of the items, or how many
        items there were.
        """
        if self.results is None:
            return {"items": len(self.plan), "failed": self.plan.failed}
        values = [self.results.get(index, failed_as) for index in range(len(self.plan))]
        keys = self.items.keys
        return values if keys is None else dict(zip(keys, values, strict=True))


class OpenMaps:
    """``maps`` are the open ones, by task; ``recorded`` are maps that were opened before, by task.
    ``came`` is the instant that came if the run was claimable because its time had come. See
    ``OpenItems``.
    """

    __slots__ = ("came", "maps", "recorded")

    def __init__(self) -> None:
        self.maps: dict[int, OpenMap] = {}
        self.came: int | None = None
        self.recorded: dict[int, EarlierMap] = {}

    def __iter__(self) -> Iterator[OpenMap]:
        return iter(self.maps.values())

    def get(self, unit: int) -> OpenMap | None:
        """The map of this unit, if it is open."""
        return self.maps.get(unit & TASK)

    def of(self, unit: int) -> OpenMap:
        """The map of this unit, which is open."""
        return self.maps[unit & TASK]

    def add(self, opened: OpenMap) -> None:
        """The map is open from now on."""
        self.maps[opened.task] = opened

    def remove(self, opened: OpenMap) -> None:
        """The map is over."""
        del self.maps[opened.task]

    def opened(self) -> set[int]:
        """As in ``OpenItems``."""
        return set(self.maps)

    def units(self, ready: Collection[int]) -> set[int]:
        """As in ``OpenItems``."""
        found = set(ready)
        for task, each in self.maps.items():
            if each.plan.open:
                found.discard(task)
                found |= {unit_of(task, index) for index in each.plan.open}
                if each.plan.has_more and each.room() > 0:
                    found.add(task)
        return found

    def held(self, units: Collection[int]) -> None:
        """As in ``OpenItems``."""
        for unit in units:
            if (opened := self.get(unit)) is None:
                continue
            if unit > TASK:
                opened.here.discard(item_of(unit))
            elif opened.limited is not None:
                opened.limited.rest_all()

    def forget(self, latest: MutableMapping[int, AttemptRow]) -> None:
        """As in ``OpenItems``."""
        for unit in [unit for unit in latest if unit > TASK]:
            del latest[unit]


def maps_of(run: ActiveRun) -> OpenMaps | None:
    """The maps of a run; None before the first one."""
    maps = run.maps
    assert maps is None or isinstance(maps, OpenMaps), "only this feature makes them"
    return maps


def open_map(run: ActiveRun, unit: int) -> OpenMap:
    """The map of this unit, which is open."""
    assert isinstance(run.maps, OpenMaps), "only this feature makes them"
    return run.maps.maps[unit & TASK]


def open_maps(run: ActiveRun) -> OpenMaps:
    """The maps of a run; it has some from now on."""
    maps = maps_of(run)
    if maps is None:
        maps = run.maps = OpenMaps()
    return maps
