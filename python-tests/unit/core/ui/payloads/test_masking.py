"""Values under keys that name secrets."""

from __future__ import annotations

import pytest

from cloaca_core.telemetry.redaction import HIDDEN, Redaction
from cloaca_core.ui.payloads.masking import is_secret, masked
from cloaca_core.values.json_values import JsonValue


@pytest.mark.parametrize(
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
    ],
)
def test_keys_that_name_secrets(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["amount", "pinned", "key", "author", "compass", "shipping"])
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
