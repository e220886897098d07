"""``RetryAfter``: raised by a body that knows when it should be tried again.

Says only what the body asks for; the outcome of an attempt decides whether it gets it.
"""

from __future__ import annotations

from cloaca_core.errors import CloacaError
from cloaca_core.values.arguments import flag, wrong_type
from cloaca_core.values.times.durations import Duration, read_seconds


class RetryAfter(CloacaError):  # noqa: N818 - it asks for something, as StopIteration does
    """Raised in a task's body: ends this attempt, and the next one begins not before ``seconds``
    (or a timedelta) have passed, in place of the back-off of the retry policy.

    The retry condition is not asked: the body has decided. The attempt counts as one of the task's
    attempts, unless ``count`` is False; when they are used up, the task fails. The attempt then
    has the error ``cause``, or that of ``raise RetryAfter(…) from cause``; without a cause its
    error is this one. The time limit of the run goes on meanwhile.
    """

    def __init__(
        self, seconds: Duration, cause: BaseException | None = None, *, count: bool = True
    ) -> None:
        self.seconds: float = read_seconds("seconds", seconds)
        self.count: bool = flag("count", count)
        if not isinstance(cause, BaseException | None):
            raise wrong_type("cause", "an exception or None", cause)
        super().__init__(f"try again after {self.seconds:.10g} s")
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException | None:
        """The error that made the body ask."""
        return self.__cause__
