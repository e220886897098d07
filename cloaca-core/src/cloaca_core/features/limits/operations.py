"""Operations about limits: looks at them, and changes of their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.engine.calls.call import unchanged
from cloaca_core.engine.calls.orders import asker
from cloaca_core.errors import DefinitionError, LimitNotFoundError
from cloaca_core.features.limits.looks.records import COUNTED
from cloaca_core.features.limits.looks.views import LimitDetails, LimitInfo, details, infos
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.values.arguments import near_names, wrong_type
from cloaca_core.values.limits.settings import LimitChanges, read_changes
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.calls.call import Call, CallerOf
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.limits.looks.records import LimitLoad, LimitLook
    from cloaca_core.features.limits.part import LimitReads, LimitStore
    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.limits.rates import RateLike
    from cloaca_core.values.times.instants import Instant
    from cloaca_core.values.times.no_limit import NoLimit

NAMED: Final = 10
"""How many known limits a message names."""


class LimitLooks(Protocol):
    """The parts that looks at limits need."""

    @property
    def store(self) -> LimitStore:
        """The store; each call asks for it."""


class LimitEngine(LimitLooks, Protocol):
    """The parts of an engine that change limits."""

    @property
    def ids(self) -> RunIds:
        """Makes ids."""

    @property
    def subjects(self) -> Subjects:
        """Tells the loops of the engine what has changed."""


class ListLimits(NamedTuple):
    """All limits, by name."""

    def call(self, caller: CallerOf[object, LimitLooks]) -> Call[list[LimitInfo]]:
        """See ``Operation``."""

        async def answer(engine: LimitLooks) -> tuple[Sequence[LimitLoad], Instant]:
            return await engine.store.limit_loads(COUNTED), await engine.store.now()

        return caller.look(answer, lambda found: infos(*found))


class ShowLimit(NamedTuple):
    """One limit closely, or one ``key`` of it."""

    name: str
    key: str | int | bool | None = None
    limit: int = 100

    def call(self, caller: CallerOf[object, LimitLooks]) -> Call[LimitDetails]:
        """See ``Operation``."""
        name, most = checked_text("name", self.name), checked_limit(self.limit)
        if self.key is not None and not isinstance(self.key, str | int):
            raise wrong_type("key", "a text, an integer or a boolean", self.key)
        key = None if self.key is None else encode(self.key)

        async def answer(engine: LimitLooks) -> tuple[LimitLook, Instant]:
            store = engine.store
            if (found := await store.look_at_limit(name, key, most)) is None:
                raise await _unknown(store, name)
            return found, await store.now()

        return caller.look(answer, lambda found: details(*found))


class SetLimit(NamedTuple):
    """Set settings of a limit over its definition; returns whether that has changed any."""

    name: str
    total: int | NoLimit | None = None
    per_key: int | NoLimit | None = None
    rate: RateLike | NoLimit | None = None
    burst: int | None = None
    rate_per_key: RateLike | NoLimit | None = None
    burst_per_key: int | None = None
    by: str | None = None

    def changes(self) -> LimitChanges:
        """The settings; all arguments are checked."""
        changes = read_changes(
            total=self.total,
            per_key=self.per_key,
            rate=self.rate,
            burst=self.burst,
            rate_per_key=self.rate_per_key,
            burst_per_key=self.burst_per_key,
        )
        if changes == LimitChanges():
            raise DefinitionError(
                "there is nothing to set: give total, per_key, rate or rate_per_key; clear_limit "
                "takes changes away"
            )
        return changes

    def call(self, caller: CallerOf[LimitEngine, object]) -> Call[bool]:
        """See ``Operation``."""
        changes = self.changes()
        about = f"{checked_text('name', self.name)}: {changes.words()}"
        return _change(caller, self.name, changes, ("set_limit", about, self.by))


class ClearLimit(NamedTuple):
    """Take all changes of a limit away; returns whether there were any."""

    name: str
    by: str | None = None

    def call(self, caller: CallerOf[LimitEngine, object]) -> Call[bool]:
        """See ``Operation``."""
        name = checked_text("name", self.name)
        return _change(caller, name, None, ("clear_limit", name, self.by))


def _change(
    caller: CallerOf[LimitEngine, object],
    name: str,
    changes: LimitChanges | None,
    act: tuple[str, str, str | None],
) -> Call[bool]:
    """A call that changes settings. ``act`` is its kind, what it is about, and who asks."""
    kind, about, by = act
    who = asker(by)

    async def answer(engine: LimitEngine) -> bool:
        store = engine.store
        row: ActRow = NotedActs(store, engine.ids, who).row(kind, about)
        if (changed := await store.set_limit(name, changes, row)) is None:
            raise await _unknown(store, name)
        engine.subjects.limits.publish()
        engine.subjects.claimable.publish()  # runs that no runner has may have got places
        return changed

    return caller.act(answer, unchanged)


async def _unknown(store: LimitReads, name: str) -> LimitNotFoundError:
    """The error for a name that no program has recorded; the caller raises it."""
    known = [each.name for each in await store.list_limits()]
    near = near_names(name, known)
    hint = f", did you mean {near[0]!r}?" if near else ""
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    names = f"known are {', '.join(map(repr, known[:NAMED]))}{more}" if known else "there is none"
    message = f"no limit has the name {name!r:.120}{hint}: {names}"
    return LimitNotFoundError(message, limit=name, near=near)
