"""The definition of a trigger, and the refusals of wrong ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from tables import each_row

from cloaca_core.definition.triggers.definition import Options, checked
from cloaca_core.errors import CronExpressionError, DefinitionError, DefinitionTypeError


def options(**given: Any) -> Options:
    names = ("name", "on", "poll_interval", "cron", "timezone", "allow_concurrent")
    return checked(**{name: given.get(name) for name in names})


def found() -> bool:
    return True


async def found_async() -> bool:
    return True


def test_defaults() -> None:
    trigger = options().of(found)

    assert (trigger.name, trigger.function, trigger.workflow) == ("found", found, None)
    assert (trigger.interval_ms, trigger.cron_expression, trigger.timezone) == (30_000, None, None)
    assert not trigger.allow_concurrent
    assert not trigger.is_async


def test_what_is_given_is_kept() -> None:
    given = options(name="n", on="a::b::c", poll_interval="1m", allow_concurrent=True)
    trigger = given.of(found_async)

    assert (trigger.name, trigger.workflow, trigger.interval_ms) == ("n", "a::b::c", 60_000)
    assert trigger.allow_concurrent
    assert trigger.is_async


def test_a_cron_trigger_has_no_interval() -> None:
    trigger = options(on="w", cron="0 3 * * *").of(found)

    assert (trigger.interval_ms, trigger.cron_expression) == (None, "0 3 * * *")
    assert trigger.timezone == "UTC"
    zone = options(on="w", cron="0 3 * * *", timezone="Europe/Berlin").of(found).timezone
    assert zone == "Europe/Berlin"


def test_two_triggers_are_never_equal() -> None:
    assert options().of(found) != options().of(found)


@each_row(
    ("given", "message"),
    [
        ({"poll_interval": "zz"}, "Invalid poll_interval 'zz'"),
        ({"cron": "* * * * *", "on": "w", "poll_interval": "5s"}, "pick one"),
        ({"cron": "* * * * *"}, "requires 'on'"),
        ({"timezone": "UTC"}, "is for 'cron'"),
        ({"name": ""}, r"trigger\(name=...\)"),
        ({"name": "a::b"}, r"trigger\(name=...\)"),
        ({"on": ""}, r"trigger\(on=...\)"),
        ({"on": "a::b"}, "tenant::package::workflow"),
        ({"on": "a\nb"}, r"trigger\(on=...\)"),
    ],
)
def test_values_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        options(**given)

    assert not isinstance(caught.value, TypeError)


@each_row(
    ("given", "message"),
    [
        ({"name": 3}, "name"),
        ({"on": 3}, "on"),
        ({"poll_interval": 5}, "poll_interval must be a str"),
        ({"cron": 5, "on": "w"}, "cron must be a str"),
        ({"cron": "* * * * *", "on": "w", "timezone": 1}, "timezone must be a str"),
        ({"allow_concurrent": 1}, "allow_concurrent must be a bool"),
    ],
)
def test_types_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionTypeError, match=message):
        options(**given)


@each_row(
    "given", [{"cron": "x"}, {"cron": "0 0 31 2 *"}, {"cron": "@daily", "timezone": "Mars/X"}]
)
def test_a_wrong_expression_or_zone_is_refused_at_once(given: dict[str, str]) -> None:
    with pytest.raises(CronExpressionError, match="Invalid cron expression or timezone"):
        options(on="w", **given)


def _wants(a: object) -> bool:
    return True


def _may_have(a: object = 1, *rest: object, **more: object) -> bool:
    return True


@functools.wraps(_wants)
def _supplies() -> bool:
    return _wants(1)


@functools.wraps(found)
def _demands(a: object) -> bool:
    return found()


@each_row(
    "function",
    [
        _may_have,
        functools.partial(_wants, 1),
        lambda: True,
        dict,
        _supplies,
        mock.patch("os.getcwd")(_wants),
    ],
)
def test_what_needs_no_argument_can_be_one(function: Callable[[], object]) -> None:
    assert options(name="n").of(function).function is function


@each_row(
    ("function", "message"),
    [
        (3, "trigger must be put on a function, got int"),
        (_wants, "is called without arguments"),
        (functools.partial(_wants), "is called without arguments"),
        (_demands, "is called without arguments"),
    ],
)
def test_what_cannot_be_called_without_arguments_is_refused(function: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        options(name="n").of(function)


def test_what_has_no_name_needs_one() -> None:
    with pytest.raises(DefinitionError, match=r"partial has no __name__.*trigger\(name=...\)"):
        options().of(functools.partial(_wants, 1))
