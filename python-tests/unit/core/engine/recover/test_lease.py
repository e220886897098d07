"""Who owns something beats, who owns nothing does so seldom, who was declared dead hears of it."""

from __future__ import annotations

import asyncio
import socket

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore
from model.quiet import quiet

from cloaca_core.engine.recover.lease import IDLE_BEAT, IDLE_BEAT_NEARBY, Lease
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.runner_rows import RunnerName, RunnerRow

SECONDS = 15.0
IDLE = 3 * IDLE_BEAT


class Store(MemoryStore):
    """The model with a clock; a beat can be held up, or fail."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.clock = clock
        self.beats: list[int] = []
        self.is_busy = False
        self.nearby = False
        self.open = asyncio.Event()
        self.open.set()

    def lease_clock(self) -> int:
        return int(self.clock.now * 1e6)

    @property
    def lease_ends_with_boot(self) -> bool:
        return self.nearby

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        await self.open.wait()
        if self.is_busy:
            raise StoreUnavailableError("database is locked")
        self.beats.append(lease_until)
        return await super().beat(runner_id, lease_until, idle_since, sharing)


class Holder:
    """A lease, registered, on clocks that stand still."""

    def __init__(self, seconds: float = SECONDS, *, nearby: bool = False) -> None:
        self.clock = HandClock()
        self.store = Store(self.clock)
        self.store.nearby = nearby
        self.runner_id = RunnerId("me")
        self.owns = True
        self.looks = 0
        subjects = Subjects()
        subjects.steered.subscribe(self.count)
        self.lease = Lease(
            self.store,
            self.runner_id,
            this_process(),
            seconds,
            lambda: self.owns,
            self.clock,
            subjects,
        )

    def count(self) -> None:
        self.looks += 1

    async def turn_after(self, seconds: float) -> None:
        self.clock.now += seconds
        await self.lease.turn()

    @property
    def until(self) -> int:
        return self.store.registered["me"].lease_until

    def in_seconds(self, seconds: float) -> int:
        return int((self.clock.now + seconds) * 1e6)


@pytest.fixture
async def holder(monkeypatch: pytest.MonkeyPatch) -> Holder:
    holder = Holder()
    await holder.lease.register()
    return holder


async def test_it_registers_with_a_lease(holder: Holder) -> None:
    assert holder.until == holder.in_seconds(SECONDS)
    assert holder.lease.is_fresh()


async def test_it_registers_under_a_name_of_its_own_each_time(holder: Holder) -> None:
    await holder.store.unregister("me")
    await holder.lease.register()

    numbers = list(holder.store.name_rows)
    assert len(numbers) == 2
    process = holder.store.registered["me"].pid
    names = [(each.id, each.host, each.process) for each in holder.store.name_rows.values()]
    assert names == [("me", socket.gethostname(), process)] * 2


async def test_three_beats_fit_into_a_lease(holder: Holder) -> None:
    assert holder.lease.interval == SECONDS / 3
    await holder.turn_after(holder.lease.interval)

    assert holder.until == holder.in_seconds(SECONDS)


async def test_a_runner_that_owns_nothing_beats_once_a_minute(holder: Holder) -> None:
    holder.owns = False
    await holder.turn_after(holder.lease.interval)
    assert holder.lease.is_idle()
    assert holder.until == holder.in_seconds(IDLE)

    early = asyncio.create_task(holder.lease.turn())
    await quiet()
    assert not early.done()
    early.cancel()
    await holder.turn_after(60)

    assert holder.until == holder.in_seconds(IDLE)
    assert len(holder.store.beats) == 2


async def test_a_lease_that_others_need_not_notice_soon_is_no_shorter_while_idle() -> None:
    """In a test a lease may last for years, and then an idle runner beats as seldom."""
    holder = Holder(seconds=86_400)
    await holder.lease.register()
    holder.owns = False
    await holder.lease.prove()

    assert holder.until == holder.in_seconds(86_400)


async def test_beside_processes_that_can_be_seen_it_beats_every_ten_minutes() -> None:
    """Each write to a file wakes all runners of the file."""
    holder = Holder(nearby=True)
    await holder.lease.register()
    holder.owns = False
    await holder.lease.prove()

    assert holder.until == holder.in_seconds(3 * IDLE_BEAT_NEARBY)


async def test_an_idle_beat_gives_way_to_a_lease_that_was_taken_meanwhile(holder: Holder) -> None:
    """It would stretch the lease under which runs are owned."""
    holder.owns = False
    await holder.turn_after(holder.lease.interval)
    holder.clock.now += 60
    holder.store.open.clear()
    steps = (holder.lease.prove, holder.lease.refresh, holder.lease.turn)
    beating = []
    for step in steps:  # each waits for the one before
        beating.append(asyncio.create_task(step()))
        await quiet()

    holder.store.open.set()
    await asyncio.gather(*beating)

    assert holder.until == holder.in_seconds(SECONDS)
    assert holder.lease.is_fresh()


async def test_a_lease_counts_from_when_its_beat_was_sent(holder: Holder) -> None:
    """Its answer may take long, and the end that it has asked for comes no later for that."""
    holder.store.open.clear()
    beating = asyncio.create_task(holder.turn_after(holder.lease.interval))
    await quiet()
    holder.clock.now += holder.lease.interval * 1.5
    holder.store.open.set()
    await beating

    assert not holder.lease.is_fresh()


async def test_that_it_owns_nothing_is_said_again_when_that_has_failed(holder: Holder) -> None:
    """Else its lease would end, and it would be taken for dead."""
    holder.owns = False
    holder.store.is_busy = True
    with pytest.raises(StoreUnavailableError):
        await holder.turn_after(holder.lease.interval)
    holder.store.is_busy = False

    await holder.lease.turn()

    assert holder.until == holder.in_seconds(IDLE)


async def test_it_beats_before_it_owns_something_again(holder: Holder) -> None:
    holder.owns = False
    await holder.turn_after(holder.lease.interval)
    assert not holder.lease.is_fresh()

    await holder.lease.refresh()

    assert holder.lease.is_fresh()
    assert holder.until == holder.in_seconds(SECONDS)


async def test_a_lease_that_may_end_before_the_next_beat_is_not_fresh(holder: Holder) -> None:
    holder.clock.now += holder.lease.interval * 1.5

    assert not holder.lease.is_fresh()


async def test_many_who_ask_at_once_share_a_beat(holder: Holder) -> None:
    holder.clock.now += SECONDS

    await asyncio.gather(*(holder.lease.refresh() for _ in range(10)))

    assert len(holder.store.beats) == 1


async def test_it_is_not_fresh_while_it_is_told_to_be_idle(holder: Holder) -> None:
    """A run that is submitted meanwhile has to renew the lease first."""
    holder.owns = False
    holder.store.open.clear()
    telling = asyncio.create_task(holder.turn_after(holder.lease.interval))
    await quiet()
    assert not holder.lease.is_fresh()

    beating = asyncio.create_task(holder.lease.refresh())
    holder.store.open.set()
    await asyncio.gather(telling, beating)

    assert holder.store.beats == [holder.in_seconds(IDLE), holder.in_seconds(SECONDS)]
    assert holder.lease.is_fresh()


async def test_it_hears_that_it_was_declared_dead(holder: Holder) -> None:
    await holder.store.fence("me", 0)
    assert not holder.lease.lost.is_set()

    await holder.turn_after(holder.lease.interval)

    assert holder.lease.lost.is_set()
    assert holder.lease.losses == 1


async def test_it_says_once_that_it_was_declared_dead(
    holder: Holder, caplog: pytest.LogCaptureFixture
) -> None:
    await holder.store.fence("me", 0)
    for _ in range(3):
        await holder.turn_after(holder.lease.interval)

    assert caplog.text.count("declared dead") == 1


async def test_it_enlists_again_under_another_id(holder: Holder) -> None:
    await holder.store.fence("me", 0)
    await holder.turn_after(holder.lease.interval)

    holder.runner_id.current = "me-again"
    await holder.lease.reenlist()
    await holder.turn_after(holder.lease.interval)

    assert not holder.lease.lost.is_set()
    assert holder.store.registered["me-again"].beat == 1


async def test_one_that_could_not_enlist_knows_that_it_is_lost_still(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: RunnerRow, __: RunnerName) -> None:
        raise StoreUnavailableError("database is locked")

    await holder.store.fence("me", 0)
    await holder.turn_after(holder.lease.interval)
    holder.runner_id.current = "me-again"
    monkeypatch.setattr(holder.store, "register", fails)

    with pytest.raises(StoreUnavailableError):
        await holder.lease.reenlist()

    assert holder.lease.lost.is_set()


async def test_a_beat_that_is_under_way_cannot_lose_the_new_registration(holder: Holder) -> None:
    await holder.store.fence("me", 0)
    holder.store.open.clear()
    late = asyncio.create_task(holder.turn_after(holder.lease.interval))
    await quiet()
    holder.runner_id.current = "me-again"
    again = asyncio.create_task(holder.lease.reenlist())
    await quiet()
    holder.store.open.set()
    await asyncio.gather(late, again)

    assert not holder.lease.lost.is_set()


@pytest.mark.parametrize("owns", [True, False])
async def test_proving_that_the_database_takes_writes_says_what_is_true(
    holder: Holder, owns: bool
) -> None:
    holder.owns = owns

    await holder.lease.prove()

    assert holder.until == holder.in_seconds(SECONDS if owns else IDLE)


@pytest.mark.parametrize(("owns", "looks"), [(True, 1), (False, 0)])
async def test_a_runner_that_owns_nothing_does_not_look_what_is_asked_of_its_runs(
    holder: Holder, owns: bool, looks: int
) -> None:
    """It would execute several statements with each beat."""
    holder.owns = owns

    await holder.lease.prove()

    assert holder.looks == looks
