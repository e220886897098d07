"""Calls that read or follow what bodies of a run have logged."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cloaca_core._engine.observe.run_logs import News, Wanted
from cloaca_core.errors import ConfigTypeError
from cloaca_core.runner.calls.arguments import checked_limit
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.task_logs import LineReader, LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cloaca_core.runner.host import EngineHost

LINES_AT_ONCE = 1_000
"""Lines that a follower takes at once, about."""


class TaskLogCalls:
    """Makes the calls of one runner and its handles. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def logs(
        self,
        run_id: str,
        task: str | None,
        attempt: int | None,
        after: LogLine | int | None,
        limit: int,
    ) -> Call[list[LogLine]]:
        """The lines of a run so far."""
        wanted = _wanted(run_id, task, attempt, after, checked_limit(limit))
        return Call(
            lambda: self._host.send(lambda engine: engine.run_logs.read(wanted)),
            lambda chunks: list(islice(LineReader(wanted.after).lines(chunks), wanted.limit)),
        )

    def follow(
        self, run_id: str, task: str | None, attempt: int | None, after: LogLine | int | None
    ) -> Following:
        """The lines of a run up to its end, as they come."""
        return Following(self, _wanted(run_id, task, attempt, after, LINES_AT_ONCE))

    def news(self, wanted: Wanted) -> Call[News]:
        """Further lines, once there are any."""
        return Call(
            lambda: self._host.send(lambda engine: engine.run_logs.follow(wanted)), _unchanged
        )


class Following:
    """Waits for lines of a run, from one call to the next."""

    def __init__(self, calls: TaskLogCalls, wanted: Wanted) -> None:
        self._calls = calls
        self._wanted = wanted
        self._reader = LineReader(wanted.after)

    def _next(self) -> Call[News]:
        return self._calls.news(self._wanted._replace(after=self._reader.after))

    def lines(self) -> Iterator[LogLine]:
        """Blocks while there is no line."""
        while not (news := self._next().wait()).is_over:
            yield from self._reader.lines(news.chunks)

    async def lines_async(self) -> AsyncIterator[LogLine]:
        """The same, awaited."""
        while not (news := await self._next()).is_over:
            for line in self._reader.lines(news.chunks):
                yield line


def _unchanged(news: News) -> News:
    return news


def _wanted(
    run_id: str,
    task: str | None,
    attempt: int | None,
    after: LogLine | int | None,
    limit: int,
) -> Wanted:
    if task is not None and not isinstance(task, str):
        raise _wrong_type("task", "a str or None", task)
    if attempt is not None and (isinstance(attempt, bool) or not isinstance(attempt, int)):
        raise _wrong_type("attempt", "an int or None", attempt)
    position = after.position if isinstance(after, LogLine) else after
    if position is not None and (isinstance(position, bool) or not isinstance(position, int)):
        raise _wrong_type("after", "a LogLine, its position or None", after)
    return Wanted(run_id, task, attempt, position or 0, limit)


def _wrong_type(name: str, accepted: str, given: object) -> ConfigTypeError:
    text = f"{name} must be {accepted}, not {type(given).__name__}"
    return ConfigTypeError(text, field=name)
