"""Run ids are UUIDv7, unique, and in the order in which they were made."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from tables import each_row

from cloaca_core.values.ids import RunIds, first_id_of, is_run_id


def milliseconds(run_id: str) -> int:
    return uuid.UUID(run_id).int >> 80


class TestFormat:
    def test_it_is_a_uuid_of_version_7_and_the_rfc_variant(self) -> None:
        made = RunIds().next()

        assert str(uuid.UUID(made)) == made
        assert uuid.UUID(made).version == 7
        assert uuid.UUID(made).variant == uuid.RFC_4122

    def test_it_begins_with_the_time_in_milliseconds(self) -> None:
        before = time.time_ns() // 1_000_000
        made = RunIds().next()

        assert before <= milliseconds(made) <= time.time_ns() // 1_000_000

    def test_ids_are_found_by_the_instant_at_which_they_were_made(self) -> None:
        before = time.time_ns() // 1000
        made = RunIds().next()
        after = time.time_ns() // 1000 + 1000

        assert first_id_of(before) < made < first_id_of(after)
        assert first_id_of(-(2**62)) < made < first_id_of(2**62)

    def test_it_is_known_for_one(self) -> None:
        assert is_run_id(RunIds().next())

    @each_row(
        "text",
        [
            "",
            "garbage",
            "0198b1c2-0000-7000-8000-00000000000a\n",
            "0198B1C2-0000-7000-8000-00000000000A",  # listings compare text
            "0198b1c2000070008000000000000000",
        ],
    )
    def test_another_text_is_none(self, text: str) -> None:
        assert not is_run_id(text)


class TestOrder:
    def test_later_ids_are_greater_within_a_millisecond_too(self) -> None:
        source = RunIds()
        made = [source.next() for _ in range(20_000)]

        assert made == sorted(set(made))

    def test_they_stay_in_order_when_the_clock_steps_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [2_000_000_000_000_000_000]
        monkeypatch.setattr(time, "time_ns", lambda: now[0])
        source = RunIds()
        before = source.next()
        now[0] -= 3_600_000_000_000

        assert source.next() > before


class TestUniqueness:
    def test_two_sources_never_make_the_same(self) -> None:
        one, other = RunIds(), RunIds()

        assert len({source.next() for _ in range(5_000) for source in (one, other)}) == 10_000

    def test_threads_may_share_a_source(self) -> None:
        source = RunIds()
        made: list[str] = []
        threads = [
            threading.Thread(target=lambda: made.extend(source.next() for _ in range(2_000)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(made)) == 8_000
