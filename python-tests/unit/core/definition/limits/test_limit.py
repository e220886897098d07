"""Limits, and how tasks name them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.fingerprint import fingerprint
from cloaca_core.definition.limits.limit import Limit, LimitUse, limit_uses
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitSettings

API = Limit("openai", total=20, per_key=2, rate="100/m", burst=10)


def test_a_limit_is_a_name_and_settings() -> None:
    assert API.name == "openai"
    assert API.settings == LimitSettings(20, 2, Rate(100, 60_000_000, 10))
    same = Limit("openai", total=20, per_key=2, rate=(100, timedelta(minutes=1)), burst=10)
    assert same == API
    assert hash(same) == hash(API)
    assert Limit("openai", total=21) != Limit("openai", total=20)
    # to be set while the program runs
    assert Limit("gpu memory").settings == LimitSettings()


def test_a_limit_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        API.name = "other"  # type: ignore[misc]  # what is refused


def test_a_limit_is_shown_as_it_is_written() -> None:
    limit = Limit("x", total=0, rate_per_key=(5, 10), burst_per_key=3)
    assert repr(limit) == "Limit('x', total=0, rate_per_key='5/10s', burst_per_key=3)"
    assert repr(API) == "Limit('openai', total=20, per_key=2, rate='100/m', burst=10)"


@each_row(
    ("name", "settings", "kind", "message"),
    [
        ("a,b", {}, DefinitionError, r"^Limit\(name=...\) must be 1 to 100 printable characters"),
        ("", {}, DefinitionError, r"^Limit\(name=...\) must be 1 to 100 printable characters"),
        (7, {}, DefinitionTypeError, r"^Limit\(name=...\) must be a str, got int$"),
        ("a", {"total": -1}, DefinitionError, r"^total must be at least 0, got -1$"),
        ("a", {"burst": 5}, DefinitionError, r"^burst needs rate, which is not given$"),
    ],
)
def test_a_limit_is_checked_at_the_call(
    name: Any, settings: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Limit(name, **settings)


def test_a_key_is_a_path_in_the_context_or_in_the_item() -> None:
    use = API.key("customer")
    assert (use.name, use.path, use.limit) == ("openai", ("customer",), API)
    assert str(use) == "openai[customer]"
    assert not use.is_by_item
    assert API.key("item").is_by_item
    assert API.key(("item", "customer")).is_by_item
    assert not API.key(("order", "item")).is_by_item
    assert str(API.key(("order", "a b"))) == "openai[order.a b]"
    assert str(LimitUse("openai")) == "openai"


@each_row(
    ("path", "kind", "message"),
    [
        ("", DefinitionError, "^key must name a key of the context, got ''$"),
        ((), DefinitionError, r"^key must name a key of the context, got \(\)$"),
        (("a", ""), DefinitionError, "^key must name a key of the context"),
        (7, DefinitionTypeError, "^key must be a key of the context or a tuple of keys, got int$"),
        (["a"], DefinitionTypeError, "^key must be a key of the context or a tuple .* got list$"),
        (("a", 1), DefinitionTypeError, "^key must be a key of the context or a tuple of keys"),
    ],
)
def test_another_path_is_refused(path: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        API.key(path)


def test_the_limits_of_a_task_are_in_the_order_of_their_names_each_once() -> None:
    uses = limit_uses("limits", [API.key("customer"), "gpu", Limit("disk", total=1), "gpu"])
    assert [str(use) for use in uses] == ["disk", "gpu", "openai[customer]"]
    assert [use.limit is None for use in uses] == [False, True, False]
    # the object says more than the name
    assert [use.limit for use in limit_uses("limits", ("openai", API, "openai"))] == [API]
    assert limit_uses("limits", []) == ()


@each_row(
    ("given", "kind", "message"),
    [
        ("gpu", DefinitionTypeError, r"^limits must be a list of limits, got str; .* \['gpu'\]$"),
        (API, DefinitionTypeError, r"^limits must be a .* got Limit; .* \[Limit\('openai', "),
        ({"gpu"}, DefinitionTypeError, r"^limits must be a list of limits, got set$"),
        ([7], DefinitionTypeError, r"^limits\[0\] must be a cloaca.Limit, .* name, got int$"),
        (["a", "b,c"], DefinitionError, r"^limits\[1\] must be 1 to 100 printable characters"),
        (
            [API, API.key("customer")],
            DefinitionError,
            r"^limits has limit 'openai' twice, without a key and with the key customer; ",
        ),
        (
            [API.key("a"), API.key(("b", "c"))],
            DefinitionError,
            r"twice, with the key a and with the key b.c; ",
        ),
        (
            [API, Limit("openai", total=3)],
            DefinitionError,
            r"^limits has Limit\('openai', total=20, .*\) and Limit\('openai', total=3\): ",
        ),
    ],
)
def test_other_limits_are_refused(given: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        limit_uses("limits", given)


def test_the_settings_of_a_limit_are_no_part_of_a_version() -> None:
    """They change while runs are under way, also by people who have no code."""
    use = API.key("customer")
    assert fingerprint(use) == fingerprint(LimitUse("openai", ("customer",)))
    assert fingerprint(use) == fingerprint(Limit("openai", total=3).key("customer"))
    assert fingerprint(use) != fingerprint(API.key("order"))
    assert fingerprint(use) != fingerprint(LimitUse("other", ("customer",)))
