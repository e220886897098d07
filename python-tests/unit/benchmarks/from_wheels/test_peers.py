"""The list of engines: each has a program, and a database to run it on."""

from __future__ import annotations

from benchmarks.from_wheels.peers import PEERS
from dev.project import ROOT


def test_each_engine_has_its_adapter_and_a_database() -> None:
    folder = ROOT / "benchmarks" / "peers"
    assert [each.name for each in PEERS if not (folder / f"{each.module}.py").exists()] == []
    assert [each.name for each in PEERS if not (each.sqlite or each.postgres)] == []
