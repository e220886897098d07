"""An error comes back as the exception itself, or as one that retry conditions take for it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any, Self

from tables import each_row
from unit.core.features.executors.remote.bodies import NotFoundError

from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.features.executors.remote.answer import Behind, RemoteError, pickled

ERROR = RemoteError(
    type="NotFoundError",
    message="users has no 7",
    traceback="Traceback: …",
    module=NotFoundError.__module__,
    name="NotFoundError",
)


class BusyError(Exception):
    """Retried by its class."""


class EmptyError(Exception):
    """Counts as false."""

    def __len__(self) -> int:
        return 0


class ClosedError(Exception):
    """Takes no attributes."""

    def __setattr__(self, *_: object) -> None:
        raise AttributeError("closed")


class StubbornError(Exception):
    """No instance can be made of its class but by its own rules."""

    def __new__(cls, *_: object) -> Self:
        raise TypeError("not so")


class ChangingError(Exception):
    """Comes back from its pickle as something else."""

    def __reduce__(self) -> Any:
        return (ValueError, ("changed",))


class PoisonedError(Exception):
    """Raises when it comes back."""

    def __reduce__(self) -> Any:
        return (_poison, ())


def _poison() -> None:
    raise SyntaxError("no way back")


def test_it_comes_as_it_was_sent() -> None:
    error = replace(ERROR, after=1.5, counts=False, bases=(("builtins", "LookupError"),))

    assert RemoteError.from_json(error.to_json()) == error


class TestPickling:
    def test_an_exception_that_comes_back_the_same_is_sent(self) -> None:
        written = pickled(ValueError("bad", 7))

        assert written is not None
        back = pickle.loads(written)  # noqa: S301 - our own
        assert (type(back), back.args) == (ValueError, ("bad", 7))

    @each_row(
        "error",
        [
            NotFoundError("users", "7"),  # made from other arguments
            ValueError(lambda: None),  # holds what has no pickle
            ChangingError(),
            PoisonedError(),
        ],
    )
    def test_others_are_not(self, error: Exception) -> None:
        assert pickled(error) is None


class TestException:
    def test_it_is_the_pickled_one(self) -> None:
        error = ERROR.exception(pickle.dumps(ValueError("bad")))

        assert (type(error), str(error)) == (ValueError, "bad")

    def test_it_is_the_pickled_one_also_if_that_is_false(self) -> None:
        assert type(ERROR.exception(pickle.dumps(EmptyError()))) is EmptyError

    @each_row(
        "written",
        [
            None,
            b"no pickle",
            pickle.dumps(PoisonedError()),
            pickle.dumps("no exception"),
        ],
        ids=["none", "no pickle", "raises", "no exception"],
    )
    def test_without_it_one_of_its_class_has_the_message(self, written: bytes | None) -> None:
        error = ERROR.exception(written)

        assert (type(error), str(error)) == (NotFoundError, "users has no 7")

    @each_row(
        ("module", "name"),
        [
            ("not.imported.here", "NotFoundError"),
            (__name__, "gone"),
            (__name__, "ERROR"),  # no class
            (__name__, "RemoteError"),  # no exception
            (__name__, "StubbornError"),
        ],
    )
    def test_without_its_class_it_is_a_runtime_error_that_says_which(
        self, module: str, name: str
    ) -> None:
        error = replace(ERROR, module=module, name=name).exception(None)

        assert (type(error), str(error)) == (RuntimeError, "NotFoundError: users has no 7")

    def test_in_the_place_of_a_class_that_is_not_here_comes_one_of_its_name_and_bases(self) -> None:
        """As of one that is defined within a function: retry conditions judge it by its bases."""
        gone = ("not.imported.here", "MiddleError")
        bases = (
            gone,
            (__name__, "BusyError"),
            *(("builtins", each) for each in ("ConnectionError", "OSError", "Exception")),
        )
        error = replace(ERROR, name="f.<locals>.NotFoundError", bases=bases).exception(None)

        assert (type(error).__name__, type(error).__bases__) == (
            "NotFoundError",
            (BusyError, ConnectionError),
        )
        assert str(error) == "users has no 7"

    def test_those_behind_it_are_behind_it_again(self) -> None:
        behind = [
            Behind(ERROR.to_json(), pickle.dumps(OSError(5, "disk")), is_cause=True),
            Behind(ERROR.to_json(), None, is_cause=False),
        ]
        error = ERROR.exception(pickle.dumps(ValueError("bad")), behind)
        cause = error.__cause__

        assert (type(error), repr(cause)) == (ValueError, repr(OSError(5, "disk")))
        assert cause is not None
        assert (type(cause.__context__), cause.__cause__) == (NotFoundError, None)

    def test_they_are_behind_the_cause_of_a_wish_for_another_attempt(self) -> None:
        behind = [Behind(ERROR.to_json(), None, is_cause=True)]
        wish = replace(ERROR, after=7.0).exception(pickle.dumps(ValueError("bad")), behind)

        assert isinstance(wish, RetryAfter)
        assert wish.cause is not None
        assert type(wish.cause.__cause__) is NotFoundError

    def test_one_that_takes_none_comes_without(self) -> None:
        behind = [Behind(ERROR.to_json(), None, is_cause=True)]
        error = ERROR.exception(pickle.dumps(ClosedError()), behind)

        assert type(error) is ClosedError

    def test_a_wish_for_another_attempt_comes_back_with_its_cause(self) -> None:
        error = replace(ERROR, after=7.0, counts=False).exception(None)

        assert isinstance(error, RetryAfter)
        assert (error.seconds, error.count, type(error.cause)) == (7.0, False, NotFoundError)

    @each_row("kind", [RetryAfter, type("Busy", (RetryAfter,), {})])
    def test_a_wish_without_a_cause_has_none(self, kind: type[RetryAfter]) -> None:
        sent = replace(
            ERROR, module=kind.__module__, name=kind.__qualname__, after=7.0, has_cause=False
        )
        error = sent.exception(None)

        assert isinstance(error, RetryAfter)
        assert (error.seconds, error.count, error.cause) == (7.0, True, None)

    def test_a_cause_may_be_named_as_the_wish_is(self) -> None:
        error = replace(ERROR, name="RetryAfter", after=7.0).exception(
            pickle.dumps(ValueError("bad"))
        )

        assert isinstance(error, RetryAfter)
        assert type(error.cause) is ValueError
