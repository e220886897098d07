"""Polls the triggers of this runner when they are due.

Sleeps until then without reading the database. A poll is taken by one guarded write before the
function is called, so that of any number of runners one calls it. If a crash comes after that and
before the events are written, nothing is lost: the next poll sees the same again. A cron trigger
calls nothing: its tick is taken and fired in one transaction. ``trigger_times`` decides when a
trigger is due, ``event_writer`` makes the runs.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from cloaca_core.engine.runtime import failpoints
from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.errors import CloacaError, InputError
from cloaca_core.features.triggers.event_writer import EventWriter
from cloaca_core.features.triggers.last_error import is_to_be_written, kept_error, told_error
from cloaca_core.features.triggers.poll import Broke, Poll, PollPlaces, Returned
from cloaca_core.features.triggers.trigger_sync import TriggerSync
from cloaca_core.logs import SafeLogger
from cloaca_core.values.payloads.redaction import unchanged, without_passwords
from cloaca_core.values.times.instants import SECOND, to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.triggers.definition import Trigger
    from cloaca_core.engine.execute.work import Work
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.triggers.part import TriggerStore
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.features.triggers.trigger_times import Ticked
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.triggers")

LONGEST_SLEEP: Final = 60.0
"""Seconds. Polls are due by the wall clock, which may be set; sleeping uses the monotonic clock."""
HANGS: Final = 60.0
"""Seconds after which a poll that has not returned is logged."""


class Failure(NamedTuple):
    """An error of a trigger. ``kind`` is the same for errors that need one log record, although
    their messages may name different sizes.
    """

    message: str
    kind: str


class TriggerLoop:
    """Belongs to the engine's loop. ``broken`` is called with the reason when a loop that polls run
    on has died. ``places`` and ``longest_sleep`` (seconds) are others in a simulation. ``redact``
    hides secrets in errors.
    """

    def __init__(
        self,
        store: TriggerStore,
        journal: Journal,
        registry: Registry,
        config: DefaultRunnerConfig,
        ids: RunIds,
        subjects: Subjects,
        clock: Clock,
        broken: Callable[[str], None] = lambda _: None,
        redact: Redact = unchanged,
    ) -> None:
        self._redact = redact
        self.sync: TriggerSync = TriggerSync(store, registry, ids)
        self._failed: dict[str, Failure] = {}
        self._store = store
        self._registry = registry
        self._most = config.cron_max_catchup_executions
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._events = EventWriter(
            store, journal, registry, ids, subjects, max_bytes=config.max_context_bytes
        )
        self.places: PollPlaces = PollPlaces(self._loop, broken)
        self.longest_sleep: float = LONGEST_SLEEP
        self._running: dict[Trigger, asyncio.TimerHandle] = {}
        self._concluding: set[asyncio.Task[None]] = set()
        self._wakeup = Wakeup()
        self.wake: Callable[[], None] = self._wakeup.wake
        """A trigger may be due sooner than was known, or a poll is over."""
        for each in (subjects.triggers, subjects.definitions, subjects.anything):
            each.subscribe(self.wake)

    @property
    def failures(self) -> dict[str, str]:
        """The error of each trigger whose last poll here failed, wholly or in part."""
        return {name: failure.message for name, failure in self._failed.items()}

    def drain(self) -> None:
        """Poll no more; events of a poll that is under way are dropped."""
        self._events.closing = True

    def stop(self) -> None:
        """Stop without waiting for functions that run."""
        self.drain()
        self.places.close()

    async def close(self) -> None:
        """Stop, and cancel timers and writes that are under way."""
        self.stop()
        for timer in self._running.values():
            timer.cancel()
        for task in self._concluding:
            task.cancel()
        await asyncio.gather(*self._concluding, return_exceptions=True)

    # -- when --------------------------------------------------------------------------------

    async def turn(self) -> None:
        """Poll due triggers, then sleep until the next is due."""
        await self._wakeup.turn(self.poll_due)

    async def poll_due(self) -> float | None:
        """Poll due triggers; seconds until it is worth looking again, None for never."""
        await self.sync.settle()
        registered = self._registry.triggers()
        self.places.keep(registered)
        for name in self._failed.keys() - {each.name for each in registered}:
            del self._failed[name]
        triggers = {each.name: each for each in registered if self._is_to_be_polled(each)}
        if not triggers or self._events.closing:
            return None
        rows = await self._store.triggers_named(triggers)
        self._restore_rows(triggers.keys() - {row.name for row in rows})
        now = await self._store.now()
        await self._set_back([row for row in rows if row.enabled], now)
        due = [row for row in rows if row.enabled and _seconds_until(row, now) <= 0]
        await self._tick([row for row in due if row.poll_interval_ms is None], now)
        await self._poll([row for row in due if row.poll_interval_ms is not None], triggers, now)
        return _sleep([row for row in rows if row.enabled], now, self.longest_sleep)

    def _is_to_be_polled(self, trigger: Trigger) -> bool:
        is_free = trigger.workflow is not None and trigger not in self._running
        return is_free and not self.places.rests(trigger)

    def _restore_rows(self, names: set[str]) -> None:
        """Write these rows again: another process has removed them."""
        if names:
            self.sync.forget(names)
            self.wake()

    async def _set_back(self, rows: Sequence[TriggerRow], now: int) -> None:
        """Correct triggers whose next poll or tick was set by a clock that was ahead. One that
        cannot be read here is logged when it is due.
        """
        if not rows:
            return
        # Here: with cron's fields and time zones.
        from cloaca_core.features.triggers.trigger_times import set_back

        for row in rows:
            try:
                corrected = set_back(row, now)
            except Exception:  # noqa: BLE001, S112 - no error may stop the others
                continue
            if corrected is not None and await self._store.change_trigger(corrected):
                _tell_of_set_back(row)
                self.wake()

    # -- act ---------------------------------------------------------------------------------

    async def _tick(self, due: Sequence[TriggerRow], now: int) -> None:
        decided = [each for row in due for each in await self._ticked(row, now)]
        if decided:
            await self._events.tick(decided, now)
            self.wake()

    async def _ticked(self, row: TriggerRow, now: int) -> list[Ticked]:
        """Decide a due cron trigger; empty if it cannot be read here, as its zone is missing: that
        must not stop the others.
        """
        # Here: with cron's fields and time zones.
        from cloaca_core.features.triggers.trigger_times import ticked

        try:
            decided = ticked(row, now, most=self._most)
        except Exception as error:  # noqa: BLE001 - the other triggers must go on
            message = f"trigger {row.name!r} cannot be fired here: {error!r}"
            await self._fail(row, message, error, told=told_error(error))
            return []
        await self._succeed(row)
        return [decided]

    async def _poll(
        self, due: Sequence[TriggerRow], triggers: Mapping[str, Trigger], now: int
    ) -> None:
        if not due:
            return
        from cloaca_core.features.triggers.trigger_times import polled  # here: as above

        taken = await self._store.take_polls([polled(row, now) for row in due])
        failpoints.hit("trigger.after_take")
        for row in due:
            if row.id in taken:
                self._start(triggers[row.name], row)
        if len(taken) < len(due):  # others were faster, and have set when the next poll is due
            self.wake()

    def _start(self, trigger: Trigger, row: TriggerRow) -> None:
        hangs = self._loop.call_later(HANGS, _tell_of_hanging, trigger.name)
        self._running[trigger] = hangs
        try:
            self.places.start(Poll(trigger, row, self._clock, self._finished))
        except Exception:
            hangs.cancel()
            del self._running[trigger]  # else it would never be polled again
            raise

    def _finished(self, work: Work) -> None:
        assert isinstance(work, Poll)
        self._running[work.trigger].cancel()
        if self._events.closing:  # its events come too late
            self._over(work)
            return
        task = self._loop.create_task(self._conclude(work))
        self._concluding.add(task)
        task.add_done_callback(self._concluding.discard)

    async def _conclude(self, poll: Poll) -> None:
        """Write the events of a poll. If that fails, the next poll will see the same again."""
        name = poll.trigger.name
        try:
            await self._act(poll)
        except Exception:
            log.exception("the events of trigger %r were not written", name, extra=_ids(name))
        finally:
            self._over(poll)

    def _over(self, poll: Poll) -> None:
        del self._running[poll.trigger]
        self.wake()

    async def _act(self, poll: Poll) -> None:
        name = poll.trigger.name
        match poll.outcome:
            case Returned(value):
                await self._fire(poll.row, value)
            case Broke(error):
                message = f"trigger {name!r} failed: {error!r}"
                await self._fail(poll.row, message, error, told=told_error(error))
            case None:
                raise AssertionError("a poll has finished without an outcome")
            case _:
                assert_never(poll.outcome)

    async def _fire(self, row: TriggerRow, returned: object) -> None:
        # Here: most programs have no trigger.
        from cloaca_core.definition.triggers.result import read_results

        try:
            results = read_results(returned)
        except CloacaError as error:  # its traceback would say nothing
            await self._fail(row, f"trigger {row.name!r} is wrong: {error}", None, told=str(error))
            return
        refused = await self._events.fire(row, results)
        if refused:
            await self._tell_of_refused(row, refused)
        else:
            await self._succeed(row)

    async def _tell_of_refused(self, row: TriggerRow, refused: Sequence[CloacaError]) -> None:
        """Log it once, although the message of the next poll may name another size."""
        is_unfit = isinstance(refused[0], InputError)
        why = "its workflow does not take" if is_unfit else "cannot be stored"
        kind = f"trigger {row.name!r} fired a context that {why}"
        others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        told = f"It fired a context that {why}: {refused[0]}{others}"
        await self._fail(row, f"{kind}: {refused[0]}{others}", None, kind=kind, told=told)

    async def _succeed(self, row: TriggerRow) -> None:
        """The last poll or tick was good; its row is as it was before."""
        self._failed.pop(row.name, None)
        if row.last_error is not None:
            await self._store.note_poll(row.id, _noted_in(row), None, await self._store.now())

    async def _fail(
        self,
        row: TriggerRow,
        message: str,
        error: BaseException | None,
        kind: str | None = None,
        *,
        told: str,
    ) -> None:
        """Log an error of a trigger once, not at each poll; errors of one ``kind``, by default of
        one message, count as the same. Write it as ``told`` for people who look, if that is due.
        """
        name, message = row.name, without_passwords(self._redact(message))
        failure = Failure(message, message if kind is None else kind)
        before = self._failed.get(name)
        if before is None or before.kind != failure.kind:
            log.error("%s", message, exc_info=error, extra=_ids(name))
        self._failed[name] = failure
        text, now = kept_error(told, self._redact), await self._store.now()
        if is_to_be_written(row, text, now):
            await self._store.note_poll(row.id, _noted_in(row), text, now)


def _noted_in(row: TriggerRow) -> int:
    """The generation of a trigger until its next poll or tick. A poll was taken since it was read,
    a tick is decided before it is written.
    """
    return row.generation + (row.poll_interval_ms is not None)


def _sleep(rows: Sequence[TriggerRow], now: int, longest: float) -> float | None:
    """Seconds until the next of these is due. Those due already that were not taken come later."""
    times = [seconds for row in rows if (seconds := _seconds_until(row, now)) > 0]
    return min([*times, longest]) if rows else None


def _seconds_until(row: TriggerRow, now: int) -> float:
    """Seconds until the trigger is due; infinite if it never is."""
    return inf if row.next_poll_at is None else (row.next_poll_at - now) / SECOND


def _tell_of_hanging(name: str) -> None:
    message = "trigger %r has not returned for %.0f s: it is not polled here until it does"
    log.warning(message, name, HANGS, extra=_ids(name))


def _tell_of_set_back(row: TriggerRow) -> None:
    assert row.next_poll_at is not None
    message = "trigger %r was due next at %s by a clock that was ahead; it goes on from now"
    log.warning(message, row.name, to_datetime(row.next_poll_at).isoformat(), extra=_ids(row.name))


def _ids(name: str) -> dict[str, str]:
    """Returns the fields of a log record about a trigger."""
    return {"trigger": name}
