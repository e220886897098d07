"""29: odd, hostile and huge values are kept exactly or refused with their place.

Each ``type: ignore`` is part of the test: a class that breaks the rules of its type on purpose.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

import cloaca

MIB = 1024 * 1024


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    """A subclass of a type that can be stored."""

    __slots__ = ()


def through(runner: cloaca.DefaultRunner, value: Any) -> Any:
    """The value after its way through a task, the database and back."""
    seen: list[Any] = []

    def look(context: cloaca.Context) -> dict[str, Any]:
        seen.append(context["value"])
        return {"copy": context["value"]}

    with cloaca.WorkflowBuilder("through"):
        cloaca.task(id="write", retry_attempts=1)(lambda context: {"value": value})
        cloaca.task(id="look", dependencies=["write"], retry_attempts=1)(look)
    result = runner.execute("through")
    assert result.error_message is None
    assert seen == [result.final_context["value"]]
    assert result.final_context["copy"] == result.final_context["value"]
    return result.final_context["value"]


@pytest.mark.each_backend
@each_row(
    "value",
    [
        None, True, False, 0, -1, -(2**63), 2**64 - 1, 0.1, -0.0, 1e308, 5e-324, 1.0,
        "", "a\tb\nc", "日本語 🙂 \u202e", "\x01\x7f", "'; DROP TABLE x; --", "$.a",
        "\\u0000", "x" * MIB,
        [], {}, [[], {}], {"": ""}, {"a.b": {"c d": [1, [2, {"e": None}]]}}, {"__class__": 1},
        list(range(10_000)), nested(200), {"$set": 1, "removed": ["value"]},
    ],
)  # fmt: skip
def test_it_comes_back_exactly(shared_runner: cloaca.DefaultRunner, value: Any) -> None:
    back = through(shared_runner, value)
    assert back == value
    assert type(back) is type(value)
    assert str(back) == str(value)


@each_row(
    ("value", "stored"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (range(3), [0, 1, 2]),
        (Colour.RED, 1),
        (Name("x"), "x"),
        ({Name("key"): (1,)}, {"key": [1]}),
    ],
)
def test_it_is_stored_as_what_json_has(
    shared_runner: cloaca.DefaultRunner, value: Any, stored: Any
) -> None:
    back = through(shared_runner, value)
    assert back == stored
    assert type(back) is type(stored)


@each_row(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), 2**64, -(2**63) - 1, 10**400,
        "\ud800", "a\udfff", "nul \0", nested(201),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_kept_is_refused_with_its_place(
    shared_runner: cloaca.DefaultRunner, value: Any
) -> None:
    refuse_everywhere(shared_runner, value, ValueError)


@each_row(
    "value",
    [
        {1, 2}, b"bytes", bytearray(b"x"), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 1), decimal.Decimal("1.5"), uuid.UUID(int=7), {1: "a"}, {None: 1},
        1j, object(), int, (i for i in range(3)),
    ],
)  # fmt: skip
def test_a_type_that_json_lacks_is_refused_with_its_place(
    shared_runner: cloaca.DefaultRunner, value: Any
) -> None:
    refuse_everywhere(shared_runner, value, TypeError)


def refuse_everywhere(
    runner: cloaca.DefaultRunner, value: Any, kind: type[ValueError | TypeError]
) -> None:
    data = {"orders": [0, {"price": value}]}
    attempts: list[tuple[str, Callable[[], object]]] = [
        ("orders[1].price", lambda: cloaca.Context(data)),
        ("orders[1].price", lambda: cloaca.Context().set("orders", data["orders"])),
        ("orders[1].price", lambda: runner.execute("refusing", data)),
        ("orders[1].price", lambda: runner.submit("refusing", data)),
        ("contexts[1].orders[1].price", lambda: runner.submit_many("refusing", [{}, data])),
    ]
    with cloaca.WorkflowBuilder("refusing"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: data)
    for place, attempt in attempts:
        with pytest.raises(kind, match=re.escape(place)) as caught:
            attempt()
        assert isinstance(caught.value, cloaca.ContextError)
        assert caught.value.path.startswith(place)
    result = runner.execute("refusing")
    assert result.status == "Failed"
    assert "orders[1].price" in str(result.error_message)
    assert result.final_context.to_dict() == {}


class Array:
    """Compares as numpy's arrays do."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Array:  # type: ignore[override]
        return self

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array is ambiguous")

    def __repr__(self) -> str:
        return "array([1, 2])"


SETTINGS = [*cloaca.DefaultRunnerConfig().to_dict(), "workflow_timeout_seconds"]


