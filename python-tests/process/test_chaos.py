"""The short form of ``invoke chaos``: a world of processes meets the faults of its backend."""

from __future__ import annotations

import os
from pathlib import Path

from chaos import judge, storm

SECONDS = 4.0


def test_a_world_that_meets_each_fault_keeps_all_promises(
    backend_name: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CLOACA_TEST_SEED", "33"))
    with storm.a_world(backend_name, seed, tmp_path) as world:
        world.storm(backend_name, SECONDS)
        world.settle()
        world.close()
        judged = judge.judge(world)

    assert [text for each in judged for text in each.broken] == []
    assert world.happened
    assert all(each.number > 0 for each in judged if each.promise in ("P2", "P4", "P8"))
