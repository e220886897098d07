"""A table in one test: the test is run for each row, and fails with every row that fails.

For what is quick and changes nothing, as refusals of arguments are: a test for each row would take
longer to set up than to run. Where rows change what a fixture gives, ``pytest.mark.parametrize``
makes it anew for each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import zip_longest
from reprlib import Repr
from typing import Any, Self, TypeAlias, cast

import pytest

Test: TypeAlias = Callable[..., Any]
_PARAM = type(pytest.param())
_FAILURES = (Exception, pytest.fail.Exception)
_BRIEFLY = Repr()  # which takes values with a faulty repr, too
_BRIEFLY.maxstring = _BRIEFLY.maxother = 200


def each_row(
    names: str | Sequence[str], values: Iterable[Any], ids: Sequence[str] = ()
) -> Callable[[Test], Test]:
    """Run the test once for each of these, which are written as for ``pytest.mark.parametrize``.

    Other arguments of the test are fixtures, which all rows share. A failure names its row by its
    id, else by its values.
    """
    arguments = [each.strip() for each in names.split(",")] if isinstance(names, str) else names
    alone = isinstance(names, str) and len(arguments) == 1
    params = [_param(each, alone=alone) for each in values]
    rows = [
        (name or param.id, dict(zip(arguments, param.values, strict=True)))
        for name, param in zip_longest(ids, params)
    ]

    def decorate(test: Test) -> Test:
        @wraps(test)
        def run(*args: object, **fixtures: object) -> None:
            with _Table() as table:
                for name, row in rows:
                    with table.row(name, row):
                        test(*args, **fixtures, **row)

        @wraps(test)
        async def run_async(*args: object, **fixtures: object) -> None:
            with _Table() as table:
                for name, row in rows:
                    with table.row(name, row):
                        await test(*args, **fixtures, **row)

        found: Any = run_async if inspect.iscoroutinefunction(test) else run
        found.__signature__ = _without(test, arguments)
        return cast(Test, found)

    return decorate


class _Table:
    """Collects the failures of rows, and raises them at its end."""

    def __init__(self) -> None:
        self._failures: list[BaseException] = []
        self._rows = 0

    @contextmanager
    def row(self, name: object, arguments: Mapping[str, object]) -> Iterator[None]:
        """Keep the failure of this row."""
        self._rows += 1
        try:
            yield
        except _FAILURES as failure:
            shown = name or ", ".join(map(_BRIEFLY.repr, arguments.values()))
            failure.add_note(f"in the row {shown}")
            self._failures.append(failure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if raised[0] is not None or not self._failures:
            return
        if len(self._failures) == 1:
            raise self._failures[0]
        message = f"{len(self._failures)} of {self._rows} rows failed"
        raise BaseExceptionGroup(message, self._failures)


def _param(value: Any, *, alone: bool) -> Any:
    """What ``pytest.param`` makes of a row; ``alone``: of its only value."""
    if isinstance(value, _PARAM):
        return value
    return pytest.param(value) if alone else pytest.param(*value)


def _without(test: Test, names: Sequence[str]) -> inspect.Signature:
    """The signature from which pytest reads the fixtures."""
    signature = inspect.signature(test)
    if unknown := set(names) - set(signature.parameters):
        raise TypeError(f"{test.__name__} takes no {', '.join(sorted(unknown))}")
    kept = [each for name, each in signature.parameters.items() if name not in names]
    return signature.replace(parameters=kept)
