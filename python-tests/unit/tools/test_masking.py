"""Values under keys that name secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tables import each_row

from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.payloads.redaction import HIDDEN, Redaction, without_passwords
from cloaca_core.values.payloads.secret_names import is_secret
from cloaca_tools.masking import masked, unmasked


@each_row(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "api_token",
        "api-key",
        "apiKey",
        "client_secret",
        "pin",
        "Authorization",
        "Set-Cookie",
        "auth",
        "authHeader",
        "oauth",
        "authentication",
    ],
)
def test_keys_that_name_secrets(key: str) -> None:
    assert is_secret(key)


@each_row("key", ["amount", "pinned", "key", "author", "authority", "compass", "shipping"])
def test_other_keys(key: str) -> None:
    assert not is_secret(key)


def test_secrets_are_hidden_at_any_depth_and_their_absence_is_not() -> None:
    value: JsonValue = {
        "a": [{"token": "s3cret", "n": 1}],
        "password": {"x": "s3cret"},
        "secret": None,
    }

    assert masked(value, Redaction()) == {
        "a": [{"token": HIDDEN, "n": 1}],
        "password": HIDDEN,
        "secret": None,
    }


def test_secrets_that_are_known_are_hidden_wherever_they_stand() -> None:
    redact = Redaction()
    redact.add("hunter2")

    assert masked({"hunter2": ["a hunter2 b", 1, True]}, redact) == {
        HIDDEN: [f"a {HIDDEN} b", 1, True]
    }
    assert masked("hunter2", redact, "pin") == HIDDEN


@each_row(
    ("text", "expected"),
    [
        ("to postgresql://ann:s3cret@db:5432/shop", "to postgresql://ann:***@db:5432/shop"),
        ("redis://:s3cret@cache", "redis://:***@cache"),
        ("postgresql://u:p@ss@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p/w?x#@h/db", "postgresql://u:***@h/db"),
        ("a https://x:y@z and http://u:v@w.", "a https://x:***@z and http://u:***@w."),
        ("DB_postgresql://u:p@h", "DB_postgresql://u:***@h"),  # a scheme that a name is before
        ("https://ann@example.com:8000/a:b", "https://ann@example.com:8000/a:b"),
        ("http://localhost:8000/users/@ann", "http://localhost:8000/users/@ann"),
        ("no URL: ann@example.com", "no URL: ann@example.com"),
    ],
)
def test_passwords_in_urls_are_hidden(text: str, expected: str) -> None:
    assert without_passwords(text) == expected
    assert masked([text], Redaction()) == [expected]


# -- back in their places ------------------------------------------------------------------------

SHOPS = [{"name": "a", "token": "x"}, {"name": "b", "token": "y"}]
KEPT = {"user": "ann", "password": "p", "shops": SHOPS}
NEW = {"name": "z", "token": "new"}
A, B = {"name": "a", "token": "***"}, {"name": "b", "token": "***"}


@each_row(
    ("given", "meant"),
    [
        ({"user": "bob", "password": "***"}, {"user": "bob", "password": "p"}),
        ({"password": "new"}, {"password": "new"}),
        ({"shops": [A, B]}, {"shops": SHOPS}),
        ({"shops": [B, A]}, {"shops": [SHOPS[1], SHOPS[0]]}),
        ({"shops": [B]}, {"shops": [SHOPS[1]]}),
        ({"shops": [A, {**B, "name": "c"}]}, {"shops": [SHOPS[0], {"name": "c", "token": "y"}]}),
        ({"shops": [NEW, A]}, {"shops": [NEW, SHOPS[0]]}),
    ],
)
def test_hidden_values_keep_their_places(given: Any, meant: Any) -> None:
    assert unmasked(given, KEPT, Redaction()) == meant


@each_row(
    "given",
    [
        {"other": "***"},
        {"user": "***"},
        {"shops": [{**A, "name": "c"}, {**B, "name": "d"}]},
        {"shops": [A, B, {"token": "***"}]},
    ],
)
def test_stars_whose_value_is_not_certain_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="hidden value"):
        unmasked(given, KEPT, Redaction())


def test_items_that_look_alike_are_not_taken_for_one_another() -> None:
    kept = [{"token": "x"}, {"token": "y"}, 1]

    with pytest.raises(ValueError, match="hidden value"):
        unmasked([1, {"token": "***"}], kept, Redaction())


def test_true_in_place_of_1_is_a_change() -> None:
    found = unmasked({"a": True, "b": [0, 2]}, {"a": 1, "b": [False, 2]}, Redaction())

    assert json.dumps(found) == '{"a": true, "b": [0, 2]}'


def test_a_text_that_has_stars_of_its_own_may_be_edited() -> None:
    assert unmasked({"note": "*** new"}, {"note": "*** old"}, Redaction()) == {"note": "*** new"}


def test_a_key_that_was_hidden_stays() -> None:
    def redact(text: str) -> str:
        return text.replace("s3", "***")

    assert unmasked({"***a": 2}, {"s3a": 1}, redact) == {"s3a": 2}
    with pytest.raises(ValueError, match="hidden key"):
        unmasked({"***b": 2}, {"s3a": 1}, redact)
    with pytest.raises(ValueError, match="hidden key"):
        unmasked({"***": 1}, {"s3": 1, "***": 2, "a": 3}, redact)
