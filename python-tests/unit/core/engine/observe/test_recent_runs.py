"""Runs that ended lately are kept in memory, within bounds."""

from __future__ import annotations

from typing import Any

import pytest
from model.runs import ended

from cloaca_core.engine.observe import recent_runs as module
from cloaca_core.engine.observe.recent_runs import RecentRuns


class TestRecentRuns:
    def test_a_run_is_at_hand(self) -> None:
        recent = RecentRuns()
        recent.add(ended("a"))

        assert recent.get("a") == ended("a")
        assert recent.get("b") is None
        assert [run_id for run_id in "ab" if recent.get(run_id) is not None] == ["a"]

    def test_the_oldest_are_forgotten_beyond_a_number(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RECENT_RUNS", 2)
        recent = RecentRuns()
        for run_id in "abc":
            recent.add(ended(run_id))

        assert [run_id for run_id in "abc" if recent.get(run_id)] == ["b", "c"]

    @pytest.mark.parametrize(
        "size",
        [
            {"text": "x" * 600},
            {"tasks": 3},
            {"error_message": "x" * 600},
            {"tags": "x" * 600},
        ],
    )
    def test_and_beyond_a_number_of_bytes_rows_included(
        self, monkeypatch: pytest.MonkeyPatch, size: dict[str, Any]
    ) -> None:
        monkeypatch.setattr(module, "RECENT_BYTES", 1500)
        recent = RecentRuns()
        for run_id in "abcd":
            recent.add(ended(run_id, **size))

        assert recent.get("a") is None
        assert recent.get("d") is not None

    def test_the_end_of_a_later_round_takes_the_place_of_the_one_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RECENT_BYTES", 1500)
        recent = RecentRuns()
        for _ in range(10):
            recent.add(ended("a", error_message="x" * 600))
        recent.add(ended("b", error_message="x" * 300))

        assert [run_id for run_id in "ab" if recent.get(run_id)] == ["a", "b"]

    def test_it_counts_as_newest_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RECENT_RUNS", 2)
        recent = RecentRuns()
        for run_id in "abac":
            recent.add(ended(run_id))

        assert [run_id for run_id in "abc" if recent.get(run_id)] == ["a", "c"]
