"""Whose runs may be taken: the gone at once, the silent after lease, beat and last chance."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore

from cloaca_core.engine.recover import takeover
from cloaca_core.engine.recover.lease import IDLE_BEAT, Lease
from cloaca_core.engine.recover.process_identity import ProcessIdentity, this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.recover.takeover import Takeover
from cloaca_core.engine.subjects import Subjects
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run

ELSEWHERE = ProcessIdentity("another boot", "pid:[1]", 7, 70)
LEASE = 15.0
BEAT = 5.0
CHANCE = 0.5


HOUR = 3600.0


class Store(MemoryStore):
    """The model, with a lease clock that can be set and beats that can fail. ``lives`` is a runner
    that beats at the moment in which it is fenced.
    """

    clock: HandClock
    broken = False
    lives: str | None = None
    contended: bool | None = None

    def set_contended(self, *, contended: bool) -> None:
        self.contended = contended

    set_by = 0.0
    ends_with_boot = False

    @property
    def lease_ends_with_boot(self) -> bool:
        return self.ends_with_boot

    def lease_clock(self) -> int:
        return int((self.clock.now + self.set_by) * 1e6)

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        if self.broken:
            raise OSError("no writes now")
        return await super().beat(runner_id, lease_until, idle_since, sharing)

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        if runner_id == self.lives:
            await super().beat(runner_id, self.lease_clock() + int(LEASE * 1e6))
        return await super().fence(runner_id, seen_beat)


@dataclass
class Scene:
    store: Store
    clock: HandClock
    takeover: Takeover
    freed: list[None] = field(default_factory=list)

    async def other(
        self, identity: ProcessIdentity = ELSEWHERE, *, lease: int | None = None
    ) -> None:
        """Another runner, which owns one run."""
        until = self.store.lease_clock() + int(LEASE * 1e6) if lease is None else lease
        row = RunnerRow("other", *identity, beat=0, lease_until=until, fenced=False, started_at=0)
        await self.store.register(row)
        await submit(self.store, new_run("run", owner="other"))

    async def after(self, seconds: float) -> float | None:
        """Sweep once more after so many seconds."""
        self.clock.now += seconds
        return await self.takeover.sweep()

    def is_taken(self) -> bool:
        return self.store.runs["run"].owner is None


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    clock = HandClock()
    store = Store()
    store.clock = clock
    mine = this_process()
    runner_id = RunnerId("mine")
    subjects = Subjects()
    lease = Lease(store, runner_id, mine, LEASE, lambda: True, clock, subjects)
    freed: list[None] = []
    await lease.register()
    subjects.claimable.subscribe(lambda: freed.append(None))
    takeover_ = Takeover(store, lease, runner_id, mine, subjects, clock)
    return Scene(store, clock, takeover_, freed)


@pytest.fixture
def ended() -> ProcessIdentity:
    """The identity of a process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return this_process()._replace(pid=process.pid, process_start=1)


