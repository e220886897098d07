"""Values under keys that name secrets."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.payloads.redaction import HIDDEN, Redaction, without_passwords
from cloaca_tools.masking import is_secret, masked


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
        ("https://ann@example.com:8000/a:b", "https://ann@example.com:8000/a:b"),
        ("http://localhost:8000/users/@ann", "http://localhost:8000/users/@ann"),
        ("no URL: ann@example.com", "no URL: ann@example.com"),
    ],
)
def test_passwords_in_urls_are_hidden(text: str, expected: str) -> None:
    assert without_passwords(text) == expected
    assert masked([text], Redaction()) == [expected]
