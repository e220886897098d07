"""The callers of a story: they submit, send and steer, and try again where no answer comes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

from cloaca_core.client.async_handles import AsyncRunHandle
from cloaca_core.errors import CloacaError
from cloaca_testing.simulation.checks import Said
from cloaca_testing.simulation.loops import SteppedDriver
from cloaca_testing.stand_ins import StandIns

if TYPE_CHECKING:
    from cloaca_core.definition.context import ContextLike
    from cloaca_testing.options import SubmitOptions
    from cloaca_testing.simulation.checks import Checks, Rows
    from cloaca_testing.simulation.plan import Acts, Event
    from cloaca_testing.simulation.runner import Member
    from cloaca_testing.simulation.story import Story

T = TypeVar("T")

Start: TypeAlias = "Callable[[int], tuple[ContextLike, SubmitOptions]]"
"""Makes the input and the options of the run of this number."""

PATIENCE: Final = 30.0
"""Seconds for which a caller waits for an answer."""
TRIES: Final = 20


class Offered(Protocol):
    """What callers know of the world."""

    seed: int
    now: float
    story: Story
    checks: Checks
    members: list[Member]

    def rows(self) -> Rows:
        """The tables as they are."""

    def failed(self, error: BaseException) -> None:
        """End the story."""


class Callers:
    """All callers, on a loop of their own."""

    def __init__(
        self,
        world: Offered,
        workflow: str,
        acts: Acts,
        start: Start,
    ) -> None:
        self._world = world
        self._workflow = workflow
        self._acts = acts
        self._start = start
        self.driver: SteppedDriver = SteppedDriver(StandIns(), autoskip=True)
        self._chance = random.Random(f"callers {world.seed}")  # noqa: S311 - no secret
        self._runs: dict[int, str] = {}
        self._sent: set[tuple[int, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self._tasks)

    def act(self, event: Event) -> None:
        """Begin to do something."""
        if event.what == "submit":
            self._begin(self._submit(event.who, event.run))
        elif event.what == "send":
            self._begin(self._send(event.who, event.run, event.value))
        else:
            self._begin(self._steer(event.who, event.run, event.what))

    def finish(self) -> None:
        """Send what was not acknowledged, and resume what is paused."""
        self._begin(self._finish())

    def close(self) -> None:
        """End all calls."""
        for task in self._tasks:
            coroutine = task.get_coro()
            assert coroutine is not None
            coroutine.close()
        self.driver.loop.set_exception_handler(lambda *_: None)
        self.driver.close()

    def _begin(self, call: Coroutine[Any, Any, None]) -> None:
        self.driver.loop.jump_to(self._world.now)
        task = self.driver.loop.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._world.failed(error)

    # -- calls -------------------------------------------------------------------------------

    async def _member(self) -> Member:
        while True:
            if found := [each for each in self._world.members if each.is_open]:
                return self._chance.choice(found)
            await asyncio.sleep(1.0)

    async def _ask(self, who: int, what: str, call: Callable[[Member], Awaitable[T]]) -> T | None:
        """The answer to one call; None if none came, or if it was refused."""
        member = await self._member()
        name = f"caller {who + 1}"
        self._world.story.tell(name, f"{what}, through {member.name}")
        try:
            async with asyncio.timeout(PATIENCE):
                return await call(member)
        except (CloacaError, TimeoutError) as error:
            self._world.story.tell(name, f"{what}: {type(error).__name__}: {error}")
            return None

    async def _submit(self, who: int, run: int) -> None:
        keyed = self._chance.random() < 0.5
        key = f"key {run // 2}" if keyed else None
        given, options = self._start(run)
        if key is not None:
            options = {"idempotency_key": key, **options}
        key = options.get("idempotency_key")
        for _ in range(TRIES if key else 1):
            handle = await self._ask(
                who,
                f"submits number {run + 1}" + (f" with {key!r}" if key else ""),
                lambda member: member.runner.submit(self._workflow, given, **options),
            )
            if handle is not None:
                self._is_accepted(who, run, given, key, handle)
                return
            await asyncio.sleep(1.0)

    def _is_accepted(
        self, who: int, run: int, given: ContextLike, key: str | None, handle: AsyncRunHandle
    ) -> None:
        text = json.dumps(given, sort_keys=True, default=str)
        self._world.checks.said.append(Said(handle.id, text, key, handle.created))
        self._runs[run] = handle.id
        word = "accepted" if handle.created else "known"
        self._world.story.tell(
            f"caller {who + 1}", f"number {run + 1} is {word}: {self._world.story.run(handle.id)}"
        )

    async def _send(self, who: int, run: int, event: str) -> None:
        if (run_id := self._runs.get(run)) is None:
            return
        key = f"{event} {run}"
        for _ in range(TRIES):
            answer = await self._ask(
                who,
                f"sends {event!r} to {self._world.story.run(run_id)}",
                lambda member: _handle(member, run_id).send(
                    event, self._acts.sends[event], key=key
                ),
            )
            if answer is not None:
                self._world.checks.sent.add((run_id, key))
                self._sent.add((run, event))
                return
            if await self._has_ended(run_id):
                return
            await asyncio.sleep(1.0)

    async def _has_ended(self, run_id: str) -> bool:
        return self._world.rows().runs[run_id]["ended_at"] is not None

    async def _steer(self, who: int, run: int, what: str) -> None:
        if (run_id := self._runs.get(run)) is None:
            return
        name = self._world.story.run(run_id)

        def call(member: Member) -> Awaitable[Any]:
            handle = _handle(member, run_id)
            calls: dict[str, Callable[[], Awaitable[Any]]] = {
                "cancel": handle.cancel,
                "pause run": handle.pause,
                "resume": handle.resume,
                "retry": handle.retry,
            }
            return calls[what]()

        await self._ask(who, f"asks to {what.removesuffix(' run')} {name}", call)

    def _find_untold(self) -> None:
        """Give numbers to submissions that landed, and whose answer was lost with the runner: who
        looks into the database finds them, and they wait for events, too.
        """
        told, number = set(self._runs.values()), max(self._runs, default=0)
        for run_id, row in self._world.rows().runs.items():
            if run_id not in told and row["parent_id"] is None:
                self._runs[number := number + 1] = run_id

    async def _finish(self) -> None:
        self._find_untold()
        for run in list(self._runs):
            for event in self._acts.sends:
                if (run, event) not in self._sent:
                    await self._send(0, run, event)
        rows = self._world.rows()
        for run_id, row in rows.runs.items():
            if row["paused_at"] is not None and row["ended_at"] is None:
                for number in [each for each, known in self._runs.items() if known == run_id][:1]:
                    await self._steer(0, number, "resume")


def _handle(member: Member, run_id: str) -> AsyncRunHandle:
    return AsyncRunHandle(member.runner._caller, run_id)
