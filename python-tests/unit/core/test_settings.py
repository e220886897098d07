"""A setting: what each kind accepts, as a value and as text, and what it says when it does not."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tables import each_row

from cloaca_core.errors import CloacaError, ConfigError, ConfigTypeError
from cloaca_core.settings import (
    Kind,
    Setting,
    flag,
    number,
    one_of,
    optional,
    table,
    text,
    unlimited,
    whole,
)
from cloaca_core.values.times.no_limit import NO_LIMIT

SIZES = table("a table of sizes", lambda name, size: len(name) < 9 and size > 0, int)


def setting(kind: Kind[Any]) -> Setting[Any]:
    made = Setting(kind)
    made.__set_name__(object, "field")
    return made


class TestKinds:
    @each_row(
        ("kind", "value"),
        [
            (whole(1), 1),
            (whole(1), 2**64),
            (whole(1), 10**400),
            (whole(1, 5), 5),
            (number(0.5, 5), 5.0),
            (number(0.5), 0.5),
            (number(0.5), 1),
            (flag(), True),
            (flag(), False),
            (one_of(("a", "b")), "b"),
            (text(3), "abc"),
            (optional(text(3)), None),
            (unlimited(whole(1)), None),
            (unlimited(whole(1)), 1),
            (SIZES, {"a": 1}),
        ],
    )
    def test_what_is_acceptable_is_taken_as_it_is(self, kind: Kind[Any], value: object) -> None:
        assert setting(kind).checked(value) is value

    @each_row("said", [NO_LIMIT, None, math.inf])
    def test_without_limit_can_be_said_in_several_ways(self, said: object) -> None:
        assert setting(unlimited(whole(1))).checked(said) is None

    @each_row(
        ("kind", "value", "expected"),
        [
            (whole(1), 0, "an int of at least 1, got 0"),
            (whole(0), -1, "an int of at least 0, got -1"),
            (whole(1, 5), 6, "an int of at least 1 and at most 5, got 6"),
            (number(0.5, 5), 5.1, "a finite number of at least 0.5 and at most 5, got 5.1"),
            (number(0.5), 0.4, "a finite number of at least 0.5, got 0.4"),
            (number(0), math.inf, "a finite number of at least 0, got inf"),
            (number(0), math.nan, "a finite number of at least 0, got nan"),
            (one_of(("a", "b")), "c", "'a' or 'b', got 'c'"),
            (text(3), "", "1 to 3 printable characters, got ''"),
            (text(3), "abcd", "1 to 3 printable characters, got 'abcd'"),
            (text(3), "a\n", "1 to 3 printable characters, got 'a\\n'"),
            (unlimited(whole(1)), 0, "an int of at least 1, or cloaca.NO_LIMIT, got 0"),
            (SIZES, {"a": 1, "b": 0}, "a table of sizes, got {'a': 1, 'b': 0}"),
            (SIZES, {7: 1}, "a table of sizes, got {7: 1}"),
        ],
    )
    def test_another_value_is_a_value_error(
        self, kind: Kind[Any], value: object, expected: str
    ) -> None:
        with pytest.raises(ValueError, match=r"^field must be ") as caught:
            setting(kind).checked(value)
        assert str(caught.value) == f"field must be {expected}"
        assert isinstance(caught.value, ConfigError)
        assert not isinstance(caught.value, ConfigTypeError)
        assert caught.value.field == "field"

    @each_row(
        ("kind", "value"),
        [
            (whole(1), "1"),
            (whole(1), 1.0),
            (whole(1), True),
            (whole(1), None),
            (number(1), True),
            (number(1), "1"),
            (flag(), 1),
            (flag(), "true"),
            (one_of(("a",)), 1),
            (text(3), 1),
            (unlimited(whole(1)), -math.inf),
            (SIZES, [("a", 1)]),
        ],
    )
    def test_another_type_is_a_type_error_too(self, kind: Kind[Any], value: object) -> None:
        for error in (TypeError, ValueError, CloacaError):
            with pytest.raises(error, match=r"^field must be "):
                setting(kind).checked(value)

    def test_the_message_begins_with_where_the_value_came_from(self) -> None:
        with pytest.raises(ConfigError, match=r"^\./x\.toml: field must be"):
            setting(whole(1)).checked(0, "./x.toml: ")


class TestText:
    @each_row(
        ("kind", "text", "value"),
        [
            (whole(1), "12", 12),
            (number(1), "1.5", 1.5),
            (flag(), "true", True),
            (flag(), "On", True),
            (flag(), "1", True),
            (flag(), "no", False),
            (flag(), "0", False),
            (flag(), "OFF", False),
            (one_of(("a", "b")), "b", "b"),
            (text(3), "12", "12"),
            (optional(whole(1)), "12", 12),
            (unlimited(whole(1)), "12", 12),
            (unlimited(whole(1)), "inf", NO_LIMIT),
            (unlimited(whole(1)), "None", NO_LIMIT),
            (unlimited(whole(1)), "none", NO_LIMIT),
            (SIZES, "a=1, b = 2", {"a": 1, "b": 2}),
        ],
    )
    def test_it_is_read_by_kind(self, kind: Kind[Any], text: str, value: object) -> None:
        assert setting(kind).parsed(text) == value
        assert type(setting(kind).parsed(text)) is type(value)

    @each_row("kind", [whole(1), number(1), flag(), unlimited(whole(1)), SIZES])
    def test_what_means_nothing_stays_text_and_is_refused(self, kind: Kind[Any]) -> None:
        with pytest.raises(ConfigError, match="got 'many'"):
            setting(kind).checked(setting(kind).parsed("many"))


SOUGHT: list[int] = []


def _sought() -> int:
    SOUGHT.append(7)
    return 7


@dataclass
class Settings:
    size: Setting[int] = Setting(whole(1), 4)  # noqa: RUF009 - as in the real table
    made: Setting[int] = Setting(whole(1), default_factory=_sought)  # noqa: RUF009 - the same


class TestFields:
    def test_the_constructor_keeps_what_it_is_given_until_it_is_settled(self) -> None:
        assert vars(Settings(0)) == {"size": 0, "made": None}

    def test_an_assignment_is_checked_and_leaves_the_value_when_refused(self) -> None:
        settings = Settings(4)
        settings.size = 5
        with pytest.raises(ConfigError, match="size must be"):
            settings.size = 0
        assert settings.size == 5

    def test_each_object_has_its_own_value(self) -> None:
        one, other = Settings(1), Settings(2)
        assert (one.size, other.size) == (1, 2)

    def test_the_default_is_the_value_when_nobody_gives_one(self) -> None:
        assert vars(Settings)["size"].default() == 4

    def test_a_default_that_must_be_looked_for_is_when_it_is_first_read_and_then_kept(self) -> None:
        settings = _settled()
        assert SOUGHT == []
        assert (settings.made, settings.made) == (7, 7)
        assert SOUGHT == [7]

    @each_row(
        "again",
        [
            copy.copy,
            copy.deepcopy,
            lambda it: pickle.loads(pickle.dumps(it)),  # noqa: S301 - its own pickle
        ],
    )
    def test_a_copy_looks_for_it_as_well(self, again: Callable[[Settings], Settings]) -> None:
        assert again(_settled()).made == 7

    def test_what_is_assigned_before_it_was_read_is_checked_and_stays(self) -> None:
        settings = _settled()
        with pytest.raises(ConfigError, match="made must be"):
            settings.made = 0
        settings.made = 5
        assert settings.made == 5
        assert SOUGHT == []


def _settled() -> Settings:
    """Settings as their constructor leaves them, when the user gave no value."""
    SOUGHT.clear()
    settings = Settings()
    for each in ("size", "made"):
        setting = vars(Settings)[each]
        setting.settle(settings, setting.default())
    return settings
