"""Every form of a SQLite URL, and every refusal, without touching a file."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import StoreOpenError
from cloaca_sqlite.url import MEMORY, Target, parse


@each_row(
    ("url", "path"),
    [
        (":memory:", MEMORY),
        ("sqlite://:memory:", MEMORY),
        ("sqlite:///:memory:", MEMORY),
        ("file::memory:", MEMORY),
        ("work.db", "work.db"),
        ("dir/work.db", "dir/work.db"),
        ("/abs/work.db", "/abs/work.db"),
        ("C:\\data\\work.db", "C:\\data\\work.db"),  # a letter is a drive, not a scheme
        ("data:2026.db", "data:2026.db"),  # nor is a word that no slashes follow
        ("100%25.db", "100%25.db"),  # a plain path is not decoded
        ("file:work.db", "work.db"),
        ("file:work.db?mode=rwc", "work.db"),
        ("file:/abs/work.db", "/abs/work.db"),
        ("file:///abs/work.db", "/abs/work.db"),
        ("file://localhost/abs/work.db", "/abs/work.db"),
        ("file:a%20b%3F.db", "a b?.db"),
        ("sqlite://work.db", "work.db"),
        ("sqlite://dir/work.db", "dir/work.db"),
        ("sqlite://a%20b%3F.db", "a b?.db"),
        ("sqlite:///abs.db", "/abs.db"),
        ("sqlite:////abs.db", "/abs.db"),
        ("sqlite://%ff.db", os.fsdecode(b"\xff.db")),  # two that are no text are not one file
        ("file:%fe.db", os.fsdecode(b"\xfe.db")),
        ("SQLite://work.db", "work.db"),
        ("sqlite://work.db?_synchronous=NORMAL", "work.db"),
        ("work.db?_busy_timeout=1", "work.db"),
        ("anything?mode=memory", MEMORY),
    ],
)
def test_every_form_gives_its_path(url: str, path: str) -> None:
    assert parse(url).path == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("~/work.db", "/home/ann/work.db"),
        ("~/work.db?mode=rw", "/home/ann/work.db"),
        ("sqlite://~/work.db", "/home/ann/work.db"),
        ("sqlite:///~/work.db", "/~/work.db"),  # absolute
        ("file:~/work.db", "~/work.db"),  # as SQLite reads it
        ("~work.db", "~work.db"),  # the end of a name, as editors make them
        ("dir/~/work.db", "dir/~/work.db"),
        ("./~/work.db", "./~/work.db"),
        ("~no-such-user/work.db", "~no-such-user/work.db"),
        ("sqlite://a%20.db", "a .db"),
        ("sqlite://work.db%20", "work.db "),  # a space that is meant
    ],
)
def test_the_home_directory_is_filled_in_at_the_beginning_only(
    url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")

    assert parse(url).path == path


def test_another_users_home_directory_is_found() -> None:
    assert parse("~root/work.db").path == os.path.expanduser("~root/work.db")  # noqa: PTH111


def test_defaults_are_durable() -> None:
    assert parse("work.db") == Target("work.db", "rwc", "FULL", 5000, None)


def test_parameters_take_effect_in_any_case() -> None:
    url = "work.db?mode=RW&_journal_mode=wal&_synchronous=normal&_busy_timeout=250"

    assert parse(url) == Target("work.db", "rw", "NORMAL", 250, None)


@each_row(
    ("url", "reading"),
    [
        ("sqlite:///dir/work.db", "dir/work.db"),  # written with three slashes by habit
        ("sqlite:////dir/work.db", None),  # four can only mean absolute
        ("/dir/work.db", None),
        ("sqlite://work.db", None),
        ("sqlite:///x?mode=memory", None),
    ],
)
def test_only_three_slashes_may_have_meant_a_relative_path(url: str, reading: str | None) -> None:
    assert parse(url).relative_reading == reading


@each_row(
    ("url", "message"),
    [
        ("", "names no file"),
        ("  ", "names no file"),
        ("\n", "names no file"),
        ("sqlite://%20", "names no file"),
        ("sqlite://  ", "names no file"),
        (":memory: ", "':memory: ' would be the name of a file: did you mean ':memory:'?"),
        (" :memory:", "did you mean ':memory:'?"),
        ("sqlite://:memory:\n", "did you mean ':memory:'?"),
        (":Memory:", "did you mean ':memory:'?"),  # SQLite knows it in small letters only
        (" work.db", "begins or ends with white space"),
        ("sqlite://work.db\n", "begins or ends with white space"),
        ("work.db ?mode=rw", "begins or ends with white space"),
        (" postgresql://host/db", "begins or ends with white space"),
        ("sqlite://", "names no file"),
        ("?mode=rwc", "names no file"),
        ("sqlite:work.db", "two slashes"),
        ("postgresql://host/db", "scheme 'postgresql'"),
        ("file://host/abs.db", "no host"),
        ("sqlite://user:secret@host/db", "no user, password or host"),
        ("a\0b.db", "NUL"),
        ("sqlite://a%00b.db", "NUL"),
        ("a\ud800.db", r"contain '\ud800'"),
        ("work.db?mod=rw", "unknown parameter 'mod': did you mean 'mode'?"),
        ("work.db?synchronous=FULL", "did you mean '_synchronous'?"),
        ("work.db?_foreign_keys=on", "unknown parameter '_foreign_keys'. Known: mode, _journal"),
        ("work.db?cache=shared", "'cache': each runner has one connection of its own, and no "),
        ("work.db?mode=rw&mode=ro", "'mode' is given twice"),
        ("work.db?mode=", "mode=: expected one of rwc, rw, ro, memory"),
        ("work.db?_journal_mode=DELETE", "expected one of WAL"),
        ("work.db?_synchronous=OFF", "expected one of FULL, NORMAL, EXTRA"),
        ("work.db?_busy_timeout=-1", "whole milliseconds"),
        ("work.db?_busy_timeout=1.5", "whole milliseconds"),
        ("work.db?_busy_timeout=\u0661", "whole milliseconds"),  # a digit, but not ours
        (":memory:?mode=ro", "mode=ro makes no sense"),
    ],
)
def test_what_is_wrong_is_refused_by_name(url: str, message: str) -> None:
    with pytest.raises(StoreOpenError) as refusal:
        parse(url)

    assert message in str(refusal.value)
    assert "secret" not in str(refusal.value)


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_a_refusal(text: str) -> None:
    try:
        target = parse(text)
    except StoreOpenError:
        return
    assert target.path
    assert "\0" not in target.path