class TestTheCertainlyGone:
    async def test_it_is_taken_over_at_the_first_look(
        self, scene: Scene, ended: ProcessIdentity
    ) -> None:
        await scene.other(ended)

        assert await scene.after(0) is None
        assert scene.is_taken()
        assert scene.freed == [None]
        assert "other" not in scene.store.registered

    async def test_a_fenced_runner_is_finished_off(self, scene: Scene) -> None:
        """The runner that fenced it may have died since."""
        await scene.other()
        await scene.store.fence("other", 0)

        await scene.after(0)

        assert scene.is_taken()

    async def test_a_living_process_is_left_alone(self, scene: Scene) -> None:
        await scene.other(this_process())

        await scene.after(0)

        assert not scene.is_taken()
        scene.takeover.close()

    async def test_all_its_runs_are_freed_however_many_steps_that_takes(
        self, scene: Scene, ended: ProcessIdentity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(takeover, "RUNS_PER_STEP", 1)
        await scene.other(ended)
        await submit(scene.store, new_run("second", owner="other"))

        await scene.after(0)

        assert [run.owner for run in scene.store.runs.values()] == [None, None]
        assert scene.freed == [None, None]  # so others may begin with the first
        assert scene.takeover.recovered == 2

    async def test_a_beat_that_lands_after_its_end_does_not_put_that_off(
        self, scene: Scene, ended: ProcessIdentity
    ) -> None:
        """A database still commits what the process sent last, and the end is reported once."""
        await scene.other(ended)
        scene.takeover._deaths.watch([ended.pid])
        scene.store.lives = "other"
        await scene.after(0)
        scene.store.lives = None

        assert not scene.is_taken()
        assert scene.takeover._due.is_set()
        await scene.after(0)
        assert scene.is_taken()

    async def test_the_store_hears_whether_there_are_others(self, scene: Scene) -> None:
        """It lets them have their turns to write."""
        await scene.other()
        await scene.after(0)
        heard = [scene.store.contended]
        await scene.store.unregister("other")
        await scene.after(0)
        heard.append(scene.store.contended)

        assert heard == [True, False]


class TestTheSilent:
    async def test_it_loses_its_runs_after_lease_and_last_chance(self, scene: Scene) -> None:
        await scene.other()
        assert await scene.after(0) == pytest.approx(LEASE, abs=0.01)

        assert await scene.after(LEASE + 0.001) == pytest.approx(CHANCE, abs=0.01)
        assert not scene.is_taken()
        await scene.after(CHANCE)

        assert scene.is_taken()

    async def test_one_that_is_seen_for_the_first_time_is_looked_at_for_a_beat(
        self, scene: Scene
    ) -> None:
        """Its lease ends before that."""
        await scene.other(lease=int((scene.clock.now + 1) * 1e6))

        assert await scene.after(0) == pytest.approx(BEAT, abs=0.01)

    async def test_a_lease_of_an_earlier_boot_is_over_where_it_counts_from_boot(
        self, scene: Scene
    ) -> None:
        """After a power cut the clock begins again, and the old end would lie days ahead."""
        scene.store.ends_with_boot = True
        await scene.other(lease=30 * 86_400 * 1_000_000)

        await scene.after(0)
        await scene.after(BEAT)
        await scene.after(CHANCE)

        assert scene.is_taken()

    async def test_not_while_its_lease_lasts(self, scene: Scene) -> None:
        await scene.other()
        await scene.after(0)

        for _ in range(4):
            await scene.after(LEASE / 5)

        assert not scene.is_taken()

    async def test_not_before_it_was_seen_silent_for_a_beat(self, scene: Scene) -> None:
        """Its lease has ended already when we first see it."""
        await scene.other(lease=1)
        await scene.after(0)
        await scene.after(BEAT - CHANCE - 0.1)
        await scene.after(CHANCE)  # no last chance has begun
        assert not scene.is_taken()
        await scene.after(0.1)
        assert not scene.is_taken()

        await scene.after(CHANCE)

        assert scene.is_taken()

    async def test_not_before_its_last_chance_is_over(self, scene: Scene) -> None:
        await scene.other(lease=1)
        await scene.after(0)
        await scene.after(BEAT)
        await scene.after(CHANCE - 0.1)
        assert not scene.is_taken()

        await scene.after(0.1)

        assert scene.is_taken()

    async def test_not_when_it_beats_while_it_is_fenced(self, scene: Scene) -> None:
        await scene.other(lease=1)
        await scene.after(0)
        await scene.after(BEAT)
        scene.store.lives = "other"

        next_look = await scene.after(CHANCE)

        assert not scene.is_taken()
        assert scene.takeover.is_crowded
        assert next_look is not None

    async def test_a_beat_is_a_sign_of_life(self, scene: Scene) -> None:
        await scene.other(lease=1)
        await scene.after(0)
        await scene.after(BEAT)
        await scene.store.beat("other", 1)

        await scene.after(CHANCE)

        assert not scene.is_taken()

    async def test_an_idle_runner_that_died_is_removed_too(self, scene: Scene) -> None:
        """Its lease lasts longer, and is looked at as seldom as it is renewed."""
        idle = 3 * IDLE_BEAT
        await scene.other(lease=scene.store.lease_clock() + int(idle * 1e6))
        scene.store.runs.clear()
        for next_look in (IDLE_BEAT, IDLE_BEAT, 3):
            assert await scene.after(IDLE_BEAT - 1) == pytest.approx(next_look, abs=0.01)
            assert "other" in scene.store.registered

        await scene.after(3.001)
        await scene.after(CHANCE)

        assert "other" not in scene.store.registered


class TestDoubt:
    async def test_nobody_is_robbed_by_who_wakes_first(self, scene: Scene) -> None:
        """Both stood still for an hour; the other one beats as soon as it can."""
        await scene.other()
        await scene.after(0)
        await scene.after(3600)
        assert not scene.is_taken()
        await scene.store.beat("other", scene.store.lease_clock() + int(LEASE * 1e6))

        await scene.after(CHANCE)

        assert not scene.is_taken()

    async def test_a_last_chance_that_we_slept_through_does_not_count(self, scene: Scene) -> None:
        await scene.other()
        await scene.after(0)
        await scene.after(LEASE + BEAT)

        await scene.after(3600)
        assert not scene.is_taken()
        await scene.after(CHANCE)

        assert scene.is_taken()

    async def test_silence_means_nothing_while_nobody_can_write(self, scene: Scene) -> None:
        await scene.other()
        scene.takeover.wake()
        await scene.after(0)
        scene.clock.now += LEASE + BEAT
        scene.store.broken = True
        with pytest.raises(OSError, match="no writes"):
            await scene.takeover.turn()

        scene.store.broken = False
        for _ in range(3):
            await scene.after(CHANCE)
            assert not scene.is_taken()  # a whole beat has to be seen again

    @pytest.mark.parametrize(
        "step",
        [
            HOUR,
            -HOUR,
            LEASE,  # from here on the two clocks cannot be told apart
            -LEASE,
            BEAT,  # too little to be minded
            -BEAT,
        ],
    )
    async def test_a_clock_that_is_set_takes_nothing_from_who_lives(
        self, scene: Scene, step: float
    ) -> None:
        """It beats late, and at first without having noticed."""
        await scene.other()
        await scene.after(0)
        scene.store.set_by = step
        for ahead in (0.0, step, step):
            await scene.after(BEAT)
            await scene.after(CHANCE)
            await scene.after(CHANCE)
            assert not scene.is_taken()
            now = int((scene.clock.now + ahead) * 1e6)
            await scene.store.beat("other", now + int(LEASE * 1e6))

    @pytest.mark.parametrize("noticed", [True, False])
    @pytest.mark.parametrize("step", [HOUR, -HOUR])
    async def test_a_clock_that_is_set_keeps_the_runs_of_the_dead_no_longer(
        self, scene: Scene, step: float, noticed: bool
    ) -> None:
        await scene.other()
        await scene.after(0)
        scene.store.set_by = step
        if noticed:
            await scene.after(0)
            await scene.store.beat("other", scene.store.lease_clock() + int(LEASE * 1e6))

        waited, wait = 0.0, 0.0
        while not scene.is_taken():
            waited += wait
            next_look = await scene.after(wait)
            wait = next_look or 0.0

        assert waited <= LEASE + BEAT + 1

    async def test_who_is_gone_from_the_table_is_forgotten(self, scene: Scene) -> None:
        await scene.other()
        await scene.after(0)
        await scene.after(LEASE + BEAT)
        await scene.store.unregister("other")

        assert await scene.after(1) is None
        assert not scene.takeover._seen
        assert not scene.takeover._warned
