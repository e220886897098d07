"""Reads or follows what bodies of a run have logged."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.task_logs.run_logs import News, Wanted
from cloaca_core.features.task_logs.views import LineReader, LogLine
from cloaca_core.values.arguments import shown_number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence

    from cloaca_core.engine.calls.call import CallerOf, Host
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.task_logs.records import LogChunk
    from cloaca_core.features.task_logs.run_logs import RunLogs

LINES_AT_ONCE = 1_000
"""Lines that a follower takes at once, about."""


class LogEngine(Protocol):
    """The part of an engine that has the logs of tasks."""

    @property
    def run_logs(self) -> RunLogs:
        """Reads what bodies have logged."""


EngineT = TypeVar("EngineT", bound=LogEngine)


class Logs(NamedTuple):
    """The lines of a run so far."""

    run_id: str
    task: str | None = None
    attempt: int | None = None
    after: LogLine | int | None = None
    limit: int = 10_000

    def call(self, caller: CallerOf[LogEngine, object]) -> Call[list[LogLine]]:
        """See ``Operation``."""
        most = checked_limit(self.limit)
        wanted = wanted_lines(self.run_id, self.task, self.attempt, self.after, most)
        return caller.act(lambda engine: engine.run_logs.read(wanted), lines_of(wanted))


def followed(
    host: Host[EngineT, object],
    run_id: str,
    task: str | None,
    attempt: int | None,
    after: LogLine | int | None,
) -> Following:
    """The lines of a run up to its end, as they come."""
    return Following(host, wanted_lines(run_id, task, attempt, after, LINES_AT_ONCE))


class Following:
    """The lines of a run up to its end, for ``for`` and for ``async for``: each step waits for
    further ones. ``named`` finds the id of a run that was named otherwise. The run and the item are
    looked up once. For one caller.
    """

    def __init__(
        self,
        host: Host[EngineT, object],
        wanted: Wanted,
        named: Callable[[EngineT], Coroutine[Any, Any, str]] | None = None,
    ) -> None:
        self._reader = reader = LineReader(wanted.after)
        by_ids: Wanted | None = None

        async def news(engine: EngineT) -> News:
            """Further lines, once there are any; runs on the engine's loop."""
            nonlocal by_ids
            if by_ids is None:
                run_id = wanted.run_id if named is None else await named(engine)
                by_ids = await engine.run_logs.named(wanted._replace(run_id=run_id))
            return await engine.run_logs.follow(by_ids._replace(after=reader.after))

        self._next: Callable[[], Call[News]] = lambda: Call(lambda: host.send(news), unchanged)

    def __iter__(self) -> Iterator[LogLine]:
        while not (found := self._next().wait()).is_over:
            yield from self._reader.lines(found.chunks)

    async def __aiter__(self) -> AsyncIterator[LogLine]:
        while not (found := await self._next()).is_over:
            for line in self._reader.lines(found.chunks):
                yield line


def lines_of(wanted: Wanted) -> Callable[[Sequence[LogChunk]], list[LogLine]]:
    """Makes of chunks the lines that are wanted."""
    return lambda chunks: list(islice(LineReader(wanted.after).lines(chunks), wanted.limit))


def wanted_lines(
    run_id: str,
    task: str | None,
    attempt: int | None,
    after: LogLine | int | None,
    limit: int,
    item: ItemName | None = None,
) -> Wanted:
    """Checks the arguments."""
    if item is not None and task is None:
        raise ConfigError("an item needs the task that is its map", field="item")
    if task is not None and not isinstance(task, str):
        raise _wrong_type("task", "a str or None", task)
    if attempt is not None:
        _check_number("attempt", attempt, "an int or None", least=1)
    position = after.position if isinstance(after, LogLine) else after
    if position is not None:
        _check_number("after", position, "a LogLine, its position or None", least=0)
    return Wanted(run_id, task, attempt, position or 0, limit, item)


def _check_number(name: str, given: object, accepted: str, *, least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int):
        raise _wrong_type(name, accepted, given)
    if not least <= given <= sys.maxsize:
        text = f"{name} must be {least} to {sys.maxsize}, got {shown_number(given)}"
        raise ConfigError(text, field=name)


def _wrong_type(name: str, accepted: str, given: object) -> ConfigTypeError:
    text = f"{name} must be {accepted}, not {type(given).__name__}"
    return ConfigTypeError(text, field=name)
