"""Secrets that were added are found in no text any more."""

from __future__ import annotations

import json

from tables import each_row

from cloaca_core.values.payloads.redaction import Redaction, unchanged


def redaction_of(*secrets: str) -> Redaction:
    redaction = Redaction()
    redaction.add(*secrets)
    return redaction


def test_nothing_is_hidden_before_a_secret_was_added() -> None:
    redaction = Redaction()

    assert redaction("token=abcd") == unchanged("token=abcd") == "token=abcd"
    assert redaction.is_empty
    redaction.add("abcd")
    assert not redaction.is_empty


@each_row(
    ("text", "shown"),
    [
        ("token=abcd", "token=***"),
        ("abcdabcd", "******"),
        ("abcd def", "*** def"),
        ("nothing", "nothing"),
        ("xabcdy", "***"),  # the longer one first: it contains the other
    ],
)
def test_every_place_of_a_secret_is_hidden(text: str, shown: str) -> None:
    redaction = redaction_of("abcd")
    redaction.add("xabcdy")

    assert redaction(text) == shown


@each_row("short", ["", "abc"])
def test_what_ordinary_words_contain_is_no_secret(short: str) -> None:
    assert redaction_of(short).is_empty


@each_row("secret", ['qu"ote', "back\\slash", "new\nline", "Sch\u00fcssel", "it's"])
def test_it_is_hidden_as_json_and_repr_write_it(secret: str) -> None:
    redaction = redaction_of(secret)
    whole = json.dumps({"key": f"a {secret} b"})

    assert json.loads(redaction(whole)) == {"key": "a *** b"}
    assert redaction(json.dumps(secret, ensure_ascii=False)) == '"***"'
    assert redaction(str(KeyError(secret)))[1:-1] == "***"
    assert redaction(ascii(secret))[1:-1] == "***"


def test_it_is_hidden_as_databases_store_it() -> None:
    assert redaction_of("nul\0inside")("a nul\N{SYMBOL FOR NULL}inside") == "a ***"


def test_of_several_lines_each_long_one_is_hidden() -> None:
    redaction = redaction_of("-----BEGIN KEY-----\nMIIEvQIBADANBg\nend\n")

    assert redaction("  | -----BEGIN KEY-----\n  | MIIEvQIBADANBg\n  | end") == (
        "  | ***\n  | ***\n  | end"
    )


def test_its_repr_shows_none() -> None:
    assert "abcd" not in repr(redaction_of("abcd"))
