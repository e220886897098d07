"""Times and states as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

from tables import each_row

from cloaca_tools.cli.words import PLAIN_SIGNS, SIGNS, STYLES, ago, runner_state


@each_row(
    ("text", "instant"),
    [
        ("", None),
        ("now", "2026-03-01T12:00:00+00:00"),
        ("5s ago", "2026-03-01T11:59:55+00:00"),
        ("2m ago", "2026-03-01T11:57:30+00:00"),
        ("3d ago", "2026-02-26T12:00:00+00:00"),
        ("in 1h", "2026-03-01T13:00:00+00:00"),
        ("in 2h", "2026-03-01T15:00:00+01:00"),
    ],
)
def test_an_instant_is_so_long_ago(text: str, instant: str | None) -> None:
    assert ago(instant, datetime(2026, 3, 1, 12, tzinfo=UTC)) == text


def test_each_state_has_a_style_and_two_signs_of_one_character() -> None:
    assert set(STYLES) == set(SIGNS) == set(PLAIN_SIGNS)
    assert {len(each) for each in (*SIGNS.values(), *PLAIN_SIGNS.values())} == {1}
    assert all(each.isascii() for each in PLAIN_SIGNS.values())


def test_no_colour_is_one_that_light_or_dark_terminals_cannot_show() -> None:
    used = {word for style in STYLES.values() for word in style.split()}

    assert used <= {"green", "red", "cyan", "magenta", "bold", "dim"}


def test_a_runner_that_is_gone_does_not_drain_any_more() -> None:
    assert runner_state(alive=True, draining=False) == "alive"
    assert runner_state(alive=True, draining=True) == "draining"
    assert runner_state(alive=False, draining=True) == "gone"
