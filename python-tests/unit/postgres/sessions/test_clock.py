"""The database's clock between two readings."""

from __future__ import annotations

from cloaca_postgres.sessions.clock import DatabaseClock


class Monotonic:
    """A clock in seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_reading_counts_for_the_middle_of_question_and_answer() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    sent = clock.start()
    monotonic.now += 0.5

    clock.read(sent, 7_000_000)

    assert clock.now() == 7_250_000


def test_in_between_this_machine_counts_on() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    clock.read(clock.start(), 7_000_000)
    monotonic.now += 60

    assert clock.now() == 67_000_000


def test_a_clock_that_was_set_is_followed_at_the_next_reading() -> None:
    clock = DatabaseClock(Monotonic())
    clock.read(clock.start(), 3_607_000_000)

    clock.read(clock.start(), 7_000_000)

    assert clock.now() == 7_000_000


def test_an_answer_that_took_long_changes_nothing_that_it_does_not_contradict() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    clock.read(clock.start(), 7_000_000)
    sent = clock.start()
    monotonic.now += 10

    clock.read(sent, 7_500_000)

    assert clock.now() == 17_000_000


def test_an_answer_that_took_long_is_believed_about_a_clock_that_was_set() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    clock.read(clock.start(), 7_000_000)
    sent = clock.start()
    monotonic.now += 10

    clock.read(sent, 3_607_000_000)

    assert clock.now() == 3_612_000_000


def test_it_does_not_step_back_by_as_much_as_was_in_doubt() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    sent = clock.start()
    monotonic.now += 4
    clock.read(sent, 7_000_000)  # at some moment of these 4 s
    shown = clock.now()
    assert shown == 9_000_000

    clock.read(clock.start(), 7_100_000)

    assert clock.now() == shown + 1


def test_doubt_ends_with_the_next_exact_reading() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    sent = clock.start()
    monotonic.now += 4
    clock.read(sent, 7_000_000)
    clock.read(clock.start(), 9_000_000)  # as was guessed
    assert clock.now() == 9_000_000

    clock.read(clock.start(), 8_000_000)

    assert clock.now() == 8_000_000


def test_it_goes_on_in_small_steps_rather_than_back_for_a_correction() -> None:
    monotonic = Monotonic()
    clock = DatabaseClock(monotonic)
    clock.read(clock.start(), 7_000_000)
    shown = clock.now()

    clock.read(clock.start(), 6_800_000)

    assert [clock.now(), clock.now()] == [shown + 1, shown + 2]
    monotonic.now += 0.5
    assert clock.now() == 7_300_000
