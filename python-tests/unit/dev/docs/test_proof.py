"""The proof on the page of promises is what the results make; a page that differs is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dev.console import TaskFailed
from dev.docs import proof

CHAOS = {
    "backend": "sqlite",
    "seeds": [4, 5],
    "seconds": 120,
    "faults": {"a process is killed": {"times": 7, "refused": 2, "worst": 1.25}},
    "promises": {"P1, runs that were accepted": {"looked_at": 1234, "broken": 0}},
}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A page that has no result yet."""
    page = tmp_path / "promises.md"
    page.write_text(f"before\n{proof.BEGIN}old\n{proof.END}after\n", encoding="utf-8")
    monkeypatch.setattr(proof, "PAGE", page)
    monkeypatch.setattr(proof, "RESULTS", tmp_path / "proof")
    return page


def test_results_that_are_kept_stand_on_the_page(page: Path) -> None:
    proof.keep("chaos-sqlite", CHAOS)
    proof.keep("simulation", {"first": 0, "last": 9999, "stories": 40000})
    proof.keep("broken", {"engines": {"a claim without a fence": "seed 3"}})
    with pytest.raises(TaskFailed, match=r"invoke docs\.promises"):
        proof.check()

    proof.write()

    proof.check()
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "2 minutes of faults, seeds 4 to 5." in text
    assert "| a process is killed | 7 | 2 | 1.2 s |" in text
    assert "| P1, runs that were accepted | 1,234 | 0 |" in text
    assert "seeds 0 to 9,999, 40,000 stories; nothing was broken." in text
    assert "| a claim without a fence | seed 3 |" in text
    assert json.loads((proof.RESULTS / "chaos-sqlite.json").read_text("utf-8"))["seconds"] == 120