@each_row("name", SETTINGS)
def test_an_array_is_no_setting_and_is_refused_by_its_name(name: str) -> None:
    array: Any = Array()
    shown = name.replace("workflow", "pipeline")
    config = cloaca.DefaultRunnerConfig()
    for refused in (
        lambda: cloaca.DefaultRunnerConfig(**{name: array}),
        lambda: setattr(config, name, array),
        lambda: dataclasses.replace(config, **{name: array}),
    ):
        # What may be a secret is not shown.
        got = "another Array" if name == "redact" else r"array\("
        with pytest.raises(cloaca.ConfigTypeError, match=rf"^{shown} must be .*, got {got}"):
            refused()


@each_row(
    "name",
    [
        "retry_attempts", "retry_delay_ms", "retry_max_delay_ms", "retry_backoff", "retry_jitter",
        "timeout_seconds",
    ],
)  # fmt: skip
def test_an_array_is_no_option_of_a_task(name: str) -> None:
    array: Any = Array()
    with pytest.raises(TypeError, match=rf"^{name} must be .*, got Array$"):
        cloaca.task(**{name: array})


def test_an_array_is_no_time_to_wait_and_no_number_of_lines(
    shared_runner: cloaca.DefaultRunner,
) -> None:
    array: Any = Array()
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: None)
    handle = shared_runner.submit("quick")
    with pytest.raises(TypeError, match="timeout must be a number, got Array"):
        handle.result(array)
    with pytest.raises(TypeError, match="timeout must be a number, got Array"):
        shared_runner.execute("quick", timeout=array)
    with pytest.raises(TypeError, match="limit must be an int, not Array"):
        shared_runner.list_runs(limit=array)


@dataclasses.dataclass
class Order:
    price: int


def test_a_record_in_the_place_of_a_context_is_told_how_to_become_one(
    shared_runner: cloaca.DefaultRunner,
) -> None:
    order: Any = Order(7)
    with cloaca.WorkflowBuilder("ordering"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: order)
    hint = r"; give dataclasses\.asdict\(value\)$"
    attempts: list[Callable[[], object]] = [
        lambda: shared_runner.execute("ordering", order),
        lambda: shared_runner.submit("ordering", order),
        lambda: shared_runner.submit_many("ordering", [order]),
        lambda: shared_runner.schedule("s", "ordering", "* * * * *", "UTC", params=order),
        lambda: cloaca.Context(order),
        lambda: cloaca.TriggerResult.fire(order),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match=hint):
            attempt()
    error = shared_runner.execute("ordering").error_message
    assert str(error).endswith("; return dataclasses.asdict(value)")
    assert shared_runner.execute("ordering", dataclasses.asdict(order)).status == "Failed"


@each_row("key", ["\0", "\ud800"])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogate"):
        cloaca.Context({key: 1})


def test_sixteen_mib_are_the_limit(shared_runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("large"):
        cloaca.task(id="write", retry_attempts=1)(lambda context: {"text": "x" * context["size"]})
        cloaca.task(id="read", dependencies=["write"])(lambda c: {"length": len(c["text"])})
    below = shared_runner.execute("large", {"size": 16 * MIB - 100})
    assert below.final_context["length"] == 16 * MIB - 100
    above = shared_runner.execute("large", {"size": 16 * MIB})
    assert above.status == "Failed"
    assert "max_context_bytes is 16777216" in str(above.error_message)
    with pytest.raises(ValueError, match="max_context_bytes is 16777216"):
        shared_runner.execute("large", {"size": 1, "text": "x" * 16 * MIB})
    assert shared_runner.execute("large", {"size": 1}).status == "Completed"


def test_one_bad_value_among_many_fails_its_own_run_alone(runner: cloaca.DefaultRunner) -> None:
    odd: dict[int, Any] = {3: float("nan"), 57: "\udc80", 111: {1}, 140: "x" * 17 * MIB}
    with cloaca.WorkflowBuilder("among_many"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"v": odd.get(context["n"], "ok")})
    handles = runner.submit_many("among_many", [{"n": n} for n in range(150)])
    failed = [n for n, handle in enumerate(handles) if handle.result(60).status == "Failed"]
    assert failed == sorted(odd)


def test_a_thousand_keys_and_long_ones(runner: cloaca.DefaultRunner) -> None:
    data = {f"key {n} " + "ü" * (n % 50): n for n in range(1000)} | {"k" * 10_000: "long"}
    with cloaca.WorkflowBuilder("keys"):
        cloaca.task(id="only")(lambda context: {"count": len(context)})
    final = runner.execute("keys", data).final_context
    assert final.remove("count") == 1001
    assert final.to_dict() == data
    assert list(final) == list(data)
